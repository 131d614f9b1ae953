#!/bin/sh
# SPDX-License-Identifier: MIT
# The server on filch and its peer on libuv's own pool under wrk, in turns: `sh run.sh DIRECTORY_OF_SERVERS OUT [--quick]`
# leaves OUT/server.md, which it prints, and OUT/server.json with every sample.
set -eu
servers=$1 out=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
rounds=5 seconds=3 workers=$(nproc) peers=
loads='short long mixed' all_connections='1 16 256'

usage()
{
    echo 'usage: ./dev bench server [--quick] [--rounds N] [--seconds N] [--loads "short long mixed"] [--connections "1 16 256"] [--peers "4 16"]' >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case $1 in
    --quick) rounds=2 seconds=1 ;;
    --rounds | --seconds | --loads | --connections | --peers)
        [ $# -ge 2 ] || usage
        case $1 in
        --rounds) rounds=$2 ;;
        --seconds) seconds=$2 ;;
        --loads) loads=$2 ;;
        --connections) all_connections=$2 ;;
        --peers) peers=$2 ;;
        esac
        shift
        ;;
    *) usage ;;
    esac
    shift
done

# The peer with its four threads, and with as many as filch has workers; the last is left out where that is the same.
[ "$workers" -eq 4 ] || other=$workers
contenders=filch
for threads in ${peers:-4 ${other:-}}; do
    contenders="$contenders uv-$threads"
done

work=$(mktemp -d)
pid=
clean_up()
{
    [ -z "$pid" ] || kill "$pid" || :
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

die()
{
    echo "bench server: $*" >&2
    exit 1
}

# start CONTENDER: sets $url. No request is to run into a limit: that is for the tests.
start()
{
    case $1 in
    filch) set -- http_server --workers "$workers" ;;
    uv-*) set -- http_server_uv --workers "${1#uv-}" ;;
    esac
    program=$1
    shift
    rm -f "$work/serving"
    mkfifo "$work/serving"
    "$servers/$program" --port 0 --deadline 30 "$@" >"$work/serving" 2>"$work/log" &
    pid=$!
    read -r url <"$work/serving" || die "$program does not start"
    url=${url%/}
}

stop()
{
    kill "$pid"
    wait "$pid" || die "$contender did not end well"
    pid=
}

# load LOAD CONNECTIONS: prints its figures.
load()
{
    wrk -t1 -c"$2" -d"$seconds" --timeout 30 -s "$here/load.lua" "$url" -- "$1" "$work/body.gz" >"$work/wrk.$1" ||
        die "wrk failed"
    sed -n 's/^figures //p' "$work/wrk.$1"
}

# sample LOAD CONNECTIONS: a line of what was measured, and for a mix also what became of the long requests.
sample()
{
    if [ "$1" = mixed ]; then
        long=$((($2 + 9) / 10))
        short=$(($2 - long))
        [ "$short" -gt 0 ] || short=1
        load slow "$long" >"$work/slow" &
        beside=$!
        load short "$short" >"$work/short"
        wait "$beside" || die "wrk failed"
        figures="$(cat "$work/short") $(cut -d ' ' -f 1,4 "$work/slow")"
    else
        figures="$(load "$1" "$2") 0 0"
    fi
    rejected=$(curl -s "$url/stats" | sed -n 's/^rejected_total //p')
    echo "$1 $2 $contender $round $figures $rejected"
}

# ---- The answers are right, and the same, before anything is timed ----

seq 1 150000 | gzip -c >"$work/body.gz"
for contender in $contenders; do
    start "$contender"
    curl -s "$url/work?hash=1024&hash=1048576&sleep=5" | sort >"$work/answer"
    curl -s --data-binary @"$work/body.gz" "$url/gunzip" >>"$work/answer"
    stop
    cat >"$work/expected" <<'END'
0 hash 1024 efb5af2e
1 hash 1048576 a738ea1c
2 sleep 5
0 gunzip 938895 bytes 150000 lines 150000 words
END
    cmp -s "$work/answer" "$work/expected" || die "$contender gives a wrong answer: $(cat "$work/answer")"
done

# ---- In turns ----

: >"$work/samples"
round=0
while [ $round -lt "$rounds" ]; do
    round=$((round + 1))
    contenders="${contenders#* } ${contenders%% *}" # another one begins
    for load in $loads; do
        for connections in $all_connections; do
            for contender in $contenders; do
                start "$contender"
                sample "$load" "$connections" >>"$work/samples"
                stop
            done
        done
    done
    echo "bench server: round $round of $rounds done" >&2
done

mkdir -p "$out"
awk -f "$here/json.awk" "$work/samples" >"$out/server.json"
{
    echo "# The server under load"
    echo
    echo "$(nproc) CPUs ($(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)), shared by server and wrk, nothing pinned;" \
        "load average $(cut -d ' ' -f 1 /proc/loadavg), $(date -u '+%Y-%m-%d %H:%M UTC'), $rounds rounds of $seconds s." \
        "Medians of the rounds, with least and most; times in microseconds."
    awk -v workers="$workers" -f "$here/table.awk" "$work/samples"
} >"$out/server.md"
cat "$out/server.md"
