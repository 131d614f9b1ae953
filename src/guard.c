/* SPDX-License-Identifier: MIT */
/*
 * The interrupt guard. Its pointer to the active guard is the library's only global state: a signal handler has
 * no argument.
 */
#include "await.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct filch_guard {
    filch_stop *stop;        /* a reference: what the first SIGINT requests */
    filch_stop *interrupted; /* own: ends the waits of this thread */
    struct sigaction before; /* what is restored */
};

/* Set by begin and end; read by the handler on any thread. */
static _Atomic(filch_guard *) active;
/* Handlers between their first and last access to the guard, and above them the process that they are in: one that
 * fork() makes has the number, and not the threads. */
static _Atomic uint64_t handlers;

/* No handlers, in this process. */
static uint64_t none_here(void)
{
    return (uint64_t)getpid() << 32;
}

static void enter_handler(void)
{
    uint64_t none = none_here();
    uint64_t before = atomic_load_explicit(&handlers, memory_order_relaxed); /* relaxed: the fence follows. */
    uint64_t after;
    do {
        after = (before >> 32 == none >> 32 ? before : none) + 1;
        /* relaxed: as above. */
    } while (!atomic_compare_exchange_weak_explicit(&handlers, &before, after, memory_order_relaxed,
                                                    memory_order_relaxed));
}

static void await_handlers(void)
{
    uint64_t none = none_here();
    for (;;) {
        /* acquire G2: pairs with release G2 in on_interrupt(). */
        uint64_t now = atomic_load_explicit(&handlers, memory_order_acquire);
        if (now == none || now >> 32 != none >> 32)
            return;
        filchi_os_yield();
    }
}

static void kill_us(void)
{
    struct sigaction by_default;
    memset(&by_default, 0, sizeof by_default);
    by_default.sa_handler = SIG_DFL;
    sigaction(SIGINT, &by_default, NULL);
    raise(SIGINT); /* blocked until the handler returns; then it kills */
}

static void on_interrupt(int signal)
{
    (void)signal;
    int saved = errno;
    enter_handler();
    filchi_fence_store_load(); /* P8 vs S8 in filch_guard_end(): we see no guard, or it sees us and waits. */
    /* acquire G1: pairs with release G1 in filch_guard_begin(); the guard is complete. */
    filch_guard *guard = atomic_load_explicit(&active, memory_order_acquire);
    if (guard && filch_stop_request(guard->interrupted, -EINTR))
        filch_stop_request(guard->stop, -EINTR);
    else if (guard)
        kill_us();
    /* release G2: pairs with acquire G2 in await_handlers(); we are done with the guard. */
    atomic_fetch_sub_explicit(&handlers, 1, memory_order_release);
    errno = saved;
}

int filch_guard_begin(filch_guard **out, filch_stop *stop)
{
    if (!stop || filchi_worker_thread())
        return -EINVAL;
    filch_guard *guard = filchi_os_alloc(sizeof *guard);
    if (!guard)
        return -ENOMEM;
    int rc = filch_stop_create(&guard->interrupted, NULL);
    if (rc)
        goto free_guard;
    guard->stop = filch_stop_ref(stop);
    filch_guard *none = NULL;
    rc = -EBUSY;
    /* acq_rel G1: pairs with acquire G1 in on_interrupt(), to which it publishes the guard; and with release G1 in
     * filch_guard_end(): what SIGINT does is what the guard before has restored. */
    if (!atomic_compare_exchange_strong_explicit(&active, &none, guard, memory_order_acq_rel, memory_order_relaxed))
        goto unref_stops;
    filchi_interrupt_here = guard->interrupted;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_interrupt;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, &guard->before); /* cannot fail for SIGINT */
    *out = guard;
    return 0;
unref_stops:
    filch_stop_unref(guard->stop);
    filch_stop_unref(guard->interrupted);
free_guard:
    filchi_os_free(guard);
    return rc;
}

bool filch_guard_interrupted(const filch_guard *guard)
{
    return filch_stop_requested(guard->interrupted);
}

void filch_guard_end(filch_guard *guard)
{
    if (!guard)
        return;
    sigaction(SIGINT, &guard->before, NULL);
    filchi_interrupt_here = NULL;
    /* release G1: pairs with acq_rel G1 in filch_guard_begin(), of the next guard. */
    atomic_store_explicit(&active, NULL, memory_order_release);
    filchi_fence_store_load(); /* S8 vs P8 in on_interrupt() */
    await_handlers();
    filch_stop_unref(guard->stop);
    filch_stop_unref(guard->interrupted);
    filchi_os_free(guard);
}

void filch_guard_cleanup(filch_guard **guard)
{
    filch_guard_end(*guard);
}
