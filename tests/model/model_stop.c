/* SPDX-License-Identifier: MIT */
/*
 * Stops: requests against requests, children that come and go while their parent stops them, callbacks that are ended
 * before, during and after their call, and the eventfd.
 */
#include "engine.h"
#include "error.h"
#include "stop.h"

#include <errno.h>

static filch_stop *parent, *child;
static filch_error *error;
static bool first[2]; /* whose reason stood, as each was told */

static void freed(void)
{
    model_check(model_allocated() == 0);
}

/* ---- The first reason wins ---- */

static void begin_family(void)
{
    first[0] = first[1] = false;
    error = filch_error_create(-EIO, "the disk is gone");
    model_check(filch_stop_create(&parent, NULL) == 0);
    model_check(filch_stop_create(&child, parent) == 0);
}

static void read_reason(const filch_stop *stop)
{
    int reason = filch_stop_reason(stop);
    model_check(reason == 0 || reason == -EIO || reason == -EINTR);
    const filch_error *held = filch_stop_error(stop);
    if (held)
        model_check(filch_error_code(held) == -EIO);
}

/* After any request it is requested, and so are those below, unless another thread is about to tell them. */
static void request(unsigned i)
{
    if (i == 0)
        first[i] = filch_stop_request_error(parent, error);
    else if (i == 1)
        first[i] = filch_stop_request(parent, -EINTR);
    if (i < 2)
        model_check(filch_stop_requested(parent));
    read_reason(parent);
    read_reason(child);
}

static void one_was_first(void)
{
    model_check(first[0] != first[1]);
    model_check(filch_stop_reason(child) == (first[0] ? -EIO : -EINTR));
    model_check(filch_stop_reason(parent) == filch_stop_reason(child));
    filch_stop_unref(child);
    filch_stop_unref(parent);
    filch_error_unref(error);
    freed();
}

/* Who makes an error just for its request: it is published with it, and freed with the stop. */
static void request_with_own(unsigned i)
{
    if (i == 0) {
        filch_error *own = filch_error_create(-EIO, "the disk is gone");
        first[i] = filch_stop_request_error(parent, own);
        filch_error_unref(own);
    } else if (i == 1) {
        first[i] = filch_stop_request(parent, -EINTR);
        model_check(filch_stop_reason(parent) < 0); /* the other's, perhaps, which is still on its way */
        read_reason(child);
    } else {
        model_check(!filchi_stop_timed_out(parent));
        model_check(filch_stop_reason(parent) <= 0);
        const filch_error *held = filch_stop_error(parent);
        model_check(!held || filch_error_code(held) == -EIO);
    }
}

/* ---- Children that come and go ---- */

static void come_and_go(unsigned i)
{
    if (i == 0) {
        filch_stop_request_error(parent, error);
        return;
    }
    filch_stop *own = NULL;
    model_check(filch_stop_create(&own, parent) == 0);
    read_reason(own);
    filch_stop_unref(own);
}

static void all_gone(void)
{
    model_check(filch_stop_reason(child) == -EIO);
    filch_stop_unref(child);
    filch_stop_unref(parent);
    filch_error_unref(error);
    freed();
}

/* The child, which somebody uses until it goes, is the last that holds its parent. */
static void free_while_stopped(unsigned i)
{
    if (i == 0) {
        filch_stop_request_error(parent, error);
        filch_stop_unref(parent);
        return;
    }
    if (i == 1)
        filch_stop_ref(child);
    read_reason(child);
    filch_stop_unref(child);
    if (i == 1)
        filch_stop_unref(child);
}

static void begin_held_child(void)
{
    begin_family();
    filch_stop_ref(child);
}

static void error_left(void)
{
    filch_error_unref(error);
    freed();
}

/* ---- Callbacks ---- */

static filch_stop_callback *callbacks[2];
static unsigned calls[2];
static bool ended[2]; /* by whoever has ended it, once it was */
static bool before[2];

static void called(void *arg)
{
    unsigned i = (unsigned)(uintptr_t)arg;
    model_check(!ended[i]);
    calls[i]++;
}

static void called_and_ends(void *arg)
{
    called(arg);
    before[0] = filch_stop_callback_end(callbacks[0]);
}

static void called_and_ends_next(void *arg)
{
    called(arg);
    before[1] = filch_stop_callback_end(callbacks[1]);
    ended[1] = true;
}

