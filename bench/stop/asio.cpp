/* SPDX-License-Identifier: MIT */
/*
 * How long it takes from stopping a pool, with tasks of 10 us queued, until every future is ready. The futures
 * of what did not run break their promise when the pool goes, so that is part of it. The workers are held until
 * all is queued.
 */
#include "bench.h"

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <thread>
#include <vector>

namespace asio = boost::asio;

enum { TASK_NS = 10000 };

struct State {
    std::vector<std::future<void>> futures;
    std::atomic<int64_t> started { 0 };
};

static void work(State &state)
{
    int64_t end = bench_now() + TASK_NS;
    state.started++;
    while (bench_now() < end)
        ;
}

static void queue(State &state, asio::thread_pool &pool, const bench_options *o)
{
    std::atomic<unsigned> held { 0 };
    std::promise<void> gate;
    std::shared_future<void> open = gate.get_future().share();
    for (unsigned i = 0; i < o->workers; i++)
        asio::post(pool, [&held, open] {
            held++;
            open.wait();
        });
    while (held < o->workers)
        std::this_thread::yield();
    for (std::future<void> &future : state.futures)
        future = asio::post(pool, asio::use_future([&state] { work(state); }));
    gate.set_value();
    while (state.started == 0)
        std::this_thread::yield();
}

static int64_t run(void *arg, const bench_options *o)
{
    State &state = *static_cast<State *>(arg);
    auto pool = std::make_unique<asio::thread_pool>(o->workers);
    int64_t final = 0;
    state.started = 0;
    queue(state, *pool, o);
    int64_t before = state.started;
    int64_t start = bench_now();
    pool->stop();
    pool->join();
    pool.reset();
    bench_time(bench_now() - start);
    bench_metric("started", state.started - before);
    for (std::future<void> &future : state.futures)
        final += future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    return final;
}

static void *setup(const bench_options *o)
{
    State *state = new State;
    state->futures.resize(static_cast<size_t>(o->size));
    return state;
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
