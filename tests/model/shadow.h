/* SPDX-License-Identifier: MIT */
/*
 * The shadow of a model's memory: for every atomic object what Relacy knows of it, for every other byte who read or
 * wrote it last. Two accesses that no clock orders, one of them a write and not both atomic, are a race.
 *
 * Invariant: memory holds the newest value of every atomic, so that plain code may copy it.
 */
#ifndef MODEL_SHADOW_H
#define MODEL_SHADOW_H

#include <relacy/relacy.hpp>

#include "inside.h"

/* One atomic object. */
struct cell {
    rl::atomic_data *relacy;
    uint64_t past[rl::atomic_history_size];
    uint64_t newest;
    cell *next;
    uint8_t offset, size;
};

/* The object at the address. What it holds at first was written by whoever last did so, or by who got the memory. */
cell *shadow_cell(void *address, size_t size);

/* The running thread reads or writes; site: an atomic operation, or NULL and `code` is where. */
void shadow_touch(const void *memory, size_t size, bool writes, const struct model_site *site, void *code);

/* A fault if the memory was freed, or if its frame is gone. */
void shadow_must_live(const void *address);

/* The running thread's stack begins at this frame; it ends at this frame, until the thread runs again. */
void shadow_stack_begin(const void *frame);
void shadow_stack_low(const void *frame);

extern const struct model_core *shadow_core; /* of this execution */

/* Nothing is known any more; the memory is all free and zero. */
void shadow_begin(const struct model_core *core);
/* The atomics are given back to Relacy. */
void shadow_end(void);

/* What lies in memory, in `size` bytes. */
uint64_t shadow_value(const void *address, size_t size);
void shadow_set_value(void *address, size_t size, uint64_t value);

/* Around whatever may let another thread run: each has its own variables. */
struct switching {
    unsigned self;
    switching();
    ~switching();
};

/* threads.cpp, before each execution. */
void threads_begin(const struct model *model);

/* Within an execution: whether there is one; the running thread; the end of it by a fault. */
bool simulated(void);
rl::thread_info_base &me(void);
rl::debug_info where(const struct model_site *site);
void fail(rl::test_result_e kind, rl::debug_info const &info, const char *what);

#endif
