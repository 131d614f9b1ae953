/* SPDX-License-Identifier: MIT */
/*
 * What runs filch's sources under Relacy: the operations that include/stdatomic.h turns the sources' atomics into, the
 * memory and the futexes of os_model.c, and what a model states of itself. The engine (engine.cpp) keeps a shadow of
 * the memory: Relacy's history of every atomic object, and who read or wrote every other byte when.
 */
#ifndef MODEL_ENGINE_H
#define MODEL_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum model_operation {
    MODEL_LOAD,
    MODEL_STORE,
    MODEL_EXCHANGE,
    MODEL_ADD,
    MODEL_SUB,
    MODEL_OR,
    MODEL_AND,
    MODEL_CAS_STRONG,
    MODEL_CAS_WEAK,
    MODEL_FENCE,
};

/* One atomic operation in the text of the sources. The first five: constant; the rest: the engine's. */
struct model_site {
    const char *file;
    int line, operation, order, failure;
    const char *function;
    int known, weaker;
    struct model_site *next;
};

/* Returns the site, which lies in that function. */
struct model_site *model_site_in(struct model_site *site, const char *function);

/* Any context. Of `size` bytes, at most 8; values as their bits. */
void model_init(void *address, size_t size, uint64_t value);
uint64_t model_load(struct model_site *site, void *address, size_t size);
void model_store(struct model_site *site, void *address, size_t size, uint64_t value);
uint64_t model_rmw(struct model_site *site, void *address, size_t size, uint64_t operand);
bool model_cas(struct model_site *site, void *address, size_t size, uint64_t *expected, uint64_t desired);
void model_fence(struct model_site *site);

/* Memory, zeroed; it is never given out twice in one execution, so every use after model_free() is found. */
void *model_alloc(size_t size, size_t align);
void model_free(void *memory);
/* How many blocks are not freed. */
unsigned model_allocated(void);

/* What a kernel's futex does: sleeps if *word is `expected`. False: the time was over. A wake-up orders no memory. */
bool model_futex_wait(void *word, uint32_t expected, bool timed);
void model_futex_wake(void *word, int n);

/* The thread library's mutexes, known by their addresses; one that another thread of the model holds must not stop
 * them all. */
int model_mutex_init(void *mutex, const void *attributes);
int model_mutex_destroy(void *mutex);
int model_mutex_lock(void *mutex);
int model_mutex_trylock(void *mutex);
int model_mutex_unlock(void *mutex);

/* Lets other threads run; says that this one waits for them. */
void model_yield(void);

/* The thread that runs, 0 and up. */
unsigned model_self(void);
/* Threads that are not the model's own (struct model.threads): starts one that runs main(arg); -1: none is left. */
int model_thread_start(void *(*main)(void *), void *arg);
void model_thread_join(int thread);

/* os_model.c, where it is linked: before each execution, as if the system had just begun. */
void model_os_begin(void) __attribute__((weak));

/* os_model.c: whether an event that filchi_os_event_create() made was signalled. */
bool model_event_signalled(int fd);
/* Sleeps until it is readable; or, as epoll does with EPOLLET, until it is so and was written to since `*seen` writes. */
void model_event_wait(int fd);
void model_event_wait_edge(int fd, uint32_t *seen);

/* memset() and memcpy() whose accesses the engine knows of. */
void *model_memset(void *to, int byte, size_t size);
void *model_memcpy(void *to, const void *from, size_t size);

/* Ends the execution: this is a fault, and the model says so. */
void model_fail(const char *file, int line, const char *what);
#define model_check(condition) ((condition) ? (void)0 : model_fail(__FILE__, __LINE__, #condition))

/* An alternative that the search decides: below n. */
unsigned model_choose(unsigned n);

/* One scenario. */
struct model {
    const char *name;
    const char *says;           /* what is checked, a sentence */
    unsigned threads;           /* of the model's own, 1 and up */
    unsigned hosts;             /* threads that model_thread_start() can start; threads + hosts <= 6 */
    void (*before)(void);       /* alone, before the threads; may be NULL */
    void (*thread)(unsigned i); /* i < threads */
    void (*after)(void);        /* alone, once all have ended; may be NULL */
    unsigned bound;             /* > 0: all executions with at most that many preemptions are tried */
    unsigned long executions;   /* at random, besides */
};

/* Runs what the command line says (--help); what main() returns. `files` are the sources that these models answer
 * for, by their names, up to NULL. */
int model_main(int argc, char **argv, const char *const *files, const struct model *models, size_t n);

#ifdef __cplusplus
}
#endif

#endif
