/* SPDX-License-Identifier: MIT */
/*
 * What the sweeps of faults share: an account of every task, hook and error of one play, and calls that may fail as
 * the fault of the play allows and in no other way, leaving their outputs alone.
 *
 * Invariant: one play at a time; its account is cleared when nothing of the play is left.
 */
#ifndef FILCH_TESTS_FAULTS_H
#define FILCH_TESTS_FAULTS_H

#include "os.h"
#include "support.h"

enum { TOKENS = 512 };

/* The argument of a task: how often it ran and was dropped. */
struct token {
    _Atomic int runs, freed;
    _Atomic bool accepted;
    filch_future *future; /* NULL if it was refused or is held by nobody */
};

struct account {
    filch_pool *pool;
    int refusal;          /* what calls fail with in this play */
    int also;             /* or this; 0: nothing else */
    _Atomic long refused; /* calls that did */
    bool rejects;         /* -ENOBUFS too, from outside of tasks */
    struct token tokens[TOKENS];
    _Atomic int n_tokens;
    _Atomic int inits, exits;         /* worker hooks; the first are those that worked */
    _Atomic int unobserved, unlooked; /* calls of the hook; failures that it should be called for */
    _Atomic int registered, called;   /* callbacks of stops and futures */
};

static struct account now;

/* Whether the call worked; else it failed for want of what is withheld. */
static inline bool worked(int rc)
{
    if (rc == 0)
        return true;
    bool withheld = rc == now.refusal || (now.also && rc == now.also);
    must(withheld || (now.rejects && rc == -ENOBUFS && !filch_task_current()));
    atomic_fetch_add(&now.refused, withheld);
    return false;
}

/* An error that can be shown, whatever memory there was to make it. */
static inline void expect_error(const filch_error *error, int code)
{
    char text[16];
    must(error && filch_error_code(error) < 0 && filch_error_root(error));
    must(!code || filch_error_code(error) == code || filch_error_code(error) == -ENOMEM);
    for (const filch_error *at = error; at; at = filch_error_cause(at))
        must(filch_error_message(at) && filch_error_message(at)[0]);
    for (size_t i = 0; filch_error_suppressed(error, i); i++)
        must(filch_error_message(filch_error_suppressed(error, i)) && i < filch_error_suppressed_count(error));
    must(filch_error_format(error, text, sizeof text) > 0 && text[0]);
}

/* ---- Tasks ---- */

struct order {
    filch_scope *scope;
    filch_stop *stop;
    int64_t at;
    const filch_retry_options *retry;
    bool dropped; /* nobody holds the future */
};

static inline void drop_token(void *token)
{
    atomic_fetch_add(&((struct token *)token)->freed, 1);
}

static inline struct token *ask(filch_fn *fn, struct order order)
{
    int number = atomic_fetch_add(&now.n_tokens, 1);
    must(number < TOKENS);
    struct token *token = &now.tokens[number];
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *untouched = (filch_future *)(void *)token, *future = untouched,
                 **out = order.dropped ? NULL : &future;
    options.name = number % 2 ? "a name that is too long to be kept inside" : "short";
    options.stop = order.stop;
    options.arg_dtor = drop_token;
    options.start_at_ns = order.at;
    options.retry = order.retry;
    int rc = order.scope ? filch_scope_submit_with(order.scope, fn, token, &options, out)
                         : filch_submit_with(now.pool, fn, token, &options, out);
    atomic_store(&token->accepted, worked(rc));
    must((rc == 0 && out) == (future != untouched));
    token->future = rc == 0 && out ? future : NULL;
    return token;
}

/* Waits for its end, looks at its outcome, and lets it go; 0 if it was refused. */
static inline int outcome_of(struct token *token)
{
    filch_future *future = token->future;
    if (!future)
        return 0;
    must(filch_join(&future, 1) == 0);
    int rc = filch_future_result(future, 0, NULL);
    if (rc)
        expect_error(filch_future_error(future), 0);
    else
        must(!filch_future_error(future) && filch_future_state(future) == FILCH_DONE);
    token->future = NULL;
    filch_future_unref(future);
    return rc;
}

static inline int run(filch_task *self, void *token)
{
    (void)self;
    atomic_fetch_add(&((struct token *)token)->runs, 1);
    return 0;
}

static inline int run_and_fail(filch_task *self, void *token)
{
    run(self, token);
    return filch_fail(self, -EIO, "attempt %u, on purpose", filch_task_attempt(self));
}

static inline int fail_twice(filch_task *self, void *token)
{
    return filch_task_attempt(self) < 3 ? run_and_fail(self, token) : run(self, token);
}

/* A task's refusal is its error: what it could not have done. */
static inline int give_up(filch_task *self)
{
    return filch_fail(self, now.refusal, "refused");
}

/* Every task that was accepted ran or its future said why not, and is gone; every refused one never was. */
static inline void settle_accounts(void)
{
    for (int i = 0; i < atomic_load(&now.n_tokens); i++) {
        struct token *token = &now.tokens[i];
        must(!token->future);
        must(atomic_load(&token->freed) == atomic_load(&token->accepted));
        must(atomic_load(&token->accepted) || atomic_load(&token->runs) == 0);
    }
    must(atomic_load(&now.inits) == atomic_load(&now.exits));
    must(atomic_load(&now.unobserved) == atomic_load(&now.unlooked));
    must(atomic_load(&now.called) == atomic_load(&now.registered));
}

/* ---- Hooks ---- */

static inline void count_unobserved(const filch_error *error, void *arg)
{
    must(arg == &now);
    expect_error(error, 0);
    atomic_fetch_add(&now.unobserved, 1);
}

static inline void count_called(void *arg)
{
    must(arg == &now);
    atomic_fetch_add(&now.called, 1);
}

static inline void count_done(filch_future *future, void *arg)
{
    must(filch_future_done(future));
    count_called(arg);
}

#endif
