# SPDX-License-Identifier: MIT
"""How long it takes from submitting a task to a pool that sleeps until the task starts."""
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import perf_counter_ns, sleep

import bench

UNTIL_ASLEEP_S = 0.002


def note_start(i):
    return perf_counter_ns(), 2 * i


@contextmanager
def program(o):
    with ThreadPoolExecutor(o.workers) as pool:

        def run():
            latencies = []
            total = 0
            for i in range(o.size):
                sleep(UNTIL_ASLEEP_S)
                submitted = perf_counter_ns()
                started, result = pool.submit(note_start, i).result()
                latencies.append(started - submitted)
                total += result
            bench.percentiles(latencies)
            bench.time(latencies[(o.size - 1) // 2])
            return total

        yield run


if __name__ == "__main__":
    bench.main(program, size=200)
