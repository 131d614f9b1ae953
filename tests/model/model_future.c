/* SPDX-License-Identifier: MIT */
/* A task's state: claims, cancels, completions, waits, callbacks and the end of its memory, in pairs and triples. */
#include "one_task.h"

static filch_future *other;
static unsigned called; /* callbacks */

static void begin_held(uint32_t refs)
{
    called = 0;
    open_slab();
    future = make(refs, false);
    close_slab();
}

/* Those who asked for a cancel were told the same, and it did not run then. */
static void ran_or_was_cancelled(unsigned first, unsigned last)
{
    for (unsigned i = first; i <= last; i++)
        model_check(cancelled[i] == !runs);
    freed();
}

static void callback(filch_future *its, void *arg)
{
    look(its);
    ++*(unsigned *)arg;
}

/* ---- Claim and cancel ---- */

static void begin_own(uint32_t refs)
{
    open_slab();
    future = make(refs, false);
    own_stop(future);
    close_slab();
}

static void begin_one(void)
{
    begin_own(1);
}

static void claim_or_cancel(unsigned i)
{
    if (i == 0) {
        run_entry(0);
        return;
    }
    cancel(i);
    filch_future_unref(future);
}

static void after_one(void)
{
    ran_or_was_cancelled(1, 1);
}

static void begin_two(void)
{
    begin_own(2);
}

/* One pops the entry, one finds it in the queue and runs it from there, one cancels it. */
static void claim_in_place(unsigned i)
{
    if (i == 0) {
        run_entry(0);
        return;
    }
    if (i == 1)
        run_claimed(future, filchi_future_claim_in_place(future), 0);
    else
        cancel(i);
    filch_future_unref(future);
}

static void after_in_place(void)
{
    ran_or_was_cancelled(2, 2);
}

/* At a pool's end entries are cancelled instead of claimed. */
static void cancel_entry(unsigned i)
{
    if (i == 0) {
        filchi_future_cancel_entry(future);
        return;
    }
    if (i == 1)
        run_claimed(future, filchi_future_claim_in_place(future), 0);
    else
        cancel(i);
    filch_future_unref(future);
}

static void after_entry(void)
{
    model_check(!runs || !cancelled[2]);
    freed();
}

/* ---- Completion, and those who wait ---- */

static void begin_waited(void)
{
    begin_held(2);
}

static void wait_and_be_called(unsigned i)
{
    if (i == 0) {
        run_entry(0);
        return;
    }
    if (i == 1) {
        wait_for(future, false);
        look(future);
    } else {
        model_check(filch_future_on_done(future, callback, &called) == 0);
    }
    filch_future_unref(future);
}

static void was_called(void)
{
    model_check(called == 1 && runs == 1);
    freed();
}

/* A wait runs out while it completes, or is cancelled. */
static void wait_in_vain(unsigned i)
{
    if (i == 0) {
        run_entry(0);
        return;
    }
    if (i == 2)
        cancel(i);
    else if (wait_for(future, true))
        look(future);
    filch_future_unref(future);
}

static void after_vain(void)
{
    ran_or_was_cancelled(2, 2);
}

/* ---- Letting go ---- */

static void begin_dropped(void)
{
    begin_held(1);
}

static void complete_or_drop(unsigned i)
{
    if (i == 0) {
        run_entry(0);
        return;
    }
    model_check(filch_future_arg(future) == &runs);
    filch_future_unref(future);
}

static void ran(void)
{
    model_check(runs == 1);
    freed();
}

static void begin_unheld(void)
{
    begin_held(0);
}

static void begin_final(void)
{
    begin_held(3);
    run_entry(0);
}

static void look_and_drop(unsigned i)
{
    (void)i;
    look(future);
    filch_future_unref(future);
}

/* Two handles, and who completes it. */
static void two_drop(unsigned i)
{
    if (i == 0) {
        run_entry(0);
        return;
    }
    if (filch_future_done(future))
        look(future);
    filch_future_unref(future);
}

/* ---- Errors ---- */

static void begin_failed(void)
{
    open_slab();
    future = make(3, false);
    run_entry(-EIO);
    close_slab();
}

