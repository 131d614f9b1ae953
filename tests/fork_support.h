/* SPDX-License-Identifier: MIT */
/*
 * What the tests of fork() share: a pool in the midst of everything that it can do, and what a child tries with its
 * copy of it. The parent's workers are busy at the moment of the fork, and hold whatever they hold.
 */
#ifndef FILCH_TESTS_FORK_SUPPORT_H
#define FILCH_TESTS_FORK_SUPPORT_H

#include "os.h"
#include "support.h"
#include "worker.h"

#include <signal.h>
#include <sys/wait.h>

#define FORKS 10

/* ---- The parent ---- */

/* What the parent has when it forks. */
struct family {
    filch_pool *pool;
    filch_future *done, *failed, *cancelled; /* final */
    filch_future *running, *pending;         /* not */
    filch_completed *completed;              /* over all of them */
    filch_scope *scope;                      /* discarding, with tasks that run */
    filch_stream *stream;                    /* its first result was delivered */
    filch_mapping *mapping;                  /* its first element is there, the second never comes in the child */
    int in[3], out[3];
    struct gate gate;
    int items; /* that the stream took */
    struct event noise_begun;
    _Atomic bool over; /* the noise ends */
    filch_future *noise[3];
};

static inline int make_noise(filch_task *self, void *arg)
{
    struct family *family = arg;
    event_signal(&family->noise_begun);
    while (!atomic_load(&family->over)) {
        if (SANITIZED) { /* see ended_well() */
            sched_yield();
            continue;
        }
        filch_future *sub[8];
        for (int i = 0; i < 8; i++)
            must(filch_submit(filch_task_pool(self), do_nothing, NULL, &sub[i]) == 0);
        must(filch_join(sub, 8) == 0);
        unref_all(sub, 8);
    }
    return 0;
}

static inline int pass_or_wait(filch_task *self, const void *in, void *out, void *arg)
{
    *(int *)out = *(const int *)in;
    return *(const int *)in == 1 ? pass_gate(self, arg) : 0;
}

static inline int count_items(void *arg, void **item)
{
    struct family *family = arg;
    *item = NULL;
    return ++family->items <= 100;
}

/* Busy workers, one task that runs, one that waits for a worker, and some that are final. */
static inline struct family *family_of(filch_pool *pool)
{
    struct family *family = calloc(1, sizeof *family);
    filch_map_options options = FILCH_MAP_OPTIONS;
    void *item;
    *family = (struct family) { .pool = pool, .gate = GATE, .noise_begun = EVENT, .in = { 0, 1, 2 } };
    family->done = submit(pool, return_arg, family);
    family->failed = submit(pool, fail_with_io, NULL);
    must(filch_future_wait(family->done, FILCH_FOREVER) == 0);
    must(filch_future_wait(family->failed, FILCH_FOREVER) == 0);
    family->running = hold_worker(pool, &family->gate);
    options.chunk = 1;
    must(filch_mapping_begin(&family->mapping, pool, pass_or_wait, &family->gate, family->in, sizeof(int),
                             family->out, sizeof(int), 3, &options) == 0);
    must(filch_mapping_next(family->mapping, &item) == 1);
    event_await_count(&family->gate.started, 2);
    must(filch_submit_after(pool, FILCH_SECONDS(1000), do_nothing, NULL, &family->pending) == 0);
    must(filch_submit_after(pool, FILCH_SECONDS(1000), do_nothing, NULL, &family->cancelled) == 0);
    must(filch_future_cancel(family->cancelled));
    filch_future *all[] = { family->done, family->failed, family->cancelled, family->running, family->pending };
    must(filch_completed_begin(&family->completed, all, 5, FILCH_FOREVER) == 0);
    filch_scope_options scope = FILCH_SCOPE_OPTIONS;
    scope.discard = true;
    must(filch_scope_open(&family->scope, pool, &scope) == 0);
    must(filch_scope_submit(family->scope, make_noise, family, NULL) == 0);
    must(filch_stream_begin(&family->stream, pool, do_nothing, count_items, family, NULL) == 0);
    must(filch_stream_next(family->stream, NULL) == 1);
    for (int i = 0; i < 3; i++)
        family->noise[i] = submit(pool, make_noise, family);
    event_await_count(&family->noise_begun, 4);
    return family;
}

