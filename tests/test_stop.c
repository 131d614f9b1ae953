/* SPDX-License-Identifier: MIT */
/* Stops: the first reason wins, parents stop children, and every way to hear of it. */
#include "stop.h"

#include "os.h"
#include "support.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>

SUITE(stop);

/* ---- Reasons ---- */

Test(stop, a_new_stop_is_not_requested_and_has_no_reason)
{
    filch_stop *stop = stop_under(NULL);
    cr_assert_not(filch_stop_requested(stop));
    cr_assert_eq(filch_stop_reason(stop), 0);
    cr_assert_null(filch_stop_error(stop));
    filch_stop_unref(stop);
}

Test(stop, the_first_reason_stands)
{
    filch_stop *stop = stop_under(NULL);
    cr_assert(filch_stop_request(stop, -EINTR));
    cr_assert_not(filch_stop_request(stop, -EIO));
    cr_assert(filch_stop_requested(stop));
    cr_assert_eq(filch_stop_reason(stop), -EINTR);
    filch_stop_unref(stop);
}

Test(stop, a_reason_that_is_no_negative_code_becomes_canceled)
{
    static const int odd[] = { 0, 1, INT_MAX, INT_MIN };
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        filch_stop *stop = stop_under(NULL);
        cr_assert(filch_stop_request(stop, odd[i]));
        cr_assert_eq(filch_stop_reason(stop), -ECANCELED);
        filch_stop_unref(stop);
    }
}

Test(stop, an_error_as_reason_is_kept_and_gives_its_code)
{
    filch_stop *stop = stop_under(NULL);
    filch_error *error = filch_error_create(-EIO, "the disk is gone");
    cr_assert(filch_stop_request_error(stop, error));
    filch_error_unref(error);
    cr_assert_eq(filch_stop_reason(stop), -EIO);
    cr_assert_str_eq(filch_error_message(filch_stop_error(stop)), "the disk is gone");
    filch_stop_unref(stop);
}

Test(stop, an_error_that_comes_second_is_not_kept)
{
    filch_stop *stop = stop_under(NULL);
    filch_error *error = filch_error_create(-EIO, "late");
    cr_assert(filch_stop_request(stop, -EINTR));
    cr_assert_not(filch_stop_request_error(stop, error));
    filch_error_unref(error);
    cr_assert_eq(filch_stop_reason(stop), -EINTR);
    cr_assert_null(filch_stop_error(stop));
    filch_stop_unref(stop);
}

Test(stop, no_error_as_reason_is_canceled)
{
    filch_stop *stop = stop_under(NULL);
    cr_assert(filch_stop_request_error(stop, NULL));
    cr_assert_eq(filch_stop_reason(stop), -ECANCELED);
    filch_stop_unref(stop);
}

Test(stop, after_any_request_the_stop_is_requested_though_the_first_is_still_under_way)
{
    filch_stop *stop = stop_under(NULL);
    atomic_store(&stop->reason, ((uintptr_t)EIO << 2) | 1); /* another thread has set its reason, and no more yet */
    cr_assert_not(filch_stop_request(stop, -EINTR));
    cr_assert(filch_stop_requested(stop), "a task that asks for a stop must not find that there is none");
    cr_assert_eq(filch_stop_reason(stop), -EIO);
    filch_stop_unref(stop);
}

/* ---- The tree ---- */

Test(stop, a_parent_stops_its_children_and_not_the_reverse)
{
    filch_stop *parent = stop_under(NULL), *one = stop_under(parent), *two = stop_under(parent);
    cr_assert(filch_stop_request(one, -EIO));
    cr_assert_not(filch_stop_requested(parent));
    cr_assert_not(filch_stop_requested(two));
    cr_assert(filch_stop_request(parent, -EINTR));
    cr_assert_eq(filch_stop_reason(two), -EINTR);
    cr_assert_eq(filch_stop_reason(one), -EIO, "its own reason came first");
    filch_stop_unref(parent);
    filch_stop_unref(one);
    filch_stop_unref(two);
}

Test(stop, a_child_that_was_stopped_before_keeps_its_reason_and_not_the_parents_error)
{
    filch_stop *parent = stop_under(NULL), *child = stop_under(parent);
    filch_error *error = filch_error_create(-EIO, "of the parent");
    cr_assert(filch_stop_request(child, -EINTR));
    cr_assert(filch_stop_request_error(parent, error));
    filch_error_unref(error);
    cr_assert_eq(filch_stop_reason(child), -EINTR);
    cr_assert_null(filch_stop_error(child));
    filch_stop_unref(parent);
    filch_stop_unref(child);
}

