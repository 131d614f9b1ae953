/* SPDX-License-Identifier: MIT */
/*
 * Memory for tasks: objects that others than their owner free, before and after the pool is closed; and blocks. Whoever
 * has an object writes to all of it, so that two lives of one object that are not in order are a data race.
 */
#include "blocks.h"
#include "engine.h"
#include "slab.h"

#define OBJECTS 3 /* of a chunk of the model's slabs */

static struct filchi_slab_home *home;
static struct filchi_slab slabs[2];
static void *objects[OBJECTS];
static unsigned released;

static void release(void *user)
{
    ++*(unsigned *)user;
}

/* A life of an object, which ends as slab.h wants it. */
static void live(void *object)
{
    memset(object, 1, FILCHI_SLAB_OBJECT);
    memset(object, 0, FILCHI_SLAB_OBJECT);
}

static void *alloc(struct filchi_slab *slab)
{
    void *object = filchi_slab_alloc(slab);
    model_check(object);
    model_check(filchi_slab_user_of(object) == &released);
    model_check(filchi_slab_home_of(object) == home);
    for (size_t i = sizeof object; i < FILCHI_SLAB_OBJECT; i++)
        model_check(((char *)object)[i] == 0);
    live(object);
    return object;
}

static void begin(void)
{
    released = 0;
    home = filchi_slab_home_create(1);
    model_check(home && filchi_slab_home_extend(home, 1) == 0);
    filchi_slab_home_set_user(home, &released, release);
    for (size_t i = 0; i < 2; i++)
        filchi_slab_init(&slabs[i], home, i);
    for (int i = 0; i < OBJECTS; i++)
        objects[i] = alloc(&slabs[0]);
}

static void close_home(void)
{
    struct filchi_slab *const all[] = { &slabs[0], &slabs[1] };
    filchi_slab_home_close(home, all, 2);
}

static void all_freed(void)
{
    model_check(released == 1);
    model_check(model_allocated() == 0);
}

static void close_after(void)
{
    model_check(released == 0);
    close_home();
    all_freed();
}

/* ---- Others free what the owner allocates again ---- */

static void returned(unsigned i)
{
    if (i == 0) {
        void *one = alloc(&slabs[0]), *two = alloc(&slabs[0]);
        model_check(one != two && one != objects[0] && two != objects[0]);
        filchi_slab_free(one, &slabs[0]);
        filchi_slab_free(two, &slabs[0]);
        filchi_slab_free(objects[0], NULL);
        return;
    }
    live(objects[i]);
    filchi_slab_free(objects[i], NULL);
}

/* ---- The same by the owner of another slab, who gives several back together ---- */

static void leaving(unsigned i)
{
    if (i == 0) {
        filchi_slab_free(alloc(&slabs[0]), &slabs[0]);
        filchi_slab_free(objects[0], &slabs[0]);
        return;
    }
    for (int at = 1; at < OBJECTS; at++) {
        live(objects[at]);
        filchi_slab_free(objects[at], &slabs[1]);
    }
    filchi_slab_flush(&slabs[1]);
}

/* ---- The pool goes while objects live ---- */

static void begin_closing(void)
{
    begin();
    filchi_slab_free(objects[0], &slabs[0]);
}

static void closing(unsigned i)
{
    if (i == 0) {
        close_home();
        return;
    }
    live(objects[i]);
    filchi_slab_free(objects[i], NULL);
}

static void begin_closed(void)
{
    begin_closing();
    close_home();
}

static void closed(unsigned i)
{
    live(objects[i + 1]);
    filchi_slab_free(objects[i + 1], NULL);
}

/* ---- Blocks ---- */

static struct filchi_blocks blocks;

static void begin_blocks(void)
{
    filchi_blocks_init(&blocks, FILCHI_LINE);
    void *one = filchi_blocks_alloc(&blocks), *two = filchi_blocks_alloc(&blocks);
    filchi_blocks_free(&blocks, one);
    filchi_blocks_free(&blocks, two);
}

static void use_block(unsigned i)
{
    (void)i;
    char *block = filchi_blocks_alloc(&blocks);
    for (size_t at = 0; at < FILCHI_LINE; at++)
        model_check(block[at] == 0);
    memset(block, 1, FILCHI_LINE);
    filchi_blocks_free(&blocks, block);
}

static void use_two_blocks(unsigned i)
{
    use_block(i);
    use_block(i);
}

static void blocks_after(void)
{
    filchi_blocks_fini(&blocks);
    model_check(model_allocated() == 0);
}

static const struct model models[] = {
    { .name = "slab returns",
      .says = "an object that others freed is allocated again after its old life, and by one",
      .threads = 3,
      .before = begin,
      .thread = returned,
      .after = close_after,
      .bound = 2,
      .executions = 20000 },
    { .name = "slab leaving",
      .says = "objects that the owner of another slab gives back together are all there again",
      .threads = 2,
      .before = begin,
      .thread = leaving,
      .after = close_after,
      .bound = 3,
      .executions = 10000 },
    { .name = "slab closed",
      .says = "the last object that is freed takes the memory with it, after the last use of every other one",
      .threads = 2,
      .before = begin_closed,
      .thread = closed,
      .after = all_freed,
      .bound = 4,
      .executions = 10000 },
    { .name = "slab closing",
      .says = "the same for objects that are freed while the pool closes",
      .threads = 3,
      .before = begin_closing,
      .thread = closing,
      .after = all_freed,
      .bound = 2,
      .executions = 20000 },
    { .name = "blocks",
      .says = "a block that is used again begins zeroed, after its old life; none is lost",
      .threads = 3,
      .before = begin_blocks,
      .thread = use_block,
      .after = blocks_after,
      .bound = 2,
      .executions = 20000 },
    { .name = "blocks in turn",
      .says = "the same for threads that use one after the other",
      .threads = 2,
      .before = begin_blocks,
      .thread = use_two_blocks,
      .after = blocks_after,
      .executions = 20000 },
};

int main(int argc, char **argv)
{
    static const char *const files[] = { "slab.c", "slab.h", "blocks.c", "blocks.h", NULL };
    return model_main(argc, argv, files, models, sizeof models / sizeof models[0]);
}
