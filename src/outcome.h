/* SPDX-License-Identifier: MIT */
/* The errors of tasks that belong together: the first one, and those that came after it. */
#ifndef FILCHI_OUTCOME_H
#define FILCHI_OUTCOME_H

#include "origin.h"

#include <pthread.h>

/* Errors after the first that are kept; the others are counted. */
#define FILCHI_SUPPRESSED 8

struct filchi_outcome {
    bool told; /* opener: somebody was told of an error */
    /* Under the lock. */
    pthread_mutex_t lock;
    filch_error *first;
    int code; /* of the task that failed first; else 0 */
    filch_error *suppressed[FILCHI_SUPPRESSED];
    size_t n_suppressed; /* kept or not */
};

void filchi_outcome_init(struct filchi_outcome *outcome);
/* Nobody uses it any more. Errors that nobody was told of are reported. */
void filchi_outcome_fini(struct filchi_outcome *outcome, const struct filchi_origin *origin);
/* Anyone: a task failed with that error and code (without memory the error has another). True: it was the first. */
bool filchi_outcome_record(struct filchi_outcome *outcome, const filch_error *error, int code);
/* The opener: the first one's code, and *out_error (unless NULL) with the later ones, a reference; or 0. */
int filchi_outcome_tell(struct filchi_outcome *outcome, filch_error **out_error);

#endif
