/* SPDX-License-Identifier: MIT */
/*
 * Contexts that come and go while tasks of them are submitted, run anywhere, in place, again, later, by thieves of forked
 * calls, are cancelled, stopped, and their pool is shut down. Every task, and every callback, sees the values of its
 * own request and no other; each value is destroyed once, and none while somebody sees it.
 */
#include "os.h"
#include "stress_pool.h"

#include <filch/fork.h>

#define REQUESTS 12 /* of a thread in one pool */
#define MOST 8      /* tasks of one request submitted by its thread */
#define DEPTH 3

enum { REQUEST, SPAN };

/* The value of a slot: what is written over once it is destroyed. */
struct value {
    struct request *request;
    _Atomic uint32_t alive;
};

struct request {
    struct value own, spans[MOST];
    _Atomic unsigned begun, destroyed;
};

struct party {
    unsigned index;
    filch_future *futures[REQUESTS * MOST];
    unsigned n;
    struct request requests[REQUESTS];
};

static filch_pool *pool;
static unsigned round_now;
static _Atomic uint64_t looks, calls, registered;

#define ALIVE 0xA11FEu

static void destroy(void *arg)
{
    struct value *value = arg;
    CHECK_IS(atomic_exchange(&value->alive, 0), ALIVE);
    atomic_fetch_add(&value->request->destroyed, 1);
}

static filch_context_token *set(unsigned slot, struct request *request, struct value *value)
{
    filch_context_token *token = NULL;
    value->request = request;
    atomic_store(&value->alive, ALIVE);
    atomic_fetch_add(&request->begun, 1);
    CHECK_IS(filch_context_begin(&token, slot, value, destroy), 0);
    return token;
}

/* Whether the request, NULL: none, is the one in force, with all of its values. */
static void look(const struct request *request)
{
    const struct value *value = filch_context_get(REQUEST), *span = filch_context_get(SPAN);
    CHECK((value ? value->request : NULL) == request);
    CHECK(!value || atomic_load(&value->alive) == ALIVE);
    CHECK(!span || (span->request == request && atomic_load(&span->alive) == ALIVE));
    atomic_fetch_add_explicit(&looks, 1, memory_order_relaxed);
}

static void look_as_callback(filch_future *future, void *request)
{
    (void)future;
    look(request);
    atomic_fetch_add(&calls, 1);
}

/* ---- Tasks ---- */

/* What a task is given: its request, and what chance makes of it. */
struct item {
    struct request *request;
    unsigned depth;
    uint64_t random;
};

static filch_future *submit(struct request *request, unsigned depth, uint64_t *random);

struct forked_look {
    filch_forked forked;
    const struct request *request;
};

static void look_forked(filch_forker *forker, filch_forked *forked)
{
    (void)forker;
    look(((struct forked_look *)forked)->request);
}

/* The second of them without a request. */
static void fork_two(filch_task *self, const struct request *request)
{
    filch_forker *forker;
    filch_context_token *token = NULL;
    struct forked_look first = { .request = request }, second = { .request = NULL };
    CHECK_IS(filch_fork_begin(self, &forker), 0);
    filch_fork(forker, &first.forked, look_forked);
    CHECK_IS(filch_context_enter(&token, NULL), 0);
    filch_fork(forker, &second.forked, look_forked);
    sched_yield();
    look(NULL);
    filch_fork_join(forker, &second.forked);
    filch_context_end(token);
    filch_fork_join(forker, &first.forked);
}

static int run(filch_task *self, void *arg)
{
    struct item *item = arg;
    struct request *request = item->request;
    uint64_t random = item->random; /* another attempt does the same */
    look(request);
    for (unsigned n = stress_below(&random, 3); n > 0 && item->depth > 0; n--) {
        filch_future *sub = submit(request, item->depth - 1, &random);
        look(request);
        if (sub && stress_below(&random, 4))
            filch_future_wait(sub, stress_below(&random, 2) ? FILCH_FOREVER : FILCH_US(50));
        look(request);
        filch_future_unref(sub);
    }
    if (stress_below(&random, 4) == 0)
        fork_two(self, request);
    look(request);
    stress_progress();
    return stress_below(&random, 6) ? 0 : -EIO;
}

