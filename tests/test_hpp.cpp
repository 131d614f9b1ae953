// SPDX-License-Identifier: MIT
// filch.hpp: tasks that are callables, their results, and what becomes of exceptions.
#include "hpp.hpp"

#include <fstream>

// ---- Results ----

TEST(a_lambda_returns_a_value)
{
    filch::pool pool(2);
    filch::future<int> future = pool.submit([] { return 42; });
    MUST(future.get() == 42);
    MUST(future.ready() && future.state() == FILCH_DONE && !future.error());
}

TEST(arguments_are_copied_into_the_task)
{
    filch::pool pool(1);
    std::string text = "abc";
    gate gate;
    auto blocked = pool.submit([&] { gate.pass(); });
    auto length = pool.submit([](const std::string &given, size_t more) { return given.size() + more; }, text, 2u);
    text = "longer than before";
    gate.open();
    MUST(length.get() == 5);
    blocked.get();
}

static int plain_function(int a, int b)
{
    return a - b;
}

struct member {
    int value;
    int plus(int other) const
    {
        return value + other;
    }
};

TEST(functions_and_members_are_callables)
{
    filch::pool pool(2);
    MUST(pool.submit(plain_function, 5, 3).get() == 2);
    MUST(pool.submit(&member::plus, member { 40 }, 2).get() == 42);
    MUST(pool.submit(&member::value, member { 7 }).get() == 7);
}

TEST(a_void_task_returns_nothing)
{
    filch::pool pool(2);
    int n = 0;
    filch::future<void> future = pool.submit([&] { n = 1; });
    future.get();
    MUST(n == 1);
}

TEST(a_reference_is_returned_as_one)
{
    filch::pool pool(2);
    int n = 0;
    filch::future<int &> future = pool.submit([&]() -> int & { return n; });
    future.get() = 5;
    MUST(n == 5);
}

TEST(what_can_only_be_moved_is_moved_in_and_out)
{
    filch::pool pool(2);
    auto captured = std::make_unique<int>(40);
    auto future = pool.submit(
        [captured = std::move(captured)](std::unique_ptr<int> given) {
            *given += *captured;
            return given;
        },
        std::make_unique<int>(2));
    std::unique_ptr<int> sum = future.get();
    MUST(*sum == 42);
}

struct counted {
    int *copies;
    explicit counted(int *n) : copies(n)
    {
    }
    counted(const counted &other) : copies(other.copies)
    {
        ++*copies;
    }
    counted(counted &&) = default;
};

TEST(nothing_is_copied_that_is_given_away)
{
    filch::pool pool(1);
    int copies = 0;
    counted result = pool.submit([](counted given) { return given; }, counted(&copies)).get();
    MUST(copies == 0 && result.copies == &copies);
}

TEST(a_result_is_taken_once_and_shared_ones_are_seen_by_all)
{
    filch::pool pool(2);
    filch::future<std::string> future = pool.submit([] { return std::string("text"); });
    MUST(future.get() == "text");
    thrown<std::logic_error>([&] { future.get(); });

    filch::shared_future<std::string> shared = pool.submit([] { return std::string("text"); }).share();
    filch::shared_future<std::string> copy = shared;
    MUST(&shared.get() == &copy.get() && copy.get() == "text");
    thrown<std::logic_error>([] { filch::future<int>().get(); });
}

TEST(captures_are_destroyed_when_the_task_has_run)
{
    filch::pool pool(2);
    auto token = std::make_shared<int>();
    std::weak_ptr<int> watched = token;
    auto done = pool.submit([token] {});
    auto failed = pool.submit([token = std::move(token)] { throw 1; });
    done.wait();
    failed.wait();
    MUST(watched.expired());
}

TEST(captures_of_a_task_that_never_ran_are_destroyed_with_its_future)
{
    filch::pool pool(1);
    gate gate;
    auto token = std::make_shared<int>();
    std::weak_ptr<int> watched = token;
    auto blocked = pool.submit([&] { gate.pass(); });
    {
        auto future = pool.submit([token = std::move(token)] {});
        MUST(future.cancel());
        MUST(!watched.expired());
    }
    gate.open();
    blocked.get();
    pool.shutdown();
    MUST(watched.expired());
}

TEST(a_future_may_be_dropped_and_outlives_the_pool)
{
    filch::future<std::string> kept;
    int ran = 0;
    {
        filch::pool pool(1);
        (void)pool.submit([&] { ran++; });
        kept = pool.submit([] { return std::string("kept"); });
    }
    MUST(ran == 1 && kept.get() == "kept");
}

TEST(two_translation_units_understand_each_other)
{
    filch::pool pool(1);
    MUST(submit_elsewhere(pool).get() == "from elsewhere");
}

// ---- The task itself ----

static int fib(filch::task &self, int n)
{
    if (n < 2)
        return n;
    auto left = self.submit(fib, n - 1);
    auto right = self.submit(fib, n - 2);
    return left.get() + right.get();
}

