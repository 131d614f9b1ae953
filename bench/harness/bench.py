# SPDX-License-Identifier: MIT
"""What a benchmark program in Python shares with all the others: its options, its rounds, its output; as bench.h does."""
import argparse
import os
import sys
import time as clock

_time = None
_metrics = []


def fail(why):
    """Says so on standard error and ends the process with status 1."""
    print(f"{sys.argv[0]}: {why}", file=sys.stderr, flush=True)
    os._exit(1)


def metric(name, value):
    """A further figure of the round under way."""
    _metrics.append(f" {name}={int(value)}")


def time(ns):
    """This is the time of the round under way, and not all of it."""
    global _time
    _time = int(ns)


def percentiles(samples):
    """Sorts the samples, of which there is at least one, and tells their p50, p99 and p999."""
    samples.sort()
    for name, per_mille in ("p50", 500), ("p99", 990), ("p999", 999):
        metric(name, samples[(len(samples) * per_mille + 999) // 1000 - 1])


def _count(least):
    def parse(text):
        value = int(text)
        if value < least:
            raise ValueError
        return value

    return parse


def _options(defaults):
    parser = argparse.ArgumentParser(allow_abbrev=False)
    cpus = len(os.sched_getaffinity(0))
    for name, kind, default in (
        ("workers", _count(1), cpus),
        ("rounds", _count(1), 3),
        ("warmup", _count(0), 0),
        ("producers", _count(1), 1),
        ("size", _count(0), 0),
        ("chunk", _count(0), 0),
        ("load", float, 0.0),
    ):
        parser.add_argument("--" + name, type=kind, default=defaults.get(name, default))
    return parser.parse_args()


def main(program, **defaults):
    """Reads the options and runs the rounds. program(options) is a context manager that sets up, and gives the round:
    a function that is timed as a whole and returns the value to check."""
    global _time
    options = _options(defaults)
    first = None
    with program(options) as run:
        for i in range(options.warmup + options.rounds):
            _time = None
            _metrics.clear()
            start = clock.perf_counter_ns()
            check = run()
            ns = clock.perf_counter_ns() - start
            first = check if first is None else first
            if check != first:
                fail(f"round {i} gives {check}, the first gave {first}")
            if i >= options.warmup:
                print(f"ns={ns if _time is None else _time} check={check}{''.join(_metrics)}", flush=True)
