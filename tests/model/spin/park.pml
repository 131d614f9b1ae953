/* SPDX-License-Identifier: MIT */
/*
 * The idle protocol: publishers of work, and threads that search, give their worker up and sleep.
 *
 *     step here           stands for
 *     publish()           P1: filchi_inject_push() in publish(), src/plain.c; filchi_submit_push() for a sub task
 *     P2                  filchi_idle_must_wake(), src/idle.h; filchi_lock_give() in submit_outside(), src/plain.c
 *     P3                  filchi_idle_must_wake_after(), src/idle.h
 *     wake()              filchi_starting_wake(), src/starting.c, with a spare thread for each worker
 *     sleeper()           filchi_find_work() and search(), src/find.c
 *     S1 S2 S3, again     filchi_handoff_park(), src/handoff.c; filchi_idle_add(), src/idle.h
 *     ended, fence, look  filchi_handoff_found(), src/handoff.c; filchi_idle_end_search(), src/idle.h
 *     await               filchi_handoff_await_worker(), src/handoff.c
 *     signal(), wait      filchi_parker_signal(), filchi_parker_wait(), src/parker.h; the futex of the kernel
 *
 * Memory: every store that somebody races with goes through a buffer of its process, which empties at any time, in
 * order: the publication of a task, each change of the idle word whose old value is not looked at (an addition made
 * by memory itself, as on aarch64 with LSE), and the unlocking of handoff's mutex. A fence waits until the own buffer
 * is empty, and a release (signal()) as well. Who takes the mutex empties nothing. Where the old value is looked at
 * (the end of a search) and no fence follows, the loads after it may come first. That is weaker than x86. Other
 * reorderings of loads are left out; so are the insides of the queues (a task is taken in one step, so they are
 * looked at one after the other only in S3), timeouts, thread starts and waits inside tasks (handoff.pml), forked
 * calls (hungry.pml), resizing.
 *
 * Workers may be held for good: a task may go on until all others are done, as long as one worker is left for those.
 * So a task that lies while a worker is idle and nobody searches is not saved by another thread that looks by chance.
 *
 * Properties: when nothing moves any more every task is done, nobody is counted as searching, and every worker is
 * idle (monitor); a worker is neither lost nor held twice (assertions under the lock); every task is done in the end
 * (ltl done, under weak fairness).
 */
#ifndef THREADS
#define THREADS 2 /* and as many workers */
#endif
#ifndef PUBLISHERS
#define PUBLISHERS 2 /* each publishes one task */
#endif
#ifdef SUB_TASK
#define TASKS (PUBLISHERS + 1) /* the first task publishes the last one */
#else
#define TASKS PUBLISHERS
#endif
#define PROCESSES (THREADS + PUBLISHERS)

/* What a buffer holds, beside the numbers of tasks that are published. */
#define UNLOCK 100
#define IDLE_AND_SEARCHED 101 /* S1 of a searcher */
#define IDLE 102              /* S1 of another */
#define TAKEN 103             /* an idle worker is taken by one that will search */
#define SEARCHED 104          /* the half of S1 that is left if it is not one exchange */

#define NOT_YET 0
#define QUEUED 1
#define GONE 2

chan buffer[PROCESSES] = [5] of { byte };
byte task[TASKS];
byte n_done, n_holding;

/* The idle word. */
byte searching, idle_in_word;

/* Under handoff's lock. */
bit locked;
byte idle;
bit spare[THREADS], worker[THREADS], searches[THREADS];

/* Parkers. */
byte signals[THREADS];
bit asleep[THREADS], in_kernel[THREADS];

#define fence(me) empty(buffer[me])
/* A load or exchange of the idle word comes after the own changes of it. */
#define own_idle_seen(me) (!(buffer[me] ?? [IDLE_AND_SEARCHED] || buffer[me] ?? [IDLE] || buffer[me] ?? [SEARCHED] || \
      buffer[me] ?? [TAKEN]))
#define held_workers (worker[0] + worker[1] MORE_WORKERS)
#if THREADS == 3
#define MORE_WORKERS +worker[2]
#else
#define MORE_WORKERS
#endif

proctype memory(byte owner)
{
    byte store;
end:
    do
    :: atomic {
           buffer[owner] ? store ->
           if
           :: store == UNLOCK -> locked = 0
           :: store == IDLE_AND_SEARCHED -> assert(searching > 0); searching--; idle_in_word++
           :: store == IDLE -> idle_in_word++
           :: store == SEARCHED -> assert(searching > 0); searching--
           :: store == TAKEN -> assert(idle_in_word > 0); idle_in_word--; searching++
           :: else -> task[store] = QUEUED
           fi;
           store = 0
       }
    od
}

