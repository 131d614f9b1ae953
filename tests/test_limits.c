/* SPDX-License-Identifier: MIT */
/*
 * The limits that the system really sets, in processes of their own: address space, threads, file descriptors. A play
 * under each of several values ends, each call working or saying what is short, with all tasks accounted for.
 */
#include "faults_play.h"

#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

SUITE(limits);

/* Nothing is injected here. */
static _Atomic long nothing;
static const struct fault scarcity = { &nothing, -ENOMEM, false, false, -EAGAIN };

/* Shared with the processes that play. */
static struct {
    _Atomic long refused; /* calls */
    _Atomic long plays;
} * totals;

static void share_totals(void)
{
    totals = mmap(NULL, sizeof *totals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(totals != MAP_FAILED);
}

/* What calls refused, which is not what the system did: that nobody counts. */
static void tell_totals(const char *kind)
{
    fprintf(stderr, "faults: %s=%ld limited_plays=%ld\n", kind, atomic_load(&totals->refused),
            atomic_load(&totals->plays));
}

static void set_limit(__rlimit_resource_t resource, rlim_t value)
{
    struct rlimit limit;
    must(getrlimit(resource, &limit) == 0);
    limit.rlim_cur = value < limit.rlim_max ? value : limit.rlim_max;
    must(setrlimit(resource, &limit) == 0);
}

/* The stack will not grow any more, which could end the process where there is no memory for it. */
static void have_stack(void)
{
    volatile char stack[256 << 10];
    for (size_t i = 0; i < sizeof stack; i += 1024)
        stack[i] = 1;
}

static void play_for_totals(const struct plot *plot, const struct fault *fault)
{
    play(plot, fault, 0);
    atomic_fetch_add(&totals->refused, atomic_load(&now.refused));
    atomic_fetch_add(&totals->plays, 1);
}

/* Runs the function in a process of its own, which must end well within the time a test has. */
static void in_a_process(void (*function)(unsigned), unsigned arg)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        watchdog_begin(PATIENCE / 2);
        function(arg);
        _exit(0);
    }
    must(child > 0 && waitpid(child, &status, 0) == child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "with %u it ended with status %#x", arg, status);
}

/* ---- Address space ---- */

