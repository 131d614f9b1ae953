# SPDX-License-Identifier: MIT
"""Threads outside the pool submit tasks; each sums the results of its own futures.

A hundredth of the tasks, and the time told is a hundred times theirs: a task doubles the sum of a hundred
numbers."""
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import perf_counter_ns

import bench

SCALE = 100


def twice(i):
    return 2 * (SCALE * SCALE * i + SCALE * (SCALE - 1) // 2)


def produce(pool, first, last):
    futures = [pool.submit(twice, i) for i in range(first, last)]
    return sum(future.result() for future in futures)


@contextmanager
def program(o):
    tasks = o.size // SCALE
    bounds = [tasks * p // o.producers for p in range(o.producers + 1)]
    with ThreadPoolExecutor(o.workers) as pool, ThreadPoolExecutor(o.producers) as producers:

        def run():
            start = perf_counter_ns()
            total = sum(producers.map(produce, [pool] * o.producers, bounds, bounds[1:]))
            bench.time(SCALE * (perf_counter_ns() - start))
            return total

        yield run


if __name__ == "__main__":
    bench.main(program, size=100000)