TEST(sub_tasks_run_on_one_worker)
{
    filch::pool pool(1);
    MUST(pool.submit(fib, 12).get() == 144);
}

TEST(options_name_delay_and_retry)
{
    filch::pool pool(2);
    filch::retry_options retry;
    retry.interval_ns = 0;
    filch::task_options options;
    options.name = "third time";
    options.retry = &retry;
    options.start_at_ns = filch::in(5ms);
    int64_t begin = filch_now();
    auto future = pool.submit(
        options,
        [](filch::task &self, std::string text) {
            if (self.attempt() < 3)
                throw std::runtime_error("not yet");
            return std::move(text) + " is there";
        },
        std::string("what was given"));
    MUST(future.get() == "what was given is there");
    MUST(future.attempts() == 3 && future.name() == std::string("third time"));
    MUST(filch_now() - begin >= FILCH_MS(5));
}

TEST(what_is_moved_into_the_call_cannot_be_tried_again)
{
    filch::pool pool(1);
    filch::retry_options retry;
    filch::task_options options;
    options.retry = &retry;
    auto consume = [](std::unique_ptr<int> given) { return *given; };
    auto failure = thrown<filch::failure>([&] { (void)pool.submit(options, consume, std::make_unique<int>(1)); });
    MUST(failure.code() == -EINVAL);
    MUST(pool.submit(
                 options, [](const std::unique_ptr<int> &given) { return *given; }, std::make_unique<int>(1))
             .get() == 1);
}

TEST(a_task_that_is_stopped_throws_cancelled_out_and_is_stopped)
{
    filch::pool pool(2);
    filch::stop stop;
    filch::task_options options;
    options.stop = stop.native_handle();
    std::atomic<bool> began { false };
    auto asleep = pool.submit(options, [&] {
        began = true;
        filch::sleep_for(filch::forever);
    });
    auto polling = pool.submit(options, [](filch::task &self) {
        for (;;)
            self.check();
    });
    while (!began)
        std::this_thread::yield();
    MUST(stop.request());
    MUST(thrown<filch::cancelled>([&] { asleep.get(); }).code() == -ECANCELED);
    thrown<filch::cancelled>([&] { polling.get(); });
    MUST(asleep.state() == FILCH_STOPPED && polling.state() == FILCH_STOPPED);
}

TEST(a_blocking_region_gives_the_worker_away)
{
    filch::pool pool(1);
    gate gate;
    auto blocked = pool.submit([&] {
        filch::blocking region;
        gate.pass();
    });
    pool.submit([&] { gate.open(); }).get();
    blocked.get();
    filch::blocking outside_it_does_nothing;
}

// ---- Waits ----

TEST(waits_end_with_their_time)
{
    filch::pool pool(1);
    gate gate;
    auto future = pool.submit([&] { gate.pass(); });
    MUST(!future.wait_for(0s) && !future.wait_for(-1s) && !future.wait_for(0.0005s));
    MUST(!future.wait_until(std::chrono::steady_clock::now() + 1ms));
    MUST(!future.wait_until(std::chrono::system_clock::now() - 1h));
    MUST(!future.ready());
    gate.open();
    MUST(future.wait_for(std::chrono::hours::max()));
    MUST(future.wait_until(std::chrono::system_clock::now()));
}

TEST(threads_of_the_program_submit_and_wait)
{
    filch::pool pool(2);
    filch::shared_future<int> shared = pool.submit([] { return 21; }).share();
    std::atomic<int> sum { 0 };
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.emplace_back([&, copy = shared] { sum += pool.submit([copy] { return copy.get(); }).get(); });
    for (std::thread &thread : threads)
        thread.join();
    MUST(sum == 84);
}

TEST(on_done_is_called_once)
{
    filch::pool pool(1);
    std::promise<filch_state> told;
    auto future = pool.submit([] {});
    future.on_done(
        [&, owned = std::make_unique<int>()](const filch::future_base &f) { told.set_value(f.state()); });
    MUST(told.get_future().get() == FILCH_DONE);
}

// ---- Exceptions ----

template <class F> static filch::failure failure_of(F &&function)
{
    static filch::pool pool(2);
    filch::task_options options;
    options.name = "doomed";
    auto future = pool.submit(options, std::forward<F>(function));
    auto failure = thrown<filch::failure>([&] { future.get(); });
    MUST(future.state() == FILCH_FAILED && future.error().code() == failure.code());
    return failure;
}

TEST(an_exception_becomes_an_error_with_its_message)
{
    filch::failure failure = failure_of([]() -> int { throw std::runtime_error("it broke"); });
    MUST(failure.error().message() == std::string("it broke"));
    MUST(failure.error().task() == std::string("doomed"));
    MUST(failure.code() == filch::exception_code && !failure.error().cause());
    MUST(failure.what() == std::string("[doomed] it broke (State not recoverable)"));
}

