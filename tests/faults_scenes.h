/* SPDX-License-Identifier: MIT */
/* Scenes of a play in which something is withheld: each uses a part of the library, on what there is. */
#ifndef FILCH_TESTS_FAULTS_SCENES_H
#define FILCH_TESTS_FAULTS_SCENES_H

#include "faults.h"

#include <fcntl.h>
#include <poll.h>

#define SOON FILCH_US(300)

static const filch_retry_options quick = { sizeof quick, 3, FILCH_US(20), 2.0, FILCH_US(100), 0.5, NULL, NULL };
static const filch_retry_options once_more = { sizeof once_more, 2, 0, 1.0, 0, 0.0, NULL, NULL };

/* ---- Retries and delays ---- */

static inline void iterate_over_retried(void)
{
    struct token *tokens[5];
    filch_future *futures[5], *future;
    filch_completed *completed = NULL;
    size_t n = 0, seen = 0;
    for (int i = 0; i < 5; i++) {
        tokens[i] = ask(i % 2 ? fail_twice : run_and_fail, (struct order) { .retry = i % 2 ? &quick : &once_more });
        if (!tokens[i]->future)
            continue;
        futures[n++] = tokens[i]->future;
        if (worked(filch_future_on_done(tokens[i]->future, count_done, &now)))
            atomic_fetch_add(&now.registered, 1);
    }
    if (worked(filch_completed_begin(&completed, futures, n, FILCH_FOREVER))) {
        while (filch_completed_next(completed, &future) == 1)
            seen++;
        must(seen == n);
    } else {
        must(!completed);
    }
    filch_completed_end(completed);
    for (int i = 0; i < 5; i++) {
        bool accepted = tokens[i]->future != NULL;
        must(outcome_of(tokens[i]) == (accepted && i % 2 == 0 ? -EIO : 0));
        must(atomic_load(&tokens[i]->runs) == (accepted ? 2 + i % 2 : 0));
    }
}

static inline int by_a_retried(filch_task *self, const void *in, void *out, void *failed)
{
    struct token *sub = ask(fail_twice, (struct order) { .retry = &quick });
    if (!sub->future) {
        atomic_fetch_add((_Atomic int *)failed, 1);
        return give_up(self);
    }
    *(int *)out = -*(const int *)in;
    return outcome_of(sub);
}

static inline void map_over_retried(void)
{
    int in[6] = { 1, 2, 3, 4, 5, 6 }, out[6] = { 0 }, n = 0, rc;
    filch_map_options options = FILCH_MAP_OPTIONS;
    filch_mapping *mapping = NULL;
    void *item;
    _Atomic int failed = 0;
    options.name = "a prefix that makes long names";
    options.chunk = 1;
    if (!worked(filch_mapping_begin(&mapping, now.pool, by_a_retried, &failed, in, sizeof *in, out, sizeof *out, 6,
                                    &options))) {
        must(!mapping);
        atomic_fetch_add(&now.unlooked, atomic_load(&failed)); /* those that were there told nobody */
        return;
    }
    while ((rc = filch_mapping_next(mapping, &item)) == 1) {
        must(item == &out[n] && out[n] == -in[n]);
        n++;
    }
    if (worked(rc))
        must(n == 6 && !filch_mapping_error(mapping));
    else
        expect_error(filch_mapping_error(mapping), rc);
    filch_mapping_end(mapping);
}

static inline void delay_and_cancel(void)
{
    filch_stop *soon = NULL;
    struct token *sooner = ask(run, (struct order) { .at = filch_now() + SOON });
    ask(run, (struct order) { .at = filch_now() + SOON, .dropped = true });
    struct token *never = ask(run, (struct order) { .at = INT64_MAX });
    if (worked(filch_stop_create_until(&soon, NULL, now.pool, filch_now() + SOON)))
        must(outcome_of(ask(run, (struct order) { .at = INT64_MAX, .stop = soon })) != -EIO);
    else
        must(!soon);
    filch_stop_unref(soon);
    if (never->future)
        must(filch_future_cancel(never->future));
    outcome_of(never);
    must(outcome_of(sooner) == 0 && atomic_load(&sooner->runs) == sooner->accepted);
}

/* ---- Stops ---- */

