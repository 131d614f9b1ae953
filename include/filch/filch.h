/* SPDX-License-Identifier: MIT */
/*
 * filch: concurrent.futures for C, on a work-stealing scheduler.
 *
 * 1. Simple: a pool, some tasks, their results.
 *
 *        static int twice(filch_task *self, void *arg)
 *        {
 *            return filch_return(self, (void *)(2 * (intptr_t)arg));
 *        }
 *
 *        filch_pool *pool;
 *        filch_future *future;
 *        void *result;
 *        filch_pool_create(&pool, NULL);
 *        filch_submit(pool, twice, (void *)21, &future);
 *        filch_future_result(future, FILCH_FOREVER, &result);    // 42
 *        filch_future_unref(future);
 *        filch_pool_destroy(pool);
 *
 * 2. Many at once: filch_completed_begin() hands futures back in completion order, filch_map() keeps
 *    input order, filch_stream_begin() does so for endless input, filch_wait() waits for the first, the first
 *    error, or all of them.
 * 3. Nested: a task may submit sub tasks to its own pool and wait for them, whatever the number of workers.
 * 4. Together: filch_scope_open() for tasks that fail together and of which none is left afterwards.
 * 5. Later and again: filch_submit_after(); filch_retry_options in the options of a submit.
 * 6. Blocking: filch_blocking_begin() around a call that blocks gives the worker to other tasks.
 * 7. Several tenants: filch_lane_create() for shares and limits, the priority in the options of a submit.
 * 8. Inherited: filch_context_begin() gives values to all tasks that are submitted from there on, and theirs.
 * 9. In an event loop (epoll, libuv, io_uring): filch_cq_create(), whose descriptor is readable while there are finished
 *    futures to drain.
 * 10. Stopping: filch_stop, filch_future_cancel(), filch_pool_shutdown(), filch_guard_begin() for Ctrl-C.
 *
 * Conventions. A function that can fail returns 0 or a negative errno value; its outputs are called out and
 * are untouched on failure. Times are int64_t nanoseconds; a timeout that is negative (FILCH_FOREVER) never
 * ends, 0 polls. Deadlines use CLOCK_MONOTONIC. A structure named *_options carries its own size: start
 * from its initialiser (FILCH_POOL_OPTIONS and so on). "Any thread" includes tasks of this or of another
 * pool, but no signal handler unless a comment says async-signal-safe. The library prints nothing,
 * never exits, and keeps no global state but the one signal handler that filch_guard_begin() asks for.
 *
 * fork(). In the child every call on a pool of the parent fails with -EOWNERDEAD and does nothing;
 * filch_pool_workers() and filch_pool_stop() still answer. Of its futures those that are final can be read; the
 * others stay as they are: waits and iterators fail with -EOWNERDEAD, a cancel returns false. A completion queue of the
 * parent gives nothing, and takes nothing from the parent. Of a stop made before
 * the fork only filch_stop_requested(), _reason() and _error() are of use, as another thread may have been about to
 * change it. A new pool works, with new stops. A child made inside a task is outside of tasks: filch_task_current()
 * is NULL; if the task function returns there, the child ends with status 0; and it has inherited the blocked
 * signals of its thread. The parent does not notice.
 *
 * Ordering. Everything before a submit happens before the task runs; everything a task does happens before
 * its final state is seen by filch_future_state(), a wait, an iterator or a callback.
 */
#ifndef FILCH_FILCH_H
#define FILCH_FILCH_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <filch/version.h>

#if defined(__GNUC__)
#define FILCH_API __attribute__((visibility("default")))
#define FILCH_PRINTF(format_index, first) __attribute__((format(printf, format_index, first)))
#define FILCH_AUTO(cleanup_function) __attribute__((cleanup(cleanup_function)))
#else
#define FILCH_API
#define FILCH_PRINTF(format_index, first)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A task and its future are one object: inside the task function it is called task, outside future. */
typedef struct filch_future filch_future;
typedef struct filch_future filch_task;
typedef struct filch_pool filch_pool;   /* workers that run tasks */
typedef struct filch_error filch_error; /* immutable, counted references: code, message, task, cause */
typedef struct filch_stop filch_stop;   /* a flag with a first-wins reason, in a tree, parents stop children */
typedef struct filch_stop_callback filch_stop_callback; /* calls a function when a stop is requested */
typedef struct filch_completed filch_completed;         /* an iterator over futures in completion order */
typedef struct filch_cq filch_cq;           /* finished futures for an event loop, behind a descriptor */
typedef struct filch_mapping filch_mapping; /* an iterator over the results of a map in input order */
typedef struct filch_stream filch_stream;   /* a map over endless input */
typedef struct filch_scope filch_scope;     /* tasks that fail and end together */
typedef struct filch_context filch_context; /* values of slots, immutable, counted references */
typedef struct filch_context_token filch_context_token; /* ends what put a context in force */
typedef struct filch_guard filch_guard;                 /* an interrupt guard */
typedef struct filch_lane filch_lane;                   /* a queue of one tenant, with a share of the pool */
typedef struct filch_hooks filch_hooks;                 /* what to call when something happens in a pool */

#define FILCH_FOREVER INT64_C(-1)
/* Whole units only: 1500 ms, not 1.5 s. */
#define FILCH_US(n) ((n)*INT64_C(1000))
#define FILCH_MS(n) ((n)*INT64_C(1000000))
#define FILCH_SECONDS(n) ((n)*INT64_C(1000000000))

/* ---- Pool ------------------------------------------------------------------------------------------ */

/* What a submit from outside of a pool's tasks does when as many wait to be started as the pool has capacity. */
typedef enum filch_overflow {
    FILCH_BLOCK,      /* waits for a place, in turn */
    FILCH_REJECT,     /* fails with -ENOBUFS */
    FILCH_CALLER_RUNS /* runs the task itself and then returns */
} filch_overflow;

/*
 * What a thread that finds nothing to do does before it sleeps. Asleep it uses no CPU whichever it is; to wake it costs
 * the submitter a system call, and the task the time until a core has it.
 */
typedef enum filch_idle_policy {
    FILCH_IDLE_BALANCED, /* half of the workers look for work for about as long as waking them would take */
    FILCH_IDLE_LATENCY, /* all of them, for ten times as long: tasks that come so close begin at once; it costs CPU */
    FILCH_IDLE_FRUGAL /* none: each sleeps as soon as it finds nothing; least CPU, and each lone task waits for a wake */
} filch_idle_policy;

/*
 * Where the memory of a pool comes from: tasks and their futures, queues, workers, the records of threads, timers, forks,
 * scopes, maps and streams, hooks and metrics. Not: stops, errors and contexts, which are no pool's; iterators over futures
 * and completion queues, which may be of several; callbacks, the list of CPUs, long names, what a task is given later
 * or on a thread that is not the pool's (by on_submit, by a submit of many that is measured, by who first asks for its
 * error), and the stacks of threads.
 * alloc returns at least `bytes`, aligned to `alignment` (a power of two), of any content; NULL: out of memory, which
 * becomes -ENOMEM. free gets both numbers again. Tasks come in blocks of 64 KiB and of 2 MiB, aligned to 64 KiB.
 * Context: any thread, several at once, and with locks of the pool held: they may not call anything on the pool or its
 * futures, nor wait for its tasks. Memory is freed after filch_pool_destroy() too if futures live on, with the last of
 * them; the arg must last that long.
 */
typedef struct filch_allocator {
    size_t size; /* sizeof(filch_allocator) */
    void *(*alloc)(size_t bytes, size_t alignment, void *arg);
    void (*free)(void *memory, size_t bytes, size_t alignment, void *arg);
    void *arg; /* of both */
} filch_allocator;

typedef struct filch_pool_options {
    size_t size;                    /* sizeof(filch_pool_options) */
    const char *name;               /* prefix of the thread names, copied; default "filch" */
    unsigned workers;               /* how many tasks run at once, at most 1024; 0: filch_default_workers() */
    unsigned spare_threads;         /* most threads beyond one a worker, for tasks that wait; 0: 256 */
    bool no_spare_threads;          /* true: not one spare thread; waiting tasks run what they await in place */
    size_t stack_size;              /* of each thread, bytes, at least 64 KiB; 0: the system's default */
    filch_stop *stop;               /* parent of the pool's stop, or NULL; the pool takes its own reference */
    size_t capacity;                /* most tasks submitted from outside that have not started; 0: no limit */
    filch_overflow overflow;        /* what a submit from outside does beyond it */
    int (*worker_init)(void *arg);  /* run on each thread before its first task; NULL: none; see below */
    void (*worker_exit)(void *arg); /* run on each thread before it ends, unless worker_init failed; NULL: none */
    void *worker_arg;               /* of both */
    /*
     * Called when a FAILED future is freed and nobody asked for its result, error or state, nor was its error passed
     * on by a map, a stream or a scope: on the thread that dropped the last reference, or for tasks that nobody holds
     * on the one that ran it; and when a scope with errors is closed of which neither filch_scope_join() nor
     * filch_scope_next() told any. The error is valid during the call. Futures outlive their pool, so this
     * may come after its end. NULL: none.
     */
    void (*on_unobserved)(const filch_error *error, void *arg);
    void *unobserved_arg;
    const filch_hooks *hooks; /* what to call when something happens in the pool, copied; NULL: nothing */
    bool metrics;             /* measures what filch_metrics_get() tells */
    bool lent_threads_only;   /* true: the pool starts no thread; tasks wait for threads of filch_pool_lend() */
    bool waiters_help;        /* true: a wait outside of tasks runs some meanwhile; both: see "Lent threads" */
    /*
     * The CPUs that the pool's threads run on, and then how many workers it has by default; copied. n_cpus 0: those that
     * the system gives them. With `pin` the thread that holds worker i runs on cpus[i % n_cpus] alone (n_cpus 0: of those
     * of the creating thread's affinity mask), and moves when it gets another worker. What a task starts inherits
     * that. Lent threads get their mask back. The thread for timers is none of them.
     */
    const uint16_t *cpus;
    size_t n_cpus;
    bool pin;
    filch_idle_policy idle;           /* how a thread waits for work */
    const filch_allocator *allocator; /* where the pool's memory comes from; copied; NULL: the system */
} filch_pool_options;

