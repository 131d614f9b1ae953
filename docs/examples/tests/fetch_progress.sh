# SPDX-License-Identifier: MIT
# The progress bar is drawn when asked for or on a terminal, counts GETs, and is cleared in the end.
. "$(dirname "$0")/fetch.inc"

cat >"$scratch/urls" <<'END'
a /delay/1000/http_get.h /http_get.h
b /reset/me
END
run_demo 1 --keep-going <"$scratch/urls"
lacks "$err" ' running, '

run_demo 1 --keep-going --progress <"$scratch/urls"
tr '\r' '\n' <"$err" >"$scratch/bars"
has "$scratch/bars" '\[\.*\] 0/3 done, 0 failed, [0-3] running, 0/s$'
has "$scratch/bars" '\[################\.\.\.\.\.\.\.\.\] 1/3 done, 1 failed, 1 running, [0-9]*/s, [0-9.]* s left$'
tail -n 1 "$scratch/bars" >"$scratch/last"
lacks "$scratch/last" ' running, '

run_demo 1 --keep-going --progress --no-progress <"$scratch/urls"
lacks "$err" ' running, '
