/* SPDX-License-Identifier: MIT */
/* What filch asks of the operating system about CPUs: how many there are for it, and which a thread runs on. */
#ifndef FILCHI_OS_CPUS_H
#define FILCHI_OS_CPUS_H

#include <stddef.h>
#include <stdint.h>

/* A set of CPUs, which are numbered below that. */
#define FILCHI_OS_CPUS 65536
struct filchi_os_cpus;
/* Those listed, or for n 0 those of the calling thread's affinity mask. 0; -ENOMEM; -EINVAL if the process may not use
 * one, or the system does not tell. The calling thread may be moved for a moment. */
int filchi_os_cpus_create(struct filchi_os_cpus **out, const uint16_t *list, size_t n);
/* NULL is allowed. */
void filchi_os_cpus_free(struct filchi_os_cpus *cpus);
unsigned filchi_os_cpus_count(const struct filchi_os_cpus *cpus);
/* Lists all of them, ascending; how many. */
size_t filchi_os_cpus_list(const struct filchi_os_cpus *cpus, uint16_t *list);
/* The calling thread runs on those only from now on, or on that one; as before if the system does not let it. */
void filchi_os_affinity_set(const struct filchi_os_cpus *cpus);
void filchi_os_affinity_set_one(unsigned cpu);

/* CPUs in the affinity mask, at least 1. */
unsigned filchi_os_affinity(void);

/*
 * The cgroup cpu quota in CPUs, rounded up, the least over this process's group and its ancestors, v1 and v2; 0
 * if there is none. `root` is put before every path that is read: "" but in tests.
 */
unsigned filchi_os_cpu_quota(const char *root);

#endif
