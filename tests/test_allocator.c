/* SPDX-License-Identifier: MIT */
/* A pool's memory from an allocator of the caller's: given back as it was taken, and nothing lost where it has none. */
#include "support.h"

SUITE(allocator);

/* ---- An allocator that keeps accounts ---- */

struct entry {
    struct entry *next;
    void *memory;
    size_t bytes, alignment;
};

struct accounts {
    pthread_mutex_t lock;
    struct entry *entries; /* what is taken now */
    long taken, given;
    long fail_at; /* the nth from now fails; negative: all */
};

#define ACCOUNTS                          \
    {                                     \
        .lock = PTHREAD_MUTEX_INITIALIZER \
    }

static bool fails(struct accounts *accounts)
{
    if (accounts->fail_at <= 0)
        return accounts->fail_at < 0;
    return --accounts->fail_at == 0;
}

static void *take(size_t bytes, size_t alignment, void *arg)
{
    struct accounts *accounts = arg;
    struct entry *entry = NULL;
    must(bytes > 0 && alignment > 0 && (alignment & (alignment - 1)) == 0);
    pthread_mutex_lock(&accounts->lock);
    if (!fails(accounts)) {
        size_t whole = (bytes + alignment - 1) & ~(alignment - 1);
        entry = malloc(sizeof *entry);
        must(entry);
        entry->memory = aligned_alloc(alignment < sizeof(void *) ? sizeof(void *) : alignment, whole);
        entry->bytes = bytes;
        entry->alignment = alignment;
        must(entry->memory);
        memset(entry->memory, 0xA5, whole); /* of any content */
        entry->next = accounts->entries;
        accounts->entries = entry;
        accounts->taken++;
    }
    pthread_mutex_unlock(&accounts->lock);
    return entry ? entry->memory : NULL;
}

static void give(void *memory, size_t bytes, size_t alignment, void *arg)
{
    struct accounts *accounts = arg;
    pthread_mutex_lock(&accounts->lock);
    struct entry **at = &accounts->entries;
    while (*at && (*at)->memory != memory)
        at = &(*at)->next;
    struct entry *entry = *at;
    must(entry); /* of this allocator, and not given twice */
    must(entry->bytes == bytes && entry->alignment == alignment);
    *at = entry->next;
    accounts->given++;
    pthread_mutex_unlock(&accounts->lock);
    free(memory);
    free(entry);
}

static int create(filch_pool **out, struct accounts *accounts)
{
    filch_allocator allocator = { sizeof allocator, take, give, accounts };
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = 2;
    options.allocator = &allocator; /* copied: it is gone when we return */
    return filch_pool_create(out, &options);
}

/* ---- A life of a pool ---- */

static int square(filch_task *self, const void *in, void *out, void *arg)
{
    (void)self;
    (void)arg;
    *(int *)out = *(const int *)in * *(const int *)in;
    return 0;
}

static int next_number(void *arg, void **out)
{
    int *left = arg;
    *out = NULL;
    return (*left)-- > 0;
}

static int beget(filch_task *self, void *arg)
{
    intptr_t depth = (intptr_t)arg;
    filch_future *subs[2];
    int n = 0, rc = 0;
    while (depth > 0 && n < 2 && !(rc = filch_submit(filch_task_pool(self), beget, (void *)(depth - 1), &subs[n])))
        n++;
    for (int i = 0; i < n; i++) {
        int waited = filch_future_wait(subs[i], FILCH_FOREVER);
        rc = rc ? rc : waited;
        filch_future_unref(subs[i]);
    }
    return rc;
}

