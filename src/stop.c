/* SPDX-License-Identifier: MIT */
/* Stops: see stop.h. */
#include "stop.h"

#include "error.h"
#include "os.h"

#include <errno.h>
#include <limits.h>

/* A reason is one word, so that the first can win by one compare-and-swap: an error, or a code, made odd. */
#define CODE ((uintptr_t)1)
#define INHERITED ((uintptr_t)2) /* a code that was the parent's */

static uintptr_t reason_of_code(int code)
{
    int negative = code < 0 && code > INT_MIN / 4 ? code : -ECANCELED;
    return ((uintptr_t)-negative << 2) | CODE;
}

static int code_of_reason(uintptr_t reason)
{
    return -(int)(reason >> 2);
}

static bool is_error(uintptr_t reason)
{
    return reason && !(reason & CODE);
}

/* First wins: whether this reason stands. */
static bool set_reason(filch_stop *stop, uintptr_t reason)
{
    uintptr_t none = 0;
    /* release Q1: pairs with acquire Q1 in filch_stop_reason() and _error(); publishes the error. */
    return atomic_compare_exchange_strong_explicit(&stop->reason, &none, reason, memory_order_release,
                                                   memory_order_relaxed);
}

/* Takes over the parent's reason. Async-signal-safe: a reference is one addition. */
static void inherit(filch_stop *stop)
{
    /* acquire Q1: pairs with release Q1 in set_reason(). */
    uintptr_t reason = atomic_load_explicit(&stop->parent->reason, memory_order_acquire);
    if (is_error(reason))
        filch_error_ref((filch_error *)reason);
    else
        reason |= INHERITED;
    if (!set_reason(stop, reason) && is_error(reason))
        filch_error_unref((filch_error *)reason); /* the parent still holds it: nothing is freed here */
}

/* The reason is set. True if this call has served the list: then the children in it are `stopped`, and the caller
 * owes a raise_below(). */
static bool raise_one(filch_stop *stop)
{
    uintptr_t old;
    if (!filchi_waitlist_move(&stop->waiters, 0, FILCHI_STATE_FINAL, &old))
        return false;
    filchi_waitlist_serve(old);
    return !(old & FILCHI_WORD_LOCKED);
}

/* Moves the children in front of a list of stops. */
static filch_stop *prepend_children(filch_stop *stop, filch_stop *list)
{
    while (stop->stopped) {
        filch_stop *child = stop->stopped;
        stop->stopped = child->next_stopped;
        child->next_stopped = list;
        list = child;
    }
    return list;
}

/* Moves the late waiters to the end of a list, in the order of registration; returns the new end. */
static struct filchi_waiter **append_late(filch_stop *stop, struct filchi_waiter **end)
{
    struct filchi_waiter *last = stop->late;
    while (stop->late) {
        struct filchi_waiter *waiter = stop->late;
        stop->late = waiter->in.next;
        waiter->in.next = *end;
        *end = waiter;
    }
    return last ? &last->in.next : end;
}

static void serve_late(struct filchi_waiter *list)
{
    while (list) {
        struct filchi_waiter *waiter = list;
        list = waiter->in.next; /* before it is served: it may be gone after */
        filchi_waitlist_late(waiter);
    }
}

/* Whoever has served the list of `stop`: stops its children, theirs and so on, in a loop, however deep the
 * tree. Only then come those who are late: they may take long, or wait for what a child stops. */
static void raise_below(filch_stop *stop)
{
    struct filchi_waiter *late = NULL, **late_end = append_late(stop, &late);
    filch_stop *list = prepend_children(stop, NULL);
    while (list) {
        filch_stop *child = list;
        list = child->next_stopped;
        inherit(child);
        if (raise_one(child)) {
            list = prepend_children(child, list);
            late_end = append_late(child, late_end);
        }
        /* release Q2: pairs with acquire Q2 in filch_stop_unref(); our last access. */
        atomic_store_explicit(&child->served, 1, memory_order_release);
    }
    serve_late(late);
}

static bool request(filch_stop *stop, uintptr_t reason)
{
    bool first = set_reason(stop, reason);
    /* Also if somebody else was first and has not come so far: after any request the stop is requested. */
    if (raise_one(stop))
        raise_below(stop);
    return first;
}

bool filchi_stop_add(filch_stop *stop, struct filchi_waiter *waiter)
{
    waiter->previous = NULL;
    return filchi_waitlist_add(&stop->waiters, waiter);
}

bool filchi_stop_remove(filch_stop *stop, struct filchi_waiter *waiter)
{
    bool served = false;
    bool removed = filchi_waitlist_remove_linked(&stop->waiters, waiter, &served);
    if (served)
        raise_below(stop);
    return removed;
}

/* On the thread that serves the parent's list, which alone has access to its `stopped`. */
static void serve_child(struct filchi_waiter *waiter)
{
    filch_stop *stop = waiter->owner;
    stop->next_stopped = stop->parent->stopped;
    stop->parent->stopped = stop;
}

void filchi_stop_late(filch_stop *stop, struct filchi_waiter *waiter)
{
    waiter->in.next = stop->late;
    stop->late = waiter;
}