static inline void watch_a_stop(void)
{
    filch_stop *stop = NULL, *child = NULL;
    filch_stop_callback *callbacks[2] = { NULL, NULL };
    struct pollfd poll_for = { .fd = -1, .events = POLLIN };
    if (!worked(filch_stop_create(&stop, filch_pool_stop(now.pool))))
        return;
    if (!worked(filch_stop_create(&child, stop)))
        must(!child);
    bool has_fd = worked(filch_stop_fd(stop, &poll_for.fd));
    must(has_fd == (poll_for.fd >= 0));
    struct token *task = ask(run, (struct order) { .at = INT64_MAX, .stop = child ? child : stop });
    for (int i = 0; i < 2; i++) {
        if (worked(filch_stop_on_request(&callbacks[i], i ? stop : child ? child : stop, count_called, &now)))
            atomic_fetch_add(&now.registered, 1);
        else
            must(!callbacks[i]);
    }
    filch_error *reason = filch_error_create(-EPIPE, "enough");
    must(filch_stop_request_error(stop, reason));
    must(!has_fd || poll(&poll_for, 1, 0) == 1);
    must(!child || filch_stop_error(child) == reason);
    must(outcome_of(task) == (atomic_load(&task->accepted) ? -ECANCELED : 0) && atomic_load(&task->runs) == 0);
    for (int i = 0; i < 2; i++)
        must(!callbacks[i] || !filch_stop_callback_end(callbacks[i]));
    filch_error_unref(reason);
    filch_stop_unref(child);
    filch_stop_unref(stop);
}

/* ---- Scopes ---- */

static inline filch_scope *open_scope(filch_scope_policy policy, bool discard, int64_t timeout_ns)
{
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    filch_scope *scope = NULL, *before = filch_scope_current();
    options.name = "a scope";
    options.policy = policy;
    options.discard = discard;
    options.timeout_ns = timeout_ns;
    if (!worked(filch_scope_open(&scope, now.pool, &options)))
        must(!scope && filch_scope_current() == before);
    return scope;
}

static inline int join_scope(filch_scope *scope)
{
    filch_error *error = NULL;
    int rc = filch_scope_join(scope, &error);
    if (rc)
        expect_error(error, rc);
    else
        must(!error);
    filch_error_unref(error);
    return rc;
}

/* A nested scope which keeps no futures; it is left open for the end of the task to close. */
static inline int run_scope_inside(filch_task *self, void *token)
{
    run(self, token);
    filch_scope *scope = open_scope(FILCH_COLLECT, true, FILCH_FOREVER);
    if (!scope)
        return give_up(self);
    struct token *held = ask(fail_twice, (struct order) { .scope = scope, .retry = &quick });
    ask(run, (struct order) { .scope = scope, .dropped = true });
    ask(run, (struct order) { .scope = scope, .dropped = true, .at = filch_now() + SOON });
    int rc = join_scope(scope);
    must(rc == 0 || filch_task_stopped(self)); /* which may be seen between two attempts */
    rc = outcome_of(held);
    must(rc == 0 || filch_task_stopped(self));
    return filch_task_stopped(self) ? -ECANCELED : 0;
}

static inline int play_scope(filch_scope_policy policy, int64_t timeout_ns)
{
    filch_scope *scope = open_scope(policy, false, timeout_ns);
    filch_future *next;
    int rc, delivered = 0, accepted = 0;
    if (!scope)
        return 0;
    struct token *tokens[] = {
        ask(run_scope_inside, (struct order) { .scope = scope }),
        ask(run_scope_inside, (struct order) { .scope = scope, .dropped = true }),
        ask(run, (struct order) { .scope = scope, .at = filch_now() + SOON }),
        ask(run_and_fail, (struct order) { .scope = scope, .retry = &quick }),
        ask(run_and_fail, (struct order) { .scope = scope, .dropped = true }),
        ask(run, (struct order) { .scope = scope, .at = timeout_ns < 0 ? 0 : INT64_MAX }),
    };
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
        accepted += atomic_load(&tokens[i]->accepted);
    while ((rc = filch_scope_next(scope, FILCH_FOREVER, &next)) == 1)
        delivered++;
    must(rc == 0 && delivered == accepted);
    rc = join_scope(scope);
    must(rc <= 0);
    filch_scope_close(scope);
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
        outcome_of(tokens[i]);
    return rc;
}

