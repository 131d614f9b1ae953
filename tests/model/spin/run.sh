#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks the models of the protocols exhaustively; then, for each step that matters, that a model without it is found at
# fault; and for those that turned out not to matter, that one without them passes. Writes what it found as tables.
# usage: run.sh [--out FILE] [--work DIR]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=spin.md
work=

die()
{
    echo "spin: $*" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || die "$1 wants an argument"
    case $1 in
    --out) out=$2 ;;
    --work) work=$2 ;;
    *) die "unknown option $1" ;;
    esac
    shift 2
done
for tool in spin gcc; do
    command -v $tool >/dev/null || die "$tool is missing"
done
[ -n "$work" ] || work=$(mktemp -d)
mkdir -p "$work"
work=$(cd "$work" && pwd)
failed=0
models=$work/models.md
mutations=$work/mutations.md
: >"$models"
: >"$mutations"

# The number before or behind these words in the last log.
number()
{
    sed -n "s/$1/\1/p" "$dir/log" | head -n 1
}

# search OPTIMISE MODEL PROPERTY [FLAG...]: `safety` searches breadth first for a mutation, so that the shortest fault
# is found; `done` is the liveness property. The log says what came of it.
search()
{
    optimise=$1 model=$2 property=$3
    shift 3
    dir=$work/run
    rm -rf "$dir"
    mkdir "$dir"
    cp "$here/$model.pml" "$dir"
    case $property in
    done) ltl=-DLTL how='-DNFAIR=4' arguments='-a -f' ;;
    *) ltl= how=-DSAFETY arguments= ;;
    esac
    [ "$optimise$property" != -O0safety ] || how="$how -DBFS"
    (
        cd "$dir"
        spin -a $ltl "$@" "$model.pml" >log 2>&1 &&
            gcc $optimise -w $how -DCOLLAPSE -DMEMLIM=2000 -o pan pan.c >>log 2>&1 &&
            ./pan $arguments -n -m1000000 >>log 2>&1
    ) || :
    grep -q 'errors: ' "$dir/log" || {
        cat "$dir/log" >&2
        die "$model $*: the check did not run"
    }
}

# model MODEL PROPERTY [FLAG...]
model()
{
    search -O2 "$@"
    states=$(number ' *\([0-9.e+]*\) states, stored.*')
    transitions=$(number ' *\([0-9.e+]*\) transitions.*')
    seconds=$(number 'pan: elapsed time \([0-9.e-]*\) seconds')
    verdict=passed
    if ! grep -q 'errors: 0' "$dir/log" || grep -qE 'not completed|too small|out of memory' "$dir/log"; then
        verdict=FAILED
        failed=1
        cat "$dir/log" >&2
    fi
    name=$1 property=$2
    shift 2
    echo "spin: $name, $property${*:+, $*}: $verdict, $states states"
    echo "| $name | ${*:-as written} | $property | $states | $transitions | $seconds | $verdict |" >>"$models"
}

# mutation MUTATION MODEL PROPERTY [FLAG...]
mutation()
{
    what=$1
    shift
    name=$1 property=$2
    search -O0 "$@" "-D$what"
    shift 2
    length=$(number '.*(at depth \([0-9]*\)).*')
    caught=$(sed -n 's/^pan:1: \(.*\) (at depth.*/\1/p' "$dir/log" | head -n 1)
    if [ -z "$caught" ]; then
        caught='NOT CAUGHT'
        failed=1
    fi
    echo "spin: $name without a step, $what: $caught"
    caught=$(echo "$caught" | sed 's/|/\\|/g')
    echo "| $name | \`$what\` | ${*:-as written} | $property: \`$caught\` | ${length:-} |" >>"$mutations"
}

# ---- The idle protocol ----

model park safety
model park safety -DSUB_TASK
model park 'done' -DSUB_TASK -DPUBLISHERS=1
for step in NO_FENCE_P2 NO_FENCE_S2 NO_FENCE_END WAKE_BEFORE_PUBLISH LOOK_BEFORE_IDLE NO_LOOK_AGAIN LOOK_BEFORE_END \
    NO_WAKE_NEXT SEARCH_NOT_ENDED AGAIN_UNCHECKED SIGNAL_BEFORE_GIVE COUNT_AFTER_LOOK COMPARE_BEFORE_ASLEEP \
    FUTEX_UNCOMPARED; do
    mutation $step park safety
