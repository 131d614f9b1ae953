/* SPDX-License-Identifier: MIT */
/*
 * Results as JSON. A file holds every sample, so that a saved run can be reported and compared as if it had just been
 * measured; medians and quartiles stand beside them for other readers.
 */
#include "results.h"

#include "complain.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT 1

static const char *const state_names[] = { "ok", "missing", "failed" };

/* ---- Out. jansson's "o" and _new() functions take over what they are given, NULL included, and then fail ---------- */

static json_t *samples_out(const struct samples *samples)
{
    json_t *list = json_array();
    for (size_t i = 0; i < samples->count; i++)
        json_array_append_new(list, json_real(samples->values[i]));
    return list;
}

static json_t *figure_out(struct samples *samples, const struct figure *figure)
{
    struct summary summary = samples_summary(samples);
    return json_pack("{s:s s:f s:f s:f s:f s:f s:o}", "unit", figure->unit, "median", summary.median, "min",
                     summary.min, "q1", summary.q1, "q3", summary.q3, "max", summary.max, "samples",
                     samples_out(samples));
}

static json_t *cell_out(struct cell *cell, const struct workload *workload)
{
    if (cell->state != CELL_OK)
        return json_pack("{s:s s:s s:s}", "peer", cell->peer->name, "state", state_names[cell->state], "reason",
                         cell->reason);
    json_t *figures = json_object();
    for (size_t i = 0; i < workload->figure_count; i++)
        json_object_set_new(figures, workload->figures[i].key,
                            figure_out(&cell->figures[i], &workload->figures[i]));
    return json_pack("{s:s s:s s:I s:I s:o}", "peer", cell->peer->name, "state", state_names[CELL_OK], "peak_kb",
                     (json_int_t)cell->peak_kb, "check", (json_int_t)cell->check, "figures", figures);
}

static json_t *case_out(struct measured *measured)
{
    json_t *cells = json_array();
    for (size_t i = 0; i < measured->cell_count; i++)
        json_array_append_new(cells, cell_out(&measured->cells[i], measured->workload));
    return json_pack("{s:s s:i s:I s:o}", "workload", measured->workload->name, "workers", (int)measured->workers,
                     "size", (json_int_t)measured->size, "peers", cells);
}

static json_t *machine_out(const struct machine *machine)
{
    return json_pack("{s:s s:i s:f s:s s:s s:s s:s s:s}", "cpu", machine->cpu, "cores", machine->cores,
                     "memory_gib", machine->memory_gib, "kernel", machine->kernel, "compiler", machine->compiler,
                     "governor", machine->governor, "load", machine->load, "date", machine->date);
}

int results_save(const struct results *results, const char *file)
{
    json_t *cases = json_array();
    for (size_t i = 0; i < results->count; i++)
        json_array_append_new(cases, case_out(&results->cases[i]));
    json_t *all = json_pack("{s:i s:b s:i s:o s:o s:o}", "filch_bench", FORMAT, "quick", (int)results->quick,
                            "repeats", (int)results->repeats, "machine", machine_out(&results->machine),
                            "calibration_ms", samples_out(&results->calibration), "cases", cases);
    int rc = 0;
    if (!all)
        rc = complain(-ENOMEM, "%s: out of memory", file);
    else if (json_dump_file(all, file, JSON_INDENT(1) | JSON_REAL_PRECISION(15)) != 0)
        rc = complain(-EIO, "%s: cannot be written", file);
    json_decref(all);
    return rc;
}

/* ---- In -------------------------------------------------------------------------------------------------------- */

static int samples_in(struct samples *out, json_t *list)
{
    json_t *item;
    size_t i;
    json_array_foreach(list, i, item)
    {
        int rc = json_is_number(item) ? samples_add(out, json_number_value(item)) : -EINVAL;
        if (rc)
            return rc;
    }
    return out->count > 0 ? 0 : -EINVAL;
}

static void text_in(char *out, size_t size, json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    snprintf(out, size, "%s", text ? text : "unknown");
}

