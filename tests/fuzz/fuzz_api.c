/* SPDX-License-Identifier: MIT */
/*
 * Sequences of API calls against a sequential model. The input is a program: how the pool is made, what its tasks do
 * (script.c), and which calls come from outside (program.c). What must be so at every moment is in model.c; here is what
 * must be so at the end: each task ran as often as it may, its future says how, and each callback came once.
 */
#include "world.h"

#include <errno.h>
#include <string.h>

struct world world;

static void read_scripts(struct bytes *bytes)
{
    for (unsigned i = 0; i < SCRIPTS; i++) {
        struct script *script = &world.scripts[i];
        script->n = bytes_below(bytes, STEPS + 1);
        for (unsigned j = 0; j < script->n; j++) {
            script->steps[j].what = (uint8_t)bytes_below(bytes, STEPS_KNOWN);
            script->steps[j].arg = (uint8_t)bytes_take(bytes);
        }
    }
}

static void begin(struct bytes *bytes)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    unsigned kind = bytes_take(bytes);
    memset(&world, 0, sizeof world);
    pthread_mutex_init(&world.lock, NULL);
    pthread_cond_init(&world.changed, NULL);
    world.exact = kind % 4 != 3;
    world.no_spare = kind / 4 % 4 == 3;
    options.no_spare_threads = world.no_spare;
    options.workers = world.exact ? 1 : 1 + kind / 16 % 4;
    if (!world.exact && kind & 128) {
        options.capacity = 1 + kind / 16 % 3;
        options.overflow = (filch_overflow)(kind / 4 % 3);
        world.limited = true;
    }
    must(filch_pool_create(&world.pool, &options) == 0);
    model_begin(&world.model);
    world.stops[0] = filch_stop_ref(filch_pool_stop(world.pool));
    world.n_stops = 1;
    read_scripts(bytes);
}

/* What holds in every interleaving. */
static void check_end(struct task *task)
{
    filch_state state = filch_future_state(task->future);
    unsigned runs = atomic_load(&task->runs);
    int code = atomic_load(&task->code), result = filch_future_result(task->future, 0, NULL);
    bool stopped = filch_stop_requested(world.stops[task->stop]);
    must(runs == atomic_load(&task->returns) && runs == filch_future_attempts(task->future));
    must(atomic_load(&task->called) == task->callbacks);
    if (state == FILCH_DONE)
        must(runs && code == 0 && result == 0);
    else if (state == FILCH_FAILED)
        must(runs && code && result == code);
    else if (state == FILCH_STOPPED)
        must((!runs || code) && stopped && result == -ECANCELED);
    else
        must(state == FILCH_CANCELLED && (!runs || code) && (atomic_load(&task->cancelled) || world.cancelling));
    must(!atomic_load(&task->cancelled) || state == FILCH_CANCELLED);
    world_look(task);
    filch_future_unref(task->future);
}

/* Everything ends: what was to start in an hour is cancelled, and the pool, if the input says so, shut down first. */
static void end(unsigned how)
{
    filch_pool_stats stats = FILCH_POOL_STATS;
    for (unsigned i = 0; i < world.n_outside; i++)
        if (world.model.tasks[world.outside[i]->number].in_an_hour)
            world_cancel(world.outside[i]);
    world_lock();
    world.shut = true;
    world.cancelling = world.cancelling || how & FILCH_SHUTDOWN_CANCEL_PENDING;
    model_shutdown(&world.model, how);
    world_unlock();
    must(filch_pool_shutdown(world.pool, how | FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
    must(filch_pool_stats_get(world.pool, &stats) == 0 && stats.submitted == stats.finished);
    must(filch_pool_destroy(world.pool) == 0);
    world_lock();
    model_settled(&world.model);
    world_unlock();
    for (unsigned i = 0; i < world.n_tasks; i++) {
        struct task *task = &world.tasks[i];
        if (task->refused)
            must(!atomic_load(&task->runs));
        else
            check_end(task);
        must(atomic_load(&task->dropped) == (task->has_dtor && !task->refused));
    }
    for (unsigned i = 0; i < world.n_stops; i++)
        filch_stop_unref(world.stops[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes bytes = { data, size };
    begin(&bytes);
    unsigned how = bytes_take(&bytes) & (FILCH_SHUTDOWN_CANCEL_PENDING | FILCH_SHUTDOWN_STOP_RUNNING);
    program_run(&bytes);
    end(how);
    pthread_cond_destroy(&world.changed);
    pthread_mutex_destroy(&world.lock);
    return 0;
}