Test(stop, a_child_of_a_stopped_parent_is_born_stopped)
{
    filch_stop *parent = stop_under(NULL);
    filch_error *error = filch_error_create(-EIO, "the disk is gone");
    cr_assert(filch_stop_request_error(parent, error));
    filch_stop *child = stop_under(parent);
    cr_assert(filch_stop_requested(child));
    cr_assert_eq(filch_stop_error(child), error);
    filch_stop_unref(parent);
    filch_stop_unref(child);
    filch_error_unref(error);
}

Test(stop, children_inherit_the_error_itself)
{
    filch_stop *parent = stop_under(NULL), *child = stop_under(parent), *grandchild = stop_under(child);
    filch_error *error = filch_error_create(-EIO, "the disk is gone");
    cr_assert(filch_stop_request_error(parent, error));
    filch_error_unref(error);
    filch_stop_unref(parent);
    filch_stop_unref(child);
    cr_assert_eq(filch_stop_reason(grandchild), -EIO);
    cr_assert_str_eq(filch_error_message(filch_stop_error(grandchild)), "the disk is gone");
    filch_stop_unref(grandchild);
}

Test(stop, a_child_keeps_its_parent)
{
    filch_stop *parent = stop_under(NULL);
    filch_stop *child = stop_under(parent);
    filch_stop *held = filch_stop_ref(parent);
    filch_stop_unref(parent);
    cr_assert(filch_stop_request(held, -EINTR));
    filch_stop_unref(held);
    cr_assert_eq(filch_stop_reason(child), -EINTR);
    filch_stop_unref(child);
}

Test(stop, a_child_that_is_gone_is_not_missed)
{
    filch_stop *parent = stop_under(NULL);
    filch_stop *children[3] = { stop_under(parent), stop_under(parent), stop_under(parent) };
    filch_stop_unref(children[1]);
    cr_assert(filch_stop_request(parent, 0));
    cr_assert(filch_stop_requested(children[0]));
    cr_assert(filch_stop_requested(children[2]));
    filch_stop_unref(children[0]);
    filch_stop_unref(children[2]);
    filch_stop_unref(parent);
}

#define DEPTH 1000

Test(stop, a_deep_tree_is_stopped_from_the_top_and_freed_from_the_bottom)
{
    filch_stop *top = stop_under(NULL), *bottom = filch_stop_ref(top);
    for (int i = 0; i < DEPTH; i++) {
        filch_stop *child = stop_under(bottom);
        filch_stop_unref(bottom);
        bottom = child;
    }
    cr_assert(filch_stop_request(top, -EINTR));
    cr_assert_eq(filch_stop_reason(bottom), -EINTR);
    filch_stop_unref(top);
    filch_stop_unref(bottom);
}

/* ---- Descriptors ---- */

static bool readable(filch_stop *stop)
{
    struct pollfd poller = { .events = POLLIN };
    must(filch_stop_fd(stop, &poller.fd) == 0);
    return poll(&poller, 1, 0) == 1 && poller.revents == POLLIN;
}

Test(stop, its_descriptor_becomes_readable_and_is_the_same_each_time)
{
    filch_stop *stop = stop_under(NULL);
    int first = -1, second = -2;
    cr_assert_eq(filch_stop_fd(stop, &first), 0);
    cr_assert_eq(filch_stop_fd(stop, &second), 0);
    cr_assert_eq(first, second);
    cr_assert_not(readable(stop));
    filch_stop_request(stop, 0);
    cr_assert(readable(stop));
    filch_stop_unref(stop);
    cr_assert_eq(close(first), -1, "it was closed with its stop");
}

Test(stop, a_descriptor_asked_for_late_is_readable_at_once)
{
    filch_stop *stop = stop_under(NULL);
    filch_stop_request(stop, 0);
    cr_assert(readable(stop));
    filch_stop_unref(stop);
}

Test(stop, the_descriptor_of_a_child_hears_of_the_parents_stop)
{
    filch_stop *parent = stop_under(NULL), *child = stop_under(parent);
    cr_assert_not(readable(child));
    filch_stop_request(parent, 0);
    cr_assert(readable(child));
    filch_stop_unref(parent);
    filch_stop_unref(child);
}

