/* SPDX-License-Identifier: MIT */
/* Which chunks a puller runs: see runs.h. All of it is under the lock. */
#include "runs.h"

/* How long a run of chunks is to take: what a chunk may be held up by others. */
#define RUN_NS 30000
/* Most by which a run is longer than the last one, since that may have been an exception. */
#define GROWTH 8
/* When it has taken so long others relieve its puller. */
#define OVERDUE_NS (INT64_C(4) * RUN_NS)

static size_t left_of(const struct filchi_puller *puller)
{
    size_t front = filchi_runs_load(&puller->front), end = filchi_runs_load(&puller->end);
    return puller->stage == FILCHI_PULLER_AT_WORK && front < end ? end - front : 0;
}

/* Whether the caller runs a puller within the consumer's wait for a chunk: that one, and no other. */
static bool is_in_place(const struct filchi_chunks *chunks)
{
    /* relaxed: the consumer itself asks, or it is not its thread. */
    return atomic_load_explicit(&chunks->in_place, memory_order_relaxed) == filchi_thread_here;
}

/* How many chunks the next run has. Where they have names each has a task of its own, which bears it. */
static size_t run_length(const struct filchi_chunks *chunks)
{
    if (chunks->name || is_in_place(chunks))
        return 1;
    size_t length = chunks->last_run;
    if (chunks->last_ns * GROWTH > RUN_NS)
        length = (size_t)((double)length * RUN_NS / (double)chunks->last_ns);
    else
        length *= GROWTH;
    /* Towards the end runs are shorter, so that the workers end together. */
    size_t fair = (chunks->n - chunks->next) / (2 * (size_t)filchi_pool_workers(chunks->pool));
    length = length < fair ? length : fair;
    return length ? length : 1;
}

static void take(struct filchi_chunks *chunks, struct filchi_puller *puller, size_t first, size_t end)
{
    puller->first = first;
    puller->length = end - first;
    chunks->long_runs += puller->length > 1;
    filchi_runs_store(&puller->front, first);
    filchi_runs_store(&puller->end, end);
    size_t wanted = filchi_runs_load(&chunks->wanted);
    if (chunks->watched && chunks->watched != puller && first <= wanted && wanted < end)
        filchi_parker_signal(&chunks->parker);
}

/* The latter half of what another one has not started. */
static bool take_from(struct filchi_chunks *chunks, struct filchi_puller *puller, struct filchi_puller *from)
{
    size_t end = filchi_runs_load(&from->end), middle = end - (left_of(from) + 1) / 2;
    filchi_runs_store(&from->end, middle);
    filchi_fence_store_load(); /* S7 vs P7 in next_chunk() */
    size_t front = filchi_runs_load(&from->front);
    if (front > middle) {
        middle = front < end ? front : end;
        filchi_runs_store(&from->end, middle);
    }
    if (middle == end)
        return false;
    take(chunks, puller, middle, end);
    return true;
}

/* The one that began first of those that have chunks left, and before that time; or NULL. */
static struct filchi_puller *find_loaded(const struct filchi_chunks *chunks, int64_t before)
{
    struct filchi_puller *found = NULL;
    if (!chunks->long_runs)
        return NULL;
    for (struct filchi_puller *puller = chunks->all; puller; puller = puller->next) {
        if (!left_of(puller) || puller->begun >= before)
            continue;
        found = puller;
        before = puller->begun;
    }
    return found;
}

bool filchi_runs_unclaimed(const struct filchi_chunks *chunks)
{
    return chunks->next < chunks->n && chunks->next <= filchi_runs_load(&chunks->failed);
}

bool filchi_runs_any_left(const struct filchi_chunks *chunks)
{
    return filchi_runs_unclaimed(chunks) || find_loaded(chunks, INT64_MAX);
}

/* One whose run takes long is relieved before a new one begins. */
bool filchi_runs_claim(struct filchi_chunks *chunks, struct filchi_puller *puller)
{
    bool unclaimed = filchi_runs_unclaimed(chunks);
    if (chunks->closed || chunks->cut)
        return false;
    struct filchi_puller *from = NULL;
    if (!is_in_place(chunks))
        from = find_loaded(chunks, unclaimed ? puller->begun - OVERDUE_NS : INT64_MAX);
    if (from && take_from(chunks, puller, from))
        return true;
    if (!unclaimed)
        return false;
    size_t first = chunks->next;
    chunks->next += run_length(chunks);
    take(chunks, puller, first, chunks->next);
    return true;
}

void filchi_runs_end(struct filchi_chunks *chunks, struct filchi_puller *puller, int64_t ns)
{
    chunks->long_runs -= puller->length > 1;
    chunks->last_run = filchi_runs_load(&puller->end) - puller->first;
    chunks->last_ns = ns;
    filchi_runs_store(&puller->end, puller->first); /* what is left of it will not run */
}