/* clang-format off */
#define FILCH_POOL_OPTIONS \
    { sizeof(filch_pool_options), NULL, 0, 0, false, 0, NULL, 0, FILCH_BLOCK, NULL, NULL, NULL, NULL, NULL, NULL, \
      false, false, false, NULL, 0, false, FILCH_IDLE_BALANCED, NULL }
/* clang-format on */

/*
 * How many workers a pool has by default: the smaller of the affinity mask's size and the cgroup cpu quota
 * (v1 and v2) rounded up; at least 1.
 * Context: any thread; reads files under /proc and /sys.
 */
FILCH_API unsigned filch_default_workers(void);

/*
 * Creates a pool. `options` may be NULL. No thread is started before the first submit. A pool's threads
 * block every asynchronous signal, use no CPU while there is nothing to do, and a task stays on the thread it
 * started on.
 * With a worker_init the threads of all workers are started and initialised here instead. It returns 0, or a
 * negative code that becomes this function's; then every thread has ended, those that were initialised by way of
 * worker_exit. On a thread that is started later, for a task that waits, a failure counts as a thread that the
 * system refused (threads_failed): the work goes to other threads, and after a second a start is tried again. The
 * hooks run outside of tasks; they may not wait for the pool's tasks or for its shutdown.
 * Ownership: the caller owns *out; release it with filch_pool_destroy(), which returns after the last worker_exit.
 * Errors: -EINVAL (an option out of range, size 0, a CPU that the process may not use), -E2BIG (options from a newer header), -ENOMEM, what
 * worker_init returned (-EINVAL for a positive code), -EAGAIN (no thread for it).
 */
FILCH_API int filch_pool_create(filch_pool **out, const filch_pool_options *options);

#define FILCH_SHUTDOWN_WAIT 1u           /* return when every task is final */
#define FILCH_SHUTDOWN_CANCEL_PENDING 2u /* tasks that have not started, or wait to start again, become CANCELLED */
#define FILCH_SHUTDOWN_STOP_RUNNING 4u   /* request the pool's stop, reason -ECANCELED */

/*
 * Refuses further submits and, as `flags` ask, cancels, stops and waits. Without CANCEL_PENDING everything that was
 * submitted still runs, at its time and as often as its retries allow, and the tasks that run may go on submitting
 * sub tasks. Nothing is lost: each task ran or its future says why not. May be called again, with other flags too.
 * A later filch_submit() fails with -ESHUTDOWN.
 * Context: any thread, a task of this pool too if it does not ask to wait. Blocks up to timeout_ns with WAIT.
 * Errors: -EDEADLK (WAIT from a task of this pool, or a callback on its timer thread; nothing was done), -ETIMEDOUT
 * (tasks still run; *out_error, unless NULL, is set to an error that counts them and names up to eight of those
 * that run, the caller's to unref; the pool stays shut), -EINVAL.
 */
FILCH_API int filch_pool_shutdown(filch_pool *pool, unsigned flags, int64_t timeout_ns, filch_error **out_error);

/*
 * Shuts the pool down as by FILCH_SHUTDOWN_WAIT with no timeout (everything submitted runs; to be quicker, call
 * filch_pool_shutdown() first), joins its threads and frees it. Futures outlive their pool.
 * Context: any thread but a task of this pool or a callback on its timer thread; blocks. NULL is allowed. No other
 * call on the pool may be under way, not even a filch_submit() whose task has finished already.
 * Errors: -EDEADLK from those; nothing was done.
 */
FILCH_API int filch_pool_destroy(filch_pool *pool);

/*
 * The pool's stop. Requesting it stops every task of the pool, but those that were given a stop which does not
 * descend from it.
 * Ownership: borrowed, valid as long as the pool.
 */
FILCH_API filch_stop *filch_pool_stop(filch_pool *pool);

FILCH_API unsigned filch_pool_workers(const filch_pool *pool); /* as created, or as resized last */

/*
 * Changes how many tasks run at once, 1 to 1024. More: work that waits is begun at once. Fewer: running tasks are
 * not disturbed; the first that end, or wait, are not followed by others until no more than `workers` run. The
 * cap on threads moves along; threads that are too many leave after 10 s without work.
 * Context: any thread or task, at any time; does not wait.
 * Errors: -EINVAL (out of range), -ESHUTDOWN, -ENOMEM; then the number is as before.
 */
FILCH_API int filch_pool_resize(filch_pool *pool, unsigned workers);

typedef struct filch_pool_stats {
    size_t size;             /* sizeof(filch_pool_stats), set by the caller */
    unsigned workers;        /* as created, or as resized last */
    unsigned threads;        /* OS threads there now, lent ones too, but the one for timers */
    unsigned threads_peak;   /* most ever alive at once */
    unsigned idle;           /* workers that no thread holds now */
    uint64_t submitted;      /* tasks accepted; each attempt after the first counts as one */
    uint64_t finished;       /* of those, how many were dealt with: run, or ended without */
    uint64_t stolen;         /* tasks and forked calls taken from another worker */
    uint64_t ran_in_place;   /* tasks run on the stack of a task that awaited them */
    uint64_t handoffs;       /* times a waiting task gave its worker away */
    uint64_t parks;          /* times a thread went to sleep for want of work */
    uint64_t threads_failed; /* thread starts that the system refused */
} filch_pool_stats;

/* clang-format off */
#define FILCH_POOL_STATS { sizeof(filch_pool_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
/* clang-format on */

/*
 * Fills *out without stopping anything; the numbers need not be of one instant.
 * Context: any thread; does not block. Errors: -EINVAL (out->size 0).
 */
FILCH_API int filch_pool_stats_get(filch_pool *pool, filch_pool_stats *out);

/*
 * Writes to a file descriptor, for people to read, what the pool does: a line for the pool, one for each worker,
 * one for what waits outside, one for each lane, one for what waits for its time, one for each thread, and below a thread that is not
 * running one for each task on its stack, the innermost first.
 *
 *     pool "fetch": 2 workers (1 idle), 3 threads of at most 258, 0 thread starts refused, open
 *     worker 0: held by fetch-2, 12 tasks in its deque, 0 in its batch
 *     worker 1: idle, 0 tasks in its deque, 0 in its batch
 *     tasks from outside: none waiting
 *     lane "bulk": weight 1, 1 running of at most 2, 0 waiting to go on, 0 high, 17 normal, 0 low waiting
 *     tasks for later: 1 waiting for their time, 0 due, a timer thread
 *     thread fetch-2 (4713): running task "get 3"
 *     thread fetch-1 (4712): blocked
 *       task "page 1" awaits future "get 1" (pending), with a deadline
 *       task 0x7f3a5c204080 awaits future "page 1" (running), which runs on its stack
 *     thread fetch-0 (4711): blocked
 *       task "main" awaits any of 2 futures: "page 1" (running), "page 2" (pending)
 *     thread fetch-3 (4714): blocked
 *       task "site" awaits the tasks of scope "pages" (7 left)
 *
 * The threads and what their tasks await are of one instant, the rest is of about that time; a thread that is just
 * being started may be missing. A thread is: running a task, or looking for one; spare (it has nothing to do);
 * blocked, its task awaiting others; in a blocking region; or about to go on, as soon as there is a worker for
 * it. Lent ones are said to be. A task, future or scope without a name is shown by its address.
 * Context: any thread, tasks too; no task stops for it, though one that begins or ends a wait may be held up for a
 * moment. May block in write(2), which a closed pipe makes raise SIGPIPE.
 * Errors: -EINVAL, -ENOMEM (nothing was written), those of write(2) (a part may have been), -EBUSY (the pool hangs so
 * badly that after 1 s its threads still cannot be looked at: only what is queued was written).
 */
FILCH_API int filch_pool_dump(filch_pool *pool, int fd);

/* ---- Lent threads ---------------------------------------------------------------------------------- */

