/* SPDX-License-Identifier: MIT */
/*
 * The deque is linearizable: its owner and thieves meet for a short burst of operations, which are recorded with their
 * calls and answers; then the owner takes what is left, and the whole is checked against linear_deque.h. Every
 * burst begins with a new deque, of two slots, so that it grows and wraps within.
 */
#include "deque.h"
#include "linear_deque.h"
#include "os.h"
#include "stress.h"

#define OWNER_OPS 12
#define THIEF_OPS 5
/* More would not fit a history, in which the owner takes up to 3 items for each of its operations. */
#define THIEVES_MOST 3

struct party {
    unsigned index; /* 0: the owner */
    struct linear_history history;
};

static struct filchi_deque deque;
static struct party parties[THIEVES_MOST + 1];
static unsigned thieves;
static _Atomic uint64_t burst; /* thieves do this one; UINT64_MAX: no more */
static _Atomic unsigned ready, done;

static void *item_of(int64_t number)
{
    return (void *)(intptr_t)number;
}

static void steal(struct party *party)
{
    void *item = NULL;
    struct linear_op *op = linear_call(&party->history, party->index, LINEAR_STEAL, 0);
    enum filchi_deque_steal outcome = filchi_deque_steal(&deque, &item);
    linear_answer(op, outcome == FILCHI_DEQUE_TOOK ? (intptr_t)item : 0);
    if (outcome == FILCHI_DEQUE_LOST)
        op->kind = LINEAR_STEAL_LOST;
}

static void pop(struct party *owner)
{
    struct linear_op *op = linear_call(&owner->history, 0, LINEAR_POP, 0);
    linear_answer(op, (intptr_t)filchi_deque_pop(&deque));
}

static void push(struct party *owner, int64_t *items)
{
    struct linear_op *op = linear_call(&owner->history, 0, LINEAR_PUSH, ++*items);
    CHECK_IS(filchi_deque_push(&deque, item_of(*items)), 0);
    linear_answer(op, 1);
}

static void push_many(struct party *owner, int64_t *items, unsigned n)
{
    void *several[3];
    for (unsigned i = 0; i < n; i++)
        several[i] = item_of(*items + 1 + i);
    struct linear_op *op = linear_call(&owner->history, 0, LINEAR_PUSH_MANY, *items + 1);
    CHECK_IS(filchi_deque_push_many(&deque, several, n), 0);
    linear_answer(op, n);
    *items += n;
}

static void peek(struct party *owner)
{
    struct linear_op *op = linear_call(&owner->history, 0, LINEAR_PEEK, 0);
    linear_answer(op, (intptr_t)filchi_deque_peek(&deque));
}

static void *thief_main(void *arg)
{
    struct party *thief = arg;
    uint64_t random = stress_stream(2, thief->index);
    for (uint64_t number = 1;; number++) {
        atomic_fetch_add(&ready, 1);
        for (unsigned spins = 0; atomic_load(&burst) < number; spins++)
            filchi_os_relax(spins);
        if (atomic_load(&burst) == UINT64_MAX)
            return NULL;
        thief->history.n = 0;
        for (unsigned i = 0; i < THIEF_OPS; i++) {
            stress_spin(stress_below(&random, 20));
            steal(thief);
        }
        atomic_fetch_add(&done, 1);
    }
}

static void await_all(_Atomic unsigned *count)
{
    for (unsigned spins = 0; atomic_load(count) != thieves; spins++)
        filchi_os_relax(spins);
    atomic_store(count, 0);
}

/* The owner's part. Most of it happens with one or two items there, where the races are. */
static void own(struct party *owner, uint64_t *random)
{
    int64_t items = 0;
    for (unsigned i = 0; i < OWNER_OPS; i++) {
        unsigned what = stress_below(random, 16);
        if (what < 6)
            push(owner, &items);
        else if (what < 7)
            push_many(owner, &items, 1 + stress_below(random, 3));
        else if (what < 15)
            pop(owner);
        else
            peek(owner);
        stress_spin(stress_below(random, 10));
    }
}

static void check(const struct linear_history *history, uint64_t number)
{
    static const struct linear_deque empty;
    size_t searched;
    bool linearizable =
        linear_check(&linear_deque_spec, &empty, history, &searched) && linear_deque_losses(history);
    if (!linearizable) {
        fprintf(stderr, "history %llu is not linearizable:\n", (unsigned long long)number);
        linear_print(&linear_deque_spec, history, stderr);
    }
    CHECK(linearizable);
}

static void one_burst(uint64_t number, uint64_t *random, uint64_t counts[])
{
    struct party *owner = &parties[0];
    CHECK_IS(filchi_deque_init(&deque), 0);
    owner->history.n = 0;
    await_all(&ready);
    atomic_store(&burst, number);
    own(owner, random);
    await_all(&done);
    while (!filchi_deque_empty(&deque) && owner->history.n < LINEAR_OPS - thieves * THIEF_OPS)
        pop(owner);
    struct linear_history *whole = &owner->history;
    for (unsigned i = 1; i <= thieves; i++)
        linear_append(whole, &parties[i].history);
    for (size_t i = 0; i < whole->n; i++)
        counts[whole->ops[i].kind] += whole->ops[i].result != 0 || whole->ops[i].kind == LINEAR_STEAL_LOST;
    check(whole, number);
    filchi_deque_fini(&deque);
}

int main(int argc, char **argv)
{
    stress_begin("stress_linear_deque", 2, argc, argv);
    thieves = stress.threads < THIEVES_MOST ? stress.threads : THIEVES_MOST;
    pthread_t threads[THIEVES_MOST];
    for (unsigned i = 0; i < thieves; i++) {
        parties[i + 1].index = i + 1;
        CHECK_IS(pthread_create(&threads[i], NULL, thief_main, &parties[i + 1]), 0);
    }
    uint64_t random = stress_stream(1, 0), number = 1, counts[LINEAR_STEAL_LOST + 1] = { 0 };
    for (; stress_goes_on_to(number - 1); number++) {
        one_burst(number, &random, counts);
        stress_progress();
    }
    await_all(&ready);
    atomic_store(&burst, UINT64_MAX);
    for (unsigned i = 0; i < thieves; i++)
        pthread_join(threads[i], NULL);
    linear_fini();
    stress_total("histories", number - 1);
    stress_total("popped", counts[LINEAR_POP]);
    stress_total("item_steals", counts[LINEAR_STEAL]);
    stress_total("lost_steals", counts[LINEAR_STEAL_LOST]);
    return stress_end();
}
