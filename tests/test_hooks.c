/* SPDX-License-Identifier: MIT */
/* The hooks of a pool: each event when and where filch_hooks says. */
#include "support.h"

#include <sys/wait.h>

SUITE(hooks);

enum kind { SUBMIT, START, FINISH, DROP, STEAL, PARK, UNPARK, HANDOFF, RESUME, KINDS };

/* What was told, in order. */
struct told {
    enum kind kind;
    filch_event event;
    char name[24];
    void *data;
    pthread_t thread;
};

enum { MOST = 512 };

struct record {
    pthread_mutex_t lock;
    struct told told[MOST];
    size_t n;
    bool label; /* on_submit leaves the task's argument as data */
};

static void note(struct record *record, enum kind kind, const filch_event *event)
{
    must(event->size == sizeof(filch_event) && event->pool);
    if (kind == SUBMIT && record->label)
        *event->data = filch_future_arg(event->task);
    pthread_mutex_lock(&record->lock);
    must(record->n < MOST);
    struct told *told = &record->told[record->n++];
    *told = (struct told) { .kind = kind, .event = *event, .thread = pthread_self() };
    told->data = event->data ? *event->data : NULL;
    if (event->name)
        snprintf(told->name, sizeof told->name, "%s", event->name);
    pthread_mutex_unlock(&record->lock);
}

#define HOOK(function, kind)                                  \
    static void function(const filch_event *event, void *arg) \
    {                                                         \
        note(arg, kind, event);                               \
    }

HOOK(on_submit, SUBMIT)
HOOK(on_start, START)
HOOK(on_finish, FINISH)
HOOK(on_drop, DROP)
HOOK(on_steal, STEAL)
HOOK(on_park, PARK)
HOOK(on_unpark, UNPARK)
HOOK(on_handoff, HANDOFF)
HOOK(on_resume, RESUME)

static struct record *new_record(void)
{
    struct record *record = calloc(1, sizeof *record);
    must(record);
    pthread_mutex_init(&record->lock, NULL);
    return record;
}

static filch_hooks hooks_of(struct record *record)
{
    filch_hooks hooks = FILCH_HOOKS;
    hooks.arg = record;
    hooks.on_submit = on_submit;
    hooks.on_start = on_start;
    hooks.on_finish = on_finish;
    hooks.on_drop = on_drop;
    hooks.on_steal = on_steal;
    hooks.on_park = on_park;
    hooks.on_unpark = on_unpark;
    hooks.on_handoff = on_handoff;
    hooks.on_resume = on_resume;
    return hooks;
}

static filch_pool_options options_of(unsigned workers, const filch_hooks *hooks)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = workers;
    options.hooks = hooks;
    return options;
}

static filch_pool *observed_pool(unsigned workers, struct record *record)
{
    filch_hooks hooks = hooks_of(record);
    filch_pool_options options = options_of(workers, &hooks);
    filch_pool *pool = NULL;
    must(filch_pool_create(&pool, &options) == 0);
    return pool;
}

static size_t count(struct record *record, enum kind kind)
{
    size_t n = 0;
    pthread_mutex_lock(&record->lock);
    for (size_t i = 0; i < record->n; i++)
        n += record->told[i].kind == kind;
    pthread_mutex_unlock(&record->lock);
    return n;
}

/* The nth of that kind, from 0 on; there must be one. */
static const struct told *find(const struct record *record, enum kind kind, size_t n)
{
    for (size_t i = 0; i < record->n; i++)
        if (record->told[i].kind == kind && n-- == 0)
            return &record->told[i];
    must(false);
    return NULL;
}

static void free_all(filch_pool *pool, struct record *record)
{
    filch_pool_destroy(pool);
    pthread_mutex_destroy(&record->lock);
    free(record);
}

Test(hooks, a_task_is_submitted_started_and_finished_in_that_order)
{
    struct record *record = new_record();
    filch_pool *pool = observed_pool(1, record);
    filch_future *future = submit_named(pool, fail_with_io, NULL, "page 1");
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    const struct told *submitted = find(record, SUBMIT, 0), *started = find(record, START, 0),
                      *finished = find(record, FINISH, 0);
    cr_assert(submitted < started && started < finished);
    cr_assert_str_eq(submitted->name, "page 1");
    cr_assert_str_eq(finished->name, "page 1");
    cr_assert(submitted->event.task == future && started->event.task == future && finished->event.task == future);
    cr_assert(submitted->event.worker == FILCH_NONE && submitted->event.thread == FILCH_NONE);
    cr_assert(pthread_equal(submitted->thread, pthread_self()));
    cr_assert(started->event.worker == 0 && started->event.thread == 0 && started->event.attempt == 1);
    cr_assert(pthread_equal(started->thread, finished->thread));
    cr_assert(submitted->event.state == FILCH_PENDING && started->event.state == FILCH_RUNNING);
    cr_assert(finished->event.state == FILCH_FAILED && finished->event.code == -EIO);
    cr_assert(count(record, DROP) == 0);
    filch_future_unref(future);
    free_all(pool, record);
}

