/* SPDX-License-Identifier: MIT */
/* The CPUs that a pool's threads run on, and which of them holds a thread to the worker that it has. */
#ifndef FILCHI_CPUS_H
#define FILCHI_CPUS_H

#include "os_cpus.h"

#include <stdbool.h>

struct filchi_thread;
struct filchi_handoff;

struct filchi_cpus {
    struct filchi_os_cpus *all;
    bool pin; /* a thread stays on that of its worker */
    size_t n;
    uint16_t list[]; /* as given: that of worker i is the (i modulo n)th */
};

/* As the pool options say; NULL in *out if they say nothing. 0, -ENOMEM, or -EINVAL if the process may not use one. */
int filchi_cpus_create(struct filchi_cpus **out, const uint16_t *list, size_t n, bool pin);
/* NULL is allowed. */
void filchi_cpus_free(struct filchi_cpus *cpus);
/* How many different ones. */
unsigned filchi_cpus_count(const struct filchi_cpus *cpus);

/* T's own, of a pool with such CPUs, at its beginning. */
void filchi_cpus_begin(struct filchi_thread *thread, const struct filchi_cpus *cpus);
/* The same with a thread that is lent. 0 or -ENOMEM; and its end, which moves it back. */
int filchi_cpus_borrow(struct filchi_thread *thread, const struct filchi_cpus *cpus);
void filchi_cpus_return(struct filchi_thread *thread);
/* T's own, which has got that worker: moves to its CPU. */
void filchi_cpus_move(struct filchi_thread *thread, const struct filchi_cpus *cpus, unsigned worker);

#endif
