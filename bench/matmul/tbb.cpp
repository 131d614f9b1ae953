/* SPDX-License-Identifier: MIT */
/* matmul with oneTBB: parallel_invoke of four quarters. */
#include "bench.h"
#include "product.h"

#include <tbb/global_control.h>
#include <tbb/parallel_invoke.h>
#include <tbb/task_arena.h>

static void multiply(const product &whole)
{
    if (whole.size == LEAF) {
        product_leaf(&whole);
        return;
    }
    for (int half = 0; half < 2; half++) {
        product quarters[4];
        product_quarters(&whole, half, quarters);
        tbb::parallel_invoke([&] { multiply(quarters[0]); }, [&] { multiply(quarters[1]); },
                             [&] { multiply(quarters[2]); }, [&] { multiply(quarters[3]); });
    }
}

struct pool {
    explicit pool(const bench_options *options)
        : limit(tbb::global_control::max_allowed_parallelism, options->workers),
          arena(static_cast<int>(options->workers)), data(static_cast<matrices *>(product_setup(options)))
    {
    }
    ~pool()
    {
        product_teardown(data);
    }
    tbb::global_control limit; // an arena alone has no more threads than there are CPUs
    tbb::task_arena arena;
    matrices *data;
};

static void *setup(const bench_options *options)
{
    return new pool(options);
}

static void teardown(void *state)
{
    delete static_cast<pool *>(state);
}

static int64_t run_round(void *state, const bench_options *)
{
    pool *here = static_cast<pool *>(state);
    product_begin(here->data);
    int64_t start = bench_now();
    here->arena.execute([here] { multiply(here->data->whole); });
    bench_time(bench_now() - start);
    return product_end(here->data);
}

int main(int argc, char **argv)
{
    bench_program program = {};
    program.defaults.size = 512;
    program.setup = setup;
    program.round = run_round;
    program.teardown = teardown;
    return bench_main(argc, argv, &program);
}