/* In the parent: everything goes on as if nothing had happened. */
static inline void grow_old(struct family *family)
{
    filch_future *future;
    void *item;
    atomic_store(&family->over, true);
    gate_open(&family->gate);
    must(filch_future_cancel(family->pending));
    for (int i = 0; i < 5; i++)
        must(filch_completed_next(family->completed, &future) == 1);
    must(filch_completed_next(family->completed, &future) == 0);
    filch_completed_end(family->completed);
    must(filch_mapping_next(family->mapping, &item) == 1);
    must(filch_mapping_next(family->mapping, &item) == 1 && *(int *)item == 2);
    filch_mapping_end(family->mapping);
    must(filch_scope_join(family->scope, NULL) == 0);
    filch_scope_close(family->scope);
    for (int i = 1; i < 100; i++)
        must(filch_stream_next(family->stream, NULL) == 1);
    must(filch_stream_next(family->stream, NULL) == 0);
    filch_stream_end(family->stream);
    must(filch_future_result(family->running, FILCH_FOREVER, NULL) == 0);
    must(filch_join(family->noise, 3) == 0);
    unref_all(family->noise, 3);
    filch_future *all[] = { family->done, family->failed, family->cancelled, family->running, family->pending };
    unref_all(all, 5);
    free(family);
}

/* ---- The child ---- */

/* A child that hangs is killed after so many seconds. In one made by a task the signals of pool threads are blocked. */
#define CHILD_PATIENCE (SANITIZED ? 3 : 20)

static inline void limit_patience(void)
{
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    alarm(watchdog_patience(CHILD_PATIENCE));
}

/* As if every lock of the pool had been held, and every waiter of a future been removed, at the moment of the fork. */
static inline void find_everything_locked(struct family *family)
{
    filch_pool *pool = family->pool;
    filch_future *const not_final[] = { family->running, family->pending, family->noise[0] };
    (void)pthread_mutex_trylock(&pool->handoff.lock);
    (void)pthread_mutex_trylock(&pool->timers->lock);
    for (int i = 0; i < FILCHI_SHARDS; i++)
        atomic_store(&pool->shards[i].lock.word, FILCHI_LOCK_HELD);
    for (int i = 0; i < 3; i++)
        atomic_fetch_or(&not_final[i]->waiters.word, FILCHI_WORD_LOCKED);
    atomic_fetch_or(&pool->stop->waiters.word, FILCHI_WORD_LOCKED);
}

/*
 * The sanitizer's allocator does not let go of its locks in a forked process, as the C library's does: a thread there
 * hangs in it now and then, which proves nothing against us.
 */
static inline bool ended_well(pid_t child)
{
    int status = -1;
    must(child > 0 && waitpid(child, &status, 0) == child);
    if (status)
        fprintf(stderr, "the child's status is %#x\n", (unsigned)status);
    return status == 0 || (SANITIZED && WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
}

/* Forks; the child plays its part and exits; true if it ended well. */
static inline bool child_ends_well(void (*play)(struct family *), struct family *family)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        limit_patience();
        find_everything_locked(family);
        play(family);
        _exit(0);
    }
    return ended_well(child);
}

static inline void read_what_is_final(struct family *family)
{
    void *result = NULL;
    must(filch_future_result(family->done, FILCH_FOREVER, &result) == 0 && result == family);
    must(filch_future_state(family->failed) == FILCH_FAILED);
    must(filch_future_result(family->failed, 0, NULL) == -EIO);
    must(filch_error_code(filch_future_error(family->failed)) == -EIO);
    must(filch_future_cancel(family->cancelled));
    must(filch_future_wait(family->cancelled, 0) == 0);
    must(filch_join(&family->done, 1) == 0);
    filch_future_unref(filch_future_ref(family->done));
}

static inline void count_call(filch_future *future, void *calls)
{
    (void)future;
    ++*(int *)calls;
}

