/* SPDX-License-Identifier: MIT */
/*
 * A checker of Prometheus's text format 0.0.4, as strict as what we write deserves: each family has a HELP and a TYPE and
 * then its samples, none twice; counters end with _total; the buckets of a histogram are in order, cumulative, and end
 * with +Inf, which is the count; the last line has an end.
 */
#ifndef FILCH_TESTS_EXPOSITION_H
#define FILCH_TESTS_EXPOSITION_H

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXPOSITION_NAME = 64, EXPOSITION_LABELS = 256, EXPOSITION_FAMILIES = 64, EXPOSITION_SAMPLES = 4096 };

struct exposition {
    const char *at, *wrong; /* where we are; what is wrong, or NULL */
    char families[EXPOSITION_FAMILIES][EXPOSITION_NAME];
    size_t n_families;
    char samples[EXPOSITION_SAMPLES][EXPOSITION_NAME + EXPOSITION_LABELS];
    size_t n_samples;
    /* The family that is open. */
    char type[16];
    size_t n_in_family, n_in_series;
    char series[EXPOSITION_LABELS]; /* of a histogram: the labels of its samples but for `le` */
    bool has_infinity, has_sum, has_count;
    double bound, below, infinity;
};

/* What a sample has. */
struct exposition_sample {
    char name[EXPOSITION_NAME];
    char labels[EXPOSITION_LABELS]; /* as they stand there, without le */
    char le[32];
    double value;
};

static inline bool exposition_fail(struct exposition *x, const char *wrong)
{
    x->wrong = x->wrong ? x->wrong : wrong;
    return false;
}

static inline bool exposition_take(struct exposition *x, const char *what)
{
    size_t length = strlen(what);
    if (strncmp(x->at, what, length) != 0)
        return false;
    x->at += length;
    return true;
}

static inline bool exposition_name(struct exposition *x, char *out, bool of_label)
{
    size_t n = 0;
    while (isalpha((unsigned char)*x->at) || *x->at == '_' || (*x->at == ':' && !of_label) ||
           (n && isdigit((unsigned char)*x->at))) {
        if (n == EXPOSITION_NAME - 1)
            return exposition_fail(x, "a long name");
        out[n++] = *x->at++;
    }
    out[n] = 0;
    return n || exposition_fail(x, "no name");
}

/* The value of a label, its quotes included. */
static inline bool exposition_quoted(struct exposition *x, char *out, size_t size)
{
    size_t n = 0;
    if (*x->at != '"')
        return exposition_fail(x, "no quote");
    do {
        if (*x->at == '\\' && !strchr("\\\"n", x->at[1]))
            return exposition_fail(x, "no such escape");
        size_t length = *x->at == '\\' ? 2 : 1;
        if (!*x->at || *x->at == '\n' || n + length >= size)
            return exposition_fail(x, "a value without an end");
        memcpy(out + n, x->at, length);
        n += length;
        x->at += length;
    } while (*x->at != '"');
    x->at++;
    memcpy(out + n, "\"", 2);
    return true;
}

static inline bool exposition_labels(struct exposition *x, struct exposition_sample *sample)
{
    char seen[8][EXPOSITION_NAME];
    size_t n = 0;
    if (!exposition_take(x, "{"))
        return true;
    do {
        char value[128];
        if (n == 8 || !exposition_name(x, seen[n], true) || !exposition_take(x, "="))
            return exposition_fail(x, "no label");
        for (size_t i = 0; i < n; i++)
            if (strcmp(seen[i], seen[n]) == 0)
                return exposition_fail(x, "a label twice");
        if (!exposition_quoted(x, value, sizeof value))
            return false;
        size_t length = strlen(sample->labels);
        if (strcmp(seen[n], "le") == 0)
            snprintf(sample->le, sizeof sample->le, "%.30s", value + 1);
        else
            snprintf(sample->labels + length, sizeof sample->labels - length, "%s=%s,", seen[n], value);
        n++;
    } while (exposition_take(x, ","));
    return exposition_take(x, "}") || exposition_fail(x, "no end of the labels");
}

static inline bool exposition_sample_line(struct exposition *x, struct exposition_sample *sample)
{
    char *end;
    *sample = (struct exposition_sample) { .value = 0 };
    if (!exposition_name(x, sample->name, false) || !exposition_labels(x, sample))
        return false;
    if (!exposition_take(x, " ") || isspace((unsigned char)*x->at))
        return exposition_fail(x, "no value");
    sample->value = strtod(x->at, &end);
    if (end == x->at)
        return exposition_fail(x, "no number");
    x->at = end;
    return exposition_take(x, "\n") || exposition_fail(x, "no end of the line");
}

static inline bool exposition_is_new(struct exposition *x, const struct exposition_sample *sample)
{
    char *key = x->samples[x->n_samples];
    if (x->n_samples + 1 >= EXPOSITION_SAMPLES)
        return exposition_fail(x, "many samples");
    snprintf(key, sizeof x->samples[0], "%s{%s}%s", sample->name, sample->labels, sample->le);
    for (size_t i = 0; i < x->n_samples; i++)
        if (strcmp(x->samples[i], key) == 0)
            return exposition_fail(x, "a sample twice");
    x->n_samples++;
    return true;
}

