// SPDX-License-Identifier: MIT
// The same as filch.c, by filch.hpp.
#include <iostream>

#include <filch/filch.hpp>

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
    int done = 0, failed = 0, sum = 0;
    filch::pool pool(2);
    filch::scope scope(pool);
    std::vector<filch::future<std::pair<int, int>>> futures;
    for (int i = 1; i <= tasks; i++)
        futures.push_back(scope.submit([=] { return std::pair(i, steps(i, unlucky)); }));
    for (auto &future : filch::as_completed(futures)) {
        if (future.state() != FILCH_DONE) {
            failed += future.state() == FILCH_FAILED; // the scope has stopped the others already
            continue;
        }
        auto [number, n] = future.get();
        std::cout << number << ": " << n << '\n';
        sum += n;
        done++;
    }
    std::cout << tasks << " tasks: " << done << " done, " << failed << " failed, " << tasks - done - failed
              << " cancelled\n";
    try {
        scope.join();
        std::cout << "sum: " << sum << '\n';
    } catch (const filch::failure &failure) {
        std::cout << "failed: " << failure.error().message() << '\n';
        return 1;
    }
}
