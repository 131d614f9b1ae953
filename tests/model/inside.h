/* SPDX-License-Identifier: MIT */
/* What the two halves of the engine tell each other: engine.cpp runs the operations, search.cpp the executions. */
#ifndef MODEL_INSIDE_H
#define MODEL_INSIDE_H

#include "engine.h"

#include <stdio.h>
#include <stdlib.h>

#define MODEL_THREADS 6

/* A limit of the engine, or what it relies on; a model that breaks it has crashed. (Relacy's own are compiled out.) */
#define model_must(condition) \
    ((condition) ? (void)0 : (fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition), abort()))

/* What only search.cpp can do, which knows the number of threads: a template's parameter. */
struct model_core {
    /* The record `index` of an atomic becomes one that `thread` wrote at its time `when`, 0: before everything. */
    void (*date)(void *atomic, unsigned index, unsigned thread, size_t when);
    /* The record `index`, just written by a store, goes on with no release sequence of the same thread, as in RC11 and
     * C++20; Relacy has those of C++11. It publishes what the thread has done if it releases, or what a fence does. */
    void (*cut)(void *atomic, unsigned index, bool releases);
};

/* One way to make the sources weaker. */
enum { MODEL_WHOLE, MODEL_ORDER, MODEL_FAILURE, MODEL_SPLIT, MODEL_DROP };
struct model_mutation {
    char file[96], function[64];
    int line, operation, order, failure; /* the place */
    int kind, weaker;                    /* what is done there; the order instead */
};

extern struct model_site *model_sites; /* all that were met, newest first */

/* What the search asks of the engine. */
void model_begin(const struct model *model, const struct model_core *core); /* before each execution */
void model_run_thread(unsigned i);
void model_end(void);                                     /* after each execution without a fault */
void model_weaken(const struct model_mutation *mutation); /* for all that follows; NULL: nothing */
const char *model_fault(void);        /* what the last fault was, in words; "" if Relacy knows */
unsigned long model_operations(void); /* how many were done so far */
const char *model_operation_name(int operation);
const char *model_order_name(int order);
const char *model_short(const char *file);

#endif
