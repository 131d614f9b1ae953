/* SPDX-License-Identifier: MIT */
/*
 * Which thread holds which worker: threads that start on demand up to a cap, tasks that wait for others, and what a
 * waiting thread does so that somebody else goes on.
 *
 *     step here             stands for
 *     wake()                filchi_starting_wake() and wake_new(), src/starting.c
 *     poke()                poke(), may_start() and is_stuck(), src/starting.c
 *     ensure_thread()       filchi_handoff_ensure_thread(), src/starting.c
 *     put(), give()         filchi_place_put(), filchi_place_give(), src/places.c
 *     spare                 filchi_handoff_await_worker() and must_end(), src/handoff.c
 *     find_work, search     filchi_find_work(), search() and take_own(), src/find.c; filchi_handoff_yield(), src/handoff.c
 *     found()               filchi_handoff_found(), src/handoff.c; filchi_idle_end_search(), src/idle.h
 *     park                  filchi_handoff_park(), src/handoff.c
 *     look_at_awaited       await_future(), filchi_await_run() and may_run_here(), src/await.c
 *     pause                 filchi_await_pause() and give_way(), src/await.c; filchi_handoff_block(), _block_on() and
 *                           _poked(), src/handoff.c
 *     wait_over             filchi_await_end(), src/await.c; filchi_handoff_unblock(), src/handoff.c
 *     timer()               enqueue() and announce(), src/later.c; filchi_handoff_notify_due(), src/starting.c (J1)
 *
 * Tasks: main task i awaits task i + MAINS, that one i + 2 * MAINS, and so on. The last LATER of them become due some
 * time after they were made; the others are published by who awaits them.
 *
 * What happens under handoff's lock is one step, as nobody else sees its parts (but the idle word, which changes once
 * in each); signals are steps of their own. Memory is sequentially consistent here: park.pml has the store buffers
 * and the inside of the parker. Left out: refused threads, regions, cycles of awaits and their search, stops,
 * deadlines, resizing, guests, scopes, and how parkers' memory goes (the counts of signals that are due). Any queued
 * task may be found by any thread, whatever queue it is in; any spare thread may be woken, any pokable one be poked.
 * Whether a wait runs what it awaits in place is left to chance, unless no thread is to be had; with NO_STACK it may
 * then be refused, too.
 *
 * Properties: when nothing moves any more every task is final, every worker idle, nobody searches (monitor); workers
 * held, idle and on their way to a new thread are always as many as there are, and none is idle while a thread wants
 * one (check()); a task runs only while its thread holds a worker, and never twice (assertions); no wait fails for
 * want of a thread unless stacks are short (poke()); every task is final in the end (ltl done, under weak fairness),
 * even if there are new tasks without end (ENDLESS).
 */
#ifndef WORKERS
#define WORKERS 1
#endif
#ifndef CAP
#define CAP 2 /* most threads */
#endif
#ifndef MAINS
#define MAINS 2
#endif
#ifndef TASKS
#define TASKS 4
#endif
#ifndef LATER
#define LATER 0
#endif
#define NONE 255

#define UNBORN 0
#define WAITING 1 /* for its time */
#define PENDING 2
#define RUNNING 3
#define FINAL 4

#define NOWHERE 0
#define SPARE 1
#define RESUMABLE 2
#define BLOCKED 3

/* Tasks, and the parker of who awaits each. */
byte state[TASKS], signals[TASKS], below[TASKS];
bit queued[TASKS], awaited[TASKS], poked_frame[TASKS];
byte news_frame[TASKS];
byte n_final;

/* Threads; given: the parker was signalled since its owner last looked at the count. */
byte place[CAP], on[CAP], seen_at[CAP], news_at[CAP];
bit given[CAP], started[CAP], worker[CAP], searches[CAP], stalled[CAP], pokable[CAP], later[CAP], poked[CAP];
bit doomed[CAP];
chan resumable = [CAP] of { byte };

byte searching, idle = WORKERS, alive, on_its_way, news;
#ifdef LEAVES /* so many threads beyond one a worker end for want of work */
byte n_left;
#endif
#ifdef WAKES_EARLY /* so many sleeps of blocked threads end before a signal comes */
byte n_early;
#endif

