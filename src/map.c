/* SPDX-License-Identifier: MIT */
/*
 * Map: a task for each chunk of the input, awaited in input order.
 *
 * Invariant: `failed` is the lowest chunk known to have failed; chunks above it that have not started are
 * skipped, those below it run on, so that which error ends the map does not depend on who was quicker.
 */
#include "await.h"
#include "error.h"
#include "options.h"

#include <stdio.h>

struct chunk {
    filch_mapping *mapping;
    filch_future *future; /* NULL: not submitted, or given back */
};

struct filch_mapping {
    filch_map_fn *fn;
    void *arg;
    const char *in;
    char *out;
    size_t in_size, out_size, n;
    size_t chunk_size, n_chunks;
    size_t next;           /* consumer: the element delivered next */
    int64_t deadline;      /* of the whole map */
    filch_error *error;    /* consumer: what ended it */
    int code;              /* consumer: the same */
    _Atomic size_t failed; /* any chunk's task lowers it */
    struct chunk chunks[];
};

static void lower(_Atomic size_t *failed, size_t index)
{
    size_t lowest = atomic_load_explicit(failed, memory_order_relaxed); /* relaxed: the number alone is used. */
    while (index < lowest && !atomic_compare_exchange_weak_explicit(failed, &lowest, index, memory_order_relaxed,
                                                                    memory_order_relaxed))
        continue;
}

static int run_elements(filch_task *self, const filch_mapping *mapping, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        if (filch_task_stopped(self))
            return -ECANCELED;
        int rc = mapping->fn(self, mapping->in + i * mapping->in_size, mapping->out + i * mapping->out_size,
                             mapping->arg);
        if (rc == 0)
            continue;
        bool stopped = rc == -ECANCELED && filch_task_stopped(self);
        if (!stopped && !filch_task_error(self))
            filch_fail(self, rc, "element %zu failed", i);
        return rc;
    }
    return 0;
}

/* That a chunk was skipped is news to nobody. */
static int skip(filch_task *self)
{
    filchi_future_look(self);
    return filch_fail(self, -ECANCELED, "skipped: an earlier element failed");
}

static int run_chunk(filch_task *self, void *arg)
{
    struct chunk *chunk = arg;
    filch_mapping *mapping = chunk->mapping;
    size_t index = (size_t)(chunk - mapping->chunks);
    if (index > atomic_load_explicit(&mapping->failed, memory_order_relaxed)) /* relaxed: as in lower(). */
        return skip(self);
    size_t first = index * mapping->chunk_size;
    size_t end = mapping->n - first < mapping->chunk_size ? mapping->n : first + mapping->chunk_size;
    int rc = run_elements(self, mapping, first, end);
    if (rc)
        lower(&mapping->failed, index);
    return rc;
}

/* ---- Begin ---- */

static int submit_chunk(filch_pool *pool, filch_mapping *mapping, size_t index, const filch_map_options *options)
{
    struct chunk *chunk = &mapping->chunks[index];
    filch_task_options task = FILCH_TASK_OPTIONS;
    char name[128];
    if (options->name) {
        snprintf(name, sizeof name, "%s-%zu", options->name, index);
        task.name = name;
    }
    task.stop = options->stop;
    chunk->mapping = mapping;
    return filch_submit_with(pool, run_chunk, chunk, &task, &chunk->future);
}

static size_t default_chunk(const filch_pool *pool, size_t n)
{
    size_t chunk = n / ((size_t)8 * filch_pool_workers(pool));
    return chunk ? chunk : 1;
}

