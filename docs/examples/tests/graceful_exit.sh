#!/bin/sh
# SPDX-License-Identifier: MIT
# graceful_exit: after the first failure pending tasks are cancelled and running ones stopped; the log tells of each.
. "$(dirname "$0")/check.inc"
need graceful_exit

# tasks EVENT [STATE]: the tasks that the log tells it of, sorted.
tasks()
{
    sed -n "s/.* event=\"*$1\"* task=\(task_[0-9]*\)${2:+ state=$2}.*/\1/p" "$log" | sort
}

same() { [ "$1" = "$2" ] || fail "$3: '$1' is not '$2'"; }

# Every task has one final state; those that were stopped left early, and nothing else was started and lost.
log_is_right()
{
    grep ' event=' "$1" >"$work/log" || fail "no log"
    log=$work/log
    ! grep -Ev '^time=[0-9T:.-]+Z level=(info|warning|error) event=("early exit"|[a-z]+)( [a-z]+=([^ "]+|"[^"]*"))*$' \
        "$log" || fail "a line is not logfmt"
    same "$(tasks finish)" "$(seq -f 'task_%g' 20 39)" 'final states'
    same "$(tasks start)" "$({ tasks finish done; tasks finish failed; tasks 'early exit'; } | sort)" 'started'
    counts "$log" "$(tasks finish | wc -l)" 'state=(done|failed|stopped|cancelled)$'
}

failure_is_right()
{
    counts "$err" 1 ' level=warning event=failure task=task_3[01] error="task_3[01] may not run"$'
    id=$(sed -n 's/.* event=failure task=task_\(3[01]\) .*/\1/p' "$err")
    # The same kind of error, and its cause, behind all of the log.
    grep -v '^time=' "$err" >"$out" || :
    counts "$out" 2 ''
    line "$out" 1 "^task_$id failed \(Operation not permitted\)\$"
    line "$out" 2 "caused by: \[task_$id\] task_$id may not run \(Operation not permitted\)\$"
    line "$err" '$' 'caused by: '
    case $(tasks finish failed) in
    *task_$id*) ;;
    *) fail "task_$id is not among the failed" ;;
    esac
}

for workers in 3 3 3 1 16; do
    run 1 graceful_exit --step 0.005 --workers $workers
    log_is_right "$err"
    same "$(tasks 'early exit')" "$(tasks finish stopped)" 'stopped'
    failure_is_right
    # 16 workers may have started them all by the time the caller hears of the failure.
    [ $workers -eq 16 ] || [ "$(tasks finish cancelled | wc -l)" -ge 1 ] || fail 'no task was cancelled'
    # In order of submission: of task_20 to task_29, at most two still run when task_30 fails.
    [ $workers -ne 3 ] || [ "$(tasks finish done | wc -l)" -ge 8 ] || fail 'too few tasks are done'
    [ $workers -ne 1 ] || same "$(tasks finish done)" "$(seq -f 'task_%g' 20 29)" 'done before task_30'
done

# Without failures, every result is there, in completion order: with one worker that is the order of submission.
run 0 graceful_exit --step 0.001 --failures 0 --workers 1
log_is_right "$err"
same "$(sed -n 's/.* event=results tasks="\(.*\)"/\1/p' "$err")" "$(seq -s ' ' -f 'task_%g' 20 39)" 'results'
has_not "$err" 'level=warning'

# Ctrl-C ends the sleeps. It stops before it cancels, so a task may be stopped before it starts.
interrupt '*event=start*' graceful_exit --step 60
log_is_right "$out"
has "$out" 'level=error event=interrupt$'
same "$(tasks finish done)$(tasks finish failed)" '' 'done or failed'
