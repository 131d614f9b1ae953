/* SPDX-License-Identifier: MIT */
/*
 * Requests for forked calls: an owner who keeps its calls in a private list until somebody asks, and a thread that
 * finds nothing shown, asks, gives its worker up and sleeps.
 *
 *     step here           stands for
 *     fork, E1, E2        filch_fork() in include/filch/fork.h; filch_fork_feed() and show(), src/forker.c
 *     P2, P3              filchi_handoff_notify(), src/starting.c
 *     join                filch_unfork() in include/filch/fork.h; filch_fork_join_shown(), src/forker.c
 *     steal, ask          filchi_forker_steal() and take_from(), src/forker.c; filchi_forker_ask(), src/forker.h
 *     S1 S2 S3            filchi_handoff_park(), src/handoff.c; filchi_forkers_any(), src/forker.h
 *
 * Memory: as in park.pml; each store to `hungry`, each push and S1 goes through a buffer. Left out: what becomes of a
 * stolen call (it is over at once), other sources of work, want of memory, the inside of the deque (park.pml and
 * handoff.pml have the parker and the lock).
 *
 * Property: when nothing moves any more, wherever the owner stopped, no call is shown while the other thread sleeps;
 * and if calls are left in the list then the next fork will show some (monitor).
 */
#ifndef FORKS
#define FORKS 4
#endif
#ifndef EAGER
#define EAGER 1
#endif

#define OWNER 0
#define THIEF 1

/* What a buffer holds. */
#define FED 0
#define ASKED 1
#define PUSHED 2
#define IDLE 3

chan buffer[2] = [4] of { byte };
bit hungry = 1;
byte deque, idle, searching = 1;
byte list;
bit given;
bit asleep;

#define fence(me) empty(buffer[me])
#define sees_hungry(me) ((hungry && !(buffer[me] ?? [FED])) || buffer[me] ?? [ASKED])

proctype memory(byte owner)
{
    byte store;
end:
    do
    :: atomic {
           buffer[owner] ? store ->
           if
           :: store == FED -> hungry = 0
           :: store == ASKED -> hungry = 1
           :: store == PUSHED -> deque++
           :: store == IDLE -> idle++; searching--
           fi;
           store = 0
       }
    od
}

proctype owner()
{
    byte forks, shown, half, eager;
    do
    :: forks < FORKS ->
       forks++;
       list++;
       if
       :: sees_hungry(OWNER) ->
          atomic {
              if
              :: eager > 0 -> eager--
              :: else -> eager = EAGER
              fi;
              half = list - list / 2
          }
#if !defined CLEAR_AFTER_WAKE && !defined CLEAR_AFTER_PUSH
          if
          :: !eager -> buffer[OWNER] ! FED /* E1 */
          :: else
          fi;
#endif
          do
          :: half > 0 -> buffer[OWNER] ! PUSHED; atomic { half--; list--; shown++ } /* E2 */
          :: else -> break
          od;
#ifdef CLEAR_AFTER_PUSH
          if
          :: !eager -> buffer[OWNER] ! FED
          :: else
          fi;
#endif
#ifndef NO_FENCE_P2
          fence(OWNER); /* P2 */
#endif
          if /* P3; under the lock it is looked at once more */
          :: atomic { searching == 0 && idle > 0 -> idle--; searching++; given = 1 }
          :: !(searching == 0 && idle > 0)
          fi;
#ifdef CLEAR_AFTER_WAKE
          if
          :: !eager -> buffer[OWNER] ! FED
          :: else
          fi
#endif
       :: else
       fi
    :: list > 0 -> list-- /* joins a private call */
    :: list == 0 && shown > 0 -> /* joins one that was shown */
       atomic {
           fence(OWNER) ->
           shown--;
           if
           :: deque > 0 -> deque--
           :: else
           fi
       }
    :: break
    od
}

proctype thief()
{
    bit found;

steal:
    assert(!asleep); /* no part of the step before */
    atomic {
        if
        :: deque > 0 -> deque--; goto steal
        :: else
        fi
    }
    if
    :: !sees_hungry(THIEF) -> buffer[THIEF] ! ASKED
    :: else
    fi;
#ifdef LOOK_BEFORE_IDLE
    found = (deque > 0);
#endif
    buffer[THIEF] ! IDLE; /* S1 */
#ifndef NO_FENCE_S2
    fence(THIEF); /* S2 */
#endif
#ifndef LOOK_BEFORE_IDLE
    found = (deque > 0); /* S3 */
#endif
    if
    :: found ->
       found = 0;
       atomic {
           fence(THIEF) ->
           if
           :: idle > 0 -> idle--; searching++; goto steal
           :: else
           fi
       }
#ifndef NEVER_ASK_LAST
    :: !found && !sees_hungry(THIEF) -> buffer[THIEF] ! ASKED
#endif
    :: else
    fi;
    asleep = 1;
end_asleep:
    atomic { given -> given = 0; asleep = 0; goto steal }
}

proctype monitor()
{
    timeout ->
    assert(asleep);
    assert(deque == 0);
    assert(list == 0 || hungry)
}

init
{
    atomic {
        run owner();
        run thief();
        run memory(OWNER);
        run memory(THIEF);
        run monitor()
    }
}