static inline bool exposition_bucket(struct exposition *x, const struct exposition_sample *sample)
{
    bool last = strcmp(sample->le, "+Inf\"") == 0;
    double bound = last ? 0.0 : atof(sample->le);
    if (!sample->le[0] || x->has_infinity || (!last && x->n_in_series && bound <= x->bound))
        return exposition_fail(x, "bounds in no order");
    if (sample->value < x->below)
        return exposition_fail(x, "buckets that are not cumulative");
    x->has_infinity = last;
    x->infinity = sample->value;
    x->bound = bound;
    x->below = sample->value;
    return true;
}

/* Of a histogram of one set of labels. */
static inline bool exposition_end_series(struct exposition *x)
{
    if (strcmp(x->type, "histogram") == 0 && !(x->has_infinity && x->has_sum && x->has_count))
        return exposition_fail(x, "a histogram that lacks something");
    x->n_in_series = 0;
    x->has_infinity = x->has_sum = x->has_count = false;
    x->bound = x->below = x->infinity = 0.0;
    return true;
}

/* A sample whose name goes on with `suffix` behind that of the family. */
static inline bool exposition_of_family(struct exposition *x, const struct exposition_sample *sample,
                                        const char *suffix)
{
    if (strcmp(x->type, "histogram") != 0) {
        if (strcmp(x->type, "counter") == 0 && sample->value < 0)
            return exposition_fail(x, "a counter below 0");
        return !*suffix || exposition_fail(x, "a sample of no family");
    }
    if (x->n_in_series && strcmp(x->series, sample->labels) != 0 && !exposition_end_series(x))
        return false;
    if (!x->n_in_series)
        snprintf(x->series, sizeof x->series, "%s", sample->labels);
    if (strcmp(suffix, "_bucket") == 0)
        return exposition_bucket(x, sample);
    if (strcmp(suffix, "_sum") == 0)
        return x->has_sum = true;
    if (strcmp(suffix, "_count") != 0)
        return exposition_fail(x, "a sample of no family");
    x->has_count = true;
    return sample->value == x->infinity || exposition_fail(x, "a count that is not that of the buckets");
}

static inline bool exposition_end_family(struct exposition *x)
{
    if (x->n_families && !x->n_in_family)
        return exposition_fail(x, "a family without samples");
    x->n_in_family = 0;
    return exposition_end_series(x);
}

static inline bool exposition_begin_family(struct exposition *x)
{
    static const char *const types[] = { "counter", "gauge", "histogram" };
    char *name = x->families[x->n_families], again[EXPOSITION_NAME];
    if (!exposition_end_family(x) || x->n_families + 1 == EXPOSITION_FAMILIES)
        return false;
    if (!exposition_take(x, "# HELP ") || !exposition_name(x, name, false) || !exposition_take(x, " "))
        return exposition_fail(x, "no HELP");
    for (size_t i = 0; i < x->n_families; i++)
        if (strcmp(x->families[i], name) == 0)
            return exposition_fail(x, "a family twice");
    x->at += strcspn(x->at, "\n");
    if (!exposition_take(x, "\n# TYPE ") || !exposition_name(x, again, false) || strcmp(again, name) != 0)
        return exposition_fail(x, "no TYPE");
    x->n_families++;
    x->type[0] = 0;
    for (size_t i = 0; i < 3 && exposition_take(x, i ? "" : " "); i++)
        if (!x->type[0] && exposition_take(x, types[i]))
            snprintf(x->type, sizeof x->type, "%s", types[i]);
    size_t length = strlen(name);
    if (strcmp(x->type, "counter") == 0 && (length < 6 || strcmp(name + length - 6, "_total") != 0))
        return exposition_fail(x, "a counter without _total");
    return (x->type[0] && exposition_take(x, "\n")) || exposition_fail(x, "no such type");
}

static inline bool exposition_next(struct exposition *x)
{
    struct exposition_sample sample;
    if (*x->at == '#')
        return exposition_begin_family(x);
    if (!exposition_sample_line(x, &sample))
        return false;
    if (!x->n_families)
        return exposition_fail(x, "a sample of no family");
    const char *family = x->families[x->n_families - 1];
    size_t length = strlen(family);
    if (strncmp(sample.name, family, length) != 0)
        return exposition_fail(x, "a sample of no family");
    bool ok = exposition_is_new(x, &sample) && exposition_of_family(x, &sample, sample.name + length);
    x->n_in_family++;
    x->n_in_series++;
    return ok;
}

static inline bool exposition_is_valid(const char *text, char *complaint, size_t size)
{
    struct exposition *x = calloc(1, sizeof *x);
    if (!x)
        return false;
    x->at = text;
    bool ok = true;
    while (ok && *x->at)
        ok = exposition_next(x);
    ok = ok && exposition_end_family(x);
    snprintf(complaint, size, "%s, before: %.60s", x->wrong ? x->wrong : "fine", x->at);
    free(x);
    return ok;
}

#endif
