/* SPDX-License-Identifier: MIT */
/* A pool's life: create, look at, shut down, destroy. */
#include "error.h"
#include "handoff.h"
#include "lane_place.h"
#include "later.h"
#include "options.h"
#include "resize.h"
#include "starting.h"
#include "thread.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_SPARE_THREADS 256
#define NAMES_SHOWN 8

unsigned filch_default_workers(void)
{
    unsigned cpus = filchi_os_affinity();
    unsigned quota = filchi_os_cpu_quota("");
    return quota && quota < cpus ? quota : cpus;
}

/* ---- Create ---- */

static int check_options(filch_pool_options *chosen, const filch_pool_options *options)
{
    int rc = filchi_options_copy(chosen, sizeof *chosen, options);
    if (rc)
        return rc;
    if (!chosen->workers) {
        chosen->workers = filch_default_workers();
        if (chosen->workers > FILCHI_WORKERS_MAX)
            chosen->workers = FILCHI_WORKERS_MAX;
    }
    if (chosen->workers > FILCHI_WORKERS_MAX || chosen->spare_threads > 1u << 20)
        return -EINVAL;
    if ((unsigned)chosen->overflow > FILCH_CALLER_RUNS)
        return -EINVAL;
    if (chosen->stack_size && !filchi_os_stack_size_valid(chosen->stack_size))
        return -EINVAL;
    if (!chosen->spare_threads)
        chosen->spare_threads = DEFAULT_SPARE_THREADS;
    if (chosen->no_spare_threads)
        chosen->spare_threads = 0;
    return 0;
}

static void init_handoff(filch_pool *pool, const filch_pool_options *chosen)
{
    struct filchi_handoff *handoff = &pool->handoff;
    filchi_handoff_init(handoff);
    handoff->spare_threads = chosen->spare_threads;
    handoff->stack_size = chosen->stack_size;
    handoff->thread_main = filchi_worker_main;
    handoff->hooks = (struct filchi_hooks) { chosen->worker_init, chosen->worker_exit, chosen->worker_arg };
    snprintf(handoff->name, sizeof handoff->name, "%s", chosen->name ? chosen->name : "filch");
}

static void init_shards(filch_pool *pool)
{
    for (unsigned i = 0; i < FILCHI_SHARDS; i++) {
        filchi_lock_init(&pool->shards[i].lock);
        filchi_slab_init(&pool->shards[i].slab, pool->home, i);
    }
}

static void release_origin(void *origin)
{
    filchi_origin_unref(origin);
}

/* The memory of tasks, and what outlives the pool with it. */
static int init_home(filch_pool *pool, const filch_pool_options *chosen)
{
    pool->origin = filchi_origin_create();
    if (!pool->origin)
        return -ENOMEM;
    pool->origin->on_unobserved = chosen->on_unobserved;
    pool->origin->unobserved_arg = chosen->unobserved_arg;
    pool->home = filchi_slab_home_create(FILCHI_SHARDS + chosen->workers);
    if (!pool->home) {
        filchi_origin_unref(pool->origin);
        return -ENOMEM;
    }
    filchi_slab_home_set_user(pool->home, filchi_origin_ref(pool->origin), release_origin);
    return 0;
}

static void close_slabs(filch_pool *pool)
{
    struct filchi_slab *slabs[FILCHI_SHARDS + FILCHI_WORKERS_MAX];
    size_t n = 0;
    for (unsigned i = 0; i < FILCHI_SHARDS; i++)
        slabs[n++] = &pool->shards[i].slab;
    for (unsigned i = 0, made = filchi_pool_made(pool); i < made; i++)
        slabs[n++] = &filchi_pool_worker(pool, i)->slab;
    filchi_slab_home_close(pool->home, slabs, n);
}

/* No thread is left. */
static void free_pool(filch_pool *pool)
{
    filchi_lane_close(pool);
    filchi_handoff_fini(&pool->handoff);
    filchi_inject_fini(&pool->inject);
    filchi_capacity_fini(&pool->capacity);
    close_slabs(pool);
    filchi_forkers_free(&pool->forkers);
    filchi_resize_free(pool);
    pthread_mutex_destroy(&pool->making);
    filchi_origin_unref(pool->origin);
    filchi_timers_unref(pool->timers);
    filch_stop_unref(pool->stop);
    filchi_os_free(pool);
}

