/* SPDX-License-Identifier: MIT */
/* The operating system, on Linux: futexes, the clock, threads, pages and events. */
#include "os.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)
/* What a thread of ours needs at least: printing an error, or resolving a symbol, takes some kilobytes by
 * itself. */
#define STACK_LEAST ((size_t)64 << 10)

#ifdef FILCH_TESTING
struct filchi_os_faults filchi_os_faults;

static bool faulty(_Atomic long *countdown)
{
    long n = atomic_load_explicit(countdown, memory_order_relaxed); /* relaxed: tests only, no data follows it. */
    long next;
    do {
        if (n == 0 || n == -1)
            return n == -1;
        next = n > 0 ? n - 1 : n + 1;
        /* relaxed: as above. A countdown that a test takes back meanwhile stays taken back. */
    } while (
        !atomic_compare_exchange_weak_explicit(countdown, &n, next, memory_order_relaxed, memory_order_relaxed));
    return n == 1;
}

static bool struck(_Atomic long *countdown, _Atomic long *count)
{
    bool strikes = faulty(countdown);
    if (strikes)
        atomic_fetch_add_explicit(count, 1, memory_order_relaxed); /* relaxed: to be told. */
    return strikes;
}

/* What a system call that fails leaves; 0 if the fault is that it does nothing. Others run, as they do where a thread
 * sleeps that must not. */
static int fail(int otherwise)
{
    sched_yield();
    int error = atomic_load_explicit(&filchi_os_faults.error, memory_order_relaxed); /* relaxed: as above. */
    errno = error ? error : otherwise;
    return errno ? -1 : 0;
}

/* When a wait ends that is to end at the deadline. */
static int64_t overslept(int64_t deadline)
{
    int64_t late = atomic_load_explicit(&filchi_os_faults.late, memory_order_relaxed); /* relaxed: as above. */
    if (!late || deadline == FILCHI_NEVER || deadline > INT64_MAX - late)
        return deadline;
    atomic_fetch_add_explicit(&filchi_os_faults.struck.late, 1, memory_order_relaxed); /* relaxed: as above. */
    return deadline + late;
}
#define FAULTY(what) struck(&filchi_os_faults.what, &filchi_os_faults.struck.what)
#define CALL(what, otherwise, call) (FAULTY(what) ? fail(otherwise) : (call))
#define OVERSLEPT(deadline) overslept(deadline)
#else
#define FAULTY(what) false
#define CALL(what, otherwise, call) (call)
#define OVERSLEPT(deadline) (deadline)
#endif

/* ---- Time ---- */

int64_t filchi_os_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t filchi_os_deadline(int64_t timeout_ns)
{
    if (timeout_ns < 0)
        return FILCHI_NEVER;
    int64_t now = filchi_os_now();
    return timeout_ns > INT64_MAX - now ? FILCHI_NEVER : now + timeout_ns;
}

int filchi_os_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline)
{
    int64_t end = OVERSLEPT(deadline);
    struct timespec until = { .tv_sec = (time_t)(end / NS_PER_S), .tv_nsec = (long)(end % NS_PER_S) };
    long rc = CALL(waits, 0,
                   syscall(SYS_futex, (uint32_t *)word, FUTEX_WAIT_BITSET_PRIVATE, expected,
                           deadline == FILCHI_NEVER ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY));
    /* Whatever it fails with, the clock decides: no timeout comes early, and none is missed where it never sleeps. */
    return rc == -1 && deadline != FILCHI_NEVER && filchi_os_now() >= deadline ? -ETIMEDOUT : 0;
}

void filchi_os_futex_wake(_Atomic uint32_t *word, int n)
{
    int saved = errno; /* a signal handler must leave it as it was */
    CALL(wakes, 0, syscall(SYS_futex, (uint32_t *)word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0));
    errno = saved;
}

void filchi_os_yield(void)
{
    sched_yield();
}

/* ---- Memory ---- */

void *filchi_os_alloc(size_t size)
{
    return FAULTY(allocations) ? NULL : calloc(1, size);
}

void *filchi_os_alloc_aligned(size_t align, size_t size)
{
    size_t rounded = (size + align - 1) & ~(align - 1);
    if (rounded < size || FAULTY(allocations))
        return NULL;
    void *memory = aligned_alloc(align, rounded);
    if (memory)
        memset(memory, 0, rounded);
    return memory;
}

void filchi_os_free(void *memory)
{
    free(memory);
}

void *filchi_os_pages(size_t size, bool huge)
{
    if (FAULTY(allocations))
        return NULL;
    char *whole = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (whole == MAP_FAILED)
        return NULL;
    size_t before = (size - ((uintptr_t)whole & (size - 1))) & (size - 1);
    char *pages = whole + before;
    if (before)
        munmap(whole, before);
    munmap(pages + size, size - before);
    if (huge)
        madvise(pages, size, MADV_HUGEPAGE); /* advice: without it the pages are small, and slower to touch */
    return pages;
}

