/* SPDX-License-Identifier: MIT */
/* A pool's life: create, look at, shut down, destroy. */
#include "error.h"
#include "handoff.h"
#include "lane_place.h"
#include "later.h"
#include "lend.h"
#include "observe.h"
#include "options.h"
#include "resize.h"
#include "starting.h"
#include "thread.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_SPARE_THREADS 256
#define NAMES_SHOWN 8
/* How long an idle thread spins before it sleeps: about what waking it would cost, or as long as a latency is worth it
 * (docs/decisions/0009-idle-policies.md). */
#ifdef FILCH_TESTING
#define SPIN_NS 0
#else
#define SPIN_NS 15000
#endif
#define SPIN_LONG_NS 200000
/* How soon a shutdown tries again to lend its thread. */
#define LEND_AGAIN_NS INT64_C(10000000)

/* As many as there are CPUs to have, or that the quota allows. */
static unsigned default_workers(unsigned cpus)
{
    unsigned quota = filchi_os_cpu_quota("");
    return quota && quota < cpus ? quota : cpus;
}

unsigned filch_default_workers(void)
{
    return default_workers(filchi_os_affinity());
}

/* ---- Create ---- */

static int check_options(filch_pool_options *chosen, const filch_pool_options *options)
{
    int rc = filchi_options_copy(chosen, sizeof *chosen, options);
    if (rc)
        return rc;
    if (chosen->workers > FILCHI_WORKERS_MAX || chosen->spare_threads > 1u << 20)
        return -EINVAL;
    if ((unsigned)chosen->overflow > FILCH_CALLER_RUNS || (unsigned)chosen->idle > FILCH_IDLE_FRUGAL)
        return -EINVAL;
    if (chosen->stack_size && !filchi_os_stack_size_valid(chosen->stack_size))
        return -EINVAL;
    if (!chosen->spare_threads)
        chosen->spare_threads = DEFAULT_SPARE_THREADS;
    if (chosen->no_spare_threads)
        chosen->spare_threads = 0;
    return 0;
}

/* The allocator, as this version of the library knows it. */
static int check_allocator(filch_pool_options *chosen, filch_allocator *copy)
{
    if (!chosen->allocator)
        return 0;
    int rc = filchi_options_copy(copy, sizeof *copy, chosen->allocator);
    chosen->allocator = copy;
    return rc ? rc : copy->alloc && copy->free ? 0 : -EINVAL;
}

/* The CPUs, and how many workers where the options leave that to them. */
static int choose_cpus(filch_pool_options *chosen, struct filchi_cpus **out)
{
    int rc = filchi_cpus_create(out, chosen->cpus, chosen->n_cpus, chosen->pin);
    if (rc || chosen->workers)
        return rc;
    unsigned workers = *out ? default_workers(filchi_cpus_count(*out)) : filch_default_workers();
    chosen->workers = workers > FILCHI_WORKERS_MAX ? FILCHI_WORKERS_MAX : workers;
    return 0;
}

static void init_handoff(filch_pool *pool, const filch_pool_options *chosen)
{
    struct filchi_handoff *handoff = &pool->handoff;
    filchi_handoff_init(handoff);
    handoff->spare_threads = chosen->spare_threads;
    handoff->lent_only = chosen->lent_threads_only;
    handoff->waiters_help = chosen->waiters_help;
    handoff->stack_size = chosen->stack_size;
    handoff->thread_main = filchi_worker_main;
    handoff->hooks = (struct filchi_hooks) { chosen->worker_init, chosen->worker_exit, chosen->worker_arg };
    snprintf(handoff->name, sizeof handoff->name, "%s", chosen->name ? chosen->name : "filch");
}

