# SPDX-License-Identifier: MIT
"""By how many bytes the process grows for each task that is pending, and its future. The workers are held
meanwhile.

A task doubles the sum of ten numbers, and there is a tenth of the tasks."""
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from resource import getpagesize
from threading import Barrier

import bench

SCALE = 10


def twice(i):
    return 2 * (SCALE * SCALE * i + SCALE * (SCALE - 1) // 2)


def hold(gate):
    gate.wait()
    gate.wait()


def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * getpagesize()


@contextmanager
def program(o):
    tasks = o.size // SCALE
    futures = [None] * tasks
    with ThreadPoolExecutor(o.workers) as pool:
        before = None

        def run():
            nonlocal before
            gate = Barrier(o.workers + 1)
            for _ in range(o.workers):
                pool.submit(hold, gate)
            gate.wait()
            before = before or resident()
            for i in range(tasks):
                futures[i] = pool.submit(twice, i)
            bench.metric("bytes", (resident() - before) // tasks)
            gate.wait()
            return sum(future.result() for future in futures)

        yield run


if __name__ == "__main__":
    bench.main(program, size=100000)
