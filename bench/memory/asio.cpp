/* SPDX-License-Identifier: MIT */
/*
 * By how many bytes the process grows for each task that is pending, and its future. The workers are held
 * meanwhile.
 */
#include "bench.h"

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>
#include <future>
#include <thread>
#include <unistd.h>
#include <fstream>
#include <vector>

namespace asio = boost::asio;

struct State {
    asio::thread_pool pool;
    std::vector<std::future<int64_t>> futures;
    int64_t before = 0; // bytes resident before the first round's tasks

    explicit State(const bench_options &o) : pool(o.workers), futures(static_cast<size_t>(o.size))
    {
    }
};

static int64_t resident()
{
    long all, pages = 0;
    if (!(std::ifstream("/proc/self/statm") >> all >> pages))
        bench_fail("cannot read /proc/self/statm");
    return pages * sysconf(_SC_PAGESIZE);
}

static void hold_workers(State &state, std::shared_future<void> open, unsigned n)
{
    std::atomic<unsigned> held { 0 };
    for (unsigned i = 0; i < n; i++)
        asio::post(state.pool, [&held, open] {
            held++;
            open.wait();
        });
    while (held < n)
        std::this_thread::yield();
    if (state.before == 0)
        state.before = resident();
}

static int64_t run(void *arg, const bench_options *o)
{
    State &state = *static_cast<State *>(arg);
    std::promise<void> gate;
    hold_workers(state, gate.get_future().share(), o->workers);
    for (int64_t i = 0; i < o->size; i++)
        state.futures[static_cast<size_t>(i)] = asio::post(state.pool, asio::use_future([i] { return 2 * i; }));
    bench_metric("bytes", (resident() - state.before) / o->size);
    gate.set_value();
    int64_t sum = 0;
    for (std::future<int64_t> &future : state.futures)
        sum += future.get();
    return sum;
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
