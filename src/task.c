/* SPDX-License-Identifier: MIT */
/* What a task function does with its own task: results, errors, stop. */
#include "error.h"
#include "handoff.h"

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
    unsigned attempts = filch_future_attempts(self);
    return attempts ? attempts : 1;
}

static void set_result(filch_task *self, void *result, void (*dtor)(void *))
{
    /* relaxed: only the runner and the submitter before it have written it. */
    if (dtor || atomic_load_explicit(&self->cold, memory_order_relaxed)) {
        if (self->result_dtor)
            self->result_dtor(self->value.result);
        self->result_dtor = dtor;
        filchi_future_use_cold(self);
    }
    self->value.result = result;
}

int filch_return(filch_task *self, void *result)
{
    set_result(self, result, NULL);
    return 0;
}

int filch_return_owned(filch_task *self, void *result, void (*dtor)(void *))
{
    set_result(self, result, dtor);
    return 0;
}

static int fail(filch_task *self, const filch_error *cause, int code, const char *format, va_list args)
{
    if (code == 0 && cause)
        code = filch_error_code(cause);
    if (code >= 0)
        code = -EINVAL;
    filch_error *error = filchi_error_make(filch_future_name(self), cause, code, format, args);
    /* relaxed: the runner's own until the final state publishes it. */
    filch_error_unref(atomic_exchange_explicit(&self->error, error, memory_order_relaxed));
    filchi_future_use_cold(self);
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
    return atomic_load_explicit(&self->error, memory_order_relaxed); /* relaxed: the runner's own. */
}
