/* SPDX-License-Identifier: MIT */
/*
 * A future is linearizable: while a worker comes to the task and runs it, threads cancel it, stop it, wait for it, add
 * callbacks to it and look at it. All of that is recorded with calls and answers, and checked against linear_future.h.
 *
 * The only worker is held by a task that spins until the threads begin, so that the next task starts at the same moment.
 */
#include "linear_future.h"
#include "os.h"
#include "stress.h"

#define PARTY_OPS 7
#define PARTIES_MOST 4 /* more would not fit a history */

struct party {
    unsigned index;
    unsigned callbacks; /* registered in this round */
    struct linear_history history;
};

static filch_pool *pool;
static filch_future *future;
static filch_stop *stop;
static struct party parties[PARTIES_MOST];
static struct linear_history of_pool, of_callbacks[LINEAR_CALLBACKS];
static struct linear_op *claim, *begin;
static unsigned n_parties, before_end, returns;
static uint64_t counts[FILCH_STOPPED + 1];
static _Atomic uint64_t round_now; /* parties do this one; UINT64_MAX: no more */
static _Atomic unsigned ready, done, called_back;

static int spin_until_begun(filch_task *self, void *number)
{
    (void)self;
    for (unsigned spins = 0; atomic_load(&round_now) < (uintptr_t)number; spins++)
        filchi_os_relax(spins);
    return 0;
}

/* The task. */
static int run(filch_task *self, void *arg)
{
    static const int codes[] = { 0, -EIO, -ECANCELED };
    (void)self;
    (void)arg;
    linear_answer(claim, 0);
    linear_answer(begin, 0);
    stress_spin(before_end);
    linear_call(&of_pool, PARTIES_MOST, LINEAR_RETURN, codes[returns]);
    linear_call(&of_pool, PARTIES_MOST, LINEAR_END, 0);
    return codes[returns];
}

static void call_back(filch_future *of, void *number)
{
    struct linear_history *history = &of_callbacks[(uintptr_t)number];
    (void)of;
    linear_answer(linear_call(history, PARTIES_MOST + 1, LINEAR_CALLED_BACK, (intptr_t)number), 0);
    atomic_fetch_add(&called_back, 1);
}

static void add_callback(struct party *party)
{
    unsigned number = party->index * 3 + party->callbacks++;
    struct linear_op *op = linear_call(&party->history, party->index, LINEAR_ON_DONE, number);
    int error = filch_future_on_done(future, call_back, (void *)(uintptr_t)number);
    linear_answer(op, error);
    CHECK_IS(error, 0);
}

static void one_op(struct party *party, uint64_t *random)
{
    static const enum linear_future_kind often[] = { LINEAR_STATE_NOW, LINEAR_STATE_NOW,  LINEAR_IS_DONE,
                                                     LINEAR_RESULT,    LINEAR_WAIT_SHORT, LINEAR_ON_DONE,
                                                     LINEAR_ON_DONE,   LINEAR_ATTEMPTS };
    static const enum linear_future_kind seldom[] = { LINEAR_CANCEL, LINEAR_CANCEL, LINEAR_WAIT, LINEAR_STOP };
    enum linear_future_kind kind =
        stress_below(random, 8) ? often[stress_below(random, 8)] : seldom[stress_below(random, 4)];
    if (kind == LINEAR_ON_DONE && party->callbacks < 3) {
        add_callback(party);
        return;
    }
    struct linear_op *op = linear_call(&party->history, party->index, kind, 0);
    if (kind == LINEAR_CANCEL)
        linear_answer(op, filch_future_cancel(future));
    else if (kind == LINEAR_STOP)
        linear_answer(op, filch_stop_request(stop, 0));
    else if (kind == LINEAR_IS_DONE)
        linear_answer(op, filch_future_done(future));
    else if (kind == LINEAR_RESULT)
        linear_answer(op, filch_future_result(future, 0, NULL));
    else if (kind == LINEAR_WAIT)
        linear_answer(op, filch_future_wait(future, FILCH_FOREVER));
    else if (kind == LINEAR_WAIT_SHORT)
        linear_answer(op, filch_future_wait(future, stress_below(random, 20000)));
    else if (kind == LINEAR_ATTEMPTS)
        linear_answer(op, filch_future_attempts(future));
    else
        linear_answer(op, filch_future_state(future));
    op->kind = kind == LINEAR_ON_DONE ? LINEAR_STATE_NOW : kind;
}

