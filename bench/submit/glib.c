/* SPDX-License-Identifier: MIT */
/*
 * Threads outside the pool submit tasks; each sums the results of its own. GThreadPool has no futures: a job
 * carries its result, and its producer's mutex and condition tell that it is there.
 */
#include "bench.h"

#include <glib.h>

struct producer {
    GMutex mutex;
    GCond done;
    GThread *thread;
    GThreadPool *pool;
    struct job **jobs;
    gint64 from, to;
};

struct job {
    struct producer *owner;
    gint64 value, result;
    gboolean done;
};

struct state {
    GThreadPool *pool;
    struct job **jobs;
    struct producer *producers;
};

static void twice(gpointer data, gpointer unused)
{
    struct job *job = data;
    struct producer *owner = job->owner;
    (void)unused;
    job->result = 2 * job->value;
    g_mutex_lock(&owner->mutex);
    job->done = TRUE;
    g_cond_signal(&owner->done);
    g_mutex_unlock(&owner->mutex);
}

static gint64 await(struct producer *me, struct job *job)
{
    g_mutex_lock(&me->mutex);
    while (!job->done)
        g_cond_wait(&me->done, &me->mutex);
    g_mutex_unlock(&me->mutex);
    return job->result;
}

static gpointer produce(gpointer data)
{
    struct producer *me = data;
    gint64 sum = 0;
    for (gint64 i = me->from; i < me->to; i++) {
        struct job *job = g_new(struct job, 1);
        *job = (struct job) { .owner = me, .value = i };
        me->jobs[i] = job;
        g_thread_pool_push(me->pool, job, NULL);
    }
    for (gint64 i = me->from; i < me->to; i++) {
        sum += await(me, me->jobs[i]);
        g_free(me->jobs[i]);
    }
    return GSIZE_TO_POINTER((gsize)sum);
}

static int64_t run(void *arg, const struct bench_options *o)
{
    struct state *state = arg;
    gint64 sum = 0;
    for (guint i = 0; i < o->producers; i++) {
        struct producer *p = &state->producers[i];
        p->pool = state->pool;
        p->jobs = state->jobs;
        p->from = o->size * i / o->producers;
        p->to = o->size * (i + 1) / o->producers;
        p->thread = g_thread_new("producer", produce, p);
    }
    for (guint i = 0; i < o->producers; i++)
        sum += (gint64)GPOINTER_TO_SIZE(g_thread_join(state->producers[i].thread));
    return sum;
}

static void *setup(const struct bench_options *o)
{
    struct state *state = g_new(struct state, 1);
    state->pool = g_thread_pool_new(twice, NULL, (gint)o->workers, TRUE, NULL);
    state->jobs = g_new0(struct job *, o->size);
    state->producers = g_new0(struct producer, o->producers);
    for (guint i = 0; i < o->producers; i++) {
        g_mutex_init(&state->producers[i].mutex);
        g_cond_init(&state->producers[i].done);
    }
    return state;
}

static void teardown(void *arg)
{
    struct state *state = arg;
    g_thread_pool_free(state->pool, FALSE, TRUE);
    g_free(state->producers);
    g_free(state->jobs);
    g_free(state);
}

int main(int argc, char **argv)
{
    struct bench_program program = { { .size = 100000 }, setup, run, teardown };
    return bench_main(argc, argv, &program);
}
