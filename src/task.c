/* SPDX-License-Identifier: MIT */
/* What a task function does with its own task: results, errors, stop. */
#include "error.h"
#include "handoff.h"
#include "transition.h"

#include <errno.h>

filch_task *filch_task_current(void)
{
    const struct filchi_thread *thread = filchi_worker_thread();
    return thread && thread->frame ? thread->frame->task : NULL;
}

bool filch_task_stopped(const filch_task *self)
{
    return filchi_stop_peek(filchi_future_stop(self));
}

filch_stop *filch_task_stop(const filch_task *self)
{
    return filchi_future_stop(self);
}

filch_pool *filch_task_pool(const filch_task *self)
{
    (void)self; /* it runs on this thread */
    return filchi_thread_here->pool;
}

void filch_blocking_begin(filch_task *self)
{
    (void)self; /* it runs on this thread */
    filchi_handoff_enter_region(filchi_worker_thread());
}

void filch_blocking_end(filch_task *self)
{
    (void)self;
    filchi_handoff_leave_region(filchi_worker_thread());
}

unsigned filch_task_attempt(const filch_task *self)
{
    return filch_future_attempts(self);
}

int filch_return(filch_task *self, void *result)
{
    filchi_future_drop_result(self);
    filchi_future_set_result(self, result);
    return 0;
}

int filch_return_owned(filch_task *self, void *result, void (*dtor)(void *))
{
    if (!dtor)
        return filch_return(self, result);
    struct filchi_cold *cold = filchi_future_own_cold(self);
    if (cold == &filchi_cold_stand_in) {
        dtor(result);
        filch_return(self, NULL);
        return -ENOMEM;
    }
    filch_return(self, result);
    cold->result_dtor = dtor;
    return 0;
}

static int fail(filch_task *self, const filch_error *cause, int code, const char *format, va_list args)
{
    if (code == 0 && cause)
        code = filch_error_code(cause);
    if (code >= 0)
        code = -EINVAL;
    filchi_future_attach_error(self, filchi_error_make(filch_future_name(self), cause, code, format, args));
    return code;
}

int filch_fail(filch_task *self, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    code = fail(self, NULL, code, format, args);
    va_end(args);
    return code;
}

int filch_fail_from(filch_task *self, const filch_error *cause, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    code = fail(self, cause, code, format, args);
    va_end(args);
    return code;
}

const filch_error *filch_task_error(const filch_task *self)
{
    const struct filchi_cold *cold = filchi_future_cold(self);
    return cold ? atomic_load_explicit(&cold->error, memory_order_relaxed) : NULL; /* relaxed: the runner's own. */
}
