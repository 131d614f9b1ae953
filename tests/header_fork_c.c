/* SPDX-License-Identifier: MIT */
/* Compiled, never run: fork.h stands alone and its macros are complete. header_fork_cxx.cpp includes this file. */
#include <filch/fork.h>

static int one(filch_forker *forker, int a);
static long two(filch_forker *forker, int a, const char *b);
static double three(filch_forker *forker, int a, int b, double c);
static void *four(filch_forker *forker, void *a, size_t b, size_t c, int d);
static void none_of_one(filch_forker *forker, int *a);
static void none_of_two(filch_forker *forker, int *a, int b);
static void none_of_three(filch_forker *forker, int *a, int b, int c);
static void none_of_four(filch_forker *forker, int *a, int b, int c, long d);

FILCH_FORKABLE_1(int, one, int)
FILCH_FORKABLE_2(long, two, int, const char *)
FILCH_FORKABLE_3(double, three, int, int, double)
FILCH_FORKABLE_4(void *, four, void *, size_t, size_t, int)
FILCH_FORKABLE_VOID_1(none_of_one, int *)
FILCH_FORKABLE_VOID_2(none_of_two, int *, int)
FILCH_FORKABLE_VOID_3(none_of_three, int *, int, int)
FILCH_FORKABLE_VOID_4(none_of_four, int *, int, int, long)

static int one(filch_forker *forker, int a)
{
    return a + filch_fork_stopped(forker);
}

static long two(filch_forker *forker, int a, const char *b)
{
    struct one_forked call;
    one_fork(forker, &call, a);
    return b[0] + one_join(forker, &call);
}

static double three(filch_forker *forker, int a, int b, double c)
{
    struct two_forked call;
    two_fork(forker, &call, a, "b");
    return b + c + (double)two_join(forker, &call);
}

static void *four(filch_forker *forker, void *a, size_t b, size_t c, int d)
{
    struct three_forked call;
    three_fork(forker, &call, d, (int)b, (double)c);
    return three_join(forker, &call) > 0 ? a : NULL;
}

static void none_of_one(filch_forker *forker, int *a)
{
    struct four_forked call;
    four_fork(forker, &call, a, 1, 2, 3);
    *a = four_join(forker, &call) == a;
}

static void none_of_two(filch_forker *forker, int *a, int b)
{
    struct none_of_one_forked call;
    none_of_one_fork(forker, &call, a);
    none_of_one_join(forker, &call);
    *a += b;
}

static void none_of_three(filch_forker *forker, int *a, int b, int c)
{
    struct none_of_two_forked call;
    none_of_two_fork(forker, &call, a, b);
    none_of_two_join(forker, &call);
    *a += c;
}

static void none_of_four(filch_forker *forker, int *a, int b, int c, long d)
{
    struct none_of_three_forked call;
    none_of_three_fork(forker, &call, a, b, c);
    none_of_three_join(forker, &call);
    *a += d > 0;
}

int fork_header_compiles(filch_task *self, int *a);

int fork_header_compiles(filch_task *self, int *a)
{
    struct none_of_four_forked call;
    filch_parallel_options options = FILCH_PARALLEL_OPTIONS;
    filch_forker *forker;
    int rc = filch_fork_begin(self, &forker);
    if (rc)
        return rc;
    none_of_four_fork(forker, &call, a, 1, 2, 3L);
    none_of_four_join(forker, &call);
    return options.size == sizeof options && sizeof(filch_forked) <= 32 ? 0 : -1;
}
