/* SPDX-License-Identifier: MIT */
/* What a pool prints of itself. */
#include "pool.h"
#include "support.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>

SUITE(dump);

/* ---- Reading it ---- */

static _Atomic bool write_bit_by_bit;

/* In place of the C library's, for the library under test too. */
ssize_t write(int fd, const void *text, size_t length)
{
    static unsigned calls;
    ssize_t (*really)(int, const void *, size_t);
    *(void **)&really = dlsym(RTLD_NEXT, "write");
    if (!atomic_load(&write_bit_by_bit))
        return really(fd, text, length);
    if (calls++ % 2) {
        errno = EINTR;
        return -1;
    }
    return really(fd, text, length < 3 ? length : 3);
}

/* The dump, in a buffer that the next call overwrites. */
static const char *dump_of(filch_pool *pool)
{
    static char text[1 << 18];
    int fd = memfd_create("dump", 0);
    must(fd >= 0 && filch_pool_dump(pool, fd) == 0);
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    must(n > 0 && (size_t)n < sizeof text - 1);
    text[n] = '\0';
    close(fd);
    must(strlen(text) == (size_t)n && text[n - 1] == '\n');
    return text;
}

static unsigned count_of(const char *part, const char *text)
{
    unsigned n = 0;
    while ((text = strstr(text, part))) {
        n++;
        text += strlen(part);
    }
    return n;
}

#define shows(text, part) cr_assert_eq(count_of(part, text), 1, "no or several `%s` in:\n%s", part, text)

static filch_pool *named_pool(unsigned workers)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool;
    options.name = "p";
    options.workers = workers;
    options.spare_threads = 8;
    must(filch_pool_create(&pool, &options) == 0);
    return pool;
}

static filch_future *hold_worker_named(filch_pool *pool, struct gate *gate, const char *name)
{
    unsigned before = event_count(&gate->started);
    filch_future *future = submit_named(pool, pass_gate, gate, name);
    event_await_count(&gate->started, before + 1);
    return future;
}

static void finish(filch_future *future)
{
    must(filch_future_wait(future, FILCH_SECONDS(20)) == 0);
    filch_future_unref(future);
}

/* ---- What it shows ---- */

Test(dump, a_pool_that_did_nothing_yet_has_no_threads)
{
    filch_pool *pool = named_pool(2);
    const char *text = dump_of(pool);
    cr_assert_str_eq(text,
                     "pool \"p\": 2 workers (2 idle), 0 threads of at most 10, 0 thread starts refused, open\n"
                     "worker 0: idle, 0 tasks in its deque, 0 in its batch\n"
                     "worker 1: idle, 0 tasks in its deque, 0 in its batch\n"
                     "tasks from outside: none waiting\n"
                     "tasks for later: 0 waiting for their time, 0 due, no timer thread\n");
    filch_pool_shutdown(pool, 0, 0, NULL);
    shows(dump_of(pool), "refused, shut down\n");
    filch_pool_destroy(pool);
}

Test(dump, a_running_a_blocked_and_a_spare_thread_are_told_apart)
{
    filch_pool *pool = named_pool(2);
    struct gate gate = GATE;
    filch_future *held = hold_worker_named(pool, &gate, "held");
    filch_future *waiting = submit_named(pool, await_arg, held, "waiting");
    UNTIL(stats_of(pool).handoffs == 1);
    finish(submit(pool, do_nothing, NULL)); /* on a third thread */
    UNTIL(stats_of(pool).idle == 1);
    const char *text = dump_of(pool);
    shows(text, "pool \"p\": 2 workers (1 idle), 3 threads of at most 10, 0 thread starts refused, open\n");
    shows(text, ": idle, 0 tasks");
    cr_assert_eq(count_of(": held by p-", text), 1);
    cr_assert_eq(count_of("thread p-", text), 3);
    shows(text, "): running task \"held\"\n");
    shows(text, "): blocked\n  task \"waiting\" awaits future \"held\" (running)\n");
    shows(text, "): spare\n");
    gate_open(&gate);
    finish(waiting);
    finish(held);
    filch_pool_destroy(pool);
}

Test(dump, threads_are_shown_with_the_names_and_numbers_they_have)
{
    filch_pool *pool = named_pool(1);
    struct gate gate = GATE;
    filch_future *held = hold_worker(pool, &gate);
    pid_t tid = 0;
    char expected[64];
    must(threads_named("p-", &tid, 1) == 1);
    snprintf(expected, sizeof expected, "\nthread p-0 (%d): running a task without a name\n", (int)tid);
    const char *text = dump_of(pool);
    shows(text, expected);
    shows(text, "worker 0: held by p-0, ");
    let_go(&gate, held);
    filch_pool_destroy(pool);
}

