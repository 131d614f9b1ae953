# SPDX-License-Identifier: MIT
"""How long it takes from shutting a pool down, with tasks of 10 us queued, until every future is done. The
workers are held until all is queued.

A hundredth of the tasks, and the time told is a hundred times theirs."""
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from time import perf_counter_ns, sleep

import bench

SCALE = 100
TASK_NS = 10_000


def hold(gate):
    gate.wait()
    gate.wait()


def work(started):
    end = perf_counter_ns() + TASK_NS
    started.append(1)
    while perf_counter_ns() < end:
        pass


@contextmanager
def program(o):
    def run():
        pool = ThreadPoolExecutor(o.workers)
        gate = Barrier(o.workers + 1)
        started = []
        for _ in range(o.workers):
            pool.submit(hold, gate)
        gate.wait()
        futures = [pool.submit(work, started) for _ in range(o.size // SCALE)]
        gate.wait()
        while not started:
            sleep(0)
        before = len(started)
        start = perf_counter_ns()
        pool.shutdown(wait=True, cancel_futures=True)
        bench.time(SCALE * (perf_counter_ns() - start))
        bench.metric("started", len(started) - before)
        return SCALE * sum(future.done() for future in futures)

    yield run


if __name__ == "__main__":
    bench.main(program, size=100000)
