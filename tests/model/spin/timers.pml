/* SPDX-License-Identifier: MIT */
/*
 * Messages to the timer thread, which sleeps until its first timer is due.
 *
 *     step here           stands for
 *     P4 P5 P6            filchi_timers_post(), src/timers.c
 *     handle              handle_messages(), src/timers.c
 *     S4 S5 S6            sleep_until_due(), src/timers.c
 *
 * Times are numbers: 0 is awake, 1 now, LATER the time of the timer that message 0 arms. The clock does not move, so
 * no message is saved by a timer that happens to be due. Memory: as in park.pml; a push and each store to
 * `sleeps_until` go through a buffer. Left out: the heap, the inside of the queue and of the parker.
 *
 * Property: when nothing moves any more every message was handled, or the thread wakes by itself before the message
 * is urgent (monitor).
 */
#define MESSAGES 3
#define AWAKE 0
#define NOW 1
#define SOON 5
#define LATER 7
#define NEVER 9
#define TIMER_THREAD MESSAGES

chan buffer[MESSAGES + 1] = [3] of { byte };
bit pushed[MESSAGES], handled[MESSAGES];
byte sleeps_until, signals;

/* Message 0 arms a timer, at once; 1 is urgent; 2 can wait, but not as long as the timer. */
#define urgency(message) (message == 2 -> SOON : NOW)
#define fence(me) empty(buffer[me])

proctype memory(byte owner)
{
    byte store;
end:
    do
    :: atomic {
           buffer[owner] ? store ->
           if
           :: owner == TIMER_THREAD -> sleeps_until = store
           :: else -> pushed[store] = 1
           fi;
           store = 0
       }
    od
}

proctype sender(byte message)
{
    byte until;
#ifdef READ_BEFORE_PUSH
    until = sleeps_until;
    buffer[message] ! message;
    fence(message);
#else
    buffer[message] ! message; /* P4 */
#ifndef NO_FENCE_P5
    fence(message); /* P5 */
#endif
    until = sleeps_until; /* P6 */
#endif
    if
#ifdef WAKE_IF_ASLEEP_FOR_GOOD
    :: until == NEVER -> atomic { fence(message) -> signals++ }
#else
    :: urgency(message) < until -> atomic { fence(message) -> signals++ }
#endif
    :: else
    fi
}

#define waits(i) (pushed[i] && !handled[i])

proctype timer_thread()
{
    byte seen, first = NEVER;
    bit empty_queue;
end:
    do
    :: true ->
#ifndef COUNT_AFTER_LOOK
       seen = signals;
#endif
       do /* handle */
       :: atomic { waits(0) -> handled[0] = 1; first = LATER }
       :: atomic { waits(1) -> handled[1] = 1 }
       :: atomic { waits(2) -> handled[2] = 1 }
       :: !waits(0) && !waits(1) && !waits(2) -> break
       od;
#ifdef LOOK_BEFORE_WRITE
       empty_queue = !waits(0) && !waits(1) && !waits(2);
#endif
       buffer[TIMER_THREAD] ! first; /* S4 */
#ifndef NO_FENCE_S5
       fence(TIMER_THREAD); /* S5 */
#endif
#ifndef LOOK_BEFORE_WRITE
       empty_queue = !waits(0) && !waits(1) && !waits(2); /* S6 */
#endif
#ifdef COUNT_AFTER_LOOK
       seen = signals;
#endif
       if
       :: empty_queue ->
end_asleep:
          signals != seen
       :: else
       fi;
       buffer[TIMER_THREAD] ! AWAKE;
       atomic { empty_queue = 0; seen = 0 }
    od
}

#define in_time(i) (handled[i] || (sleeps_until != AWAKE && sleeps_until <= urgency(i)))

proctype monitor()
{
    timeout ->
    assert(in_time(0));
    assert(in_time(1));
    assert(in_time(2))
}

init
{
    byte i;
    atomic {
        do
        :: i < MESSAGES -> run sender(i); i++
        :: else -> break
        od;
        i = 0;
        do
        :: i <= MESSAGES -> run memory(i); i++
        :: else -> break
        od;
        i = 0;
        run timer_thread();
        run monitor()
    }
}
