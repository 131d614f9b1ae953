/* SPDX-License-Identifier: MIT */
/* Many timers of 100 ms, whose handlers the pool runs. */
#include "bench.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <chrono>
#include <deque>
#include <future>

namespace asio = boost::asio;

static int64_t run(void *arg, const bench_options *o)
{
    asio::thread_pool &pool = *static_cast<asio::thread_pool *>(arg);
    std::deque<asio::steady_timer> timers;
    std::atomic<int64_t> sum { 0 }, missing { o->size };
    std::promise<void> done;
    for (int64_t i = 0; i < o->size; i++) {
        timers.emplace_back(pool, std::chrono::milliseconds(100));
        timers.back().async_wait([&, i](const boost::system::error_code &error) {
            if (error)
                bench_fail("a timer ended with %s", error.message().c_str());
            sum += 2 * i;
            if (--missing == 0)
                done.set_value();
        });
    }
    done.get_future().wait();
    return sum;
}

static void *setup(const bench_options *o)
{
    return new asio::thread_pool(o->workers);
}

static void teardown(void *arg)
{
    delete static_cast<asio::thread_pool *>(arg);
}

int main(int argc, char **argv)
{
    bench_program program = {};
    program.defaults.size = 10000;
    program.setup = setup;
    program.round = run;
    program.teardown = teardown;
    return bench_main(argc, argv, &program);
}
