/* SPDX-License-Identifier: MIT */
/* Results are consumed in completion order: tasks push them to a queue that the consumer waits at. */
#include "bench.h"

#include <tbb/concurrent_queue.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

struct State {
    tbb::global_control limit; // else there are no more workers than CPUs, less one
    tbb::task_arena arena;
    tbb::concurrent_bounded_queue<int64_t> results;

    explicit State(const bench_options &o)
        : limit(tbb::global_control::max_allowed_parallelism, o.workers + 1), arena(static_cast<int>(o.workers), 0)
    {
    }
};

static int64_t run(void *arg, const bench_options *o)
{
    State &state = *static_cast<State *>(arg);
    tbb::task_group group;
    int64_t sum = 0;
    for (int64_t i = 0; i < o->size; i++)
        state.arena.enqueue(group.defer([&state, i] { state.results.push(2 * i); }));
    for (int64_t i = 0; i < o->size; i++) {
        int64_t result = 0;
        state.results.pop(result);
        sum += result;
    }
    state.arena.execute([&group] { group.wait(); });
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
