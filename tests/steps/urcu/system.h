/* SPDX-License-Identifier: MIT */
/*
 * liburcu's <urcu/system.h>, where each access of its queues to shared memory is a step of ../steps.h first: among
 * them the second half of a push, which links what the first half has made the last.
 */
#ifndef FILCH_TESTS_URCU_SYSTEM_H
#define FILCH_TESTS_URCU_SYSTEM_H
#pragma GCC system_header /* as the one that it stands before: #include_next is no standard C */

#include_next <urcu/system.h>

#include "../steps.h"

#undef CMM_LOAD_SHARED
#undef CMM_STORE_SHARED

#define CMM_LOAD_SHARED(object)                    \
    __extension__({                                \
        filchi_step();                             \
        cmm_smp_rmc();                             \
        *(volatile __typeof__(object) *)&(object); \
    })
#define CMM_STORE_SHARED(object, value)                      \
    __extension__({                                          \
        filchi_step();                                       \
        *(volatile __typeof__(object) *)&(object) = (value); \
        cmm_smp_wmc();                                       \
    })

#endif