static void *party_main(void *arg)
{
    struct party *party = arg;
    uint64_t random = stress_stream(2, party->index);
    for (uint64_t number = 1;; number++) {
        atomic_fetch_add(&ready, 1);
        for (unsigned spins = 0; atomic_load(&round_now) < number; spins++)
            filchi_os_relax(spins);
        if (atomic_load(&round_now) == UINT64_MAX)
            return NULL;
        party->history.n = 0;
        party->callbacks = 0;
        for (unsigned i = 0; i < PARTY_OPS; i++) {
            stress_spin(stress_below(&random, 200));
            one_op(party, &random);
        }
        atomic_fetch_add(&done, 1);
    }
}

static void await_count(_Atomic unsigned *count, unsigned expected)
{
    for (unsigned spins = 0; atomic_load(count) != expected; spins++)
        filchi_os_relax(spins);
    atomic_store(count, 0);
}

static void check(uint64_t number)
{
    static const struct linear_future pending;
    struct linear_history whole = { 0 };
    unsigned callbacks = 0;
    for (unsigned i = 0; i < n_parties; i++) {
        linear_append(&whole, &parties[i].history);
        callbacks += parties[i].callbacks;
    }
    await_count(&called_back, callbacks); /* one that is lost shows as a hang here, with the seed */
    for (unsigned i = 0; i < LINEAR_CALLBACKS; i++)
        linear_append(&whole, &of_callbacks[i]);
    if (begin->answered == LINEAR_NEVER) /* its function was not called */
        begin->kind = LINEAR_GIVE_UP;
    linear_append(&whole, &of_pool);
    bool linearizable = linear_check(&linear_future_spec, &pending, &whole, NULL);
    if (!linearizable) {
        fprintf(stderr, "history %llu is not linearizable:\n", (unsigned long long)number);
        linear_print(&linear_future_spec, &whole, stderr);
    }
    CHECK(linearizable);
}

static void one_round(uint64_t number, uint64_t *random)
{
    filch_task_options options = FILCH_TASK_OPTIONS;
    before_end = stress_below(random, 3) ? stress_below(random, 1000) : 0;
    returns = stress_below(random, 3);
    CHECK_IS(filch_stop_create(&stop, NULL), 0);
    options.stop = stop;
    of_pool.n = 0;
    for (unsigned i = 0; i < LINEAR_CALLBACKS; i++)
        of_callbacks[i].n = 0;
    await_count(&ready, n_parties);
    CHECK_IS(filch_submit(pool, spin_until_begun, (void *)(uintptr_t)number, NULL), 0);
    claim = linear_call(&of_pool, PARTIES_MOST, LINEAR_CLAIM, 0);
    begin = linear_call(&of_pool, PARTIES_MOST, LINEAR_BEGIN, 0);
    CHECK_IS(filch_submit_with(pool, run, NULL, &options, &future), 0);
    atomic_store(&round_now, number);
    await_count(&done, n_parties);
    CHECK_IS(filch_future_wait(future, FILCH_FOREVER), 0);
    counts[filch_future_state(future)]++;
    check(number);
    filch_future_unref(future);
    filch_stop_unref(stop);
}

int main(int argc, char **argv)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    stress_begin("stress_linear_future", 2, argc, argv);
    n_parties = stress.threads < PARTIES_MOST ? stress.threads : PARTIES_MOST;
    options.workers = 1;
    CHECK_IS(filch_pool_create(&pool, &options), 0);
    pthread_t threads[PARTIES_MOST];
    for (unsigned i = 0; i < n_parties; i++) {
        parties[i].index = i;
        CHECK_IS(pthread_create(&threads[i], NULL, party_main, &parties[i]), 0);
    }
    uint64_t random = stress_stream(1, 0), number = 1;
    for (; stress_goes_on_to(number - 1); number++) {
        one_round(number, &random);
        stress_progress();
    }
    await_count(&ready, n_parties);
    atomic_store(&round_now, UINT64_MAX);
    for (unsigned i = 0; i < n_parties; i++)
        pthread_join(threads[i], NULL);
    CHECK_IS(filch_pool_destroy(pool), 0);
    linear_fini();
    stress_total("histories", number - 1);
    stress_total("done", counts[FILCH_DONE]);
    stress_total("failed", counts[FILCH_FAILED]);
    stress_total("cancelled", counts[FILCH_CANCELLED]);
    stress_total("stopped", counts[FILCH_STOPPED]);
    return stress_end();
}
