/* SPDX-License-Identifier: MIT */
/* C++: counts the lines of files, each in a task; then all of them or nothing, in a task that has sub tasks. */
#include <cerrno>
#include <fstream>
#include <iostream>

#include <filch/filch.hpp>

static filch::task_options named(const std::string &name)
{
    filch::task_options options; // copied at submit, with the name
    options.name = name.c_str();
    return options;
}

static size_t count_lines(filch::task &self, const std::string &path)
{
    std::ifstream file(path);
    if (!file)
        throw filch::failure(-errno, "cannot open it");
    size_t lines = 0;
    for (std::string line; std::getline(file, line); lines++)
        self.check(); // throws filch::cancelled once the task is to stop
    return lines;
}

static size_t count_all(filch::task &self, const std::vector<std::string> &paths)
{
    filch::scope scope(self.pool()); // the first failure stops the others; none is left when this returns
    std::vector<filch::future<size_t>> counts;
    for (const std::string &path : paths)
        counts.push_back(scope.submit(named(path), count_lines, path));
    scope.join();
    size_t sum = 0;
    for (auto &count : counts)
        sum += count.get();
    if (sum == 0)
        throw std::out_of_range("nothing to count");
    return sum;
}

int main(int argc, char **argv)
{
    const std::vector<std::string> paths(argv + 1, argv + argc);
    filch::pool pool(1); // enough, although tasks wait for sub tasks
    std::vector<filch::future<size_t>> counts;
    for (const std::string &path : paths)
        counts.push_back(pool.submit(named(path), count_lines, path));
    for (auto &count : filch::as_completed(counts, std::chrono::seconds(10))) {
        try {
            size_t lines = count.get();
            std::cout << count.name() << ": " << lines << '\n';
        } catch (const filch::failure &failure) {
            std::cout << failure.what() << '\n';
        }
    }
    try {
        size_t lines = pool.submit(named("all"), count_all, paths).get();
        std::cout << "all: " << lines << '\n';
    } catch (const filch::failure &failure) {
        std::cout << failure.what() << '\n';
        return 1;
    }
}