Test(hooks, a_wait_returns_after_the_finish_was_told)
{
    struct record *record = new_record();
    filch_pool *pool = observed_pool(2, record);
    for (size_t i = 1; i <= 50; i++) {
        filch_future *future = submit(pool, do_nothing, NULL);
        must(filch_future_wait(future, FILCH_FOREVER) == 0);
        cr_assert_eq(count(record, FINISH), i);
        filch_future_unref(future);
    }
    free_all(pool, record);
}

Test(hooks, what_submit_leaves_start_and_finish_find)
{
    struct record *record = new_record();
    filch_pool *pool = observed_pool(1, record);
    int mine;
    record->label = true;
    filch_future *future = submit(pool, do_nothing, &mine);
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    cr_assert(find(record, START, 0)->data == &mine);
    cr_assert(find(record, FINISH, 0)->data == &mine);
    filch_future_unref(future);
    free_all(pool, record);
}

Test(hooks, a_cancelled_task_is_dropped_with_what_submit_left)
{
    struct record *record = new_record();
    filch_pool *pool = observed_pool(1, record);
    struct event gate = EVENT;
    int mine;
    filch_future *first = submit(pool, pass_event, &gate);
    record->label = true;
    filch_future *second = submit(pool, do_nothing, &mine);
    cr_assert(filch_future_cancel(second));
    cr_assert(!filch_future_cancel(first) || count(record, START) == 0);
    const struct told *dropped = find(record, DROP, 0);
    cr_assert(dropped->event.task == second && dropped->event.state == FILCH_CANCELLED);
    cr_assert(dropped->event.code == -ECANCELED && dropped->data == &mine);
    event_signal(&gate);
    filch_future_unref(first);
    filch_future_unref(second);
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
    cr_assert_eq(count(record, START) + count(record, DROP), 2);
    free_all(pool, record);
}

Test(hooks, tasks_that_are_stopped_before_they_start_are_dropped)
{
    struct record *record = new_record();
    filch_pool *pool = observed_pool(1, record);
    struct event gate = EVENT;
    filch_future *first = submit(pool, pass_event, &gate);
    filch_stop *stop = NULL;
    filch_task_options options = FILCH_TASK_OPTIONS;
    must(filch_stop_create(&stop, NULL) == 0);
    options.stop = stop;
    UNTIL(count(record, START) == 1);
    for (int i = 0; i < 10; i++)
        must(filch_submit_with(pool, do_nothing, NULL, &options, NULL) == 0);
    filch_stop_request(stop, -EINTR);
    event_signal(&gate);
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
    cr_assert_eq(count(record, DROP), 10);
    cr_assert_eq(count(record, START), 1);
    cr_assert(find(record, DROP, 9)->event.state == FILCH_STOPPED && find(record, DROP, 9)->event.code == -EINTR);
    filch_future_unref(first);
    filch_stop_unref(stop);
    free_all(pool, record);
}

Test(hooks, tasks_of_a_stopped_scope_are_each_dropped_once)
{
    struct record *record = new_record();
    filch_pool *pool = observed_pool(1, record);
    struct event gate = EVENT;
    filch_future *first = submit(pool, pass_event, &gate);
    filch_scope *scope = NULL;
    UNTIL(count(record, START) == 1);
    must(filch_scope_open(&scope, pool, NULL) == 0);
    for (int i = 0; i < 50; i++)
        must(filch_scope_submit(scope, do_nothing, NULL, NULL) == 0);
    filch_stop_request(filch_scope_stop(scope), -ECANCELED);
    event_signal(&gate);
    filch_scope_close(scope);
    cr_assert_eq(count(record, DROP), 50);
    cr_assert_eq(count(record, SUBMIT), 51);
    filch_future_unref(first);
    free_all(pool, record);
}

