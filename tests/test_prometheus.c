/* SPDX-License-Identifier: MIT */
/* The text of the metrics: it is of the grammar of Prometheus, and tells what the numbers tell. */
#include "exposition.h"
#include "support.h"

SUITE(prometheus);

static filch_pool *busy_pool(const char *name, bool measured)
{
    filch_pool_options options = FILCH_POOL_OPTIONS;
    filch_pool *pool = NULL;
    options.workers = 2;
    options.name = name;
    options.metrics = measured;
    must(filch_pool_create(&pool, &options) == 0);
    for (int i = 0; i < 300; i++)
        must(filch_submit(pool, do_nothing, NULL, NULL) == 0);
    must(filch_pool_shutdown(pool, FILCH_SHUTDOWN_WAIT, FILCH_FOREVER, NULL) == 0);
    return pool;
}

/* All of the text; the caller's to free. */
static char *text_of(filch_pool *pool)
{
    int64_t length = filch_metrics_format(&pool, 1, NULL, 0);
    must(length > 0);
    char *text = malloc((size_t)length + 1);
    must(text);
    must(filch_metrics_format(&pool, 1, text, (size_t)length + 1) == length && strlen(text) == (size_t)length);
    return text;
}

/* What stands behind `sample` on its line; there must be one such line. */
static const char *value_of(const char *text, const char *sample)
{
    const char *at = strstr(text, sample);
    must(at && (at == text || at[-1] == '\n'));
    return at + strlen(sample);
}

Test(prometheus, the_text_is_of_its_grammar)
{
    for (int measured = 0; measured < 2; measured++) {
        filch_pool *pool = busy_pool("fetch", measured);
        char *text = text_of(pool);
        char complaint[128];
        cr_assert(exposition_is_valid(text, complaint, sizeof complaint), "%s", complaint);
        free(text);
        filch_pool_destroy(pool);
    }
}

Test(prometheus, the_numbers_are_those_of_the_snapshot)
{
    filch_pool *pool = busy_pool("fetch", true);
    filch_metrics metrics = FILCH_METRICS;
    char *text = text_of(pool);
    must(filch_metrics_get(pool, &metrics) == 0);
    cr_assert_eq(atoll(value_of(text, "filch_tasks_submitted_total{pool=\"fetch\"} ")), 300);
    cr_assert_eq(atoll(value_of(text, "filch_attempts_total{pool=\"fetch\",state=\"done\"} ")), 300);
    cr_assert_eq(strtoull(value_of(text, "filch_task_run_seconds_count{pool=\"fetch\"} "), NULL, 10),
                 metrics.run.count);
    cr_assert_eq(strtoull(value_of(text, "filch_task_run_seconds_bucket{pool=\"fetch\",le=\"+Inf\"} "), NULL, 10),
                 metrics.run.count);
    double sum = atof(value_of(text, "filch_task_run_seconds_sum{pool=\"fetch\"} "));
    cr_assert(sum * 1e9 - (double)metrics.run.sum_ns < 1.0 && (double)metrics.run.sum_ns - sum * 1e9 < 1.0);
    value_of(text, "filch_task_wait_seconds_bucket{pool=\"fetch\",le=\"0.000000064\"} ");
    value_of(text, "filch_task_wait_seconds_bucket{pool=\"fetch\",le=\"68.719476736\"} ");
    value_of(text, "filch_worker_tasks_total{pool=\"fetch\",worker=\"1\"} ");
    free(text);
    filch_pool_destroy(pool);
}

Test(prometheus, several_pools_make_one_text)
{
    filch_pool *pools[] = { busy_pool("one", true), busy_pool("two", true), busy_pool("three", false) };
    char complaint[128];
    int64_t length = filch_metrics_format(pools, 3, NULL, 0);
    must(length > 0);
    char *text = malloc((size_t)length + 1);
    must(text && filch_metrics_format(pools, 3, text, (size_t)length + 1) == length);
    cr_assert(exposition_is_valid(text, complaint, sizeof complaint), "%s", complaint);
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "two" : "one";
        char sample[96];
        snprintf(sample, sizeof sample, "filch_attempts_total{pool=\"%s\",state=\"done\"} ", name);
        cr_assert_eq(atoll(value_of(text, sample)), 300);
        snprintf(sample, sizeof sample, "filch_task_run_seconds_count{pool=\"%s\"} ", name);
        value_of(text, sample);
    }
    cr_assert_eq(atoll(value_of(text, "filch_tasks_submitted_total{pool=\"three\"} ")), 300);
    cr_assert_null(strstr(text, "filch_task_run_seconds_count{pool=\"three\"}"), "it does not measure");
    filch_pool *const bad[] = { pools[0], NULL };
    text[0] = 'x';
    cr_assert_eq(filch_metrics_format(bad, 2, text, 1), -EINVAL);
    cr_assert_eq(filch_metrics_format(pools, 0, text, 1), -EINVAL);
    cr_assert_eq(text[0], 'x', "the buffer is untouched");
    free(text);
    for (int i = 0; i < 3; i++)
        filch_pool_destroy(pools[i]);
}

