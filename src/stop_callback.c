/* SPDX-License-Identifier: MIT */
/*
 * Callbacks of stops. Whoever serves the stop may be a signal handler, which frees nothing: so the thread that ends
 * a callback waits until it was served, unless it is itself the one that serves, within a callback.
 *
 * Invariant: once the stop serves a callback, it is freed by the server if that thread has ended it (LEFT), else by
 * the end, after the server has signalled the parker as its last access.
 */
#include "os.h"
#include "parker.h"
#include "stop.h"

#include <errno.h>

enum phase {
    WAITING,
    CALLING,
    RETURNED,
    ENDED, /* before its turn, by a thread that waits for the server to find out */
    LEFT   /* before its turn or in it, by the server's thread */
};

struct filch_stop_callback {
    struct filchi_late_waiter late;
    void (*function)(void *arg);
    filch_stop *stop; /* constant; a reference */
    _Atomic uint32_t phase;
    _Atomic uintptr_t server;      /* filchi_os_self() of the thread that serves it; 0 before */
    struct filchi_parker returned; /* one signal, unless it is LEFT */
};

static void free_callback(filch_stop_callback *callback)
{
    filch_stop_unref(callback->stop);
    filchi_os_free(callback);
}

static bool change(filch_stop_callback *callback, uint32_t *from, uint32_t to)
{
    /* relaxed: who calls is all that it decides; what happened is ordered by the waitlist and the parker. */
    return atomic_compare_exchange_strong_explicit(&callback->phase, from, to, memory_order_relaxed,
                                                   memory_order_relaxed);
}

static void serve(struct filchi_waiter *waiter)
{
    filch_stop_callback *callback = (filch_stop_callback *)waiter;
    uint32_t phase = WAITING;
    if (change(callback, &phase, CALLING)) {
        callback->function(waiter->owner);
        phase = CALLING;
        change(callback, &phase, RETURNED); /* unless it has ended itself */
    }
    if (phase == LEFT)
        free_callback(callback);
    else
        filchi_parker_signal(&callback->returned);
}

static void set_server(filch_stop_callback *callback)
{
    /* relaxed: only this thread finds its own number in it. */
    atomic_store_explicit(&callback->server, filchi_os_self(), memory_order_relaxed);
}

/* On the thread that serves the stop's list, before any callback is called. */
static void arrive(struct filchi_waiter *waiter)
{
    filch_stop_callback *callback = (filch_stop_callback *)waiter;
    set_server(callback);
    filchi_stop_late(callback->stop, waiter);
}

int filch_stop_on_request(filch_stop_callback **out, filch_stop *stop, void (*function)(void *arg), void *arg)
{
    if (!stop || !function)
        return -EINVAL;
    filch_stop_callback *callback = filchi_os_alloc_aligned(_Alignof(filch_stop_callback), sizeof *callback);
    if (!callback)
        return -ENOMEM;
    callback->late.waiter.serve = arrive;
    callback->late.waiter.owner = arg;
    callback->late.serve = serve;
    callback->function = function;
    callback->stop = filch_stop_ref(stop);
    atomic_init(&callback->phase, WAITING);
    filchi_parker_init(&callback->returned);
    *out = callback; /* before it can be called, and end itself */
    if (!filchi_stop_add(stop, &callback->late.waiter)) {
        set_server(callback);
        serve(&callback->late.waiter);
    }
    return 0;
}

void filch_stop_callback_cleanup(filch_stop_callback **callback)
{
    filch_stop_callback_end(*callback);
}

bool filch_stop_callback_end(filch_stop_callback *callback)
{
    if (!callback)
        return true;
    if (filchi_stop_remove(callback->stop, &callback->late.waiter)) {
        free_callback(callback);
        return true;
    }
    /* relaxed: our own number, or not. */
    bool inside = atomic_load_explicit(&callback->server, memory_order_relaxed) == filchi_os_self();
    uint32_t phase = WAITING;
    bool before = change(callback, &phase, inside ? LEFT : ENDED);
    if (inside && (before || phase == CALLING)) {
        if (!before)
            change(callback, &phase, LEFT);
        return before;
    }
    filchi_parker_wait(&callback->returned, 0, FILCHI_NEVER);
    free_callback(callback);
    return before;
}
