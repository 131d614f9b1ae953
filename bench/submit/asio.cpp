/* SPDX-License-Identifier: MIT */
/* Threads outside the pool submit tasks; each sums the results of its own futures. */
#include "bench.h"

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <future>
#include <numeric>
#include <thread>
#include <vector>

namespace asio = boost::asio;

struct State {
    asio::thread_pool pool;
    std::vector<std::future<int64_t>> futures;

    explicit State(const bench_options &o) : pool(o.workers), futures(static_cast<size_t>(o.size))
    {
    }
};

static int64_t produce(State &state, int64_t from, int64_t to)
{
    std::future<int64_t> *futures = state.futures.data();
    int64_t sum = 0;
    for (int64_t i = from; i < to; i++)
        futures[i] = asio::post(state.pool, asio::use_future([i] { return 2 * i; }));
    for (int64_t i = from; i < to; i++)
        sum += futures[i].get();
    return sum;
}

static int64_t run(void *arg, const bench_options *o)
{
    State &state = *static_cast<State *>(arg);
    std::vector<std::thread> threads;
    std::vector<int64_t> sums(o->producers);
    for (unsigned i = 0; i < o->producers; i++)
        threads.emplace_back([&state, &sums, o, i] {
            sums[i] = produce(state, o->size * i / o->producers, o->size * (i + 1) / o->producers);
        });
    for (std::thread &thread : threads)
        thread.join();
    return std::accumulate(sums.begin(), sums.end(), INT64_C(0));
}

static void *setup(const bench_options *o)
{
    return new State(*o);
}

static void teardown(void *arg)
{
    delete static_cast<State *>(arg);
}

int main(int argc, char **argv)
{
    bench_program program = {};
    program.defaults.size = 100000;
    program.setup = setup;
    program.round = run;
    program.teardown = teardown;
    return bench_main(argc, argv, &program);
}
