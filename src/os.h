/* SPDX-License-Identifier: MIT */
/* What filch asks of the operating system, with os_cpus.h. os_linux.c and os_linux_cpus.c are the only files that know
 * which one it is. */
#ifndef FILCHI_OS_H
#define FILCHI_OS_H

#include "atomic.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILCHI_NEVER INT64_C(-1)

/* The structure of which `pointer` is the member. */
#define filchi_container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Now, ns, CLOCK_MONOTONIC. Any context. */
int64_t filchi_os_now(void);

/* The deadline that lies timeout_ns ahead: FILCHI_NEVER for a negative or an unreachable one. */
int64_t filchi_os_deadline(int64_t timeout_ns);

/*
 * Sleeps while *word == expected, until a wake or the deadline. Returns -ETIMEDOUT, never before the deadline, or 0
 * with or without reason: the caller looks again. Signals do not end it early but may wake it.
 */
int filchi_os_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline);

/* Wakes up to n sleepers. Async-signal-safe; the word may be gone already, then nobody or a stranger wakes. */
void filchi_os_futex_wake(_Atomic uint32_t *word, int n);

/* Gives the core to somebody else. */
void filchi_os_yield(void);

/* The nth round of a loop that waits for another thread to take its next step: pauses; now and then yields,
 * as the other may have lost its core. */
static inline void filchi_os_relax(unsigned n)
{
    if (n % 64 == 63)
        filchi_os_yield();
    else
        filchi_pause();
}

/* Memory, zeroed. NULL without memory. Size need not be a multiple of align for the second. */
void *filchi_os_alloc(size_t size);
void *filchi_os_alloc_aligned(size_t align, size_t size);
void filchi_os_free(void *memory);

/* Zeroed pages aligned to their size (a power of two); `huge` asks for huge pages. NULL without memory. */
void *filchi_os_pages(size_t size, bool huge);
void filchi_os_pages_free(void *pages, size_t size);

/*
 * Starts a thread that runs main(arg) with all asynchronous signals blocked and the given name (cut to what the
 * system takes). stack_size 0: the default. 0, or a negative errno (-EAGAIN). It must be joined.
 */
int filchi_os_thread_start(pthread_t *out, void *(*main)(void *), void *arg, const char *name, size_t stack_size);
void filchi_os_thread_join(pthread_t thread);

/* Tells the process that made it from those that fork() made of that process. */
struct filchi_os_process {
    const _Atomic uint32_t *here; /* reads 1, in forked processes 0; NULL if the system has no such memory */
    long id;                      /* the process's */
};
/* 0 or -ENOMEM. */
int filchi_os_process_init(struct filchi_os_process *process);
/* In whichever process. */
void filchi_os_process_fini(struct filchi_os_process *process);
bool filchi_os_process_is(long id);

/* Whether it was made in this process. One load; async-signal-safe. */
static inline bool filchi_os_process_here(const struct filchi_os_process *process)
{
    /* relaxed: it never changes in a process. */
    return process->here ? atomic_load_explicit(process->here, memory_order_relaxed)
                         : filchi_os_process_is(process->id);
}

/* Ends the calling thread, of ours or not; after the last one the process ends with status 0. */
_Noreturn void filchi_os_thread_exit(void);

/* A number above 255 that no other thread has while this one lives. Async-signal-safe. */
uintptr_t filchi_os_self(void);

/* The system's number of the calling thread. */
long filchi_os_thread_id(void);

/* Whether a thread can have a stack of that many bytes. */
bool filchi_os_stack_size_valid(size_t size);

/* The lowest usable address of the calling thread's stack, which grows down. 0 if unknown. */
uintptr_t filchi_os_stack_low(void);

/* An eventfd, or a negative errno; and making it readable (async-signal-safe); and closing it. */
int filchi_os_event_create(void);
void filchi_os_event_signal(int fd);
/* How often it was signalled since the last call; then it is not readable any more. What was done before those signals is
 * seen after. Does not wait. */
int64_t filchi_os_event_take(int fd);
void filchi_os_event_close(int fd);

/* Writes all of it, or returns a negative errno, having written some. */
int filchi_os_write(int fd, const char *text, size_t length);

/* Puts the text of an errno into the buffer. */
void filchi_os_error_text(int code, char *buffer, size_t size);

#ifdef FILCH_TESTING
/* Faults to inject: n > 0 makes the nth call from now fail, n < 0 every call from the -nth on. Written by tests. */
struct filchi_os_faults {
    _Atomic long allocations; /* filchi_os_alloc(), _alloc_aligned(), _pages(), _process_init() */
    _Atomic long threads;     /* filchi_os_thread_start() */
    _Atomic long events;      /* filchi_os_event_create() */
    _Atomic long wipes;       /* memory that forked processes find wiped */
    _Atomic long waits;       /* filchi_os_futex_wait(): it does not sleep */
    _Atomic long wakes;       /* filchi_os_futex_wake(): nobody is woken; to be borne only if no wait sleeps */
    _Atomic long signals;     /* writes by filchi_os_event_signal() */
    _Atomic int error;        /* the errno of the last three, and of eventfds; 0: none, none, EINTR, and EMFILE */
    _Atomic int64_t late;     /* how much longer than to its deadline each futex wait sleeps, ns */
    struct {
        _Atomic long allocations, threads, events, wipes, waits, wakes, signals, late;
    } struck; /* how many faults came of each */
};
extern struct filchi_os_faults filchi_os_faults;
#endif

#endif
