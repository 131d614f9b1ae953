/* SPDX-License-Identifier: MIT */
/*
 * Map: the consumer's side. It takes the chunks in input order, of which chunks.c sees to it that they run.
 *
 * Invariant: the elements before `next` were delivered; the chunks before that of `next` are done.
 */
#include "chunks.h"
#include "error.h"
#include "handoff.h"
#include "options.h"

#include <errno.h>
#include <string.h>

struct filch_mapping {
    struct filchi_chunks *chunks;
    size_t next;        /* the element delivered next */
    size_t chunk;       /* the first chunk that is not known to be done */
    size_t known;       /* elements in the chunks before */
    int64_t deadline;   /* of the whole map */
    filch_error *error; /* what ended it */
    int code;           /* the same */
};

/* ---- Begin ---- */

static size_t default_chunk(const filch_pool *pool, size_t n)
{
    size_t chunk = n / ((size_t)8 * filch_pool_workers(pool));
    return chunk ? chunk : 1;
}

/* All of it is in one block. NULL without memory. */
static struct filchi_chunks *allocate(const filch_pool *pool, size_t n, const char *name)
{
    size_t name_size = name ? strlen(name) + 1 : 0;
    if (n > FILCHI_CHUNKS_MAX)
        return NULL;
    struct filchi_chunks *made =
        filchi_memory_alloc(pool->origin->memory, _Alignof(struct filchi_chunks), sizeof *made + n + name_size);
    if (made && name)
        made->name = memcpy((char *)made + sizeof *made + n, name, name_size);
    return made;
}

/* Nobody has heard of it. */
static void discard(const filch_pool *pool, filch_mapping *mapping)
{
    filchi_memory_free(pool->origin->memory, mapping->chunks);
    filchi_memory_free(pool->origin->memory, mapping);
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
    filch_mapping *made = filchi_memory_alloc(pool->origin->memory, _Alignof(filch_mapping), sizeof *made);
    if (!made)
        return -ENOMEM;
    made->chunks = allocate(pool, n_chunks, chosen.name);
    if (!made->chunks) {
        discard(pool, made);
        return -ENOMEM;
    }
    made->deadline = filchi_os_deadline(chosen.timeout_ns);
    struct filchi_chunks *chunks = made->chunks;
    chunks->fn = fn;
    chunks->arg = arg;
    chunks->in = in;
    chunks->out = out;
    chunks->in_size = in_size;
    chunks->out_size = out_size;
    chunks->n_elements = n;
    chunks->chunk_size = chunk_size;
    chunks->n = n_chunks;
    chunks->pool = pool;
    filchi_chunks_init(chunks);
    rc = n ? filchi_chunks_begin(chunks, chosen.stop) : 0;
    if (rc) {
        filch_mapping_end(made);
        return rc;
    }
    *mapping = made;
    return 0;
}

/* ---- Next ---- */

/* Whether nothing is to be waited for. */
static bool is_settled(const struct filchi_chunks *chunks, size_t chunk)
{
    return filchi_chunks_is_done(chunks, chunk) || filchi_chunks_has_failed(chunks, chunk);
}

/* Waits for a chunk. `alone`: no other one is to be run in place of the wait. */
struct chunk_wait {
    struct filchi_chunks *chunks;
    size_t chunk;
    bool alone;
    struct filchi_await await;
    filch_future *runner; /* a reference */
    bool inside;          /* it is a task of the map's pool that waits */
    bool lost;            /* nobody will run it */
};

/* Runs it here, if that is better; or sleeps. 0: look again; or the error that ends the wait. */
static int run_or_sleep(struct chunk_wait *wait, uint32_t seen)
{
    struct filchi_await *await = &wait->await;
    struct filchi_chunks *chunks = wait->chunks;
    enum filchi_await_run run = FILCHI_AWAIT_NOTHING;
    if (wait->inside) {
        await->awaited = (struct filchi_awaited) { .kind = FILCHI_AWAITED_FUTURE, .future = wait->runner };
        /* relaxed, both: read by this thread, or by one that it does not name. */
        atomic_store_explicit(&chunks->in_place, wait->alone ? await->thread : NULL, memory_order_relaxed);
        run = filchi_await_run(await, wait->runner, false);
        atomic_store_explicit(&chunks->in_place, NULL, memory_order_relaxed);
    }
    return run == FILCHI_AWAIT_RAN ? 0 : filchi_await_pause(await, seen, run == FILCHI_AWAIT_LEFT);
}

/* Whether the wait goes on. Not if it sleeps on behalf of another runner than is the chunk's by now; nor if that has
 * none, which makes it `lost`. */
static bool find_runner(struct chunk_wait *wait)
{
    filch_future *runner = filchi_chunks_runner(wait->chunks, wait->chunk, wait->inside);
    bool same = runner == wait->runner;
    wait->lost = !runner && !is_settled(wait->chunks, wait->chunk);
    if (!same && runner && !(wait->inside && wait->await.blocked)) {
        filch_future_unref(wait->runner);
        wait->runner = runner;
        return true;
    }
    filch_future_unref(runner);
    return runner && same;
}