/*
 * The calling thread becomes one of the pool's: it takes a worker when one is free, runs tasks, and sleeps without CPU
 * when there is nothing to do, until `until` is requested; then it finishes the task that it runs, which may take its
 * time if that waits for others, and returns. With NULL it stays until the pool is shut down and everything is final.
 * It is counted in filch_pool_stats, beyond the threads that the pool starts and their cap; no more than `workers`
 * tasks run for it. The pool's worker_init is run first and its worker_exit last. The thread keeps its name and its
 * signal mask, so a handler may run on it; tasks see its thread-local variables and its stack.
 *
 * A pool with lent_threads_only has no other threads, but the one for timers. A submit is accepted and waits; so does
 * a future. A thread that shuts such a pool down and waits, or destroys it, runs what is left itself, as if it were lent
 * until then, and after a timeout finishes the task that it runs first. A submit that FILCH_BLOCK makes wait for a place
 * does not: somebody else must lend a thread. If worker_init fails on a thread that shuts down, and nobody else is lent,
 * the shutdown fails with its code; then FILCH_SHUTDOWN_CANCEL_PENDING is the way to end the pool.
 *
 * Context: any thread outside of tasks, but those of pools: no callback, no worker_init. Several at once. It blocks. As
 * soon as the pool is shut down and everything is final each of them returns; filch_pool_destroy() waits for those whose
 * call has begun.
 * Errors: -EDEADLK (a task, a callback on a timer thread), -ENOMEM, what worker_init returned (-EINVAL for a positive
 * code), -EINVAL (no pool), -EINTR (`until` is NULL and this thread's interrupt guard has fired).
 */
FILCH_API int filch_pool_lend(filch_pool *pool, filch_stop *until);

/*
 * With waiters_help a thread that is not inside any task and waits for futures of the pool, or for a scope, a map, a
 * stream or an iterator of it, is a lent one until the wait ends. If a worker is free it runs what it waits for itself,
 * if that is one future and has not started, and else other tasks in their turn; if none is free, or there is nothing to
 * run, it sleeps as ever. No more than `workers` tasks run for it. So a result that is awaited right after the submit may
 * need no other thread; together with lent_threads_only it needs none at all. Errors, timeouts and interrupts are those of the wait, but heeded between two
 * tasks: one that it has begun delays it, however long it takes. An awaited task may start before older ones. A poll
 * (timeout 0) runs nothing. The tasks run with the locks held that the waiting thread holds, so it must hold none that
 * they take. Where the pool has a worker_init it is run before the first task of each such wait, and worker_exit at its
 * end; if it fails the wait does without helping.
 */

/* ---- Tasks ----------------------------------------------------------------------------------------- */

/*
 * A task function. Return 0 for success (DONE), or a negative errno-style code for failure (FAILED); see
 * filch_return() and filch_fail(). Returning -ECANCELED while the task's stop is requested makes it STOPPED.
 * A positive value counts as a failure with code -EINVAL. `self` is valid until the function returns, on
 * this thread only, and may not be passed to filch_future_ref().
 */
typedef int filch_fn(filch_task *self, void *arg);

/*
 * How a task is tried again when it fails. Between two attempts it is in FILCH_RETRY_WAIT and holds neither worker
 * nor thread; a stop or a cancel ends that wait at once, without another attempt. In the end its error says how
 * many attempts were made; the last one's error is the cause. A task that returns -ECANCELED because its stop is
 * requested is not tried again. Each attempt calls the function anew, perhaps on another thread, with the same arg;
 * a result or an error that the one before has left is dropped.
 * Errors of the submit: -EINVAL (out of range; a backoff above 1e9 too), -EAGAIN (the pool's timer thread cannot be
 * started).
 */
typedef struct filch_retry_options {
    size_t size;             /* sizeof(filch_retry_options) */
    unsigned max_attempts;   /* the first included; at least 1 */
    int64_t interval_ns;     /* between the first attempt and the second; 0: at once */
    double backoff;          /* each further interval is so many times the one before, at least 1 */
    int64_t max_interval_ns; /* no interval is longer; 0: no limit */
    double jitter;           /* 0 to 1: each interval is drawn evenly from 1 - jitter to 1 + jitter times itself */
    /*
     * Whether to try again after this attempt's error, which is valid during the call. Called on the thread that
     * ran it, but not after the last attempt, nor once the stop is requested. NULL: always.
     */
    bool (*should_retry)(const filch_error *error, unsigned attempt, void *arg);
    void *should_retry_arg;
} filch_retry_options;

/* clang-format off */
#define FILCH_RETRY_OPTIONS \
    { sizeof(filch_retry_options), 3, FILCH_SECONDS(1), 1.0, 0, 0.0, NULL, NULL }
/* clang-format on */

/* The order in the queue of the pool, or of a lane: see filch_lane_create(). */
typedef enum filch_priority { FILCH_LOW = -1, FILCH_NORMAL = 0, FILCH_HIGH = 1 } filch_priority;

typedef struct filch_task_options {
    size_t size;              /* sizeof(filch_task_options) */
    const char *name;         /* copied; shown in errors; NULL: none */
    filch_stop *stop;         /* the task's stop; NULL: that of the submitting task in this pool, else the pool's */
    void (*arg_dtor)(void *); /* called once with arg when the future is freed; NULL: none */
    int64_t start_at_ns;      /* not before then, by filch_now(); 0: at once */
    const filch_retry_options *retry; /* copied; NULL: one attempt */
    filch_priority priority;          /* HIGH goes before NORMAL, that before LOW, but nothing starves */
    filch_lane *lane; /* whose task it is, of this pool; NULL: of no lane. The task takes a reference */
} filch_task_options;

/* clang-format off */
#define FILCH_TASK_OPTIONS { sizeof(filch_task_options), NULL, NULL, NULL, 0, NULL, FILCH_NORMAL, NULL }
/* clang-format on */

/*
 * Submits fn(arg). From a task of the same pool it becomes a sub task: run newest first, open to thieves. From
 * elsewhere tasks start in submission order (exactly so with one worker).
 * With a lane, or a priority other than FILCH_NORMAL, it goes to a queue instead: see filch_lane_create().
 * `out` may be NULL: then nobody holds the future, and it is freed when the task is final.
 * A pool with a capacity does, from outside only, what its `overflow` says when no place is left; a place gets free
 * when a task is taken from the queue. One that is to start later takes none, nor does one that is submitted in a
 * callback on the pool's timer thread. FILCH_BLOCK waits as filch_future_wait() does. With FILCH_CALLER_RUNS the
 * calling thread becomes the pool's for that one task: `self` works, what it submits to the pool goes in without a
 * limit, its waits and blocking regions are those of the thread, and the locks that the caller holds are held.
 * Context: any thread; does not wait, but for FILCH_BLOCK, FILCH_CALLER_RUNS and, once, a thread's start.
 * Ownership: the caller owns a reference *out.
 * Errors: -EINVAL, -E2BIG (options from a newer header), -ENOMEM, -ESHUTDOWN, -EAGAIN (the pool has no thread and
 * none can be started), -ENOBUFS (FILCH_REJECT), -ECANCELED or -EINTR (FILCH_BLOCK, as for waits). On error nothing
 * was submitted and arg_dtor is not called.
 * Ordering: happens before fn runs.
 */
FILCH_API int filch_submit(filch_pool *pool, filch_fn *fn, void *arg, filch_future **out);

/*
 * Submits n tasks at once, which costs less than one after the other: task i is fn((char *)args + i * size), as an array
 * of arguments is laid out; with size 0 all have the same. out[i] is the future of task i; `out` may be NULL.
 * Errors: as filch_submit(). All n are submitted, or on error none, and then out[i] is NULL for each. Only a pool with
 * a capacity takes them one by one: out[i] of those that were accepted before the error is set, and the caller's.
 */
FILCH_API int filch_submit_many(filch_pool *pool, filch_fn *fn, void *args, size_t size, size_t n,
                                filch_future **out);

/* The same as filch_submit() with options (NULL: defaults). */
FILCH_API int filch_submit_with(filch_pool *pool, filch_fn *fn, void *arg, const filch_task_options *options,
                                filch_future **out);

/*
 * Submits fn(arg) to start delay_ns from now, or at a time by filch_now(): never earlier, and later only as far
 * as the system and busy workers make it. Until then the task is PENDING and holds neither worker nor thread, and a
 * stop or a cancel ends it at once. A shutdown that cancels nothing waits for its time.
 * Context, ownership, errors, ordering: as filch_submit(); -EINVAL too for a negative time or one that does not fit,
 * -EAGAIN too if the pool's timer thread cannot be started.
 */
FILCH_API int filch_submit_after(filch_pool *pool, int64_t delay_ns, filch_fn *fn, void *arg, filch_future **out);
FILCH_API int filch_submit_at(filch_pool *pool, int64_t at_ns, filch_fn *fn, void *arg, filch_future **out);

/* Now, ns, CLOCK_MONOTONIC: the clock of every deadline. Async-signal-safe. */
FILCH_API int64_t filch_now(void);

/* The task that the calling thread runs, or NULL outside tasks. */
FILCH_API filch_task *filch_task_current(void);
/* True once the task's stop is requested. One relaxed load: poll it freely. */
FILCH_API bool filch_task_stopped(const filch_task *self);
/* The task's stop and pool. Borrowed: valid until the task function returns. */
FILCH_API filch_stop *filch_task_stop(const filch_task *self);
FILCH_API filch_pool *filch_task_pool(const filch_task *self);
/* Which attempt this is: 1 in the first, and without retries. */
FILCH_API unsigned filch_task_attempt(const filch_task *self);
/* Sets the result and returns 0, for `return filch_return(self, result);`. */
FILCH_API int filch_return(filch_task *self, void *result);
/*
 * The same; dtor(result) is called once, when the future is freed.
 * Errors: -ENOMEM, which the task function must return: dtor(result) was called, and the task has no result.
 */
FILCH_API int filch_return_owned(filch_task *self, void *result, void (*dtor)(void *));

/*
 * Attaches an error to the task and returns `code`, for `return filch_fail(self, -EIO, "...")`. A later call
 * replaces the earlier error. `code` must be negative (else -EINVAL is used); what the function then returns is
 * the task's code, should it differ. Never fails: without memory a static error stands in, and the code is
 * kept.
 * Context: inside the task function of `self`.
 */
