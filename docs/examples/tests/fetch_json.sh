# SPDX-License-Identifier: MIT
# --json writes one object a line: every main task, then the summary; errors as chains.
. "$(dirname "$0")/fetch.inc"

run_demo 1 --json --keep-going --workers 2 <<'END'
alpha /http_get.h /status/404
b"\eta /refuse/me
END

url='http://127\.0\.0\.1:[0-9]*'
seconds='"seconds":[0-9.e+-]*'
error='{"errno":111,"meaning":"Connection refused","message":"[^"]*","task":"b[^,]*"}'

# got PATH STATUS BYTES
got() {
    printf '{"url":"%s","state":"done","status":%s,"bytes":%s,%s,"tries":1}' "$url$1" "$2" "$3" "$seconds"
}
file=$(got /http_get.h 200 "$(size_of "$examples/http_get.h")")
refused="{\"url\":\"$url/refuse/me\",\"state\":\"failed\",\"error\":\[$error\],\"tries\":1}"
name='b\\"\\\\eta'
ended='{"errno":111,"meaning":"Connection refused","message":"main task '$name' ended because a GET failed"'
ended="$ended,\"task\":\"$name\"}"
counts='"mains":2,"done":1,"failed":1,"stopped":0,"gets":3,"answered":2,"bytes":[0-9]*'

has "$out" "^{\"main\":\"alpha\",\"state\":\"done\",\"gets\":\[$file,$(got /status/404 404 14)\],\"error\":null}\$"
has "$out" "^{\"main\":\"$name\",\"state\":\"failed\",\"gets\":\[$refused\],\"error\":\[$ended,$error\]}\$"
has "$out" "^{\"summary\":{$counts,$seconds,\"interrupted\":false,\"root_cause\":null}}\$"
count "$out" . 3

# In fail-fast mode the summary has the root cause.
run_demo 1 --json <<'END'
alpha /reset/me
END
has "$out" '"root_cause":\[{"errno":104,"meaning":"Connection reset by peer","message":"GET [^"]*/reset/me: '

# Where a JSON parser is at hand, it agrees.
if command -v jq >/dev/null; then
    keys=$(jq -r 'keys[]' "$out" | sort -u | tr '\n' ' ')
    [ "$keys" = 'error gets main state summary ' ] || fail 'jq disagrees'
fi
