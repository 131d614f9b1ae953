/* SPDX-License-Identifier: MIT */
/* Included before everything else in the sources under the model checker: what their compiler and C library do that
 * the engine has to know of. */
#ifndef MODEL_PRELUDE_H
#define MODEL_PRELUDE_H

#define FILCH_MODEL 1

#include "../engine.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

/* All threads of a model run on one: their own variables are swapped when they are (engine.cpp). */
#define _Thread_local __attribute__((section("model_thread_local")))

extern _Thread_local int model_errno;
#undef errno
#define errno model_errno

#define pthread_mutex_init model_mutex_init
#define pthread_mutex_destroy model_mutex_destroy
#define pthread_mutex_lock model_mutex_lock
#define pthread_mutex_trylock model_mutex_trylock
#define pthread_mutex_unlock model_mutex_unlock

/* What the inline header, which C++ reads too, uses instead of <stdatomic.h>. */
#define __atomic_load_n(address, order) atomic_load_explicit(address, order)

/* A pause in a loop: somebody else is to run. */
#define __builtin_ia32_pause() model_yield()

/* The compiler tells of every access but of those inside these. */
#define memset model_memset
#define memcpy model_memcpy

#endif
