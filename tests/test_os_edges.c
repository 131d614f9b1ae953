/* SPDX-License-Identifier: MIT */
/* What the system refuses, and paths and numbers at their limits. */
#include "os.h"
#include "os_cpus.h"
#include "root.h"
#include "support.h"

#include <dlfcn.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>

SUITE(os_edges);

/* ---- A system that refuses ---- */

static _Atomic bool no_mappings, no_stack_bounds;
static _Atomic int many_cpus; /* so many, if not 0 */

/* These three in place of the C library's, for the library under test too. */
void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *(*really)(void *, size_t, int, int, int, off_t);
    *(void **)&really = dlsym(RTLD_NEXT, "mmap");
    if (!atomic_load(&no_mappings))
        return really(address, size, protection, flags, fd, offset);
    errno = ENOMEM;
    return MAP_FAILED;
}

int pthread_getattr_np(pthread_t thread, pthread_attr_t *attributes)
{
    int (*really)(pthread_t, pthread_attr_t *);
    *(void **)&really = dlsym(RTLD_NEXT, "pthread_getattr_np");
    return atomic_load(&no_stack_bounds) ? ENOMEM : really(thread, attributes);
}

int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
    int (*really)(pid_t, size_t, cpu_set_t *);
    int n = atomic_load(&many_cpus);
    *(void **)&really = dlsym(RTLD_NEXT, "sched_getaffinity");
    if (!n)
        return really(pid, size, set);
    if (size * 8 < (size_t)n) {
        errno = EINVAL;
        return -1;
    }
    memset(set, 0, size);
    for (int cpu = 0; cpu < n; cpu++)
        CPU_SET_S((size_t)cpu, size, set);
    return 0;
}

Test(os_edges, without_memory_there_are_no_pages_and_no_pool)
{
    struct filchi_os_process process;
    filch_pool *pool = NULL;
    atomic_store(&no_mappings, true);
    void *pages = filchi_os_pages((size_t)1 << 21, false);
    int rc = filchi_os_process_init(&process), created = filch_pool_create(&pool, NULL);
    atomic_store(&no_mappings, false);
    cr_assert_null(pages);
    cr_assert_eq(rc, -ENOMEM);
    cr_assert_eq(created, -ENOMEM);
    cr_assert_null(pool);
}

Test(os_edges, memory_of_any_size_is_had_or_not)
{
    if (!SANITIZED) /* whose allocator ends the process instead */
        cr_assert_null(filchi_os_alloc_aligned(64, SIZE_MAX - 70));
    cr_assert_null(filchi_os_alloc_aligned(64, SIZE_MAX));
    cr_assert_null(filchi_os_pages((size_t)1 << 62, false));
}

#if !SANITIZED /* which asks for the bounds too, and does not go on without */

static int await_a_chain(filch_task *self, void *depth)
{
    intptr_t left = (intptr_t)depth;
    void *below = NULL;
    if (left == 0)
        return filch_return(self, NULL);
    filch_future *future = submit(filch_task_pool(self), await_a_chain, (void *)(left - 1));
    must(filch_future_result(future, FILCH_FOREVER, &below) == 0 && (intptr_t)below == left - 1);
    filch_future_unref(future);
    return filch_return(self, depth);
}

