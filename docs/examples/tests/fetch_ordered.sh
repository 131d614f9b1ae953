# SPDX-License-Identifier: MIT
# Results come in completion order, and with --ordered in input order.
. "$(dirname "$0")/fetch.inc"

cat >"$scratch/urls" <<'END'
slow   /delay/600/http_get.h
medium /delay/300/http_get.h
fast   /http_get.h
END
names() {
    sed -n 's/^done   \([a-z]*\): .*/\1/p' "$out" | tr '\n' ' '
}

run_demo 0 <"$scratch/urls"
[ "$(names)" = 'fast medium slow ' ] || fail 'not in completion order'
run_demo 0 --ordered <"$scratch/urls"
[ "$(names)" = 'slow medium fast ' ] || fail 'not in input order'

# A failure ends an ordered run too, with its root cause, and does not end it when told to keep going.
echo 'broken /refuse/me' >>"$scratch/urls"
run_demo 1 --ordered <"$scratch/urls"
has "$out" '^failed broken: Connection refused$'
has "$err" '^filch_fetch: root cause: GET http://127\.0\.0\.1:[0-9]*/refuse/me: .*(Connection refused)$'

# The chain is that of a run in completion order.
has "$err" '^\[broken\] main task broken ended because a GET failed (Connection refused)$'
has "$err" '^  caused by: \[broken/0\] GET http://.*/refuse/me: .*(Connection refused)$'
run_demo 1 --ordered --json <"$scratch/urls"
has "$out" '"message":"main task broken ended because a GET failed"'

run_demo 1 --ordered --keep-going <"$scratch/urls"
[ "$(names)" = 'slow medium fast ' ] || fail 'not in input order'
has "$out" '^3 of 4 main tasks done, 1 failed, 0 stopped; 3 of 4 GETs answered'