FILCH_API int filch_fail(filch_task *self, int code, const char *format, ...) FILCH_PRINTF(3, 4);

/* The same with a cause, of which a reference is taken (NULL: none). Code 0: the cause's code. */
FILCH_API int filch_fail_from(filch_task *self, const filch_error *cause, int code, const char *format, ...)
    FILCH_PRINTF(4, 5);

/* The error attached so far, or NULL. Borrowed: valid until it is replaced or the future freed. */
FILCH_API const filch_error *filch_task_error(const filch_task *self);

/*
 * Sleeps. A sleeping task keeps its worker, as any call that blocks does outside of a blocking region.
 * Returns 0 after the whole time, -ECANCELED as soon as the task's stop is requested, and outside of tasks -EINTR
 * as soon as this thread's interrupt guard has fired.
 * Context: any thread; blocks.
 */
FILCH_API int filch_sleep(int64_t duration_ns);

/*
 * Marks a call that blocks, outside of filch: the task's worker goes to another task meanwhile, on a spare
 * thread, and the end takes one again, waiting for it if need be. Unmarked, such a call occupies the worker.
 * Regions nest; a task that returns inside one has ended it; waits for futures suspend it.
 * Context: inside the task function of `self`; the end may block.
 */
FILCH_API void filch_blocking_begin(filch_task *self);
FILCH_API void filch_blocking_end(filch_task *self);

/* ---- Lanes ----------------------------------------------------------------------------------------- */

typedef struct filch_lane_options {
    size_t size;          /* sizeof(filch_lane_options) */
    const char *name;     /* copied; shown by filch_pool_dump(); NULL: none */
    unsigned weight;      /* its share of the starts, at most 65536; 0: 1 */
    unsigned max_running; /* most tasks of it that run at once; 0: no limit */
} filch_lane_options;

/* clang-format off */
#define FILCH_LANE_OPTIONS { sizeof(filch_lane_options), NULL, 1, 0 }
/* clang-format on */

/*
 * Creates a lane: a queue of its own for the tasks of one tenant (a client, a kind of request), which shares the
 * pool's workers with the others. A task is put into it by the `lane` of its options, from outside or from a task;
 * sub tasks without one go to their worker, as ever.
 * While several lanes have tasks that could start, each gets starts in proportion to its weight; the tasks of no lane
 * count as one of weight 1. A lane that was idle does not save up its share, and its next task is the next to start,
 * so that whoever fills the pool delays others by no more than the tasks that run at that moment. Between two sub tasks,
 * too, a worker looks whether such a task, or one of FILCH_HIGH, has come; it then runs a sub task before it takes another.
 * Within a lane, and among the tasks of no lane, FILCH_HIGH goes before FILCH_NORMAL and that before FILCH_LOW, each in
 * the order of submission. But while tasks of FILCH_LOW wait, at least one of 17 of the lane's starts is one of theirs, and
 * one of 18 of FILCH_NORMAL. A task for which filch_future_wait(), filch_future_result() or another wait for one future is
 * about to sleep, and which has not started, goes on to the end of FILCH_HIGH; once, and from a worker's sub tasks too.
 * With max_running no more than so many of the lane's tasks run at once. One that waits for futures does not run
 * meanwhile, and goes on when there is a place again, before others of the lane start: so it may await tasks of its own
 * lane, or of others, whatever their limits. One in a blocking region runs. What runs on the stack of a waiting task (sub
 * tasks and forked calls) does so in its place.
 * Context: any thread; does not block.
 * Ownership: the caller owns a reference *out, and may drop it at once: tasks hold their own. A lane may outlive its pool.
 * Errors: -EINVAL (no pool, a weight out of range, size 0), -E2BIG, -ENOMEM.
 */
FILCH_API int filch_lane_create(filch_lane **out, filch_pool *pool, const filch_lane_options *options);
FILCH_API filch_lane *filch_lane_ref(filch_lane *lane); /* returns `lane`; NULL is allowed */
FILCH_API void filch_lane_unref(filch_lane *lane);      /* NULL is allowed */

typedef struct filch_lane_stats {
    size_t size;      /* sizeof(filch_lane_stats), set by the caller */
    size_t queued;    /* tasks that wait to be started, those that were cancelled meanwhile included */
    unsigned running; /* tasks that run, waiting ones not included; or have just ended */
    size_t resuming;  /* tasks whose wait is over, but for a place in the lane */
    uint64_t started; /* tasks taken from the queue so far; each attempt counts, and those cancelled in the queue */
} filch_lane_stats;

/* clang-format off */
#define FILCH_LANE_STATS { sizeof(filch_lane_stats), 0, 0, 0, 0 }
/* clang-format on */

/*
 * Fills *out; the numbers are of one instant.
 * Context: any thread; does not block. Errors: -EINVAL (no lane, out->size 0).
 */
FILCH_API int filch_lane_stats_get(filch_lane *lane, filch_lane_stats *out);

/* ---- Futures --------------------------------------------------------------------------------------- */

typedef enum filch_state {
    FILCH_PENDING = 0,    /* not started, or about to start again */
    FILCH_RUNNING = 1,    /* its function runs or, unless its stop is requested, is about to */
    FILCH_RETRY_WAIT = 2, /* an attempt failed, the next one is to come */
    FILCH_DONE = 3,       /* final: returned 0 */
    FILCH_FAILED = 4,     /* final: returned an error */
    FILCH_CANCELLED = 5,  /* final: cancelled before it started, or between two attempts */
    FILCH_STOPPED = 6     /* final: its stop was requested, before or while it ran, or between attempts */
} filch_state;

FILCH_API const char *filch_state_name(filch_state state); /* "pending", "running" and so on */

/*
 * One more reference; returns `future`. Every call on a future needs a reference that lasts until it returns, the
 * waits included: a thread that waits for what another one may drop takes its own first.
 * Context: any thread that holds a reference.
 */
FILCH_API filch_future *filch_future_ref(filch_future *future);
/* Drops a reference; the last frees the future once it is final. The task runs all the same. NULL is allowed. */
FILCH_API void filch_future_unref(filch_future *future);

/* The state now. Ordering: a final state is seen after everything the task did. */
FILCH_API filch_state filch_future_state(const filch_future *future);
FILCH_API bool filch_future_done(const filch_future *future);
/* The name and the argument given at submit. Borrowed: valid as long as the future. The name may be NULL. */
FILCH_API const char *filch_future_name(const filch_future *future);
FILCH_API void *filch_future_arg(const filch_future *future);
/* How many attempts were begun: 0 before it starts, more than 1 only with filch_retry_options. */
FILCH_API unsigned filch_future_attempts(const filch_future *future);

/*
 * Cancels a task that has not started, or that waits for its next attempt. True: the future is now CANCELLED, or
 * was before, and the task will never run (again). False: it runs or has another final state; or, in a pool with hooks or
 * metrics, a shutdown cancels it at this moment, and it is CANCELLED when its on_drop has returned.
 * Context: any thread; does not block; callbacks run here.
 */
FILCH_API bool filch_future_cancel(filch_future *future);

/*
 * Waits until the future is final. Inside a task the wait gives the worker to other tasks, or runs the awaited
 * task on this stack, which so must not need anything that this task does later; outside it blocks the thread.
 * Errors: -ETIMEDOUT (the future stays as it was; wait again freely), -ECANCELED (inside a task whose stop is
 * requested), -EINTR (this thread's interrupt guard fired), -EDEADLK (a task awaits itself, or this wait without a
 * timeout closes a cycle of such waits between tasks of one pool: none of them could end, and the others go on once
 * this task ends), -EAGAIN (inside a task: neither stack nor thread is left to run what is awaited).
 */
FILCH_API int filch_future_wait(filch_future *future, int64_t timeout_ns);

/*
 * Waits likewise, then gives the outcome: 0 and *out (unless NULL) for DONE, the task's code for FAILED,
 * -ECANCELED for CANCELLED and STOPPED, or an error of the wait. filch_future_state() tells a task's own
 * -ETIMEDOUT from that of the wait.
 * Ownership: what *out points to is whatever the task said.
 */
FILCH_API int filch_future_result(filch_future *future, int64_t timeout_ns, void **out);

/*
 * The error of a FAILED, CANCELLED or STOPPED future; NULL if DONE or not final.
 * Ownership: borrowed, valid as long as the future. Context: any thread; does not block.
 */
FILCH_API const filch_error *filch_future_error(filch_future *future);

/*
 * Calls callback(future, arg) exactly once when the future is final: on the thread that completes it, after those
 * who wait were told, in the order of registration; or here at once if it is final already. If at that
 * moment a wait for it runs out of time, it may be the waiting thread. The future is valid during the call.
 * Context: any thread. The callback holds up the completing thread: keep it short.
 * Errors: -ENOMEM (then it is never called).
 */
FILCH_API int filch_future_on_done(filch_future *future, void (*callback)(filch_future *, void *), void *arg);

/* ---- Many futures ---------------------------------------------------------------------------------- */

typedef enum filch_wait_mode {
    FILCH_FIRST_COMPLETED, /* until one is final */
    FILCH_FIRST_ERROR,     /* until one is final and not DONE, or all are final */
    FILCH_ALL              /* until all are final */
} filch_wait_mode;