/* The wait from one choice of a runner to the next. 0; 1: the chunk will never run; or the error that ends it. */
static int wait_once(const filch_mapping *mapping, size_t chunk, bool alone)
{
    struct filchi_chunks *chunks = mapping->chunks;
    struct chunk_wait wait = { .chunks = chunks, .chunk = chunk, .alone = alone };
    int rc = 0;
    filchi_await_begin(&wait.await, &chunks->parker, mapping->deadline, true);
    if (!wait.await.thread)
        filchi_await_offer(&wait.await, chunks->pool->origin);
    wait.inside = wait.await.thread && wait.await.thread->pool == chunks->pool;
    while (!rc) {
        uint32_t seen = filchi_parker_count(&chunks->parker);
        if (is_settled(chunks, chunk) || !find_runner(&wait))
            break;
        rc = run_or_sleep(&wait, seen);
    }
    filchi_await_end(&wait.await);
    filch_future_unref(wait.runner);
    return wait.lost ? 1 : rc;
}

/* Until the chunk is done or it, or one before, has failed: 0; 1: it will never run; or the error that ends the
 * wait. */
static int await_settled(const filch_mapping *mapping, size_t chunk, bool alone)
{
    struct filchi_chunks *chunks = mapping->chunks;
    int rc = 0;
    filchi_chunks_want(chunks, chunk);
    while (!rc && !is_settled(chunks, chunk))
        rc = filchi_worker_pool_here(chunks->pool) ? wait_once(mapping, chunk, alone) : -EOWNERDEAD;
    filchi_chunks_want(chunks, FILCHI_NO_CHUNK);
    return rc < 0 && is_settled(chunks, chunk) ? 0 : rc;
}

/* The error of a chunk for which there never was a task. */
static filch_error *make_cut_error(const struct filchi_chunks *chunks, size_t chunk, int code)
{
    char name[FILCHI_CHUNK_NAME];
    if (chunks->name)
        filchi_chunks_name(chunks, chunk, name);
    return filchi_error_makef(chunks->name ? name : NULL, NULL, code, "%s",
                              code == -ECANCELED ? "cancelled before it started" : "it could not be submitted");
}

/* The map ends with what became of a chunk that is not done. */
static int end_with(filch_mapping *mapping, size_t chunk)
{
    int cut;
    filch_future *future = filchi_chunks_culprit(mapping->chunks, chunk, &cut);
    if (future) {
        filchi_await_final(future);
        mapping->error = filch_error_ref(filch_future_error(future));
        mapping->code = filch_future_result(future, 0, NULL);
        filch_future_unref(future);
    } else {
        mapping->error = make_cut_error(mapping->chunks, chunk, cut);
        mapping->code = cut;
    }
    filchi_chunks_close(mapping->chunks);
    return mapping->code;
}

/* The next chunk. 0, or the error that ends the map or the wait. */
static int await_chunk(filch_mapping *mapping)
{
    const struct filchi_chunks *chunks = mapping->chunks;
    if (!filchi_chunks_is_done(chunks, mapping->chunk)) {
        int rc = await_settled(mapping, mapping->chunk, true);
        if (rc < 0)
            return rc;
        if (!filchi_chunks_is_done(chunks, mapping->chunk))
            return end_with(mapping, mapping->chunk);
    }
    mapping->chunk++;
    mapping->known = mapping->chunk == chunks->n ? chunks->n_elements : mapping->known + chunks->chunk_size;
    return 0;
}

int filch_mapping_next(filch_mapping *mapping, void **out_item)
{
    const struct filchi_chunks *chunks = mapping->chunks;
    if (mapping->code)
        return mapping->code;
    if (mapping->next == chunks->n_elements)
        return 0;
    if (mapping->next == mapping->known) {
        int rc = await_chunk(mapping);
        if (rc)
            return rc;
    }
    *out_item = chunks->out + mapping->next++ * chunks->out_size;
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
    filch_error_unref(mapping->error);
    if (filchi_worker_pool_here(
            mapping->chunks->pool)) { /* else nothing is to be waited for, and its memory stays */
        filchi_chunks_close(mapping->chunks);
        filchi_chunks_fini(mapping->chunks, mapping->code);
        discard(mapping->chunks->pool, mapping);
    }
}

/* All of it at once: woken for the last chunk, the consumer finds most others done. */
static int take_all(filch_mapping *mapping)
{
    const struct filchi_chunks *chunks = mapping->chunks;
    int rc = 0;
    if (chunks->n)
        await_settled(mapping, chunks->n - 1, false);
    while (!rc && mapping->chunk < chunks->n) {
        rc = await_chunk(mapping);
        mapping->next = mapping->known;
    }
    return rc;
}

int filch_map(filch_pool *pool, filch_map_fn *fn, void *arg, const void *in, size_t in_size, void *out,
              size_t out_size, size_t n, const filch_map_options *options, filch_error **out_error)
{
    filch_mapping *mapping;
    int rc = filch_mapping_begin(&mapping, pool, fn, arg, in, in_size, out, out_size, n, options);
    if (rc) {
        if (out_error)
            *out_error = filchi_error_makef(NULL, NULL, rc, "the map of %zu elements could not begin", n);
        return rc;
    }
    rc = take_all(mapping);
    if (rc < 0 && out_error) {
        const filch_error *error = filch_mapping_error(mapping);
        *out_error = error ? filch_error_ref(error)
                           : filchi_error_makef(NULL, NULL, rc, "the map ended after %zu of %zu elements",
                                                mapping->next, mapping->chunks->n_elements);
    }
    filch_mapping_end(mapping);
    return rc;
}

void filch_mapping_cleanup(filch_mapping **mapping)
{
    filch_mapping_end(*mapping);
}