Test(dump, what_waits_in_the_queues_is_counted)
{
    filch_pool *pool = named_pool(1);
    struct gate gate = GATE;
    filch_future *held = hold_worker(pool, &gate), *next[3];
    for (int i = 0; i < 3; i++)
        next[i] = submit(pool, do_nothing, NULL);
    shows(dump_of(pool), "tasks from outside: some waiting\n");
    let_go(&gate, held);
    for (int i = 0; i < 3; i++)
        finish(next[i]);
    filch_pool_destroy(pool);
}

static int dump_with_subs(filch_task *self, void *arg)
{
    filch_pool *pool = filch_task_pool(self);
    filch_future *subs[3];
    (void)arg;
    for (int i = 0; i < 3; i++)
        subs[i] = submit(pool, do_nothing, NULL);
    const char *text = dump_of(pool);
    must(count_of(", 3 tasks in its deque, 0 in its batch\n", text) == 1);
    must(count_of("running task \"itself\"\n", text) == 1);
    for (int i = 0; i < 3; i++)
        finish(subs[i]);
    return 0;
}

Test(dump, workers_that_a_smaller_number_left_over_are_out_of_circulation)
{
    filch_pool *pool = named_pool(3);
    must(filch_pool_resize(pool, 1) == 0);
    const char *text = dump_of(pool);
    shows(text, ": 1 worker (1 idle), ");
    shows(text, ": idle, 0 tasks");
    cr_assert_eq(count_of(": out of circulation, 0 tasks", text), 2, "%s", text);
    filch_pool_destroy(pool);
}

Test(dump, a_task_may_dump_its_own_pool)
{
    filch_pool *pool = named_pool(1);
    finish(submit_named(pool, dump_with_subs, NULL, "itself"));
    filch_pool_destroy(pool);
}

struct nested {
    filch_pool *pool;
    filch_future *awaited;
    struct event started;
};

static int dump_in_place(filch_task *self, void *arg)
{
    /* Whoever started this thread may not have listed it yet. */
    UNTIL(count_of("running task \"sub\", 1 more on its stack\n", dump_of(filch_task_pool(self))) == 1);
    return await_arg(self, ((struct nested *)arg)->awaited);
}

static int run_sub_in_place(filch_task *self, void *arg)
{
    filch_future *sub = submit_named(filch_task_pool(self), dump_in_place, arg, "sub");
    must(filch_future_wait(sub, FILCH_FOREVER) == 0); /* with a deadline it would not run in place */
    filch_future_unref(sub);
    return 0;
}

Test(dump, a_blocked_stack_is_shown_from_the_top_down)
{
    filch_pool *pool = named_pool(2);
    struct gate gate = GATE;
    struct nested nested = { pool, hold_worker(pool, &gate), EVENT };
    filch_future *main_task = submit_named(pool, run_sub_in_place, &nested, "main");
    UNTIL(stats_of(pool).handoffs == 1);
    char expected[256];
    snprintf(expected, sizeof expected,
             "): blocked\n"
             "  task \"sub\" awaits future %p (running)\n"
             "  task \"main\" awaits future \"sub\" (running), which runs on its stack\n",
             (void *)nested.awaited);
    shows(dump_of(pool), expected);
    gate_open(&gate);
    finish(main_task);
    finish(nested.awaited);
    filch_pool_destroy(pool);
}

/* ---- All that is awaited ---- */

enum { AWAITED = 12 };

struct awaiter {
    filch_future *futures[AWAITED];
    unsigned n;
    int64_t timeout;
    struct event taken;
};

static int iterate(filch_task *self, void *arg)
{
    struct awaiter *awaiter = arg;
    filch_completed *completed;
    filch_future *next;
    (void)self;
    must(filch_completed_begin(&completed, awaiter->futures, awaiter->n, awaiter->timeout) == 0);
    while (filch_completed_next(completed, &next) == 1)
        event_signal(&awaiter->taken);
    filch_completed_end(completed);
    return 0;
}