static inline void wait_in_vain(struct family *family)
{
    filch_future *const not_final[] = { family->running, family->pending, family->noise[0] };
    filch_future *const some[] = { family->done, family->pending };
    filch_completed *completed = NULL;
    int calls = 0;
    for (int i = 0; i < 3; i++) {
        must(!filch_future_done(not_final[i]));
        must(filch_future_wait(not_final[i], FILCH_FOREVER) == -EOWNERDEAD);
        must(filch_future_wait(not_final[i], 0) == -EOWNERDEAD);
        must(filch_future_result(not_final[i], FILCH_FOREVER, NULL) == -EOWNERDEAD);
        must(!filch_future_cancel(not_final[i]));
        must(filch_future_on_done(not_final[i], count_call, &calls) == -EOWNERDEAD);
        filch_future_unref(filch_future_ref(not_final[i]));
    }
    must(filch_future_on_done(family->done, count_call, &calls) == 0 && calls == 1);
    must(filch_cancel_all(not_final, 3) == 0);
    must(filch_join(some, 2) == -EOWNERDEAD);
    must(filch_wait(some, 2, FILCH_ALL, FILCH_FOREVER, NULL) == -EOWNERDEAD);
    must(filch_wait(some, 2, FILCH_FIRST_COMPLETED, FILCH_FOREVER, NULL) == -EOWNERDEAD);
    must(filch_completed_begin(&completed, some, 2, FILCH_FOREVER) == -EOWNERDEAD && !completed);
    must(filch_completed_begin(&completed, some, 1, FILCH_FOREVER) == 0);
    filch_completed_end(completed);
}

static inline void iterate_in_vain(struct family *family)
{
    filch_future *future = NULL;
    void *item = NULL;
    for (int i = 0; i < 3; i++)
        must(filch_completed_next(family->completed, &future) == 1);
    for (int i = 0; i < 3; i++)
        must(filch_completed_next(family->completed, &future) == -EOWNERDEAD);
    must(filch_completed_unfinished(family->completed) == 2);
    filch_completed_end(family->completed);
    must(filch_mapping_next(family->mapping, &item) == -EOWNERDEAD);
    filch_mapping_end(family->mapping);
    int items = family->items;
    must(filch_stream_next(family->stream, NULL) == -EOWNERDEAD);
    must(family->items == items);
    filch_stream_end(family->stream);
}

static inline void use_the_scope_in_vain(struct family *family)
{
    filch_scope *scope = family->scope, *other = NULL;
    filch_future *future = NULL;
    filch_error *error = NULL;
    must(filch_scope_submit(scope, do_nothing, NULL, &future) == -EOWNERDEAD);
    must(filch_scope_join(scope, &error) == -EOWNERDEAD && filch_error_code(error) == -EOWNERDEAD);
    filch_error_unref(error);
    must(!filch_scope_current());
    must(filch_scope_open(&other, family->pool, NULL) == -EOWNERDEAD);
    filch_scope_close(scope);
    must(!future && !other);
}

static inline void use_the_pool_in_vain(struct family *family)
{
    filch_pool *pool = family->pool;
    filch_future *future = NULL;
    filch_mapping *mapping = NULL;
    filch_stop *stop = NULL;
    filch_error *error = NULL;
    filch_pool_stats stats = FILCH_POOL_STATS;
    int number = 0;
    must(filch_submit(pool, do_nothing, NULL, &future) == -EOWNERDEAD);
    must(filch_submit(pool, do_nothing, NULL, NULL) == -EOWNERDEAD);
    must(filch_submit_after(pool, 1, do_nothing, NULL, &future) == -EOWNERDEAD);
    must(filch_map(pool, pass_or_wait, NULL, &number, 4, &number, 4, 1, NULL, &error) == -EOWNERDEAD);
    must(filch_error_code(error) == -EOWNERDEAD);
    filch_error_unref(error);
    must(filch_mapping_begin(&mapping, pool, pass_or_wait, NULL, NULL, 4, NULL, 4, 0, NULL) == -EOWNERDEAD);
    must(filch_stop_create_until(&stop, NULL, pool, filch_now()) == -EOWNERDEAD);
    filch_stream *stream = NULL;
    must(filch_stream_begin(&stream, pool, do_nothing, count_items, family, NULL) == -EOWNERDEAD && !stream);
    must(filch_pool_resize(pool, 3) == -EOWNERDEAD);
    must(filch_pool_dump(pool, 2) == -EOWNERDEAD);
    must(filch_pool_stats_get(pool, &stats) == -EOWNERDEAD && stats.workers == 0);
    must(filch_pool_shutdown(pool, 0, 0, NULL) == -EOWNERDEAD);
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT | FILCH_SHUTDOWN_CANCEL_PENDING, FILCH_FOREVER, &error) ==
         -EOWNERDEAD);
    must(filch_pool_destroy(pool) == -EOWNERDEAD);
    must(filch_pool_workers(pool) > 0);
    must(!future && !mapping && !stop);
}

