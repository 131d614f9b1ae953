#!/bin/sh
# SPDX-License-Identifier: MIT
# Only CLOCK_MONOTONIC is read and slept by: sources name no other clock, nor a call of the C library that uses one, and
# the shared library imports none.
# usage: clocks.sh SOURCE_DIR SHARED_LIBRARY
set -eu
cd "$1"
library=$2
failed=0

complain()
{
    echo "clocks: $*" >&2
    failed=1
}

named=$(grep -ohE '\bCLOCK_[A-Z_]+' src/*.[ch] include/filch/*.h | sort | uniq -c | sed 's/^ *//')
echo "$named" | grep -qE '^[1-9][0-9]* CLOCK_MONOTONIC$' || complain 'CLOCK_MONOTONIC is not named'
[ "$(echo "$named" | wc -l)" -eq 1 ] || complain "clocks named: $named"

# A futex waits by the monotonic clock unless FUTEX_CLOCK_REALTIME; FUTEX_LOCK_PI by the real one.
others='FUTEX_CLOCK_REALTIME|FUTEX_LOCK_PI\b|gettimeofday|timespec_get|ftime|time|clock|pthread_cond_timedwait|pthread_mutex_timedlock'
others="$others|pthread_rwlock_timed[a-z]*|sem_timedwait|mq_timed[a-z]*|setitimer|alarm|nanosleep|usleep|sleep|mktime|localtime(_r)?"
for file in src/*.[ch]; do
    sed 's:/\*.*\*/::; s:^ \*.*::' "$file" | grep -nE "(^|[^_.>a-zA-Z])($others) *\(|FUTEX_CLOCK_REALTIME" >&2 &&
        complain "$file uses another clock"
done

imported=$(nm -D --undefined-only "$library" | sed 's/.* //; s/@.*//' | grep -xE "($others)" || :)
[ -z "$imported" ] || complain "the library imports $imported"
nm -D --undefined-only "$library" | grep -q ' clock_gettime' || complain 'the library does not import clock_gettime'
[ "$failed" -eq 0 ] && echo "clocks: CLOCK_MONOTONIC only"
exit "$failed"