Test(dump, an_iterator_awaits_what_it_did_not_deliver_yet)
{
    filch_pool *pool = named_pool(4);
    struct gate gates[3] = { GATE, GATE, GATE };
    struct awaiter awaiter = { .n = 3, .timeout = FILCH_SECONDS(1000), .taken = EVENT };
    awaiter.futures[0] = hold_worker_named(pool, &gates[0], "a");
    awaiter.futures[1] = hold_worker_named(pool, &gates[1], "b\"\n");
    awaiter.futures[2] = hold_worker_named(pool, &gates[2], "c");
    filch_future *main_task = submit_named(pool, iterate, &awaiter, "main");
    UNTIL(stats_of(pool).handoffs == 1);
    shows(dump_of(pool),
          "  task \"main\" awaits any of 3 futures: \"a\" (running), \"b??\" (running), \"c\" (running), "
          "with a deadline\n");
    gate_open(&gates[0]);
    event_await(&awaiter.taken);
    gate_open(&gates[2]);
    event_await_count(&awaiter.taken, 2);
    UNTIL(count_of("  task \"main\" awaits any of 1 future: \"b??\" (running), with a deadline\n", dump_of(pool)));
    gate_open(&gates[1]);
    finish(main_task);
    unref_all(awaiter.futures, 3);
    filch_pool_destroy(pool);
}

Test(dump, of_many_futures_some_are_shown)
{
    filch_pool *pool = named_pool(1), *other = named_pool(1);
    struct gate gate = GATE;
    struct awaiter awaiter = { .n = AWAITED, .timeout = FILCH_FOREVER, .taken = EVENT };
    for (int i = 0; i < AWAITED; i++)
        awaiter.futures[i] =
            i ? submit_named(other, do_nothing, NULL, "next") : hold_worker_named(other, &gate, "one");
    filch_future *main_task = submit_named(pool, iterate, &awaiter, "main");
    UNTIL(stats_of(pool).handoffs == 1);
    const char *text = dump_of(pool);
    shows(text,
          "  task \"main\" awaits any of 12 futures: \"one\" (running, of another pool), \"next\" (pending, of ");
    shows(text, "pool), ...\n");
    gate_open(&gate);
    finish(main_task);
    unref_all(awaiter.futures, AWAITED);
    filch_pool_destroy(pool);
    filch_pool_destroy(other);
}

/* ---- Scopes ---- */

struct opener {
    const char *name;
    struct gate gate;
    struct event joins;
};

static int drain_scope(filch_task *self, void *arg)
{
    struct opener *opener = arg;
    filch_scope_options options = FILCH_SCOPE_OPTIONS;
    filch_scope *scope = NULL;
    filch_future *next;
    options.name = opener->name;
    must(filch_scope_open(&scope, filch_task_pool(self), &options) == 0);
    for (int i = 0; i < 2; i++)
        must(filch_scope_submit(scope, pass_gate, &opener->gate, NULL) == 0);
    event_await_count(&opener->gate.started, 2);
    for (int i = 0; i < 2; i++)
        must(filch_scope_submit(scope, do_nothing, NULL, NULL) == 0);
    for (int i = 0; i < 3; i++)
        must(filch_scope_next(scope, i < 2 ? FILCH_FOREVER : FILCH_MS(1), &next) == (i < 2 ? 1 : -ETIMEDOUT));
    event_signal(&opener->joins);
    int rc = opener->name ? filch_scope_join(scope, NULL) : filch_scope_next(scope, FILCH_SECONDS(1000), &next) - 1;
    filch_scope_close(scope);
    return rc;
}

static void expect_scope(const char *name, const char *expected)
{
    filch_pool *pool = named_pool(3);
    struct opener opener = { name, GATE, EVENT };
    filch_future *main_task = submit_named(pool, drain_scope, &opener, "main");
    event_await(&opener.joins);
    UNTIL(count_of("): blocked\n", dump_of(pool)));
    shows(dump_of(pool), expected);
    gate_open(&opener.gate);
    finish(main_task);
    filch_pool_destroy(pool);
}

Test(dump, a_join_is_shown_with_the_scope_and_how_many_of_its_tasks_are_left)
{
    expect_scope("pages", "  task \"main\" awaits the tasks of scope \"pages\" (2 left)\n");
}

Test(dump, a_wait_for_the_next_of_a_scope_is_shown_with_how_many_are_left)
{
    expect_scope(NULL, "  task \"main\" awaits the next task of scope 0x");
    expect_scope(NULL, " (2 left), with a deadline\n");
}

/* ---- Tasks for later ---- */

Test(dump, tasks_that_wait_for_their_time_and_those_that_are_due_are_counted)
{
    filch_pool *pool = named_pool(1);
    struct gate gate = GATE;
    filch_future *held = hold_worker(pool, &gate), *later[4];
    filch_stop *stop;
    cr_assert_eq(filch_stop_create_until(&stop, NULL, pool, filch_now() + FILCH_SECONDS(1000)), 0);
    UNTIL(count_of("later: 0 waiting for their time, 0 due, a timer thread\n", dump_of(pool)));
    for (int i = 0; i < 4; i++)
        cr_assert_eq(filch_submit_after(pool, i ? FILCH_SECONDS(1000) : 1, do_nothing, NULL, &later[i]), 0);
    UNTIL(count_of("tasks for later: 3 waiting for their time, 1 due, a timer thread\n", dump_of(pool)));
    let_go(&gate, held);
    finish(later[0]);
    for (int i = 1; i < 4; i++)
        filch_future_cancel(later[i]);
    unref_all(later + 1, 3);
    UNTIL(count_of("tasks for later: 0 waiting for their time, 0 due, a timer thread\n", dump_of(pool)));
    filch_stop_unref(stop);
    filch_pool_destroy(pool);
}

