/* SPDX-License-Identifier: MIT */
/*
 * How long it takes from submitting a task to a pool that sleeps until the task starts. The submitter waits at
 * a future, as in a task_group's wait it would run the task itself.
 */
#include "bench.h"

#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <chrono>
#include <future>
#include <thread>
#include <vector>

struct State {
    tbb::global_control limit; // else there are no more workers than CPUs, less one
    tbb::task_arena arena;

    explicit State(const bench_options &o)
        : limit(tbb::global_control::max_allowed_parallelism, o.workers + 1), arena(static_cast<int>(o.workers), 0)
    {
    }
};

static int64_t run(void *arg, const bench_options *o)
{
    State &state = *static_cast<State *>(arg);
    std::vector<int64_t> latencies(static_cast<size_t>(o->size));
    int64_t sum = 0;
    for (int64_t i = 0; i < o->size; i++) {
        std::promise<int64_t> result;
        int64_t started;
        std::this_thread::sleep_for(std::chrono::milliseconds(2)); // until it is asleep
        int64_t submitted = bench_now();
        state.arena.enqueue([&result, &started, i] {
            started = bench_now();
            result.set_value(2 * i);
        });
        sum += result.get_future().get();
        latencies[static_cast<size_t>(i)] = started - submitted;
    }
    bench_percentiles(latencies.data(), latencies.size());
    bench_time(latencies[(latencies.size() - 1) / 2]);
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
    program.defaults.size = 200;
    program.setup = setup;
    program.round = run;
    program.teardown = teardown;
    return bench_main(argc, argv, &program);
}