Test(prometheus, the_name_of_the_pool_is_escaped)
{
    filch_pool *pool = busy_pool("a\"b\\c\nd", false);
    char *text = text_of(pool);
    char complaint[128];
    cr_assert(exposition_is_valid(text, complaint, sizeof complaint), "%s", complaint);
    value_of(text, "filch_workers{pool=\"a\\\"b\\\\c\\nd\"} 2");
    free(text);
    filch_pool_destroy(pool);
}

Test(prometheus, a_short_buffer_is_filled_and_the_whole_length_told)
{
    filch_pool *pool = busy_pool("fetch", true);
    char *text = text_of(pool), part[1000];
    filch_pool *none = NULL;
    cr_assert_eq((size_t)filch_metrics_format(&pool, 1, part, sizeof part), strlen(text));
    cr_assert(strlen(part) == sizeof part - 1 && memcmp(part, text, sizeof part - 1) == 0);
    cr_assert_eq((size_t)filch_metrics_format(&pool, 1, part, 1), strlen(text));
    cr_assert_eq(part[0], 0);
    cr_assert_eq(filch_metrics_format(&none, 1, part, 1), -EINVAL);
    free(text);
    filch_pool_destroy(pool);
}

/* A part of valid text with each of these in the place of its last line. */
Test(prometheus, the_checker_finds_what_is_wrong)
{
    static const char good[] = "# HELP a_total some\n# TYPE a_total counter\na_total{x=\"1\"} 4\n";
    static const char *const bad[] = {
        "a_total{x=\"1\"} 4",           /* the same sample again, and no end of line */
        "a_total{x=\"1\"} 4\n",         /* the same sample again */
        "a_total{x=\"2\"}\n",           /* no value */
        "a_total{x=\"2\"} four\n",      /* no number */
        "a_total{x=\"2} 4\n",           /* no closing quote */
        "a_total{x=\"\\q\"} 4\n",       /* no such escape */
        "a_total{x:y=\"1\"} 4\n",       /* no name of a label */
        "a_total{x=\"1\",x=\"2\"} 4\n", /* a label twice */
        "4a{x=\"1\"} 4\n",              /* no name of a metric */
        "b{x=\"1\"} 4\n",               /* of no family */
        "# HELP h x\n# TYPE h histogram\nh_bucket{p=\"1\",le=\"+Inf\"} 1\nh_bucket{p=\"2\",le=\"+Inf\"} 1\n"
        "h_sum{p=\"2\"} 1\nh_count{p=\"2\"} 1\n", /* one set of labels without its sum and count */
        "# TYPE b thing\nb 1\n",                  /* no such type */
        "# TYPE a_total counter\n",               /* a second time */
        "# HELP b some\n# TYPE b counter\nb 1\n", /* a counter without _total */
        "# HELP b some\n# TYPE b gauge\nb 1\na_total{x=\"2\"} 1\n", /* samples of a family that is over */
        "# HELP b some\n# TYPE b histogram\nb_bucket{le=\"+Inf\"} 1\nb_sum 1\n",         /* no count */
        "# HELP b some\n# TYPE b histogram\nb_bucket{le=\"1\"} 1\nb_sum 1\nb_count 1\n", /* no +Inf */
        /* NOLINTNEXTLINE(bugprone-suspicious-missing-comma): one text on two lines */
        "# HELP b some\n# TYPE b histogram\nb_bucket{le=\"1\"} 3\nb_bucket{le=\"2\"} 2\nb_bucket{le=\"+Inf\"} 3\n"
        "b_sum 1\nb_count 3\n", /* not cumulative */
        "# HELP b some\n# TYPE b histogram\nb_bucket{le=\"2\"} 1\nb_bucket{le=\"1\"} 1\nb_bucket{le=\"+Inf\"} 1\n"
        "b_sum 1\nb_count 1\n",                                                             /* bounds in no order */
        "# HELP b some\n# TYPE b histogram\nb_bucket{le=\"+Inf\"} 1\nb_sum 1\nb_count 2\n", /* another count */
        "# HELP b some\n# TYPE b gauge\n",                                                  /* no sample */
        "a_total{x=\"2\"} -4\n",                                                            /* a counter below 0 */
    };
    char complaint[128];
    cr_assert(exposition_is_valid(good, complaint, sizeof complaint), "%s", complaint);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[512];
        snprintf(text, sizeof text, "%s%s", good, bad[i]);
        cr_assert(!exposition_is_valid(text, complaint, sizeof complaint), "passes: %s", bad[i]);
    }
}

/* Where it is installed (Debian: prometheus): the judgement of those who made the format. */
Test(prometheus, promtool_has_nothing_to_complain_of)
{
    if (system("command -v promtool >/dev/null 2>&1"))
        cr_skip_test("promtool is not here");
    filch_pool *pool = busy_pool("fetch", true);
    char *text = text_of(pool);
    FILE *promtool = popen("promtool check metrics", "w"); /* NOLINT(cert-env33-c): a test, with a fixed command */
    must(promtool && fputs(text, promtool) >= 0);
    cr_assert_eq(pclose(promtool), 0);
    free(text);
    filch_pool_destroy(pool);
}
