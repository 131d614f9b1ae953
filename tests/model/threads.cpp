/* SPDX-License-Identifier: MIT */
/* The threads of a model: their own variables, where they sleep and wake, and those that the sources start. */
#include "shadow.h"

#include <errno.h>

namespace
{

struct host {
    void *(*main)(void *);
    void *arg;
    size_t clock[MODEL_THREADS]; /* the starter's, then its own at the end */
    bool taken, done;
};

struct sleeper {
    void *word;
    unsigned thread;
};
sleeper sleepers[MODEL_THREADS];
unsigned n_sleepers;

struct mutex {
    void *address;
    size_t clock[MODEL_THREADS]; /* of who gave it back last */
    bool held, destroyed;
    unsigned holder;
};
size_t const mutexes_most = 64;
mutex mutexes[mutexes_most];
unsigned n_mutexes;

const struct model *what;
host hosts[MODEL_THREADS];
unsigned running; /* of the model's own threads */

/* Every thread's own variables; the sources' lie in one section (include/prelude.h). */
extern "C" char __start_model_thread_local[] __attribute__((weak));
extern "C" char __stop_model_thread_local[] __attribute__((weak));
size_t const locals_most = 4096;
char locals[MODEL_THREADS + 1][locals_most]; /* the last: as they are at first */
bool locals_known;

size_t locals_size()
{
    return (size_t)((uintptr_t)__stop_model_thread_local - (uintptr_t)__start_model_thread_local);
}

void acquire_clock(const size_t *clock)
{
    for (unsigned i = 0; i < rl::ctx().get_thread_count(); i++)
        if (clock[i] > me().acq_rel_order_[i])
            me().acq_rel_order_[i] = clock[i];
}

void release_clock(size_t *clock)
{
    for (unsigned i = 0; i < rl::ctx().get_thread_count(); i++)
        clock[i] = me().acq_rel_order_[i];
    me().own_acq_rel_order_ += 1;
}

/* Until somebody wakes who sleeps at `word`. False: the time was over. */
bool sleep_at(void *word, bool timed)
{
    rl::context &c = rl::ctx();
    unsigned self = me().index_;
    sleeper entry = { word, self };
    sleepers[n_sleepers++] = entry;
    rl::unpark_reason reason = c.park_current_thread(timed, false, false, RL_INFO);
    if (reason == rl::unpark_reason_normal)
        return true;
    for (unsigned i = 0; i < n_sleepers; i++)
        if (sleepers[i].thread == self)
            sleepers[i] = sleepers[--n_sleepers];
    return false;
}

void wake_at(void *word, int n)
{
    rl::context &c = rl::ctx();
    for (; n > 0; n--) {
        unsigned there = 0;
        for (unsigned i = 0; i < n_sleepers; i++)
            there += sleepers[i].word == word;
        if (there == 0)
            return;
        unsigned chosen = there == 1 ? 0 : c.rand(there, rl::sched_type_user);
        for (unsigned i = 0; i < n_sleepers; i++)
            if (sleepers[i].word == word && chosen-- == 0) {
                unsigned thread = sleepers[i].thread;
                sleepers[i] = sleepers[--n_sleepers];
                c.unpark_thread((rl::thread_id_t)thread, false, RL_INFO);
                break;
            }
    }
}

mutex *mutex_at(void *address)
{
    for (unsigned i = 0; i < n_mutexes; i++)
        if (mutexes[i].address == address)
            return &mutexes[i];
    model_must(n_mutexes < mutexes_most);
    mutex *made = &mutexes[n_mutexes++];
    memset(made, 0, sizeof *made);
    made->address = address;
    return made;
}

mutex *mutex_in_use(void *address)
{
    shadow_must_live(address);
    mutex *one = mutex_at(address);
    if (one->destroyed)
        fail(rl::test_result_usage_of_non_initialized_mutex, RL_INFO, "a mutex is used that was destroyed");
    return one;
}

void fresh_locals()
{
    memcpy(__start_model_thread_local, locals[MODEL_THREADS], locals_size());
}

void run_host(host *self)
{
    for (;;) {
        while (!self->taken && running > 0) {
            switching around;
            sleep_at(self, false);
        }
        if (!self->taken)
            return;
        fresh_locals();
        acquire_clock(self->clock);
        self->main(self->arg);
        release_clock(self->clock);
        self->done = true;
        self->taken = false;
        wake_at(&self->done, MODEL_THREADS);
    }
}

} // namespace

