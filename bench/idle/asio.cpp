/* SPDX-License-Identifier: MIT */
/* What CPU time a pool takes that has run one task and now has nothing to do, for `size` milliseconds. */
#include "bench.h"

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <chrono>
#include <ctime>
#include <future>
#include <thread>

namespace asio = boost::asio;

static int64_t cpu_time()
{
    timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return used.tv_sec * INT64_C(1000000000) + used.tv_nsec;
}

static int64_t run(void *arg, const bench_options *o)
{
    asio::thread_pool &pool = *static_cast<asio::thread_pool *>(arg);
    int64_t result = asio::post(pool, asio::use_future([] { return 2 * 21; })).get();
    int64_t before = cpu_time();
    std::this_thread::sleep_for(std::chrono::milliseconds(o->size));
    int64_t used = cpu_time() - before;
    bench_metric("cpu_ns", used);
    bench_time(used);
    return result;
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
    program.defaults.size = 500;
    program.setup = setup;
    program.round = run;
    program.teardown = teardown;
    return bench_main(argc, argv, &program);
}
