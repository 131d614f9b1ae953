/* SPDX-License-Identifier: MIT */
/*
 * How long it takes from cancelling a group, with tasks of 10 us queued, until its wait has ended. The workers
 * are held until all is queued. A task that was cancelled leaves its slot as it was.
 */
#include "bench.h"

#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>
#include <vector>

enum { TASK_NS = 10000 };

struct State {
    tbb::global_control limit; // else there are no more workers than CPUs, less one
    tbb::task_arena arena;
    std::vector<char> ran;
    std::atomic<int64_t> started { 0 };

    explicit State(const bench_options &o)
        : limit(tbb::global_control::max_allowed_parallelism, o.workers + 1), arena(static_cast<int>(o.workers), 0),
          ran(static_cast<size_t>(o.size))
    {
    }
};

static void work(State &state, size_t i)
{
    int64_t end = bench_now() + TASK_NS;
    state.started++;
    while (bench_now() < end)
        ;
    state.ran[i] = 1;
}

static void queue(State &state, tbb::task_group &group, const bench_options *o)
{
    std::atomic<unsigned> held { 0 };
    std::promise<void> gate;
    std::shared_future<void> open = gate.get_future().share();
    for (unsigned i = 0; i < o->workers; i++)
        state.arena.enqueue([&held, open] {
            held++;
            open.wait();
        });
    while (held < o->workers)
        std::this_thread::yield();
    for (size_t i = 0; i < state.ran.size(); i++)
        state.arena.enqueue(group.defer([&state, i] { work(state, i); }));
    gate.set_value();
    while (state.started == 0)
        std::this_thread::yield();
}

static int64_t run(void *arg, const bench_options *o)
{
    State &state = *static_cast<State *>(arg);
    tbb::task_group group;
    state.started = 0;
    std::fill(state.ran.begin(), state.ran.end(), 0);
    queue(state, group, o);
    int64_t before = state.started;
    int64_t start = bench_now();
    group.cancel();
    state.arena.execute([&group] { group.wait(); });
    bench_time(bench_now() - start);
    bench_metric("started", state.started - before);
    if (std::count(state.ran.begin(), state.ran.end(), 1) != state.started)
        bench_fail("a task that started has not ended");
    return o->size;
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
