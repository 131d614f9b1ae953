// SPDX-License-Identifier: MIT
// filch.hpp: many tasks at once, and what stops them.
#include "hpp.hpp"

#include <csignal>
#include <list>
#include <numeric>
#include <set>

#include <poll.h>

// ---- As they complete ----

TEST(futures_come_in_completion_order)
{
    filch::pool pool(2);
    gate first;
    std::vector<filch::future<int>> futures;
    futures.push_back(pool.submit([&] {
        first.pass();
        return 0;
    }));
    futures.push_back(pool.submit([] { return 1; }));
    std::vector<int> order;
    for (auto &future : filch::as_completed(futures)) {
        order.push_back(future.get());
        if (order.size() == 1)
            first.open();
    }
    MUST((order == std::vector<int> { 1, 0 }));
}

TEST(a_range_may_be_given_away_shared_or_empty)
{
    filch::pool pool(2);
    std::vector<filch::shared_future<int>> shared { pool.submit([] { return 5; }).share() };
    shared.push_back(shared[0]);
    int sum = 0;
    for (const auto &future : filch::as_completed(shared)) // the same one twice is delivered once
        sum += future.get();
    const std::list<filch::shared_future<int>> list(shared.begin(), shared.end());
    for (auto &&future : filch::as_completed(list))
        sum += future.get();
    auto make = [&] {
        std::vector<filch::future<int>> made;
        for (int i = 0; i < 10; i++)
            made.push_back(pool.submit([i] { return i; }));
        return made;
    };
    for (auto &future : filch::as_completed(make()))
        sum += future.get();
    for (auto &future : filch::as_completed(std::vector<filch::future<int>>()))
        sum += future.get();
    MUST(sum == 5 + 5 + 45);
}

TEST(an_iteration_that_runs_out_of_time_says_how_many_are_missing)
{
    filch::pool pool(1);
    gate gate;
    std::vector<filch::future<void>> futures;
    futures.push_back(pool.submit([] {}));
    futures.push_back(pool.submit([&] { gate.pass(); }));
    futures.push_back(pool.submit([] {}));
    futures[0].wait();
    int seen = 0;
    auto error = thrown<filch::timeout_error>([&] {
        for (auto &future : filch::as_completed(futures, 1ms))
            future.get(), seen++;
    });
    MUST(seen == 1 && error.unfinished() == 2 && error.total() == 3 && error.code() == -ETIMEDOUT);
    MUST(filch::wait(futures, FILCH_ALL, 1ms) == 1);
    MUST(filch::cancel_all(futures) == 1);
    gate.open();
    MUST(filch::wait(futures) == 3);
}

TEST(an_iteration_inside_a_task_may_be_left)
{
    filch::pool pool(1);
    MUST(pool.submit([](filch::task &self) {
                 std::vector<filch::future<int>> futures;
                 for (int i = 0; i < 100; i++)
                     futures.push_back(self.submit([i] { return i; }));
                 for (auto &future : filch::as_completed(futures))
                     if (int n = future.get(); n >= 0)
                         return true;
                 return false;
             })
             .get());
}

// ---- Scopes ----

TEST(a_scope_throws_the_first_error_and_stops_the_rest)
{
    filch::pool pool(2);
    filch::scope scope(pool);
    filch::task_options options;
    options.name = "root";
    auto asleep = scope.submit([] { filch::sleep_for(filch::forever); });
    (void)scope.submit(options, [] { throw std::runtime_error("the cause"); });
    auto failure = thrown<filch::failure>([&] { scope.join(); });
    MUST(failure.error().message() == std::string("the cause") && failure.error().task() == std::string("root"));
    MUST(asleep.state() == FILCH_STOPPED);
}

TEST(a_scope_collects_errors)
{
    filch::pool pool(1);
    filch::scope_options options;
    options.policy = FILCH_COLLECT;
    filch::scope scope(pool, options);
    (void)scope.submit([] { throw std::runtime_error("one"); });
    (void)scope.submit([] { throw std::runtime_error("two"); });
    auto good = scope.submit([] { return 3; });
    auto failure = thrown<filch::failure>([&] { scope.join(); });
    MUST(failure.error().suppressed_count() == 1 && !failure.error().suppressed(1));
    MUST(failure.error().suppressed(0).message() == std::string("two"));
    MUST(good.get() == 3);
}

TEST(a_scope_delivers_its_tasks)
{
    filch::pool pool(2);
    filch::scope scope(pool);
    for (int i = 0; i < 10; i++)
        (void)scope.submit([i] { return i; });
    int n = 0;
    while (std::optional<filch::future_base> future = scope.next())
        n += future->state() == FILCH_DONE;
    MUST(n == 10);
    scope.join();
}

TEST(an_exception_that_leaves_the_block_stops_the_scope)
{
    filch::pool pool(2);
    filch::future<void> asleep;
    thrown<std::runtime_error>([&] {
        filch::scope scope(pool);
        asleep = scope.submit([] { filch::sleep_for(filch::forever); });
        throw std::runtime_error("out");
    });
    MUST(asleep.ready() && asleep.state() == FILCH_STOPPED);
}

