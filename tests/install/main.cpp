// SPDX-License-Identifier: MIT
// The same from C++, with a lambda for a task.
#include <filch/filch.h>

#include <cstdio>
#include <memory>

int main()
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = 2;

    filch_pool *created = nullptr;
    if (filch_pool_create(&created, &options) != 0)
        return 1;
    std::unique_ptr<filch_pool, decltype(&filch_pool_destroy)> pool(created, filch_pool_destroy);

    int number = 21;
    auto twice = [](filch_task *, void *arg) -> int {
        *static_cast<int *>(arg) *= 2;
        return 0;
    };
    filch_future *submitted = nullptr;
    if (filch_submit(pool.get(), twice, &number, &submitted) != 0)
        return 1;
    std::unique_ptr<filch_future, decltype(&filch_future_unref)> future(submitted, filch_future_unref);

    if (filch_future_result(future.get(), FILCH_FOREVER, nullptr) != 0)
        return 1;
    std::printf("%d\n", number);
    return number == 42 ? 0 : 1;
}