inline unlock(me)
{
    assert(held_workers + idle == THREADS);
    buffer[me] ! UNLOCK
}

inline give(giver, taker)
{
    assert(idle > 0 && !worker[taker]);
    idle--;
    spare[taker] = 0;
    worker[taker] = 1;
    searches[taker] = 1;
    buffer[giver] ! TAKEN
}

/* A signal, by one who has written nothing that is not seen yet (release). */
inline signal(signaller, sleeping)
{
    atomic {
        fence(signaller) ->
        signals[sleeping]++;
        if
        :: asleep[sleeping] -> in_kernel[sleeping] = 0 /* the system call changes nothing else */
        :: else
        fi
    }
}

inline wake(me, woken)
{
    atomic {
        !locked && own_idle_seen(me) ->
        woken = THREADS;
        if
        :: idle > 0 && searching == 0 ->
           locked = 1;
           if
           :: spare[0] -> woken = 0
           :: spare[1] -> woken = 1
#if THREADS == 3
           :: spare[2] -> woken = 2
#endif
           :: else
           fi;
           if
           :: woken < THREADS ->
#ifdef SIGNAL_BEFORE_GIVE
              locked = 0
#else
              give(me, woken);
              unlock(me)
#endif
           :: else -> locked = 0
           fi
        :: else
        fi
    }
    if
    :: woken < THREADS ->
       signal(me, woken);
#ifdef SIGNAL_BEFORE_GIVE
       atomic {
           !locked && own_idle_seen(me) ->
           if
           :: spare[woken] && idle > 0 -> locked = 1; give(me, woken); unlock(me)
           :: else
           fi
       }
#endif
       woken = 0
    :: else -> woken = 0
    fi
}

/* P1, P2, P3. */
inline publish(me, number, must, woken)
{
#ifdef WAKE_BEFORE_PUBLISH
    atomic { own_idle_seen(me) -> must = (searching == 0 && idle_in_word > 0) }
    buffer[me] ! number;
    fence(me);
#else
    buffer[me] ! number; /* P1 */
#ifndef NO_FENCE_P2
    fence(me); /* P2 */
#endif
    atomic { own_idle_seen(me) -> must = (searching == 0 && idle_in_word > 0) } /* P3 */
#endif
    if
    :: must -> must = 0; wake(me, woken)
    :: else
    fi
}

proctype publisher(byte number)
{
    byte woken;
    bit must;
    publish(THREADS + number, number, must, woken)
}

/* Whether there is work, source by source; what is in the own buffer is seen, too. */
inline look_at_all(me, at, sees)
{
    sees = 0;
    at = 0;
    do
    :: at < TASKS && !sees ->
       atomic { sees = (task[at] == QUEUED || buffer[me] ?? [eval(at)]); at++ }
    :: else -> break
    od;
    at = 0
}

/* A task out of any queue, or TASKS. What is in the own buffer would be found: then it is seen first. */
inline take(me, got)
{
    atomic {
        !(buffer[me] ?? [0] || buffer[me] ?? [1] || buffer[me] ?? [2]) ->
        if
        :: task[0] == QUEUED -> got = 0
#if TASKS > 1
        :: task[1] == QUEUED -> got = 1
#endif
#if PUBLISHERS > 2 || (PUBLISHERS == 2 && defined SUB_TASK)
        :: task[2] == QUEUED -> got = 2
#endif
        :: else -> got = TASKS
        fi;
        if
        :: got < TASKS -> task[got] = GONE
        :: else
        fi
    }
}