/* Of the request that is in force here. */
static filch_future *submit(struct request *request, unsigned depth, uint64_t *random)
{
    struct item *item = malloc(sizeof *item);
    filch_task_options options = FILCH_TASK_OPTIONS;
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_future *future = NULL;
    CHECK(item);
    *item = (struct item) { request, depth, stress_random(random) };
    options.arg_dtor = free;
    if (stress_below(random, 4) == 0) {
        retry.max_attempts = 1 + stress_below(random, 3);
        retry.interval_ns = FILCH_US(stress_below(random, 100));
        options.retry = &retry;
    }
    if (stress_below(random, 4) == 0)
        options.start_at_ns = stress_now() + FILCH_US(stress_below(random, 200));
    int rc = filch_submit_with(pool, run, item, &options, &future);
    if (rc) {
        CHECK_IS(rc, -ESHUTDOWN);
        free(item);
        return NULL;
    }
    if (stress_below(random, 4) == 0) {
        CHECK_IS(filch_future_on_done(future, look_as_callback, request), 0);
        atomic_fetch_add(&registered, 1);
    }
    return future;
}

/* ---- Threads ---- */

static void submit_some(struct party *me, struct request *request, uint64_t *random)
{
    for (unsigned i = stress_below(random, MOST); i > 0; i--) {
        filch_context_token *span = stress_below(random, 3) ? NULL : set(SPAN, request, &request->spans[i]);
        filch_future *future = submit(request, DEPTH, random);
        if (future)
            me->futures[me->n++] = future;
        if (future && stress_below(random, 5) == 0)
            filch_future_cancel(future);
        look(request);
        filch_context_end(span);
    }
}

/* As an event loop: two requests in turns. */
static void serve_two(struct party *me, struct request *requests, uint64_t *random)
{
    filch_context *contexts[2];
    for (unsigned i = 0; i < 2; i++) {
        filch_context_token *token = set(REQUEST, &requests[i], &requests[i].own);
        contexts[i] = filch_context_capture();
        filch_context_end(token);
        look(NULL);
    }
    for (unsigned i = 0; i < 2; i++) {
        filch_context_token *token = NULL;
        unsigned which = (i + stress_below(random, 2)) % 2;
        CHECK_IS(filch_context_enter(&token, contexts[i]), 0);
        submit_some(me, &requests[i], random);
        filch_context_end(token);
        CHECK_IS(filch_context_enter(&token, contexts[which]), 0);
        look(&requests[which]);
        filch_context_end(token);
    }
    filch_context_unref(contexts[0]);
    filch_context_unref(contexts[1]);
}

static void *party_main(void *arg)
{
    struct party *me = arg;
    uint64_t random = stress_stream(round_now, me->index);
    for (unsigned i = 0; i < REQUESTS; i += 2)
        serve_two(me, &me->requests[i], &random);
    if (me->index == 0 && stress_below(&random, 4) == 0)
        CHECK_IS(filch_pool_shutdown(
                     pool, stress_below(&random, 2) ? FILCH_SHUTDOWN_CANCEL_PENDING : FILCH_SHUTDOWN_STOP_RUNNING,
                     0, NULL),
                 0);
    for (unsigned i = 0; i < me->n; i++) {
        if (stress_below(&random, 2))
            CHECK_IS(filch_future_wait(me->futures[i], FILCH_FOREVER), 0);
        filch_future_unref(me->futures[i]);
    }
    look(NULL);
    return NULL;
}

static void one_round(uint64_t *random)
{
    static struct party parties[64];
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = stress_workers(round_now);
    options.capacity = stress_below(random, 2) ? 4 : 0;
    options.overflow = stress_below(random, 2) ? FILCH_BLOCK : FILCH_CALLER_RUNS;
    CHECK_IS(filch_pool_create(&pool, &options), 0);
    calls = registered = 0;
    memset(parties, 0, sizeof parties);
    for (unsigned i = 0; i < stress.threads; i++)
        parties[i].index = i;
    stress_phase("requests");
    stress_run(party_main, parties, sizeof *parties);
    stress_phase("destroying the pool");
    stress_pool_drop(pool);
    CHECK_IS(calls, registered);
    for (unsigned i = 0; i < stress.threads; i++)
        for (unsigned j = 0; j < REQUESTS; j++)
            CHECK_IS(parties[i].requests[j].destroyed, parties[i].requests[j].begun);
}

int main(int argc, char **argv)
{
    stress_begin("stress_context", 4, argc, argv);
    uint64_t random = stress_stream(0, 5);
    for (round_now = 1; stress_goes_on_to(round_now); round_now++)
        one_round(&random);
    printf("%u pools, %llu looks\n", round_now - 1, (unsigned long long)looks);
    stress_total("looks", looks);
    return stress_end();
}