Test(stop, without_descriptors_left_the_stop_works_and_says_so)
{
    filch_stop *stop = stop_under(NULL);
    int fd = -7;
    atomic_store(&filchi_os_faults.events, 1);
    cr_assert_eq(filch_stop_fd(stop, &fd), -EMFILE);
    cr_assert_eq(fd, -7);
    cr_assert_eq(filch_stop_fd(stop, &fd), 0, "the next one works");
    filch_stop_request(stop, 0);
    cr_assert(readable(stop));
    filch_stop_unref(stop);
}

Test(stop, without_memory_none_is_created)
{
    filch_stop *stop = NULL;
    atomic_store(&filchi_os_faults.allocations, 1);
    cr_assert_eq(filch_stop_create(&stop, NULL), -ENOMEM);
    cr_assert_null(stop);
}

Test(stop, no_stop_may_be_let_go)
{
    filch_stop_unref(NULL);
    cr_assert_null(filch_stop_ref(NULL));
    filch_stop *none = NULL;
    filch_stop_cleanup(&none);
}

static void *ask_for_fd(void *stop)
{
    int fd = -1;
    must(filch_stop_fd(stop, &fd) == 0);
    return (void *)(intptr_t)fd;
}

Test(stop, many_who_ask_for_the_descriptor_at_once_get_the_same)
{
    enum { ASKERS = 4 };
    for (int round = 0; round < 300; round++) {
        pthread_t askers[ASKERS];
        void *fds[ASKERS];
        filch_stop *stop = stop_under(NULL);
        for (int i = 0; i < ASKERS; i++)
            must(pthread_create(&askers[i], NULL, ask_for_fd, stop) == 0);
        filch_stop_request(stop, 0);
        for (int i = 0; i < ASKERS; i++)
            pthread_join(askers[i], &fds[i]);
        for (int i = 1; i < ASKERS; i++)
            cr_assert_eq(fds[i], fds[0]);
        cr_assert(readable(stop));
        filch_stop_unref(stop);
    }
}

/* ---- Signals and threads ---- */

static filch_stop *of_the_handler;

static void on_signal(int number)
{
    (void)number;
    filch_stop_request(of_the_handler, -EINTR);
}

Test(stop, a_signal_handler_may_request_it)
{
    filch_stop *parent = of_the_handler = stop_under(NULL), *child = stop_under(parent);
    cr_assert_not(readable(child));
    signal(SIGUSR1, on_signal);
    errno = 0;
    raise(SIGUSR1);
    cr_assert_eq(filch_stop_reason(child), -EINTR);
    cr_assert(readable(child));
    filch_stop_unref(child);
    filch_stop_unref(parent);
}

#define THREADS 4
#define ROUNDS 2000

struct contest {
    filch_stop *stop;
    pthread_barrier_t start, end;
    _Atomic int winners, winner;
};

static void *request_it(void *arg)
{
    struct contest *contest = arg;
    static _Atomic int ids;
    int me = 1 + atomic_fetch_add(&ids, 1);
    for (int i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(&contest->start);
        filch_stop *child = stop_under(contest->stop); /* comes and goes while the parent is being stopped */
        if (filch_stop_request(contest->stop, -me)) {
            atomic_fetch_add(&contest->winners, 1);
            atomic_store(&contest->winner, me);
        }
        must(filch_stop_requested(contest->stop));
        filch_stop_unref(child);
        pthread_barrier_wait(&contest->end);
    }
    return NULL;
}

Test(stop, of_many_requests_at_once_one_wins)
{
    struct contest contest;
    pthread_t threads[THREADS];
    pthread_barrier_init(&contest.start, NULL, THREADS + 1);
    pthread_barrier_init(&contest.end, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        must(pthread_create(&threads[i], NULL, request_it, &contest) == 0);
    for (int i = 0; i < ROUNDS; i++) {
        contest.stop = stop_under(NULL);
        atomic_store(&contest.winners, 0);
        pthread_barrier_wait(&contest.start);
        pthread_barrier_wait(&contest.end);
        must(atomic_load(&contest.winners) == 1);
        must(filch_stop_reason(contest.stop) == -atomic_load(&contest.winner));
        filch_stop_unref(contest.stop);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}
