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
    unsigned attempt; /* 0: of no task with retries */
    const char *task;
    filch_error *cause;
    const char *message;
    filch_error *next_dead; /* filch_error_unref(): the next one to free */
    size_t n_suppressed;    /* all of them */
    size_t n_kept;
    filch_error *kept[]; /* then the message, then the task's name */
};

struct filch_error filchi_error_out_of_memory = {
    .code = -ENOMEM,
    .message = "an error happened, and there was no memory left to tell which",
};

/* The task's name is copied, the message is not there yet. NULL without memory. */
static filch_error *allocate(const char *task, size_t message_length, size_t n_kept)
{
    size_t name = task ? strlen(task) + 1 : 0;
    filch_error *error =
        filchi_os_alloc(sizeof *error + n_kept * sizeof error->kept[0] + message_length + 1 + name);
    if (!error)
        return NULL;
    char *message = (char *)(error->kept + n_kept);
    atomic_init(&error->refs, 1);
    error->message = message;
    if (task)
        error->task = memcpy(message + message_length + 1, task, name);
    return error;
}

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
    filch_error *error = allocate(task, message, 0);
    if (!error)
        return &filchi_error_out_of_memory;
    error->code = code;
    error->cause = filch_error_ref(cause);
    if (length >= 0)
        vsnprintf((char *)error->kept, message + 1, format, args);
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

filch_error *filchi_error_with_attempt(const char *task, const filch_error *cause, unsigned attempt,
                                       const char *format, ...)
{
    va_list args;
    va_start(args, format);
    filch_error *error = filchi_error_make(task, cause, 0, format, args);
    va_end(args);
    if (error != &filchi_error_out_of_memory)
        error->attempt = attempt;
    return error;
}

filch_error *filchi_error_with_suppressed(const filch_error *error, const filch_error *const *kept, size_t n_kept,
                                          size_t n_all)
{
    size_t message = strlen(error->message);
    filch_error *copy = n_all ? allocate(error->task, message, error->n_kept + n_kept) : NULL;
    if (!copy)
        return filch_error_ref(error);
    copy->code = error->code;
    copy->attempt = error->attempt;
    copy->cause = filch_error_ref(error->cause);
    for (size_t i = 0; i < error->n_kept; i++)
        copy->kept[copy->n_kept++] = filch_error_ref(error->kept[i]);
    for (size_t i = 0; i < n_kept; i++)
        copy->kept[copy->n_kept++] = filch_error_ref(kept[i]);
    copy->n_suppressed = error->n_suppressed + n_all;
    memcpy(copy->kept + copy->n_kept, error->message, message + 1);
    return copy;
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
    if (counted && counted != &filchi_error_out_of_memory)
        atomic_fetch_add_explicit(&counted->refs, 1, memory_order_relaxed); /* relaxed: the caller holds one. */
    return counted;
}

/* Drops a reference; true if it was the last and the caller must free the error. */
static bool drop(filch_error *error)
{
    if (!error || error == &filchi_error_out_of_memory)
        return false;
    /* acq_rel E1: pairs with itself; the last one sees that all others are done with it. */
    return atomic_fetch_sub_explicit(&error->refs, 1, memory_order_acq_rel) == 1;
}

static filch_error *drop_onto(filch_error *dead, filch_error *error)
{
    if (!drop(error))
        return dead;
    error->next_dead = dead;
    return error;
}

void filch_error_unref(filch_error *error)
{
    /* A list instead of recursion, as a chain may be as long as its tasks were nested. */
    filch_error *dead = drop_onto(NULL, error);
    while (dead) {
        filch_error *last = dead;
        dead = drop_onto(last->next_dead, last->cause);
        for (size_t i = 0; i < last->n_kept; i++)
            dead = drop_onto(dead, last->kept[i]);
        filchi_os_free(last);
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

unsigned filch_error_attempt(const filch_error *error)
{
    return error->attempt;
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

size_t filch_error_suppressed_count(const filch_error *error)
{
    return error->n_suppressed;
}

const filch_error *filch_error_suppressed(const filch_error *error, size_t index)
{
    return index < error->n_kept ? error->kept[index] : NULL;
}

/* ---- Printing ---- */

/* Where lines go: to the stream, or, if that is NULL, as far as there is room into the buffer. */
struct sink {
    FILE *stream;
    char *buffer;
    size_t size;
    size_t length; /* of all that was put, whether there was room or not */
    bool failed;
};

static void put(struct sink *sink, const char *format, ...) FILCH_PRINTF(2, 3);
static void put(struct sink *sink, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    bool room = sink->length < sink->size;
    int n = sink->stream ? vfprintf(sink->stream, format, args)
                         : vsnprintf(room ? sink->buffer + sink->length : NULL,
                                     room ? sink->size - sink->length : 0, format, args);
    va_end(args);
    sink->length += n > 0 ? (size_t)n : 0;
    sink->failed |= n < 0;
}

/* `lead`, in brackets what is known of the task, the message, what the code means. One call, as others may print. */
static void put_error(struct sink *sink, const char *lead, const filch_error *error)
{
    char code[96], attempt[32] = "";
    filchi_os_error_text(error->code, code, sizeof code);
    if (error->attempt)
        snprintf(attempt, sizeof attempt, "%sattempt %u", error->task ? ", " : "", error->attempt);
    bool known = error->task || error->attempt;
    put(sink, "%s%s%s%s%s%s (%s)\n", lead, known ? "[" : "", error->task ? error->task : "", attempt,
        known ? "] " : "", error->message, code);
}

static void put_suppressed(struct sink *sink, const filch_error *error)
{
    for (size_t i = 0; i < error->n_kept; i++)
        for (const filch_error *at = error->kept[i]; at; at = at->cause)
            put_error(sink, at == error->kept[i] ? "  suppressed: " : "    caused by: ", at);
    if (error->n_suppressed > error->n_kept)
        put(sink, "  suppressed: %zu more\n", error->n_suppressed - error->n_kept);
}

/* The chain of causes first, so that it is read in one piece; then what its errors suppressed. */
static void put_chain(struct sink *sink, const filch_error *error)
{
    for (const filch_error *at = error; at; at = at->cause)
        put_error(sink, at == error ? "" : "  caused by: ", at);
    for (const filch_error *at = error; at; at = at->cause)
        put_suppressed(sink, at);
}

size_t filch_error_format(const filch_error *error, char *buffer, size_t size)
{
    struct sink sink = { .buffer = buffer, .size = size };
    if (size)
        buffer[0] = '\0';
    put_chain(&sink, error);
    return sink.length;
}

int filch_error_print(const filch_error *error, FILE *stream)
{
    struct sink sink = { .stream = stream };
    put_chain(&sink, error);
    return sink.failed ? -EIO : 0;
}

void filch_error_cleanup(filch_error **error)
{
    filch_error_unref(*error);
}