/*
 * Waits for n futures. *out_done (unless NULL) is how many are final; it is set on -ETIMEDOUT too.
 * The futures stay the caller's, and may be in any number of waits and iterators at once.
 * Errors: those of filch_future_wait(), -ENOMEM, -EINVAL.
 */
FILCH_API int filch_wait(filch_future *const *futures, size_t n, filch_wait_mode mode, int64_t timeout_ns,
                         size_t *out_done);

/*
 * Waits until all n futures are final, whatever happens: neither a stop nor an interrupt nor a timeout ends it.
 * Call it before memory that the tasks use goes away. NULL entries are skipped.
 * Errors: -EDEADLK, -EAGAIN as filch_future_wait(); a future that was final stays so.
 */
FILCH_API int filch_join(filch_future *const *futures, size_t n);

/* Cancels what has not started among n futures (NULL entries are skipped); returns how many are CANCELLED. */
FILCH_API size_t filch_cancel_all(filch_future *const *futures, size_t n);

/*
 * Begins to iterate over n futures in completion order, those already final first; one listed twice is
 * delivered once. timeout_ns is for the whole iteration, counted from here.
 * Ownership: the array is copied; the futures stay the caller's, who keeps each until it was delivered or the
 * iterator ended. The caller owns *out; release it with filch_completed_end().
 * Context: any thread; the iterator is used by one thread at a time, inside a task by that task.
 * Errors: -ENOMEM, -EINVAL (a NULL future).
 */
FILCH_API int filch_completed_begin(filch_completed **out, filch_future *const *futures, size_t n,
                                    int64_t timeout_ns);

/*
 * The next future that is final. Returns 1 and sets *out; 0 after the last one; or an error, after which it may
 * be called again: those of filch_future_wait(). What is final is delivered before any error. After -ETIMEDOUT,
 * filch_completed_unfinished() and _total() say how many of how many are missing.
 */
FILCH_API int filch_completed_next(filch_completed *completed, filch_future **out);

/* How many futures were not delivered yet, and how many there are. */
FILCH_API size_t filch_completed_unfinished(const filch_completed *completed);
FILCH_API size_t filch_completed_total(const filch_completed *completed);

/* Ends the iteration, at any point; touches no future. NULL is allowed. */
FILCH_API void filch_completed_end(filch_completed *completed);

/* ---- Completion queue ------------------------------------------------------------------------------ */

/*
 * For a thread that must not wait for tasks, as it waits for sockets: an event loop on poll, epoll, libuv, io_uring or
 * their kin. Tasks are submitted with a tag; when they are final the queue's descriptor becomes readable, and
 * filch_cq_drain() hands out a batch of futures and tags. However many end before the loop comes round, that is one
 * write by the workers and one read by the loop.
 *
 *     filch_cq_create(&cq);
 *     ... watch filch_cq_fd(cq) for reading ...
 *     filch_cq_submit(cq, pool, handle, request, NULL, connection);
 *
 *     when it is readable:
 *         filch_cq_entry done[64];
 *         size_t n;
 *         do {
 *             n = filch_cq_drain(cq, done, 64);
 *             for (size_t i = 0; i < n; i++) {
 *                 answer(done[i].tag, filch_future_result(done[i].future, 0, &result), result);
 *                 filch_future_unref(done[i].future);
 *             }
 *         } while (n == 64);
 *
 * This loop is right for every kind of notification. Where the descriptor is watched level-triggered (poll, epoll without
 * EPOLLET, uv_poll_t, IORING_POLL_ADD_LEVEL), one drain for each event will do, whatever its n: it stays readable while
 * something is left. Where it is watched edge-triggered (EPOLLET; the multishot poll of io_uring), drain until fewer
 * than n come: from then on the next future that becomes final is a new edge, be it a moment later.
 */

/* What was delivered. */
typedef struct filch_cq_entry {
    filch_future *future; /* final; a reference */
    void *tag;            /* as given */
} filch_cq_entry;

/*
 * Creates a queue, which is of no pool: tasks of several may come to it.
 * Ownership: the caller owns *out; release it with filch_cq_destroy(), before or after the pools.
 * Errors: -ENOMEM; -EMFILE, -ENFILE as eventfd(2).
 */
FILCH_API int filch_cq_create(filch_cq **out);

/*
 * The descriptor: readable while there is something to drain, and now and then when there is nothing; a drain then
 * returns 0 and resets it. Borrowed: valid until filch_cq_destroy(). Watch it for reading; do not read from it.
 * Context: any thread.
 */
FILCH_API int filch_cq_fd(const filch_cq *cq);

/*
 * Has the future delivered with this tag once it is final; at once if it is already. Each add is a delivery of its
 * own: a future may be added again, with another tag, or to another queue, and may be in waits and iterators.
 * Context: any thread, tasks too; does not wait.
 * Ownership: the queue takes its own reference.
 * Errors: -ENOMEM, -EINVAL; nothing was added.
 */
FILCH_API int filch_cq_add(filch_cq *cq, filch_future *future, void *tag);

/*
 * Submits as filch_submit_with() (NULL: defaults) and adds the future, in one step that cannot fail halfway, and for less
 * than the two. The task's future comes with its delivery. Who wants it before, for a cancel, calls filch_submit() and
 * filch_cq_add(), or gives the task a stop.
 * Context, errors, ordering: as filch_submit(), which on a pool with FILCH_BLOCK waits; an event loop wants FILCH_REJECT
 * there. On error nothing was submitted or added.
 */
FILCH_API int filch_cq_submit(filch_cq *cq, filch_pool *pool, filch_fn *fn, void *arg,
                              const filch_task_options *options, void *tag);

/*
 * Takes up to n entries, in the order in which the futures became final, and returns how many. 0: there are none.
 * Makes at most one read(2), and only if it leaves nothing behind of what was signalled; a write(2) only if more came at
 * that very moment than it has room for.
 * Context: one thread at a time, any; does not sleep.
 * Ownership: each entry's reference becomes the caller's.
 * Ordering: everything that the tasks did happens before.
 */
FILCH_API size_t filch_cq_drain(filch_cq *cq, filch_cq_entry *out, size_t n);

/* How many were added and not drained, final or not. Context: any thread. */
FILCH_API size_t filch_cq_pending(const filch_cq *cq);

/*
 * Closes the descriptor (take it out of the loop first) and frees the queue. What was not drained is forgotten: the
 * references of futures that are final are dropped here, those of the others when they become so. Their tasks run on.
 * Context: any thread, when no other call on the queue is under way; does not wait for tasks. NULL is allowed.
 */
FILCH_API void filch_cq_destroy(filch_cq *cq);

/* ---- Scope ----------------------------------------------------------------------------------------- */

typedef enum filch_scope_policy {
    FILCH_FAIL_FAST, /* the first task that fails stops the others */
    FILCH_COLLECT    /* every task runs to its end */
} filch_scope_policy;

typedef struct filch_scope_options {
    size_t size;               /* sizeof(filch_scope_options) */
    const char *name;          /* copied; shown in errors of the scope itself; NULL: none */
    filch_scope_policy policy; /* what a failure does */
    bool discard;              /* keep no futures: constant memory however many tasks, no filch_scope_next() */
    filch_stop *stop;          /* parent of its own; NULL: the enclosing scope's, the task's or the pool's */
    int64_t timeout_ns;        /* from its opening; then its stop is requested with -ETIMEDOUT; FILCH_FOREVER */
} filch_scope_options;

/* clang-format off */
#define FILCH_SCOPE_OPTIONS { sizeof(filch_scope_options), NULL, FILCH_FAIL_FAST, false, NULL, FILCH_FOREVER }
/* clang-format on */

/*
 * Opens a scope (a nursery): tasks submitted into it belong together, and none is left when it is closed. The first
 * one that fails is recorded, then the scope's stop is requested with its error (FILCH_FAIL_FAST); what that stop
 * ends is STOPPED and never takes the place of the first error. Scopes nest: inside a task or another open scope it
 * is the child of that one, whose stop reaches it. A failure gets out when the task that opened the inner scope
 * returns what the join gave. A scope that a task left open is closed when the task returns.
 * Context: any thread; does not wait. The same thread, inside a task the same task, waits for it and closes it.
 * Ownership: the caller owns *out; release it with filch_scope_close() before the pool.
 * Errors: -EINVAL, -E2BIG (options from a newer header), -ENOMEM, -EAGAIN (a timeout needs the pool's timer thread,
 * which cannot be started).
 */
FILCH_API int filch_scope_open(filch_scope **out, filch_pool *pool, const filch_scope_options *options);

/*
 * Submits into the scope, as filch_submit(). The task's stop is the scope's, or one given that descends from it.
 * Once the scope is stopped the task becomes STOPPED instead of running. What one of its tasks submits to the pool by
 * filch_submit() has the scope's stop, but is none of its tasks.
 * Context: the opener, the scope's own tasks, and any thread that knows that the scope is open and not about to be
 * closed; waits as filch_submit().
 * Ownership: *out is the caller's reference, beside the scope's own.
 * Errors: as filch_submit(); -EINVAL too for a stop that does not descend from the scope's.
 */
FILCH_API int filch_scope_submit(filch_scope *scope, filch_fn *fn, void *arg, filch_future **out);
FILCH_API int filch_scope_submit_with(filch_scope *scope, filch_fn *fn, void *arg,
                                      const filch_task_options *options, filch_future **out);

