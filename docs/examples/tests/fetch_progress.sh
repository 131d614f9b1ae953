# SPDX-License-Identifier: MIT
# The progress bar is drawn when asked for or on a terminal, counts GETs, and is cleared in the end.
. "$(dirname "$0")/fetch.inc"

cat >"$scratch/urls" <<'END'
a /delay/1000/http_get.h /delay/300/http_get.h
b /delay/300/reset/me
END
run_demo 1 --keep-going <"$scratch/urls"
lacks "$err" ' running, '

run_demo 1 --keep-going --progress <"$scratch/urls"
tr '\r' '\n' <"$err" >"$scratch/bars"
has "$scratch/bars" '\[\.*\] 0/3 done, 0 failed, [0-3] running, 0/s$'
has "$scratch/bars" '\[################\.\.\.\.\.\.\.\.\] 1/3 done, 1 failed, 1 running, [0-9]*/s, [0-9.]* s left$'
tail -n 1 "$scratch/bars" >"$scratch/last"
lacks "$scratch/last" ' running, '

# What a failure stops has neither failed nor is it done.
run_demo 1 --workers 8 --timeout 60 --progress <<'END'
broken /delay/1000/refuse/me /delay/50000/http_get.h /delay/50000/http_get.h
slow /delay/50000/http_get.h
END
has "$out" '^failed broken: Connection refused, stopped, stopped$'
tr '\r' '\n' <"$err" >"$scratch/bars"
has "$scratch/bars" ' 0/4 done, 0 failed, 4 running, 0/s$'
has "$scratch/bars" '\[######\.*\] 0/4 done, 1 failed, 0 running, '
lacks "$scratch/bars" ' [2-9] failed, '

run_demo 1 --keep-going --progress --no-progress <"$scratch/urls"
lacks "$err" ' running, '