static size_t bytes_mapped(void)
{
    size_t pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    must(statm && fscanf(statm, "%zu", &pages) == 1);
    fclose(statm);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void play_in_little_memory(unsigned kilobytes)
{
    have_stack();
    mallopt(M_ARENA_MAX, 1); /* or each thread would take 64 MiB of addresses, or fail to */
    set_limit(RLIMIT_AS, bytes_mapped() + ((size_t)kilobytes << 10));
    for (int i = 0; i < PLOTS; i++)
        play_for_totals(&plots[i], &scarcity);
    set_limit(RLIMIT_AS, RLIM_INFINITY);
    play(&plots[0], &(struct fault) { &nothing, 0, false, false, 0 }, 0); /* with enough, everything works */
}

Test(limits, however_little_memory_there_is_calls_work_or_say_so)
{
    if (SANITIZED)
        cr_skip_test("the sanitizer needs the address space for itself");
    share_totals();
    for (unsigned kilobytes = 0; kilobytes < 8192; kilobytes += kilobytes < 1024 ? 64 : 512)
        in_a_process(play_in_little_memory, kilobytes);
    cr_assert_gt(atomic_load(&totals->refused), 100);
    tell_totals("refused_for_memory");
}

/* ---- Threads ---- */

/* A user who runs nothing else: of the test's own, as another run may be going on. */
static uid_t nobody;

static void *end_at_once(void *arg)
{
    return arg;
}

static bool can_start_a_thread(void)
{
    pthread_t thread;
    pid_t all[8];
    int before = threads_named("", all, 8);
    if (pthread_create(&thread, NULL, end_at_once, NULL))
        return false;
    pthread_join(thread, NULL);
    UNTIL(threads_named("", all, 8) <= before); /* joined it still counts for a moment */
    return true;
}

static bool become_nobody(void)
{
    return setresgid(nobody, nobody, nobody) == 0 && setresuid(nobody, nobody, nobody) == 0;
}

/* The limit counts what a user runs anywhere, so it takes one who runs nothing else; root it does not concern. */
static void skip_unless_alone(void)
{
    int status = -1;
    nobody = 20000 + (uid_t)getpid() % 30000;
    pid_t child = fork();
    if (child == 0)
        _exit(become_nobody() ? 0 : 1);
    must(child > 0 && waitpid(child, &status, 0) == child);
    if (status)
        cr_skip_test("only root can become a user who runs nothing else, and not where other users are not mapped");
}

/* Returns the least limit that lets a thread start. */
static rlim_t become_limited(void)
{
    rlim_t least = 1;
    must(become_nobody());
    for (set_limit(RLIMIT_NPROC, least); !can_start_a_thread(); set_limit(RLIMIT_NPROC, least))
        least++;
    return least;
}

static void play_with_few_threads(unsigned more)
{
    set_limit(RLIMIT_NPROC, become_limited() - 1 + more);
    for (int i = 0; i < PLOTS; i++)
        play_for_totals(&plots[i], &scarcity);
}

Test(limits, however_few_threads_there_are_calls_work_or_say_so)
{
    skip_unless_alone();
    share_totals();
    for (unsigned more = 0; more < 8; more++)
        in_a_process(play_with_few_threads, more);
    cr_assert_gt(atomic_load(&totals->refused), 20);
    tell_totals("refused_for_threads");
}

static int await_two(filch_task *self, void *runs)
{
    filch_future *futures[2];
    for (int i = 0; i < 2; i++)
        futures[i] = submit(filch_task_pool(self), count_up, runs);
    must(filch_join(futures, 2) == 0);
    unref_all(futures, 2);
    return count_up(self, runs);
}

/* A pool that is at work when threads run out goes on with what it has, and has more when there are more. */
static void run_out_of_threads(unsigned workers)
{
    enum { MAINS = 30 };
    filch_pool *pool = pool_of(workers);
    struct gate gate = GATE;
    _Atomic int runs = 0;
    rlim_t least = become_limited();
    filch_future *holder = hold_worker(pool, &gate), *mains[MAINS];
    set_limit(RLIMIT_NPROC, least);
    for (int i = 0; i < MAINS; i++)
        mains[i] = submit(pool, await_two, (void *)&runs);
    let_go(&gate, holder);
    must(filch_join(mains, MAINS) == 0);
    unref_all(mains, MAINS);
    filch_pool_stats stats = stats_of(pool);
    must(atomic_load(&runs) == 3 * MAINS && stats.threads == 1 && stats.threads_failed > 0);
    atomic_fetch_add(&totals->refused, (long)stats.threads_failed);
    set_limit(RLIMIT_NPROC, RLIM_INFINITY);
    holder = hold_worker(pool, &gate);
    for (filch_future *other = NULL; stats_of(pool).threads == 1; filch_future_unref(other)) {
        other = submit(pool, do_nothing, NULL); /* a refusal is believed for a second */
        must(filch_future_wait(other, FILCH_MS(20)) <= 0);
    }
    gate_open(&gate);
    let_go(&gate, holder);
    filch_pool_destroy(pool);
}

Test(limits, a_pool_that_runs_out_of_threads_at_work_loses_nothing)
{
    skip_unless_alone();
    share_totals();
    for (unsigned workers = 2; workers <= 4; workers++)
        in_a_process(run_out_of_threads, workers);
    cr_assert_geq(atomic_load(&totals->refused), 3);
    tell_totals("threads_refused_at_work");
}

/* ---- File descriptors ---- */

/* A pool needs none, and says so to who asks for one. */
static void live_without_descriptors(void)
{
    filch_pool *pool = pool_of(2);
    filch_stop *stop = stop_under(NULL);
    int fd = -7;
    must(filch_default_workers() >= 1);
    must(filch_stop_fd(stop, &fd) == -EMFILE && fd == -7);
    filch_future *future = submit_under(pool, run_until_stopped, NULL, stop);
    must(filch_stop_request(stop, 0) && filch_join(&future, 1) == 0);
    filch_future_unref(future);
    filch_stop_unref(stop);
    filch_pool_destroy(pool);
    atomic_fetch_add(&totals->refused, 1);
}

/* The play opens one of its own for its dump, and a stop has one meanwhile if there is another. */
static void play_with_few_descriptors(unsigned more)
{
    const struct fault fault = { &nothing, -EMFILE, false, false, 0 };
    struct rlimit before;
    must(getrlimit(RLIMIT_NOFILE, &before) == 0);
    int next = open("/dev/null", O_WRONLY | O_CLOEXEC);
    must(next >= 0);
    close(next);
    set_limit(RLIMIT_NOFILE, (rlim_t)next + more);
    if (more == 0)
        live_without_descriptors();
    for (int i = 0; more && i < PLOTS; i++)
        play_for_totals(&plots[i], &fault);
    set_limit(RLIMIT_NOFILE, before.rlim_cur);
    must(open("/dev/null", O_WRONLY | O_CLOEXEC) == next); /* none was left open */
}

Test(limits, however_few_descriptors_there_are_calls_work_or_say_so)
{
    share_totals();
    for (unsigned more = 0; more < 3; more++)
        in_a_process(play_with_few_descriptors, more);
    cr_assert_geq(atomic_load(&totals->refused), 1);
    tell_totals("refused_for_descriptors");
}
