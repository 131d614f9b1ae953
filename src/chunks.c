/* SPDX-License-Identifier: MIT */
/* The chunks of a map and their pullers: see chunks.h. */
#include "chunks.h"

#include "error.h"
#include "handoff.h"
#include "runs.h"
#include "submit.h"

#include <errno.h>
#include <stdio.h>

/* The owner: the next of its run, or NO_CHUNK. What it has published is seen by a consumer that goes to sleep, or that
 * has become visible in `wanted`. */
static size_t next_chunk(struct filchi_chunks *chunks, struct filchi_puller *puller)
{
    size_t front = filchi_runs_load(&puller->front);
    filchi_runs_store(&puller->front, front + 1);
    filchi_fence_store_load(); /* P7 vs S7 in take_from(); P6 vs S6 in filchi_chunks_want() */
    if (front < filchi_runs_load(&puller->end))
        return front;
    pthread_mutex_lock(&chunks->lock);
    bool got = front < filchi_runs_load(&puller->end);
    pthread_mutex_unlock(&chunks->lock);
    return got ? front : FILCHI_NO_CHUNK;
}

/* ---- Pullers ---- */

static int pull(filch_task *self, void *arg);

/* Under the lock, as the last thing that becomes of a puller. */
static void retire(struct filchi_chunks *chunks, struct filchi_puller *puller)
{
    if (puller->stage == FILCHI_PULLER_PENDING) {
        chunks->pending = NULL;
        chunks->broken = puller;
    }
    if (chunks->broken == puller || chunks->watched == puller)
        filchi_parker_signal(&chunks->parker);
    if (chunks->broken == puller || puller->failed_at != FILCHI_NO_CHUNK) {
        puller->stage = FILCHI_PULLER_OVER;
        return;
    }
    puller->stage = FILCHI_PULLER_UNUSED;
    puller->next_unused = chunks->unused;
    chunks->unused = puller;
}

static void serve_end(struct filchi_waiter *waiter)
{
    struct filchi_puller *puller = (struct filchi_puller *)waiter;
    struct filchi_chunks *chunks = waiter->owner;
    pthread_mutex_lock(&chunks->lock);
    retire(chunks, puller);
    pthread_mutex_unlock(&chunks->lock);
}

/* Under the lock. NULL without memory. */
static struct filchi_puller *take_unused(struct filchi_chunks *chunks)
{
    struct filchi_puller *puller = chunks->unused;
    if (puller) {
        chunks->unused = puller->next_unused;
        filch_future_unref(filchi_puller_future(puller));
    } else {
        puller = filchi_memory_alloc(chunks->pool->origin->memory, _Alignof(struct filchi_puller), sizeof *puller);
        if (!puller)
            return NULL;
        puller->next = chunks->all;
        chunks->all = puller;
    }
    puller->waiter = (struct filchi_waiter) { .serve = serve_end, .owner = chunks };
    puller->failed_at = FILCHI_NO_CHUNK;
    return puller;
}

static void put_back(struct filchi_chunks *chunks, struct filchi_puller *puller)
{
    puller->stage = FILCHI_PULLER_UNUSED;
    puller->waiter.subject = NULL;
    puller->next_unused = chunks->unused;
    chunks->unused = puller;
}

/* Under the lock, or while nobody else has the chunks and the lock is free: submits the next puller, which will
 * begin with the first unclaimed chunk. `stop`: as in filch_task_options. */
static int submit_puller(struct filchi_chunks *chunks, filch_stop *stop)
{
    struct filchi_puller *puller = take_unused(chunks);
    if (!puller)
        return -ENOMEM;
    filch_task_options task = FILCH_TASK_OPTIONS;
    char name[FILCHI_CHUNK_NAME];
    if (chunks->name) {
        filchi_chunks_name(chunks, chunks->next, name);
        task.name = name;
    }
    task.stop = stop;
    puller->stage = FILCHI_PULLER_PENDING;
    chunks->pending = puller;
    const struct filchi_membership membership = { .waiter = &puller->waiter, .refs = 1 };
    filch_future *future;
    int rc = filchi_submit(chunks->pool, pull, puller, &task, &membership, &future);
    if (!rc)
        return 0;
    chunks->pending = NULL;
    put_back(chunks, puller);
    return rc;
}

/* Under the lock: what is unclaimed will not run. */
static void cut(struct filchi_chunks *chunks, int rc)
{
    chunks->cut = rc;
    filchi_parker_signal(&chunks->parker);
}

/* Under the lock, at the begin of a puller: another one goes on when this one blocks. */
static void submit_next(struct filchi_chunks *chunks)
{
    if (chunks->closed || chunks->cut || !filchi_runs_any_left(chunks))
        return;
    int rc = submit_puller(chunks, NULL); /* the same stop: that of the task that submits */
    if (rc)
        cut(chunks, rc == -ESHUTDOWN ? -ECANCELED : rc);
}

