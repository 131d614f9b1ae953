/* SPDX-License-Identifier: MIT */
/* Memory for tasks: see slab.h. */
#include "slab.h"

#include "os.h"

#include <errno.h>
#include <string.h>

#ifdef FILCH_MODEL /* few objects, so that those of one chunk are soon used up */
#define CHUNK (4 * FILCHI_SLAB_OBJECT)
#define ARENA (4 * CHUNK)
#else
#define CHUNK ((size_t)64 << 10)
#define ARENA ((size_t)2 << 20)
#endif
/* Most objects of one other slab that are given back in one go. */
#define LEAVING 32

/* The first object's place in a chunk; written before the chunk's first object is given out. */
struct chunk {
    struct filchi_slab_home *home;
    struct filchi_slab_returns
        *returns; /* tells slabs apart: their own addresses may be used again by another pool */
};
_Static_assert(sizeof(struct chunk) <= FILCHI_SLAB_OBJECT, "the header takes the place of one object");

struct arena {
    struct arena *older;
    void *pages;
    size_t size;
};

/* Slabs that came later. */
struct extension {
    struct extension *older;
    size_t first; /* the index of the first of them */
    struct filchi_slab_returns returns[];
};

struct filchi_slab_home {
    const filch_allocator *memory; /* constant; lasts until the release */
    void *user;                    /* constant */
    void (*release)(void *user);   /* constant */
    pthread_mutex_t lock;
    struct arena *arenas; /* under lock */
    _Atomic size_t live;  /* after close: objects not freed yet, plus one while closing */
    size_t n;             /* who extends it */
    struct extension *extensions;
    struct filchi_slab_returns returns[];
};

static char closed_mark;
/* The top of the returns once the pool is gone: objects are counted then, not collected. */
#define CLOSED ((void *)&closed_mark)

_Thread_local struct filchi_slab *filchi_slab_here;

struct filchi_slab_home *filchi_slab_home_create_from(const filch_allocator *memory, size_t n)
{
    struct filchi_slab_home *home =
        filchi_memory_alloc(memory, FILCHI_LINE, sizeof *home + n * sizeof(struct filchi_slab_returns));
    if (home) {
        pthread_mutex_init(&home->lock, NULL);
        home->n = n;
        home->memory = memory;
    }
    return home;
}

struct filchi_slab_home *filchi_slab_home_create(size_t n)
{
    return filchi_slab_home_create_from(NULL, n);
}

int filchi_slab_home_extend(struct filchi_slab_home *home, size_t n)
{
    struct extension *extension =
        filchi_memory_alloc(home->memory, FILCHI_LINE, sizeof *extension + n * sizeof(struct filchi_slab_returns));
    if (!extension)
        return -ENOMEM;
    extension->first = home->n;
    extension->older = home->extensions;
    home->extensions = extension;
    home->n += n;
    return 0;
}

static struct filchi_slab_returns *returns_of(struct filchi_slab_home *home, size_t index)
{
    struct extension *extension = home->extensions;
    while (extension && index < extension->first)
        extension = extension->older;
    return extension ? &extension->returns[index - extension->first] : &home->returns[index];
}

void filchi_slab_home_set_user(struct filchi_slab_home *home, void *user, void (*release)(void *user))
{
    home->user = user;
    home->release = release;
}

static void home_free(struct filchi_slab_home *home)
{
    const filch_allocator *memory = home->memory, copy = memory ? *memory : (filch_allocator) { 0 };
    memory = memory ? &copy : NULL; /* the release may take it away */
    if (home->release)
        home->release(home->user);
    for (struct arena *arena = home->arenas, *older; arena; arena = older) {
        older = arena->older;
        filchi_memory_pages_free(memory, arena->pages, CHUNK, arena->size);
        filchi_memory_free(memory, arena);
    }
    for (struct extension *extension = home->extensions, *older; extension; extension = older) {
        older = extension->older;
        filchi_memory_free(memory, extension);
    }
    pthread_mutex_destroy(&home->lock);
    filchi_memory_free(memory, home);
}

static void home_drop(struct filchi_slab_home *home, size_t objects)
{
    /* acq_rel L2: pairs with itself; whoever drops the last sees every other thread done with the memory. */
    if (atomic_fetch_sub_explicit(&home->live, objects, memory_order_acq_rel) == objects)
        home_free(home);
}

static size_t list_length(const void *object)
{
    size_t n = 0;
    for (; object; n++)
        memcpy(&object, object, sizeof object);
    return n;
}

void filchi_slab_home_close(struct filchi_slab_home *home, struct filchi_slab *const *slabs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        filchi_slab_flush(slabs[i]);
    size_t carved = 1; /* ours, dropped at the end, so that nobody frees the home meanwhile */
    for (size_t i = 0; i < n; i++)
        carved += slabs[i]->carved;
    atomic_store_explicit(&home->live, carved, memory_order_relaxed); /* relaxed: published by L1 below. */
    size_t found = 1;
    for (size_t i = 0; i < n; i++) {
        /* acq_rel L1: pairs with L1 in give_back(); takes what was freed, and publishes `live`. */
        void *list = atomic_exchange_explicit(&slabs[i]->returns->top, CLOSED, memory_order_acq_rel);
        found += list_length(slabs[i]->free) + list_length(list);
    }
    home_drop(home, found);
}