/* Of how many threads it is true; and one of those, if there are any. */
#if CAP == 1
#define EACH(what) (what(0))
#define choose(what, which) if :: what(0) -> which = 0 fi
#elif CAP == 2
#define EACH(what) (what(0) + what(1))
#define choose(what, which) if :: what(0) -> which = 0 :: what(1) -> which = 1 fi
#elif CAP == 3
#define EACH(what) (what(0) + what(1) + what(2))
#define choose(what, which) if :: what(0) -> which = 0 :: what(1) -> which = 1 :: what(2) -> which = 2 fi
#endif
#define holds(t) worker[t]
#define is_spare(t) (place[t] == SPARE)
#define is_blocked(t) (place[t] == BLOCKED)
#define is_unseen(t) (place[t] == BLOCKED && signals[on[t]] != seen_at[t])
#define may_start(t) (place[t] == BLOCKED && (pokable[t] || (later[t] && news_at[t] != news)))
#define is_stalled(t) (place[t] == BLOCKED && stalled[t])
#define is_unborn(t) (!started[t])

#if TASKS == 2
#define any_work (queued[0] || queued[1])
#elif TASKS == 3
#define any_work (queued[0] || queued[1] || queued[2])
#elif TASKS == 4
#define any_work (queued[0] || queued[1] || queued[2] || queued[3])
#endif

#define child(i) ((i) + MAINS < TASKS -> (i) + MAINS : NONE)
#define is_later(i) ((i) >= TASKS - LATER)

inline check()
{
    assert(EACH(holds) + idle + on_its_way == WORKERS);
    assert(!(idle > 0 && len(resumable) > 0));
    assert(alive <= CAP)
}

inline give(to, search)
{
    assert(!worker[to]);
    place[to] = NOWHERE;
    worker[to] = 1;
    searches[to] = search
}

/* The worker of `from` goes to `next`, or becomes idle (NONE). This is an S1. */
inline put(from, next)
{
    assert(worker[from]);
    worker[from] = 0;
    next = NONE;
    if
#ifndef PUT_IDLE_FIRST
    :: len(resumable) > 0 -> resumable ? next; give(next, searches[from])
#endif
    :: else ->
       idle++;
       searching = searching - searches[from]
    fi;
    searches[from] = 0
}

/* What nobody looks at any more, so that states are not told apart by it. */
inline forget(whose)
{
    on[whose] = 0;
    seen_at[whose] = 0;
    news_at[whose] = 0;
    stalled[whose] = 0;
    pokable[whose] = 0;
    later[whose] = 0
}

inline poke(who)
{
#ifdef NO_POKE
    skip
#else
    if
    :: EACH(may_start) > 0 -> choose(may_start, who)
#ifndef NO_DOOM
    :: EACH(may_start) == 0 && EACH(is_stalled) > 0 && EACH(is_blocked) == alive && EACH(is_unseen) == 0 ->
       choose(is_stalled, who);
       doomed[who] = 1;
       assert(poked_frame[on[who] - MAINS]); /* it could have run it, given a worker */
#ifndef NO_STACK
       assert(false) /* each that was poked could run what it awaits */
#endif
#endif
    :: else
    fi;
    if
    :: who != NONE ->
       idle--;
       give(who, 0);
       pokable[who] = 0;
       later[who] = 0;
       poked[who] = 1;
       signals[on[who]]++;
       who = NONE
    :: else
    fi;
    check()
#endif
}

inline wake(who, fresh)
{
    atomic {
        who = NONE;
        fresh = NONE;
        if
#ifdef WAKE_UNCHECKED
        :: true ->
#else
        :: idle > 0 && searching == 0 ->
#endif
           if
           :: EACH(is_spare) > 0 ->
              choose(is_spare, who);
              idle--;
              searching++;
              give(who, 1);
              check();
           :: EACH(is_spare) == 0 && alive < CAP ->
              idle--;
              searching++;
              alive++;
              on_its_way++;
              check();
              choose(is_unborn, fresh);
              started[fresh] = 1
           :: else -> poke(who)
           fi
        :: else
        fi
    }
    if
    :: who != NONE -> given[who] = 1; who = NONE
    :: fresh != NONE -> /* the lock was dropped meanwhile */
       atomic { on_its_way--; give(fresh, 1); check(); run thread(fresh); fresh = NONE }
    :: else
    fi
}