Test(hooks, a_shutdown_that_cancels_drops_what_waits)
{
    struct record *record = new_record();
    filch_pool *pool = observed_pool(1, record);
    struct event gate = EVENT;
    filch_future *late = NULL;
    must(filch_submit(pool, pass_event, &gate, NULL) == 0);
    UNTIL(count(record, START) == 1);
    record->label = true; /* a note in each, which must not be lost */
    for (int i = 0; i < 20; i++)
        must(filch_submit(pool, do_nothing, &gate, NULL) == 0);
    must(filch_submit_after(pool, FILCH_SECONDS(1000), do_nothing, &gate, &late) == 0);
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_CANCEL_PENDING, 0, NULL) == 0);
    event_signal(&gate);
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
    cr_assert_eq(count(record, DROP), 21);
    for (size_t i = 0; i < 21; i++)
        cr_assert(find(record, DROP, i)->data == &gate && find(record, DROP, i)->event.state == FILCH_CANCELLED);
    cr_assert_eq(filch_future_state(late), FILCH_CANCELLED);
    filch_future_unref(late);
    free_all(pool, record);
}

static int fail_twice(filch_task *self, void *arg)
{
    (void)arg;
    return filch_task_attempt(self) < 3 ? -EAGAIN : 0;
}

Test(hooks, each_attempt_is_started_and_finished)
{
    struct record *record = new_record();
    filch_pool *pool = observed_pool(1, record);
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    int mine;
    retry.max_attempts = 3;
    retry.interval_ns = 1;
    options.retry = &retry;
    record->label = true;
    must(filch_submit_with(pool, fail_twice, &mine, &options, &future) == 0);
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    cr_assert_eq(count(record, START), 3);
    cr_assert_eq(count(record, FINISH), 3);
    for (unsigned i = 0; i < 3; i++) {
        const struct told *finished = find(record, FINISH, i);
        cr_assert(finished->event.attempt == i + 1 && find(record, START, i)->event.attempt == i + 1);
        cr_assert(finished->event.state == (i < 2 ? FILCH_RETRY_WAIT : FILCH_DONE));
        cr_assert(finished->event.code == (i < 2 ? -EAGAIN : 0));
        cr_assert(finished->data == &mine && find(record, START, i)->data == &mine);
    }
    filch_future_unref(future);
    free_all(pool, record);
}

Test(hooks, a_task_cancelled_between_attempts_is_dropped)
{
    struct record *record = new_record();
    filch_pool *pool = observed_pool(1, record);
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    retry.max_attempts = 3;
    retry.interval_ns = FILCH_SECONDS(1000);
    options.retry = &retry;
    record->label = true;
    must(filch_submit_with(pool, fail_with_io, record, &options, &future) == 0);
    UNTIL(filch_future_state(future) == FILCH_RETRY_WAIT);
    cr_assert(filch_future_cancel(future));
    const struct told *dropped = find(record, DROP, 0);
    cr_assert(dropped->event.attempt == 1 && dropped->data == record && dropped->event.state == FILCH_CANCELLED);
    filch_future_unref(future);
    free_all(pool, record);
}

Test(hooks, a_task_stopped_between_attempts_is_dropped)
{
    struct record *record = new_record();
    filch_pool *pool = observed_pool(1, record);
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_future *future = NULL;
    filch_stop *stop = NULL;
    must(filch_stop_create(&stop, NULL) == 0);
    retry.max_attempts = 3;
    retry.interval_ns = FILCH_SECONDS(1000);
    options.retry = &retry;
    options.stop = stop;
    must(filch_submit_with(pool, fail_with_io, NULL, &options, &future) == 0);
    UNTIL(filch_future_state(future) == FILCH_RETRY_WAIT);
    filch_stop_request(stop, -EINTR);
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    cr_assert(find(record, DROP, 0)->event.state == FILCH_STOPPED);
    cr_assert(find(record, DROP, 0)->event.code == -EINTR);
    filch_future_unref(future);
    filch_stop_unref(stop);
    free_all(pool, record);
}

static int run_two(filch_task *self, void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        filch_future *future = submit(filch_task_pool(self), do_nothing, NULL);
        must(filch_future_wait(future, FILCH_FOREVER) == 0);
        filch_future_unref(future);
    }
    return 0;
}

/* On each thread, starts and finishes are nested like parentheses. */
static bool is_nested(const struct record *record)
{
    filch_task *stack[MOST];
    size_t depth = 0;
    for (size_t i = 0; i < record->n; i++) {
        const struct told *told = &record->told[i];
        if (told->kind == START)
            stack[depth++] = told->event.task;
        else if (told->kind == FINISH && (depth == 0 || stack[--depth] != told->event.task))
            return false;
    }
    return depth == 0;
}

