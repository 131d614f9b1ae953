/* SPDX-License-Identifier: MIT */
/* fork() in a task: the child is as if forked by a thread outside, and when the task returns there it ends. */
#include "fork_support.h"

SUITE(fork_inside);

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

Test(fork_inside, a_child_of_a_task_is_an_outside_thread)
{
    fork_inside((struct forking) { .play = do_it_all }, fork_here);
}

Test(fork_inside, a_child_of_a_task_that_runs_on_the_stack_of_another_is_one_too)
{
    fork_inside((struct forking) { .play = do_it_all }, fork_in_place);
}

Test(fork_inside, a_child_of_a_task_in_a_blocking_region_is_one_too)
{
    fork_inside((struct forking) { .play = do_it_all, .in_region = true }, fork_here);
}

static void do_little(struct family *family)
{
    must(filch_pool_destroy(family->pool) == -EOWNERDEAD);
}

Test(fork_inside, a_task_that_returns_in_the_child_ends_the_child)
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

Test(fork_inside, a_child_of_a_task_may_begin_a_guard)
{
    fork_inside((struct forking) { .play = begin_a_guard }, fork_here);
}

Test(fork_inside, where_memory_cannot_be_wiped_the_process_is_known_by_its_number)
{
    atomic_store(&filchi_os_faults.wipes, -1);
    fork_inside((struct forking) { .play = do_it_all }, fork_here);
}
