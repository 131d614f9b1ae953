/* SPDX-License-Identifier: MIT */
/* What is asked of the operating system: quotas read from a made-up root, affinity, deadlines, futexes, threads. */
#include "os.h"
#include "os_cpus.h"

#include "root.h"
#include "support.h"

#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

SUITE(os);

/* ---- A root directory of one's own ---- */

static void begin_with_root(void)
{
    make_root();
    begin_test();
}

static void end_with_root(void)
{
    remove_root();
    end_test();
}

TestSuite(quota, .init = begin_with_root, .fini = end_with_root, .timeout = PATIENCE_OF_CRITERION);

/* The quota of a process in the v2 group "/", for what its cpu.max says. */
static unsigned quota_of(const char *cpu_max)
{
    put("/proc/self/cgroup", "0::/\n");
    put("/sys/fs/cgroup/cpu.max", cpu_max);
    return filchi_os_cpu_quota(root);
}

/* ---- Version 2 ---- */

Test(quota, none_without_files)
{
    cr_assert_eq(filchi_os_cpu_quota(root), 0);
    put("/proc/self/cgroup", "0::/\n");
    cr_assert_eq(filchi_os_cpu_quota(root), 0);
}

Test(quota, version_2_is_rounded_up)
{
    cr_assert_eq(quota_of("100000 100000\n"), 1);
    cr_assert_eq(quota_of("100001 100000\n"), 2);
    cr_assert_eq(quota_of("350000 100000\n"), 4);
    cr_assert_eq(quota_of("1000 100000\n"), 1);
    cr_assert_eq(quota_of("50000 10000"), 5, "without a newline");
}

Test(quota, max_is_none)
{
    cr_assert_eq(quota_of("max 100000\n"), 0);
}

Test(quota, garbage_is_none)
{
    static const char *const garbage[] = { "",
                                           "\n",
                                           "nonsense\n",
                                           "100000\n",
                                           "-1 100000\n",
                                           "0 100000\n",
                                           "100000 0\n",
                                           "100000 -5\n",
                                           "100000 x\n",
                                           "9223372036854775807 100000\n",
                                           "9223372036854775807 1\n",
                                           "99999999999999999999999999 1\n" };
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++)
        cr_assert_eq(quota_of(garbage[i]), 0, "%s", garbage[i]);
}

Test(quota, the_least_from_the_group_up_to_the_mount_counts)
{
    put("/proc/self/cgroup", "0::/outer/middle/inner\n");
    put("/sys/fs/cgroup/outer/middle/inner/cpu.max", "800000 100000\n");
    cr_assert_eq(filchi_os_cpu_quota(root), 8);
    put("/sys/fs/cgroup/outer/cpu.max", "300000 100000\n");
    put("/sys/fs/cgroup/outer/middle/cpu.max", "max 100000\n");
    cr_assert_eq(filchi_os_cpu_quota(root), 3);
    put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    cr_assert_eq(filchi_os_cpu_quota(root), 2);
}

Test(quota, in_a_container_the_group_s_own_path_may_be_missing)
{
    put("/proc/self/cgroup", "0::/outside/of/the/container\n");
    put("/sys/fs/cgroup/cpu.max", "150000 100000\n");
    cr_assert_eq(filchi_os_cpu_quota(root), 2);
}

/* ---- Version 1 ---- */

Test(quota, version_1_has_two_files)
{
    put("/proc/self/cgroup", "12:memory:/a\n4:cpu,cpuacct:/a\n1:name=systemd:/a\n0::/a\n");
    put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "250000\n");
    cr_assert_eq(filchi_os_cpu_quota(root), 0, "half of it is none");
    put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
    cr_assert_eq(filchi_os_cpu_quota(root), 3);
}

