// SPDX-License-Identifier: MIT
// The same from C++: by the C interface with a lambda for a task, and by filch.hpp.
#include <filch/filch.hpp>

#include <cstdio>

static int twenty(filch::pool &pool)
{
    int number = 10;
    auto twice = [](filch_task *, void *arg) -> int {
        *static_cast<int *>(arg) *= 2;
        return 0;
    };
    filch_future *submitted = nullptr;
    if (filch_submit(pool.native_handle(), twice, &number, &submitted) != 0)
        return 0;
    filch::future_base(submitted).wait();
    return number;
}

int main()
{
    filch::pool pool(2);
    filch::future<int> sum = pool.submit([](int a, int b) { return a + b; }, twenty(pool), 22);
    std::printf("%d\n", sum.get());
    return sum.state() == FILCH_DONE ? 0 : 1;
}
