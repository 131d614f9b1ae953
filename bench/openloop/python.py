# SPDX-License-Identifier: MIT
"""Tasks of about 20 us arrive at random, at a share `load` of what the pool can do: how long each waits, from
when it was to arrive until it starts. One runs at a time, and it takes about as long again to submit it."""
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from math import log
from time import perf_counter_ns, sleep

import bench

WORK_STEPS = 100
MASK = (1 << 64) - 1


def step(x):
    x ^= x << 13 & MASK
    x ^= x >> 7
    return x ^ x << 17 & MASK


def serve(i, intended):
    started = perf_counter_ns()
    x = i + 1
    for _ in range(WORK_STEPS):
        x = step(x)
    return started - intended, 2 * i


def serve_all(pool, arrivals, gap):
    futures = []
    start = perf_counter_ns()
    for i, arrival in enumerate(arrivals):
        intended = start + int(arrival * gap)
        wait = intended - perf_counter_ns()
        if wait > 0:
            sleep(wait / 1e9)
        futures.append(pool.submit(serve, i, intended))
    return [future.result() for future in futures]


def schedule(n):
    """Of a process of rate 1."""
    arrivals = []
    seed = 88172645463325252
    now = 0.0
    for _ in range(n):
        seed = step(seed)
        now -= log(((seed >> 11) + 1) / (1 << 53))
        arrivals.append(now)
    return arrivals


@contextmanager
def program(o):
    with ThreadPoolExecutor(o.workers) as pool:
        arrivals = schedule(o.size)
        start = perf_counter_ns()
        serve_all(pool, arrivals, 0)
        capacity_gap = (perf_counter_ns() - start) / o.size

        def run():
            served = serve_all(pool, arrivals, capacity_gap / o.load)
            delays = [delay for delay, _ in served]
            bench.percentiles(delays)
            bench.time(delays[(o.size - 1) // 2])
            return sum(result for _, result in served)

        yield run


if __name__ == "__main__":
    bench.main(program, size=10000, load=0.8)