void filchi_os_pages_free(void *pages, size_t size)
{
    munmap(pages, size);
}

/* ---- Threads ---- */

int filchi_os_thread_start(pthread_t *out, void *(*main)(void *), void *arg, const char *name, size_t stack_size)
{
    if (FAULTY(threads))
        return -EAGAIN;
    pthread_attr_t attributes;
    int rc = pthread_attr_init(&attributes);
    if (rc)
        return -rc;
    if (stack_size) {
        size_t least = (size_t)PTHREAD_STACK_MIN; /* more than STACK_LEAST on some architectures */
        rc = pthread_attr_setstacksize(&attributes, stack_size < least ? least : stack_size);
    }
    if (!rc) {
        sigset_t all, before;
        sigfillset(&all);
        /* Faults of the thread's own making stay deliverable: blocked, they would kill without a handler. */
        sigdelset(&all, SIGSEGV);
        sigdelset(&all, SIGBUS);
        sigdelset(&all, SIGFPE);
        sigdelset(&all, SIGILL);
        sigdelset(&all, SIGTRAP);
        sigdelset(&all, SIGSYS);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        rc = pthread_create(out, &attributes, main, arg);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_attr_destroy(&attributes);
    if (rc)
        return -rc;
    char cut[16];
    snprintf(cut, sizeof cut, "%s", name);
    pthread_setname_np(*out, cut);
    return 0;
}

void filchi_os_thread_join(pthread_t thread)
{
    pthread_join(thread, NULL);
}

/* A page of its own: the smallest thing that fork() can be told to wipe. */
#define WIPED_SIZE ((size_t)4096)

int filchi_os_process_init(struct filchi_os_process *process)
{
    *process = (struct filchi_os_process) { .id = getpid() };
    if (FAULTY(allocations))
        return -ENOMEM;
    void *page = mmap(NULL, WIPED_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return -ENOMEM;
    if (FAULTY(wipes) || madvise(page, WIPED_SIZE, MADV_WIPEONFORK)) { /* before Linux 4.14 */
        munmap(page, WIPED_SIZE);
        return 0;
    }
    _Atomic uint32_t *here = page;
    atomic_init(here, 1);
    process->here = here;
    return 0;
}

void filchi_os_process_fini(struct filchi_os_process *process)
{
    if (process->here)
        munmap((void *)(uintptr_t)process->here, WIPED_SIZE);
}

bool filchi_os_process_is(long id)
{
    return getpid() == id;
}

void filchi_os_thread_exit(void)
{
    pthread_exit(NULL);
}

uintptr_t filchi_os_self(void)
{
    return (uintptr_t)pthread_self(); /* an address, in glibc and musl */
}

long filchi_os_thread_id(void)
{
    return syscall(SYS_gettid);
}

bool filchi_os_stack_size_valid(size_t size)
{
    return size >= STACK_LEAST && size < SIZE_MAX / 2;
}

uintptr_t filchi_os_stack_low(void)
{
    pthread_attr_t attributes;
    if (pthread_getattr_np(pthread_self(), &attributes))
        return 0;
    void *low = NULL;
    size_t size = 0;
    (void)pthread_attr_getstack(&attributes, &low, &size);
    pthread_attr_destroy(&attributes);
    return (uintptr_t)low;
}

/* ---- Events and errors ---- */

int filchi_os_event_create(void)
{
    int fd = CALL(events, EMFILE, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    return fd < 0 ? -errno : fd;
}

void filchi_os_event_signal(int fd)
{
    int saved = errno;
    uint64_t one = 1;
    /* EAGAIN: it has been signalled as often as it can count, and is readable. */
    while (CALL(signals, EINTR, write(fd, &one, sizeof one)) < 0 && errno == EINTR)
        continue;
    errno = saved;
}

int64_t filchi_os_event_take(int fd)
{
    int saved = errno;
    uint64_t count = 0;
    if (read(fd, &count, sizeof count) < 0) /* EAGAIN: it was not */
        count = 0;
    errno = saved;
    return (int64_t)count;
}

void filchi_os_event_close(int fd)
{
    close(fd);
}

int filchi_os_write(int fd, const char *text, size_t length)
{
    while (length) {
        ssize_t n = write(fd, text, length);
        if (n < 0 && errno != EINTR)
            return -errno;
        text += n < 0 ? 0 : n;
        length -= n < 0 ? 0 : (size_t)n;
    }
    return 0;
}

void filchi_os_error_text(int code, char *buffer, size_t size)
{
    int number = code == INT_MIN ? INT_MAX : code < 0 ? -code : code;
    const char *text = strerror_r(number, buffer, size); /* GNU: may point elsewhere */
    if (text != buffer)
        snprintf(buffer, size, "%s", text);
}
