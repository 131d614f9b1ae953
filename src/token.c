/* SPDX-License-Identifier: MIT */
/*
 * Contexts that are put in force for a while. What was forked before another one is in force is shown first: once it
 * is, it bears its setting, and runs in that wherever it runs.
 */
#include "context.h"
#include "worker.h"

#include <errno.h>

/* The thread with what it forks with, if it is inside a task and has such a thing. */
static struct filchi_thread *forking_thread(void)
{
    struct filchi_thread *thread = filchi_worker_thread();
    return thread && thread->frame && thread->forker ? thread : NULL;
}

static void show_forked(void)
{
    struct filchi_thread *thread = forking_thread();
    if (thread)
        filchi_forker_show_all(thread);
}

/* Whether a call that the task has forked was shown, and is not joined. */
static bool any_shown(void)
{
    const struct filchi_thread *thread = forking_thread();
    return thread && thread->forker->shown > thread->frame->shown;
}

/* The context is the token's from now on. */
static void open_token(filch_context_token *token, filch_context *context)
{
    const struct filchi_thread *thread = filchi_worker_thread();
    show_forked();
    filchi_context_open(token, thread && thread->frame ? thread->frame->task : NULL, context);
}

int filch_context_begin(filch_context_token **out, unsigned slot, void *value, void (*dtor)(void *))
{
    if (!out || slot >= FILCH_CONTEXT_SLOTS)
        return -EINVAL;
    filch_context_token *token = filchi_os_alloc(sizeof *token);
    if (!token)
        return -ENOMEM;
    filch_context *context = filchi_context_create(filchi_context_here.current, slot, value, dtor);
    if (!context) {
        filchi_os_free(token);
        return -ENOMEM;
    }
    open_token(token, context);
    *out = token;
    return 0;
}

int filch_context_enter(filch_context_token **out, filch_context *context)
{
    if (!out)
        return -EINVAL;
    filch_context_token *token = filchi_os_alloc(sizeof *token);
    if (!token)
        return -ENOMEM;
    open_token(token, filch_context_ref(context));
    *out = token;
    return 0;
}

void filch_context_end(filch_context_token *token)
{
    if (!token)
        return;
    show_forked();
    filchi_context_shut(token, any_shown());
}

void filch_context_token_cleanup(filch_context_token **token)
{
    filch_context_end(*token);
}
