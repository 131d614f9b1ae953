/* SPDX-License-Identifier: MIT */
/*
 * Maps from outside and from tasks, at once and within each other, whose elements compute, sleep, submit and fail;
 * taken to their end, or left early, timed out, stopped, or cut off by the pool's shutdown. No element runs twice; what
 * was delivered ran, in order; an error is that of the first element by index that fails; after the end nothing runs.
 */
#include "stress_pool.h"

#include <filch/filch.h>

#define MAPS 24      /* a thread and a round */
#define ELEMENTS 400 /* most of a map */
#define CODE 1000    /* element i fails with -(CODE + i) */

enum kind { KIND_QUICK, KIND_BUSY, KIND_SLEEP, KIND_NEST, KIND_MAP, KINDS };

struct element {
    enum kind kind;
    bool fails;
    unsigned index;
    _Atomic unsigned runs;
};

struct map {
    struct element elements[ELEMENTS];
    const struct element *out[ELEMENTS];
    size_t n, first_failure; /* n: none */
    bool inner;              /* begins no maps itself */
    bool whole;              /* nothing but an element or the pool's end ends it */
    _Atomic bool over;
    uint64_t seed;
};

static filch_pool *pool;
static unsigned round_now;
static _Atomic bool closing; /* the pool may be shut down */
static _Atomic uint64_t total_maps, total_elements, total_failed, total_cut;

static void run_map(uint64_t *random, const struct map *around);

static int nothing(filch_task *self, void *arg)
{
    (void)self;
    (void)arg;
    return 0;
}

static void nest(filch_task *self)
{
    filch_future *subs[3];
    if (filch_submit_many(filch_task_pool(self), nothing, NULL, 0, 3, subs))
        return;
    CHECK_IS(filch_join(subs, 3), 0);
    for (int i = 0; i < 3; i++)
        filch_future_unref(subs[i]);
}

static int handle(filch_task *self, const void *in, void *out, void *arg)
{
    struct map *map = arg;
    const struct element *element = in;
    uint64_t random = map->seed ^ element->index;
    CHECK(!atomic_load(&map->over));
    CHECK_IS(atomic_fetch_add(&map->elements[element->index].runs, 1), 0);
    stress_progress();
    switch (element->kind) {
    case KIND_BUSY:
        stress_spin(stress_below(&random, 3000));
        break;
    case KIND_SLEEP:
        filch_sleep(FILCH_US(stress_below(&random, 60)));
        break;
    case KIND_NEST:
        nest(self);
        break;
    case KIND_MAP:
        if (!map->inner)
            run_map(&random, map);
        break;
    default:
        break;
    }
    if (element->fails)
        return -(CODE + (int)element->index);
    *(const struct element **)out = element;
    return 0;
}

/* Most maps are of one kind, some have a bit of all; most have no element that fails. */
static struct map *make(uint64_t *random, bool inner)
{
    struct map *map = calloc(1, sizeof *map);
    CHECK(map);
    map->n = stress_below(random, inner ? 20 : ELEMENTS + 1);
    map->inner = inner;
    map->seed = stress_random(random);
    unsigned style = stress_below(random, 4),
             fail_one_in = stress_below(random, 3) ? 0 : 1 + stress_below(random, 300);
    map->first_failure = map->n;
    for (size_t i = 0; i < map->n; i++) {
        struct element *element = &map->elements[i];
        element->index = (unsigned)i;
        element->kind = style < 2                                   ? (enum kind)style
                        : stress_below(random, style == 2 ? 4 : 60) ? KIND_QUICK
                                                                    : (enum kind)stress_below(random, KINDS);
        element->fails = fail_one_in && stress_below(random, fail_one_in) == 0;
        if (element->fails && map->first_failure == map->n)
            map->first_failure = i;
    }
    return map;
}

/* What the map ended with, having delivered so many. */
static void check_end(struct map *map, int rc, size_t delivered)
{
    for (size_t i = 0; i < delivered; i++) {
        CHECK(map->out[i] == &map->elements[i]);
        CHECK_IS(atomic_load(&map->elements[i].runs), 1);
    }
    CHECK(delivered <= map->first_failure);
    if (rc <= -CODE) {
        CHECK_IS(-rc - CODE, map->first_failure);
        atomic_fetch_add(&total_failed, 1);
        return;
    }
    if (rc == 0 || rc == 1)
        return;
    atomic_fetch_add(&total_cut, 1);
    if (rc != -ECANCELED && rc != -ESHUTDOWN && rc != -ETIMEDOUT)
        CHECK_IS(rc, -EAGAIN);
    CHECK(!map->whole || (rc != -ETIMEDOUT && atomic_load(&closing)));
}

static int take(filch_mapping *mapping, struct map *map, size_t most, size_t *delivered)
{
    void *item;
    int rc = 1;
    while (*delivered < most && (rc = filch_mapping_next(mapping, &item)) == 1) {
        CHECK(item == &map->out[*delivered]);
        ++*delivered;
    }
    if (rc == 0)
        CHECK_IS(*delivered, map->n);
    if (rc <= -CODE)
        CHECK_IS(filch_error_code(filch_mapping_error(mapping)), rc);
    return rc;
}

