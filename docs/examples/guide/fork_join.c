/* SPDX-License-Identifier: MIT */
/* Fork-join: fills an array in a loop, sorts it by a recursive function, and adds it up. */
#include <stdlib.h>

#include <filch/fork.h>

struct numbers {
    uint32_t *at;
    size_t n;
};

/* The body of a loop gets a range of its indices. */
static int fill(size_t begin, size_t end, void *arg)
{
    const struct numbers *numbers = arg;
    for (size_t i = begin; i < end; i++)
        numbers->at[i] = (uint32_t)(i * UINT64_C(7919) % numbers->n);
    return 0;
}

static void sort(filch_forker *forker, uint32_t *at, size_t n);
FILCH_FORKABLE_VOID_2(sort, uint32_t *, size_t)

/* Quicksort: one side is forked, the other sorted here. */
static void sort(filch_forker *forker, uint32_t *at, size_t n)
{
    struct sort_forked left;
    if (n < 2)
        return;
    uint32_t pivot = at[(n - 1) / 2];
    size_t low = 0, high = n - 1;
    for (;; low++, high--) {
        while (at[low] < pivot)
            low++;
        while (at[high] > pivot)
            high--;
        if (low >= high)
            break;
        uint32_t swap = at[low];
        at[low] = at[high];
        at[high] = swap;
    }
    sort_fork(forker, &left, at, high + 1);
    sort(forker, at + high + 1, n - high - 1);
    sort_join(forker, &left);
}

static int sort_all(filch_task *self, void *arg)
{
    const struct numbers *numbers = arg;
    filch_forker *forker;
    int rc = filch_fork_begin(self, &forker);
    if (rc == 0)
        sort(forker, numbers->at, numbers->n);
    return rc;
}

/* Each part of the range has a value of its own, and neighbours are combined. */
static int add(size_t begin, size_t end, void *value, void *arg)
{
    uint64_t *sum = value;
    for (size_t i = begin; i < end; i++)
        *sum += ((const struct numbers *)arg)->at[i];
    return 0;
}

static void combine(void *value, const void *right, void *unused)
{
    (void)unused;
    *(uint64_t *)value += *(const uint64_t *)right;
}

int main(int argc, char **argv)
{
    FILCH_AUTO(filch_pool_cleanup) filch_pool *pool = NULL;
    FILCH_AUTO(filch_future_cleanup) filch_future *sorted = NULL;
    struct numbers numbers = { NULL, argc > 1 ? strtoul(argv[1], NULL, 10) : 0 };
    uint64_t sum = 0;
    if (numbers.n == 0 || numbers.n > UINT32_MAX || !(numbers.at = malloc(numbers.n * sizeof *numbers.at)))
        return 1;
    int failed = filch_pool_create(&pool, NULL) || filch_parallel_for(pool, 0, numbers.n, fill, &numbers, NULL) ||
                 filch_submit(pool, sort_all, &numbers, &sorted) ||
                 filch_future_result(sorted, FILCH_FOREVER, NULL) ||
                 filch_parallel_reduce(pool, 0, numbers.n, &sum, sizeof sum, add, combine, &numbers, NULL);
    if (!failed)
        printf("%zu numbers from %u to %u, sum %llu\n", numbers.n, numbers.at[0], numbers.at[numbers.n - 1],
               (unsigned long long)sum);
    free(numbers.at);
    return failed;
}