/* The first two make it, whoever comes first; the third finds what there is. */
static void ask(unsigned i)
{
    if (i < 2) {
        const filch_error *error = filch_future_error(future);
        model_check(filch_error_code(error) == -EIO);
        said[i] = error;
    } else {
        model_check(!filch_future_name(future));
        model_check(filch_future_state(future) == FILCH_FAILED);
    }
}

static void said_the_same(void)
{
    model_check(said[0] == said[1]);
    for (unsigned i = 0; i < 3; i++)
        filch_future_unref(future);
    model_check(reported == 0);
    freed();
}

/* The first owns the slab, the second does not: each gives back what is not needed where it is from. */
static void begin_failed_at_home(void)
{
    open_slab();
    future = make(3, false);
    run_entry(-EIO);
}

static void ask_at_home(unsigned i)
{
    if (i == 0)
        filchi_slab_here = &slab;
    ask(i);
}

static void said_the_same_at_home(void)
{
    model_check(said[0] == said[1]);
    for (unsigned i = 0; i < 3; i++)
        filch_future_unref(future);
    close_slab();
    freed();
}

/* Of a failure that nobody asks for the last one to hold it tells. */
static void fail_unseen(unsigned i)
{
    if (i == 0) {
        run_entry(-EIO);
        return;
    }
    if (i == 2 && filch_future_done(future))
        said[i] = filch_future_error(future);
    filch_future_unref(future);
}

static void was_reported(void)
{
    model_check(reported == !said[2]);
    freed();
}

/* The runner has no memory for its first error, then it has. */
static void fail_without_memory(unsigned i)
{
    if (i > 0) {
        wait_for(future, false);
        const filch_error *error = filch_future_error(future);
        model_check(filch_error_code(error) == -ENOENT);
        filch_future_unref(future);
        return;
    }
    model_check(filchi_future_claim(future) == FILCHI_CLAIM_GOT);
    filch_error *first = filch_error_create(-EIO, "first"), *second = filch_error_create(-ENOENT, "second");
    atomic_init(&filchi_os_faults.allocations, -1);
    filchi_future_attach_error(future, first);
    atomic_init(&filchi_os_faults.allocations, 0);
    model_check(filchi_future_cold(future) == &filchi_cold_stand_in);
    filchi_future_attach_error(future, filch_error_ref(second));
    filchi_future_attach_error(future, second);
    filchi_future_complete(future, -ENOENT);
}

/* ---- The thread on which it runs, and its scope ---- */

static struct group {
    struct filchi_group is;
    struct filchi_mpsc kept;
    struct filchi_parker left;
} * group;

static void keep(struct filchi_group *its, struct filchi_mpsc_chain *futures)
{
    filchi_mpsc_push_chain(&((struct group *)its)->kept, futures);
}

static void left(struct filchi_group *its, filch_state state, size_t n)
{
    model_check(state >= FILCH_DONE && n == 1);
    filchi_parker_signal(&((struct group *)its)->left);
}

/* Tasks of a scope, which gets them when they are final: the second has no other holder. */
static void begin_scope(unsigned members, uint32_t refs)
{
    open_slab();
    group = model_alloc(sizeof *group, _Alignof(struct group));
    group->is.keep = keep;
    group->is.left = left;
    filchi_mpsc_init(&group->kept);
    filchi_parker_init(&group->left);
    model_check(filch_stop_create(&stop, NULL) == 0);
    stop->group = &group->is;
    future = make(1 + refs, false);
    other = members > 1 ? make(1, false) : NULL;
    future->stop = (uintptr_t)stop | FILCHI_STOP_GROUP | FILCHI_STOP_KEPT;
    if (other)
        other->stop = future->stop;
    close_slab();
}

/* Who holds it looks for its thread: that, or none. */
static void look_for_thread(void)
{
    const void *thread = filchi_future_thread(future);
    model_check(!thread || thread == &runs);
}

/* The scope ends when all have left it, with all that they knew of it. */
static void end_scope(void)
{
    uint32_t emptied = 0, members = other ? 2 : 1;
    for (uint32_t seen = 0; seen < members; seen = filchi_parker_count(&group->left))
        filchi_parker_wait(&group->left, seen, FILCHI_NEVER);
    for (uint32_t i = 0; i < members; i++) {
        struct filchi_mpsc_node *node = filchi_mpsc_take(&group->kept, &emptied);
        model_check(node);
        filch_future *its = filchi_container_of(node, filch_future, link);
        model_check(filchi_future_final(its));
        filch_future_unref(its);
    }
    filch_stop_unref(stop);
    model_free(group);
}

