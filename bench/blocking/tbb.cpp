/* SPDX-License-Identifier: MIT */
/* Tasks that each block for 20 ms. */
#include "bench.h"

#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include <chrono>
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

static int64_t run(void *arg, const bench_options *o)
{
    State &state = *static_cast<State *>(arg);
    tbb::task_group group;
    int64_t *results = state.results.data();
    for (int64_t i = 0; i < o->size; i++)
        state.arena.enqueue(group.defer([results, i] {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            results[i] = 2 * i;
        }));
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
    program.defaults.size = 100;
    program.setup = setup;
    program.round = run;
    program.teardown = teardown;
    return bench_main(argc, argv, &program);
}
