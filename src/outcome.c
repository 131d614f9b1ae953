/* SPDX-License-Identifier: MIT */
/* The errors of tasks that belong together: see outcome.h. */
#include "outcome.h"

#include "error.h"

void filchi_outcome_init(struct filchi_outcome *outcome)
{
    pthread_mutex_init(&outcome->lock, NULL);
}

bool filchi_outcome_record(struct filchi_outcome *outcome, const filch_error *error, int code)
{
    pthread_mutex_lock(&outcome->lock);
    bool first = !outcome->first;
    if (first) {
        outcome->first = filch_error_ref(error);
        outcome->code = code;
    } else if (outcome->n_suppressed++ < FILCHI_SUPPRESSED) {
        outcome->suppressed[outcome->n_suppressed - 1] = filch_error_ref(error);
    }
    pthread_mutex_unlock(&outcome->lock);
    return first;
}

/* The first error with the later ones; the caller's to unref. */
static filch_error *make_error(const struct filchi_outcome *outcome)
{
    size_t kept = outcome->n_suppressed < FILCHI_SUPPRESSED ? outcome->n_suppressed : FILCHI_SUPPRESSED;
    return filchi_error_with_suppressed(outcome->first, (const filch_error *const *)outcome->suppressed, kept,
                                        outcome->n_suppressed);
}

int filchi_outcome_tell(struct filchi_outcome *outcome, filch_error **out_error)
{
    /* Threads that have not heard of the end may submit tasks that fail at this moment. */
    pthread_mutex_lock(&outcome->lock);
    int code = outcome->code;
    if (code && out_error)
        *out_error = make_error(outcome);
    pthread_mutex_unlock(&outcome->lock);
    outcome->told = true;
    return code;
}

static void report(const struct filchi_outcome *outcome, const struct filchi_origin *origin)
{
    filch_error *error = make_error(outcome);
    origin->on_unobserved(error, origin->unobserved_arg);
    filch_error_unref(error);
}

void filchi_outcome_fini(struct filchi_outcome *outcome, const struct filchi_origin *origin)
{
    if (outcome->first && !outcome->told && origin->on_unobserved)
        report(outcome, origin);
    filch_error_unref(outcome->first);
    for (size_t i = 0; i < FILCHI_SUPPRESSED; i++)
        filch_error_unref(outcome->suppressed[i]);
    pthread_mutex_destroy(&outcome->lock);
}