Test(hooks, what_a_task_runs_in_place_lies_between_its_start_and_its_finish)
{
    struct record *record = new_record();
    filch_hooks hooks = hooks_of(record);
    filch_pool_options options = options_of(1, &hooks);
    filch_pool *pool = NULL;
    options.no_spare_threads = true;
    must(filch_pool_create(&pool, &options) == 0);
    filch_future *future = submit(pool, run_two, NULL);
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    cr_assert_eq(count(record, START), 3);
    cr_assert(is_nested(record));
    cr_assert_eq(find(record, START, 0)->event.task, find(record, FINISH, 2)->event.task);
    cr_assert_eq(find(record, SUBMIT, 1)->event.worker, 0, "submitted by a task");
    filch_future_unref(future);
    free_all(pool, record);
}

Test(hooks, a_task_that_its_submitter_runs_has_no_worker)
{
    struct record *record = new_record();
    filch_hooks hooks = hooks_of(record);
    filch_pool_options options = options_of(1, &hooks);
    filch_pool *pool = NULL;
    struct event gate = EVENT;
    options.capacity = 1;
    options.overflow = FILCH_CALLER_RUNS;
    must(filch_pool_create(&pool, &options) == 0);
    must(filch_submit(pool, pass_event, &gate, NULL) == 0);
    UNTIL(count(record, START) == 1);
    must(filch_submit(pool, do_nothing, NULL, NULL) == 0);
    must(filch_submit(pool, do_nothing, NULL, NULL) == 0);
    const struct told *started = find(record, START, 1);
    cr_assert(started->event.worker == FILCH_NONE && started->event.thread == FILCH_NONE);
    cr_assert(pthread_equal(started->thread, pthread_self()));
    cr_assert(pthread_equal(find(record, FINISH, 0)->thread, pthread_self()));
    event_signal(&gate);
    free_all(pool, record);
}

static int double_it(filch_task *self, const void *in, void *out, void *arg)
{
    (void)self;
    (void)arg;
    *(int *)out = 2 * *(const int *)in;
    return 0;
}

Test(hooks, each_task_of_a_map_is_told_of)
{
    struct record *record = new_record();
    filch_pool *pool = observed_pool(2, record);
    int in[64] = { 0 }, out[64];
    must(filch_map(pool, double_it, NULL, in, sizeof *in, out, sizeof *out, 64, NULL, NULL) == 0);
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
    cr_assert(count(record, START) >= 1 && count(record, START) == count(record, FINISH));
    cr_assert_eq(count(record, SUBMIT), count(record, START) + count(record, DROP));
    free_all(pool, record);
}

Test(hooks, many_submitted_at_once_are_each_told_of)
{
    struct record *record = new_record();
    filch_pool *pool = observed_pool(1, record);
    filch_future *futures[40];
    must(filch_submit_many(pool, do_nothing, NULL, 0, 40, futures) == 0);
    for (int i = 0; i < 40; i++) {
        must(filch_future_wait(futures[i], FILCH_FOREVER) == 0);
        filch_future_unref(futures[i]);
    }
    cr_assert_eq(count(record, SUBMIT), 40);
    cr_assert_eq(count(record, FINISH), 40);
    free_all(pool, record);
}

/* How often the only thread has parked, which it is doing. */
static size_t await_parked(struct record *record)
{
    UNTIL(count(record, PARK) > count(record, UNPARK));
    return count(record, PARK);
}

Test(hooks, a_thread_that_finds_nothing_parks_and_a_submit_unparks_it)
{
    struct record *record = new_record();
    filch_pool *pool = observed_pool(1, record);
    filch_future *future = submit(pool, do_nothing, NULL);
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    size_t n = await_parked(record); /* more than once, if it came before the task */
    must(filch_submit(pool, do_nothing, NULL, NULL) == 0);
    UNTIL(count(record, PARK) == n + 1);
    cr_assert_eq(count(record, UNPARK), n);
    cr_assert(find(record, PARK, n)->event.worker == FILCH_NONE && find(record, PARK, n)->event.thread == 0);
    cr_assert_eq(find(record, UNPARK, n - 1)->event.worker, 0);
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
    UNTIL(count(record, UNPARK) == n + 1);
    cr_assert_eq(find(record, UNPARK, n)->event.worker, FILCH_NONE, "it woke to end");
    filch_future_unref(future);
    free_all(pool, record);
}

static int block_until(filch_task *self, void *gate)
{
    filch_blocking_begin(self);
    event_await(gate);
    filch_blocking_end(self);
    return 0;
}

