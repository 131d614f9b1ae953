/* SPDX-License-Identifier: MIT */
/* What one call needs at hand that is made with its nth allocation failing, and the making of it. */
#ifndef FILCH_TESTS_FAULTS_EACH_H
#define FILCH_TESTS_FAULTS_EACH_H

#include "support.h"

#define N 40
#define LONG_NAME "a name that is too long to be kept inside"

/* What a call needs at hand, made with nothing withheld. */
struct kit {
    filch_pool *pool;
    filch_task *self; /* NULL: outside */
    filch_stop *stop;
    filch_error *error;
    filch_future *done, *failed, *later; /* the last: not before it is cancelled */
    int64_t in[N], out[N];
    int given;
    long nth;      /* which allocation fails; -1: all */
    bool told;     /* the call said -ENOMEM */
    _Atomic int n; /* what tasks counted */
};

/* What the call returned, made while memory is withheld. */
#define WITHOUT(kit, call) (withhold((kit)->nth), give((kit), (call)))

/* The same of a call that returns nothing. */
#define WITHOUT_ANSWER(kit, call) (withhold((kit)->nth), (call), withhold(0))

static inline void withhold(long nth)
{
    atomic_store(&filchi_os_faults.allocations, nth);
}

static inline int give(struct kit *kit, int rc)
{
    withhold(0);
    must(rc >= 0 || rc == -ENOMEM || rc == -ETIMEDOUT);
    kit->told |= rc == -ENOMEM;
    return rc;
}

static inline void end_future(filch_future *future, int rc)
{
    must((rc == 0) == (future != NULL));
    if (!future)
        return;
    filch_future_cancel(future);
    must(filch_join(&future, 1) == 0);
    filch_future_unref(future);
}

/* ---- Calling it ---- */

enum { OUTSIDE = 1, INSIDE = 2, ANYWHERE = 3 };

struct row {
    const char *name;
    void (*call)(struct kit *kit);
    int where;
    bool may_fail; /* for want of memory */
};

static inline void make_kit(struct kit *kit, filch_pool *pool, filch_task *self, long nth)
{
    memset(kit, 0, sizeof *kit);
    kit->pool = pool;
    kit->self = self;
    kit->nth = nth;
    kit->stop = stop_under(NULL);
    kit->error = filch_error_create(-EIO, "before");
    kit->done = submit(pool, do_nothing, NULL);
    kit->failed = submit(pool, fail_with_io, NULL);
    must(filch_submit_at(pool, INT64_MAX, do_nothing, NULL, &kit->later) == 0);
    must(filch_future_wait(kit->done, FILCH_FOREVER) == 0 && filch_future_wait(kit->failed, FILCH_FOREVER) == 0);
    for (int i = 0; i < N; i++)
        kit->in[i] = i;
}

static inline void clear_kit(struct kit *kit)
{
    filch_future_cancel(kit->later);
    filch_future_unref(kit->later);
    filch_future_unref(kit->failed);
    filch_future_unref(kit->done);
    filch_error_unref(kit->error);
    filch_stop_unref(kit->stop);
}

struct trial {
    const struct row *row;
    long nth;
    long struck;
    bool told;
};

static inline int try_inside(filch_task *self, void *arg)
{
    struct trial *trial = arg;
    struct kit kit;
    make_kit(&kit, filch_task_pool(self), self, trial->nth);
    trial->struck = atomic_load(&filchi_os_faults.struck.allocations);
    trial->row->call(&kit);
    trial->struck = atomic_load(&filchi_os_faults.struck.allocations) - trial->struck;
    trial->told = kit.told;
    clear_kit(&kit);
    return 0;
}

static inline struct trial try_once(const struct row *row, bool inside, long nth)
{
    filch_pool *pool = pool_of(2);
    struct trial trial = { row, nth, 0, false };
    struct kit kit;
    if (inside) {
        filch_future *future = submit(pool, try_inside, &trial);
        must(filch_future_result(future, FILCH_FOREVER, NULL) == 0);
        filch_future_unref(future);
    } else {
        make_kit(&kit, pool, NULL, nth);
        trial.struck = atomic_load(&filchi_os_faults.struck.allocations);
        row->call(&kit);
        trial.struck = atomic_load(&filchi_os_faults.struck.allocations) - trial.struck;
        trial.told = kit.told;
        clear_kit(&kit);
    }
    must(filch_pool_destroy(pool) == 0);
    return trial;
}

/* With each allocation failing in turn, and with all. */
static inline void try_row(const struct row *row, bool inside)
{
    bool told = false;
    long nth = 0;
    struct trial trial;
    do {
        trial = try_once(row, inside, ++nth);
        must(!trial.told || trial.struck);
        told |= trial.told;
    } while (trial.struck);
    trial = try_once(row, inside, -1);
    told |= trial.told;
    cr_assert_eq(told, row->may_fail, "%s, %s a task, told %d", row->name, inside ? "inside" : "outside of", told);
    must(!trial.told || trial.struck);
}

#endif
