/* SPDX-License-Identifier: MIT */
/* Blocks that are used again: see blocks.h. */
#include "blocks.h"

#include "os.h"

#include <string.h>

void filchi_blocks_init(struct filchi_blocks *blocks, size_t size)
{
    blocks->size = size;
    blocks->free = NULL;
    blocks->memory = NULL;
    atomic_init(&blocks->returns, NULL);
    pthread_mutex_init(&blocks->lock, NULL);
}

static void *next_of(const void *block)
{
    void *next;
    memcpy(&next, block, sizeof next);
    return next;
}

static void free_all(const filch_allocator *memory, void *block)
{
    for (void *next; block; block = next) {
        next = next_of(block);
        filchi_memory_free(memory, block);
    }
}

/* As there is none left in `free`. */
static void *take_returns(struct filchi_blocks *blocks)
{
    /* acquire L3: pairs with release L3 in filchi_blocks_free(); the blocks' old life is over. All of them are
     * taken, so that none can be pushed again between a look at it and a CAS. */
    return atomic_exchange_explicit(&blocks->returns, NULL, memory_order_acquire);
}

void filchi_blocks_fini(struct filchi_blocks *blocks)
{
    free_all(blocks->memory, blocks->free);
    free_all(blocks->memory, take_returns(blocks));
    pthread_mutex_destroy(&blocks->lock);
}

void *filchi_blocks_alloc(struct filchi_blocks *blocks)
{
    pthread_mutex_lock(&blocks->lock);
    void *block = blocks->free ? blocks->free : take_returns(blocks);
    blocks->free = block ? next_of(block) : NULL;
    pthread_mutex_unlock(&blocks->lock);
    return block ? memset(block, 0, blocks->size) : filchi_memory_alloc(blocks->memory, FILCHI_LINE, blocks->size);
}

void filchi_blocks_free(struct filchi_blocks *blocks, void *block)
{
    /* relaxed: what is under it is linked, not looked at. */
    void *top = atomic_load_explicit(&blocks->returns, memory_order_relaxed);
    do
        memcpy(block, &top, sizeof top);
    /* release L3: pairs with acquire L3 in take_returns(). */
    while (!atomic_compare_exchange_weak_explicit(&blocks->returns, &top, block, memory_order_release,
                                                  memory_order_relaxed));
}
