/* SPDX-License-Identifier: MIT */
/*
 * <stdatomic.h> for the sources under the model checker: every operation goes to the engine (engine.h) with the place
 * in the source that it stands at, so that a run can list all places and weaken any one of them.
 */
#ifndef MODEL_STDATOMIC_H
#define MODEL_STDATOMIC_H

#include_next <stdatomic.h>

#include "../engine.h"

#include <stdbool.h>
#include <stdint.h>

#undef atomic_init
#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and_explicit
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak_explicit
#undef atomic_thread_fence
#undef atomic_signal_fence

/* A value's type without _Atomic, and the bits of a value. */
#define MODEL_VALUE(pointer) __typeof__((void)0, *(pointer))
#define MODEL_BITS(value)                                  \
    ({                                                     \
        uint64_t bits_ = 0;                                \
        __builtin_memcpy(&bits_, &(value), sizeof(value)); \
        bits_;                                             \
    })
#define MODEL_FROM_BITS(type, expression)                 \
    ({                                                    \
        uint64_t from_ = (expression);                    \
        type value_;                                      \
        __builtin_memcpy(&value_, &from_, sizeof value_); \
        value_;                                           \
    })
#define MODEL_SITE(operation, order, failure)                                                          \
    ({                                                                                                 \
        static struct model_site site_ = { __FILE__, __LINE__, operation, order, failure, .next = 0 }; \
        model_site_in(&site_, __func__);                                                               \
    })
#define MODEL_ADDRESS(pointer) ((void *)(uintptr_t)(pointer)), sizeof *(pointer)

#define atomic_init(p, v)                                \
    ({                                                   \
        MODEL_VALUE(p) init_ = (v);                      \
        model_init(MODEL_ADDRESS(p), MODEL_BITS(init_)); \
    })
#define atomic_load_explicit(p, order) \
    MODEL_FROM_BITS(MODEL_VALUE(p), model_load(MODEL_SITE(MODEL_LOAD, order, 0), MODEL_ADDRESS(p)))
#define atomic_store_explicit(p, v, order)                                                    \
    ({                                                                                        \
        MODEL_VALUE(p) store_ = (v);                                                          \
        model_store(MODEL_SITE(MODEL_STORE, order, 0), MODEL_ADDRESS(p), MODEL_BITS(store_)); \
    })
#define MODEL_RMW(operation, p, v, order)                                                                    \
    ({                                                                                                       \
        MODEL_VALUE(p) operand_ = (v);                                                                       \
        MODEL_FROM_BITS(MODEL_VALUE(p),                                                                      \
                        model_rmw(MODEL_SITE(operation, order, 0), MODEL_ADDRESS(p), MODEL_BITS(operand_))); \
    })
#define atomic_exchange_explicit(p, v, order) MODEL_RMW(MODEL_EXCHANGE, p, v, order)
#define atomic_fetch_add_explicit(p, v, order) MODEL_RMW(MODEL_ADD, p, v, order)
#define atomic_fetch_sub_explicit(p, v, order) MODEL_RMW(MODEL_SUB, p, v, order)
#define atomic_fetch_or_explicit(p, v, order) MODEL_RMW(MODEL_OR, p, v, order)
#define atomic_fetch_and_explicit(p, v, order) MODEL_RMW(MODEL_AND, p, v, order)
#define MODEL_CAS(weak, p, expected, v, order, failure)                                              \
    ({                                                                                               \
        MODEL_VALUE(p) desired_ = (v);                                                               \
        __typeof__(expected) compared_ = (expected);                                                 \
        uint64_t old_ = MODEL_BITS(*compared_);                                                      \
        bool done_ = model_cas(MODEL_SITE(weak ? MODEL_CAS_WEAK : MODEL_CAS_STRONG, order, failure), \
                               MODEL_ADDRESS(p), &old_, MODEL_BITS(desired_));                       \
        if (!done_)                                                                                  \
            __builtin_memcpy(compared_, &old_, sizeof *compared_);                                   \
        done_;                                                                                       \
    })
#define atomic_compare_exchange_strong_explicit(p, expected, v, order, failure) \
    MODEL_CAS(0, p, expected, v, order, failure)
#define atomic_compare_exchange_weak_explicit(p, expected, v, order, failure) \
    MODEL_CAS(1, p, expected, v, order, failure)
#define atomic_thread_fence(order) model_fence(MODEL_SITE(MODEL_FENCE, order, 0))
#define atomic_signal_fence(order) ((void)(order))

#endif