static struct filchi_spin choose_spin(filch_idle_policy policy)
{
    switch (policy) {
    case FILCH_IDLE_LATENCY:
        return (struct filchi_spin) { SPIN_LONG_NS, 2 };
    case FILCH_IDLE_FRUGAL:
        return (struct filchi_spin) { -1, 0 };
    case FILCH_IDLE_BALANCED:
        break;
    }
    return (struct filchi_spin) { SPIN_NS, 1 };
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
    pool->origin = filchi_origin_create_from(chosen->allocator);
    if (!pool->origin)
        return -ENOMEM;
    pool->origin->on_unobserved = chosen->on_unobserved;
    pool->origin->unobserved_arg = chosen->unobserved_arg;
    pool->origin->waiters_help = chosen->waiters_help;
    pool->origin->pool = pool;
    int rc = filchi_observe_init(pool, chosen);
    if (!rc && !(pool->home = filchi_slab_home_create_from(pool->origin->memory, FILCHI_SHARDS + chosen->workers)))
        rc = -ENOMEM;
    if (rc) {
        filchi_origin_unref(pool->origin);
        return rc;
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
    filchi_cpus_free(pool->handoff.cpus);
    filchi_inject_fini(&pool->inject);
    filchi_capacity_fini(&pool->capacity);
    close_slabs(pool);
    filchi_forkers_free(&pool->forkers);
    filchi_resize_free(pool);
    pthread_mutex_destroy(&pool->making);
    filchi_timers_unref(pool->timers);
    filch_stop_unref(pool->stop);
    const filch_allocator copy = pool->origin->allocator; /* which goes with the origin */
    const filch_allocator *memory = pool->origin->memory ? &copy : NULL;
    filchi_origin_unref(pool->origin);
    filchi_memory_free(memory, pool);
}

/* Workers, and what runs on their threads. */
static int start(filch_pool *pool, const filch_pool_options *chosen)
{
    int rc = filchi_resize_make(pool, chosen->workers);
    if (rc)
        return rc;
    filchi_resize_set(pool, chosen->workers);
    if (chosen->lent_threads_only)
        return filchi_thread_reserve(pool);
    return chosen->worker_init ? filchi_starting_all(pool) : 0;
}

int filch_pool_create(filch_pool **out, const filch_pool_options *options)
{
    filch_pool_options chosen = FILCH_POOL_OPTIONS;
    int rc = check_options(&chosen, options);
    if (rc)
        return rc;
    filch_allocator allocator = { sizeof allocator, NULL, NULL, NULL };
    rc = check_allocator(&chosen, &allocator);
    if (rc)
        return rc;
    struct filchi_cpus *cpus = NULL;
    rc = choose_cpus(&chosen, &cpus);
    if (rc)
        return rc;
    const filch_allocator *memory = chosen.allocator;
    filch_pool *pool = filchi_memory_alloc(memory, _Alignof(filch_pool), sizeof *pool);
    rc = -ENOMEM;
    if (!pool)
        goto free_cpus;
    pool->first_block = chosen.workers;
    pool->spin = choose_spin(chosen.idle);
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
    rc = filchi_inject_init_from(&pool->inject, pool->origin->memory);
    if (rc)
        goto unref_timers;
    filchi_capacity_init(&pool->capacity, chosen.capacity, chosen.overflow);
    pthread_mutex_init(&pool->making, NULL);
    init_handoff(pool, &chosen);
    pool->handoff.cpus = cpus;
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
    filchi_memory_free(memory, pool);
free_cpus:
    filchi_cpus_free(cpus);
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
    for (unsigned i = 0, n = filchi_pool_made(pool); i < n; i++) {
        const struct filchi_worker *worker = filchi_pool_worker(pool, i);
        stats.stolen += filchi_counter_get(&worker->stolen);
        stats.ran_in_place += filchi_counter_get(&worker->in_place);
        stats.handoffs += filchi_counter_get(&worker->handoffs);
        stats.parks += filchi_counter_get(&worker->parks);
    }
    stats.submitted = filchi_worker_submitted(pool, &stats.finished);
    pthread_mutex_lock(&pool->handoff.lock);
    /* relaxed: under the lock. */
    stats.threads = atomic_load_explicit(&pool->handoff.alive, memory_order_relaxed) + pool->handoff.lent;
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

static bool is_drained(const filch_pool *pool)
{
    /* relaxed: a thread that finds it so goes on to the acquire load in await_drained(). */
    return atomic_load_explicit(&pool->drained, memory_order_relaxed);
}

static bool is_anyone_lent(filch_pool *pool)
{
    pthread_mutex_lock(&pool->handoff.lock);
    bool lent = pool->handoff.lent;
    pthread_mutex_unlock(&pool->handoff.lock);
    return lent;
}

/* Who waits for a pool that starts no thread does the work, lest nobody does. 0, or why it cannot, and no other does. */
static int drain_by_lending(filch_pool *pool, int64_t deadline)
{
    int rc;
    while (!filchi_worker_check_drained(pool) && (rc = filchi_lend(pool, NULL, deadline))) {
        if (!is_anyone_lent(pool))
            return rc;
        int64_t soon = filchi_os_now() + LEND_AGAIN_NS;
        if (deadline != FILCHI_NEVER && deadline <= soon)
            break;
        filchi_os_futex_wait(&pool->drained, 0, soon);
    }
    return 0;
}

static int await_drained(filch_pool *pool, int64_t deadline)
{
    int rc = 0;
    if (pool->handoff.lent_only && !is_drained(pool))
        rc = drain_by_lending(pool, deadline);
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
    if (!rc)
        filchi_observe_settle(pool);
    else if (out_error)
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
    filchi_origin_close(pool->origin);
    filchi_timers_end(pool->timers); /* first: it may be starting a thread for what was done meanwhile */
    filchi_thread_join_all(&pool->handoff);
    free_pool(pool);
    return 0;
}

void filch_pool_cleanup(filch_pool **pool)
{
    filch_pool_destroy(*pool);
}