/* Workers, and what runs on their threads. */
static int start(filch_pool *pool, const filch_pool_options *chosen)
{
    int rc = filchi_resize_make(pool, chosen->workers);
    if (rc)
        return rc;
    filchi_resize_set(pool, chosen->workers);
    return chosen->worker_init ? filchi_starting_all(pool) : 0;
}

int filch_pool_create(filch_pool **out, const filch_pool_options *options)
{
    filch_pool_options chosen = FILCH_POOL_OPTIONS;
    int rc = check_options(&chosen, options);
    if (rc)
        return rc;
    rc = -ENOMEM;
    filch_pool *pool = filchi_os_alloc_aligned(_Alignof(filch_pool), sizeof *pool);
    if (!pool)
        return rc;
    pool->first_block = chosen.workers;
    rc = init_home(pool, &chosen);
    if (rc)
        goto free_memory;
    rc = filch_stop_create(&pool->stop, chosen.stop);
    if (rc)
        goto close_home;
    pool->timers = filchi_timers_create(pool, pool->origin, &pool->thieves);
    if (!pool->timers) {
        rc = -ENOMEM;
        goto unref_stop;
    }
    rc = filchi_inject_init(&pool->inject);
    if (rc)
        goto unref_timers;
    filchi_capacity_init(&pool->capacity, chosen.capacity, chosen.overflow);
    pthread_mutex_init(&pool->making, NULL);
    init_handoff(pool, &chosen);
    init_shards(pool);
    filchi_lanes_open(&pool->origin->lanes, pool);
    rc = start(pool, &chosen);
    if (rc)
        free_pool(pool);
    else
        *out = pool;
    return rc;
unref_timers:
    filchi_timers_unref(pool->timers);
unref_stop:
    filch_stop_unref(pool->stop);
close_home:
    filchi_slab_home_close(pool->home, NULL, 0);
    filchi_origin_unref(pool->origin);
free_memory:
    filchi_os_free(pool);
    return rc;
}

/* ---- Look at ---- */

filch_stop *filch_pool_stop(filch_pool *pool)
{
    return pool->stop;
}

unsigned filch_pool_workers(const filch_pool *pool)
{
    return filchi_pool_workers(pool);
}

int filch_pool_stats_get(filch_pool *pool, filch_pool_stats *out)
{
    size_t size = out->size;
    if (size < sizeof size)
        return -EINVAL;
    if (!filchi_worker_pool_here(pool))
        return -EOWNERDEAD;
    filch_pool_stats stats = { .size = size, .workers = filchi_pool_workers(pool) };
    uint64_t raised = 0;
    for (unsigned i = 0, n = filchi_pool_made(pool); i < n; i++) {
        const struct filchi_worker *worker = filchi_pool_worker(pool, i);
        stats.finished += filchi_counter_get(&worker->finished);
        stats.stolen += filchi_counter_get(&worker->stolen);
        stats.ran_in_place += filchi_counter_get(&worker->in_place);
        stats.handoffs += filchi_counter_get(&worker->handoffs);
        stats.parks += filchi_counter_get(&worker->parks);
        raised += filchi_counter_get(&worker->raised);
    }
    stats.finished += atomic_load_explicit(&pool->reaped, memory_order_relaxed); /* relaxed: a number to look at. */
    stats.submitted = stats.finished + filchi_worker_unfinished(pool);
    stats.submitted -= raised;
    stats.finished -= raised < stats.finished ? raised : stats.finished; /* one of them may run at this moment */
    pthread_mutex_lock(&pool->handoff.lock);
    stats.threads = atomic_load_explicit(&pool->handoff.alive, memory_order_relaxed); /* relaxed: under the lock. */
    stats.threads_peak = pool->handoff.peak;
    stats.threads_failed = pool->handoff.failed;
    stats.idle = filchi_idle_workers(filchi_idle_load(&pool->idle));
    pthread_mutex_unlock(&pool->handoff.lock);
    memcpy(out, &stats, size < sizeof stats ? size : sizeof stats); /* an older header knows fewer */
    return 0;
}

/* ---- Shut down ---- */

