/* SPDX-License-Identifier: MIT */
/*
 * Is a history of concurrent operations linearizable? That is: is there an order of its operations, each at some moment
 * between its call and its answer, in which a sequential specification gives the very same answers?
 *
 * Source: Herlihy and Wing, "Linearizability: A Correctness Condition for Concurrent Objects", TOPLAS 1990, for the
 * question; Wing and Gong, "Testing and Verifying Concurrent Objects", JPDC 1993, for the search; Lowe, "Testing for
 * Linearizability", CCPE 2017, for remembering which sets of operations led to which state, so that none is searched twice.
 *
 * Stamps come from one counter that all threads increment before an operation and after it, so what the stamps call
 * earlier was earlier. An operation without an answer (LINEAR_NEVER) may have taken effect, or not.
 *
 * Each stamp is a full fence, so that two calls of one thread are never reordered here as they may be in a program: what
 * depends on that is for the model checks.
 */
#ifndef LINEAR_H
#define LINEAR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A history is one window: small, so that checking stays cheap. */
#define LINEAR_OPS 64
#define LINEAR_STATE 256 /* bytes, at most */
#define LINEAR_NEVER UINT64_MAX

struct linear_op {
    unsigned kind, thread;
    int64_t arg, result;
    uint64_t called, answered; /* stamps */
};

struct linear_history {
    size_t n;
    struct linear_op ops[LINEAR_OPS];
};

/* States are compared as bytes: a specification leaves none of them undefined. */
struct linear_spec {
    size_t state_size;
    /* Applies the operation; false: in this state it does not give that answer (then what `state` is does not matter). */
    bool (*step)(void *state, const struct linear_op *op);
    bool (*may_end)(const void *state); /* whether a history may end so; NULL: always */
    const char *const *names;           /* of the kinds */
};

/* Whether it is linearizable from that state on. *searched (unless NULL): how many pairs of a set and a state it took. */
bool linear_check(const struct linear_spec *spec, const void *begin, const struct linear_history *history,
                  size_t *searched);
/* Frees what checks have set aside for the next one. One thread at a time checks. */
void linear_fini(void);
void linear_print(const struct linear_spec *spec, const struct linear_history *history, FILE *stream);

/* ---- Recording: one history a thread, put together afterwards ---- */

extern _Atomic uint64_t linear_clock;

static inline uint64_t linear_stamp(void)
{
    return atomic_fetch_add_explicit(&linear_clock, 1,
                                     memory_order_seq_cst); /* seq_cst: it stands for real time. */
}

static inline struct linear_op *linear_call(struct linear_history *history, unsigned thread, unsigned kind,
                                            int64_t arg)
{
    struct linear_op *op = &history->ops[history->n++];
    *op = (struct linear_op) { .kind = kind, .thread = thread, .arg = arg, .answered = LINEAR_NEVER };
    op->called = linear_stamp();
    return op;
}

static inline void linear_answer(struct linear_op *op, int64_t result)
{
    op->answered = linear_stamp();
    op->result = result;
}

/* Appends what another thread recorded. */
void linear_append(struct linear_history *history, const struct linear_history *other);

#endif
