/* SPDX-License-Identifier: MIT */
/*
 * The waitlist: nodes come and go while others make the word final. Whoever ends a node's stay frees it, who serves it
 * or who removed it: so one that is served twice, or served and removed, is freed twice, and one that is neither
 * leaks. What was written before the final state, and into the node before it came, is plain memory.
 */
#include "engine.h"
#include "waitlist.h"

enum { OPEN, MIDDLE, FINAL = FILCHI_STATE_FINAL };

struct node {
    struct filchi_late_waiter late;
    int letter;
};

static struct filchi_waitlist list;
static int outcomes[2]; /* by who made it final, who says so by the state */
static int letters[4];  /* of the nodes served; one thread serves them all */
static int n_letters;
static struct node *first[3]; /* in the list from the beginning, the last in front */

static void read_outcome(void)
{
    unsigned state = filchi_waitlist_peek(&list);
    model_check(state >= FINAL);
    model_check(outcomes[state - FINAL] == 1);
}

static void serve(struct filchi_waiter *waiter)
{
    struct node *node = (struct node *)waiter;
    read_outcome();
    letters[n_letters++] = node->letter;
    model_free(node);
}

/* NULL: it came too late. */
static struct node *add(int letter, bool late)
{
    struct node *node = model_alloc(sizeof *node, _Alignof(struct node));
    node->late.waiter.serve = late ? filchi_waitlist_late : serve;
    node->late.serve = serve;
    node->letter = letter;
    if (filchi_waitlist_add(&list, &node->late.waiter))
        return node;
    read_outcome();
    model_free(node);
    return NULL;
}

static void leave(struct node *node)
{
    if (node && filchi_waitlist_remove(&list, &node->late.waiter))
        model_free(node);
}

static void leave_linked(struct node *node)
{
    bool served = false;
    if (node && filchi_waitlist_remove_linked(&list, &node->late.waiter, &served))
        model_free(node);
    if (served)
        model_check(filchi_waitlist_peek(&list) >= FINAL);
}

static bool finish(unsigned from, unsigned i)
{
    uintptr_t old = 0;
    outcomes[i] = 1;
    if (!filchi_waitlist_move(&list, from, FINAL + i, &old))
        return false;
    filchi_waitlist_serve(old);
    return true;
}

static void begin(void)
{
    filchi_waitlist_init(&list, OPEN, 0);
    n_letters = outcomes[0] = outcomes[1] = 0;
}

static void begin_with_three(void)
{
    begin();
    for (int i = 0; i < 3; i++)
        first[i] = add(i, false);
}

static void nothing_left(void)
{
    model_check(filchi_waitlist_state(&list) >= FINAL);
    model_check(model_allocated() == 0);
}

/* ---- Adding ---- */

static void add_and_look(unsigned i)
{
    if (i == 0)
        model_check(finish(OPEN, 0));
    else if (i == 1)
        add(1, false);
    else if (filchi_waitlist_state(&list) >= FINAL)
        read_outcome();
}

static void add_two(unsigned i)
{
    if (i == 0)
        model_check(finish(OPEN, 0));
    else
        add((int)i, false);
}

/* The states before the final one are passed through with the waiters kept. */
static void pass_through(unsigned i)
{
    uintptr_t old;
    if (i > 0) {
        add((int)i, false);
        return;
    }
    model_check(filchi_waitlist_move(&list, OPEN, MIDDLE, &old));
    model_check(finish(MIDDLE, 0));
}

static void first_wins(unsigned i)
{
    if (i == 2)
        add(1, false);
    else if (finish(OPEN, i))
        model_check(filchi_waitlist_peek(&list) == FINAL + i);
    else
        model_check(filchi_waitlist_state(&list) == FINAL + 1 - i);
}

static void add_late_and_early(unsigned i)
{
    if (i == 0) {
        model_check(finish(OPEN, 0));
        return;
    }
    add(0, true);
    add(1, false);
    add(2, true);
}

/* Those who were served were served in the order of their coming, late ones after the others. */
static void in_order(void)
{
    static const int orders[4][3] = { { 0 }, { 0 }, { 1, 0 }, { 1, 0, 2 } };
    for (int i = 0; i < n_letters; i++)
        model_check(letters[i] == orders[n_letters][i]);
    nothing_left();
}

/* ---- Leaving ---- */

static void come_and_go(unsigned i)
{
    if (i == 0)
        model_check(finish(OPEN, 0));
    else
        leave(add((int)i, false));
}

static void come_and_go_linked(unsigned i)
{
    if (i == 0)
        model_check(finish(OPEN, 0));
    else
        leave_linked(add((int)i, false));
}

/* The second walks over links that the first changed. */
static void leave_from_within(unsigned i)
{
    if (i == 0)
        model_check(finish(OPEN, 0));
    else
        leave(first[2 - i]);
}

