/* SPDX-License-Identifier: MIT */
/* Contexts, and what of them a thread has: see context.h. */
#include "context.h"

#include "os.h"

#include <assert.h>

/* References taken at once for what is submitted next. */
#ifdef FILCH_TESTING
#define AT_ONCE 4
#else
#define AT_ONCE 64
#endif

_Thread_local struct filchi_context_here filchi_context_here;

/* ---- Contexts ---- */

filch_context *filchi_context_create(const filch_context *base, unsigned slot, void *value, void (*dtor)(void *))
{
    filch_context *made = filchi_os_alloc_aligned(_Alignof(filch_context), sizeof *made);
    if (!made)
        return NULL;
    bool owned = value && dtor;
    atomic_init(&made->refs, 1);
    atomic_init(&made->holders, owned);
    made->own = value;
    made->dtor = dtor;
    for (unsigned i = 0; base && i < FILCH_CONTEXT_SLOTS; i++) {
        if (i == slot)
            continue;
        made->values[i] = base->values[i];
        made->owners[i] = base->owners[i];
        if (made->owners[i]) /* relaxed: `base` has it meanwhile. */
            atomic_fetch_add_explicit(&made->owners[i]->holders, 1, memory_order_relaxed);
    }
    made->values[slot] = value;
    made->owners[slot] = owned ? made : NULL;
    return made;
}

/* One context less has the value that this one was made for. */
static void let_go(filch_context *owner)
{
    /* acq_rel V2: pairs with itself; who destroys the value sees that all others are done with it. */
    if (atomic_fetch_sub_explicit(&owner->holders, 1, memory_order_acq_rel) != 1)
        return;
    owner->dtor(owner->own);
    filchi_os_free(owner);
}

/* Nobody has it any more; others may have its value. */
static void destroy(filch_context *context)
{
    bool owned = false;
    for (unsigned i = 0; i < FILCH_CONTEXT_SLOTS; i++) {
        filch_context *owner = context->owners[i];
        owned |= owner == context;
        if (owner && owner != context)
            let_go(owner);
    }
    if (owned)
        let_go(context); /* last: it may be freed */
    else
        filchi_os_free(context);
}

static void drop(filch_context *context, uint64_t n)
{
    /* acq_rel V1: pairs with itself; who ends it sees that all others are done with it. */
    if (atomic_fetch_sub_explicit(&context->refs, n, memory_order_acq_rel) == n)
        destroy(context);
}

/* ---- The stock ---- */

static void note_use(struct filchi_context_here *here)
{
    here->used = here->current || here->tokens || here->stocked;
}

void filchi_context_give_stock(void)
{
    struct filchi_context_here *here = &filchi_context_here;
    filch_context *context = here->stocked;
    uint64_t n = here->stock;
    here->stocked = NULL; /* before: a destructor may do anything */
    here->stock = 0;
    note_use(here);
    drop(context, n);
}

filch_context *filchi_context_take_slowly(filch_context *context)
{
    struct filchi_context_here *here = &filchi_context_here;
    if (here->stocked != context)
        filchi_context_flush();
    if (here->stocked && here->stocked != context) /* by a destructor, which ran a task here */
        return filch_context_ref(context);
    atomic_fetch_add_explicit(&context->refs, AT_ONCE, memory_order_relaxed); /* relaxed: it is in force here. */
    here->stocked = context;
    here->stock += AT_ONCE - 1;
    return context;
}

void filchi_context_give(filch_context *context)
{
    struct filchi_context_here *here = &filchi_context_here;
    if (!context)
        return;
    if (here->stocked != context) {
        if (!here->keeps) {
            drop(context, 1);
            return;
        }
        filchi_context_flush();
        if (here->stocked) { /* by a destructor */
            drop(context, 1);
            return;
        }
        here->stocked = context;
        here->used = true;
    }
    here->stock++;
}

/* ---- What is in force ---- */

static void set_current(struct filchi_context_here *here, filch_context *context)
{
    here->current = context;
    note_use(here);
    if (!here->keeps && here->stocked != context)
        filchi_context_flush();
}

void filchi_context_enter(struct filchi_context_outer *outer, filch_context *context)
{
    struct filchi_context_here *here = &filchi_context_here;
    *outer = (struct filchi_context_outer) { here->current, here->tokens };
    here->tokens = NULL;
    set_current(here, context);
}

void filchi_context_leave(const struct filchi_context_outer *outer)
{
    filchi_context_close();
    filchi_context_here.tokens = outer->tokens;
    set_current(&filchi_context_here, outer->current);
}

void filchi_context_enter_task(struct filchi_context_outer *outer, filch_context *context)
{
    struct filchi_context_here *here = &filchi_context_here;
    if (here->stocked && here->stocked != context)
        filchi_context_give_stock();
    *outer = (struct filchi_context_outer) { here->current, here->tokens };
    here->tokens = NULL;
    here->current = context;
    here->used = context || here->stocked;
}

void filchi_context_leave_task(const struct filchi_context_outer *outer, filch_context *context)
{
    struct filchi_context_here *here = &filchi_context_here;
    if (here->keeps && context && here->stocked == context) { /* mostly; it remains in use */
        here->tokens = outer->tokens;
        here->current = outer->current;
        here->stock++;
        return;
    }
    filchi_context_leave(outer);
    filchi_context_give(context);
}

void filchi_context_open(filch_context_token *token, filch_task *task, filch_context *context)
{
    struct filchi_context_here *here = &filchi_context_here;
    token->setting = (struct filchi_setting) { task, context };
    token->before = here->current;
    token->below = here->tokens;
    here->tokens = token;
    set_current(here, context);
}

/* What only it had ends here and now: so the stock goes too. */
static void free_token(filch_context_token *token)
{
    filch_context *context = token->setting.context;
    filchi_os_free(token);
    if (context && filchi_context_here.stocked == context)
        filchi_context_give_stock();
    filch_context_unref(context);
}

void filchi_context_shut(filch_context_token *token, bool kept)
{
    struct filchi_context_here *here = &filchi_context_here;
    assert(filchi_context_innermost() == token); /* else another one was to be ended first */
    token->over = true;
    set_current(here, token->before);
    while (!kept && (token = here->tokens) && token->over) {
        here->tokens = token->below;
        note_use(here);
        free_token(token);
    }
}

filch_context_token *filchi_context_innermost(void)
{
    filch_context_token *token = filchi_context_here.tokens;
    while (token && token->over)
        token = token->below;
    return token;
}

void filchi_context_shut_all(void)
{
    struct filchi_context_here *here = &filchi_context_here;
    filch_context_token *token;
    while ((token = here->tokens)) {
        here->tokens = token->below;
        set_current(here, token->over ? here->current : token->before);
        free_token(token);
    }
}

/* ---- For users ---- */

void *filch_context_get(unsigned slot)
{
    const filch_context *context = filchi_context_here.current;
    return context && slot < FILCH_CONTEXT_SLOTS ? context->values[slot] : NULL;
}

filch_context *filch_context_capture(void)
{
    return filch_context_ref(filchi_context_here.current);
}

filch_context *filch_context_ref(filch_context *context)
{
    if (context)
        atomic_fetch_add_explicit(&context->refs, 1, memory_order_relaxed); /* relaxed: the caller keeps it. */
    return context;
}

void filch_context_unref(filch_context *context)
{
    if (context)
        drop(context, 1);
}

void filch_context_cleanup(filch_context **context)
{
    filch_context_unref(*context);
}
