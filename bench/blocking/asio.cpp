/* SPDX-License-Identifier: MIT */
/* Tasks that each block for 20 ms. */
#include "bench.h"

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <chrono>
#include <future>
#include <thread>
#include <vector>

namespace asio = boost::asio;

static int64_t block(int64_t value)
{
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return 2 * value;
}

static int64_t run(void *arg, const bench_options *o)
{
    asio::thread_pool &pool = *static_cast<asio::thread_pool *>(arg);
    std::vector<std::future<int64_t>> futures;
    int64_t sum = 0;
    for (int64_t i = 0; i < o->size; i++)
        futures.push_back(asio::post(pool, asio::use_future([i] { return block(i); })));
    for (std::future<int64_t> &future : futures)
        sum += future.get();
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
    program.defaults.size = 100;
    program.setup = setup;
    program.round = run;
    program.teardown = teardown;
    return bench_main(argc, argv, &program);
}