/* P3. */
inline notify(must, who, fresh)
{
    atomic { must = (searching == 0 && idle > 0) }
    if
    :: must -> must = 0; wake(who, fresh)
    :: else
    fi
}

/* S3. */
inline look_again(must, who, fresh)
{
    atomic { must = any_work }
    if
    :: must -> must = 0; notify(must, who, fresh)
    :: else
    fi
}

inline found(me, must, who, fresh)
{
    if
    :: searches[me] ->
       atomic { searches[me] = 0; must = (searching == 1 && idle > 0); searching-- }
       if
       :: must ->
          atomic { must = any_work }
          if
          :: must -> must = 0; wake(who, fresh)
          :: else
          fi
       :: else
       fi
    :: else
    fi
}

inline ensure_thread()
{
    atomic {
        if
        :: alive == 0 ->
           idle--;
           searching++;
           alive = 1;
           started[0] = 1;
           give(0, 1);
           check();
           run thread(0)
        :: else
        fi
    }
}

proctype submitter()
{
    byte i, who = NONE, fresh = NONE;
    bit must;
    do
    :: i < MAINS ->
       ensure_thread();
       atomic { state[i] = PENDING; queued[i] = 1 }
       notify(must, who, fresh);
       i++
    :: else -> break
    od
}

#if LATER > 0
proctype timer()
{
    byte i, who = NONE, fresh = NONE;
    bit must;
end:
    do
    :: atomic { state[TASKS - 1] == WAITING -> i = TASKS - 1 }
#if LATER > 1
    :: atomic { state[TASKS - 2] == WAITING -> i = TASKS - 2 }
#endif
       ;
       atomic { state[i] = PENDING; queued[i] = 1 }
#ifdef NEWS_AFTER_NOTIFY
       notify(must, who, fresh);
       news++
#else
#ifndef NO_NEWS
       news++;
#endif
       notify(must, who, fresh)
#endif
    od
}
#endif

/* A task out of any queue; NONE: there is none. */
inline take(what)
{
    atomic {
        if
        :: queued[0] -> what = 0
        :: queued[1] -> what = 1
#if TASKS > 2
        :: queued[2] -> what = 2
#endif
#if TASKS > 3
        :: queued[3] -> what = 3
#endif
        :: else -> what = NONE
        fi;
        if
        :: what != NONE -> queued[what] = 0
        :: else
        fi
    }
}

#ifdef LEAVES
inline end_thread(me)
{
    place[me] = NOWHERE;
    alive--;
    n_left++;
    given[me] = 0;
    started[me] = 0;
    check()
}
#endif