static int take_part(struct map *map, const filch_map_options *options, filch_stop *stop, uint64_t *random,
                     size_t *delivered)
{
    filch_mapping *mapping;
    int rc = filch_mapping_begin(&mapping, pool, handle, map, map->elements, sizeof map->elements[0], map->out,
                                 sizeof map->out[0], map->n, options);
    if (rc)
        return rc;
    bool early = stress_below(random, 3) == 0;
    rc = take(mapping, map, early ? stress_below(random, ELEMENTS) : SIZE_MAX, delivered);
    if (stop && stress_below(random, 2)) {
        filch_stop_request(stop, -ECANCELED);
        if (rc == 1)
            rc = take(mapping, map, SIZE_MAX, delivered);
    }
    filch_mapping_end(mapping);
    return rc;
}

static int take_all(struct map *map, const filch_map_options *options, size_t *delivered)
{
    filch_error *error = NULL;
    int rc = filch_map(pool, handle, map, map->elements, sizeof map->elements[0], map->out, sizeof map->out[0],
                       map->n, options, &error);
    CHECK((rc != 0) == (error != NULL));
    if (rc <= -CODE)
        CHECK_IS(filch_error_code(error), rc);
    filch_error_unref(error);
    if (rc == 0)
        *delivered = map->n;
    return rc;
}

/* `around`: the map of whose elements this is a part; or NULL. */
static void run_map(uint64_t *random, const struct map *around)
{
    struct map *map = make(random, around != NULL);
    filch_map_options options = FILCH_MAP_OPTIONS;
    filch_stop *stop = NULL;
    size_t delivered = 0;
    options.chunk = stress_below(random, 4);
    if (stress_below(random, 8) == 0)
        options.name = "map";
    if (stress_below(random, 8) == 0)
        options.timeout_ns = FILCH_US(stress_below(random, 2000));
    if (stress_below(random, 6) == 0) {
        CHECK_IS(filch_stop_create(&stop, NULL), 0);
        options.stop = stop;
    }
    map->whole = options.timeout_ns == FILCH_FOREVER && !stop && (!around || around->whole);
    int rc = stress_below(random, 2) ? take_all(map, &options, &delivered)
                                     : take_part(map, &options, stop, random, &delivered);
    atomic_store(&map->over, true);
    check_end(map, rc, delivered);
    atomic_fetch_add(&total_maps, 1);
    atomic_fetch_add(&total_elements, delivered);
    filch_stop_unref(stop);
    free(map);
    stress_progress();
}

static int map_inside(filch_task *self, void *arg)
{
    (void)self;
    uint64_t random = (uintptr_t)arg;
    run_map(&random, NULL);
    return 0;
}

static void *party(void *arg)
{
    uint64_t random = stress_stream(round_now, (uintptr_t)arg);
    filch_future *inside[MAPS];
    unsigned n = 0;
    for (unsigned i = 0; i < MAPS; i++)
        if (stress_below(&random, 2))
            run_map(&random, NULL);
        else if (filch_submit(pool, map_inside, (void *)(uintptr_t)stress_random(&random), &inside[n]) == 0)
            n++;
    CHECK_IS(filch_join(inside, n), 0);
    for (unsigned i = 0; i < n; i++)
        filch_future_unref(inside[i]);
    return NULL;
}

static void one_round(uint64_t *random)
{
    pthread_t threads[64];
    filch_pool_options options = FILCH_POOL_OPTIONS;
    options.workers = stress_workers(round_now);
    options.no_spare_threads = stress_below(random, 4) == 0;
    if (stress_below(random, 3) == 0) {
        options.capacity = 1 + stress_below(random, 4);
        options.overflow = stress_below(random, 2) ? FILCH_BLOCK : FILCH_CALLER_RUNS;
    }
    bool early = stress_below(random, 3) == 0;
    atomic_store(&closing, early || options.no_spare_threads);
    CHECK_IS(filch_pool_create(&pool, &options), 0);
    for (unsigned i = 0; i < stress.threads; i++)
        CHECK_IS(pthread_create(&threads[i], NULL, party, (void *)(uintptr_t)(i + 1)), 0);
    unsigned flags = stress_below(random, 8);
    stress_phase("mapping");
    if (early) {
        stress_nap(stress_below(random, 20000000));
        CHECK_IS(filch_pool_shutdown(pool, flags & ~FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL), 0);
    }
    for (unsigned i = 0; i < stress.threads; i++)
        pthread_join(threads[i], NULL);
    stress_phase("shutting down");
    filch_pool_stats stats = FILCH_POOL_STATS;
    CHECK_IS(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL), 0);
    CHECK_IS(filch_pool_stats_get(pool, &stats), 0);
    CHECK_IS(stats.submitted, stats.finished);
    stress_pool_drop(pool);
}

int main(int argc, char **argv)
{
    stress_begin("stress_map", 4, argc, argv);
    uint64_t random = stress_stream(0, 55);
    for (; stress_goes_on(); round_now++)
        one_round(&random);
    printf("%u pools, %llu maps with %llu elements delivered: %llu failed, %llu cut off\n", round_now,
           (unsigned long long)total_maps, (unsigned long long)total_elements, (unsigned long long)total_failed,
           (unsigned long long)total_cut);
    stress_total("maps", total_maps);
    stress_total("elements", total_elements);
    return stress_end();
}
