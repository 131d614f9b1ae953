/* SPDX-License-Identifier: MIT */
/*
 * Who reads a deque's array: an owner whose deque has grown frees the old array between the steals of others. Readers
 * come during the execution, and are as much read by the owner as the array by them.
 */
#include "deque.h"
#include "engine.h"
#include "os.h"
#include "readers.h"

#define ITEMS 4

static struct filchi_deque deque;
static struct filchi_readers readers;
static struct filchi_reader *theirs[3];
static int items[ITEMS];
static unsigned taken[ITEMS];

static void take(void *item)
{
    if (item)
        taken[(int *)item - items]++;
}

static void push(int i)
{
    model_check(filchi_deque_push(&deque, &items[i]) == 0);
}

static void add(unsigned i)
{
    theirs[i] = filchi_os_alloc(sizeof *theirs[i]);
    filchi_readers_add(&readers, theirs[i]);
}

static void begin(void)
{
    memset(taken, 0, sizeof taken);
    memset(theirs, 0, sizeof theirs);
    atomic_init(&readers.all, NULL);
    model_check(filchi_deque_init(&deque) == 0);
    push(0);
    push(1);
}

static void begin_known(void)
{
    begin();
    add(1);
    add(2);
}

static void steal(unsigned i)
{
    void *item = NULL;
    filchi_reader_begin(theirs[i]);
    enum filchi_deque_steal outcome = filchi_deque_steal(&deque, &item);
    filchi_reader_end(theirs[i]);
    if (outcome == FILCHI_DEQUE_TOOK)
        take(item);
}

/* The deque grows at once, as it was full. */
static void grow(void)
{
    push(2);
    if (filchi_readers_none(&readers))
        filchi_deque_reclaim(&deque);
    take(filchi_deque_pop(&deque));
}

static void known(unsigned i)
{
    if (i == 0)
        grow();
    else
        steal(i);
}

static void known_twice(unsigned i)
{
    known(i);
    if (i > 0)
        steal(i);
}

static void new_ones(unsigned i)
{
    if (i == 0) {
        grow();
        return;
    }
    add(i);
    steal(i);
}

static void end(void)
{
    for (void *item; (item = filchi_deque_pop(&deque));)
        take(item);
    for (int i = 0; i < 3; i++)
        model_check(taken[i] == 1);
    model_check(filchi_readers_none(&readers));
    unsigned n = 0;
    for (const struct filchi_reader *reader = atomic_load_explicit(&readers.all, memory_order_relaxed); reader;
         reader = reader->next)
        n++;
    model_check(n == (unsigned)!!theirs[1] + !!theirs[2]);
    filchi_deque_fini(&deque);
    for (int i = 1; i < 3; i++)
        filchi_os_free(theirs[i]);
    model_check(model_allocated() == 0);
}

static const struct model models[] = {
    { .name = "readers one thief",
      .says = "an array is not freed under a thief that looks at it",
      .threads = 2,
      .before = begin_known,
      .thread = known_twice,
      .after = end,
      .bound = 3,
      .executions = 50000 },
    { .name = "readers come",
      .says = "the same for thieves that become readers meanwhile; none of them is forgotten",
      .threads = 3,
      .before = begin,
      .thread = new_ones,
      .after = end,
      .bound = 2,
      .executions = 30000 },
    { .name = "readers two thieves",
      .says = "the same for two that steal at once",
      .threads = 3,
      .before = begin_known,
      .thread = known,
      .after = end,
      .executions = 30000 },
};

int main(int argc, char **argv)
{
    static const char *const files[] = { "readers.h", NULL };
    return model_main(argc, argv, files, models, sizeof models / sizeof models[0]);
}