static void serve_fd(struct filchi_waiter *waiter)
{
    const filch_stop *stop = waiter->owner;
    /* relaxed: written before the waiter was registered. */
    filchi_os_event_signal(atomic_load_explicit(&stop->fd, memory_order_relaxed));
}

int filch_stop_create(filch_stop **out, filch_stop *parent)
{
    filch_stop *stop = filchi_os_alloc_aligned(_Alignof(struct filch_stop), sizeof *stop);
    if (!stop)
        return -ENOMEM;
    filchi_waitlist_init(&stop->waiters, 0, 0);
    atomic_init(&stop->refs, 1);
    atomic_init(&stop->fd, -1);
    if (parent) {
        stop->parent = filch_stop_ref(parent);
        stop->in_parent.serve = serve_child;
        stop->in_parent.owner = stop;
        stop->attached = true;
        if (!filchi_stop_add(parent, &stop->in_parent)) {
            stop->attached = false;
            inherit(stop);
            raise_one(stop);
        }
    }
    *out = stop;
    return 0;
}

filch_stop *filch_stop_ref(filch_stop *stop)
{
    if (stop)
        atomic_fetch_add_explicit(&stop->refs, 1, memory_order_relaxed); /* relaxed: the caller holds one. */
    return stop;
}

/* The parent may be stopping us at this moment, on another thread. */
static void detach(filch_stop *stop)
{
    if (!stop->attached || filchi_stop_remove(stop->parent, &stop->in_parent))
        return;
    /* acquire Q2: pairs with release Q2 in raise_below(). */
    while (!atomic_load_explicit(&stop->served, memory_order_acquire))
        filchi_os_yield();
}

filch_stop *filchi_stop_dispose(filch_stop *stop)
{
    detach(stop);
    uintptr_t reason =
        atomic_load_explicit(&stop->reason, memory_order_relaxed); /* relaxed: nobody else is left. */
    if (is_error(reason))
        filch_error_unref((filch_error *)reason);
    int fd = atomic_load_explicit(&stop->fd, memory_order_relaxed); /* relaxed: as above. */
    if (fd >= 0)
        filchi_os_event_close(fd);
    filch_stop *parent = stop->parent;
    filchi_os_free(stop);
    return parent;
}

void filch_stop_unref(filch_stop *stop)
{
    while (stop) {
        /* acq_rel Q3: pairs with itself; the last one sees that all others are done with it. */
        if (atomic_fetch_sub_explicit(&stop->refs, 1, memory_order_acq_rel) != 1)
            return;
        stop = stop->release ? stop->release(stop) : filchi_stop_dispose(stop); /* in a loop: chains may be long */
    }
}

bool filch_stop_request(filch_stop *stop, int reason)
{
    return request(stop, reason_of_code(reason));
}

bool filch_stop_request_error(filch_stop *stop, const filch_error *error)
{
    if (!error)
        return filch_stop_request(stop, 0);
    filch_error *held = filch_error_ref(error);
    if (request(stop, (uintptr_t)held))
        return true;
    filch_error_unref(held);
    return false;
}

bool filch_stop_requested(const filch_stop *stop)
{
    return filchi_waitlist_state(&stop->waiters) != 0;
}

int filch_stop_reason(const filch_stop *stop)
{
    if (!filch_stop_requested(stop))
        return 0;
    uintptr_t reason =
        atomic_load_explicit(&stop->reason, memory_order_acquire); /* acquire Q1: pairs with release Q1. */
    return is_error(reason) ? filch_error_code((filch_error *)reason) : code_of_reason(reason);
}

bool filchi_stop_timed_out(const filch_stop *stop)
{
    uintptr_t reason = atomic_load_explicit(&stop->reason, memory_order_relaxed); /* relaxed: only compared. */
    return reason == reason_of_code(-ETIMEDOUT);
}

const filch_error *filch_stop_error(const filch_stop *stop)
{
    uintptr_t reason =
        atomic_load_explicit(&stop->reason, memory_order_acquire); /* acquire Q1: pairs with release Q1. */
    return is_error(reason) ? (const filch_error *)reason : NULL;
}

int filch_stop_fd(filch_stop *stop, int *out)
{
    int fd = atomic_load_explicit(&stop->fd, memory_order_relaxed); /* relaxed: a number that nothing hangs on. */
    if (fd < 0) {
        int created = filchi_os_event_create();
        if (created < 0)
            return created;
        /* relaxed: the waiter that reads it is registered by the thread that wins. */
        if (!atomic_compare_exchange_strong_explicit(&stop->fd, &fd, created, memory_order_relaxed,
                                                     memory_order_relaxed)) {
            filchi_os_event_close(created);
        } else {
            fd = created;
            stop->in_fd.serve = serve_fd;
            stop->in_fd.owner = stop;
            if (!filchi_stop_add(stop, &stop->in_fd))
                filchi_os_event_signal(fd);
        }
    }
    *out = fd;
    return 0;
}

void filch_stop_cleanup(filch_stop **stop)
{
    filch_stop_unref(*stop);
}
