/* SPDX-License-Identifier: MIT */
/*
 * The queue with many producers and one consumer at a time (its C11 twin). Entries are allocated by who pushes and freed by
 * who pops, so that a link that is followed too early, or written too late, is found.
 */
#include "engine.h"
#include "mpsc.h"

#define PRODUCERS 3

struct entry {
    struct filchi_mpsc_node node;
    unsigned producer, number;
};

static struct filchi_mpsc queue;
static unsigned next[PRODUCERS];           /* the consumer: what comes next of each */
static unsigned begun[PRODUCERS], emptied; /* pushes that found it empty; pops that left it so */

static struct filchi_mpsc_node *make(unsigned producer, unsigned number)
{
    struct entry *entry = filchi_os_alloc(sizeof *entry);
    *entry = (struct entry) { .producer = producer, .number = number };
    return &entry->node;
}

static void push(unsigned producer, unsigned number)
{
    begun[producer] += filchi_mpsc_push(&queue, make(producer, number));
}

static void push_two(unsigned producer, unsigned number)
{
    struct filchi_mpsc_chain chain = { NULL, NULL };
    filchi_mpsc_chain_add(&chain, make(producer, number));
    filchi_mpsc_chain_add(&chain, make(producer, number + 1));
    begun[producer] += filchi_mpsc_push_chain(&queue, &chain);
    model_check(!chain.first && !chain.last);
}

static void begin(void)
{
    memset(next, 0, sizeof next);
    memset(begun, 0, sizeof begun);
    emptied = 0;
    filchi_mpsc_init(&queue);
}

/* Takes one if there is one; each producer's come in its order. */
static enum filchi_mpsc_pop pop(void)
{
    struct filchi_mpsc_node *node = NULL;
    enum filchi_mpsc_pop outcome = filchi_mpsc_pop(&queue, &node);
    if (outcome == FILCHI_MPSC_EMPTY || outcome == FILCHI_MPSC_BUSY)
        return outcome;
    struct entry *entry = filchi_container_of(node, struct entry, node);
    model_check(entry->producer < PRODUCERS);
    model_check(entry->number == next[entry->producer]++);
    emptied += outcome == FILCHI_MPSC_LAST;
    filchi_os_free(entry);
    return outcome;
}

static void drain(unsigned n)
{
    struct filchi_mpsc_node *node;
    while ((node = filchi_mpsc_take(&queue, &emptied))) {
        struct entry *entry = filchi_container_of(node, struct entry, node);
        model_check(entry->number == next[entry->producer]++);
        filchi_os_free(entry);
    }
    model_check(filchi_mpsc_empty(&queue));
    model_check(next[0] + next[1] + next[2] == n);
    model_check(begun[0] + begun[1] + begun[2] == emptied);
    model_check(model_allocated() == 0);
}

/* ---- Two producers and the consumer ---- */

static void two_producers(unsigned i)
{
    if (i > 0) {
        push(i, 0);
        return;
    }
    pop();
    pop();
}

static void two_after(void)
{
    drain(2);
}

/* ---- Nodes linked before they are pushed ---- */

static void chains(unsigned i)
{
    if (i == 0) {
        pop();
        pop();
        pop();
        return;
    }
    if (i == 1)
        push_two(i, 0);
    else
        push(i, 0);
    push(i, i == 1 ? 2 : 1);
}

static void chains_after(void)
{
    drain(5);
}

/* ---- Nobody consumes but who found it empty, until it is so again ---- */

static unsigned pops; /* the consumer of the moment */

static void begin_serving(void)
{
    pops = 0;
    begin();
}

/* One pop, after which another thread may be the consumer. */
static enum filchi_mpsc_pop serve_one(void)
{
    struct filchi_mpsc_node *node = NULL;
    pops++;
    enum filchi_mpsc_pop outcome = filchi_mpsc_pop(&queue, &node);
    model_check(outcome != FILCHI_MPSC_EMPTY);
    if (outcome == FILCHI_MPSC_BUSY)
        model_yield();
    else
        filchi_os_free(filchi_container_of(node, struct entry, node));
    return outcome;
}

static void serve(unsigned i)
{
    for (unsigned number = 0; number < 2; number++)
        if (filchi_mpsc_push(&queue, make(i, number)))
            while (serve_one() != FILCHI_MPSC_LAST)
                continue;
}

static void serve_after(void)
{
    model_check(pops >= 4);
    drain(0);
}

/* ---- A link says something by itself: filchi_future_thread() takes one for the task being final ---- */

static struct filchi_mpsc_node linked, behind;
static int before_link;

static void begin_link(void)
{
    before_link = 0;
    atomic_init(&linked.next, NULL);
    atomic_init(&behind.next, NULL);
}

static void make_link(unsigned i)
{
    if (i == 0) {
        before_link = 1;
        filchi_mpsc_link(&linked, &behind);
    } else if (atomic_load_explicit(&linked.next, memory_order_acquire)) {
        model_check(before_link == 1);
    }
}

static const struct model models[] = {
    { .name = "mpsc link",
      .says = "who finds a link sees what was done before it was made",
      .threads = 2,
      .before = begin_link,
      .thread = make_link,
      .bound = 8,
      .executions = 10000 },
    { .name = "mpsc two producers",
      .says = "each node comes once, complete, in its producer's order; the push after the last pop says that it "
              "was empty",
      .threads = 3,
      .before = begin,
      .thread = two_producers,
      .after = two_after,
      .bound = 3,
      .executions = 50000 },
    { .name = "mpsc serve",
      .says = "who finds the queue empty is its only consumer until it is empty again",
      .threads = 2,
      .before = begin_serving,
      .thread = serve,
      .after = serve_after,
      .executions = 100000 },
    { .name = "mpsc chains",
      .says = "the same as with two producers, for nodes that are pushed together",
      .threads = 3,
      .before = begin,
      .thread = chains,
      .after = chains_after,
      .executions = 100000 },
};

int main(int argc, char **argv)
{
    static const char *const files[] = { "mpsc.h", "mpsc_twin.h", NULL };
    return model_main(argc, argv, files, models, sizeof models / sizeof models[0]);
}