/*
 * The next of the scope's tasks that is final, in completion order, each once. Returns 1 and sets *out; 0 when
 * every task submitted so far was delivered; or an error, as filch_future_wait(), after which it may be called
 * again.
 * Context: the opener; blocks up to timeout_ns, inside a task as filch_future_wait().
 * Ownership: *out is lent until the next call or the close; filch_future_ref() keeps it.
 * Errors: -EINVAL too (the scope keeps no futures), -EDEADLK too (the caller has not opened it, as one of its tasks; or
 * without a deadline each of the scope's tasks that is left waits for the caller).
 */
FILCH_API int filch_scope_next(filch_scope *scope, int64_t timeout_ns, filch_future **out);

/*
 * Waits until every task of the scope is final, as filch_join(), and gives the outcome: 0, or the code of the first
 * error, with *out_error (unless NULL) that error, the caller's to unref; the later ones are its suppressed errors,
 * the first few kept, all counted. Without an error: -ETIMEDOUT if the scope's time ran out, -ECANCELED if it
 * was stopped otherwise, provided that this ended a task. Then the scope may be used again.
 * Context: the opener; blocks, and neither a stop nor an interrupt nor a timeout ends it.
 * Errors: -EDEADLK (the caller has not opened it, as one of its tasks; or as filch_future_wait()), -EAGAIN as
 * filch_future_wait(); then it was not joined, which *out_error tells.
 */
FILCH_API int filch_scope_join(filch_scope *scope, filch_error **out_error);

/* The scope's stop. Borrowed: valid until it is closed. */
FILCH_API filch_stop *filch_scope_stop(filch_scope *scope);

/* The innermost scope that this task, or this thread outside of tasks, has open; else the one that this task belongs
 * to; else NULL. */
FILCH_API filch_scope *filch_scope_current(void);

/*
 * Requests the scope's stop, waits until every task is final, and frees the scope. NULL is allowed.
 * Context: the opener; blocks.
 * Undefined: called by another thread or task; debug builds of the library abort.
 */
FILCH_API void filch_scope_close(filch_scope *scope);

/* ---- Map ------------------------------------------------------------------------------------------- */

/* Makes *out from *in. `self` is the task that handles this chunk, and perhaps others after it. Returns 0 or a negative
 * code, as a filch_fn. */
typedef int filch_map_fn(filch_task *self, const void *in, void *out, void *arg);

typedef struct filch_map_options {
    size_t size;        /* sizeof(filch_map_options) */
    size_t chunk;       /* elements that are ordered, skipped and named together; 0: about eight chunks a worker */
    const char *name;   /* prefix of the chunks' names, which makes each a task of its own; NULL: none */
    filch_stop *stop;   /* as in filch_task_options */
    int64_t timeout_ns; /* for the whole map; FILCH_FOREVER */
} filch_map_options;

/* clang-format off */
#define FILCH_MAP_OPTIONS { sizeof(filch_map_options), 0, NULL, NULL, FILCH_FOREVER }
/* clang-format on */

/*
 * Applies fn to n elements of in_size bytes at `in`, writing n elements of out_size bytes at `out`, which keep
 * the order of the input. The first error by index ends it: later elements that have not started are cancelled,
 * running ones are awaited, then it returns that error. in_size or out_size 0 means fn is given `in` or `out`
 * itself.
 * Context: any thread; blocks, as filch_future_wait() does. On return no task of the map runs.
 * Errors: the failing element's code, with *out_error (unless NULL) its error, the caller's to unref; those of
 * filch_submit() and filch_future_wait().
 */
FILCH_API int filch_map(filch_pool *pool, filch_map_fn *fn, void *arg, const void *in, size_t in_size, void *out,
                        size_t out_size, size_t n, const filch_map_options *options, filch_error **out_error);

/*
 * The same as an iterator: results are delivered in input order as soon as they are there.
 * Context: any thread; waits only as filch_submit() does. The mapping is used by one thread at a time, inside a
 * task by that task.
 * Ownership: `in` and `out` must live until filch_mapping_end(). The caller owns *mapping; release it with
 * filch_mapping_end(), before the pool goes.
 * Errors: -EINVAL, -E2BIG, -ENOMEM, those of filch_submit(); no task of it is left then.
 */
FILCH_API int filch_mapping_begin(filch_mapping **mapping, filch_pool *pool, filch_map_fn *fn, void *arg,
                                  const void *in, size_t in_size, void *out, size_t out_size, size_t n,
                                  const filch_map_options *options);

/* The next result. Returns 1 and sets *out_item to its place in `out`; 0 after the last; or an error, as
 * filch_map(). */
FILCH_API int filch_mapping_next(filch_mapping *mapping, void **out_item);

/* The error that ended the map, or NULL. Borrowed: valid until filch_mapping_end(). */
FILCH_API const filch_error *filch_mapping_error(const filch_mapping *mapping);

/* Cancels what has not started, awaits what runs, frees the iterator. NULL is allowed. Blocks; if this wait closes a
 * cycle, another one of the cycle gets -EDEADLK. */
FILCH_API void filch_mapping_end(filch_mapping *mapping);

/* ---- Stream ---------------------------------------------------------------------------------------- */

/*
 * Where the items come from: sets *item and returns 1, or returns 0 at the end or a negative code; after these
 * it is not called again. `source_arg` is that of filch_stream_begin().
 */
typedef int filch_source_fn(void *source_arg, void **item);

typedef struct filch_stream_options {
    size_t size;               /* sizeof(filch_stream_options) */
    size_t window;             /* most items taken from the source and not delivered; 0: four a worker */
    const char *name;          /* prefix of the tasks' names, copied: "line" makes "line-17"; NULL: none */
    filch_stop *stop;          /* as in filch_task_options, chosen at the beginning */
    int64_t timeout_ns;        /* for the whole stream; FILCH_FOREVER */
    void (*item_dtor)(void *); /* called once for each item that the source gave; NULL: none */
} filch_stream_options;

/* clang-format off */
#define FILCH_STREAM_OPTIONS { sizeof(filch_stream_options), 0, NULL, NULL, FILCH_FOREVER, NULL }
/* clang-format on */

/*
 * A map over input that need not end, in constant memory: fn(item) runs as a task for each item of the source,
 * at most `window` of them are between source and consumer, and the results come in the order of the input.
 * Nothing is allocated for an item but its task. Nothing is taken from the source before the first
 * filch_stream_next().
 * Context: any thread; does not wait. The stream is used by one thread at a time, inside a task by that task;
 * source and item_dtor are called on that thread, in filch_stream_next() and filch_stream_end() only.
 * Ownership: the caller owns *out; release it with filch_stream_end(), before the pool goes. An item belongs to
 * the stream from the moment the source gives it, until item_dtor is called with it.
 * Errors: -EINVAL, -E2BIG, -ENOMEM; the source was not called.
 */
FILCH_API int filch_stream_begin(filch_stream **out, filch_pool *pool, filch_fn *fn, filch_source_fn *source,
                                 void *source_arg, const filch_stream_options *options);

/*
 * The next result. First takes items until the window is full (so a source that blocks holds up results that
 * are there), then waits for the oldest. Returns 1 and sets *out_result (unless NULL) to what the task gave to
 * filch_return(); 0 after the last; or an error.
 * The first error by index ends the stream, after all results before it: that of a task, of the source, of
 * filch_submit(); -ECANCELED once the stop is requested; -ETIMEDOUT if there are more items when time is over.
 * It is returned from then on, and filch_stream_error() tells more. Later items that have not started are
 * cancelled; filch_stream_end() awaits those that run.
 * An error of the wait alone, as filch_future_wait(), leaves filch_stream_error() NULL: it may be called again.
 * Context: as filch_stream_begin(), but blocks.
 * Ownership: the item and its result, if given to filch_return_owned(), are valid until the next call on the
 * stream, which frees them.
 */
FILCH_API int filch_stream_next(filch_stream *stream, void **out_result);

/* The error that ended the stream, or NULL. Borrowed: valid until filch_stream_end(). */
FILCH_API const filch_error *filch_stream_error(const filch_stream *stream);

/* Cancels what has not started, awaits what runs, frees the stream and its items. NULL is allowed. Blocks. */
FILCH_API void filch_stream_end(filch_stream *stream);

/* ---- Stop ------------------------------------------------------------------------------------------ */

/*
 * Creates a stop, child of `parent` (NULL: none; the child keeps a reference to it).
 * Context: any thread.
 * Ownership: the caller owns a reference *out; tasks that were given it hold their own.
 * Errors: -ENOMEM.
 */
FILCH_API int filch_stop_create(filch_stop **out, filch_stop *parent);
/*
 * The same, and it is requested with reason -ETIMEDOUT at deadline_ns (by filch_now()), on the timer thread of
 * `pool`, whatever its workers do. It may outlive the pool; without the pool the deadline is void.
 * Errors: -EINVAL (no pool, a negative time), -ENOMEM, -EAGAIN (the timer thread cannot be started).
 */
FILCH_API int filch_stop_create_until(filch_stop **out, filch_stop *parent, filch_pool *pool, int64_t deadline_ns);
FILCH_API filch_stop *filch_stop_ref(filch_stop *stop); /* NULL is allowed */
FILCH_API void filch_stop_unref(filch_stop *stop);      /* the last one frees it; NULL is allowed */

/*
 * Requests the stop, and that of every descendant, with a negative errno-style reason (0: -ECANCELED). Tasks
 * under it that have not started become STOPPED instead of starting; sleeps and waits in running ones end at
 * once. Returns true if this request was the first and its reason stands.
 * Context: any thread, and async-signal-safe.
 */