static void begin_two_members(void)
{
    begin_scope(2, 1);
}

static void finish_in_scope(unsigned i)
{
    if (i == 2) {
        look_for_thread();
        look_for_thread();
        filch_future_unref(future);
        end_scope();
        return;
    }
    filch_future *its = i == 0 ? future : other;
    model_check(filchi_future_claim(its) == FILCHI_CLAIM_GOT);
    model_check(filchi_future_begin(its, (const struct filchi_thread *)&runs) == function);
    filchi_future_complete(its, 0);
}

static void begin_stopped(void)
{
    begin_scope(1, 2);
}

/* Its stop was requested before it began: it is STOPPED at once, and the code comes a moment later. */
static void stop_entry(unsigned i)
{
    if (i == 0) {
        uintptr_t old;
        if (filchi_future_stop_entry(future, -EINTR, &old) == FILCHI_CLAIM_GOT) {
            struct filchi_mpsc_chain alone = { NULL, NULL };
            filchi_mpsc_chain_add(&alone, &future->link);
            keep(&group->is, &alone);
            filchi_future_tell_waiters(future, old);
            left(&group->is, FILCH_STOPPED, 1);
        }
        end_scope();
        return;
    }
    if (i == 2)
        cancel(i);
    filch_state state = filch_future_state(future);
    if (state == FILCH_STOPPED)
        model_check(filchi_future_code(future) == -EINTR);
    else
        model_check(i == 1 || state == FILCH_CANCELLED);
    filch_future_unref(future);
}

static const struct model models[] = {
    /* clang-format off: a row each */
    { "future cancel", "a task is run or cancelled, not both, and then freed", 2, 0, begin_one, claim_or_cancel,
      after_one, 5, 20000 },
    { "future in place", "of two who claim and one who cancels one gets it", 3, 0, begin_two, claim_in_place,
      after_in_place, 2, 50000 },
    { "future cancel entry", "the same where the entry is cancelled", 3, 0, begin_two, cancel_entry, after_entry, 2,
      50000 },
    { "future wait", "who waits and who is called are served once, and see the result", 3, 0, begin_waited,
      wait_and_be_called, was_called, 2, 50000 },
    { "future wait in vain", "a wait that runs out takes its node along, whatever happens", 3, 0, begin_waited,
      wait_in_vain, after_vain, 1, 50000 },
    { "future drop", "the last handle and the completion: who comes second frees it", 2, 0, begin_dropped,
      complete_or_drop, ran, 8, 20000 },
    { "future unheld", "one that nobody holds is freed by who completes it", 1, 0, begin_unheld, complete_or_drop,
      ran, 0, 10 },
    { "future handles", "the last of three handles frees it, after the others' last use", 3, 0, begin_final,
      look_and_drop, ran, 6, 20000 },
    { "future two drop", "two handles go while it completes", 3, 0, begin_waited, two_drop, ran, 3, 50000 },
    { "future error", "all who ask for an error get the same", 3, 0, begin_failed, ask, said_the_same, 2, 50000 },
    { "future error at home", "the same where one who asks owns the slab", 3, 0, begin_failed_at_home, ask_at_home,
      said_the_same_at_home, 2, 50000 },
    { "future unobserved", "a failure that nobody asked for is reported once", 3, 0, begin_waited, fail_unseen,
      was_reported, 3, 50000 },
    { "future without memory", "what stands in for a cold part gives way to one", 2, 0, begin_dropped,
      fail_without_memory, freed, 3, 20000 },
    { "future scope", "a scope gets its tasks, and who looks for their threads never finds a link", 3, 0,
      begin_two_members, finish_in_scope, freed, 1, 50000 },
    { "future stopped", "one that is stopped before it began has its code", 3, 0, begin_stopped, stop_entry, freed,
      2, 50000 },
    /* clang-format on */
};

int main(int argc, char **argv)
{
    static const char *const files[] = { "future.c",     "future.h", "belongs.h", "answer.c",
                                         "transition.h", "cold.c",   "cold.h",    NULL };
    return model_main(argc, argv, files, models, sizeof models / sizeof models[0]);
}