Test(hooks, a_blocking_region_is_a_handoff_and_a_resume)
{
    struct record *record = new_record();
    filch_pool *pool = observed_pool(1, record);
    struct event gate = EVENT;
    filch_future *future = submit(pool, block_until, &gate);
    UNTIL(count(record, HANDOFF) == 1);
    cr_assert_eq(count(record, RESUME), 0);
    event_signal(&gate);
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    const struct told *gave = find(record, HANDOFF, 0), *has = find(record, RESUME, 0);
    cr_assert(gave->event.task == future && has->event.task == future);
    cr_assert(gave->event.worker == 0 && has->event.worker == 0 && gave < has);
    filch_future_unref(future);
    free_all(pool, record);
}

struct nest {
    struct event submitted, gate;
    filch_future *sub;
};

static int submit_and_hold(filch_task *self, void *arg)
{
    struct nest *nest = arg;
    must(filch_submit(filch_task_pool(self), do_nothing, NULL, &nest->sub) == 0);
    event_signal(&nest->submitted);
    event_await(&nest->gate); /* not by the library: the worker stays ours, and another must steal */
    return 0;
}

Test(hooks, a_steal_tells_from_whom)
{
    struct record *record = new_record();
    filch_pool *pool = observed_pool(2, record);
    struct nest nest = { EVENT, EVENT, NULL };
    filch_future *future = submit(pool, submit_and_hold, &nest);
    event_await(&nest.submitted);
    must(filch_future_wait(nest.sub, FILCH_FOREVER) == 0);
    const struct told *stolen = find(record, STEAL, count(record, STEAL) - 1);
    cr_assert_eq(stolen->event.task, nest.sub);
    cr_assert(stolen->event.victim < 2 && stolen->event.worker < 2 && stolen->event.victim != stolen->event.worker);
    event_signal(&nest.gate);
    filch_future_unref(nest.sub);
    filch_future_unref(future);
    free_all(pool, record);
}

Test(hooks, only_those_that_are_set_are_called)
{
    struct record *record = new_record();
    filch_hooks hooks = FILCH_HOOKS;
    hooks.arg = record;
    hooks.on_finish = on_finish;
    filch_pool_options options = options_of(2, &hooks);
    filch_pool *pool = NULL;
    must(filch_pool_create(&pool, &options) == 0);
    for (int i = 0; i < 20; i++)
        must(filch_submit(pool, do_nothing, NULL, NULL) == 0);
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
    cr_assert(record->n == 20 && count(record, FINISH) == 20);
    free_all(pool, record);
}

Test(hooks, hooks_of_the_wrong_size_are_refused)
{
    struct {
        filch_hooks known;
        void *newer;
    } hooks = { FILCH_HOOKS, &hooks };
    filch_pool_options options = options_of(1, &hooks.known);
    filch_pool *pool = NULL;
    hooks.known.size = 0;
    cr_assert_eq(filch_pool_create(&pool, &options), -EINVAL);
    hooks.known.size = sizeof hooks;
    cr_assert_eq(filch_pool_create(&pool, &options), -E2BIG);
    cr_assert_null(pool);
}

/* A submit that finds no memory, wherever: what was told of it, and what was left with it, is taken back. */
Test(hooks, a_submit_without_memory_tells_of_a_drop_or_of_nothing)
{
    for (long nth = 1; nth < 6; nth++) {
        struct record *record = new_record();
        filch_pool *pool = observed_pool(1, record);
        must(filch_submit(pool, do_nothing, NULL, NULL) == 0); /* a thread, and the first chunk */
        record->label = true;
        atomic_store(&filchi_os_faults.allocations, nth);
        int rc = filch_submit(pool, do_nothing, record, NULL);
        atomic_store(&filchi_os_faults.allocations, 0);
        cr_assert(rc == 0 || rc == -ENOMEM);
        must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
        cr_assert_eq(count(record, FINISH), rc ? 1 : 2);
        cr_assert_eq(count(record, SUBMIT), count(record, FINISH) + count(record, DROP));
        if (count(record, DROP))
            cr_assert(find(record, DROP, 0)->data == record && find(record, DROP, 0)->event.code == -ENOMEM);
        free_all(pool, record);
    }
}

Test(hooks, the_child_of_a_task_that_forks_tells_of_nothing_there)
{
    struct record *record = new_record();
    filch_pool *pool = observed_pool(1, record);
    filch_future *future = submit(pool, do_nothing, NULL);
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
    await_parked(record); /* nobody holds the record's lock */
    pid_t child = fork();
    if (child == 0)
        _exit(filch_submit(pool, do_nothing, NULL, NULL) == -EOWNERDEAD && count(record, SUBMIT) == 1 ? 0 : 1);
    int status = 1;
    must(waitpid(child, &status, 0) == child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    filch_future_unref(future);
    free_all(pool, record);
}
