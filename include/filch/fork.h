/* SPDX-License-Identifier: MIT */
/*
 * Fork-join inside a task, without allocation: a function call that another worker may take over.
 *
 *        static int fib(filch_forker *forker, int n);
 *        FILCH_FORKABLE_1(int, fib, int)                 // makes struct fib_forked, fib_fork() and fib_join()
 *
 *        static int fib(filch_forker *forker, int n)
 *        {
 *            struct fib_forked right;
 *            if (n < 2)
 *                return n;
 *            fib_fork(forker, &right, n - 1);            // may run at the same time as what follows
 *            int left = fib(forker, n - 2);
 *            return left + fib_join(forker, &right);     // mostly just calls fib(forker, n - 1)
 *        }
 *
 *        static int task(filch_task *self, void *arg)
 *        {
 *            filch_forker *forker;
 *            int rc = filch_fork_begin(self, &forker);
 *            return rc ? rc : filch_return(self, (void *)(intptr_t)fib(forker, 39));
 *        }
 *
 * And on top of it loops that are split while somebody is hungry: filch_parallel_for(), filch_parallel_reduce().
 *
 * What is forked is joined by the same function, newest first, on every way out, C++ exceptions included. A child is
 * a part of its task: filch_task_current(), its stop and what it submits are the task's, whichever thread runs it; it
 * may wait, submit and open scopes of its own. Only filch_scope_current() may miss a scope that was opened before the
 * fork. filch_return() and filch_fail() are not for two children at the same time. In a process that fork() made,
 * nothing that was forked before may be joined.
 *
 * The fields below are for the inline functions. docs/design/fork.md tells how it works.
 */
#ifndef FILCH_FORK_H
#define FILCH_FORK_H

#include <filch/filch.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct filch_forker
    filch_forker; /* what a thread forks with; valid on that thread, until the task returns */
typedef struct filch_forked filch_forked; /* a call that may run elsewhere; on the stack of who forks it */

/* Runs a forked call. `forker` is that of the thread which runs it. */
typedef void filch_forked_fn(filch_forker *forker, filch_forked *forked);

struct filch_forked {
    filch_forked_fn *fn; /* the forking thread */
    uintptr_t state;     /* while in the forker's list: the next older one, the forking thread's own; then shared */
};

/* Longer than is shown. */
struct filch_forker {
    filch_forked *newest; /* its thread: the list of those that no other thread can see */
    char line[64 - sizeof(void *)];
    filch_forker *unasked; /* the forker itself, or NULL: another thread wants work; anyone, atomic */
};

/*
 * What a task, or a child, forks with on this thread. `self` must be the task that runs here.
 * Context: any task; does not wait.
 * Errors: -EINVAL, -ENOMEM.
 */
FILCH_API int filch_fork_begin(filch_task *self, filch_forker **out);
/* True once the stop of the task is requested: poll it freely. */
FILCH_API bool filch_fork_stopped(const filch_forker *forker);

/* Slow paths of the functions below; not for others. */
FILCH_API void filch_fork_feed(filch_forker *forker) __attribute__((cold));
FILCH_API bool filch_unfork_shared(filch_forker *forker, filch_forked *forked) __attribute__((cold));

/* Whether another thread wants work: time to fork something, even if it costs more than a call. */
static inline bool filch_fork_wanted(const filch_forker *forker)
{
    /* relaxed: a hint, which stays until something was forked. */
    return __builtin_expect(__atomic_load_n(&forker->unasked, __ATOMIC_RELAXED) != forker, 0);
}

/*
 * fn(forker, forked) may be run by another worker from here on. Allocates nothing and cannot fail.
 * Context: the forker's thread.
 * Ownership: `forked` is in use until it was joined; mostly it is the first member of a struct with the arguments.
 * Ordering: happens before fn runs.
 * Undefined: a function returns before all that it has forked was joined; debug builds of the library abort when the
 * task returns.
 */
static inline void filch_fork(filch_forker *forker, filch_forked *forked, filch_forked_fn *fn)
{
    forked->fn = fn;
    forked->state = (uintptr_t)forker->newest;
    forker->newest = forked;
    if (filch_fork_wanted(forker))
        filch_fork_feed(forker);
}

