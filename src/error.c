/* SPDX-License-Identifier: MIT */
/* Errors: see error.h. */
#include "error.h"

#include "os.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

struct filch_error {
    _Atomic uint32_t refs; /* 0: static, not counted */
    int code;
    const char *task;
    filch_error *cause;
    const char *message;
    char text[];
};

/* Shared by every pool; read only. */
static struct filch_error out_of_memory = {
    .code = -ENOMEM,
    .message = "an error happened, and there was no memory left to tell which",
};

filch_error *filchi_error_make(const char *task, const filch_error *cause, int code, const char *format,
                               va_list args)
{
    if (code == 0 && cause)
        code = cause->code;
    if (code >= 0)
        code = -EINVAL;
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    size_t message = length < 0 ? 0 : (size_t)length; /* a format that cannot be printed leaves an empty message */
    size_t name = task ? strlen(task) + 1 : 0;
    filch_error *error = filchi_os_alloc(sizeof *error + message + 1 + name);
    if (!error)
        return &out_of_memory;
    atomic_init(&error->refs, 1);
    error->code = code;
    error->cause = filch_error_ref(cause);
    error->message = error->text;
    if (length >= 0)
        vsnprintf(error->text, message + 1, format, args);
    if (task)
        error->task = memcpy(error->text + message + 1, task, name);
    return error;
}

filch_error *filchi_error_makef(const char *task, const filch_error *cause, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    filch_error *error = filchi_error_make(task, cause, code, format, args);
    va_end(args);
    return error;
}

filch_error *filch_error_create(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    filch_error *error = filchi_error_make(NULL, NULL, code, format, args);
    va_end(args);
    return error;
}

filch_error *filch_error_create_from(const filch_error *cause, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    filch_error *error = filchi_error_make(NULL, cause, code, format, args);
    va_end(args);
    return error;
}

filch_error *filch_error_ref(const filch_error *error)
{
    filch_error *counted = (filch_error *)(uintptr_t)error; /* the count is not part of what is immutable */
    if (counted && counted != &out_of_memory)
        atomic_fetch_add_explicit(&counted->refs, 1, memory_order_relaxed); /* relaxed: the caller holds one. */
    return counted;
}

void filch_error_unref(filch_error *error)
{
    /* A loop, as a chain may be as long as its tasks were nested. */
    while (error && error != &out_of_memory) {
        /* acq_rel E1: pairs with itself; the last one sees that all others are done with it. */
        if (atomic_fetch_sub_explicit(&error->refs, 1, memory_order_acq_rel) != 1)
            return;
        filch_error *cause = error->cause;
        filchi_os_free(error);
        error = cause;
    }
}

int filch_error_code(const filch_error *error)
{
    return error->code;
}

const char *filch_error_message(const filch_error *error)
{
    return error->message;
}

const char *filch_error_task(const filch_error *error)
{
    return error->task;
}

const filch_error *filch_error_cause(const filch_error *error)
{
    return error->cause;
}

const filch_error *filch_error_root(const filch_error *error)
{
    while (error && error->cause)
        error = error->cause;
    return error;
}

/* One line of the chain: for causes a lead, for tasks the name, the message, what the code means. */
#define LINE_FORMAT "%s%s%s%s%s (%s)\n"
#define LINE_ARGUMENTS(error, lead, code)                                                          \
    lead, (error)->task ? "[" : "", (error)->task ? (error)->task : "", (error)->task ? "] " : "", \
        (error)->message, code
#define LEAD(is_cause) ((is_cause) ? "  caused by: " : "")

size_t filch_error_format(const filch_error *error, char *buffer, size_t size)
{
    size_t length = 0;
    if (size)
        buffer[0] = '\0';
    for (const filch_error *at = error; at; at = at->cause) {
        char code[96];
        filchi_os_error_text(at->code, code, sizeof code);
        bool room = length < size;
        int n = snprintf(room ? buffer + length : NULL, room ? size - length : 0, LINE_FORMAT,
                         LINE_ARGUMENTS(at, LEAD(at != error), code));
        length += n > 0 ? (size_t)n : 0;
    }
    return length;
}

int filch_error_print(const filch_error *error, FILE *stream)
{
    for (const filch_error *at = error; at; at = at->cause) {
        char code[96];
        filchi_os_error_text(at->code, code, sizeof code);
        if (fprintf(stream, LINE_FORMAT, LINE_ARGUMENTS(at, LEAD(at != error), code)) < 0)
            return -EIO;
    }
    return 0;
}

void filch_error_cleanup(filch_error **error)
{
    filch_error_unref(*error);
}
