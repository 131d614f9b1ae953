/* SPDX-License-Identifier: MIT */
/* The end of an interrupt guard while its handler is called: it waits for that, and afterwards the handler does nothing. */
#include "stop.h"
#include "support.h"

#include <signal.h>
#include <sys/wait.h>

SUITE(guard_end);

static void (*handler_now(void))(int)
{
    struct sigaction action;
    must(sigaction(SIGINT, NULL, &action) == 0);
    return action.sa_handler;
}

Test(guard_end, a_handler_that_somebody_kept_does_nothing_afterwards)
{
    filch_stop *stop = stop_under(NULL);
    filch_guard *guard = NULL;
    must(filch_guard_begin(&guard, stop) == 0);
    void (*kept)(int) = handler_now();
    filch_guard_end(guard);
    errno = EAGAIN;
    kept(SIGINT);
    cr_assert_eq(errno, EAGAIN);
    cr_assert_not(filch_stop_requested(stop));
    filch_stop_unref(stop);
}

/* A waiter of the stop that is served in the handler, and is not through before the end has been begun. */
struct slow {
    struct filchi_waiter waiter;
    struct event served;
    void (*handler)(int);
    _Atomic bool ended;
};

static void serve_slowly(struct filchi_waiter *waiter)
{
    struct slow *slow = waiter->owner;
    event_signal(&slow->served);
    UNTIL(handler_now() != slow->handler); /* the end has begun */
    for (int i = 0; i < 2000; i++)
        sched_yield();
    must(!atomic_load(&slow->ended));
}

static void *interrupt_here(void *arg)
{
    (void)arg;
    raise(SIGINT);
    return NULL;
}

Test(guard_end, it_waits_for_a_handler_on_another_thread)
{
    filch_stop *stop = stop_under(NULL);
    filch_guard *guard = NULL;
    struct slow slow = { .served = EVENT };
    pthread_t thread;
    must(filch_guard_begin(&guard, stop) == 0);
    slow.handler = handler_now();
    slow.waiter = (struct filchi_waiter) { .serve = serve_slowly, .owner = &slow };
    must(filchi_stop_add(stop, &slow.waiter));
    must(pthread_create(&thread, NULL, interrupt_here, NULL) == 0);
    event_await(&slow.served);
    filch_guard_end(guard);
    atomic_store(&slow.ended, true);
    pthread_join(thread, NULL);
    cr_assert_eq(filch_stop_reason(stop), -EINTR);
    filch_stop_unref(stop);
}

/* ---- In a forked process ---- */

static void serve_at_a_gate(struct filchi_waiter *waiter)
{
    pass_gate(NULL, waiter->owner);
}

/* A handler of the parent's is in the midst of it, and here there is nobody who will finish it. */
static void end_guards(filch_guard *of_the_parent)
{
    filch_stop *stop = stop_under(NULL);
    filch_guard *own = NULL;
    alarm(PATIENCE / 2);
    filch_guard_end(of_the_parent);
    must(filch_guard_begin(&own, stop) == 0);
    raise(SIGINT);
    must(filch_guard_interrupted(own) && filch_stop_requested(stop));
    filch_guard_end(own);
    filch_stop_unref(stop);
}

Test(guard_end, in_a_forked_process_it_does_not_wait_for_handlers_of_the_parent)
{
    filch_stop *stop = stop_under(NULL);
    filch_guard *guard = NULL;
    struct gate gate = GATE;
    struct filchi_waiter waiter = { .serve = serve_at_a_gate, .owner = &gate };
    pthread_t thread;
    int status = -1;
    must(filch_guard_begin(&guard, stop) == 0);
    must(filchi_stop_add(stop, &waiter));
    must(pthread_create(&thread, NULL, interrupt_here, NULL) == 0);
    event_await(&gate.started);
    pid_t child = fork();
    if (child == 0) {
        end_guards(guard);
        _exit(0);
    }
    must(child > 0 && waitpid(child, &status, 0) == child);
    cr_assert_eq(status, 0);
    gate_open(&gate);
    pthread_join(thread, NULL);
    filch_guard_end(guard);
    filch_stop_unref(stop);
}
