/* SPDX-License-Identifier: MIT */
/* A function is applied to each element of an array. */
#include "bench.h"

#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <numeric>
#include <vector>

struct State {
    tbb::global_control limit;
    tbb::task_arena arena; // its threads include the caller
    std::vector<int64_t> in, out;

    explicit State(const bench_options &o)
        : limit(tbb::global_control::max_allowed_parallelism, o.workers), arena(static_cast<int>(o.workers)),
          in(static_cast<size_t>(o.size)), out(static_cast<size_t>(o.size))
    {
        std::iota(in.begin(), in.end(), 0);
    }
};

static int64_t run(void *arg, const bench_options *o)
{
    State &state = *static_cast<State *>(arg);
    const int64_t *in = state.in.data();
    int64_t *out = state.out.data();
    auto map = [in, out](const tbb::blocked_range<int64_t> &range) {
        for (int64_t i = range.begin(); i < range.end(); i++)
            out[i] = 2 * in[i];
    };
    int64_t start = bench_now();
    state.arena.execute([&] {
        if (o->chunk > 0)
            tbb::parallel_for(tbb::blocked_range<int64_t>(0, o->size, static_cast<size_t>(o->chunk)), map,
                              tbb::simple_partitioner());
        else
            tbb::parallel_for(tbb::blocked_range<int64_t>(0, o->size), map);
    });
    bench_time(bench_now() - start);
    return std::accumulate(state.out.begin(), state.out.end(), INT64_C(0));
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
    program.defaults.size = 1000000;
    program.setup = setup;
    program.round = run;
    program.teardown = teardown;
    return bench_main(argc, argv, &program);
}
