/* SPDX-License-Identifier: MIT */
/* Memory for tasks: clean objects, reuse, frees by others, and a home that outlives its slabs. */
#include "slab.h"

#include "os.h"
#include "support.h"

SUITE(slab);

#define IN_A_CHUNK 1023 /* 64 KiB of 64 bytes, less the header */

struct fixture {
    struct filchi_slab_home *home;
    struct filchi_slab slabs[2];
};

static struct fixture *make(void)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->home = filchi_slab_home_create(2);
    must(fixture->home);
    for (size_t i = 0; i < 2; i++)
        filchi_slab_init(&fixture->slabs[i], fixture->home, i);
    return fixture;
}

static void close_home(struct fixture *fixture)
{
    struct filchi_slab *slabs[2] = { &fixture->slabs[0], &fixture->slabs[1] };
    filchi_slab_home_close(fixture->home, slabs, 2);
    free(fixture);
}

static bool clean(const void *object)
{
    static const char zero[FILCHI_SLAB_OBJECT];
    return memcmp((const char *)object + sizeof(void *), zero, sizeof zero - sizeof(void *)) == 0;
}

/* As the owner of an object must before it frees it. */
static void soil_and_clean(void *object)
{
    memset(object, 0xA5, FILCHI_SLAB_OBJECT);
    memset(object, 0, FILCHI_SLAB_OBJECT);
}

Test(slab, objects_are_distinct_aligned_and_zero_over_many_chunks)
{
    struct fixture *fixture = make();
    enum { N = 3 * IN_A_CHUNK + 40000 }; /* into the large arenas */
    char **objects = calloc(N, sizeof *objects);
    for (int i = 0; i < N; i++) {
        objects[i] = filchi_slab_alloc(&fixture->slabs[0]);
        cr_assert_not_null(objects[i]);
        cr_assert_eq((uintptr_t)objects[i] % FILCHI_LINE, 0);
        cr_assert(clean(objects[i]));
        memset(objects[i], 1 + i % 250, FILCHI_SLAB_OBJECT);
    }
    for (int i = 0; i < N; i++) {
        cr_assert_eq((unsigned char)objects[i][0], 1 + i % 250);
        cr_assert_eq((unsigned char)objects[i][FILCHI_SLAB_OBJECT - 1], 1 + i % 250);
        cr_assert_eq(filchi_slab_home_of(objects[i]), fixture->home);
        memset(objects[i], 0, FILCHI_SLAB_OBJECT);
        filchi_slab_free(objects[i], &fixture->slabs[0]);
    }
    free(objects);
    close_home(fixture);
}

Test(slab, what_its_owner_frees_is_given_out_next)
{
    struct fixture *fixture = make();
    void *object = filchi_slab_alloc(&fixture->slabs[0]);
    soil_and_clean(object);
    filchi_slab_free(object, &fixture->slabs[0]);
    cr_assert_eq(filchi_slab_alloc(&fixture->slabs[0]), object);
    cr_assert(clean(object));
    filchi_slab_free(object, &fixture->slabs[0]);
    close_home(fixture);
}

Test(slab, what_others_free_comes_back_when_the_chunk_is_used_up)
{
    struct fixture *fixture = make();
    void *objects[IN_A_CHUNK];
    for (int i = 0; i < IN_A_CHUNK; i++)
        objects[i] = filchi_slab_alloc(&fixture->slabs[0]);
    filchi_slab_free(objects[3], &fixture->slabs[1]); /* from a thread that owns another slab */
    filchi_slab_flush(&fixture->slabs[1]);
    filchi_slab_free(objects[5], NULL); /* from one that owns none */
    void *one = filchi_slab_alloc(&fixture->slabs[0]), *two = filchi_slab_alloc(&fixture->slabs[0]);
    cr_assert_eq(one, objects[5]);
    cr_assert_eq(two, objects[3]);
    cr_assert(clean(one));
    cr_assert(clean(two));
    for (int i = 0; i < IN_A_CHUNK; i++)
        filchi_slab_free(objects[i], NULL);
    close_home(fixture);
}

Test(slab, the_memory_stays_until_the_last_object_is_freed)
{
    struct fixture *fixture = make();
    char *first = filchi_slab_alloc(&fixture->slabs[0]), *second = filchi_slab_alloc(&fixture->slabs[1]);
    void *third = filchi_slab_alloc(&fixture->slabs[1]);
    filchi_slab_free(third, &fixture->slabs[1]);
    close_home(fixture);
    memset(first, 7, FILCHI_SLAB_OBJECT);
    memset(second, 7, FILCHI_SLAB_OBJECT);
    filchi_slab_free(first, NULL);
    cr_assert_eq(second[50], 7);
    filchi_slab_free(second, NULL); /* LeakSanitizer tells whether that was all */
}

static void count_release(void *releases)
{
    ++*(int *)releases;
}

Test(slab, the_user_of_a_home_is_known_by_its_objects_and_released_with_it)
{
    struct fixture *fixture = make();
    int releases = 0;
    filchi_slab_home_set_user(fixture->home, &releases, count_release);
    void *object = filchi_slab_alloc(&fixture->slabs[1]);
    cr_assert_eq(filchi_slab_user_of(object), &releases);
    close_home(fixture);
    cr_assert_eq(filchi_slab_user_of(object), &releases);
    cr_assert_eq(releases, 0);
    filchi_slab_free(object, NULL);
    cr_assert_eq(releases, 1);
}

