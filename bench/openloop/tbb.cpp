/* SPDX-License-Identifier: MIT */
/*
 * Tasks of 100 us by the clock arrive at random, at a share `load` of what so many workers could do: how long each
 * waits, from when it was to arrive until it starts.
 */
#include "bench.h"

#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include <cmath>
#include <ctime>
#include <numeric>
#include <vector>

enum { SERVICE_NS = 100000 };

struct Call {
    int64_t intended, started;
};

struct State {
    tbb::global_control limit; // else there are no more workers than CPUs, less one
    tbb::task_arena arena;
    std::vector<int64_t> results;
    std::vector<Call> calls;
    std::vector<double> arrivals; // of a process of rate 1

    explicit State(const bench_options &o)
        : limit(tbb::global_control::max_allowed_parallelism, o.workers + 1), arena(static_cast<int>(o.workers), 0),
          results(static_cast<size_t>(o.size)), calls(static_cast<size_t>(o.size))
    {
        uint64_t seed = 88172645463325252;
        double now = 0;
        while (arrivals.size() < calls.size())
            arrivals.push_back(now -= std::log(static_cast<double>((bench_random(&seed) >> 11) + 1) * 0x1p-53));
    }
};

static int64_t serve(Call &call, size_t index)
{
    call.started = bench_now();
    while (bench_now() - call.started < SERVICE_NS)
        continue;
    return 2 * static_cast<int64_t>(index);
}

static void wait_until(int64_t when)
{
    timespec deadline = { when / 1000000000, when % 1000000000 };
    if (when > bench_now())
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, nullptr);
}

static int64_t serve_all(State &state, double gap)
{
    int64_t start = bench_now(), sum = 0;
    tbb::task_group group;
    for (size_t i = 0; i < state.calls.size(); i++) {
        Call &call = state.calls[i];
        call.intended = start + static_cast<int64_t>(state.arrivals[i] * gap);
        wait_until(call.intended);
        state.arena.enqueue(group.defer([&state, &call, i] { state.results[i] = serve(call, i); }));
    }
    state.arena.execute([&group] { group.wait(); });
    sum = std::accumulate(state.results.begin(), state.results.end(), sum);
    return sum;
}

static int64_t run(void *arg, const bench_options *o)
{
    State &state = *static_cast<State *>(arg);
    std::vector<int64_t> delays;
    int64_t sum = serve_all(state, SERVICE_NS / (o->workers * o->load));
    for (const Call &call : state.calls)
        delays.push_back(call.started - call.intended);
    bench_percentiles(delays.data(), delays.size());
    bench_time(delays[(delays.size() - 1) / 2]);
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
    program.defaults.size = 10000;
    program.defaults.load = 0.8;
    program.setup = setup;
    program.round = run;
    program.teardown = teardown;
    return bench_main(argc, argv, &program);
}
