# SPDX-License-Identifier: MIT
# The same as filch.c, by concurrent.futures.
import sys
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed


def steps(number, unlucky):
    if number == unlucky:
        raise ValueError(f"{number} is unlucky")
    n = 0
    while number != 1:
        number = 3 * number + 1 if number % 2 else number // 2
        n += 1
    return n


def main(tasks=20, unlucky=0):
    done = cancelled = total = 0
    errors = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        numbers = {pool.submit(steps, i, unlucky): i for i in range(1, tasks + 1)}
        for future in as_completed(numbers):
            try:
                result = future.result()
            except CancelledError:
                cancelled += 1
            except ValueError as error:
                errors.append(error)
                for other in numbers:
                    other.cancel()
            else:
                print(f"{numbers[future]}: {result}")
                total += result
                done += 1
    print(f"{tasks} tasks: {done} done, {len(errors)} failed, {cancelled} cancelled")
    print(f"failed: {errors[0]}" if errors else f"sum: {total}")
    return len(errors)


sys.exit(main(*map(int, sys.argv[1:])))