static bool begin(struct filchi_chunks *chunks, struct filchi_puller *puller)
{
    puller->begun = filchi_os_now();
    pthread_mutex_lock(&chunks->lock);
    puller->stage = FILCHI_PULLER_AT_WORK;
    chunks->pending = NULL;
    puller->length = 0;
    filchi_runs_store(&puller->front, 0);
    filchi_runs_store(&puller->end, 0);
    bool got = filchi_runs_claim(chunks, puller);
    submit_next(chunks);
    pthread_mutex_unlock(&chunks->lock);
    return got;
}

/* The end of one that has claimed a run. */
static void end(struct filchi_chunks *chunks, struct filchi_puller *puller, int64_t begun, size_t failed_at)
{
    int64_t now = filchi_os_now();
    pthread_mutex_lock(&chunks->lock);
    filchi_runs_end(chunks, puller, now - begun);
    puller->failed_at = failed_at;
    if (failed_at < filchi_runs_load(&chunks->failed))
        filchi_runs_store(&chunks->failed, failed_at);
    if (failed_at != FILCHI_NO_CHUNK || chunks->cut) /* who asked before still took what is left for ours */
        filchi_parker_signal(&chunks->parker);
    pthread_mutex_unlock(&chunks->lock);
}

/* A shutdown cancels what has not started. */
static void cut_short(struct filchi_chunks *chunks)
{
    pthread_mutex_lock(&chunks->lock);
    cut(chunks, -ECANCELED);
    pthread_mutex_unlock(&chunks->lock);
}

/* ---- Running a chunk ---- */

static int run_elements(filch_task *self, const struct filchi_chunks *chunks, size_t first, size_t last)
{
    filch_map_fn *fn = chunks->fn;
    void *arg = chunks->arg;
    const filch_stop *stop = filchi_future_stop(self);
    size_t in_size = chunks->in_size, out_size = chunks->out_size;
    const char *in = chunks->in + first * in_size;
    char *out = chunks->out + first * out_size;
    for (size_t i = first; i < last; i++, in += in_size, out += out_size) {
        if (filchi_stop_peek(stop))
            return -ECANCELED;
        int rc = fn(self, in, out, arg);
        if (rc == 0)
            continue;
        bool stopped = rc == -ECANCELED && filchi_stop_peek(stop);
        if (!stopped && !filch_task_error(self))
            filch_fail(self, rc, "element %zu failed", i);
        return rc;
    }
    return 0;
}

/* As at the end of a task: regions, scopes and tokens that the elements left open are none of the next chunk's. */
static void tidy(const struct filchi_thread *thread)
{
    while (thread->regions)
        filchi_handoff_leave_region(filchi_worker_thread());
    if (thread->frame->scopes)
        thread->frame->scopes->close(thread->frame->scopes);
    filchi_context_close();
}

/* The same for an error that came to nothing. */
static void forget_error(filch_task *self)
{
    if (filch_task_error(self))
        filchi_future_attach_error(self, NULL);
}

/* What a consumer that sleeps sees done: next_chunk() was called after that. */
static void tell(struct filchi_chunks *chunks, size_t chunk)
{
    if (chunk != FILCHI_NO_CHUNK && filchi_runs_load(&chunks->wanted) == chunk)
        filchi_parker_signal(&chunks->parker);
}

static int run_chunk(filch_task *self, const struct filchi_chunks *chunks, size_t chunk)
{
    size_t first = chunk * chunks->chunk_size, left = chunks->n_elements - first;
    return run_elements(self, chunks, first, first + (left < chunks->chunk_size ? left : chunks->chunk_size));
}

/* Runs them until none is left, or one fails: its code, and which one it is. */
static int run(filch_task *self, struct filchi_chunks *chunks, struct filchi_puller *puller, size_t *failed_at)
{
    const struct filchi_thread *thread = filchi_thread_here;
    size_t at, ran = FILCHI_NO_CHUNK;
    while ((at = next_chunk(chunks, puller)) != FILCHI_NO_CHUNK) {
        tell(chunks, ran);
        if (filchi_chunks_has_failed(chunks, at)) /* not this one, but an earlier one */
            return 0;
        if (filchi_pool_is_cancelling(chunks->pool)) {
            cut_short(chunks);
            return 0;
        }
        int rc = run_chunk(self, chunks, at);
        if (!filchi_worker_pool_here(thread->pool))
            return rc;
        tidy(thread);
        if (rc) {
            *failed_at = at;
            return rc;
        }
        forget_error(self);
        /* release N1: pairs with acquire N1 in filchi_chunks_is_done(); the chunk's results. */
        atomic_store_explicit(&chunks->done[at], 1, memory_order_release);
        ran = at;
    }
    tell(chunks, ran);
    return 0;
}

