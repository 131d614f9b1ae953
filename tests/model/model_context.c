/* SPDX-License-Identifier: MIT */
/*
 * Contexts: whoever lets go of one last ends it, and who lets go of a value last destroys it, after everybody's last use;
 * and a task that is run and cancelled at once has one who drops what it has.
 */
#include "one_task.h"

static filch_context *both, *one; /* `both` has what `one` has, and a value more */
static unsigned destroyed[2];     /* plain: two at once race */

struct value {
    unsigned slot;
    unsigned used[3]; /* by each thread, without an order among them */
};

/* Everybody's last use happened before. */
static void destroy(void *arg)
{
    struct value *value = arg;
    for (unsigned i = 0; i < 3; i++)
        value->used[i] = 0;
    destroyed[value->slot]++;
    model_free(value);
}

static struct value *make_value(unsigned slot)
{
    struct value *value = model_alloc(sizeof *value, _Alignof(struct value));
    value->slot = slot;
    return value;
}

static void begin_contexts(void)
{
    destroyed[0] = destroyed[1] = 0;
    one = filchi_context_create(NULL, 0, make_value(0), destroy);
    both = filchi_context_create(one, 1, make_value(1), destroy);
}

static void use(const filch_context *context, unsigned slot, unsigned i)
{
    ((struct value *)context->values[slot])->used[i]++;
}

/* ---- References ---- */

static void begin_held(void)
{
    begin_contexts();
    filch_context_unref(one); /* `both` has its value */
    filch_context_ref(both);
    filch_context_ref(both);
}

static void use_and_drop(unsigned i)
{
    use(both, 0, i);
    use(both, 1, i);
    filch_context *mine = filch_context_ref(both);
    filch_context_unref(both);
    use(mine, 1, i);
    filch_context_unref(mine);
}

static void two_destroyed(void)
{
    model_check(destroyed[0] == 1 && destroyed[1] == 1);
    freed();
}

/* ---- Values ---- */

static void drop_either(unsigned i)
{
    filch_context *mine = i == 0 ? one : both;
    use(mine, 0, i);
    if (i == 1)
        use(mine, 1, i);
    filch_context_unref(mine);
}

/* Out of one that is in force, and ends before those that are made of it. */
static void begin_derived(void)
{
    begin_contexts();
    filch_context_ref(both);
}

static void derive(unsigned i)
{
    filch_context *made = filchi_context_create(both, 1, NULL, NULL);
    filch_context_unref(both);
    use(made, 0, i);
    filch_context_unref(made);
    if (i == 0)
        filch_context_unref(one);
}

/* ---- The stock of a worker ---- */

static void begin_stock(void)
{
    begin_held();
    filch_context_unref(both);
}

/* Hands out many and gives them back, as one that submits and one that runs. */
static void use_stock(unsigned i)
{
    struct filchi_context_outer outer;
    filchi_context_here.keeps = i == 0;
    filchi_context_enter(&outer, both);
    for (unsigned n = 0; n < 6; n++) {
        filch_context *taken = filchi_context_take();
        use(taken, 0, i);
        if (n % 2)
            filchi_context_give(taken);
        else
            filch_context_unref(taken);
    }
    filchi_context_leave(&outer);
    filchi_context_give(both); /* the thread's own */
    filchi_context_flush();
    filchi_context_here.keeps = false;
}

/* ---- A task ---- */

static void begin_task(void)
{
    struct filchi_context_outer outer;
    open_slab();
    begin_contexts();
    filch_context_unref(one);
    future = make(1, false);
    filchi_context_enter(&outer, both);
    filchi_future_inherit_context(future);
    filchi_context_leave(&outer);
    filch_context_unref(both); /* the task's alone */
    close_slab();
}

static void run_within(unsigned i)
{
    if (filchi_future_claim(future) != FILCHI_CLAIM_GOT)
        return;
    filch_context *context = filchi_future_begin_context(future);
    model_check(context == both && !filchi_future_result(future));
    model_check((filch_fn *)filchi_future_begin(future, (const struct filchi_thread *)&runs) == function);
    filchi_future_set_result(future, &runs);
    use(context, 1, i);
    runs++;
    filchi_future_complete(future, 0);
    filchi_context_give(context);
}

/* Who runs it, and who holds it and cancels it: one of the two drops its context. */
static void run_or_cancel(unsigned i)
{
    if (i == 0) {
        run_within(i);
        return;
    }
    cancel(i);
    model_check(filch_future_state(future) != FILCH_PENDING);
    filch_future_unref(future);
}

/* Its entry is cancelled, by a shutdown, while who holds it does so. */
static void cancel_twice(unsigned i)
{
    if (i == 0) {
        filchi_future_cancel_entry(future);
        return;
    }
    cancel(i);
    filch_future_unref(future);
}

static const struct model models[] = {
    { .name = "context references",
      .says = "a context ends with its last holder, and its values are destroyed once, after every use",
      .threads = 3,
      .before = begin_held,
      .thread = use_and_drop,
      .after = two_destroyed,
      .bound = 6,
      .executions = 20000 },
    { .name = "context values",
      .says = "a value that two contexts have goes with the last of them",
      .threads = 2,
      .before = begin_contexts,
      .thread = drop_either,
      .after = two_destroyed,
      .bound = 8,
      .executions = 20000 },
    { .name = "context derived",
      .says = "what is made of a context keeps its values, and not the context",
      .threads = 2,
      .before = begin_derived,
      .thread = derive,
      .after = two_destroyed,
      .bound = 5,
      .executions = 20000 },
    { .name = "context stock",
      .says = "references handed out and given back by way of a stock are all counted in the end",
      .threads = 2,
      .before = begin_stock,
      .thread = use_stock,
      .after = two_destroyed,
      .bound = 4,
      .executions = 20000 },
    { .name = "context task",
      .says = "of a task that is run and cancelled at once, one of the two drops the context",
      .threads = 2,
      .before = begin_task,
      .thread = run_or_cancel,
      .after = two_destroyed,
      .bound = 3,
      .executions = 5000 },
    { .name = "context cancelled",
      .says = "of a task whose entry is cancelled while a holder cancels it too, one drops the context",
      .threads = 2,
      .before = begin_task,
      .thread = cancel_twice,
      .after = two_destroyed,
      .bound = 3,
      .executions = 5000 },
};

int main(int argc, char **argv)
{
    static const char *const files[] = { "context.c", "context.h", NULL };
    return model_main(argc, argv, files, models, sizeof models / sizeof models[0]);
}