static void begin_with(void (*function)(void *))
{
    calls[0] = calls[1] = 0;
    ended[0] = ended[1] = before[0] = before[1] = false;
    callbacks[0] = callbacks[1] = NULL;
    model_check(filch_stop_create(&parent, NULL) == 0);
    model_check(filch_stop_create(&child, parent) == 0);
    model_check(filch_stop_on_request(&callbacks[0], child, function, (void *)0) == 0);
}

static void begin_callback(void)
{
    begin_with(called);
}

static void end_callback(unsigned i)
{
    before[i] = filch_stop_callback_end(callbacks[i]);
    ended[i] = true;
}

/* Ended while it is called, or before. */
static void call_and_end(unsigned i)
{
    if (i == 0)
        filch_stop_request(parent, -EINTR);
    else
        end_callback(0);
}

static void called_unless_ended(void)
{
    model_check(calls[0] == !before[0]);
    filch_stop_unref(child);
    filch_stop_unref(parent);
    freed();
}

/* One is registered while the stop is requested, and ended by the same thread. */
static void register_and_end(unsigned i)
{
    if (i == 0) {
        filch_stop_request(parent, -EINTR);
        return;
    }
    if (i == 2) {
        end_callback(0);
        return;
    }
    model_check(filch_stop_on_request(&callbacks[1], child, called, (void *)1) == 0);
    end_callback(1);
}

static void both_called_unless_ended(void)
{
    model_check(calls[1] == !before[1]);
    called_unless_ended();
}

/* One that ends itself. */
static void begin_self(void)
{
    begin_with(called_and_ends);
}

static void requests_alone(unsigned i)
{
    filch_stop_request(i == 0 ? parent : child, -EINTR);
}

/* One that ends the next, whose turn has not come. */
static void begin_next(void)
{
    begin_with(called_and_ends_next);
    model_check(filch_stop_on_request(&callbacks[1], child, called, (void *)1) == 0);
}

static void call_next_and_end(unsigned i)
{
    if (i == 0)
        filch_stop_request(parent, -EINTR);
    else
        end_callback(0);
}

static void next_was_ended(void)
{
    if (before[0])
        model_check(calls[1] == 1 && !filch_stop_callback_end(callbacks[1]));
    else
        model_check(calls[1] == 0 && before[1]);
    called_unless_ended();
}

/* ---- The eventfd ---- */

static int fds[2];

static void begin_alone(void)
{
    model_check(filch_stop_create(&parent, NULL) == 0);
}

static void ask_for_fd(unsigned i)
{
    if (i == 2)
        filch_stop_request(parent, -EINTR);
    else
        model_check(filch_stop_fd(parent, &fds[i]) == 0);
}

static void fd_tells(void)
{
    model_check(fds[0] == fds[1] && model_event_signalled(fds[0]));
    filch_stop_unref(parent);
    freed();
}

static const struct model models[] = {
    /* clang-format off: a row each */
    { "stop free", "a child is freed while its parent stops it, and the parent with it", 3, 0, begin_held_child,
      free_while_stopped, error_left, 2, 50000 },
    { "stop reason", "of two requests one is first, and all of the tree has its reason", 3, 0, begin_family,
      request, one_was_first, 2, 50000 },
    { "stop error", "a reason made for the request is published with it", 3, 0, begin_family, request_with_own,
      one_was_first, 2, 50000 },
    { "stop children", "a child that comes or goes while its parent is requested is stopped or gone", 3, 0,
      begin_family, come_and_go, all_gone, 2, 50000 },
    { "stop callback", "a callback is called or ended, and not called after its end", 2, 0, begin_callback,
      call_and_end, called_unless_ended, 4, 50000 },
    { "stop callbacks", "the same while another is registered", 3, 0, begin_callback, register_and_end,
      both_called_unless_ended, 1, 50000 },
    { "stop self", "a callback may end itself", 2, 0, begin_self, requests_alone, called_unless_ended, 3, 20000 },
    { "stop next", "a callback may end the next, whose turn never comes", 2, 0, begin_next, call_next_and_end,
      next_was_ended, 3, 20000 },
    { "stop fd", "all who ask get the same event, which tells of the request", 3, 0, begin_alone, ask_for_fd,
      fd_tells, 2, 50000 },
    /* clang-format on */
};

int main(int argc, char **argv)
{
    static const char *const files[] = { "stop.c", "stop.h", "stop_callback.c", NULL };
    return model_main(argc, argv, files, models, sizeof models / sizeof models[0]);
}