// ---- Map and loops ----

TEST(a_map_keeps_the_order)
{
    filch::pool pool(2);
    std::vector<int> in(1000);
    std::iota(in.begin(), in.end(), 0);
    std::vector<std::string> out = filch::map(pool, in, [](int n) { return std::to_string(n); });
    for (size_t i = 0; i < in.size(); i++)
        MUST(out[i] == std::to_string(i));
    const std::list<std::string> words { "a", "bb" };
    MUST((filch::map(pool, words, [](filch::task &, const std::string &word) { return word.size(); }) ==
          std::vector<size_t> { 1, 2 }));
    filch::map(pool, in, [](int &n) { n = -n; });
    MUST(in[999] == -999);
    MUST(filch::map(pool, std::set<int>(), [](int n) { return n; }).empty());
    auto owned = filch::map(pool, in, [](int n) { return std::make_unique<int>(n); });
    MUST(*owned[7] == -7);
}

TEST(a_map_throws_the_first_error_by_index)
{
    filch::pool pool(2);
    std::vector<int> in(100);
    std::iota(in.begin(), in.end(), 0);
    auto fragile = [](int n) {
        if (n % 10 == 7)
            throw std::out_of_range("no " + std::to_string(n));
        return std::to_string(n);
    };
    auto failure = thrown<filch::failure>([&] { filch::map(pool, in, fragile); });
    MUST(failure.code() == -ERANGE && failure.error().root().message() == std::string("no 7"));
}

TEST(a_loop_covers_each_index_and_throws_what_its_body_throws)
{
    filch::pool pool(2);
    std::vector<int> seen(10000);
    filch::parallel_for(pool, 0, seen.size(), [&](size_t i) { seen[i]++; });
    MUST(std::count(seen.begin(), seen.end(), 1) == 10000);
    auto loop = [&] {
        filch::parallel_for(pool, 0, 100, [](size_t i) {
            if (i == 50)
                throw std::string("fifty");
        });
    };
    MUST(thrown<std::string>(loop) == "fifty");
    pool.submit([&] { MUST(thrown<std::string>(loop) == "fifty"); }).get();
}

// ---- Stops ----

TEST(stops_form_a_tree_and_have_reasons)
{
    filch::stop parent, other;
    filch::stop child = filch::stop::below(parent);
    int calls = 0;
    filch::stop_callback callback(child, [&] { calls++; });
    pollfd waiting { child.fd(), POLLIN, 0 };
    MUST(poll(&waiting, 1, 0) == 0);
    MUST(parent.request(filch::error(-EBUSY, "the reason")) && !parent.request());
    MUST(child.requested() && child.reason() == -EBUSY && calls == 1 && !other.requested());
    MUST(child.error().message() == std::string("the reason"));
    MUST(poll(&waiting, 1, 0) == 1);
    {
        filch::stop_callback never(other, [&] { calls++; });
    }
    other.request();
    MUST(calls == 1);
}

TEST(a_stop_has_a_deadline)
{
    filch::pool pool(1);
    filch::task_options options;
    filch::stop soon = pool.stop_after(1ms);
    options.stop = soon.native_handle();
    auto future = pool.submit(options, [] { filch::sleep_for(filch::forever); });
    thrown<filch::cancelled>([&] { future.get(); });
    MUST(future.state() == FILCH_STOPPED && soon.reason() == -ETIMEDOUT);

    auto outer = pool.submit(options, [&] { future.get(); }); // stopped before it starts
    auto inner = pool.submit([&](filch::task &self) {
        filch::task_options below;
        below.stop = soon.native_handle();
        auto sub = self.submit(below, [] {});
        self.stop().request();
        sub.get();
    });
    thrown<filch::cancelled>([&] { outer.get(); });
    thrown<filch::cancelled>([&] { inner.get(); });
    MUST(outer.state() == FILCH_STOPPED && inner.state() == FILCH_STOPPED);
}

TEST(a_shutdown_that_takes_too_long_names_the_stragglers)
{
    filch::pool pool(1);
    gate gate;
    filch::task_options options;
    options.name = "slow";
    std::atomic<bool> began { false };
    auto future = pool.submit(options, [&] { began = true, gate.pass(); });
    while (!began)
        std::this_thread::yield();
    auto failure = thrown<filch::failure>([&] { pool.shutdown(FILCH_SHUTDOWN_WAIT, 1ms); });
    MUST(failure.code() == -ETIMEDOUT && std::string(failure.what()).find("slow") != std::string::npos);
    gate.open();
    pool.shutdown();
}

TEST(an_interrupt_ends_the_wait_and_requests_the_stop)
{
    filch::pool pool(1);
    filch::guard guard(pool.stop());
    auto future = pool.submit([] { filch::sleep_for(filch::forever); });
    std::raise(SIGINT);
    MUST(thrown<filch::cancelled>([&] { future.get(); }).code() == -EINTR || future.state() == FILCH_STOPPED);
    MUST(guard.interrupted() && pool.stop().reason() == -EINTR);
}
