/* SPDX-License-Identifier: MIT */
/* What a future answers: its state, its name, its error, which is made for whoever asks first, and, once it is final, by
 * callbacks. */
#include "error.h"
#include "os.h"
#include "transition.h"

#include <errno.h>

/* ---- Asking ---- */

filch_state filch_future_state(const filch_future *future)
{
    filch_state state = filchi_future_state(future);
    if (state == FILCH_FAILED)
        filchi_future_look((filch_future *)(uintptr_t)future); /* that somebody looked does not change it */
    if (state != FILCH_RETRY_WAIT)
        return state;
    if (filchi_plan_attempt(filchi_future_plan(future)) == 0)
        return FILCH_PENDING;           /* it waits for its first */
    return filchi_future_state(future); /* by Y5 not that of before the first, should it have begun meanwhile */
}

bool filch_future_done(const filch_future *future)
{
    return filchi_future_final(future);
}

const char *filch_state_name(filch_state state)
{
    static const char *const names[] = { "pending", "running",   "waiting to retry", "done",
                                         "failed",  "cancelled", "stopped" };
    return (unsigned)state < sizeof names / sizeof *names ? names[state] : "unknown";
}

const char *filch_future_name(const filch_future *future)
{
    const struct filchi_cold *cold = filchi_future_cold(future);
    return cold ? filchi_cold_name(cold) : NULL;
}

void *filch_future_arg(const filch_future *future)
{
    return future->arg;
}

/* In a process that fork() made at that moment it never comes. */
int filchi_future_await_code(const filch_future *future)
{
    int code = 0;
    for (unsigned spins = 0; !code && filchi_future_here(future); spins++) {
        filchi_os_relax(spins);
        code = (int)atomic_load_explicit(&future->value.code, memory_order_relaxed); /* relaxed: as its caller. */
    }
    return code ? code : -ECANCELED;
}

static filch_error *make_stopped_error(const filch_future *future, const char *name, const filch_error *last)
{
    char reason[96];
    int code = filchi_future_code(future);
    filchi_os_error_text(code, reason, sizeof reason);
    if (code == -ECANCELED)
        return filchi_error_makef(name, last, -ECANCELED, "stopped");
    return filchi_error_makef(name, last, -ECANCELED, "stopped: %s", reason);
}

static filch_error *make_cancelled_error(const filch_future *future, const char *name, const filch_error *last)
{
    unsigned attempts = filch_future_attempts(future);
    if (attempts)
        return filchi_error_makef(name, last, -ECANCELED, "cancelled after %u attempt%s", attempts,
                                  attempts == 1 ? "" : "s");
    return filchi_error_makef(name, NULL, -ECANCELED, "cancelled before it started");
}

static filch_error *make_error(const filch_future *future, filch_state state)
{
    const char *name = filch_future_name(future);
    const struct filchi_plan *plan = filchi_future_plan(future);
    const filch_error *last = plan ? filchi_plan_last_error(plan) : NULL;
    if (state == FILCH_CANCELLED)
        return make_cancelled_error(future, name, last);
    if (state == FILCH_STOPPED)
        return make_stopped_error(future, name, last);
    return filchi_error_makef(name, NULL, filchi_future_code(future), "the task failed");
}

/* The error, or what takes the place of one. */
static const filch_error *error_of(filch_future *future, filch_state state)
{
    struct filchi_cold *cold = filchi_future_cold(future);
    if (!cold)
        cold = filchi_future_add_cold(future, NULL);
    /* acquire F2: pairs with release F2 below, by whoever asked first. */
    filch_error *error = atomic_load_explicit(&cold->error, memory_order_acquire);
    if (error)
        return error;
    filch_error *made = make_error(future, state);
    /* release F2, on failure acquire F2: pairs with itself; publishes the error, or sees that of who came first. */
    if (atomic_compare_exchange_strong_explicit(&cold->error, &error, made, memory_order_release,
                                                memory_order_acquire))
        return made;
    filch_error_unref(made);
    return error;
}

const filch_error *filch_future_error(filch_future *future)
{
    filch_state state = filchi_future_state(future);
    if (state == FILCH_FAILED)
        filchi_future_look(future);
    return state < FILCH_FAILED ? NULL : error_of(future, state);
}

const filch_error *filchi_future_attempt_error(filch_future *future, int code)
{
    filchi_future_drop_result(future); /* its place is the code's */
    filchi_future_set_code(future, code);
    return error_of(future, FILCH_FAILED);
}

unsigned filch_future_attempts(const filch_future *future)
{
    const struct filchi_plan *plan = filchi_future_plan(future);
    if (plan)
        return filchi_plan_attempt(plan);
    /* relaxed: a number. Not whether it has a thread: a guest's is not kept. */
    return atomic_load_explicit(&future->begun, memory_order_relaxed);
}

/* ---- Callbacks ---- */

struct callback {
    struct filchi_late_waiter late; /* a slow callback must not hold up those who wait */
    filch_context *context;         /* in force when it was registered; a reference, or NULL */
    void (*function)(filch_future *, void *);
};

static void serve_callback(struct filchi_waiter *waiter)
{
    struct callback *callback = (struct callback *)waiter;
    filch_future *future = waiter->subject;
    struct filchi_context_outer outer;
    filchi_context_enter(&outer, callback->context);
    callback->function(future, waiter->owner);
    filchi_context_leave(&outer);
    filch_context_unref(callback->context);
    filchi_os_free(callback);
    filch_future_unref(future);
}

int filch_future_on_done(filch_future *future, void (*function)(filch_future *, void *), void *arg)
{
    if (!filchi_future_final(future) && !filchi_future_here(future))
        return -EOWNERDEAD;
    struct callback *callback = filchi_os_alloc_aligned(_Alignof(struct callback), sizeof *callback);
    if (!callback)
        return -ENOMEM;
    callback->late.waiter.serve = filchi_waitlist_late;
    callback->late.waiter.subject = filch_future_ref(future); /* the handle may go before the callback is due */
    callback->late.waiter.owner = arg;
    callback->late.serve = serve_callback;
    callback->function = function;
    callback->context = filch_context_capture();
    if (!filchi_waitlist_add(&future->waiters, &callback->late.waiter))
        serve_callback(&callback->late.waiter);
    return 0;
}

void filch_future_cleanup(filch_future **future)
{
    filch_future_unref(*future);
}