Test(os_edges, threads_that_do_not_know_their_stacks_hand_over_instead_of_going_deeper)
{
    enum { DEPTH = 20 };
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    void *result = NULL;
    options.workers = 1;
    options.spare_threads = 2 * DEPTH;
    must(filch_pool_create(&pool, &options) == 0);
    atomic_store(&no_stack_bounds, true);
    filch_future *future = submit(pool, await_a_chain, (void *)DEPTH);
    cr_assert_eq(filch_future_result(future, FILCH_FOREVER, &result), 0);
    cr_assert_eq((intptr_t)result, DEPTH);
    cr_assert_eq(stats_of(pool).ran_in_place, 0);
    filch_future_unref(future);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

#endif

static void *no_routine(void *arg)
{
    return arg;
}

Test(os_edges, a_thread_has_as_small_a_stack_as_the_system_gives)
{
    pthread_t thread;
    cr_assert_eq(filchi_os_thread_start(&thread, no_routine, NULL, "small", 1), 0);
    filchi_os_thread_join(thread);
}

Test(os_edges, a_thread_with_an_impossible_stack_is_not_started)
{
    pthread_t thread;
    cr_assert_lt(filchi_os_thread_start(&thread, no_routine, NULL, "never", SIZE_MAX / 4), 0);
    cr_assert_not(filchi_os_stack_size_valid(SIZE_MAX));
    cr_assert_not(filchi_os_stack_size_valid(0));
}

/* ---- CPUs ---- */

Test(os_edges, more_cpus_than_a_set_usually_has_are_counted)
{
    atomic_store(&many_cpus, 5000);
    cr_assert_eq(filchi_os_affinity(), 5000);
    cr_assert_leq(filch_default_workers(), 5000);
}

Test(os_edges, more_cpus_than_any_set_has_are_taken_for_one)
{
    atomic_store(&many_cpus, INT_MAX);
    cr_assert_eq(filchi_os_affinity(), 1);
}

Test(os_edges, a_pool_has_no_more_workers_than_it_may_however_many_cpus_there_are)
{
    filch_pool *pool = NULL;
    atomic_store(&many_cpus, 5000);
    unsigned workers = filch_default_workers();
    cr_assert_eq(filch_pool_create(&pool, NULL), 0);
    cr_assert_eq(filch_pool_workers(pool), workers < 1024 ? workers : 1024);
    filch_pool_destroy(pool);
}

/* ---- Quotas: paths at their limits ---- */

/* The process is in a group whose path has that length; the groups above have no quota. */
static unsigned quota_in_group_of(const char *before, size_t length)
{
    char *text = malloc(strlen(before) + length + 2);
    strcpy(text, before);
    char *group = text + strlen(before);
    memset(group, 'g', length);
    group[0] = '/';
    strcpy(group + length, "\n");
    put("/proc/self/cgroup", text);
    free(text);
    return filchi_os_cpu_quota(root);
}

Test(os_edges, a_group_whose_path_is_too_long_has_none)
{
    make_root();
    put("/sys/fs/cgroup/cpu.max", "300000 100000\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    for (size_t length = PATH_MAX - 100; length < PATH_MAX - 10; length++) {
        unsigned v2 = quota_in_group_of("0::", length), v1 = quota_in_group_of("1:cpu:", length);
        cr_assert(v2 == 0 || v2 == 3, "%zu: %u", length, v2);
        cr_assert(v1 == 0 || v1 == 2, "%zu: %u", length, v1);
    }
    cr_assert_eq(quota_in_group_of("0::", PATH_MAX - 100), 3, "that of the mount");
    cr_assert_eq(quota_in_group_of("1:cpu:", PATH_MAX - 100), 2);
    cr_assert_eq(quota_in_group_of("0::", PATH_MAX - 11), 0);
    cr_assert_eq(quota_in_group_of("1:cpu:", PATH_MAX - 13), 0);
    remove_root();
}

Test(os_edges, a_file_whose_path_is_too_long_below_the_root_is_not_there)
{
    make_root();
    static const char cgroup[] = "/proc/self/cgroup";
    char longest[PATH_MAX];
    put(cgroup, "0::/\n");
    put("/sys/fs/cgroup/cpu.max", "300000 100000\n");
    size_t length = strlen(root), most = PATH_MAX - sizeof cgroup; /* the one file fits, the other does not */
    strcpy(longest, root);
    while (length + 2 <= most)
        length += (size_t)sprintf(longest + length, "/.");
    cr_assert_eq(filchi_os_cpu_quota(longest), 0);
    longest[strlen(root) + 200] = '\0';
    cr_assert_eq(filchi_os_cpu_quota(longest), 3);
    remove_root();
}

Test(os_edges, garbage_in_either_file_of_version_1_is_none)
{
    make_root();
    put("/proc/self/cgroup", "1:abc,cpu:/\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "many\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    cr_assert_eq(filchi_os_cpu_quota(root), 0);
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "some\n");
    cr_assert_eq(filchi_os_cpu_quota(root), 0);
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    cr_assert_eq(filchi_os_cpu_quota(root), 2);
    remove_root();
}

Test(os_edges, of_both_versions_the_lesser_counts)
{
    make_root();
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    for (int v2 = 1; v2 <= 3; v2++) {
        char text[32];
        snprintf(text, sizeof text, "%d00000 100000\n", v2);
        put("/sys/fs/cgroup/cpu.max", text);
        put("/proc/self/cgroup", "1:cpu:/\n0::/\n");
        cr_assert_eq(filchi_os_cpu_quota(root), v2 < 2 ? 1 : 2);
        put("/proc/self/cgroup", "0::/\n1:cpu:/\n");
        cr_assert_eq(filchi_os_cpu_quota(root), v2 < 2 ? 1 : 2);
    }
    remove_root();
}

/* ---- Errors ---- */

Test(os_edges, an_errno_of_either_sign_has_a_text)
{
    char negative[64], positive[64], least[64];
    filchi_os_error_text(-EIO, negative, sizeof negative);
    filchi_os_error_text(EIO, positive, sizeof positive);
    filchi_os_error_text(INT_MIN, least, sizeof least);
    cr_assert_str_eq(negative, strerror(EIO));
    cr_assert_str_eq(positive, strerror(EIO));
    cr_assert(strlen(least) > 0);
}
