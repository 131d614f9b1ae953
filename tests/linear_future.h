/* SPDX-License-Identifier: MIT */
/*
 * What a future is to a sequential program: a state that only moves on, an outcome once it is final, and callbacks, each of
 * which is called once, in the order of registration.
 *
 * Some operations are the scheduler's: a worker claims the task and then begins it, both between the submit and the first
 * thing that its function does; when that has returned it looks whether the stop is requested, and then ends it. If the stop
 * is requested before, it gives the task up instead, claimed or not: so one may be RUNNING and then STOPPED without a call of
 * its function. A callback is an operation that lies within its call.
 */
#ifndef LINEAR_FUTURE_H
#define LINEAR_FUTURE_H

#include "linear.h"

#include <filch/filch.h>

#include <errno.h>
#include <string.h>

enum linear_future_kind {
    LINEAR_CLAIM,
    LINEAR_BEGIN,
    LINEAR_GIVE_UP,
    LINEAR_RETURN, /* arg: what the function returns */
    LINEAR_END,
    LINEAR_CANCEL,    /* result: whether it is cancelled */
    LINEAR_STOP,      /* its stop is requested; result: whether this was the first */
    LINEAR_STATE_NOW, /* result: the state; so below */
    LINEAR_IS_DONE,
    LINEAR_RESULT,      /* result: its outcome, or -ETIMEDOUT */
    LINEAR_WAIT,        /* without a timeout: there is no other answer than that it is final */
    LINEAR_WAIT_SHORT,  /* result: 0 or -ETIMEDOUT */
    LINEAR_ON_DONE,     /* arg: the callback's number, from 1 on */
    LINEAR_CALLED_BACK, /* arg: the same */
    LINEAR_ATTEMPTS
};

#define LINEAR_CALLBACKS 12

struct linear_future {
    uint8_t state;
    uint8_t stopped;                   /* its stop is requested */
    uint8_t begun;                     /* how many attempts */
    uint8_t becomes;                   /* once its function has returned: the final state */
    uint8_t n;                         /* registered while it was not final, and not called so far */
    uint8_t waiting[LINEAR_CALLBACKS]; /* in order; 0 behind the last */
    uint16_t at_once; /* a bit for each that was registered when it was final, and not called so far */
    int16_t code;     /* what the result is once it is final */
};

static inline bool linear_future_is_final(const struct linear_future *future)
{
    return future->state >= FILCH_DONE;
}

static inline bool linear_future_end(struct linear_future *future, filch_state to, int64_t code)
{
    future->state = (uint8_t)to;
    future->code = (int16_t)code;
    return true;
}

static inline bool linear_future_return(struct linear_future *future, int64_t code)
{
    if (!future->begun || future->becomes)
        return false;
    future->becomes = code == 0 ? FILCH_DONE : code == -ECANCELED && future->stopped ? FILCH_STOPPED : FILCH_FAILED;
    future->code = (int16_t)code;
    return true;
}

static inline bool linear_future_finish(struct linear_future *future)
{
    return future->state == FILCH_RUNNING && future->becomes &&
           linear_future_end(future, future->becomes, future->code);
}

static inline bool linear_future_cancel(struct linear_future *future, bool answer)
{
    if (answer && future->state == FILCH_PENDING)
        return linear_future_end(future, FILCH_CANCELLED, -ECANCELED);
    if (future->state == FILCH_PENDING)
        return false;
    return answer == (future->state == FILCH_CANCELLED);
}

static inline bool linear_future_register(struct linear_future *future, int64_t callback)
{
    if (linear_future_is_final(future))
        future->at_once |= (uint16_t)(1u << callback);
    else
        future->waiting[future->n++] = (uint8_t)callback;
    return true;
}

static inline bool linear_future_call_back(struct linear_future *future, int64_t callback)
{
    if (!linear_future_is_final(future))
        return false;
    if (future->at_once >> callback & 1) {
        future->at_once &= (uint16_t) ~(1u << callback);
        return true;
    }
    if (!future->n || future->waiting[0] != callback)
        return false;
    memmove(future->waiting, future->waiting + 1, --future->n);
    future->waiting[future->n] = 0;
    return true;
}

/* An answer that is either "not so far" or what the final state gives. */
static inline bool linear_future_outcome(const struct linear_future *future, int64_t answer, bool so_far,
                                         int64_t if_final)
{
    return so_far ? !linear_future_is_final(future) : linear_future_is_final(future) && answer == if_final;
}

static inline bool linear_future_claim(struct linear_future *future)
{
    bool claimed = future->state == FILCH_PENDING;
    future->state = FILCH_RUNNING;
    return claimed;
}

static inline bool linear_future_give_up(struct linear_future *future)
{
    return future->stopped && !future->begun && !linear_future_is_final(future) &&
           linear_future_end(future, FILCH_STOPPED, -ECANCELED);
}

static inline bool linear_future_begin(struct linear_future *future)
{
    bool begun = future->state == FILCH_RUNNING && !future->begun;
    future->begun = 1;
    return begun;
}

static inline bool linear_future_step(void *state, const struct linear_op *op)
{
    struct linear_future *future = state;
    switch (op->kind) {
    case LINEAR_CLAIM:
        return linear_future_claim(future);
    case LINEAR_BEGIN:
        return linear_future_begin(future);
    case LINEAR_GIVE_UP:
        return linear_future_give_up(future);
    case LINEAR_RETURN:
        return linear_future_return(future, op->arg);
    case LINEAR_END:
        return linear_future_finish(future);
    case LINEAR_CANCEL:
        return linear_future_cancel(future, op->result);
    case LINEAR_STOP:
        return (op->result != 0) == !future->stopped && (future->stopped = 1);
    case LINEAR_STATE_NOW:
        return op->result == future->state;
    case LINEAR_IS_DONE:
        return linear_future_outcome(future, op->result, !op->result, 1);
    case LINEAR_RESULT:
        return linear_future_outcome(future, op->result, op->result == -ETIMEDOUT, future->code);
    case LINEAR_WAIT:
    case LINEAR_WAIT_SHORT:
        return linear_future_outcome(future, op->result, op->result == -ETIMEDOUT, 0);
    case LINEAR_ON_DONE:
        return linear_future_register(future, op->arg);
    case LINEAR_CALLED_BACK:
        return linear_future_call_back(future, op->arg);
    default: /* LINEAR_ATTEMPTS */
        return op->result == future->begun;
    }
}

/* A history ends when the future is final and every callback was called. */
static inline bool linear_future_may_end(const void *state)
{
    const struct linear_future *future = state;
    return linear_future_is_final(future) && !future->n && !future->at_once;
}

static const char *const linear_future_names[] = { "claim",  "begin",         "give up", "return",   "end",
                                                   "cancel", "stop",          "state",   "done",     "result",
                                                   "wait",   "wait a moment", "on_done", "callback", "attempts" };

static const struct linear_spec linear_future_spec = { sizeof(struct linear_future), linear_future_step,
                                                       linear_future_may_end, linear_future_names };

#endif
