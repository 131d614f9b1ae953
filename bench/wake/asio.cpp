/* SPDX-License-Identifier: MIT */
/* How long it takes from submitting a task to a pool that sleeps until the task starts. */
#include "bench.h"

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <chrono>
#include <future>
#include <thread>
#include <vector>

namespace asio = boost::asio;

static int64_t run(void *arg, const bench_options *o)
{
    asio::thread_pool &pool = *static_cast<asio::thread_pool *>(arg);
    std::vector<int64_t> latencies(static_cast<size_t>(o->size));
    int64_t sum = 0;
    for (int64_t i = 0; i < o->size; i++) {
        int64_t started = 0;
        std::this_thread::sleep_for(std::chrono::milliseconds(2)); // until it is asleep
        int64_t submitted = bench_now();
        std::future<int64_t> result = asio::post(pool, asio::use_future([&started, i] {
                                                     started = bench_now();
                                                     return 2 * i;
                                                 }));
        sum += result.get();
        latencies[static_cast<size_t>(i)] = started - submitted;
    }
    bench_percentiles(latencies.data(), latencies.size());
    bench_time(latencies[(latencies.size() - 1) / 2]);
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
    program.defaults.size = 200;
    program.setup = setup;
    program.round = run;
    program.teardown = teardown;
    return bench_main(argc, argv, &program);
}
