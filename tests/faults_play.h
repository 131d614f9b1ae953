/* SPDX-License-Identifier: MIT */
/* A play of every scene there is, from the creation of a pool to its end, in which something is withheld. */
#ifndef FILCH_TESTS_FAULTS_PLAY_H
#define FILCH_TESTS_FAULTS_PLAY_H

#include "faults_scenes.h"

/* ---- The end ---- */

enum ending { DESTROY, CANCEL, STOP, TIME_OUT };

static inline int sleep_long(filch_task *self, void *token)
{
    run(self, token);
    return filch_sleep(FILCH_FOREVER);
}

static inline void shut_down(enum ending ending)
{
    static const unsigned flags[] = { 0, FILCH_SHUTDOWN_CANCEL_PENDING, FILCH_SHUTDOWN_STOP_RUNNING, 0 };
    filch_error *error = NULL;
    int rc = 0;
    if (ending == TIME_OUT)
        rc = filch_pool_shutdown(now.pool, FILCH_SHUTDOWN_WAIT, 0, &error);
    must(rc == 0 || rc == -ETIMEDOUT);
    if (rc)
        expect_error(error, rc);
    filch_error_unref(error);
    must(filch_pool_shutdown(now.pool, flags[ending], 0, NULL) == 0);
    struct token *late = &now.tokens[atomic_fetch_add(&now.n_tokens, 1)];
    must(filch_submit(now.pool, run, late, NULL) == -ESHUTDOWN);
}

/* With tasks that wait for their time, for another attempt, and for a stop. */
static inline void end_play(enum ending ending)
{
    filch_stop *stop = NULL;
    if (!worked(filch_stop_create(&stop, filch_pool_stop(now.pool))))
        must(!stop);
    int64_t due = ending == CANCEL || ending == STOP ? INT64_MAX : filch_now() + SOON;
    struct token *tokens[] = {
        ask(run, (struct order) { .at = due }),
        ask(run_and_fail, (struct order) { .retry = &quick }),
        ask(sleep_long, (struct order) { .at = 1, .stop = stop ? stop : filch_pool_stop(now.pool) }),
    };
    if (ending == TIME_OUT && tokens[2]->future)
        UNTIL(atomic_load(&tokens[2]->runs));
    shut_down(ending);
    filch_stop_request(stop ? stop : filch_pool_stop(now.pool), 0);
    for (int i = 0; i < 3; i++)
        outcome_of(tokens[i]);
    filch_stop_unref(stop);
}

/* ---- The play ---- */

struct plot {
    filch_overflow overflow;
    bool hooks;
    enum ending ending;
};

enum { PLOTS = 4 };
static const struct plot plots[PLOTS] = {
    { FILCH_BLOCK, true, DESTROY },
    { FILCH_REJECT, false, CANCEL },
    { FILCH_CALLER_RUNS, true, STOP },
    { FILCH_BLOCK, false, TIME_OUT },
};

static _Atomic long init_faults; /* as filchi_os_faults */

static inline bool init_is_to_fail(void)
{
    long n = atomic_load(&init_faults);
    while (n != 0 && n != -1)
        if (atomic_compare_exchange_weak(&init_faults, &n, n > 0 ? n - 1 : n + 1))
            return n == 1;
    return n == -1;
}

static inline int init_worker(void *arg)
{
    must(arg == &now);
    if (init_is_to_fail())
        return now.refusal;
    atomic_fetch_add(&now.inits, 1);
    return 0;
}

static inline void exit_worker(void *arg)
{
    must(arg == &now);
    atomic_fetch_add(&now.exits, 1);
}

static inline bool create_pool(const struct plot *plot, filch_stop *stop)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = 2;
    options.spare_threads = 3;
    options.stack_size = (size_t)256 << 10;
    options.stop = stop;
    options.capacity = 3;
    options.overflow = plot->overflow;
    options.worker_init = plot->hooks ? init_worker : NULL;
    options.worker_exit = plot->hooks ? exit_worker : NULL;
    options.worker_arg = &now;
    options.on_unobserved = count_unobserved;
    options.unobserved_arg = &now;
    if (worked(filch_pool_create(&now.pool, &options)))
        return true;
    must(!now.pool);
    return false;
}

static inline void perform(void)
{
    iterate_over_retried();
    resize_to(4);
    delay_and_cancel();
    watch_a_stop();
    nest_scopes();
    resize_to(1);
    stream_items();
    dump();
    map_over_retried();
    resize_to(2);
    block();
    look_away();
}

/* Once more with nothing withheld: whatever failed before, all of it works. */
static inline void expect_recovered(void)
{
    int refusal = now.refusal, also = now.also;
    now.refusal = now.also = 0;
    perform();
    now.refusal = refusal;
    now.also = also;
}

/* Whether the fault has struck; it is taken back. */
static inline bool take_back(_Atomic long *fault)
{
    long left = atomic_exchange(fault, 0);
    return left == 0 || left == -1;
}

/* What is withheld, as the nth alone or from the nth on, and after the scenes or to the end. */
struct fault {
    _Atomic long *countdown;
    int refusal;
    bool on, recovers;
    int also; /* another refusal there may be; 0: none */
};

/* Whether the fault has struck. */
static inline bool play(const struct plot *plot, const struct fault *fault, long n)
{
    filch_stop *stop = NULL;
    bool struck = false;
    memset(&now, 0, sizeof now);
    now.refusal = fault->refusal;
    now.also = fault->also;
    now.rejects = plot->overflow == FILCH_REJECT;
    atomic_store(fault->countdown, fault->on ? -n : n);
    if (!worked(filch_stop_create(&stop, NULL)))
        must(!stop);
    else if (create_pool(plot, stop)) {
        perform();
        if (fault->recovers) {
            struck = take_back(fault->countdown);
            expect_recovered();
        }
        end_play(plot->ending);
        must(filch_pool_destroy(now.pool) == 0);
    }
    if (!fault->recovers || !now.pool)
        struck = take_back(fault->countdown);
    settle_accounts();
    filch_stop_unref(stop);
    return struck;
}

/* ---- Sweeps ---- */

#define NONE 1000000 /* further than any play comes */

/* With the first failing, the second, and so on until none does. Returns how many there were. */
static inline long sweep(const struct plot *plot, const struct fault *fault)
{
    long n = 1;
    while (play(plot, fault, n))
        n++;
    return n - 1;
}

#endif