FILCH_API bool filch_stop_request(filch_stop *stop, int reason);

/* The same with an error as the reason, of which a reference is taken. Not async-signal-safe. */
FILCH_API bool filch_stop_request_error(filch_stop *stop, const filch_error *error);

/* True once requested, here or at an ancestor. Async-signal-safe. */
FILCH_API bool filch_stop_requested(const filch_stop *stop);
/* The reason: a negative code, or 0 if not requested. Ordering: acquire. Async-signal-safe. */
FILCH_API int filch_stop_reason(const filch_stop *stop);
/* The reason's error, or NULL. Borrowed: valid as long as the stop. */
FILCH_API const filch_error *filch_stop_error(const filch_stop *stop);

/*
 * A file descriptor that becomes readable when the stop is requested, for poll() and its kin. The same one at
 * every call; it belongs to the stop and is closed with it. Do not read from it.
 * Errors: -EMFILE, -ENFILE, -ENOMEM as eventfd(2).
 */
FILCH_API int filch_stop_fd(filch_stop *stop, int *out);

/*
 * Calls callback(arg) exactly once when the stop is requested, after every stop below it was requested too and
 * those who wait were told, in the order of registration; or here at once if it is requested already. It is
 * called on the thread that requests the stop, there or at an ancestor, and so in a signal handler if the request
 * comes from one; or on a thread that happens to end a wait, a child stop or a callback under the stop at that
 * moment. So hold no lock that a callback takes while you do any of these.
 * Context: any thread.
 * Ownership: the caller owns *out, which is set before the callback can be called; release it with
 * filch_stop_callback_end(). It holds a reference to `stop`.
 * Errors: -ENOMEM, -EINVAL.
 */
FILCH_API int filch_stop_on_request(filch_stop_callback **out, filch_stop *stop, void (*callback)(void *arg),
                                    void *arg);

/*
 * Ends it. True: the callback was not called and never will be. False: it was called. If another thread is calling
 * the stop's callbacks at this moment, waits until this one has had its turn: what it uses may go after the end. A
 * callback may end itself, or others of its stop, which does not wait.
 * Context: any thread; may block. NULL is allowed (true).
 */
FILCH_API bool filch_stop_callback_end(filch_stop_callback *callback);

/* ---- Context --------------------------------------------------------------------------------------- */

/*
 * Values that tasks have without being passed them: a trace id, a tenant, where to log. A few slots, of which the program
 * says what each is for; libraries that share it agree on them.
 *
 * A task has the context that was in force where it was submitted, whichever thread runs it and however often it is tried,
 * and so do its sub tasks; also those of filch_submit_many(), of a scope, of a map and a stream (that of their begin),
 * forked calls (that of the fork; a call that no thread has asked for, that of its join), and a task that its submitter runs.
 * A task that runs in place on the stack of one that waits sees its own, and that one its own again. should_retry has that of
 * the task. A callback of filch_future_on_done() has that of its registration. Callbacks of stops, worker hooks,
 * destructors and on_unobserved have whatever is in force where they run.
 */
#define FILCH_CONTEXT_SLOTS 8

/*
 * From here to filch_context_end() this thread, or task, has `value` in the slot besides what it has in others. NULL: there
 * is none. dtor(value), unless one of them is NULL, is called once when the last context with that value is gone, on
 * whatever thread that is: when it is ended here, all tasks that were submitted meanwhile are final, their sub tasks too,
 * and no reference is left that was captured. Workers give their share back when they turn to a task of another context or run
 * out of tasks or wait, so it may be a while after; a pool that is destroyed has none left. It should do little.
 * Context: any thread. Tokens are ended on their thread, innermost first. What a task or callback leaves open is ended
 * when it returns, what the function of a map does with its chunk; left open elsewhere, it is lost when the thread ends.
 * What is forked meanwhile should be joined meanwhile.
 * Errors: -EINVAL (no such slot), -ENOMEM; the value is the caller's then.
 */
FILCH_API int filch_context_begin(filch_context_token **out, unsigned slot, void *value, void (*dtor)(void *));
/* What was in force before is again. NULL is allowed. Undefined: a token that is not the innermost open one. */
FILCH_API void filch_context_end(filch_context_token *token);
/* The value in the slot; NULL: none, or no such slot. Borrowed: valid as long as it is in force. */
FILCH_API void *filch_context_get(unsigned slot);

/*
 * For one thread that carries many requests, as an event loop: takes what is in force as a whole, to put it in force again
 * later, here or on another thread. NULL: there is nothing in force.
 * Ownership: the caller owns a reference.
 */
FILCH_API filch_context *filch_context_capture(void);
/*
 * From here to filch_context_end() the whole of `context` is in force, NULL: nothing. Takes a reference of its own.
 * Context: as filch_context_begin().
 * Errors: -EINVAL, -ENOMEM.
 */
FILCH_API int filch_context_enter(filch_context_token **out, filch_context *context);
FILCH_API filch_context *filch_context_ref(filch_context *context); /* returns `context`; NULL is allowed */
FILCH_API void filch_context_unref(filch_context *context);         /* NULL is allowed */

/* ---- Errors ---------------------------------------------------------------------------------------- */

/* Makes an error. Never fails: without memory it returns a static error. The caller owns the reference. */
FILCH_API filch_error *filch_error_create(int code, const char *format, ...) FILCH_PRINTF(2, 3);
FILCH_API filch_error *filch_error_create_from(const filch_error *cause, int code, const char *format, ...)
    FILCH_PRINTF(3, 4);
FILCH_API filch_error *filch_error_ref(const filch_error *error); /* returns `error`; NULL is allowed */
FILCH_API void filch_error_unref(filch_error *error);
FILCH_API int filch_error_code(const filch_error *error); /* negative */
FILCH_API const char *filch_error_message(const filch_error *error);
/* The name of the task that failed, or NULL. */
FILCH_API const char *filch_error_task(const filch_error *error);
/* Which attempt of a task with retries failed; 0 for other errors. */
FILCH_API unsigned filch_error_attempt(const filch_error *error);
/* What caused it, or NULL; and the last error of that chain, perhaps `error` itself. Borrowed. */
FILCH_API const filch_error *filch_error_cause(const filch_error *error);
FILCH_API const filch_error *filch_error_root(const filch_error *error);
/* Errors that came after it and that it stands for: how many, kept or not; and one of those that were kept, NULL
 * from the first index on that was not. Borrowed. */
FILCH_API size_t filch_error_suppressed_count(const filch_error *error);
FILCH_API const filch_error *filch_error_suppressed(const filch_error *error, size_t index);
/* Writes the chain and then what it suppressed, each with its causes, a line each, as snprintf(): returns the length
 * that all of it has, without the terminating 0. */
FILCH_API size_t filch_error_format(const filch_error *error, char *buffer, size_t size);
/* Writes it to a stream. Returns 0, or -EIO if the stream failed. */
FILCH_API int filch_error_print(const filch_error *error, FILE *stream);

/* ---- Interrupt guard ------------------------------------------------------------------------------- */

/*
 * From here to filch_guard_end(), the first SIGINT requests `stop` with reason -EINTR and ends the waits of
 * this thread with -EINTR; a second one kills the process. Joins, shutdown and clean-up are not ended by it.
 * The handler it replaces is restored at the end. A SIGINT that was ignored before is heeded meanwhile.
 * Context: not inside a task; begin and end on one thread, one guard at a time in the process.
 * Ownership: the caller owns *out; the guard holds a reference to `stop`.
 * Errors: -EBUSY (another guard is active), -EINVAL, -ENOMEM.
 */
FILCH_API int filch_guard_begin(filch_guard **out, filch_stop *stop);
/* True once a SIGINT came. */
FILCH_API bool filch_guard_interrupted(const filch_guard *guard);
FILCH_API void filch_guard_end(filch_guard *guard); /* NULL is allowed */

/* ---- Hooks ----------------------------------------------------------------------------------------- */

#define FILCH_NONE UINT_MAX /* no such number */

/* What a hook is told. Valid during the call. */
typedef struct filch_event {
    size_t size;      /* sizeof(filch_event), of the library */
    filch_pool *pool; /* whose event it is */
    filch_task *task; /* whose, or NULL; to be read with filch_future_name() and _arg() at most */
    const char *name; /* the task's, or NULL */
    void **data;      /* a word for the hooks' own use: see filch_hooks; NULL where there is no task */
    unsigned worker;  /* index of the worker that the calling thread holds, or has just given away; or FILCH_NONE */
    unsigned thread;  /* its number, as in its name; FILCH_NONE: not a thread of the pool */
    unsigned attempt; /* start, finish, drop: attempts begun, 1 at the first start */
    unsigned victim;  /* steal: index of the worker from which */
    filch_state state; /* submit: PENDING; start: RUNNING; finish, drop: what the task comes to */
    int code; /* finish, drop: 0, or the negative code of an attempt that failed or of why it was dropped */
} filch_event;