void filchi_slab_init(struct filchi_slab *slab, struct filchi_slab_home *home, size_t index)
{
    *slab = (struct filchi_slab) { .home = home, .returns = returns_of(home, index) };
    atomic_init(&slab->returns->top, NULL);
}

/* The first arena is one chunk, for pools that stay small; the later ones are large and huge-paged. Inlined, it would make
 * each allocation save registers for it. */
__attribute__((noinline)) static bool grow(struct filchi_slab *slab)
{
    if (slab->arena == slab->arena_end) {
        size_t size = slab->carved ? ARENA : CHUNK;
        const filch_allocator *memory = slab->home->memory;
        struct arena *arena = filchi_memory_alloc(memory, _Alignof(struct arena), sizeof *arena);
        if (!arena)
            return false;
        arena->pages = filchi_memory_pages(memory, CHUNK, size, size == ARENA);
        if (!arena->pages) {
            filchi_memory_free(memory, arena);
            return false;
        }
        arena->size = size;
        pthread_mutex_lock(&slab->home->lock);
        arena->older = slab->home->arenas;
        slab->home->arenas = arena;
        pthread_mutex_unlock(&slab->home->lock);
        slab->arena = arena->pages;
        slab->arena_end = slab->arena + size;
    }
    struct chunk *chunk = (struct chunk *)(void *)slab->arena;
    *chunk = (struct chunk) { .home = slab->home, .returns = slab->returns };
    slab->next = slab->arena + FILCHI_SLAB_OBJECT;
    slab->end = slab->arena += CHUNK;
    return true;
}

void *filchi_slab_alloc_other(struct filchi_slab *slab)
{
    if (slab->next == slab->end) {
        /* relaxed: a hint; acquire L1: pairs with release L1 in give_back(), the objects' old life is
         * over. */
        if (atomic_load_explicit(&slab->returns->top, memory_order_relaxed))
            slab->free = atomic_exchange_explicit(&slab->returns->top, NULL, memory_order_acquire);
        if (!slab->free && !grow(slab))
            return NULL;
    }
    void *object = slab->free;
    if (object) {
        memcpy(&slab->free, object, sizeof slab->free);
        return object;
    }
    object = slab->next;
    slab->next += FILCHI_SLAB_OBJECT;
    slab->carved++;
    return object;
}

static struct chunk *chunk_of(const void *object)
{
    return (struct chunk *)((uintptr_t)object & ~(uintptr_t)(CHUNK - 1));
}

const struct filchi_slab_home *filchi_slab_home_of(const void *object)
{
    return chunk_of(object)->home;
}

void *filchi_slab_user_of(const void *object)
{
    return chunk_of(object)->home->user;
}

/* Gives n linked objects of one chunk owner back: `first` to `last`. */
static void give_back(struct filchi_slab_returns *returns, void *first, void *last, size_t n)
{
    /* acquire L1: pairs with the exchange in filchi_slab_home_close(); behind CLOSED the count is set. */
    void *top = atomic_load_explicit(&returns->top, memory_order_acquire);
    do {
        if (top == CLOSED) {
            home_drop(chunk_of(first)->home, n);
            return;
        }
        memcpy(last, &top, sizeof top);
        /* release L1: pairs with the exchanges in filchi_slab_alloc() and _home_close();
         * acquire L1: pairs with the latter, as above. */
    } while (!atomic_compare_exchange_weak_explicit(&returns->top, &top, first, memory_order_release,
                                                    memory_order_acquire));
}

void filchi_slab_flush(struct filchi_slab *slab)
{
    if (slab->n_leaving)
        give_back(slab->leaving_to, slab->leaving, slab->leaving_last, slab->n_leaving);
    slab->n_leaving = 0;
}

/* An object of another slab: it goes home with others, as that one's line is far away. */
static void leave(struct filchi_slab *slab, struct filchi_slab_returns *returns, void *object)
{
    if (slab->n_leaving == LEAVING || (slab->n_leaving && slab->leaving_to != returns))
        filchi_slab_flush(slab);
    if (!slab->n_leaving)
        slab->leaving_last = object;
    else
        memcpy(object, &slab->leaving, sizeof slab->leaving);
    slab->leaving = object;
    slab->leaving_to = returns;
    slab->n_leaving++;
}

void filchi_slab_free(void *object, struct filchi_slab *mine)
{
    struct filchi_slab_returns *returns = chunk_of(object)->returns;
    if (!mine) {
        give_back(returns, object, object, 1);
    } else if (returns == mine->returns) {
        memcpy(object, &mine->free, sizeof mine->free);
        mine->free = object;
    } else {
        leave(mine, returns, object);
    }
}
