/* SPDX-License-Identifier: MIT */
/* What CPU time a pool takes that has run one task and now has nothing to do, for `size` milliseconds. */
#include "bench.h"

#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <chrono>
#include <ctime>
#include <future>
#include <thread>

struct State {
    tbb::global_control limit; // else there are no more workers than CPUs, less one
    tbb::task_arena arena;

    explicit State(const bench_options &o)
        : limit(tbb::global_control::max_allowed_parallelism, o.workers + 1), arena(static_cast<int>(o.workers), 0)
    {
    }
};

static int64_t cpu_time()
{
    timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return used.tv_sec * INT64_C(1000000000) + used.tv_nsec;
}

static int64_t run(void *arg, const bench_options *o)
{
    State &state = *static_cast<State *>(arg);
    std::promise<int64_t> promise;
    state.arena.enqueue([&promise] { promise.set_value(2 * 21); });
    int64_t result = promise.get_future().get();
    int64_t before = cpu_time();
    std::this_thread::sleep_for(std::chrono::milliseconds(o->size));
    int64_t used = cpu_time() - before;
    bench_metric("cpu_ns", used);
    bench_time(used);
    return result;
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
    program.defaults.size = 500;
    program.setup = setup;
    program.round = run;
    program.teardown = teardown;
    return bench_main(argc, argv, &program);
}
