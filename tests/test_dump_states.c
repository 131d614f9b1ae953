/* SPDX-License-Identifier: MIT */
/* What a pool prints of itself as it ends, and of a task that waits for none of its futures. */
#include "support.h"

#include <sys/mman.h>

SUITE(dump_states);

/* The dump, in a buffer that the next call overwrites. */
static const char *dump_of(filch_pool *pool)
{
    static char text[1 << 14];
    int fd = memfd_create("dump", 0);
    must(fd >= 0 && filch_pool_dump(pool, fd) == 0);
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    must(n > 0);
    text[n] = '\0';
    close(fd);
    return text;
}

#define shows(pool, part) cr_assert(strstr(dump_of(pool), part), "no `%s` in:\n%s", part, dump_of(pool))

Test(dump_states, a_pool_is_open_then_shutting_down_then_shut_down)
{
    filch_pool *pool = pool_of(1);
    struct gate gate = GATE;
    filch_future *held = hold_worker(pool, &gate);
    shows(pool, ", open\n");
    cr_assert_eq(filch_pool_shutdown(pool, 0, 0, NULL), 0);
    shows(pool, ", shutting down\n");
    let_go(&gate, held);
    cr_assert_eq(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL), 0);
    shows(pool, ", shut down\n");
    filch_pool_destroy(pool);
}

static int submit_there(filch_task *self, void *pool)
{
    (void)self;
    return filch_submit(pool, do_nothing, NULL, NULL); /* waits for a place */
}

Test(dump_states, a_task_that_waits_for_a_place_in_another_pool_waits)
{
    filch_pool *here = pool_of(1), *there = NULL;
    filch_pool_options options = FILCH_POOL_OPTIONS;
    struct gate gate = GATE;
    options.workers = 1;
    options.capacity = 1;
    must(filch_pool_create(&there, &options) == 0);
    filch_future *held = hold_worker(there, &gate);
    must(filch_submit(there, do_nothing, NULL, NULL) == 0);
    filch_future *future = submit_named(here, submit_there, there, "visitor");
    UNTIL(strstr(dump_of(here), "blocked"));
    shows(here, " waits\n");
    shows(here, "task \"visitor\"");
    let_go(&gate, held);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, NULL), 0);
    filch_future_unref(future);
    filch_pool_destroy(here);
    filch_pool_destroy(there);
}