/*
 * What to call when something happens in a pool; NULL: nothing. For each task that was accepted:
 *
 *     on_submit   by the submitter, before the task can start. A submit that fails after all is told by on_drop
 *     on_start    an attempt begins, on the thread that runs it
 *     on_finish   that attempt has ended, on the same thread: DONE, FAILED or STOPPED, or RETRY_WAIT if it will be
 *                 tried again. Nobody can see the state yet: a wait for the task returns after the hook has
 *     on_drop     it will not run, or not again: CANCELLED or STOPPED, on the thread that finds that out
 *
 * So each start has one finish, each submit is followed in the end by one on_finish with a final state or one
 * on_drop, and on one thread starts and finishes are nested like calls: between those of a task are those of the
 * tasks that it runs in place while it waits. That holds for tasks that a caller runs itself (FILCH_CALLER_RUNS), and of a
 * map for each task that runs its chunks. Calls forked with fork.h are parts of their task and have no events.
 *
 *     on_steal    the thread has taken the task from another worker's queue, and looks into it next
 *     on_park     it has found nothing to do, holds no worker and goes to sleep; after that. Not of a thread that helps
 *                 while it waits (waiters_help): it sleeps in its wait
 *     on_unpark   it woke: with a worker, or without one to end
 *     on_handoff  its task waits, or is in a blocking region: it has given its worker away; after that
 *     on_resume   it has one again and its task goes on, or runs in place what it waits for
 *
 * event->data points to a word that is NULL before on_submit. What that writes there, on_start, on_finish and
 * on_drop find; what on_start writes, the on_finish of its attempt finds. If the library has no memory to keep it the
 * submit fails with -ENOMEM, after an on_drop.
 * Context: the thread of which the event tells; no lock of the pool is held, but on_submit of a map's tasks may be
 * called under one of that map, and a cancel by filch_future_cancel() is seen a moment before its on_drop. Never in a
 * signal handler; on the pool's threads asynchronous signals are blocked. A hook must be short, as somebody waits
 * for each, must not wait for tasks, and must call nothing of filch but filch_now(), filch_future_name(),
 * filch_future_arg(), filch_state_name() and functions of errors. All of them are called by several threads at once. None is
 * called for a task after filch_pool_shutdown() has returned 0 from waiting, none at all after filch_pool_destroy().
 */
typedef void filch_hook(const filch_event *event, void *arg);

struct filch_hooks {
    size_t size; /* sizeof(filch_hooks) */
    void *arg;   /* of all of them */
    filch_hook *on_submit, *on_start, *on_finish, *on_drop;
    filch_hook *on_steal, *on_park, *on_unpark, *on_handoff, *on_resume;
};

/* clang-format off */
#define FILCH_HOOKS { sizeof(filch_hooks), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL }
/* clang-format on */

/* ---- Metrics --------------------------------------------------------------------------------------- */

/* Buckets of a histogram: eight of equal width for each power of two from 64 ns to 2^36 ns (69 s), and two for the rest. */
#define FILCH_HISTOGRAM_BUCKETS 242

typedef struct filch_histogram {
    uint64_t count;                            /* of times; the sum of all buckets */
    uint64_t sum_ns;                           /* of the times themselves */
    uint64_t max_ns;                           /* the longest; not what was not timed: see filch_metrics_get() */
    uint64_t buckets[FILCH_HISTOGRAM_BUCKETS]; /* above the bound of the one before, and not above its own */
} filch_histogram;

/* The upper bound of a bucket, ns: 64 for the first, INT64_MAX for the last. */
FILCH_API int64_t filch_histogram_bound(size_t bucket);
/*
 * The time, ns, that a share q of them (0.99: all but one in a hundred) did not exceed; 0 of an empty histogram. It lies
 * in the same bucket as the true one, which it misses by no more than 12.5 % (above 64 ns and up to 69 s).
 */
FILCH_API int64_t filch_histogram_quantile(const filch_histogram *histogram, double q);

typedef struct filch_metrics {
    size_t size;      /* sizeof(filch_metrics), set by the caller */
    bool measured;    /* the pool was created with `metrics`; if not, what follows `due` is 0 */
    unsigned workers; /* these twelve as in filch_pool_stats */
    unsigned threads;
    unsigned threads_peak;
    unsigned idle;
    uint64_t submitted;
    uint64_t finished;
    uint64_t stolen;
    uint64_t ran_in_place;
    uint64_t handoffs;
    uint64_t parks;
    uint64_t threads_failed;
    unsigned spare;     /* threads with nothing to do */
    unsigned blocked;   /* threads whose task waits for others */
    unsigned in_region; /* threads whose task is in a blocking region */
    unsigned resumable; /* threads whose task's wait is over, and which have no worker so far */
    uint64_t
        queued_outside; /* tasks from outside that wait in the pool's queue, or have been set aside by a worker */
    uint64_t queued_inside; /* tasks of tasks that wait in the workers' deques */
    uint64_t delayed;       /* tasks that wait for their time */
    uint64_t due;           /* and those whose time has come */
    uint64_t done;          /* attempts that came to each state, or are to be followed by another; all counted */
    uint64_t failed;
    uint64_t stopped; /* with those that did not run */
    uint64_t cancelled;
    uint64_t retried;
    filch_histogram wait; /* from submit to start, of tasks that were not delayed; ns */
    filch_histogram run;  /* from the start of an attempt to its end; ns */
    filch_histogram
        busy; /* the same without the time that its thread had no worker, waiting or in a blocking region */
} filch_metrics;

/* clang-format off */
#define FILCH_METRICS \
    { sizeof(filch_metrics), false, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
      { 0, 0, 0, { 0 } }, { 0, 0, 0, { 0 } }, { 0, 0, 0, { 0 } } }
#define FILCH_WORKER_STATS { sizeof(filch_worker_stats), FILCH_WORKER_IDLE, 0, 0, 0, 0, 0, 0, 0 }
/* clang-format on */

/*
 * Fills *out without stopping anything. The numbers need not be of one instant; those
 * that count never become less, and `finished` is never more than `submitted`.
 * The histograms estimate, unless tasks are long: while they take more than 50 us each one is timed; else one in
 * seventeen, of each thread's submits to the pool one in 1 to 128 at random, and of filch_submit_many() one in 63; and what is timed
 * counts as many times as tasks were passed over before it, itself included. So `count` is the number of tasks but for
 * the few since the last that was timed, and `sum_ns` has the sum of all of them as its mean. Tasks that a caller runs
 * itself (FILCH_CALLER_RUNS) are in `wait` and not in `run` and `busy`.
 * Context: any thread; takes a lock that workers take when they park or wait, for some instructions.
 * Errors: -EINVAL (out->size 0).
 */
FILCH_API int filch_metrics_get(filch_pool *pool, filch_metrics *out);

typedef enum filch_worker_state {
    FILCH_WORKER_IDLE,   /* no thread holds it */
    FILCH_WORKER_HELD,   /* a thread does, and runs a task or looks for one */
    FILCH_WORKER_RETIRED /* out of circulation, since the pool has become smaller */
} filch_worker_state;

typedef struct filch_worker_stats {
    size_t size; /* sizeof(filch_worker_stats), set by the caller */
    filch_worker_state state;
    uint64_t finished; /* tasks it has dealt with; these five as in filch_pool_stats */
    uint64_t stolen;
    uint64_t ran_in_place;
    uint64_t handoffs;
    uint64_t parks;
    uint64_t queued_inside;  /* tasks in its deque */
    uint64_t queued_outside; /* tasks from outside that it has set aside */
} filch_worker_stats;

/*
 * The same for one worker, whether the pool measures or not. Those of a pool that has become smaller stay, with the
 * highest numbers.
 * Errors: -EINVAL (out->size 0), -ENOENT (there is no worker of this index, and none of a higher one).
 */
FILCH_API int filch_pool_worker_stats_get(filch_pool *pool, unsigned index, filch_worker_stats *out);

/*
 * Writes the metrics of n pools as text, as snprintf(): returns the length that all of it has, without the terminating 0,
 * or a negative code. The text is in the exposition format 0.0.4 of Prometheus (Content-Type "text/plain; version=0.0.4"),
 * and one whole answer: each family once, every sample labelled with its pool's name, so give pools names of their own. Times
 * are in seconds. Some tens of kilobytes for each pool; it grows with the number of workers.
 * Context: as filch_metrics_get(). Errors: those of it, -EINVAL (no pool), -ENOMEM (only with more than one); buffer is untouched.
 */
FILCH_API int64_t filch_metrics_format(filch_pool *const *pools, size_t n, char *buffer, size_t size);

/* ---- Clean-up at the end of a block ---------------------------------------------------------------- */

/* For GCC and Clang: `FILCH_AUTO(filch_pool_cleanup) filch_pool *pool = NULL;` destroys it on every exit path. */
FILCH_API void filch_pool_cleanup(filch_pool **pool);
FILCH_API void filch_future_cleanup(filch_future **future);
FILCH_API void filch_completed_cleanup(filch_completed **completed);
FILCH_API void filch_cq_cleanup(filch_cq **cq);
FILCH_API void filch_mapping_cleanup(filch_mapping **mapping);
FILCH_API void filch_stream_cleanup(filch_stream **stream);
FILCH_API void filch_scope_cleanup(filch_scope **scope);
FILCH_API void filch_stop_cleanup(filch_stop **stop);
FILCH_API void filch_stop_callback_cleanup(filch_stop_callback **callback);
FILCH_API void filch_error_cleanup(filch_error **error);
FILCH_API void filch_context_token_cleanup(filch_context_token **token); /* ends it */
FILCH_API void filch_context_cleanup(filch_context **context);           /* drops it */
FILCH_API void filch_guard_cleanup(filch_guard **guard);
FILCH_API void filch_lane_cleanup(filch_lane **lane);

#ifdef __cplusplus
}
#endif

#endif
