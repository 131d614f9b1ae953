# SPDX-License-Identifier: MIT
"""Tasks of 100 us by the clock arrive at random, at a share `load` of what so many workers could do: how long each
waits, from when it was to arrive until it starts. As one runs at a time, it is more than they can do here."""
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from math import log
from time import perf_counter_ns, sleep

import bench

SERVICE_NS = 100_000
MASK = (1 << 64) - 1


def step(x):
    x ^= x << 13 & MASK
    x ^= x >> 7
    return x ^ x << 17 & MASK


def serve(i, intended):
    started = perf_counter_ns()
    while perf_counter_ns() - started < SERVICE_NS:
        pass
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
        gap = SERVICE_NS / (o.workers * o.load)

        def run():
            served = serve_all(pool, arrivals, gap)
            delays = [delay for delay, _ in served]
            bench.percentiles(delays)
            bench.time(delays[(o.size - 1) // 2])
            return sum(result for _, result in served)

        yield run


if __name__ == "__main__":
    bench.main(program, size=10000, load=0.8)
