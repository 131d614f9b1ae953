/* SPDX-License-Identifier: MIT */
/*
 * Where tasks from outside wait: producers with their tickets, segments that are used again, consumers, and the batches
 * into which they move items. What hangs on an item (a plain number behind each pointer) must be published with it.
 */
#include "items.h"
#include "inject.h"

static struct filchi_inject inject;
static struct filchi_batch batch;

static void push(int i)
{
    items[i] = i + 1;
    model_check(filchi_inject_push(&inject, &items[i]) == 0);
}

static void push_many(int first, size_t n)
{
    void *several[ITEMS];
    for (size_t i = 0; i < n; i++) {
        items[first + (int)i] = first + (int)i + 1;
        several[i] = &items[first + (int)i];
    }
    model_check(filchi_inject_push_many(&inject, several, n) == 0);
}

static void begin(void)
{
    begin_items();
    filchi_batch_init(&batch);
    model_check(filchi_inject_init(&inject) == 0);
}

static void each_once(int n)
{
    take(filchi_batch_take(&batch));
    take(filchi_batch_take(&batch));
    model_check(filchi_batch_empty(&batch));
    for (void *item; (item = filchi_inject_pop(&inject));)
        take(item);
    model_check(filchi_inject_empty(&inject));
    for (int i = 0; i < n; i++)
        model_check(taken[i] == 1);
    filchi_inject_fini(&inject);
    model_check(model_allocated() == 0);
}

static void two_after(void)
{
    each_once(2);
}

static void three_after(void)
{
    each_once(3);
}

static void five_after(void)
{
    each_once(5);
}

static void six_after(void)
{
    each_once(6);
}

/* ---- Two producers and a consumer ---- */

static void producers(unsigned i)
{
    if (i > 0) {
        push((int)i - 1);
        return;
    }
    take(filchi_inject_pop(&inject));
    take(filchi_inject_pop(&inject));
}

/* ---- One at a time beside several at once, which take more than one segment ---- */

static void growing(unsigned i)
{
    if (i == 0) {
        push(0);
        push(1);
    } else {
        push_many(2, 3);
        push(5);
    }
}

static void growing_consumed(unsigned i)
{
    if (i < 2) {
        growing(i);
        return;
    }
    for (int n = 0; n < 3; n++)
        take(filchi_inject_pop(&inject));
}

/*
 * ---- A segment is the newest, is used up, is used again ----
 *
 * The first segment is emptied; thread 1 goes on to another, gives the first back and has it again for later tickets,
 * while thread 0 may still take it for the newest.
 */

static void begin_emptied(void)
{
    begin();
    for (int i = 0; i < FILCHI_SEGMENT; i++) {
        push(5);
        model_check(filchi_inject_pop(&inject) == &items[5]);
    }
    items[5] = 0;
}

static void again(unsigned i)
{
    if (i == 0) {
        push(0);
        return;
    }
    push(1);
    push(2);
    take(filchi_inject_pop(&inject));
    take(filchi_inject_pop(&inject));
    push_many(3, 2);
}

/* ---- A batch: its owner fills it one by one, and others take from it ---- */

static void begin_filled(void)
{
    begin();
    for (int i = 0; i < 3; i++)
        push(i);
}

static void fill(unsigned most)
{
    if (filchi_batch_empty(&batch))
        filchi_batch_fill(&batch, &inject, most);
}

static void batches(unsigned i)
{
    if (i > 0) {
        take(filchi_batch_take(&batch));
        take(filchi_batch_take(&batch));
        return;
    }
    fill(1);
    take(filchi_batch_take(&batch));
    fill(1);
    take(filchi_batch_take(&batch));
    fill(2);
}

/* ---- Items on their way from a producer through a batch to a thief ---- */

static void streaming(unsigned i)
{
    if (i == 0) {
        while (!filchi_batch_fill(&batch, &inject, 2))
            model_yield();
        fill(2);
    } else if (i == 1) {
        push(0);
        push(1);
    } else {
        void *item;
        while (!(item = filchi_batch_take(&batch)))
            model_yield();
        take(item);
    }
}

/* ---- The owner takes all of it and puts the newest back ---- */

static void put_back(unsigned i)
{
    if (i > 0) {
        take(filchi_batch_take(&batch));
        take(filchi_batch_take(&batch));
        return;
    }
    void *all[FILCHI_BATCH];
    fill(2);
    unsigned n = filchi_batch_take_all(&batch, all);
    for (unsigned at = 0; at + 1 < n; at++)
        take(all[at]);
    if (n)
        filchi_batch_put_back(&batch, all + n - 1, 1);
    fill(1);
}

/*
 * ---- Who looks for work and finds the queue empty sees the items where they were moved to ----
 *
 * One item goes to the batch of thread 0, the other is popped by thread 1, in whichever order.
 */

static void begin_two(void)
{
    begin();
    push(0);
    push(1);
}

static void moved(unsigned i)
{
    if (i == 1) {
        take(filchi_inject_pop(&inject));
        return;
    }
    if (i == 0) {
        while (!filchi_batch_fill(&batch, &inject, 1))
            model_yield();
        return;
    }
    while (!filchi_inject_empty(&inject))
        model_yield();
    model_check(!filchi_batch_empty(&batch));
}

static const struct model models[] = {
    { .name = "inject producers",
      .says = "each item is taken once, complete",
      .threads = 3,
      .before = begin,
      .thread = producers,
      .after = two_after,
      .bound = 2,
      .executions = 50000 },
    { .name = "inject growth",
      .says = "two producers, one of them of several at once, get tickets and segments for all",
      .threads = 2,
      .before = begin,
      .thread = growing,
      .after = six_after,
      .bound = 2,
      .executions = 50000 },
    { .name = "inject growth consumed",
      .says = "the same while a consumer gives segments back",
      .threads = 3,
      .before = begin,
      .thread = growing_consumed,
      .after = six_after,
      .executions = 30000 },
    { .name = "inject again",
      .says = "a producer that takes an old segment for the newest does not use it, even if it is used again",
      .threads = 2,
      .before = begin_emptied,
      .thread = again,
      .after = five_after,
      .bound = 2,
      .executions = 30000 },
    { .name = "batch streaming",
      .says = "what a producer pushes comes complete through a batch to a thief",
      .threads = 3,
      .before = begin,
      .thread = streaming,
      .after = two_after,
      .bound = 2,
      .executions = 50000 },
    { .name = "batch",
      .says = "a batch's items go to its owner or a thief, once each, while it is filled again",
      .threads = 2,
      .before = begin_filled,
      .thread = batches,
      .after = three_after,
      .bound = 3,
      .executions = 20000 },
    { .name = "batch put back",
      .says = "an owner that takes all and puts some back takes each once",
      .threads = 2,
      .before = begin_filled,
      .thread = put_back,
      .after = three_after,
      .bound = 3,
      .executions = 20000 },
    { .name = "batch moved",
      .says = "who finds the queue empty finds what was in it in a batch",
      .threads = 3,
      .before = begin_two,
      .thread = moved,
      .after = two_after,
      .bound = 2,
      .executions = 50000 },
};

int main(int argc, char **argv)
{
    static const char *const files[] = { "inject.c", "inject.h", NULL };
    return model_main(argc, argv, files, models, sizeof models / sizeof models[0]);
}
