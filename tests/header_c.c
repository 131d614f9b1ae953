/* SPDX-License-Identifier: MIT */
/* Compiled, never run: filch.h stands alone and its initialisers are complete. header_cxx.cpp includes this file. */
#include <filch/filch.h>

int header_compiles(void);

int header_compiles(void)
{
    filch_pool_options pool = FILCH_POOL_OPTIONS;
    filch_pool_stats stats = FILCH_POOL_STATS;
    filch_task_options task = FILCH_TASK_OPTIONS;
    filch_retry_options retry = FILCH_RETRY_OPTIONS;
    filch_scope_options scope = FILCH_SCOPE_OPTIONS;
    filch_map_options map = FILCH_MAP_OPTIONS;
    filch_stream_options stream = FILCH_STREAM_OPTIONS;

    return pool.size == sizeof pool && stats.size == sizeof stats && task.size == sizeof task &&
           retry.size == sizeof retry && retry.backoff >= 1 && scope.size == sizeof scope &&
           scope.timeout_ns == FILCH_FOREVER && map.size == sizeof map && map.timeout_ns == FILCH_FOREVER &&
           stream.size == sizeof stream && stream.timeout_ns == FILCH_FOREVER && FILCH_MS(1) == FILCH_US(1000) &&
           FILCH_SECONDS(1) == FILCH_MS(1000) && FILCH_VERSION >= 0x000100;
}
