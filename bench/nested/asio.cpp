/* SPDX-License-Identifier: MIT */
/*
 * Each main posts its sub tasks to the pool that runs it, and collects them in completion order: not by
 * waiting, which would hold a thread of the pool, but by handlers in its strand.
 */
#include "bench.h"

#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#include <future>
#include <memory>
#include <vector>

namespace asio = boost::asio;

class Main : public std::enable_shared_from_this<Main>
{
  public:
    Main(asio::thread_pool &where, int64_t index, int64_t n)
        : pool(where), strand(asio::make_strand(where)), first(index * n), subs(n), missing(n)
    {
    }

    std::future<int64_t> start()
    {
        asio::post(pool, [self = shared_from_this()] { self->submit(); });
        return result.get_future();
    }

  private:
    void submit()
    {
        for (int64_t i = first; i < first + subs; i++)
            asio::post(pool, [self = shared_from_this(), i] {
                int64_t twice = 2 * i;
                asio::post(self->strand, [self, twice] { self->collect(twice); });
            });
    }

    void collect(int64_t value)
    {
        sum += value;
        if (--missing == 0)
            result.set_value(sum);
    }

    asio::thread_pool &pool;
    asio::strand<asio::thread_pool::executor_type> strand;
    std::promise<int64_t> result;
    int64_t first, subs, missing, sum = 0;
};

static int64_t run(void *arg, const bench_options *o)
{
    asio::thread_pool &pool = *static_cast<asio::thread_pool *>(arg);
    std::vector<std::future<int64_t>> mains;
    int64_t sum = 0;
    for (int64_t i = 0; i < o->size; i++)
        mains.push_back(std::make_shared<Main>(pool, i, o->chunk)->start());
    for (std::future<int64_t> &main : mains)
        sum += main.get();
    return sum;
}

static void *setup(const bench_options *o)
{
    return new asio::thread_pool(o->workers);
}

static void teardown(void *arg)
{
    delete static_cast<asio::thread_pool *>(arg);
}

int main(int argc, char **argv)
{
    bench_program program = {};
    program.defaults.size = 1000;
    program.defaults.chunk = 100;
    program.setup = setup;
    program.round = run;
    program.teardown = teardown;
    return bench_main(argc, argv, &program);
}