TEST(known_exceptions_have_codes_of_their_own)
{
    MUST(failure_of([] { throw std::bad_alloc(); }).code() == -ENOMEM);
    MUST(failure_of([] { throw std::invalid_argument("x"); }).code() == -EINVAL);
    MUST(failure_of([] { (void)std::string().at(1); }).code() == -ERANGE);
    MUST(failure_of([] { throw std::system_error(EPIPE, std::generic_category(), "x"); }).code() == -EPIPE);
    MUST(failure_of([] { throw std::system_error(ENOENT, std::system_category()); }).code() == -ENOENT);
    MUST(failure_of([] { throw std::system_error(std::make_error_code(std::errc::io_error)); }).code() == -EIO);
    MUST(failure_of([] { throw filch::failure(-EXDEV, "x"); }).code() == -EXDEV);
}

TEST(an_error_code_of_another_category_is_no_errno_value)
{
    MUST(failure_of([] {
             std::ifstream file;
             file.exceptions(std::ios::failbit);
             file.open("/nowhere/at/all");
         }).code() == filch::exception_code);
}

TEST(other_types_are_unknown_and_can_be_thrown_again)
{
    filch::failure failure = failure_of([] { throw 7; });
    MUST(failure.error().message() == std::string("unknown exception"));
    MUST(thrown<int>([&] { std::rethrow_exception(failure.exception()); }) == 7);
}

TEST(a_failure_that_is_passed_on_keeps_its_chain)
{
    filch::failure failure = failure_of([](filch::task &self) {
        filch::task_options options;
        options.name = "inner";
        self.submit(options, [] { throw filch::failure(-EIO, "the disk is gone"); }).get();
    });
    MUST(failure.code() == -EIO && failure.error().task() == std::string("doomed"));
    MUST(failure.error().cause().task() == std::string("inner"));
    MUST(failure.error().root().message() == std::string("the disk is gone"));
    MUST(failure.what() == std::string("[doomed] a task that it awaited failed (Input/output error)\n"
                                       "  caused by: [inner] the disk is gone (Input/output error)"));
}

TEST(a_failure_may_be_given_a_cause)
{
    filch::failure failure = failure_of([](filch::task &self) {
        try {
            self.submit([] { throw std::out_of_range("page 7"); }).get();
        } catch (const filch::failure &e) {
            throw filch::failure(-ENODATA, "no report", e.error());
        }
    });
    MUST(failure.code() == -ENODATA && failure.error().message() == std::string("no report"));
    MUST(failure.error().cause().message() == std::string("page 7") && !failure.error().cause().cause());
}

TEST(what_is_nested_in_an_exception_is_its_cause)
{
    filch::failure failure = failure_of([] {
        try {
            try {
                throw 1;
            } catch (...) {
                std::throw_with_nested(std::invalid_argument("inner"));
            }
        } catch (...) {
            std::throw_with_nested(std::runtime_error("outer"));
        }
    });
    MUST(failure.error().message() == std::string("outer"));
    MUST(failure.error().cause().code() == -EINVAL);
    MUST(failure.error().root().message() == std::string("unknown exception"));
}

TEST(cancelled_without_a_stop_is_a_failure)
{
    filch::pool pool(1);
    auto outer = pool.submit([](filch::task &self) {
        auto inner = self.submit([] {});
        MUST(inner.cancel());
        inner.get();
    });
    MUST(thrown<filch::cancelled>([&] { outer.get(); }).error().root().code() == -ECANCELED);
    MUST(outer.state() == FILCH_FAILED);
}

TEST(a_failure_is_copied_to_another_thread)
{
    std::exception_ptr carried;
    std::thread([&] {
        carried = std::make_exception_ptr(failure_of([] { throw std::runtime_error("far away"); }));
    }).join();
    MUST(thrown<filch::failure>([&] { std::rethrow_exception(carried); }).error().message() ==
         std::string("far away"));
}

TEST(a_submit_that_is_refused_throws_and_frees_the_callable)
{
    filch::pool pool(1);
    auto token = std::make_shared<int>();
    pool.shutdown();
    MUST(thrown<filch::failure>([&] { (void)pool.submit([token] {}); }).code() == -ESHUTDOWN);
    MUST(token.use_count() == 1);
    filch::pool_options options;
    options.workers = 100000;
    MUST(thrown<filch::failure>([&] { filch::pool never(options); }).code() == -EINVAL);
}

TEST(a_failure_that_nobody_looks_at_is_reported)
{
    static std::string seen;
    filch::pool_options options;
    options.on_unobserved = [](const filch_error *error, void *) { seen = filch_error_message(error); };
    filch::pool pool(options);
    (void)pool.submit([] { throw std::runtime_error("nobody cares"); });
    pool.shutdown();
    pool = filch::pool(1);
    MUST(seen == "nobody cares");
}
