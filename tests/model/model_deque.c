/* SPDX-License-Identifier: MIT */
/*
 * The deque: an owner that pushes and pops, thieves that steal, with arrays that grow and indices that wrap. What
 * hangs on an item (here a plain number behind each pointer) must be published with it.
 */
#include "deque.h"
#include "items.h"
#include "readers.h"

static struct filchi_deque deque;

static void push(int i)
{
    items[i] = i + 1;
    model_check(filchi_deque_push(&deque, &items[i]) == 0);
}

static void begin(void)
{
    begin_items();
    model_check(filchi_deque_init(&deque) == 0);
}

/* The indices have gone round the first array, as after a long life. */
static void begin_wrapped(void)
{
    begin();
    for (int i = 0; i < 3; i++) {
        push(0);
        model_check(filchi_deque_pop(&deque) == &items[0]);
        push(0);
        void *item = NULL;
        model_check(filchi_deque_steal(&deque, &item) == FILCHI_DEQUE_TOOK);
    }
    items[0] = 0;
}

static void each_once(int n)
{
    for (void *item; (item = filchi_deque_pop(&deque));)
        take(item);
    for (int i = 0; i < n; i++)
        model_check(taken[i] == 1);
    filchi_deque_fini(&deque);
    model_check(model_allocated() == 0);
}

static void steal(void)
{
    void *item = NULL;
    if (filchi_deque_steal(&deque, &item) == FILCHI_DEQUE_TOOK)
        take(item);
}

/* ---- One item, its owner and a thief ---- */

static void last_item(unsigned i)
{
    if (i > 0) {
        steal();
        return;
    }
    push(0);
    take(filchi_deque_pop(&deque));
}

static void one_after(void)
{
    each_once(1);
}

/* ---- Two items, two thieves ---- */

static void two_items(unsigned i)
{
    if (i > 0) {
        steal();
        return;
    }
    push(0);
    push(1);
    take(filchi_deque_pop(&deque));
    take(filchi_deque_pop(&deque));
}

/* One thief that comes twice, and knows of its first theft. */
static void two_steals(unsigned i)
{
    two_items(i);
    if (i > 0)
        steal();
}

static void two_after(void)
{
    each_once(2);
}

/* ---- Growth while thieves look: the first array has room for two ---- */

static void growing(unsigned i)
{
    if (i > 0) {
        steal();
        steal();
        return;
    }
    push(0);
    push(1);
    push(2);
    take(filchi_deque_pop(&deque));
    push(3);
    take(filchi_deque_pop(&deque));
}

static void growing_after(void)
{
    each_once(4);
}

/* ---- A slot is used again for another item ---- */

static void reused(unsigned i)
{
    if (i > 0) {
        steal();
        steal();
        return;
    }
    for (int item = 0; item < 4; item++) {
        push(item);
        take(filchi_deque_pop(&deque));
    }
}

/* ---- Several at once ---- */

static void many(unsigned i)
{
    if (i > 0) {
        steal();
        steal();
        return;
    }
    void *three[3];
    for (int item = 0; item < 3; item++) {
        items[item] = item + 1;
        three[item] = &items[item];
    }
    model_check(filchi_deque_push_many(&deque, three, 3) == 0);
    take(filchi_deque_pop(&deque));
    push(3);
}

static const struct model models[] = {
    { .name = "deque last item",
      .says = "the last item goes to its owner or to a thief, never to both or neither",
      .threads = 2,
      .before = begin,
      .thread = last_item,
      .after = one_after,
      .bound = 8,
      .executions = 20000 },
    { .name = "deque two steals",
      .says = "two items, an owner that pops both, a thief that comes twice: each is taken once",
      .threads = 2,
      .before = begin,
      .thread = two_steals,
      .after = two_after,
      .bound = 3,
      .executions = 20000 },
    { .name = "deque two items",
      .says = "two items, an owner that pops both, two thieves: each is taken once",
      .threads = 3,
      .before = begin,
      .thread = two_items,
      .after = two_after,
      .bound = 3,
      .executions = 50000 },
    { .name = "deque growth",
      .says = "items survive the growth of the array while thieves look",
      .threads = 3,
      .before = begin,
      .thread = growing,
      .after = growing_after,
      .bound = 2,
      .executions = 50000 },
    { .name = "deque wrap",
      .says = "the same where the indices have gone round the array",
      .threads = 3,
      .before = begin_wrapped,
      .thread = growing,
      .after = growing_after,
      .executions = 50000 },
    { .name = "deque reuse",
      .says = "a thief's slot is not refilled under its eyes",
      .threads = 3,
      .before = begin_wrapped,
      .thread = reused,
      .after = growing_after,
      .executions = 50000 },
    { .name = "deque many",
      .says = "several items pushed at once are published at once",
      .threads = 3,
      .before = begin,
      .thread = many,
      .after = growing_after,
      .executions = 50000 },
};

int main(int argc, char **argv)
{
    static const char *const files[] = { "deque.c", "deque.h", NULL };
    return model_main(argc, argv, files, models, sizeof models / sizeof models[0]);
}
