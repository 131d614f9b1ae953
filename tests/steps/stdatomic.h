/* SPDX-License-Identifier: MIT */
/*
 * The compiler's <stdatomic.h>, where each operation that the library uses is a step of steps.h first. It is found
 * before the compiler's own where this directory comes first among the include directories. What is not listed here
 * is as it was. Atomic for atomic the operations are the compiler's own, so a sanitizer sees them.
 */
#ifndef FILCH_TESTS_STDATOMIC_H
#define FILCH_TESTS_STDATOMIC_H
#pragma GCC system_header /* as the one that it stands before: #include_next is no standard C */

#include_next <stdatomic.h>

#include "steps.h"

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak_explicit
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and_explicit
#undef atomic_thread_fence

/* What a compiler calls its operations on _Atomic objects. */
#ifdef __clang__
#define FILCHI_STEPS_LOAD __c11_atomic_load
#define FILCHI_STEPS_STORE __c11_atomic_store
#define FILCHI_STEPS_EXCHANGE __c11_atomic_exchange
#define FILCHI_STEPS_STRONG __c11_atomic_compare_exchange_strong
#define FILCHI_STEPS_WEAK __c11_atomic_compare_exchange_weak
#define FILCHI_STEPS_ADD __c11_atomic_fetch_add
#define FILCHI_STEPS_SUB __c11_atomic_fetch_sub
#define FILCHI_STEPS_OR __c11_atomic_fetch_or
#define FILCHI_STEPS_AND __c11_atomic_fetch_and
#else
#define FILCHI_STEPS_LOAD __atomic_load_n
#define FILCHI_STEPS_STORE __atomic_store_n
#define FILCHI_STEPS_EXCHANGE __atomic_exchange_n
#define FILCHI_STEPS_STRONG(object, expected, desired, success, failure) \
    __atomic_compare_exchange_n(object, expected, desired, 0, success, failure)
#define FILCHI_STEPS_WEAK(object, expected, desired, success, failure) \
    __atomic_compare_exchange_n(object, expected, desired, 1, success, failure)
#define FILCHI_STEPS_ADD __atomic_fetch_add
#define FILCHI_STEPS_SUB __atomic_fetch_sub
#define FILCHI_STEPS_OR __atomic_fetch_or
#define FILCHI_STEPS_AND __atomic_fetch_and
#endif

#define atomic_load_explicit(object, order) (filchi_step(), FILCHI_STEPS_LOAD(object, order))
#define atomic_store_explicit(object, value, order) (filchi_step(), FILCHI_STEPS_STORE(object, value, order))
#define atomic_exchange_explicit(object, value, order) (filchi_step(), FILCHI_STEPS_EXCHANGE(object, value, order))
#define atomic_compare_exchange_strong_explicit(object, expected, desired, success, failure) \
    (filchi_step(), FILCHI_STEPS_STRONG(object, expected, desired, success, failure))
#define atomic_compare_exchange_weak_explicit(object, expected, desired, success, failure) \
    (filchi_step(), FILCHI_STEPS_WEAK(object, expected, desired, success, failure))
#define atomic_fetch_add_explicit(object, value, order) (filchi_step(), FILCHI_STEPS_ADD(object, value, order))
#define atomic_fetch_sub_explicit(object, value, order) (filchi_step(), FILCHI_STEPS_SUB(object, value, order))
#define atomic_fetch_or_explicit(object, value, order) (filchi_step(), FILCHI_STEPS_OR(object, value, order))
#define atomic_fetch_and_explicit(object, value, order) (filchi_step(), FILCHI_STEPS_AND(object, value, order))
#define atomic_thread_fence(order) (filchi_step(), __atomic_thread_fence(order))

#endif
