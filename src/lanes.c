/* SPDX-License-Identifier: MIT */
/* A pool's lanes, as users see them: create, look at. */
#include "options.h"
#include "worker.h"

int filch_lane_create(filch_lane **out, filch_pool *pool, const filch_lane_options *options)
{
    filch_lane_options chosen = FILCH_LANE_OPTIONS;
    int rc = pool ? filchi_options_copy(&chosen, sizeof chosen, options) : -EINVAL;
    if (rc)
        return rc;
    if (!filchi_worker_pool_here(pool))
        return -EOWNERDEAD;
    if (!chosen.weight)
        chosen.weight = 1;
    if (chosen.weight > FILCHI_WEIGHT_MAX)
        return -EINVAL;
    return filchi_lane_make(out, pool->origin, &chosen);
}