static inline int scopes_in_a_task(filch_task *self, void *token)
{
    run(self, token);
    int rc = play_scope(FILCH_COLLECT, FILCH_FOREVER);
    must(rc == 0 || rc == -EIO || rc == now.refusal || rc == -ENOMEM);
    return 0;
}

static inline void nest_scopes(void)
{
    struct token *inside = ask(scopes_in_a_task, (struct order) { .dropped = false });
    int rc = play_scope(FILCH_FAIL_FAST, FILCH_FOREVER);
    must(rc == 0 || rc == -EIO || rc == now.refusal || rc == -ENOMEM);
    rc = play_scope(FILCH_COLLECT, SOON);
    must(rc == 0 || rc == -EIO || rc == now.refusal || rc == -ENOMEM || rc == -ETIMEDOUT);
    must(outcome_of(inside) == 0);
}

/* ---- Streams ---- */

enum { ITEMS = 9 };

struct items {
    int given, last, freed[ITEMS];
};
static struct items items;

static inline int give_item(void *arg, void **item)
{
    must(arg == &items);
    if (items.given == ITEMS)
        return 0;
    *item = &items.freed[items.given++];
    return 1;
}

static inline void free_item(void *item)
{
    (*(int *)item)++;
}

static inline int return_item(filch_task *self, void *item)
{
    return filch_return(self, item);
}

static inline void stream_items(void)
{
    filch_stream_options options = FILCH_STREAM_OPTIONS;
    filch_stream *stream = NULL;
    void *result;
    int n = 0, rc;
    items = (struct items) { 0 };
    options.window = 4;
    options.name = "a name that makes long names";
    options.item_dtor = free_item;
    if (!worked(filch_stream_begin(&stream, now.pool, return_item, give_item, &items, &options))) {
        must(!stream && items.given == 0);
        return;
    }
    while ((rc = filch_stream_next(stream, &result)) == 1)
        must(result == &items.freed[n++]);
    if (worked(rc))
        must(n == ITEMS && !filch_stream_error(stream));
    else
        expect_error(filch_stream_error(stream), rc);
    must(filch_stream_next(stream, &result) == rc);
    filch_stream_end(stream);
    for (int i = 0; i < ITEMS; i++)
        must(items.freed[i] == (i < items.given));
}

/* ---- Threads ---- */

static inline int block_a_while(filch_task *self, void *token)
{
    struct timespec time = { .tv_nsec = 100000 };
    run(self, token);
    filch_blocking_begin(self);
    nanosleep(&time, NULL);
    struct token *sub = ask(run, (struct order) { .dropped = false });
    must(outcome_of(sub) == 0);
    filch_blocking_end(self);
    return 0;
}

static inline void block(void)
{
    struct token *tokens[4];
    for (int i = 0; i < 4; i++)
        tokens[i] = ask(block_a_while, (struct order) { .dropped = false });
    for (int i = 0; i < 4; i++)
        must(outcome_of(tokens[i]) == 0 && atomic_load(&tokens[i]->runs) == tokens[i]->accepted);
}

static inline void resize_to(unsigned workers)
{
    unsigned before = filch_pool_workers(now.pool);
    bool done = worked(filch_pool_resize(now.pool, workers));
    must(filch_pool_workers(now.pool) == (done ? workers : before));
}

static inline void dump(void)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    must(fd >= 0);
    worked(filch_pool_dump(now.pool, fd));
    close(fd);
}

/* ---- Errors that nobody looks at ---- */

static inline void look_away(void)
{
    struct token *failed = ask(run_and_fail, (struct order) { .dropped = true });
    atomic_fetch_add(&now.unlooked, failed->accepted);
    UNTIL(atomic_load(&failed->runs) == failed->accepted); /* it is not to be cancelled */
    filch_scope *scope = open_scope(FILCH_COLLECT, false, FILCH_FOREVER);
    if (!scope)
        return;
    struct token *member = ask(run_and_fail, (struct order) { .scope = scope });
    if (member->future)
        must(filch_future_wait(member->future, FILCH_FOREVER) == 0);
    filch_scope_close(scope);
    atomic_fetch_add(&now.unlooked, member->accepted);
    filch_future_unref(member->future);
    member->future = NULL;
}

#endif
