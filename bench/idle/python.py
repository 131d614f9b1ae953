# SPDX-License-Identifier: MIT
"""What CPU time a pool takes that has run one task and now has nothing to do, for `size` milliseconds."""
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import process_time_ns, sleep

import bench


def twice(i):
    return 2 * i


@contextmanager
def program(o):
    with ThreadPoolExecutor(o.workers) as pool:

        def run():
            result = pool.submit(twice, 21).result()
            before = process_time_ns()
            sleep(o.size / 1000)
            used = process_time_ns() - before
            bench.metric("cpu_ns", used)
            bench.time(used)
            return result

        yield run


if __name__ == "__main__":
    bench.main(program, size=500)
