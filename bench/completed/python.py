# SPDX-License-Identifier: MIT
"""Results are consumed in completion order.

A hundredth of the tasks, and the time told is a hundred times theirs: a task doubles the sum of a hundred
numbers."""
from concurrent.futures import ThreadPoolExecutor, as_completed
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
            futures = [pool.submit(twice, i) for i in range(o.size // SCALE)]
            total = sum(future.result() for future in as_completed(futures))
            bench.time(SCALE * (perf_counter_ns() - start))
            return total

        yield run


if __name__ == "__main__":
    bench.main(program, size=100000)