proctype sleeper(byte me)
{
    byte got, seen, at, woken;
    bit sees, must, early;

find_work:
    assert(worker[me]); /* no part of the step before */
    take(me, got);
    if
    :: got < TASKS -> goto found
    :: else
    fi;
    if
    :: !searches[me] ->
       atomic { own_idle_seen(me) -> must = (2 * searching < THREADS) } /* filchi_idle_begin_search() */
       if
       :: must -> atomic { own_idle_seen(me) -> searching++; searches[me] = 1; must = 0 }
       :: else -> goto park
       fi
    :: else
    fi;
    take(me, got);
    if
    :: got < TASKS -> goto found
    :: else
    fi;

park:
#ifdef LOOK_BEFORE_IDLE
    look_at_all(me, at, sees); /* S3 before S1 */
#endif
    atomic {
        !locked -> /* S1 */
        locked = 1;
        assert(worker[me]);
        worker[me] = 0;
        spare[me] = 1;
        idle++;
        if
#ifdef S1_IDLE_FIRST
        :: searches[me] -> buffer[me] ! IDLE; buffer[me] ! SEARCHED
#elif defined S1_IDLE_LAST
        :: searches[me] -> buffer[me] ! SEARCHED; buffer[me] ! IDLE
#else
        :: searches[me] -> buffer[me] ! IDLE_AND_SEARCHED
#endif
        :: else -> buffer[me] ! IDLE
        fi;
        searches[me] = 0;
        unlock(me)
    }
#ifndef LOOK_BEFORE_IDLE
#ifndef NO_FENCE_S2
    fence(me); /* S2 */
#endif
#ifndef NO_LOOK_AGAIN
    look_at_all(me, at, sees); /* S3 */
#endif
#endif
    if
    :: sees ->
       sees = 0;
       atomic {
           !locked ->
           if
#ifdef AGAIN_UNCHECKED
           :: idle > 0 ->
#else
           :: spare[me] && idle > 0 ->
#endif
              locked = 1;
              give(me, me);
              unlock(me);
              goto find_work
           :: else
           fi
       }
    :: else
    fi;

await:
#ifndef COUNT_AFTER_LOOK
    seen = signals[me];
#endif
    atomic {
        !locked ->
        if
        :: worker[me] -> seen = 0; goto find_work
        :: else
        fi
    }
#ifdef COUNT_AFTER_LOOK
    seen = signals[me];
#endif
#ifdef COMPARE_BEFORE_ASLEEP
    must = (signals[me] == seen);
    asleep[me] = 1;
    early = 1; /* the futex compares the word as it is now */
    seen = signals[me];
#else
    atomic { asleep[me] = 1; must = (signals[me] == seen) }
#endif
    if
    :: must ->
       must = 0;
#ifdef FUTEX_UNCOMPARED
       in_kernel[me] = 1;
#else
       atomic { in_kernel[me] = (signals[me] == seen) }
#endif
end_asleep:
       !in_kernel[me]
    :: else
    fi;
    atomic { asleep[me] = 0; seen = 0; early = 0 }
    goto await;

found:
#ifdef SEARCH_NOT_ENDED
    searches[me] = 0;
#endif
    if
    :: searches[me] ->
#if defined NO_FENCE_END || defined LOOK_BEFORE_END
       early = 0;
       if /* without a fence the loads may come before the exchange */
       :: look_at_all(me, at, sees); early = 1
#ifndef LOOK_BEFORE_END
       :: true
#endif
       fi;
#endif
       atomic { /* ended */
           own_idle_seen(me) ->
           must = (searching == 1 && idle_in_word > 0);
           assert(searching > 0);
           searching--;
           searches[me] = 0
       }
#ifndef NO_WAKE_NEXT
       if
       :: must ->
          must = 0;
#if !defined NO_FENCE_END && !defined LOOK_BEFORE_END
          fence(me); /* S2 */
#endif
          if
          :: early
          :: else -> look_at_all(me, at, sees)
          fi;
          if
          :: sees -> wake(me, woken)
          :: else
          fi
       :: else
       fi;
#endif
       atomic { sees = 0; early = 0; must = 0 }
    :: else
    fi;
#ifdef SUB_TASK
    if
    :: got == 0 -> publish(me, TASKS - 1, must, woken)
    :: else
    fi;
#endif
    if
    :: true
    :: atomic { n_holding < THREADS - 1 -> n_holding++ } n_done == TASKS - n_holding; n_holding--
    fi;
    atomic { n_done++; got = 0 }
    goto find_work
}

proctype monitor()
{
    timeout ->
    assert(n_done == TASKS);
    assert(searching == 0);
    assert(idle == THREADS && idle_in_word == THREADS)
}

init
{
    byte i;
    atomic {
        do
        :: i < THREADS -> worker[i] = 1; run sleeper(i); i++
        :: else -> break
        od;
        i = 0;
        do
        :: i < PUBLISHERS -> run publisher(i); i++
        :: else -> break
        od;
        i = 0;
        do
        :: i < PROCESSES -> run memory(i); i++
        :: else -> break
        od;
        i = 0;
        run monitor()
    }
}

#ifdef LTL
ltl done { <> (n_done == TASKS) }
#endif
