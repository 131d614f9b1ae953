# SPDX-License-Identifier: MIT
"""A function is applied to each element of a sequence: a task each, as a pool of threads ignores the size of
chunks.

A hundredth of the tasks, and the time told is a hundred times theirs: a task doubles the sum of a hundred
numbers."""
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import perf_counter_ns

import bench

SCALE = 100


def twice(i):
    return 2 * (SCALE * SCALE * i + SCALE * (SCALE - 1) // 2)


@contextmanager
def program(o):
    with ThreadPoolExecutor(o.workers) as pool:

        def run():
            start = perf_counter_ns()
            results = list(pool.map(twice, range(o.size // SCALE)))
            bench.time(SCALE * (perf_counter_ns() - start))
            return sum(results)

        yield run


if __name__ == "__main__":
    bench.main(program, size=1000000)