Test(slab, a_home_that_was_never_used_goes_at_once)
{
    close_home(make());
}

Test(slab, without_memory_it_gives_none_and_later_it_does)
{
    struct fixture *fixture = make();
    for (int nth = 1; nth <= 2; nth++) { /* the arena's record, then its pages */
        atomic_store(&filchi_os_faults.allocations, nth);
        cr_assert_null(filchi_slab_alloc(&fixture->slabs[0]));
    }
    void *object = filchi_slab_alloc(&fixture->slabs[0]);
    cr_assert_not_null(object);
    filchi_slab_free(object, NULL);
    close_home(fixture);
    atomic_store(&filchi_os_faults.allocations, 1);
    cr_assert_null(filchi_slab_home_create(2));
}

/* ---- Many threads ---- */

#define FREERS 3
#define ROUNDS 100000

struct post {
    _Atomic(void *) slot;
    _Atomic bool over;
};

static void *free_what_comes(void *arg)
{
    struct post *post = arg;
    for (;;) {
        bool over = atomic_load(&post->over);
        void *object = atomic_exchange(&post->slot, NULL);
        if (object) {
            must(*(uintptr_t *)((char *)object + 32) == (uintptr_t)object);
            soil_and_clean(object);
            filchi_slab_free(object, NULL);
        } else if (over) {
            return NULL;
        }
    }
}

Test(slab, objects_freed_by_other_threads_are_reused_and_stay_apart)
{
    struct fixture *fixture = make();
    struct post posts[FREERS] = { { NULL, false } };
    pthread_t threads[FREERS];
    for (int i = 0; i < FREERS; i++)
        must(pthread_create(&threads[i], NULL, free_what_comes, &posts[i]) == 0);
    for (int i = 0; i < ROUNDS; i++) {
        char *object = filchi_slab_alloc(&fixture->slabs[0]);
        must(object && clean(object));
        memcpy(object + 32, &object, sizeof object);
        void *unread = atomic_exchange(&posts[i % FREERS].slot, object);
        if (unread) {
            soil_and_clean(unread);
            filchi_slab_free(unread, &fixture->slabs[0]);
        }
    }
    for (int i = 0; i < FREERS; i++)
        atomic_store(&posts[i].over, true);
    for (int i = 0; i < FREERS; i++)
        pthread_join(threads[i], NULL);
    cr_assert_lt(fixture->slabs[0].carved, ROUNDS / 2, "freed objects come back");
    close_home(fixture);
}

Test(slab, frees_that_race_with_the_end_of_the_home_are_counted)
{
    for (int round = 0; round < 300; round++) {
        struct fixture *fixture = make();
        struct post posts[FREERS] = { { NULL, false } };
        pthread_t threads[FREERS];
        for (int i = 0; i < FREERS; i++) {
            char *object = filchi_slab_alloc(&fixture->slabs[0]);
            memcpy(object + 32, &object, sizeof object);
            atomic_store(&posts[i].slot, object);
            atomic_store(&posts[i].over, true);
            must(pthread_create(&threads[i], NULL, free_what_comes, &posts[i]) == 0);
        }
        close_home(fixture);
        for (int i = 0; i < FREERS; i++)
            pthread_join(threads[i], NULL);
    }
}

/* The slab of a thread that frees those of others keeps some back; it gives them back when there are many, when those
 * of a third slab come, and when it is told to. */
Test(slab, what_a_slab_frees_for_others_goes_home_together)
{
    struct fixture *fixture = make();
    struct filchi_slab *own = &fixture->slabs[0], *other = &fixture->slabs[1];
    void *objects[40];
    for (int i = 0; i < 40; i++)
        objects[i] = filchi_slab_alloc(own);
    for (int i = 0; i < 33; i++)
        filchi_slab_free(objects[i], other);
    cr_assert_eq(other->n_leaving, 1); /* 32 went home */
    cr_assert_not_null(atomic_load(&own->returns->top));
    filchi_slab_free(objects[33], other);
    filchi_slab_flush(other);
    cr_assert_eq(other->n_leaving, 0);
    size_t home = 0;
    for (void *object = atomic_load(&own->returns->top); object; home++)
        memcpy(&object, object, sizeof object);
    cr_assert_eq(home, 34);
    for (int i = 34; i < 40; i++) /* left with `other` at the end, which gives them back */
        filchi_slab_free(objects[i], other);
    close_home(fixture);
}

Test(slab, slabs_that_were_added_in_several_steps_get_their_own_objects_back)
{
    struct fixture *fixture = make();
    struct filchi_slab later[2], *all[4] = { &fixture->slabs[0], &fixture->slabs[1], &later[0], &later[1] };
    void *objects[4];
    for (size_t i = 0; i < 2; i++)
        must(filchi_slab_home_extend(fixture->home, 1) == 0);
    for (size_t i = 2; i-- > 0;)
        filchi_slab_init(&later[i], fixture->home, 2 + i);
    for (int i = 0; i < 4; i++)
        objects[i] = filchi_slab_alloc(all[i]);
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < i; k++)
            cr_assert_neq((void *)all[i]->returns, (void *)all[k]->returns);
    for (int i = 0; i < 4; i++) {
        filchi_slab_free(objects[i], all[(i + 1) % 4]);
        filchi_slab_flush(all[(i + 1) % 4]);
        cr_assert_eq(atomic_load(&all[i]->returns->top), objects[i]);
    }
    filchi_slab_home_close(fixture->home, all, 4);
    free(fixture);
}