static void leave_from_within_linked(unsigned i)
{
    if (i == 0)
        model_check(finish(OPEN, 0));
    else
        leave_linked(first[2 - i]);
}

/* Nodes come in front of one that leaves. */
static void come_before_who_goes(unsigned i)
{
    if (i == 0)
        model_check(finish(OPEN, 0));
    else if (i == 1)
        leave(first[2]);
    else
        leave(add(3, false));
}

static void come_before_who_goes_linked(unsigned i)
{
    if (i == 0)
        model_check(finish(OPEN, 0));
    else if (i == 1)
        leave_linked(first[2]);
    else
        leave_linked(add(3, false));
}

/* ---- Letting go of what the word lies in ---- */

static struct object {
    struct filchi_waitlist list;
    int used; /* by who holds it */
} * object;

static void begin_object(void)
{
    object = model_alloc(sizeof *object, _Alignof(struct object));
    filchi_waitlist_init(&object->list, OPEN, 0);
}

/* As orphan() in future.c: whoever comes second frees it. */
static void let_go(unsigned i)
{
    uintptr_t old = 0;
    if (i == 0) {
        model_check(filchi_waitlist_move(&object->list, OPEN, FINAL, &old));
        if (old & FILCHI_WORD_ORPHAN)
            model_free(object);
        return;
    }
    object->used = 1;
    /* acq_rel: our use before, or the completer's before we free it. */
    old = atomic_fetch_or_explicit(&object->list.word, FILCHI_WORD_ORPHAN, memory_order_acq_rel);
    if ((old & FILCHI_WORD_STATE) >= FINAL)
        model_free(object);
}

static void freed(void)
{
    model_check(model_allocated() == 0);
}

static const struct model models[] = {
    { .name = "waitlist outcome",
      .says = "who was served, came too late or looked sees what was written before the final state",
      .threads = 3,
      .before = begin,
      .thread = add_and_look,
      .after = nothing_left,
      .bound = 6,
      .executions = 20000 },
    { .name = "waitlist add",
      .says = "two who come while the word becomes final are each served once or too late",
      .threads = 3,
      .before = begin,
      .thread = add_two,
      .after = nothing_left,
      .bound = 5,
      .executions = 20000 },
    { .name = "waitlist states",
      .says = "a move between open states loses nobody who waits",
      .threads = 3,
      .before = begin,
      .thread = pass_through,
      .after = nothing_left,
      .bound = 4,
      .executions = 20000 },
    { .name = "waitlist first wins",
      .says = "of two who make the word final one does",
      .threads = 3,
      .before = begin,
      .thread = first_wins,
      .after = nothing_left,
      .bound = 5,
      .executions = 20000 },
    { .name = "waitlist order",
      .says = "waiters are served in the order of their coming, late ones after the others",
      .threads = 2,
      .before = begin,
      .thread = add_late_and_early,
      .after = in_order,
      .bound = 8,
      .executions = 20000 },
    { .name = "waitlist leave",
      .says = "who leaves while the word becomes final was removed or served, never both or neither",
      .threads = 3,
      .before = begin,
      .thread = come_and_go,
      .after = nothing_left,
      .bound = 3,
      .executions = 100000 },
    { .name = "waitlist leave linked",
      .says = "the same where waiters are linked back",
      .threads = 3,
      .before = begin,
      .thread = come_and_go_linked,
      .after = nothing_left,
      .bound = 3,
      .executions = 100000 },
    { .name = "waitlist within",
      .says = "two neighbours who leave at once both find their places",
      .threads = 3,
      .before = begin_with_three,
      .thread = leave_from_within,
      .after = nothing_left,
      .bound = 3,
      .executions = 100000 },
    { .name = "waitlist within linked",
      .says = "the same where waiters are linked back",
      .threads = 3,
      .before = begin_with_three,
      .thread = leave_from_within_linked,
      .after = nothing_left,
      .bound = 3,
      .executions = 100000 },
    { .name = "waitlist front",
      .says = "the first leaves while another comes before it",
      .threads = 3,
      .before = begin_with_three,
      .thread = come_before_who_goes,
      .after = nothing_left,
      .bound = 3,
      .executions = 100000 },
    { .name = "waitlist front linked",
      .says = "the same where waiters are linked back",
      .threads = 3,
      .before = begin_with_three,
      .thread = come_before_who_goes_linked,
      .after = nothing_left,
      .bound = 3,
      .executions = 100000 },
    { .name = "waitlist orphan",
      .says = "what the word lies in is freed once, by who lets go of it last, after the other's last use",
      .threads = 2,
      .before = begin_object,
      .thread = let_go,
      .after = freed,
      .bound = 8,
      .executions = 20000 },
};

int main(int argc, char **argv)
{
    static const char *const files[] = { "waitlist.c", "waitlist.h", NULL };
    return model_main(argc, argv, files, models, sizeof models / sizeof models[0]);
}
