/* SPDX-License-Identifier: MIT */
/* Results are consumed in completion order: tasks post them to the consumer's io_context. */
#include "bench.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

namespace asio = boost::asio;

struct State {
    asio::io_context consumer { 1 };
    asio::thread_pool pool;

    explicit State(const bench_options &o) : pool(o.workers)
    {
    }
};

static int64_t run(void *arg, const bench_options *o)
{
    State &state = *static_cast<State *>(arg);
    int64_t sum = 0;
    int64_t missing = o->size;
    state.consumer.restart();
    auto more = asio::make_work_guard(state.consumer);
    for (int64_t i = 0; i < o->size; i++)
        asio::post(state.pool, [&, i] {
            int64_t result = 2 * i;
            asio::post(state.consumer, [&, result] {
                sum += result;
                if (--missing == 0)
                    more.reset();
            });
        });
    state.consumer.run();
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