static void machine_in(struct machine *out, json_t *json)
{
    text_in(out->cpu, sizeof out->cpu, json, "cpu");
    text_in(out->kernel, sizeof out->kernel, json, "kernel");
    text_in(out->compiler, sizeof out->compiler, json, "compiler");
    text_in(out->governor, sizeof out->governor, json, "governor");
    text_in(out->load, sizeof out->load, json, "load");
    text_in(out->date, sizeof out->date, json, "date");
    out->cores = (int)json_integer_value(json_object_get(json, "cores"));
    out->memory_gib = json_number_value(json_object_get(json, "memory_gib"));
}

static int cell_in(struct cell *out, json_t *json, const struct workload *workload)
{
    const char *state = json_string_value(json_object_get(json, "state"));
    if (!state)
        return -EINVAL;
    if (strcmp(state, state_names[CELL_OK]) != 0) {
        out->state = strcmp(state, state_names[CELL_MISSING]) == 0 ? CELL_MISSING : CELL_FAILED;
        text_in(out->reason, sizeof out->reason, json, "reason");
        return 0;
    }
    out->peak_kb = (long)json_integer_value(json_object_get(json, "peak_kb"));
    out->check = json_integer_value(json_object_get(json, "check"));
    out->has_check = true;
    json_t *figures = json_object_get(json, "figures");
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < workload->figure_count; i++) {
        json_t *figure = json_object_get(figures, workload->figures[i].key);
        rc = samples_in(&out->figures[i], json_object_get(figure, "samples"));
    }
    return rc;
}

static int case_in(struct measured *out, json_t *json, const struct catalogue *catalogue, const char *file)
{
    json_t *cells = json_object_get(json, "peers"), *item;
    size_t i;
    out->workers = (unsigned)json_integer_value(json_object_get(json, "workers"));
    out->size = json_integer_value(json_object_get(json, "size"));
    if (json_array_size(cells) > MOST_PEERS)
        return complain(-EINVAL, "%s: too many peers", file);
    json_array_foreach(cells, i, item)
    {
        const char *name = json_string_value(json_object_get(item, "peer"));
        struct cell *cell = &out->cells[out->cell_count];
        cell->peer = name ? catalogue_peer(catalogue, name) : NULL;
        if (!cell->peer) {
            complain(0, "%s: unknown peer %s left out", file, name ? name : "");
            continue;
        }
        out->cell_count++;
        if (cell_in(cell, item, out->workload) != 0)
            return complain(-EINVAL, "%s: %s: the figures of %s are not complete", file, out->workload->name, name);
    }
    return 0;
}

static int cases_in(struct results *out, json_t *list, const struct catalogue *catalogue, const char *file)
{
    json_t *item;
    size_t i;
    out->cases = calloc(json_array_size(list) + 1, sizeof *out->cases);
    if (!out->cases)
        return complain(-ENOMEM, "%s: out of memory", file);
    json_array_foreach(list, i, item)
    {
        const char *name = json_string_value(json_object_get(item, "workload"));
        struct measured *measured = &out->cases[out->count];
        measured->workload = name ? catalogue_workload(catalogue, name) : NULL;
        if (!measured->workload) {
            complain(0, "%s: unknown workload %s left out", file, name ? name : "");
            continue;
        }
        out->count++;
        int rc = case_in(measured, item, catalogue, file);
        if (rc)
            return rc;
    }
    return 0;
}

int results_load(struct results *out, const char *file, const struct catalogue *catalogue)
{
    json_error_t error;
    struct results loaded = { 0 };
    json_t *json = json_load_file(file, 0, &error);
    int rc;
    if (!json)
        return complain_of_json(file, &error);
    if (json_integer_value(json_object_get(json, "filch_bench")) != FORMAT) {
        rc = complain(-EINVAL, "%s: not a saved run of this version", file);
        goto done;
    }
    loaded.quick = json_is_true(json_object_get(json, "quick"));
    loaded.repeats = (unsigned)json_integer_value(json_object_get(json, "repeats"));
    machine_in(&loaded.machine, json_object_get(json, "machine"));
    rc = samples_in(&loaded.calibration, json_object_get(json, "calibration_ms"));
    if (rc)
        complain(rc, "%s: no calibration", file);
    else
        rc = cases_in(&loaded, json_object_get(json, "cases"), catalogue, file);
    if (rc)
        results_fini(&loaded);
    else
        *out = loaded;
done:
    json_decref(json);
    return rc;
}