static int pull(filch_task *self, void *arg)
{
    struct filchi_puller *puller = arg;
    struct filchi_chunks *chunks = puller->waiter.owner;
    size_t failed_at = FILCHI_NO_CHUNK;
    if (!begin(chunks, puller))
        return 0;
    int64_t begun = filchi_os_now();
    int rc = run(self, chunks, puller, &failed_at);
    if (filchi_worker_pool_here(chunks->pool)) /* else an element called fork() and this is the child, which ends */
        end(chunks, puller, begun, failed_at);
    return rc;
}

/* ---- The consumer ---- */

void filchi_chunks_init(struct filchi_chunks *chunks)
{
    pthread_mutex_init(&chunks->lock, NULL);
    filchi_parker_init(&chunks->parker);
    atomic_init(&chunks->failed, FILCHI_NO_CHUNK);
    atomic_init(&chunks->wanted, FILCHI_NO_CHUNK);
}

void filchi_chunks_name(const struct filchi_chunks *chunks, size_t chunk, char name[FILCHI_CHUNK_NAME])
{
    snprintf(name, FILCHI_CHUNK_NAME, "%s-%zu", chunks->name, chunk);
}

int filchi_chunks_begin(struct filchi_chunks *chunks, filch_stop *stop)
{
    return submit_puller(chunks, stop);
}

/* Under the lock: the puller that has claimed the chunk, which is not done; or NULL. */
static const struct filchi_puller *find_owner(const struct filchi_chunks *chunks, size_t chunk)
{
    const struct filchi_puller *puller = chunks->all;
    while (puller && !(puller->stage == FILCHI_PULLER_AT_WORK && puller->first <= chunk &&
                       chunk < filchi_runs_load(&puller->end)))
        puller = puller->next;
    return puller;
}

filch_future *filchi_chunks_runner(struct filchi_chunks *chunks, size_t chunk, bool watch)
{
    pthread_mutex_lock(&chunks->lock);
    /* After a cut the one that is pending claims nothing, and says nothing when it ends. */
    const struct filchi_puller *runner = chunk < chunks->next ? find_owner(chunks, chunk)
                                         : chunks->cut        ? NULL
                                                              : chunks->pending;
    chunks->watched = watch ? runner : NULL;
    filch_future *future = runner ? filch_future_ref(filchi_puller_future(runner)) : NULL;
    pthread_mutex_unlock(&chunks->lock);
    return future;
}

filch_future *filchi_chunks_culprit(struct filchi_chunks *chunks, size_t chunk, int *cut)
{
    pthread_mutex_lock(&chunks->lock);
    const struct filchi_puller *puller = chunks->all;
    while (puller && puller->failed_at != chunk)
        puller = puller->next;
    if (!puller)
        puller = chunks->broken;
    *cut = chunks->cut;
    filch_future *future = puller ? filch_future_ref(filchi_puller_future(puller)) : NULL;
    pthread_mutex_unlock(&chunks->lock);
    return future;
}

void filchi_chunks_close(struct filchi_chunks *chunks)
{
    pthread_mutex_lock(&chunks->lock);
    chunks->closed = true;
    filchi_runs_store(&chunks->failed, 0);
    filch_future *pending = chunks->pending ? filch_future_ref(filchi_puller_future(chunks->pending)) : NULL;
    pthread_mutex_unlock(&chunks->lock);
    if (pending)
        filch_future_cancel(pending);
    filch_future_unref(pending);
}

/* The future of a puller that is not over, a reference; or NULL. */
static filch_future *find_unfinished(struct filchi_chunks *chunks)
{
    pthread_mutex_lock(&chunks->lock);
    const struct filchi_puller *puller = chunks->all;
    while (puller && puller->stage != FILCHI_PULLER_PENDING && puller->stage != FILCHI_PULLER_AT_WORK)
        puller = puller->next;
    filch_future *future = puller ? filch_future_ref(filchi_puller_future(puller)) : NULL;
    pthread_mutex_unlock(&chunks->lock);
    return future;
}

void filchi_chunks_fini(struct filchi_chunks *chunks, bool told)
{
    filch_future *future;
    for (unsigned spins = 0; (future = find_unfinished(chunks)); spins++) {
        if (filchi_future_final(future)) /* its waiter is about to be served */
            filchi_os_relax(spins);
        filchi_await_final(future);
        filch_future_unref(future);
    }
    for (struct filchi_puller *puller = chunks->all, *next; puller; puller = next) {
        next = puller->next;
        if (told && filchi_puller_future(puller))
            filchi_future_look(filchi_puller_future(puller));
        filch_future_unref(filchi_puller_future(puller));
        filchi_memory_free(chunks->pool->origin->memory, puller);
    }
    pthread_mutex_destroy(&chunks->lock);
}