/* All of it works, or says that there is no memory. */
static void live(filch_pool *pool)
{
    filch_future *futures[600], *later = NULL;
    size_t n = 0;
    int in[40] = { 0 }, out[40], left = 30, rc;
    while (n < 600 && filch_submit(pool, beget, (void *)(intptr_t)(n % 50 == 0 ? 4 : 0), &futures[n]) == 0)
        n++;
    must(filch_join(futures, n) == 0);
    unref_all(futures, n);
    rc = filch_submit_after(pool, FILCH_MS(1), do_nothing, NULL, &later);
    must(rc == 0 || rc == -ENOMEM);
    if (later)
        must(filch_future_wait(later, FILCH_FOREVER) == 0);
    filch_future_unref(later);
    filch_scope *scope = NULL;
    if (filch_scope_open(&scope, pool, NULL) == 0) {
        for (int i = 0; i < 10; i++)
            filch_scope_submit(scope, do_nothing, NULL, NULL);
        filch_scope_join(scope, NULL);
        filch_scope_close(scope);
    }
    rc = filch_map(pool, square, NULL, in, sizeof in[0], out, sizeof out[0], 40, NULL, NULL);
    must(rc == 0 || rc == -ENOMEM);
    filch_stream *stream = NULL;
    if (filch_stream_begin(&stream, pool, do_nothing, next_number, &left, NULL) == 0) {
        void *result;
        while (filch_stream_next(stream, &result) > 0)
            continue;
        filch_stream_end(stream);
    }
    rc = filch_pool_resize(pool, 5);
    must(rc == 0 || rc == -ENOMEM);
}

Test(allocator, everything_is_given_back_as_it_was_taken)
{
    struct accounts accounts = ACCOUNTS;
    filch_pool *pool = NULL;
    cr_assert_eq(create(&pool, &accounts), 0);
    live(pool);
    cr_assert_gt(accounts.taken, 10);
    cr_assert_eq(filch_pool_destroy(pool), 0);
    cr_assert_eq(accounts.taken, accounts.given);
    cr_assert_null(accounts.entries);
}

Test(allocator, memory_stays_as_long_as_futures_do)
{
    struct accounts accounts = ACCOUNTS;
    filch_pool *pool = NULL;
    cr_assert_eq(create(&pool, &accounts), 0);
    filch_future *future = submit(pool, return_arg, &accounts);
    void *result = NULL;
    cr_assert_eq(filch_pool_destroy(pool), 0);
    cr_assert_lt(accounts.given, accounts.taken);
    cr_assert_eq(filch_future_result(future, 0, &result), 0);
    cr_assert_eq(result, &accounts);
    filch_future_unref(future);
    cr_assert_eq(accounts.given, accounts.taken);
}

Test(allocator, each_allocation_in_turn_may_fail)
{
    bool failed = true;
    for (long nth = 1; failed; nth++) {
        struct accounts accounts = ACCOUNTS;
        filch_pool *pool = NULL;
        accounts.fail_at = nth;
        int rc = create(&pool, &accounts);
        cr_assert(rc == 0 || rc == -ENOMEM);
        if (!rc) {
            live(pool);
            cr_assert_eq(filch_pool_destroy(pool), 0);
        }
        failed = accounts.fail_at == 0;
        cr_assert_eq(accounts.taken, accounts.given);
        cr_assert(!failed || nth < 1000);
    }
}

Test(allocator, without_any_memory_there_is_no_pool)
{
    struct accounts accounts = ACCOUNTS;
    filch_pool *pool = NULL;
    accounts.fail_at = -1;
    cr_assert_eq(create(&pool, &accounts), -ENOMEM);
    cr_assert_null(pool);
    cr_assert_eq(accounts.taken, 0);
}

Test(allocator, two_pools_with_two_allocators)
{
    struct accounts accounts[2] = { ACCOUNTS, ACCOUNTS };
    filch_pool *pools[2] = { NULL, NULL }, *plain = pool_of(1);
    filch_future *futures[300];
    for (int i = 0; i < 2; i++)
        cr_assert_eq(create(&pools[i], &accounts[i]), 0);
    for (int i = 0; i < 300; i++) /* tasks that end on the threads of the one, and wait for the other's */
        futures[i] = i % 3 ? submit(pools[i % 2], await_arg, futures[i - 1]) : submit(plain, do_nothing, NULL);
    cr_assert_eq(filch_join(futures, 300), 0);
    unref_all(futures, 300);
    for (int i = 0; i < 2; i++) {
        live(pools[i]);
        cr_assert_eq(filch_pool_destroy(pools[i]), 0);
        cr_assert_eq(accounts[i].taken, accounts[i].given);
    }
    filch_pool_destroy(plain);
}

Test(allocator, an_incomplete_allocator_is_invalid)
{
    filch_allocator allocator = { sizeof allocator, take, NULL, NULL };
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.allocator = &allocator;
    cr_assert_eq(filch_pool_create(&pool, &options), -EINVAL);
    allocator = (filch_allocator) { 0, take, give, NULL };
    cr_assert_eq(filch_pool_create(&pool, &options), -EINVAL);
}