/* "3 tasks still run: a, b, c": those that have a name, up to some. */
static filch_error *name_stragglers(filch_pool *pool)
{
    char names[NAMES_SHOWN * (FILCHI_LABEL_WORDS * 8 + 2) + 8] = "";
    size_t length = 0;
    unsigned shown = 0;
    pthread_mutex_lock(&pool->handoff.lock);
    for (const struct filchi_thread *thread = pool->handoff.all; thread; thread = thread->next_thread) {
        char label[FILCHI_LABEL_WORDS * 8];
        if (thread->ended || !filchi_label_get(&thread->label, label))
            continue;
        if (shown == NAMES_SHOWN) {
            snprintf(names + length, sizeof names - length, ", ...");
            break;
        }
        length += (size_t)snprintf(names + length, sizeof names - length, "%s%s", shown++ ? ", " : ": ", label);
    }
    pthread_mutex_unlock(&pool->handoff.lock);
    unsigned long long n = filchi_worker_unfinished(pool);
    return filchi_error_makef(NULL, NULL, -ETIMEDOUT, "%llu task%s not finished%s", n, n == 1 ? "" : "s", names);
}

static int await_drained(filch_pool *pool, int64_t deadline)
{
    int rc = 0;
    /* relaxed: the load below is the one that counts, and sees no older value. */
    while (!atomic_load_explicit(&pool->drained, memory_order_relaxed) && !filchi_worker_check_drained(pool) && !rc)
        rc = filchi_os_futex_wait(&pool->drained, 0, deadline);
    /* acquire C3: pairs with release C3 in filchi_worker_check_drained(). */
    return atomic_load_explicit(&pool->drained, memory_order_acquire) ? 0 : rc;
}

static void close_pool(filch_pool *pool, uint32_t how)
{
    /* relaxed: the locks order it before every submit that comes later, the fence in filchi_worker_check_drained(),
     * which the caller is to come to, before a look at the counters. */
    atomic_fetch_or_explicit(&pool->closing, how, memory_order_relaxed);
    for (unsigned i = 0; i < FILCHI_SHARDS; i++) {
        filchi_lock_take(&pool->shards[i].lock);
        filchi_lock_give(&pool->shards[i].lock);
    }
    filchi_capacity_close(pool);
}

int filch_pool_shutdown(filch_pool *pool, unsigned flags, int64_t timeout_ns, filch_error **out_error)
{
    const unsigned known = FILCH_SHUTDOWN_WAIT | FILCH_SHUTDOWN_CANCEL_PENDING | FILCH_SHUTDOWN_STOP_RUNNING;
    if (!pool || flags & ~known)
        return -EINVAL;
    if (!filchi_worker_pool_here(pool))
        return -EOWNERDEAD;
    bool inside = filchi_worker_inside(pool) || filchi_timers_here == pool->timers; /* the latter: a callback */
    if (flags & FILCH_SHUTDOWN_WAIT && inside)
        return -EDEADLK;
    int64_t deadline = filchi_os_deadline(timeout_ns);
    close_pool(pool, FILCHI_CLOSED | (flags & FILCH_SHUTDOWN_CANCEL_PENDING ? FILCHI_CANCEL : 0));
    if (flags & FILCH_SHUTDOWN_STOP_RUNNING)
        filch_stop_request(pool->stop, -ECANCELED);
    if (flags & FILCH_SHUTDOWN_CANCEL_PENDING) {
        filchi_worker_reap(pool);
        filchi_later_cancel_all(pool);
        filchi_lane_reap(pool); /* what became due meanwhile */
    }
    if (!(flags & FILCH_SHUTDOWN_WAIT)) {
        filchi_worker_check_drained(pool);
        return 0;
    }
    int rc = await_drained(pool, deadline);
    if (rc && out_error)
        *out_error = name_stragglers(pool);
    return rc;
}

/* ---- Destroy ---- */

int filch_pool_destroy(filch_pool *pool)
{
    if (!pool)
        return 0;
    int rc = filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCHI_NEVER, NULL);
    if (rc)
        return rc;
    filchi_timers_end(pool->timers); /* first: it may be starting a thread for what was done meanwhile */
    filchi_thread_join_all(&pool->handoff);
    free_pool(pool);
    return 0;
}

void filch_pool_cleanup(filch_pool **pool)
{
    filch_pool_destroy(*pool);
}
