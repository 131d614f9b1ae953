// SPDX-License-Identifier: MIT
// The same as filch.c, by oneTBB.
#include <iostream>
#include <mutex>
#include <stdexcept>
#include <string>

#include <tbb/global_control.h>
#include <tbb/task_group.h>

static int steps(int number, int unlucky)
{
    if (number == unlucky)
        throw std::domain_error(std::to_string(number) + " is unlucky");
    int n = 0;
    for (long x = number; x != 1; x = x % 2 ? 3 * x + 1 : x / 2)
        n++;
    return n;
}

int main(int argc, char **argv)
{
    const int tasks = argc > 1 ? std::stoi(argv[1]) : 20, unlucky = argc > 2 ? std::stoi(argv[2]) : 0;
    int done = 0, sum = 0;
    std::string error;
    std::mutex mutex;
    tbb::global_control limit(tbb::global_control::max_allowed_parallelism, 2);
    tbb::task_group group;
    for (int i = 1; i <= tasks; i++)
        group.run([&, i] {
            int n = steps(i, unlucky);
            std::lock_guard<std::mutex> lock(mutex);
            std::cout << i << ": " << n << '\n';
            sum += n;
            done++;
        });
    try {
        group.wait(); // throws what the first task that failed threw
    } catch (const std::domain_error &e) {
        error = e.what();
    }
    const int failed = !error.empty();
    std::cout << tasks << " tasks: " << done << " done, " << failed << " failed, " << tasks - done - failed
              << " cancelled\n";
    if (failed)
        std::cout << "failed: " << error << '\n';
    else
        std::cout << "sum: " << sum << '\n';
    return failed;
}
