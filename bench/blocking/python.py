# SPDX-License-Identifier: MIT
"""Tasks that each block for 20 ms."""
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import sleep

import bench


def block(i):
    sleep(0.02)
    return 2 * i


@contextmanager
def program(o):
    with ThreadPoolExecutor(o.workers) as pool:

        def run():
            futures = [pool.submit(block, i) for i in range(o.size)]
            return sum(future.result() for future in futures)

        yield run


if __name__ == "__main__":
    bench.main(program, size=100)
