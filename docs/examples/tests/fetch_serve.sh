# SPDX-License-Identifier: MIT
# The demo server on its own: one line tells where, its paths do what they say, none leads out, SIGTERM ends it.
. "$(dirname "$0")/fetch.inc"

mkdir "$scratch/root"
echo secret >"$scratch/secret"
echo hidden >"$scratch/root/.hidden"
ln -s ../secret "$scratch/root/link"
mkfifo "$scratch/root/fifo" "$scratch/served"
mkdir "$scratch/root/sub"
printf 12345 >"$scratch/root/five"
printf 1234567 >"$scratch/root/seven"
printf 123 >"$scratch/root/sub/three"

"$fetch" --serve-demo --root "$scratch/root" --demo-delay /late=200 --demo-fail /late=404 >"$scratch/served" &
server=$!
trap 'kill $server 2>/dev/null || :; rm -rf "$scratch"' EXIT
exec 3<"$scratch/served"
read -r line <&3
url=${line#serving }
case $line in
'serving http://127.0.0.1:'*/) ;;
*) fail "the server said: $line" ;;
esac

# The base URL's slash and the path's are one.
run 0 --base-url "$url" <<'END'
served /five /seven /sub/three /delay/10/five
task /task0/0 /task0/1 /task1/0
shaped /status/418 /delay/20/status/299 /late
outside /../secret /%2e%2e/secret /sub/..%2f..%2fsecret /link /.hidden /fifo /sub /sub/ //five /
odd /status/999 /task1/x /delay/x/five /task99999999999999999999/1
END
has "$out" '^done   served: 200 5 B .*, 200 7 B .*, 200 3 B .*, 200 5 B '
has "$out" '^done   task: 200 5 B .*, 200 7 B .*, 200 7 B '
has "$out" '^done   shaped: 418 .*, 299 .*, 404 '
count "$out" '^done   outside:\( 404 14 B [0-9.]* ms,\{0,1\}\)\{10\}$' 1
count "$out" '^done   odd:\( 404 14 B [0-9.]* ms,\{0,1\}\)\{4\}$' 1

# A taken port and a missing root are told.
port=${url##*:}
status=0
"$fetch" --serve-demo --root "$scratch/root" --port "${port%/}" >"$out" 2>"$err" || status=$?
[ $status -eq 1 ] || fail "exit status $status instead of 1"
has "$err" '^filch_fetch: cannot serve .*/root: Address already in use$'
run 1 --serve-demo --root "$scratch/nowhere" </dev/null
has "$err" '^filch_fetch: cannot serve .*/nowhere: No such file or directory$'

kill -TERM $server
status=0
wait $server || status=$?
[ $status -eq 0 ] || fail "the server ended with $status"
! read -r line <&3 || fail "the server said more: $line"

# Nobody answers there any more.
run 1 --base-url "$url" <<'END'
gone /five
END
has "$err" '^filch_fetch: root cause: GET .*/five: .*(Connection refused)$'
