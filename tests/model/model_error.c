/* SPDX-License-Identifier: MIT */
/*
 * What is counted and freed by who lets go last: errors, with all that hangs on them, and what outlives a pool. Each
 * thread uses what it holds until it lets go; the last one frees it, after every other's last use.
 */
#include "engine.h"
#include "error.h"
#include "origin.h"

#include <errno.h>
#include <string.h>

static void freed(void)
{
    model_check(model_allocated() == 0);
}

/* ---- Errors ---- */

static filch_error *error;

static void begin_error(void)
{
    error = filch_error_create(-EIO, "the disk is gone");
    filch_error_ref(error);
    filch_error_ref(error);
}

static void use_and_drop(unsigned i)
{
    (void)i;
    model_check(filch_error_code(error) == -EIO);
    filch_error_unref(error);
}

/* Each takes one more, and passes it on within itself. */
static void take_and_drop(unsigned i)
{
    if (i == 2) {
        use_and_drop(i);
        return;
    }
    filch_error *mine = filch_error_ref(error);
    filch_error_unref(error);
    model_check(strcmp(filch_error_message(mine), "the disk is gone") == 0);
    filch_error_unref(mine);
}

/* One is made from the error, one suppresses it: the chains end in what they share. */
static void chain_and_drop(unsigned i)
{
    filch_error *mine = i == 0 ? filch_error_create_from(error, -EPIPE, "caused")
                               : filchi_error_with_suppressed(error, (const filch_error *[]) { error }, 1, 1);
    filch_error_unref(error);
    const filch_error *old = i == 0 ? filch_error_cause(mine) : filch_error_suppressed(mine, 0);
    model_check(filch_error_code(old) == -EIO);
    filch_error_unref(mine);
}

static void begin_two(void)
{
    error = filch_error_create(-EIO, "the disk is gone");
    filch_error_ref(error);
}

/* Without memory: everybody's, and not counted. */
static void use_stand_in(unsigned i)
{
    filch_error *mine = filch_error_ref(&filchi_error_out_of_memory);
    if (i == 0)
        mine = filch_error_create_from(mine, 0, "caused");
    model_check(filch_error_code(mine) == -ENOMEM);
    filch_error_unref(mine);
    filch_error_unref(&filchi_error_out_of_memory);
}

/* ---- What outlives a pool ---- */

static struct filchi_origin *origin;

static void begin_origin(void)
{
    origin = filchi_origin_create();
    filchi_origin_ref(origin);
}

static void use_origin(unsigned i)
{
    if (i == 0)
        filchi_origin_ref(origin);
    model_check(filchi_origin_here(origin));
    model_check(!origin->on_unobserved);
    filchi_origin_unref(origin);
    if (i == 0)
        filchi_origin_unref(origin);
}

static const struct model models[] = {
    { .name = "error holders",
      .says = "an error is freed by its last holder, after the last use by the others",
      .threads = 3,
      .before = begin_error,
      .thread = use_and_drop,
      .after = freed,
      .bound = 8,
      .executions = 20000 },
    { .name = "error references",
      .says = "references taken by those who hold one are counted",
      .threads = 3,
      .before = begin_error,
      .thread = take_and_drop,
      .after = freed,
      .bound = 5,
      .executions = 20000 },
    { .name = "error chains",
      .says = "an error that two others hang on goes with the second of them",
      .threads = 2,
      .before = begin_two,
      .thread = chain_and_drop,
      .after = freed,
      .bound = 8,
      .executions = 20000 },
    { .name = "error without memory",
      .says = "what stands in without memory is shared and never freed",
      .threads = 2,
      .thread = use_stand_in,
      .after = freed,
      .bound = 8,
      .executions = 2000 },
    { .name = "error origin",
      .says = "what outlives a pool is freed by its last holder, after the last use by the others",
      .threads = 2,
      .before = begin_origin,
      .thread = use_origin,
      .after = freed,
      .bound = 8,
      .executions = 20000 },
};

int main(int argc, char **argv)
{
    static const char *const files[] = { "error.c", "error.h", "origin.c", "origin.h", NULL };
    return model_main(argc, argv, files, models, sizeof models / sizeof models[0]);
}
