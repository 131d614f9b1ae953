/* SPDX-License-Identifier: MIT */
/* Reading the catalogue: whatever is wrong in it is said with the name of the workload that it is wrong in. */
#include "catalogue.h"

#include "complain.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *const effort_names[EFFORT_COUNT] = { "full", "quick", "smoke" };

const struct workload *catalogue_workload(const struct catalogue *catalogue, const char *name)
{
    for (size_t i = 0; i < catalogue->count; i++) {
        if (strcmp(catalogue->workloads[i].name, name) == 0)
            return &catalogue->workloads[i];
    }
    return NULL;
}

const struct workload *catalogue_served_by(const struct catalogue *catalogue, const char *program)
{
    for (size_t i = 0; i < catalogue->count; i++) {
        if (strcmp(catalogue->workloads[i].program, program) == 0)
            return &catalogue->workloads[i];
    }
    return NULL;
}

const struct peer *catalogue_peer(const struct catalogue *catalogue, const char *name)
{
    for (size_t i = 0; i < catalogue->peer_count; i++) {
        if (strcmp(catalogue->peers[i].name, name) == 0)
            return &catalogue->peers[i];
    }
    return NULL;
}

/* ---- Parts of a workload; each complains with `where` --------------------------------------------------------- */

static int read_setting(struct setting *out, json_t *json, const char *where, const char *effort)
{
    json_error_t error;
    json_t *workers = NULL, *check = NULL, *item;
    json_int_t size;
    int rounds = 3, warmup = 1;
    size_t i;
    if (json_unpack_ex(json, &error, JSON_STRICT, "{s:I s?i s?i s?o s?o}", "size", &size, "rounds", &rounds,
                       "warmup", &warmup, "workers", &workers, "check", &check) != 0)
        return complain(-EINVAL, "%s, %s: %s", where, effort, error.text);
    if (size < 0 || rounds < 1 || warmup < 0 || json_array_size(workers) > MOST_WORKERS)
        return complain(-EINVAL, "%s, %s: a number is out of range", where, effort);
    *out = (struct setting) { .size = size, .rounds = (unsigned)rounds, .warmup = (unsigned)warmup };
    out->has_check = json_is_integer(check);
    out->check = json_integer_value(check);
    json_array_foreach(workers, i, item) out->workers[i] = (unsigned)json_integer_value(item);
    out->worker_count = json_array_size(workers);
    if (out->worker_count == 0)
        out->workers[out->worker_count++] = 2;
    return 0;
}

static int read_settings(struct workload *out, json_t *json)
{
    for (int i = 0; i < EFFORT_COUNT; i++) {
        int rc =
            read_setting(&out->settings[i], json_object_get(json, effort_names[i]), out->name, effort_names[i]);
        if (rc)
            return rc;
    }
    return 0;
}

static int read_figures(struct workload *out, json_t *json)
{
    json_error_t error;
    json_t *item;
    size_t i;
    if (json_array_size(json) == 0 || json_array_size(json) > MOST_FIGURES)
        return complain(-EINVAL, "%s: 1 to %d figures", out->name, MOST_FIGURES);
    json_array_foreach(json, i, item)
    {
        struct figure *figure = &out->figures[i];
        *figure = (struct figure) { .label = "", .divide = 1 };
        if (json_unpack_ex(item, &error, JSON_STRICT, "{s:s s:s s?s s?F s?F}", "key", &figure->key, "unit",
                           &figure->unit, "label", &figure->label, "divide", &figure->divide, "size_counts",
                           &figure->size_counts) != 0)
            return complain(-EINVAL, "%s: figures: %s", out->name, error.text);
    }
    out->figure_count = i;
    return 0;
}

static int read_peers(struct workload *out, json_t *names, json_t *slow, const struct catalogue *catalogue)
{
    json_t *item, *other;
    size_t i, j;
    if (json_array_size(names) == 0 || json_array_size(names) > MOST_PEERS)
        return complain(-EINVAL, "%s: 1 to %d peers", out->name, MOST_PEERS);
    json_array_foreach(names, i, item)
    {
        const char *name = json_string_value(item);
        out->peers[i] = name ? catalogue_peer(catalogue, name) : NULL;
        if (!out->peers[i])
            return complain(-EINVAL, "%s: unknown peer %s", out->name, name ? name : "that is no string");
        json_array_foreach(slow, j, other) out->slow[i] |= json_equal(item, other);
    }
    out->peer_count = i;
    return 0;
}

static int read_workload(struct workload *out, json_t *json, const struct catalogue *catalogue)
{
    json_error_t error;
    json_t *figures, *peers, *slow = NULL, *full, *quick, *smoke;
    json_int_t chunk = 0;
    int producers = 0;
    if (json_unpack_ex(json, &error, JSON_STRICT, "{s:s s:s s:s s?s s:o s?i s?I s?F s:o s:o s:o s:o s?o}", "name",
                       &out->name, "title", &out->title, "stresses", &out->stresses, "program", &out->program,
                       "figures", &figures, "producers", &producers, "chunk", &chunk, "load", &out->load, "full",
                       &full, "quick", &quick, "smoke", &smoke, "peers", &peers, "slow", &slow) != 0)
        return complain(-EINVAL, "%s: %s", out->name ? out->name : "a workload", error.text);
    out->producers = (unsigned)producers;
    out->chunk = chunk;
    if (!out->program)
        out->program = out->name;
    int rc = read_figures(out, figures);
    if (rc == 0)
        rc = read_peers(out, peers, slow, catalogue);
    return rc ? rc : read_settings(out, json);
}

/* ---- The whole ------------------------------------------------------------------------------------------------- */

static int read_all(struct catalogue *out)
{
    json_error_t error;
    json_t *peers, *workloads, *item;
    size_t i;
    if (json_unpack_ex(out->json, &error, JSON_STRICT, "{s:o s:o}", "peers", &peers, "workloads", &workloads) != 0)
        return complain(-EINVAL, "catalogue: %s", error.text);
    out->peers = calloc(json_array_size(peers) + 1, sizeof *out->peers);
    out->workloads = calloc(json_array_size(workloads) + 1, sizeof *out->workloads);
    if (!out->peers || !out->workloads)
        return complain(-ENOMEM, "catalogue: out of memory");
    json_array_foreach(peers, i, item)
    {
        struct peer *peer = &out->peers[out->peer_count++];
        if (json_unpack_ex(item, &error, JSON_STRICT, "{s:s s:s}", "name", &peer->name, "title", &peer->title) != 0)
            return complain(-EINVAL, "catalogue: peers: %s", error.text);
    }
    json_array_foreach(workloads, i, item)
    {
        int rc = read_workload(&out->workloads[out->count++], item, out);
        if (rc)
            return rc;
    }
    return 0;
}

int catalogue_load(struct catalogue *out, const char *file)
{
    json_error_t error;
    struct catalogue loaded = { .json = json_load_file(file, JSON_REJECT_DUPLICATES, &error) };
    if (!loaded.json)
        return complain_of_json(file, &error);
    int rc = read_all(&loaded);
    if (rc)
        catalogue_fini(&loaded);
    else
        *out = loaded;
    return rc;
}

void catalogue_fini(struct catalogue *catalogue)
{
    free(catalogue->workloads);
    free(catalogue->peers);
    json_decref(catalogue->json);
    *catalogue = (struct catalogue) { 0 };
}