/*
 * Takes back the newest that was forked and not joined. True: nobody has run it, and the caller may run it as it likes,
 * or not at all. False: another thread has, and it is over; until then the call runs other children of that thread's,
 * and then gives the worker away.
 */
static inline bool filch_unfork(filch_forker *forker, filch_forked *forked)
{
    if (__builtin_expect(forker->newest != forked, 0))
        return filch_unfork_shared(forker, forked);
    forker->newest = (filch_forked *)forked->state;
    return true;
}

/*
 * Joins the newest that was forked and not joined: calls it here unless another thread has run it.
 * Context: the forker's thread; may wait, and neither a stop nor an interrupt ends that.
 * Ordering: everything that fn does happens before this returns.
 */
static inline void filch_fork_join(filch_forker *forker, filch_forked *forked)
{
    if (filch_unfork(forker, forked))
        forked->fn(forker, forked);
}

/*
 * FILCH_FORKABLE_n(result, name, parameter types...) makes, for a function `result name(filch_forker *, ...)` that was
 * declared before, struct name_forked, name_fork(forker, &forked, arguments...) and name_join(forker, &forked), which
 * returns the result. FILCH_FORKABLE_VOID_n(name, parameter types...) is for functions without a result.
 */
/* clang-format off */
#define FILCH_FORKABLE_1(result, name, type1)                                                                  \
    struct name##_forked { filch_forked forked; result out; type1 a1; };                                       \
    static inline void name##_run(filch_forker *forker, filch_forked *forked)                                  \
    {                                                                                                          \
        struct name##_forked *call = (struct name##_forked *)forked;                                           \
        call->out = name(forker, call->a1);                                                                    \
    }                                                                                                          \
    static inline void name##_fork(filch_forker *forker, struct name##_forked *call, type1 a1)                 \
    {                                                                                                          \
        call->a1 = a1;                                                                                         \
        filch_fork(forker, &call->forked, name##_run);                                                         \
    }                                                                                                          \
    static inline result name##_join(filch_forker *forker, struct name##_forked *call)                         \
    {                                                                                                          \
        return filch_unfork(forker, &call->forked) ? name(forker, call->a1) : call->out;                       \
    }

#define FILCH_FORKABLE_VOID_1(name, type1)                                                                     \
    struct name##_forked { filch_forked forked; type1 a1; };                                                   \
    static inline void name##_run(filch_forker *forker, filch_forked *forked)                                  \
    {                                                                                                          \
        struct name##_forked *call = (struct name##_forked *)forked;                                           \
        name(forker, call->a1);                                                                                \
    }                                                                                                          \
    static inline void name##_fork(filch_forker *forker, struct name##_forked *call, type1 a1)                 \
    {                                                                                                          \
        call->a1 = a1;                                                                                         \
        filch_fork(forker, &call->forked, name##_run);                                                         \
    }                                                                                                          \
    static inline void name##_join(filch_forker *forker, struct name##_forked *call)                           \
    {                                                                                                          \
        if (filch_unfork(forker, &call->forked))                                                               \
            name(forker, call->a1);                                                                            \
    }

#define FILCH_FORKABLE_2(result, name, type1, type2)                                                           \
    struct name##_forked { filch_forked forked; result out; type1 a1; type2 a2; };                             \
    static inline void name##_run(filch_forker *forker, filch_forked *forked)                                  \
    {                                                                                                          \
        struct name##_forked *call = (struct name##_forked *)forked;                                           \
        call->out = name(forker, call->a1, call->a2);                                                          \
    }                                                                                                          \
    static inline void name##_fork(filch_forker *forker, struct name##_forked *call, type1 a1, type2 a2)       \
    {                                                                                                          \
        call->a1 = a1;                                                                                         \
        call->a2 = a2;                                                                                         \
        filch_fork(forker, &call->forked, name##_run);                                                         \
    }                                                                                                          \
    static inline result name##_join(filch_forker *forker, struct name##_forked *call)                         \
    {                                                                                                          \
        return filch_unfork(forker, &call->forked) ? name(forker, call->a1, call->a2) : call->out;             \
    }

#define FILCH_FORKABLE_VOID_2(name, type1, type2)                                                              \
    struct name##_forked { filch_forked forked; type1 a1; type2 a2; };                                         \
    static inline void name##_run(filch_forker *forker, filch_forked *forked)                                  \
    {                                                                                                          \
        struct name##_forked *call = (struct name##_forked *)forked;                                           \
        name(forker, call->a1, call->a2);                                                                      \
    }                                                                                                          \
    static inline void name##_fork(filch_forker *forker, struct name##_forked *call, type1 a1, type2 a2)       \
    {                                                                                                          \
        call->a1 = a1;                                                                                         \
        call->a2 = a2;                                                                                         \
        filch_fork(forker, &call->forked, name##_run);                                                         \
    }                                                                                                          \
    static inline void name##_join(filch_forker *forker, struct name##_forked *call)                           \
    {                                                                                                          \
        if (filch_unfork(forker, &call->forked))                                                               \
            name(forker, call->a1, call->a2);                                                                  \
    }

#define FILCH_FORKABLE_3(result, name, type1, type2, type3)                                                    \
    struct name##_forked { filch_forked forked; result out; type1 a1; type2 a2; type3 a3; };                   \
    static inline void name##_run(filch_forker *forker, filch_forked *forked)                                  \
    {                                                                                                          \
        struct name##_forked *call = (struct name##_forked *)forked;                                           \
        call->out = name(forker, call->a1, call->a2, call->a3);                                                \
    }                                                                                                          \
    static inline void name##_fork(filch_forker *forker, struct name##_forked *call, type1 a1, type2 a2, type3 a3)\
    {                                                                                                          \
        call->a1 = a1;                                                                                         \
        call->a2 = a2;                                                                                         \
        call->a3 = a3;                                                                                         \
        filch_fork(forker, &call->forked, name##_run);                                                         \
    }                                                                                                          \
    static inline result name##_join(filch_forker *forker, struct name##_forked *call)                         \
    {                                                                                                          \
        return filch_unfork(forker, &call->forked) ? name(forker, call->a1, call->a2, call->a3) : call->out;   \
    }

#define FILCH_FORKABLE_VOID_3(name, type1, type2, type3)                                                       \
    struct name##_forked { filch_forked forked; type1 a1; type2 a2; type3 a3; };                               \
    static inline void name##_run(filch_forker *forker, filch_forked *forked)                                  \
    {                                                                                                          \
        struct name##_forked *call = (struct name##_forked *)forked;                                           \
        name(forker, call->a1, call->a2, call->a3);                                                            \
    }                                                                                                          \
    static inline void name##_fork(filch_forker *forker, struct name##_forked *call, type1 a1, type2 a2, type3 a3)\
    {                                                                                                          \
        call->a1 = a1;                                                                                         \
        call->a2 = a2;                                                                                         \
        call->a3 = a3;                                                                                         \
        filch_fork(forker, &call->forked, name##_run);                                                         \
    }                                                                                                          \
    static inline void name##_join(filch_forker *forker, struct name##_forked *call)                           \
    {                                                                                                          \
        if (filch_unfork(forker, &call->forked))                                                               \
            name(forker, call->a1, call->a2, call->a3);                                                        \
    }

#define FILCH_FORKABLE_4(result, name, type1, type2, type3, type4)                                             \
    struct name##_forked { filch_forked forked; result out; type1 a1; type2 a2; type3 a3; type4 a4; };         \
    static inline void name##_run(filch_forker *forker, filch_forked *forked)                                  \
    {                                                                                                          \
        struct name##_forked *call = (struct name##_forked *)forked;                                           \
        call->out = name(forker, call->a1, call->a2, call->a3, call->a4);                                      \
    }                                                                                                          \
    static inline void name##_fork(filch_forker *forker, struct name##_forked *call, type1 a1, type2 a2, type3 a3, type4 a4)\
    {                                                                                                          \
        call->a1 = a1;                                                                                         \
        call->a2 = a2;                                                                                         \
        call->a3 = a3;                                                                                         \
        call->a4 = a4;                                                                                         \
        filch_fork(forker, &call->forked, name##_run);                                                         \
    }                                                                                                          \
    static inline result name##_join(filch_forker *forker, struct name##_forked *call)                         \
    {                                                                                                          \
        return filch_unfork(forker, &call->forked) ? name(forker, call->a1, call->a2, call->a3, call->a4) : call->out;\
    }

#define FILCH_FORKABLE_VOID_4(name, type1, type2, type3, type4)                                                \
    struct name##_forked { filch_forked forked; type1 a1; type2 a2; type3 a3; type4 a4; };                     \
    static inline void name##_run(filch_forker *forker, filch_forked *forked)                                  \
    {                                                                                                          \
        struct name##_forked *call = (struct name##_forked *)forked;                                           \
        name(forker, call->a1, call->a2, call->a3, call->a4);                                                  \
    }                                                                                                          \
    static inline void name##_fork(filch_forker *forker, struct name##_forked *call, type1 a1, type2 a2, type3 a3, type4 a4)\
    {                                                                                                          \
        call->a1 = a1;                                                                                         \
        call->a2 = a2;                                                                                         \
        call->a3 = a3;                                                                                         \
        call->a4 = a4;                                                                                         \
        filch_fork(forker, &call->forked, name##_run);                                                         \
    }                                                                                                          \
    static inline void name##_join(filch_forker *forker, struct name##_forked *call)                           \
    {                                                                                                          \
        if (filch_unfork(forker, &call->forked))                                                               \
            name(forker, call->a1, call->a2, call->a3, call->a4);                                              \
    }
/* clang-format on */

/* ---- Loops ----------------------------------------------------------------------------------------- */

typedef struct filch_parallel_options {
    size_t size;      /* sizeof(filch_parallel_options) */
    size_t grain;     /* most indices in one call of the body; 0: a 64th of a worker's share */
    filch_stop *stop; /* ends the loop; inside a task the task's own does so too. NULL: the task's, or the pool's */
} filch_parallel_options;

/* clang-format off */
#define FILCH_PARALLEL_OPTIONS { sizeof(filch_parallel_options), 0, NULL }
/* clang-format on */

/* Handles the indices from begin to end - 1. Returns 0 or a negative code (a positive one counts as -EINVAL). */
typedef int filch_range_fn(size_t begin, size_t end, void *arg);

/*
 * Calls fn for ranges that cover begin to end - 1, each index once, on as many workers as come for it: the range is
 * halved whenever a worker asks for work, else it is walked through in steps of `grain`. Outside of the pool's tasks it
 * submits one and waits for it, else it runs in the calling task; loops nest. The first failure in time ends it: what
 * has not begun by then is left out.
 * Context: any thread; blocks, and an interrupt does not end it. On return no call of fn runs.
 * Errors: what fn returned, -ECANCELED (stopped before the end), -EINVAL, -E2BIG, those of filch_submit().
 * Ordering: everything that fn does happens before the return.
 */
FILCH_API int filch_parallel_for(filch_pool *pool, size_t begin, size_t end, filch_range_fn *fn, void *arg,
                                 const filch_parallel_options *options);

/* Folds the indices from begin to end - 1, in their order, into *value. Returns as a filch_range_fn. */
typedef int filch_fold_fn(size_t begin, size_t end, void *value, void *arg);
/* Makes *value the combination of itself and *right, which comes after it. */
typedef void filch_combine_fn(void *value, const void *right, void *arg);

/*
 * The same loop with a value: each part begins with a copy of *value, which must change nothing it is combined with
 * (0 for a sum), and the parts are combined in the order of their indices. So `combine` must be associative, and need
 * not be commutative; with floating point numbers the result depends on where the range was split. *value becomes the
 * result; on failure it is untouched. value_size is its size in bytes.
 * Context, errors, ordering: as filch_parallel_for(); -ENOMEM too for values of more than 64 bytes.
 */
FILCH_API int filch_parallel_reduce(filch_pool *pool, size_t begin, size_t end, void *value, size_t value_size,
                                    filch_fold_fn *fold, filch_combine_fn *combine, void *arg,
                                    const filch_parallel_options *options);

#ifdef __cplusplus
}
#endif

#endif
