// SPDX-License-Identifier: MIT
// What the tests of filch.hpp share: a list of tests, which main() runs one after the other, and checks for any thread.
#ifndef FILCH_TESTS_HPP_HPP
#define FILCH_TESTS_HPP_HPP

#include <filch/filch.hpp>

#include <cstdio>
#include <cstdlib>
#include <future>
#include <string>
#include <thread>

using namespace std::chrono_literals;

struct test {
    const char *name;
    void (*run)();
};
inline std::vector<test> &tests()
{
    static std::vector<test> all;
    return all;
}

// TEST(sentence) { ... }
#define TEST(name)                                                                                \
    static void name();                                                                           \
    [[maybe_unused]] static const test &name##_test = tests().emplace_back(test { #name, name }); \
    static void name()

#define MUST(condition)                                                                                \
    do {                                                                                               \
        if (!(condition)) {                                                                            \
            std::fprintf(stderr, "%s:%d: %s: not so: %s\n", __FILE__, __LINE__, __func__, #condition); \
            std::abort();                                                                              \
        }                                                                                              \
    } while (0)

// What the call throws, which must be of that type.
template <class Exception, class F> Exception thrown(F &&call)
{
    try {
        call();
    } catch (const Exception &e) {
        return e;
    }
    std::fprintf(stderr, "nothing was thrown\n");
    std::abort();
}

// Tasks wait in it, holding their workers, until the test opens it.
class gate
{
  public:
    void open()
    {
        open_.set_value();
    }
    void pass() const
    {
        opened_.wait();
    }

  private:
    std::promise<void> open_;
    std::shared_future<void> opened_ = open_.get_future().share();
};

// In another translation unit.
filch::future<std::string> submit_elsewhere(filch::pool_ref pool);

#endif
