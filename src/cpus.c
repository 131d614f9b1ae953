/* SPDX-License-Identifier: MIT */
/* The CPUs of a pool: see cpus.h. */
#include "cpus.h"

#include "threads.h"

#include <errno.h>
#include <string.h>

int filchi_cpus_create(struct filchi_cpus **out, const uint16_t *list, size_t n, bool pin)
{
    if ((n && !list) || n > FILCHI_OS_CPUS)
        return -EINVAL;
    *out = NULL;
    if (!n && !pin)
        return 0;
    size_t room = n ? n : FILCHI_OS_CPUS;
    struct filchi_cpus *cpus = filchi_os_alloc(sizeof *cpus + room * sizeof cpus->list[0]);
    if (!cpus)
        return -ENOMEM;
    cpus->pin = pin;
    cpus->n = n;
    if (n)
        memcpy(cpus->list, list, n * sizeof cpus->list[0]);
    int rc = filchi_os_cpus_create(&cpus->all, cpus->list, n);
    if (!rc && !n)
        cpus->n = filchi_os_cpus_list(cpus->all, cpus->list);
    if (rc)
        filchi_os_free(cpus);
    else
        *out = cpus;
    return rc;
}

void filchi_cpus_free(struct filchi_cpus *cpus)
{
    if (cpus)
        filchi_os_cpus_free(cpus->all);
    filchi_os_free(cpus);
}

unsigned filchi_cpus_count(const struct filchi_cpus *cpus)
{
    return filchi_os_cpus_count(cpus->all);
}

void filchi_cpus_begin(struct filchi_thread *thread, const struct filchi_cpus *cpus)
{
    thread->cpu = -1;
    filchi_os_affinity_set(cpus->all);
}

int filchi_cpus_borrow(struct filchi_thread *thread, const struct filchi_cpus *cpus)
{
    int rc = filchi_os_cpus_create(&thread->cpus_before, NULL, 0);
    if (!rc)
        filchi_cpus_begin(thread, cpus);
    return rc;
}

void filchi_cpus_return(struct filchi_thread *thread)
{
    filchi_os_affinity_set(thread->cpus_before);
    filchi_os_cpus_free(thread->cpus_before);
    thread->cpus_before = NULL;
}

void filchi_cpus_move(struct filchi_thread *thread, const struct filchi_cpus *cpus, unsigned worker)
{
    int cpu = cpus->list[worker % cpus->n];
    if (!cpus->pin || thread->cpu == cpu)
        return;
    thread->cpu = cpu;
    filchi_os_affinity_set_one((unsigned)cpu);
}
