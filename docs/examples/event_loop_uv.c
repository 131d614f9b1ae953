/* SPDX-License-Identifier: MIT */
/* An event loop on libuv: two handles of the kind uv_poll_t, and the loop ends when both are closed. */
#include "event_loop.h"

#include <uv.h>

static uv_poll_t answers, stop;

static void close_if_over(const struct work *work)
{
    if (!work_is_over(work))
        return;
    uv_close((uv_handle_t *)&answers, NULL);
    uv_close((uv_handle_t *)&stop, NULL);
}

static void on_answers(uv_poll_t *handle, int status, int events)
{
    struct work *work = handle->data;
    (void)status;
    (void)events;
    work_answer(work);
    close_if_over(work);
}

static void on_stop(uv_poll_t *handle, int status, int events)
{
    struct work *work = handle->data;
    (void)status;
    (void)events;
    uv_poll_stop(handle); /* it stays readable */
    work_stopping(work);
    close_if_over(work);
}

static int watch(uv_loop_t *loop, uv_poll_t *handle, int fd, uv_poll_cb callback, struct work *work)
{
    int rc = uv_poll_init(loop, handle, fd);
    handle->data = work;
    return rc ? rc : uv_poll_start(handle, UV_READABLE, callback);
}

int main(int argc, char **argv)
{
    struct work work;
    uv_loop_t *loop = uv_default_loop();
    int rc = work_begin(&work, argc, argv, "Answers requests from an event loop on libuv.");
    if (rc == 0)
        rc = watch(loop, &answers, work.answers, on_answers, &work);
    if (rc == 0)
        rc = watch(loop, &stop, work.stop_fd, on_stop, &work);
    if (rc == 0)
        rc = uv_run(loop, UV_RUN_DEFAULT);
    if (rc == 0)
        rc = uv_loop_close(loop);
    return work_end(&work, rc);
}
