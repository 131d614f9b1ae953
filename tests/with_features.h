/* SPDX-License-Identifier: MIT */
/*
 * The accounts of stress_features.c: an allocator that knows what it gave, hooks that know what they were told, and
 * contexts whose values are counted.
 */
#ifndef FILCH_TESTS_FEATURES_H
#define FILCH_TESTS_FEATURES_H

#include "stress.h"

#include <filch/filch.h>

static struct {
    _Atomic uint64_t submitted, started, again, dropped, parked, unparked, gave, resumed, noted, forgotten;
    _Atomic uint64_t ended[FILCH_STOPPED + 1];
    _Atomic uint64_t contexts, destroyed, owned, disowned, results, freed, callbacks, called, elements;
    _Atomic uint64_t given_bytes; /* those that are not given back */
    _Atomic uint64_t given_blocks;
    _Atomic uint64_t ran;
} seen;

static void count(_Atomic uint64_t *number)
{
    atomic_fetch_add_explicit(number, 1, memory_order_relaxed);
}

/* ---- The allocator: each block says what it was asked for ---- */

struct block {
    size_t bytes, alignment;
    uint64_t mark, unused; /* a power of two in all */
};
_Static_assert(sizeof(struct block) == 32, "it may lie before what is aligned to less");
#define TAKEN UINT64_C(0x7A6B5C4D3E2F1011)

/* There is no memory for the note of the task that this thread submits. */
static _Thread_local bool fails;

static void *take(size_t bytes, size_t alignment, void *arg)
{
    CHECK(arg == &seen);
    if (fails) {
        fails = false;
        return NULL;
    }
    size_t before = alignment < sizeof(struct block) ? sizeof(struct block) : alignment;
    char *memory = aligned_alloc(before, (before + bytes + before - 1) / before * before);
    CHECK(memory);
    memset(memory, 0x5A, before + bytes);
    *(struct block *)(void *)(memory + before - sizeof(struct block)) =
        (struct block) { bytes, alignment, TAKEN, 0 };
    atomic_fetch_add(&seen.given_bytes, bytes);
    count(&seen.given_blocks);
    return memory + before;
}

static void give(void *memory, size_t bytes, size_t alignment, void *arg)
{
    struct block *block = (struct block *)(void *)((char *)memory - sizeof *block);
    CHECK(arg == &seen && memory);
    CHECK(block->mark == TAKEN && block->bytes == bytes && block->alignment == alignment);
    block->mark = 0;
    size_t before = alignment < sizeof *block ? sizeof *block : alignment;
    atomic_fetch_sub(&seen.given_bytes, bytes);
    atomic_fetch_sub(&seen.given_blocks, 1);
    free((char *)memory - before);
}

/* ---- The hooks ---- */

static _Thread_local struct {
    const filch_task *tasks[1024];
    unsigned n;
} nest;

/* What a submit leaves with its task. */
struct note {
    void *context;
    const filch_task *task;
};

static void on_submit(const filch_event *event, void *arg)
{
    (void)arg;
    count(&seen.submitted);
    if (((uintptr_t)event->task / 64) % 3 == 0)
        return;
    struct note *note = malloc(sizeof *note);
    CHECK(note);
    *note = (struct note) { filch_context_get(0), event->task };
    *event->data = note;
    count(&seen.noted);
    fails = ((uintptr_t)event->task / 64) % 32 == 1;
}

static struct note *note_of(const filch_event *event)
{
    struct note *note = *event->data;
    CHECK(!note || note->task == event->task);
    return note;
}

static void forget(const filch_event *event)
{
    struct note *note = note_of(event);
    if (note)
        count(&seen.forgotten);
    free(note);
    *event->data = NULL;
}

static void on_start(const filch_event *event, void *arg)
{
    (void)arg;
    const struct note *note = note_of(event);
    count(&seen.started);
    CHECK(event->attempt > 0 && event->state == FILCH_RUNNING);
    CHECK((event->thread == FILCH_NONE) == (event->worker == FILCH_NONE));
    CHECK(!note || note->context == filch_context_get(0));
    CHECK(nest.n < 1024);
    nest.tasks[nest.n++] = event->task;
}

static void on_finish(const filch_event *event, void *arg)
{
    (void)arg;
    const struct note *note = note_of(event);
    CHECK(nest.n > 0 && nest.tasks[--nest.n] == event->task);
    CHECK(!note || note->context == filch_context_get(0));
    CHECK((event->thread == FILCH_NONE) == (event->worker == FILCH_NONE));
    if (event->state == FILCH_RETRY_WAIT) {
        count(&seen.again);
        return;
    }
    CHECK(event->state >= FILCH_DONE && event->state != FILCH_CANCELLED);
    count(&seen.ended[event->state]);
    forget(event);
}

static void on_drop(const filch_event *event, void *arg)
{
    (void)arg;
    CHECK(event->state == FILCH_CANCELLED || event->state == FILCH_STOPPED);
    CHECK(event->code < 0);
    count(&seen.dropped);
    count(&seen.ended[event->state]);
    forget(event);
}

static void on_steal(const filch_event *event, void *arg)
{
    (void)arg;
    CHECK(event->victim != FILCH_NONE && event->victim != event->worker && event->thread != FILCH_NONE);
}

#define COUNTER(function, number)                             \
    static void function(const filch_event *event, void *arg) \
    {                                                         \
        (void)arg;                                            \
        CHECK(event->thread != FILCH_NONE);                   \
        count(&seen.number);                                  \
    }

COUNTER(on_park, parked)
COUNTER(on_unpark, unparked)
COUNTER(on_handoff, gave)
COUNTER(on_resume, resumed)

/* ---- Contexts ---- */

static void destroy_value(void *value)
{
    CHECK(*(uint64_t *)value == TAKEN);
    *(uint64_t *)value = 0;
    free(value);
    count(&seen.destroyed);
}

static inline filch_context_token *open_context(void)
{
    filch_context_token *token = NULL;
    uint64_t *value = malloc(sizeof *value);
    CHECK(value);
    *value = TAKEN;
    CHECK(filch_context_begin(&token, 0, value, destroy_value) == 0);
    count(&seen.contexts);
    return token;
}

static inline filch_hooks all_hooks(void)
{
    filch_hooks hooks = FILCH_HOOKS;
    hooks.on_submit = on_submit;
    hooks.on_start = on_start;
    hooks.on_finish = on_finish;
    hooks.on_drop = on_drop;
    hooks.on_steal = on_steal;
    hooks.on_park = on_park;
    hooks.on_unpark = on_unpark;
    hooks.on_handoff = on_handoff;
    hooks.on_resume = on_resume;
    return hooks;
}

#endif
