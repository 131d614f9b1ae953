/* SPDX-License-Identifier: MIT */
/*
 * By how many bytes the process grows for each task that is pending; its slot was there before. The workers are
 * held meanwhile.
 */
#include "bench.h"

#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include <atomic>
#include <future>
#include <thread>
#include <unistd.h>
#include <fstream>
#include <numeric>
#include <vector>

struct State {
    tbb::global_control limit; // else there are no more workers than CPUs, less one
    tbb::task_arena arena;
    std::vector<int64_t> results;
    int64_t before = 0; // bytes resident before the first round's tasks

    explicit State(const bench_options &o)
        : limit(tbb::global_control::max_allowed_parallelism, o.workers + 1), arena(static_cast<int>(o.workers), 0),
          results(static_cast<size_t>(o.size))
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
        state.arena.enqueue([&held, open] {
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
    tbb::task_group group;
    int64_t *results = state.results.data();
    for (int64_t i = 0; i < o->size; i++)
        state.arena.enqueue(group.defer([results, i] { results[i] = 2 * i; }));
    bench_metric("bytes", (resident() - state.before) / o->size);
    gate.set_value();
    state.arena.execute([&group] { group.wait(); });
    return std::accumulate(state.results.begin(), state.results.end(), INT64_C(0));
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