done

# ---- Handing over ----

small='-DMAINS=1 -DTASKS=2'
due="$small -DCAP=1 -DLATER=1"
model handoff safety
model handoff safety -DNO_STACK
model handoff safety -DNO_STACK -DCAP=1 -DWAKES_EARLY=1
model handoff safety $due -DWAKES_EARLY=1
model handoff safety -DLEAVES=1
model handoff safety -DWORKERS=2 -DTASKS=3
model handoff safety -DCAP=1 -DLATER=2
model handoff safety -DCAP=1 -DLATER=1 -DNO_STACK
model handoff 'done' -DMAINS=1 -DTASKS=3
model handoff 'done' $due
model handoff 'done' $due -DNO_STACK
model handoff 'done' -DNO_STACK -DCAP=1
model handoff 'done' -DENDLESS
for step in NO_LOOK_AFTER_PARK NO_LOOK_AFTER_BLOCK WAKE_UNCHECKED PUT_IDLE_FIRST NEVER_TAKE_IDLE GO_ON_WITHOUT_WORKER \
    KEEP_WORKER CLAIM_UNCHECKED; do
    mutation $step handoff safety $small
done
for step in ADD_UNCHECKED COUNT_AFTER_LOOK; do
    mutation $step handoff safety $small -DWORKERS=2
done
mutation NO_LAST_RESORT handoff safety $small -DCAP=1
for step in NO_POKE NO_NEWS NEWS_AFTER_NOTIFY NEWS_READ_LATE; do
    mutation $step handoff safety $due
done
for step in NEVER_POKABLE NO_DOOM; do
    mutation $step handoff safety -DNO_STACK -DCAP=1
done
mutation POKED_SLEEPS handoff safety $due -DWAKES_EARLY=1
mutation LEAVE_UNCHECKED handoff safety -DLEAVES=1
mutation NO_YIELD handoff 'done' -DENDLESS
mutation POKABLE_AGAIN handoff 'done' -DNO_STACK -DCAP=1
mutation NEWS_NOT_READ_AGAIN handoff 'done' $due -DNO_STACK

# ---- Requests for forked calls, timers, maps ----

model hungry safety
model hungry safety -DFORKS=6 -DEAGER=2
for step in NO_FENCE_P2 NO_FENCE_S2 LOOK_BEFORE_IDLE NEVER_ASK_LAST CLEAR_AFTER_WAKE; do
    mutation $step hungry safety
done
model timers safety
for step in NO_FENCE_P5 NO_FENCE_S5 READ_BEFORE_PUSH LOOK_BEFORE_WRITE COUNT_AFTER_LOOK WAKE_IF_ASLEEP_FOR_GOOD; do
    mutation $step timers safety
done
model wanted safety
for step in NO_FENCE_P6 NO_FENCE_S6 READ_BEFORE_DONE LOOK_BEFORE_WANT COUNT_AFTER_LOOK; do
    mutation $step wanted safety
done

# ---- The edges of completion queues ----

for batch in 1 2 9; do
    model cq safety -DBATCH=$batch
    model cq safety -DBATCH=$batch -DEDGE
done
mutation NO_SIGNAL cq safety
mutation SIGNAL_FIRST cq safety
mutation SIGNAL_FIRST cq safety -DEDGE
mutation NO_LOOK_AFTER_READ cq safety
mutation NO_LOOK_AFTER_READ cq safety -DEDGE
mutation NO_SIGNAL_FOR_THE_REST cq safety
mutation ONE_DRAIN cq safety -DEDGE

# ---- Steps that could be otherwise ----

model park safety -DS1_IDLE_FIRST
model park safety -DS1_IDLE_LAST
model hungry safety -DFORKS=6 -DEAGER=2 -DCLEAR_AFTER_PUSH

{
    echo '| model | variant | property | states | transitions | seconds | result |'
    echo '|---|---|---|--:|--:|--:|---|'
    cat "$models"
    echo
    echo '| model | mutation | variant | caught by | steps to the fault |'
    echo '|---|---|---|---|--:|'
    cat "$mutations"
} >"$out"
[ $failed -eq 0 ] || echo "spin: a model failed, or a mutation was not caught" >&2
exit $failed