static inline int add_up(filch_task *self, void *arg)
{
    intptr_t n = (intptr_t)arg;
    if (n < 2)
        return filch_return(self, arg);
    filch_future *below[2];
    void *a = NULL, *b = NULL;
    for (int i = 0; i < 2; i++)
        must(filch_submit(filch_task_pool(self), add_up, (void *)(n - 1 - i), &below[i]) == 0);
    must(filch_future_result(below[0], FILCH_FOREVER, &a) == 0);
    must(filch_future_result(below[1], FILCH_FOREVER, &b) == 0);
    unref_all(below, 2);
    return filch_return(self, (void *)((intptr_t)a + (intptr_t)b));
}

/* A task that this thread runs for the pool, which may itself be one of the dead pool's. */
static inline int wait_as_guest(filch_task *self, void *future)
{
    filch_blocking_begin(self);
    filch_blocking_end(self);
    return filch_future_wait(future, FILCH_MS(1)) == -ETIMEDOUT ? 0 : -EIO;
}

static inline void be_a_host(void)
{
    struct gate gate = GATE;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.workers = 1;
    options.capacity = 1;
    options.overflow = FILCH_CALLER_RUNS;
    must(filch_pool_create(&pool, &options) == 0);
    filch_future *all[3] = { hold_worker(pool, &gate), submit(pool, do_nothing, NULL), NULL };
    all[2] = submit(pool, wait_as_guest, all[0]);
    must(filch_future_state(all[2]) == FILCH_DONE);
    gate_open(&gate);
    must(filch_join(all, 3) == 0);
    unref_all(all, 3);
    must(filch_pool_destroy(pool) == 0);
}

static inline void use_a_new_pool(struct family *family)
{
    (void)family;
    for (unsigned workers = 1; workers <= 4; workers++) {
        filch_pool *pool = pool_of(workers);
        void *result = NULL;
        filch_future *future = submit(pool, add_up, (void *)15), *later = NULL;
        must(filch_submit_after(pool, 1, do_nothing, NULL, &later) == 0);
        must(filch_future_result(future, FILCH_FOREVER, &result) == 0 && (intptr_t)result == 610);
        must(filch_future_wait(later, FILCH_FOREVER) == 0);
        must(filch_sleep(1) == 0);
        filch_scope *scope = NULL;
        must(filch_scope_open(&scope, pool, NULL) == 0);
        must(filch_scope_current() == scope);
        must(filch_scope_submit(scope, add_up, (void *)10, NULL) == 0);
        must(filch_scope_join(scope, NULL) == 0);
        filch_scope_close(scope);
        filch_future_unref(future);
        filch_future_unref(later);
        must(filch_pool_resize(pool, workers + 1) == 0);
        must(filch_pool_destroy(pool) == 0);
    }
    be_a_host();
}

static inline void do_it_all(struct family *family)
{
    read_what_is_final(family);
    wait_in_vain(family);
    use_the_pool_in_vain(family);
    use_a_new_pool(family);
    use_the_scope_in_vain(family);
    iterate_in_vain(family);
}

#endif
