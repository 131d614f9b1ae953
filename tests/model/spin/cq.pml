/* SPDX-License-Identifier: MIT */
/*
 * The edges of a completion queue: producers that signal an eventfd when they find the queue empty, and an event loop that
 * drains it in batches and resets the eventfd. See docs/design/cq.md. Of src/cq.c: producer() is serve() before the end, take()
 * is take_batch(), drain() is filch_cq_drain() with reset(). The end, and nodes, are left out.
 *
 * The queue is a count: a push and a pop are one step each, as the queue's exchange and CAS make them. The eventfd is a
 * counter and, for an edge-triggered loop, a flag that a write sets and a report clears. A lost edge is a state from which
 * nothing goes on though not all was drained.
 *
 * EDGE: the loop is told of edges, and drains until fewer than BATCH come. Otherwise it drains once an event.
 * NO_..., SIGNAL_FIRST, ONE_DRAIN: steps that are left out or come too early, for run.sh.
 */
#ifndef PRODUCERS
#define PRODUCERS 3
#endif
#ifndef PUSHES
#define PUSHES 2
#endif
#ifndef BATCH
#define BATCH 2
#endif

#define ALL (PRODUCERS * PUSHES)

byte queued, drained;
byte count; /* the eventfd's */
bit edge;   /* written to since the last report */

proctype producer()
{
    byte pushed;
    bit was_empty;
    do
    :: pushed < PUSHES ->
#ifdef SIGNAL_FIRST
       if
       :: queued == 0 -> atomic { count++; edge = 1 }
       :: else
       fi;
       queued++;
#else
       atomic { was_empty = (queued == 0); queued++ }
       if
       :: was_empty ->
#ifndef NO_SIGNAL
          atomic { count++; edge = 1 }
#endif
          was_empty = 0
       :: else
       fi;
#endif
       pushed++
    :: else -> break
    od
}

/* Up to the room that is left. */
inline take(got, owed, last)
{
    last = 0;
    do
    :: got < BATCH && queued > 0 ->
       atomic { queued--; got++; drained++; last = (queued == 0) }
       if
       :: last -> owed++
       :: else
       fi
    :: else -> break
    od
}

inline drain(got, owed, last)
{
    got = 0;
    take(got, owed, last);
    if
    :: owed > 0 && (got < BATCH || queued == 0) ->
       atomic { owed = owed - count; count = 0 }
#ifndef NO_LOOK_AFTER_READ
       take(got, owed, last);
#endif
#ifndef NO_SIGNAL_FOR_THE_REST
       if
       :: got == BATCH && queued > 0 -> atomic { count++; edge = 1; owed++ }
       :: else
       fi
#endif
    :: else
    fi
}

proctype event_loop()
{
    byte got;
    short owed;
    bit last;
end_sleep:
    do
#ifdef EDGE
    :: atomic { edge && count > 0 -> edge = 0 }
#ifdef ONE_DRAIN
       drain(got, owed, last)
#else
       do
       :: drain(got, owed, last);
          if
          :: got < BATCH -> break
          :: else
          fi
       od
#endif
    :: atomic { edge && count == 0 -> edge = 0 } /* epoll looks before it reports */
#else
    :: count > 0 -> drain(got, owed, last)
#endif
    od
}

/* When nothing goes on: all came, and nothing is left to tell, so a level-triggered loop does not spin. */
proctype monitor()
{
    timeout ->
    assert(drained == ALL);
    assert(queued == 0);
    assert(count == 0)
}

init
{
    byte i;
    atomic {
        do
        :: i < PRODUCERS -> run producer(); i++
        :: else -> break
        od;
        run event_loop();
        run monitor()
    }
}