proctype thread(byte me)
{
    byte task = NONE, awaits = NONE, seen, next = NONE, who = NONE, fresh = NONE;
    bit must, blocked, left, ran;
#ifdef LEAVES
    bit timed_out;
#endif

spare:
    atomic { given[me] = 0; task = NONE; awaits = NONE } /* the count, from this look on */
    atomic {
        if
        :: worker[me] -> goto find_work
#ifdef LEAVES
        :: !worker[me] && timed_out ->
#ifdef LEAVE_UNCHECKED
           goto leaving
#else
           if
           :: alive > WORKERS -> end_thread(me); goto ended
           :: else -> timed_out = 0
           fi
#endif
        :: !worker[me] && !timed_out
#else
        :: else
#endif
        fi
    }
#ifdef LEAVES
end_spare:
    if
    :: given[me]
    :: n_left < LEAVES && alive > WORKERS && !given[me] -> timed_out = 1
    fi;
    goto spare;
#ifdef LEAVE_UNCHECKED
leaving:
    atomic { end_thread(me) }
    goto ended;
#endif
#else
end_spare:
    given[me];
    goto spare;
#endif

find_work:
#ifdef LEAVES
    timed_out = 0;
#endif
#ifndef NO_YIELD
    if
    :: len(resumable) > 0 ->
       atomic {
           if
           :: len(resumable) > 0 -> put(me, next); place[me] = SPARE; check()
           :: else -> next = NONE
           fi
       }
       if
       :: next != NONE -> given[next] = 1; next = NONE; goto spare
       :: else
       fi
    :: else
    fi;
#endif
    take(task);
    if
    :: task != NONE -> goto got
#ifdef ENDLESS
    :: task == NONE -> goto find_work /* there was another, which nobody awaits */
#else
    :: else
#endif
    fi;
    if
    :: !searches[me] ->
       atomic { must = (2 * searching < WORKERS) } /* filchi_idle_begin_search() */
       if
       :: must -> atomic { searching++; searches[me] = 1; must = 0 }
       :: else -> goto park
       fi
    :: else
    fi;
    take(task);
    if
    :: task != NONE -> goto got
    :: else
    fi;

park:
    atomic { put(me, next); place[me] = SPARE; check() }
    if
    :: next != NONE -> given[next] = 1; next = NONE; goto spare
    :: else
    fi;
#ifndef NO_LOOK_AFTER_PARK
    atomic { must = any_work }
    if
    :: must ->
       must = 0;
       atomic {
           if
           :: place[me] == SPARE && idle > 0 ->
              idle--;
              searching++;
              give(me, 1);
              check();
              goto find_work
           :: else
           fi
       }
    :: else
    fi;
#endif
    goto spare;

got:
    found(me, must, who, fresh);
    atomic {
        if
#ifdef CLAIM_UNCHECKED
        :: true -> assert(state[task] == PENDING); state[task] = RUNNING; below[task] = NONE
#else
        :: state[task] == PENDING -> state[task] = RUNNING; below[task] = NONE
#endif
        :: else -> task = NONE; goto find_work
        fi
    }

begin:
    assert(worker[me] && state[task] == RUNNING);
    awaits = child(task);
    if
    :: awaits == NONE -> goto finish
    :: else
    fi;
    if
    :: is_later(awaits) -> state[awaits] = WAITING
    :: else ->
       atomic { state[awaits] = PENDING; queued[awaits] = 1 }
       notify(must, who, fresh)
    fi;
    news_frame[task] = news; /* filchi_await_begin() */

look_at_awaited:
    assert(blocked || worker[me]); /* no part of the step before */
    atomic {
        ran = 0;
        left = 0;
#ifndef COUNT_AFTER_LOOK
        seen = signals[awaits]
#endif
    }
    if
    :: state[awaits] == FINAL -> goto wait_over
    :: else
    fi;
#ifdef COUNT_AFTER_LOOK
    seen = signals[awaits];
#endif
    if
    :: !blocked && state[awaits] == PENDING -> /* filchi_await_run() */
       atomic {
           if
#ifndef NO_STACK
           :: ran = 1
#endif
#ifdef NO_LAST_RESORT
           :: left = 1
#else
           :: poked_frame[task] || (EACH(is_spare) == 0 && alive >= CAP) ->
              ran = 1
#ifdef NO_STACK
           :: left = 1
#else
           :: !(poked_frame[task] || (EACH(is_spare) == 0 && alive >= CAP)) -> left = 1
#endif
#endif
           fi
       }
       if
       :: ran ->
          if /* popped; or claimed where it is, so that the entry is stale */
          :: atomic { queued[awaits] -> queued[awaits] = 0 }
          :: true
          fi;
          atomic {
              if
              :: state[awaits] == PENDING ->
                 state[awaits] = RUNNING;
                 below[awaits] = task;
                 task = awaits;
                 goto begin
              :: else
              fi
          }
       :: else
       fi
    :: else
    fi;
    if
    :: !awaited[awaits] -> /* filchi_waitlist_add() */
#ifdef ADD_UNCHECKED
       awaited[awaits] = 1;
#else
       atomic {
           if
           :: state[awaits] != FINAL -> awaited[awaits] = 1
           :: else
           fi
       }
       goto look_at_awaited
#endif
    :: else
    fi;

    /* pause */
#ifdef KEEP_WORKER
    signals[awaits] != seen;
    goto look_at_awaited;
#endif
    if
    :: !blocked ->
       atomic {
           on[me] = awaits;
           later[me] = is_later(awaits);
#ifdef NEWS_READ_LATE
           news_at[me] = news;
#else
           news_at[me] = news_frame[task];
#endif
           seen_at[me] = seen;
           stalled[me] = left;
#ifndef NEVER_POKABLE
#ifdef POKABLE_AGAIN
           pokable[me] = left;
#else
           pokable[me] = left && !poked_frame[task];
#endif
#endif
           put(me, next);
           place[me] = BLOCKED;
           blocked = 1;
           check()
       }
       if
       :: next != NONE -> given[next] = 1; next = NONE
       :: else ->
#ifndef NO_LOOK_AFTER_BLOCK
          look_again(must, who, fresh)
#else
          skip
#endif
       fi
    :: else ->
       atomic { seen_at[me] = seen; ran = poked[me] } /* filchi_handoff_block_on() */
       look_again(must, who, fresh)
    fi;
    if
#ifndef POKED_SLEEPS
    :: ran /* once poked it must not sleep */
#endif
    :: signals[awaits] != seen
#ifdef WAKES_EARLY
    :: n_early < WAKES_EARLY && signals[awaits] == seen -> n_early++ /* filchi_handoff_retry() */
#endif
    fi;
    atomic { /* filchi_handoff_poked() */
        ran = 0;
        if
        :: poked[me] ->
           poked[me] = 0;
           blocked = 0;
           poked_frame[task] = 1;
           if
           :: doomed[me] -> doomed[me] = 0; goto wait_over
           :: else
           fi
        :: else -> goto look_at_awaited
        fi;
        forget(me)
    }
#ifndef NEWS_NOT_READ_AGAIN
    news_frame[task] = news;
#endif
    goto look_at_awaited;

wait_over:
    if
    :: blocked ->
#ifdef GO_ON_WITHOUT_WORKER
       atomic { place[me] = NOWHERE; blocked = 0 }
#else
       atomic { /* filchi_handoff_unblock() */
           blocked = 0;
           if
           :: poked[me] -> poked[me] = 0; doomed[me] = 0
#ifndef NEVER_TAKE_IDLE
           :: !poked[me] && idle > 0 -> idle--; give(me, 0)
           :: !poked[me] && idle == 0 -> place[me] = RESUMABLE; resumable ! me
#else
           :: !poked[me] -> place[me] = RESUMABLE; resumable ! me
#endif
           fi;
           check()
       }
       do
       :: worker[me] -> break
       :: else ->
          given[me] = 0;
          if
          :: worker[me]
          :: !worker[me] -> given[me]
          fi
       od;
       found(me, must, who, fresh)
#endif
    :: else
    fi;
    atomic { forget(me); poked_frame[task] = 0; news_frame[task] = 0; awaited[awaits] = 0; awaits = NONE; seen = 0 }

finish:
    atomic {
        assert(worker[me] && state[task] == RUNNING);
        state[task] = FINAL;
        n_final++;
        must = awaited[task]
    }
    if
    :: must -> must = 0; signals[task]++
    :: else
    fi;
    atomic {
        awaits = task;
        task = below[task];
        below[awaits] = 0;
        if
        :: task != NONE -> poked_frame[task] = 0; goto look_at_awaited /* it had run in place */
        :: else -> awaits = NONE; goto find_work
        fi
    }
#ifdef LEAVES
ended:
    skip
#endif
}

proctype monitor()
{
    timeout ->
    assert(n_final == TASKS);
    assert(searching == 0);
    assert(idle == WORKERS)
}

init
{
    atomic {
        run submitter();
#if LATER > 0
        run timer();
#endif
        run monitor()
    }
}

#ifdef LTL
ltl done { <> (n_final == TASKS) }
#endif