/* ---- Regions ---- */

static int visit_region(filch_task *self, void *arg)
{
    filch_blocking_begin(self);
    pass_gate(self, arg);
    filch_blocking_end(self);
    return 0;
}

Test(dump, regions_and_those_that_want_a_worker_again_are_shown)
{
    filch_pool *pool = named_pool(1);
    struct gate region = GATE, gate = GATE;
    filch_future *visitor = submit_named(pool, visit_region, &region, "visitor");
    event_await(&region.started);
    filch_future *held = hold_worker(pool, &gate);
    shows(dump_of(pool), "): in a blocking region\n  task \"visitor\"\n");
    gate_open(&region);
    UNTIL(count_of("): about to go on\n  task \"visitor\"\n", dump_of(pool)));
    gate_open(&gate);
    finish(visitor);
    finish(held);
    filch_pool_destroy(pool);
}

/* ---- Whatever it is written to ---- */

Test(dump, it_is_written_whole_however_little_is_taken_at_once)
{
    filch_pool *pool = named_pool(2);
    char whole[4096], bits[4096];
    struct gate gate = GATE;
    filch_future *held = hold_worker(pool, &gate);
    UNTIL(stats_of(pool).idle == 1);
    snprintf(whole, sizeof whole, "%s", dump_of(pool));
    atomic_store(&write_bit_by_bit, true);
    snprintf(bits, sizeof bits, "%s", dump_of(pool));
    atomic_store(&write_bit_by_bit, false);
    cr_assert_str_eq(bits, whole);
    let_go(&gate, held);
    filch_pool_destroy(pool);
}

Test(dump, what_cannot_be_written_is_an_error)
{
    filch_pool *pool = named_pool(1);
    int fds[2];
    char bytes[1024] = "";
    cr_assert_eq(filch_pool_dump(NULL, STDERR_FILENO), -EINVAL);
    cr_assert_eq(filch_pool_dump(pool, -1), -EBADF);
    must(pipe2(fds, O_NONBLOCK) == 0);
    while (write(fds[1], bytes, sizeof bytes) > 0)
        continue;
    cr_assert_eq(filch_pool_dump(pool, fds[1]), -EAGAIN, "the pipe is full");
    close(fds[0]);
    close(fds[1]);
    filch_pool_destroy(pool);
}

Test(dump, without_memory_nothing_is_written)
{
    filch_pool *pool = named_pool(1);
    int failures = 0, rc;
    do {
        int fd = memfd_create("dump", 0);
        atomic_store(&filchi_os_faults.allocations, failures + 1);
        rc = filch_pool_dump(pool, fd);
        atomic_store(&filchi_os_faults.allocations, 0);
        cr_assert(rc == 0 || rc == -ENOMEM);
        cr_assert_eq(lseek(fd, 0, SEEK_END) > 0, rc == 0);
        failures += rc != 0;
        close(fd);
    } while (rc);
    cr_assert_gt(failures, 1, "the buffer began too small");
    filch_pool_destroy(pool);
}

/* ---- A pool that hangs ---- */

Test(dump, a_lock_that_is_never_given_back_is_given_up_and_what_is_queued_shown)
{
    static char text[4096];
    filch_pool *pool = named_pool(1);
    struct gate gate = GATE;
    filch_future *holder = hold_worker(pool, &gate), *waiting = submit(pool, do_nothing, NULL);
    int fd = memfd_create("dump", 0);
    pthread_mutex_lock(&pool->handoff.lock);
    cr_assert_eq(filch_pool_dump(pool, fd), -EBUSY);
    pthread_mutex_unlock(&pool->handoff.lock);
    must(pread(fd, text, sizeof text - 1, 0) > 0);
    close(fd);
    shows(text, "a thread hangs on to the list of threads, which cannot be shown\n");
    shows(text, "worker 0: 0 in its deque, 0 in its batch\n");
    shows(text, "tasks from outside: some waiting\n");
    let_go(&gate, holder);
    must(filch_join(&waiting, 1) == 0);
    filch_future_unref(waiting);
    filch_pool_destroy(pool);
}
