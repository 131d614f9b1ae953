/* SPDX-License-Identifier: MIT */
/*
 * fork(): in the child the parent's pools are dead, every call on them says so and none hangs; a new pool works; the
 * parent does not notice. The parent's workers are busy at the moment of the fork, and hold whatever they hold.
 */
#include "os.h"
#include "support.h"
#include "worker.h"

#include <signal.h>
#include <sys/wait.h>

SUITE(fork);

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

static int make_noise(filch_task *self, void *arg)
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

static int pass_or_wait(filch_task *self, const void *in, void *out, void *arg)
{
    *(int *)out = *(const int *)in;
    return *(const int *)in == 1 ? pass_gate(self, arg) : 0;
}

static int count_items(void *arg, void **item)
{
    struct family *family = arg;
    *item = NULL;
    return ++family->items <= 100;
}

/* Busy workers, one task that runs, one that waits for a worker, and some that are final. */
static struct family *family_of(filch_pool *pool)
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
static void grow_old(struct family *family)
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

static void limit_patience(void)
{
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    alarm(CHILD_PATIENCE);
}

/* As if every lock of the pool had been held, and every waiter of a future been removed, at the moment of the fork. */
static void find_everything_locked(struct family *family)
{
    filch_pool *pool = family->pool;
    filch_future *const not_final[] = { family->running, family->pending, family->noise[0] };
    pthread_mutex_trylock(&pool->handoff.lock);
    pthread_mutex_trylock(&pool->timers->lock);
    for (int i = 0; i < FILCHI_SHARDS; i++)
        pthread_mutex_trylock(&pool->shards[i].lock);
    for (int i = 0; i < 3; i++)
        atomic_fetch_or(&not_final[i]->waiters.word, FILCHI_WORD_LOCKED);
    atomic_fetch_or(&pool->stop->waiters.word, FILCHI_WORD_LOCKED);
}

/*
 * The sanitizer's allocator does not let go of its locks in a forked process, as the C library's does: a thread there
 * hangs in it now and then, which proves nothing against us.
 */
