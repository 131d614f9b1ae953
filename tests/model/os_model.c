/* SPDX-License-Identifier: MIT */
/* What filch asks of the operating system (src/os.h), on the engine: memory, futexes, threads and a clock of a model. */
#include "os.h"
#include "os_cpus.h"

#include "engine.h"

#include <errno.h>
#include <stdio.h>

struct filchi_os_faults filchi_os_faults;
_Thread_local int model_errno;

/* As os_linux.c counts them, but without a step that the search would see. */
static bool faulty(_Atomic long *countdown)
{
    long *n = (long *)(uintptr_t)countdown;
    if (*n == 0 || *n == -1)
        return *n;
    *n += *n > 0 ? -1 : 1;
    return *n == 0;
}

/* ns. Moves on by a microsecond whenever somebody looks, and to where a sleep ended. */
static int64_t now;

/* A deadline that no model lives to see. */
#define FAR (INT64_MAX / 4)

int64_t filchi_os_now(void)
{
    return now += 1000;
}

int64_t filchi_os_deadline(int64_t timeout_ns)
{
    return timeout_ns < 0 || timeout_ns > INT64_MAX - now ? FILCHI_NEVER : now + timeout_ns;
}

int filchi_os_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline)
{
    if (model_futex_wait((void *)(uintptr_t)word, expected, deadline != FILCHI_NEVER && deadline < FAR))
        return 0;
    if (now < deadline)
        now = deadline;
    return -ETIMEDOUT;
}

void filchi_os_futex_wake(_Atomic uint32_t *word, int n)
{
    model_futex_wake((void *)(uintptr_t)word, n);
}

void filchi_os_yield(void)
{
    model_yield();
}

void *filchi_os_alloc(size_t size)
{
    return faulty(&filchi_os_faults.allocations) ? NULL : model_alloc(size, 64);
}

void *filchi_os_alloc_aligned(size_t align, size_t size)
{
    return faulty(&filchi_os_faults.allocations) ? NULL : model_alloc(size, align);
}

void filchi_os_free(void *memory)
{
    model_free(memory);
}

void *filchi_os_pages(size_t size, bool huge)
{
    (void)huge;
    return faulty(&filchi_os_faults.allocations) ? NULL : model_alloc(size, size);
}

void filchi_os_pages_free(void *pages, size_t size)
{
    (void)size;
    model_free(pages);
}

int filchi_os_thread_start(pthread_t *out, void *(*main)(void *), void *arg, const char *name, size_t stack_size)
{
    (void)name;
    (void)stack_size;
    int thread = model_thread_start(main, arg);
    if (thread < 0)
        return -EAGAIN;
    *out = (pthread_t)thread;
    return 0;
}

void filchi_os_thread_join(pthread_t thread)
{
    model_thread_join((int)thread);
}

int filchi_os_process_init(struct filchi_os_process *process)
{
    *process = (struct filchi_os_process) { .here = NULL, .id = 1 };
    return 0;
}

void filchi_os_process_fini(struct filchi_os_process *process)
{
    (void)process;
}

bool filchi_os_process_is(long id)
{
    return id == 1;
}

_Noreturn void filchi_os_thread_exit(void)
{
    model_fail(__FILE__, __LINE__, "no thread of a model ends itself");
    __builtin_unreachable();
}

uintptr_t filchi_os_self(void)
{
    return 256 + model_self();
}

long filchi_os_thread_id(void)
{
    return 1 + (long)model_self();
}

bool filchi_os_stack_size_valid(size_t size)
{
    (void)size;
    return true;
}

/* Far below: models do not nest deeply, and tasks are to run in place. */
uintptr_t filchi_os_stack_low(void)
{
    return 1;
}

/* No model chooses CPUs. */
int filchi_os_cpus_create(struct filchi_os_cpus **out, const uint16_t *list, size_t n)
{
    (void)out;
    (void)list;
    (void)n;
    return -ENOMEM;
}

void filchi_os_cpus_free(struct filchi_os_cpus *cpus)
{
    (void)cpus;
}

unsigned filchi_os_cpus_count(const struct filchi_os_cpus *cpus)
{
    (void)cpus;
    return 0;
}

size_t filchi_os_cpus_list(const struct filchi_os_cpus *cpus, uint16_t *list)
{
    (void)cpus;
    (void)list;
    return 0;
}

void filchi_os_affinity_set(const struct filchi_os_cpus *cpus)
{
    (void)cpus;
}

void filchi_os_affinity_set_one(unsigned cpu)
{
    (void)cpu;
}

unsigned filchi_os_affinity(void)
{
    return 2;
}

unsigned filchi_os_cpu_quota(const char *root)
{
    (void)root;
    return 0;
}

/* Eventfds, numbered from 1. One that leaks stays open: soon there is none left. */
static struct {
    bool open;
    _Atomic uint32_t
        word; /* writes ever, and the count that a read takes; a write(2) or read(2) is one step, under a lock */
} events[8];
#define EVENT_COUNT UINT32_C(0xffff)
#define EVENT_WRITE UINT32_C(0x10001)

int filchi_os_event_create(void)
{
    for (int i = 0; i < (int)(sizeof events / sizeof events[0]); i++)
        if (!events[i].open) {
            events[i].open = true;
            atomic_init(&events[i].word, 0);
            return i + 1;
        }
    model_fail(__FILE__, __LINE__, "no event is left: they leak");
    return -EMFILE;
}

static _Atomic uint32_t *event_at(int fd)
{
    model_check(events[fd - 1].open);
    return &events[fd - 1].word;
}

void filchi_os_event_signal(int fd)
{
    _Atomic uint32_t *word = event_at(fd);
    atomic_fetch_add_explicit(word, EVENT_WRITE, memory_order_acq_rel);
    event_at(fd); /* a number that is another's by now would have been written to */
    model_futex_wake((void *)(uintptr_t)word, 8);
}

int64_t filchi_os_event_take(int fd)
{
    return atomic_fetch_and_explicit(event_at(fd), ~EVENT_COUNT, memory_order_acq_rel) & EVENT_COUNT;
}

void filchi_os_event_close(int fd)
{
    event_at(fd);
    events[fd - 1].open = false;
}

bool model_event_signalled(int fd)
{
    return atomic_load_explicit(event_at(fd), memory_order_acquire) & EVENT_COUNT;
}

void model_event_wait(int fd)
{
    uint32_t word;
    while (!((word = atomic_load_explicit(event_at(fd), memory_order_acquire)) & EVENT_COUNT))
        model_futex_wait((void *)(uintptr_t)event_at(fd), word, false);
}

void model_event_wait_edge(int fd, uint32_t *seen)
{
    for (;;) {
        uint32_t word = atomic_load_explicit(event_at(fd), memory_order_acquire), writes = word / (EVENT_COUNT + 1);
        if (writes == *seen) {
            model_futex_wait((void *)(uintptr_t)event_at(fd), word, false);
            continue;
        }
        *seen = writes;
        if (word & EVENT_COUNT)
            return;
    }
}

void model_os_begin(void)
{
    now = 0;
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
        events[i].open = false;
}

int filchi_os_write(int fd, const char *text, size_t length)
{
    (void)fd;
    (void)text;
    (void)length;
    return -ENOSYS;
}

void filchi_os_error_text(int code, char *buffer, size_t size)
{
    snprintf(buffer, size, "error %d", -code);
}
