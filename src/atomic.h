/* SPDX-License-Identifier: MIT */
/* What <stdatomic.h> leaves out: the store-load fence, the pause instruction, the size of a line. */
#ifndef FILCHI_ATOMIC_H
#define FILCHI_ATOMIC_H

#include <stdatomic.h>
#include <stdint.h>

/* The unit of sharing between cores; also right for aarch64 cores with 64-byte lines. */
#define FILCHI_LINE 64

/*
 * The store-load fence: every access before it is ordered before every access after it, in one total order with
 * the other calls. Nothing else in filch orders a store before a later load.
 *
 * Rejected: atomic_thread_fence() alone. clang makes it `mfence` (20 ns against 5.5 ns for a locked instruction
 * on the stack), and ThreadSanitizer does not model fences, so those builds use a read-modify-write, which is a
 * full barrier on the machines that they run on.
 */
#ifdef FILCH_MODEL /* a macro, so that the model checker can leave out one of them */
#define filchi_fence_store_load() atomic_thread_fence(memory_order_seq_cst) /* seq_cst vs itself, as below. */
#else
static inline void filchi_fence_store_load(void)
{
#if defined(FILCH_TSAN) || (defined(__clang__) && defined(__x86_64__))
    _Atomic uint32_t here;
    atomic_init(&here, 0);
    (void)atomic_exchange_explicit(&here, 1, memory_order_seq_cst); /* seq_cst: stands in for the fence below. */
#if defined(__x86_64__)
    __asm__ __volatile__("" ::"r"(&here) : "memory");
#endif
#else
    atomic_thread_fence(memory_order_seq_cst); /* seq_cst vs the same call on the other side of each race. */
#endif
}
#endif

/*
 * Exchanges *word, releasing what was done before, and is a store-load fence. On x86 a locked instruction is one by
 * itself; to the compiler, and elsewhere, the fence must be said.
 */
static inline uint32_t filchi_exchange_fenced(_Atomic uint32_t *word, uint32_t value)
{
    /* seq_cst: stands in for the fence on x86; no less than the release that callers name. */
    uint32_t old = atomic_exchange_explicit(word, value, memory_order_seq_cst);
#if defined(__x86_64__) && !defined(FILCH_TSAN) && !defined(FILCH_MODEL)
    atomic_signal_fence(memory_order_seq_cst); /* seq_cst: stands in for the fence to the compiler. */
#else
    filchi_fence_store_load();
#endif
    return old;
}

/* A hint that the line will be written soon: fetched early, and not to be shared. */
static inline void filchi_prefetch_write(const void *line)
{
#if defined(__x86_64__) /* the builtin would only do so for processors that are asked for by name */
    __asm__ volatile("prefetchw %0" ::"m"(*(const char *)line));
#else
    __builtin_prefetch(line, 1);
#endif
}

/* A hint that this is a spin loop. */
static inline void filchi_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("isb");
#endif
}

#endif