Test(quota, version_1_is_found_under_either_mount_and_name)
{
    put("/proc/self/cgroup", "3:cpuacct,cpu:/a/b\n");
    put("/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "400000\n");
    put("/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
    cr_assert_eq(filchi_os_cpu_quota(root), 4);
}

Test(quota, minus_one_is_none_in_version_1)
{
    put("/proc/self/cgroup", "4:cpu:/\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    cr_assert_eq(filchi_os_cpu_quota(root), 0);
}

Test(quota, cpuset_is_not_cpu)
{
    put("/proc/self/cgroup", "4:cpuset:/\n5:cpuacct:/\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    cr_assert_eq(filchi_os_cpu_quota(root), 0);
}

Test(quota, lines_that_make_no_sense_are_passed_over)
{
    put("/proc/self/cgroup", "\nno colons\none:colon\n:::\n0::/\n");
    put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    cr_assert_eq(filchi_os_cpu_quota(root), 2);
}

Test(quota, a_root_longer_than_any_path_is_none)
{
    char *longest = malloc(10001);
    memset(longest, 'x', 10000);
    longest[10000] = '\0';
    cr_assert_eq(filchi_os_cpu_quota(longest), 0);
    free(longest);
}

/* ---- CPUs and time ---- */

Test(os, affinity_counts_the_cpus_that_this_thread_may_use)
{
    cpu_set_t before, one;
    must(sched_getaffinity(0, sizeof before, &before) == 0);
    cr_assert_eq(filchi_os_affinity(), (unsigned)CPU_COUNT(&before));
    CPU_ZERO(&one);
    for (size_t cpu = 0; !CPU_COUNT(&one); cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    must(sched_setaffinity(0, sizeof one, &one) == 0);
    cr_assert_eq(filchi_os_affinity(), 1);
    cr_assert_eq(filch_default_workers(), 1);
}

Test(os, default_workers_is_the_lesser_of_affinity_and_quota)
{
    unsigned affinity = filchi_os_affinity(), quota = filchi_os_cpu_quota("");
    cr_assert_eq(filch_default_workers(), quota && quota < affinity ? quota : affinity);
}

Test(os, a_deadline_that_is_negative_or_out_of_reach_never_comes)
{
    cr_assert_eq(filchi_os_deadline(-1), FILCHI_NEVER);
    cr_assert_eq(filchi_os_deadline(INT64_MIN), FILCHI_NEVER);
    cr_assert_eq(filchi_os_deadline(INT64_MAX), FILCHI_NEVER);
    int64_t before = filchi_os_now(), deadline = filchi_os_deadline(FILCH_MS(5)), after = filchi_os_now();
    cr_assert(before + FILCH_MS(5) <= deadline && deadline <= after + FILCH_MS(5));
}

/* ---- Futexes ---- */

Test(os, a_futex_wait_ends_at_once_if_the_word_differs)
{
    _Atomic uint32_t word = 1;
    cr_assert_eq(filchi_os_futex_wait(&word, 0, FILCHI_NEVER), 0);
}

Test(os, a_futex_wait_ends_at_its_deadline_and_not_before)
{
    _Atomic uint32_t word = 0;
    int64_t deadline = filchi_os_deadline(FILCH_MS(20));
    int rc;
    do
        rc = filchi_os_futex_wait(&word, 0, deadline);
    while (!rc);
    cr_assert_eq(rc, -ETIMEDOUT);
    cr_assert_geq(filchi_os_now(), deadline);
}

static void *set_and_wake(void *word)
{
    atomic_store((_Atomic uint32_t *)word, 1);
    filchi_os_futex_wake(word, 1);
    return NULL;
}

Test(os, a_wake_ends_a_futex_wait)
{
    _Atomic uint32_t word = 0;
    pthread_t thread;
    must(pthread_create(&thread, NULL, set_and_wake, &word) == 0);
    while (!atomic_load(&word))
        cr_assert_eq(filchi_os_futex_wait(&word, 0, FILCHI_NEVER), 0);
    pthread_join(thread, NULL);
}

Test(os, whatever_a_futex_wait_fails_with_its_timeout_is_neither_early_nor_missed)
{
    static const int errors[] = { 0, EINTR, EAGAIN, ETIMEDOUT, ENOSYS, EINVAL, ENOMEM };
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        _Atomic uint32_t word = 0;
        int64_t deadline = filchi_os_deadline(FILCH_MS(2));
        int rc = 0;
        atomic_store(&filchi_os_faults.error, errors[i]);
        atomic_store(&filchi_os_faults.waits, errors[i] ? -1 : 20);
        while (!rc)
            rc = filchi_os_futex_wait(&word, 0, deadline);
        cr_assert_eq(rc, -ETIMEDOUT);
        cr_assert_geq(filchi_os_now(), deadline);
        cr_assert_eq(filchi_os_futex_wait(&word, 1, FILCHI_NEVER), 0, "without a deadline there is no timeout");
        atomic_store(&filchi_os_faults.waits, 0);
    }
}

Test(os, a_futex_wait_that_is_overslept_times_out_all_the_same)
{
    _Atomic uint32_t word = 0;
    int64_t deadline = filchi_os_deadline(FILCH_MS(1));
    atomic_store(&filchi_os_faults.late, FILCH_MS(5));
    cr_assert_eq(filchi_os_futex_wait(&word, 0, deadline), -ETIMEDOUT);
    cr_assert_geq(filchi_os_now(), deadline + FILCH_MS(5));
}

/* ---- Events ---- */

static bool readable(int fd)
{
    struct pollfd poll_for = { .fd = fd, .events = POLLIN };
    return poll(&poll_for, 1, 0) == 1;
}

Test(os, an_event_that_cannot_be_had_says_why)
{
    static const int errors[] = { EMFILE, ENFILE, ENOMEM };
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        atomic_store(&filchi_os_faults.error, errors[i]);
        atomic_store(&filchi_os_faults.events, 1);
        cr_assert_eq(filchi_os_event_create(), -errors[i]);
    }
}

Test(os, an_event_s_signal_that_is_interrupted_arrives_and_leaves_errno_alone)
{
    int fd = filchi_os_event_create();
    cr_assert_not(readable(fd));
    atomic_store(&filchi_os_faults.signals, 1);
    errno = EXDEV;
    filchi_os_event_signal(fd);
    cr_assert_eq(errno, EXDEV);
    cr_assert(readable(fd));
    cr_assert_eq(atomic_load(&filchi_os_faults.struck.signals), 1);
    filchi_os_event_close(fd);
}

Test(os, an_event_that_can_count_no_further_stays_readable)
{
    uint64_t most = UINT64_MAX - 1;
    int fd = filchi_os_event_create();
    must(write(fd, &most, sizeof most) == sizeof most);
    must(write(fd, &(uint64_t) { 1 }, sizeof most) < 0 && errno == EAGAIN);
    filchi_os_event_signal(fd);
    cr_assert(readable(fd));
    filchi_os_event_close(fd);
}

/* ---- Threads ---- */

struct seen {
    struct event done;
    char name[16];
    sigset_t blocked;
    uintptr_t stack_low, here;
};

static void *look_around(void *arg)
{
    struct seen *seen = arg;
    pthread_sigmask(SIG_SETMASK, NULL, &seen->blocked);
    seen->stack_low = filchi_os_stack_low();
    seen->here = (uintptr_t)__builtin_frame_address(0);
    event_await(&seen->done);
    pthread_getname_np(pthread_self(), seen->name, sizeof seen->name);
    return NULL;
}

Test(os, a_thread_has_its_name_cut_and_asynchronous_signals_blocked)
{
    struct seen seen = { .done = EVENT };
    pthread_t thread;
    cr_assert_eq(filchi_os_thread_start(&thread, look_around, &seen, "a name that is too long", 0), 0);
    event_signal(&seen.done);
    filchi_os_thread_join(thread);
    cr_assert_str_eq(seen.name, "a name that is ");
    cr_assert(sigismember(&seen.blocked, SIGINT) && sigismember(&seen.blocked, SIGTERM));
    cr_assert(sigismember(&seen.blocked, SIGPIPE) && sigismember(&seen.blocked, SIGPROF));
    cr_assert_not(sigismember(&seen.blocked, SIGSEGV) || sigismember(&seen.blocked, SIGBUS));
    sigset_t ours;
    pthread_sigmask(SIG_SETMASK, NULL, &ours);
    cr_assert_not(sigismember(&ours, SIGINT), "the starting thread's own mask is as before");
}

Test(os, a_thread_has_the_stack_asked_for_and_knows_its_end)
{
    struct seen seen = { .done = EVENT };
    pthread_t thread;
    cr_assert_eq(filchi_os_thread_start(&thread, look_around, &seen, "small", (size_t)256 << 10), 0);
    event_signal(&seen.done);
    filchi_os_thread_join(thread);
    cr_assert_lt(seen.stack_low, seen.here);
    cr_assert_leq(seen.here - seen.stack_low, (uintptr_t)256 << 10);
}

Test(os, a_refused_thread_is_an_error)
{
    pthread_t thread;
    atomic_store(&filchi_os_faults.threads, 1);
    cr_assert_eq(filchi_os_thread_start(&thread, look_around, NULL, "never", 0), -EAGAIN);
}

/* ---- Processes ---- */

/* Whether it is here in a child of fork(). */
static bool here_in_child(const struct filchi_os_process *process)
{
    pid_t child = fork();
    if (child == 0)
        _exit(filchi_os_process_here(process));
    int status = -1;
    must(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}

Test(os, a_process_is_here_and_not_in_its_children)
{
    struct filchi_os_process process;
    cr_assert_eq(filchi_os_process_init(&process), 0);
    cr_assert_not_null(process.here, "this system can wipe memory on fork");
    cr_assert(filchi_os_process_here(&process));
    cr_assert_not(here_in_child(&process));
    cr_assert(filchi_os_process_here(&process));
    filchi_os_process_fini(&process);
}

Test(os, without_memory_that_is_wiped_a_process_is_known_by_its_number)
{
    struct filchi_os_process process;
    atomic_store(&filchi_os_faults.wipes, -1);
    cr_assert_eq(filchi_os_process_init(&process), 0);
    cr_assert_null(process.here);
    cr_assert(filchi_os_process_here(&process));
    cr_assert_not(here_in_child(&process));
    filchi_os_process_fini(&process);
}

Test(os, without_memory_a_process_cannot_be_told)
{
    struct filchi_os_process process;
    atomic_store(&filchi_os_faults.allocations, 1);
    cr_assert_eq(filchi_os_process_init(&process), -ENOMEM);
    atomic_store(&filchi_os_faults.allocations, 0);
}

/* ---- Memory ---- */

Test(os, pages_are_aligned_to_their_size_and_zero)
{
    for (size_t size = (size_t)64 << 10; size <= (size_t)2 << 20; size *= 2) {
        char *pages = filchi_os_pages(size, size > (size_t)1 << 20);
        cr_assert_eq((uintptr_t)pages % size, 0);
        for (size_t i = 0; i < size; i += 512)
            cr_assert_eq(pages[i], 0);
        memset(pages, 1, size);
        filchi_os_pages_free(pages, size);
    }
}

Test(os, memory_is_zero_and_too_much_of_it_is_none)
{
    char *memory = filchi_os_alloc_aligned(64, 100);
    cr_assert_eq((uintptr_t)memory % 64, 0);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(memory[i], 0);
    filchi_os_free(memory);
    cr_assert_null(filchi_os_alloc_aligned(64, SIZE_MAX - 3));
}

Test(os, an_error_text_fits_its_buffer)
{
    char small[5];
    filchi_os_error_text(-ENOMEM, small, sizeof small);
    cr_assert_str_eq(small, "Cann");
    char text[64];
    filchi_os_error_text(ENOMEM, text, sizeof text);
    cr_assert_str_eq(text, "Cannot allocate memory");
}
