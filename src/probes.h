/* SPDX-License-Identifier: MIT */
/*
 * Static probes (USDT) for tracers, provider "filch": a nop at each event, and a word that a tracer counts up while it
 * looks, so that arguments are put together only then. Without <sys/sdt.h> there are none. Arguments:
 *
 *     submit    pool, task, name, worker            worker, thread: -1 for none
 *     start     pool, task, name, worker, thread, attempt
 *     finish    pool, task, name, worker, thread, attempt, state, code
 *     drop      pool, task, name, worker, thread, attempt, state, code
 *     steal     pool, task, name, worker, thread, victim
 *     park      pool, thread
 *     unpark    pool, thread, worker
 *     handoff   pool, task, name, worker, thread
 *     resume    pool, task, name, worker, thread
 */
#ifndef FILCHI_PROBES_H
#define FILCHI_PROBES_H

#include <stdbool.h>

#define FILCHI_PROBES(each) \
    each(submit) each(start) each(finish) each(drop) each(steal) each(park) each(unpark) each(handoff) each(resume)

#ifdef FILCH_USDT

#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

/* Tracers count them up and down; the names and the section are theirs. */
#define FILCHI_PROBE_DECLARE(name) \
    extern __attribute__((visibility("hidden"))) unsigned short filch_##name##_semaphore;
#define FILCHI_PROBE_DEFINE(name) \
    __attribute__((section(".probes"), visibility("hidden"))) unsigned short filch_##name##_semaphore;
FILCHI_PROBES(FILCHI_PROBE_DECLARE)

/* Whether a tracer looks at it. */
#define filchi_probe_on(name) __builtin_expect(*(volatile unsigned short *)&filch_##name##_semaphore != 0, 0)
#define filchi_probe2(name, a, b) STAP_PROBE2(filch, name, a, b)
#define filchi_probe3(name, a, b, c) STAP_PROBE3(filch, name, a, b, c)
#define filchi_probe4(name, a, b, c, d) STAP_PROBE4(filch, name, a, b, c, d)
#define filchi_probe5(name, a, b, c, d, e) STAP_PROBE5(filch, name, a, b, c, d, e)
#define filchi_probe6(name, a, b, c, d, e, f) STAP_PROBE6(filch, name, a, b, c, d, e, f)
#define filchi_probe8(name, a, b, c, d, e, f, g, h) STAP_PROBE8(filch, name, a, b, c, d, e, f, g, h)

#else

#define filchi_probe_on(name) false
#define filchi_probe2(name, a, b) ((void)0)
#define filchi_probe3(name, a, b, c) ((void)0)
#define filchi_probe4(name, a, b, c, d) ((void)0)
#define filchi_probe5(name, a, b, c, d, e) ((void)0)
#define filchi_probe6(name, a, b, c, d, e, f) ((void)0)
#define filchi_probe8(name, a, b, c, d, e, f, g, h) ((void)0)

#endif

#endif
