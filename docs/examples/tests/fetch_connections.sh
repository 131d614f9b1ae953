# SPDX-License-Identifier: MIT
# A GET that waits for its server holds no worker: --connections alone bounds how many do so at once.
. "$(dirname "$0")/fetch.inc"

# took LEAST MOST: the run took so many seconds.
took() {
    seconds=$(sed -n 's/.* bytes in \([0-9.]*\) s$/\1/p' "$out")
    awk "BEGIN { exit !($seconds >= $1 && $seconds < $2) }" || fail "it took $seconds s, not $1 to $2"
}

for task in 0 1 2 3 4 5 6 7 8 9; do
    echo "task$task /delay/400/http_get.h /delay/400/http_get.c /delay/400/log.h /delay/400/log.c"
done >"$scratch/urls"

# 40 GETs of 0.4 s each: 16 s one after the other.
for workers in 1 3; do
    run_demo 0 --workers $workers <"$scratch/urls"
    has "$out" '^10 of 10 main tasks done, .* 40 of 40 GETs answered'
    took 0.4 4
done

# 12 GETs, of which at most 4 at once, take at least three times 0.4 s.
head -n 3 "$scratch/urls" >"$scratch/few"
for workers in 1 2 8; do
    run_demo 0 --workers $workers --connections 4 <"$scratch/few"
    has "$out" '^3 of 3 main tasks done, .* 12 of 12 GETs answered'
    took 1.2 6
done
run_demo 0 --connections 1 <<'END'
a /delay/200/http_get.h /delay/200/http_get.c
b /delay/200/http_get.h
END
took 0.6 3
