/* SPDX-License-Identifier: MIT */
/*
 * A task that was retried holds no place any more. A thread that searches for another task, and puts it back where such
 * tasks give up a place when they are taken, takes one for it: before anybody can take it from there.
 */
#include "deque.h"
#include "os.h"
#include "support.h"
#include "timers.h"
#include "worker.h"

SUITE(capacity_put_back);

struct scene {
    filch_pool *pool;
    struct gate gate; /* of the first attempt */
    struct event due, go;
    struct filchi_deque *queue; /* the searcher's */
    pid_t searcher;
    filch_future *retried, *searching; /* the two tasks */
    filch_future *member;              /* that is searched for */
    _Atomic bool began, lost;          /* the search; its chance, as the other was run first */
};

static int fail_once(filch_task *self, void *arg)
{
    struct scene *scene = arg;
    return filch_task_attempt(self) == 1 ? (pass_gate(self, &scene->gate), -EIO) : 0;
}

/* The only thread waits for a task that is not in its queue, and looks at all others. */
static int search(filch_task *self, void *arg)
{
    struct scene *scene = arg;
    filch_scope *scope = NULL;
    filch_task_options options = FILCH_TASK_OPTIONS;
    options.start_at_ns = INT64_MAX;
    UNTIL(filchi_deque_size(&scene->pool->timers->due) == 1 || filch_future_done(scene->retried));
    atomic_store(&scene->lost, filch_future_done(scene->retried));
    event_signal(&scene->due);
    if (atomic_load(&scene->lost))
        return 0;
    event_await(&scene->go);
    must(filch_scope_open(&scope, filch_task_pool(self), NULL) == 0);
    must(filch_scope_submit_with(scope, do_nothing, NULL, &options, &scene->member) == 0);
    scene->queue = &filchi_thread_here->worker->deque;
    scene->searcher = (pid_t)filchi_os_thread_id();
    atomic_store(&scene->began, true);
    (void)filch_scope_join(scope, NULL);
    filch_scope_close(scope);
    return 0;
}

static void clean_up(struct scene *scene)
{
    must(filch_join((filch_future *[]) { scene->retried, scene->searching }, 2) == 0);
    must(filch_future_attempts(scene->retried) == 2);
    filch_future_unref(scene->retried);
    filch_future_unref(scene->searching);
    must(filch_pool_destroy(scene->pool) == 0);
    free(scene);
}

/* One task fails once, and when it is due again the other is about to search. NULL if it was run before. */
static struct scene *try_to_begin(void)
{
    filch_pool_options pool = FILCH_POOL_OPTIONS;
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_task_options options = FILCH_TASK_OPTIONS;
    struct scene *scene = malloc(sizeof *scene);
    *scene = (struct scene) { .gate = GATE, .due = EVENT, .go = EVENT };
    pool.workers = 1;
    pool.no_spare_threads = true;
    pool.capacity = 1;
    must(filch_pool_create(&scene->pool, &pool) == 0);
    retry.interval_ns = FILCH_MS(1);
    options.retry = &retry;
    must(filch_submit_with(scene->pool, fail_once, scene, &options, &scene->retried) == 0);
    event_await(&scene->gate.started);
    must(filch_submit(scene->pool, search, scene, &scene->searching) == 0);
    gate_open(&scene->gate);
    event_await(&scene->due);
    if (!atomic_load(&scene->lost))
        return scene;
    clean_up(scene);
    return NULL;
}

static struct scene *begin(void)
{
    struct scene *scene;
    UNTIL((scene = try_to_begin()));
    return scene;
}

static void end_search(struct scene *scene)
{
    UNTIL(atomic_load(&scene->began));
    must(filch_future_cancel(scene->member));
    filch_future_unref(scene->member);
}

Test(capacity_put_back, a_task_that_is_put_back_has_its_place_before_others_can_take_it)
{
    struct scene *scene = begin();
    pthread_mutex_lock(&scene->pool->capacity.lock); /* nobody gets a place */
    event_signal(&scene->go);
    UNTIL(atomic_load(&scene->began) && filchi_deque_size(&scene->pool->timers->due) == 0);
    until_asleep(scene->searcher);
    cr_expect_eq(filchi_deque_size(scene->queue), 0);
    pthread_mutex_unlock(&scene->pool->capacity.lock);
    end_search(scene);
    clean_up(scene);
}

static void *submit_one(void *pool)
{
    filch_future *future = submit(pool, do_nothing, NULL); /* waits for a place */
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    return future;
}

static bool anybody_waits(filch_pool *pool)
{
    pthread_mutex_lock(&pool->capacity.lock);
    bool waits = pool->capacity.first != NULL;
    pthread_mutex_unlock(&pool->capacity.lock);
    return waits;
}

static size_t places_taken(filch_pool *pool)
{
    pthread_mutex_lock(&pool->capacity.lock);
    size_t taken = pool->capacity.taken;
    pthread_mutex_unlock(&pool->capacity.lock);
    return taken;
}

Test(capacity_put_back, a_place_beyond_the_limit_is_for_nobody_else)
{
    struct scene *scene = begin();
    filch_future *third = submit(scene->pool, do_nothing, NULL); /* it has the only place */
    pthread_t waiter;
    void *waited = NULL;
    must(pthread_create(&waiter, NULL, submit_one, scene->pool) == 0);
    UNTIL(anybody_waits(scene->pool));
    event_signal(&scene->go);
    UNTIL(places_taken(scene->pool) == 2);
    cr_expect(anybody_waits(scene->pool));
    end_search(scene);
    must(pthread_join(waiter, &waited) == 0);
    UNTIL(places_taken(scene->pool) == 0);
    filch_future_unref(waited);
    filch_future_unref(third);
    clean_up(scene);
}