static bool ended_well(pid_t child)
{
    int status = -1;
    must(child > 0 && waitpid(child, &status, 0) == child);
    if (status)
        fprintf(stderr, "the child's status is %#x\n", (unsigned)status);
    return status == 0 || (SANITIZED && WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
}

/* Forks; the child plays its part and exits; true if it ended well. */
static bool child_ends_well(void (*play)(struct family *), struct family *family)
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

static void read_what_is_final(struct family *family)
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

static void count_call(filch_future *future, void *calls)
{
    (void)future;
    ++*(int *)calls;
}

static void wait_in_vain(struct family *family)
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

static void iterate_in_vain(struct family *family)
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

static void use_the_scope_in_vain(struct family *family)
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

static void use_the_pool_in_vain(struct family *family)
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

static int add_up(filch_task *self, void *arg)
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
static int wait_as_guest(filch_task *self, void *future)
{
    filch_blocking_begin(self);
    filch_blocking_end(self);
    return filch_future_wait(future, FILCH_MS(1)) == -ETIMEDOUT ? 0 : -EIO;
}

static void be_a_host(void)
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

static void use_a_new_pool(struct family *family)
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

static void do_it_all(struct family *family)
{
    read_what_is_final(family);
    wait_in_vain(family);
    use_the_pool_in_vain(family);
    use_a_new_pool(family);
    use_the_scope_in_vain(family);
    iterate_in_vain(family);
}

/* ---- From the main thread ---- */

#define FORKS 10

static void fork_often(void (*play)(struct family *))
{
    filch_pool *pool = pool_of(8);
    for (int i = 0; i < FORKS; i++) {
        struct family *family = family_of(pool);
        cr_assert(child_ends_well(play, family));
        grow_old(family);
    }
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(fork, what_is_final_can_be_read_in_the_child)
{
    fork_often(read_what_is_final);
}

Test(fork, waits_for_what_is_not_fail_at_once)
{
    fork_often(wait_in_vain);
}

Test(fork, iterators_deliver_what_is_final_and_then_fail)
{
    fork_often(iterate_in_vain);
}

Test(fork, every_call_on_the_parents_pool_fails)
{
    fork_often(use_the_pool_in_vain);
}

Test(fork, a_new_pool_works_in_the_child)
{
    fork_often(use_a_new_pool);
}

/* ---- From inside a task ---- */

struct forking {
    struct family *family;
    void (*play)(struct family *);
    bool returns; /* the child returns from the task function */
    bool in_region;
    bool well;
};

/* As the child exits: before the leak checker looks at its copy of the parent, whose threads are not there. */
static void skip_exit_handlers(void)
{
    _exit(0);
}

static int fork_here(filch_task *self, void *arg)
{
    struct forking *forking = arg;
    if (forking->in_region)
        filch_blocking_begin(self);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        limit_patience();
        find_everything_locked(forking->family);
        must(!filch_task_current());
        must(!filch_task_stopped(self));
        filch_blocking_end(self);
        filch_blocking_begin(self);
        forking->play(forking->family);
        must(filch_task_pool(self) == forking->family->pool);
        if (!forking->returns)
            _exit(0);
        must(atexit(skip_exit_handlers) == 0);
        return filch_fail(self, -EIO, "nobody will ever see this");
    }
    forking->well = ended_well(child);
    if (forking->in_region)
        filch_blocking_end(self);
    must(filch_task_current() == self);
    return 0;
}

static int fork_in_place(filch_task *self, void *arg)
{
    filch_future *below = submit(filch_task_pool(self), fork_here, arg);
    must(filch_future_result(below, FILCH_FOREVER, NULL) == 0);
    filch_future_unref(below);
    return 0;
}

static void fork_inside(struct forking forking, filch_fn *fn)
{
    filch_pool *pool = pool_of(8);
    for (int i = 0; i < FORKS; i++) {
        forking.family = family_of(pool);
        forking.well = false;
        filch_future *future = submit(pool, fn, &forking);
        cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
        filch_future_unref(future);
        cr_assert(forking.well);
        grow_old(forking.family);
    }
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(fork, a_child_of_a_task_is_an_outside_thread)
{
    fork_inside((struct forking) { .play = do_it_all }, fork_here);
}

Test(fork, a_child_of_a_task_that_runs_on_the_stack_of_another_is_one_too)
{
    fork_inside((struct forking) { .play = do_it_all }, fork_in_place);
}

Test(fork, a_child_of_a_task_in_a_blocking_region_is_one_too)
{
    fork_inside((struct forking) { .play = do_it_all, .in_region = true }, fork_here);
}

static void do_little(struct family *family)
{
    must(filch_pool_destroy(family->pool) == -EOWNERDEAD);
}

Test(fork, a_task_that_returns_in_the_child_ends_the_child)
{
    fork_inside((struct forking) { .play = do_little, .returns = true }, fork_here);
    fork_inside((struct forking) { .play = do_little, .returns = true }, fork_in_place);
}

static void begin_a_guard(struct family *family)
{
    filch_stop *stop = stop_under(NULL);
    filch_guard *guard = NULL;
    (void)family;
    must(filch_guard_begin(&guard, stop) == 0);
    raise(SIGINT);
    must(filch_sleep(FILCH_SECONDS(1000)) == -EINTR);
    filch_guard_end(guard);
    filch_stop_unref(stop);
}

Test(fork, a_child_of_a_task_may_begin_a_guard)
{
    fork_inside((struct forking) { .play = begin_a_guard }, fork_here);
}

/* ---- Grandchildren, and systems that wipe nothing ---- */

static void fork_again(struct family *family)
{
    must(child_ends_well(do_it_all, family));
    use_a_new_pool(family);
    filch_pool *pool = pool_of(8);
    struct family *own = family_of(pool);
    must(child_ends_well(do_it_all, own));    /* its parent's pools */
    must(child_ends_well(do_it_all, family)); /* its grandparent's */
    grow_old(own);
    must(filch_pool_destroy(pool) == 0);
}

Test(fork, a_child_may_fork_again)
{
    filch_pool *pool = pool_of(8);
    struct family *family = family_of(pool);
    cr_assert(child_ends_well(fork_again, family));
    grow_old(family);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

Test(fork, where_memory_cannot_be_wiped_the_process_is_known_by_its_number)
{
    atomic_store(&filchi_os_faults.wipes, -1);
    filch_pool *pool = pool_of(8);
    struct family *family = family_of(pool);
    cr_assert(child_ends_well(do_it_all, family));
    grow_old(family);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    fork_inside((struct forking) { .play = do_it_all }, fork_here);
}

/* ---- What outlives the pool ---- */

static void report(const filch_error *error, void *arg)
{
    (void)error;
    atomic_fetch_add((_Atomic int *)arg, 1);
}

Test(fork, a_failure_is_not_reported_again_for_the_childs_copy)
{
    _Atomic int reports = 0;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.on_unobserved = report;
    options.unobserved_arg = &reports;
    cr_assert_eq(filch_pool_create(&pool, &options), 0);
    filch_future *future = submit(pool, fail_with_io, NULL);
    cr_assert_eq(filch_future_wait(future, FILCH_FOREVER), 0);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    pid_t child = fork();
    if (child == 0) {
        limit_patience();
        filch_future_unref(future); /* and with it the pool's memory */
        _exit(atomic_load(&reports));
    }
    int status = -1;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    filch_future_unref(future);
    cr_assert_eq(reports, 1);
}