int filch_mapping_begin(filch_mapping **mapping, filch_pool *pool, filch_map_fn *fn, void *arg, const void *in,
                        size_t in_size, void *out, size_t out_size, size_t n, const filch_map_options *options)
{
    filch_map_options chosen = FILCH_MAP_OPTIONS;
    int rc = filchi_options_copy(&chosen, sizeof chosen, options);
    if (rc)
        return rc;
    if (!pool || !fn)
        return -EINVAL;
    if (!filchi_worker_pool_here(pool)) /* an empty map submits nothing */
        return -EOWNERDEAD;
    size_t chunk_size = chosen.chunk ? chosen.chunk : default_chunk(pool, n);
    size_t n_chunks = n / chunk_size + (n % chunk_size != 0);
    if (n_chunks > (SIZE_MAX / 2) / sizeof(struct chunk))
        return -ENOMEM;
    filch_mapping *made = filchi_os_alloc(sizeof *made + n_chunks * sizeof made->chunks[0]);
    if (!made)
        return -ENOMEM;
    made->fn = fn;
    made->arg = arg;
    made->in = in;
    made->out = out;
    made->in_size = in_size;
    made->out_size = out_size;
    made->n = n;
    made->chunk_size = chunk_size;
    made->n_chunks = n_chunks;
    made->deadline = filchi_os_deadline(chosen.timeout_ns);
    atomic_init(&made->failed, SIZE_MAX);
    for (size_t i = 0; i < n_chunks && !rc; i++)
        rc = submit_chunk(pool, made, i, &chosen);
    if (rc) {
        filch_mapping_end(made);
        return rc;
    }
    *mapping = made;
    return 0;
}

/* ---- Next ---- */

static void give_up(filch_mapping *mapping)
{
    lower(&mapping->failed, 0); /* what starts from now on is skipped */
    for (size_t i = mapping->n_chunks; i-- > 0;)
        if (mapping->chunks[i].future)
            filch_future_cancel(mapping->chunks[i].future);
}

/* The chunk whose first element is next. 0, or the error that ends the map or the wait. */
static int await_chunk(filch_mapping *mapping, struct chunk *chunk)
{
    int rc = filchi_await_future(chunk->future, mapping->deadline, true);
    if (rc)
        return rc;
    if (filchi_future_state(chunk->future) != FILCH_DONE) {
        mapping->error = filch_error_ref(filch_future_error(chunk->future));
        mapping->code = filch_future_result(chunk->future, 0, NULL);
        give_up(mapping);
        return mapping->code;
    }
    filch_future_unref(chunk->future);
    chunk->future = NULL;
    return 0;
}

int filch_mapping_next(filch_mapping *mapping, void **out_item)
{
    if (mapping->code)
        return mapping->code;
    if (mapping->next == mapping->n)
        return 0;
    if (mapping->next % mapping->chunk_size == 0) {
        int rc = await_chunk(mapping, &mapping->chunks[mapping->next / mapping->chunk_size]);
        if (rc)
            return rc;
    }
    *out_item = mapping->out + mapping->next++ * mapping->out_size;
    return 1;
}

const filch_error *filch_mapping_error(const filch_mapping *mapping)
{
    return mapping->error;
}

/* ---- End ---- */

void filch_mapping_end(filch_mapping *mapping)
{
    if (!mapping)
        return;
    if (mapping->next != mapping->n)
        give_up(mapping);
    for (size_t i = mapping->n_chunks; i-- > 0;) {
        filch_future *future = mapping->chunks[i].future;
        if (!future)
            continue;
        filchi_await_final(future); /* tasks write to the caller's memory: none may be left */
        if (mapping->code)          /* the map failed with an error: this one comes with it */
            filchi_future_look(future);
        filch_future_unref(future);
    }
    filch_error_unref(mapping->error);
    filchi_os_free(mapping);
}

int filch_map(filch_pool *pool, filch_map_fn *fn, void *arg, const void *in, size_t in_size, void *out,
              size_t out_size, size_t n, const filch_map_options *options, filch_error **out_error)
{
    filch_mapping *mapping;
    void *item;
    int rc = filch_mapping_begin(&mapping, pool, fn, arg, in, in_size, out, out_size, n, options);
    if (rc) {
        if (out_error)
            *out_error = filchi_error_makef(NULL, NULL, rc, "the map of %zu elements could not begin", n);
        return rc;
    }
    do
        rc = filch_mapping_next(mapping, &item);
    while (rc > 0);
    if (rc < 0 && out_error) {
        const filch_error *error = filch_mapping_error(mapping);
        *out_error = error ? filch_error_ref(error)
                           : filchi_error_makef(NULL, NULL, rc, "the map ended after %zu of %zu elements",
                                                mapping->next, mapping->n);
    }
    filch_mapping_end(mapping);
    return rc;
}

void filch_mapping_cleanup(filch_mapping **mapping)
{
    filch_mapping_end(*mapping);
}
