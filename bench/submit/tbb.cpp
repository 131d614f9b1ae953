/* SPDX-License-Identifier: MIT */
/*
 * Threads outside the pool submit tasks; each sums the results of its own. oneTBB has no futures: a task of a
 * task_group writes to its slot, and the producer waits for the group.
 */
#include "bench.h"

#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include <numeric>
#include <thread>
#include <vector>

struct State {
    tbb::global_control limit; // else there are no more workers than CPUs, less one
    tbb::task_arena arena;
    std::vector<int64_t> results;

    explicit State(const bench_options &o)
        : limit(tbb::global_control::max_allowed_parallelism, o.workers + 1), arena(static_cast<int>(o.workers), 0),
          results(static_cast<size_t>(o.size))
    {
    }
};

static int64_t produce(State &state, int64_t from, int64_t to)
{
    tbb::task_group group;
    int64_t *results = state.results.data();
    for (int64_t i = from; i < to; i++)
        state.arena.enqueue(group.defer([results, i] { results[i] = 2 * i; }));
    state.arena.execute([&group] { group.wait(); });
    return std::accumulate(results + from, results + to, INT64_C(0));
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