switching::switching() : self(me().index_)
{
    memcpy(locals[self], __start_model_thread_local, locals_size());
    shadow_stack_low(__builtin_frame_address(0));
}

switching::~switching()
{
    memcpy(__start_model_thread_local, locals[self], locals_size());
}

void threads_begin(const struct model *which)
{
    if (!locals_known) {
        model_must(locals_size() <= locals_most);
        memcpy(locals[MODEL_THREADS], __start_model_thread_local, locals_size());
        locals_known = true;
    }
    fresh_locals();
    what = which;
    n_sleepers = n_mutexes = 0;
    memset(hosts, 0, sizeof hosts);
    running = which->threads;
}

void model_run_thread(unsigned i)
{
    void *frame = __builtin_frame_address(0);
    shadow_stack_begin(frame);
    fresh_locals();
    if (i >= what->threads) {
        run_host(&hosts[i]);
    } else {
        what->thread(i);
        if (--running == 0)
            for (unsigned j = what->threads; j < what->threads + what->hosts; j++)
                wake_at(&hosts[j], 1);
    }
    shadow_stack_low(frame);
}

bool model_futex_wait(void *word, uint32_t expected, bool timed)
{
    switching around;
    rl::context &c = rl::ctx();
    c.sched();
    shadow_must_live(word);
    uint32_t now;
    memcpy(&now, word, sizeof now);
    /* A kernel's may also end without reason. */
    if (now != expected || (c.is_random_sched() && c.rand(16, rl::sched_type_user) == 0))
        return true;
    return sleep_at(word, timed);
}

void model_futex_wake(void *word, int n)
{
    switching around;
    rl::ctx().sched();
    wake_at(word, n);
}

int model_mutex_init(void *address, const void *)
{
    if (!simulated())
        return 0;
    mutex *one = mutex_at(address);
    memset(one->clock, 0, sizeof one->clock);
    one->held = one->destroyed = false;
    return 0;
}

int model_mutex_destroy(void *address)
{
    if (!simulated())
        return 0;
    mutex *one = mutex_in_use(address);
    if (one->held)
        fail(rl::test_result_destroying_owned_mutex, RL_INFO, "a mutex is destroyed that somebody holds");
    one->destroyed = true;
    return 0;
}

int model_mutex_trylock(void *address)
{
    switching around;
    rl::ctx().sched();
    mutex *one = mutex_in_use(address);
    if (one->held)
        return EBUSY;
    one->held = true;
    one->holder = me().index_;
    acquire_clock(one->clock);
    return 0;
}

int model_mutex_lock(void *address)
{
    while (simulated() && model_mutex_trylock(address) != 0) {
        switching around;
        sleep_at(mutex_at(address), false);
    }
    return 0;
}

int model_mutex_unlock(void *address)
{
    if (!simulated())
        return 0;
    switching around;
    mutex *one = mutex_in_use(address);
    if (!one->held || one->holder != me().index_)
        fail(rl::test_result_unlocking_mutex_wo_ownership, RL_INFO,
             "a mutex is given back by who does not hold it");
    release_clock(one->clock);
    one->held = false;
    wake_at(one, 1);
    return 0;
}

void model_yield(void)
{
    if (!simulated())
        return;
    switching around;
    rl::ctx().yield(1, RL_INFO);
}

unsigned model_self(void)
{
    return me().index_;
}

int model_thread_start(void *(*main)(void *), void *arg)
{
    for (unsigned i = what->threads; i < what->threads + what->hosts; i++) {
        host *one = &hosts[i];
        if (one->taken || one->done)
            continue;
        one->main = main;
        one->arg = arg;
        one->taken = true;
        release_clock(one->clock);
        wake_at(one, 1);
        return (int)i;
    }
    return -1;
}

void model_thread_join(int thread)
{
    switching around;
    host *one = &hosts[thread];
    while (!one->done)
        sleep_at(&one->done, false);
    acquire_clock(one->clock);
    one->done = false;
}
