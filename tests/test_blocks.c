/* SPDX-License-Identifier: MIT */
/* Blocks that are used again: clean ones, reuse, frees by others. */
#include "blocks.h"

#include "os.h"
#include "support.h"

SUITE(blocks);

#define SIZE ((size_t)3 * FILCHI_LINE)

static bool is_clean(const void *block)
{
    static const char zero[SIZE];
    return memcmp(block, zero, SIZE) == 0;
}

Test(blocks, a_block_is_zero_and_at_the_beginning_of_a_line_when_it_is_new_and_when_it_comes_again)
{
    struct filchi_blocks blocks;
    filchi_blocks_init(&blocks, SIZE);
    void *first = filchi_blocks_alloc(&blocks);
    cr_assert(is_clean(first) && (uintptr_t)first % FILCHI_LINE == 0);
    memset(first, 0xff, SIZE);
    filchi_blocks_free(&blocks, first);
    void *again = filchi_blocks_alloc(&blocks);
    cr_assert_eq(again, first);
    cr_assert(is_clean(again));
    filchi_blocks_free(&blocks, again);
    filchi_blocks_fini(&blocks);
}

Test(blocks, when_enough_of_them_are_there_no_memory_is_asked_for)
{
    enum { N = 100 };
    struct filchi_blocks blocks;
    void *held[N];
    filchi_blocks_init(&blocks, SIZE);
    for (int i = 0; i < N; i++)
        held[i] = filchi_blocks_alloc(&blocks);
    for (int i = 0; i < N; i++)
        filchi_blocks_free(&blocks, held[i]);
    atomic_store(&filchi_os_faults.allocations, -1);
    for (int i = 0; i < N; i++)
        cr_assert(held[i] = filchi_blocks_alloc(&blocks));
    cr_assert_null(filchi_blocks_alloc(&blocks));
    atomic_store(&filchi_os_faults.allocations, 0);
    for (int i = 0; i < N; i++)
        filchi_blocks_free(&blocks, held[i]);
    filchi_blocks_fini(&blocks);
}

static void *give_and_take(void *arg)
{
    struct filchi_blocks *blocks = arg;
    uintptr_t me = filchi_os_self();
    for (int i = 0; i < 20000; i++) {
        uintptr_t *a = filchi_blocks_alloc(blocks), *b = filchi_blocks_alloc(blocks);
        must(a && b && a != b && is_clean(a) && is_clean(b));
        a[2] = b[2] = me;
        filchi_blocks_free(blocks, a);
        must(b[2] == me);
        filchi_blocks_free(blocks, b);
    }
    return NULL;
}

Test(blocks, threads_that_take_and_give_back_at_once_never_share_one)
{
    struct filchi_blocks blocks;
    pthread_t threads[4];
    filchi_blocks_init(&blocks, SIZE);
    for (int i = 0; i < 4; i++)
        must(pthread_create(&threads[i], NULL, give_and_take, &blocks) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    filchi_blocks_fini(&blocks);
}
