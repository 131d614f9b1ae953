/* SPDX-License-Identifier: MIT */
/* Errors: what they hold, their chains, their printing, and that making one never fails. */
#include "error.h"

#include "os.h"
#include "support.h"

#include <wchar.h>

SUITE(error);

/* ---- What they hold ---- */

Test(error, it_holds_a_code_and_a_formatted_message)
{
    filch_error *error = filch_error_create(-EIO, "disk %d of %s is gone", 3, "server");
    cr_assert_eq(filch_error_code(error), -EIO);
    cr_assert_str_eq(filch_error_message(error), "disk 3 of server is gone");
    cr_assert_null(filch_error_task(error));
    cr_assert_null(filch_error_cause(error));
    cr_assert_eq(filch_error_root(error), error);
    filch_error_unref(error);
}

Test(error, a_code_that_is_not_negative_becomes_invalid)
{
    filch_error *zero = filch_error_create(0, "zero"), *positive = filch_error_create(5, "positive");
    cr_assert_eq(filch_error_code(zero), -EINVAL);
    cr_assert_eq(filch_error_code(positive), -EINVAL);
    filch_error_unref(zero);
    filch_error_unref(positive);
}

Test(error, a_long_message_is_kept_whole)
{
    char *text = malloc(100001);
    memset(text, 'x', 100000);
    text[100000] = '\0';
    filch_error *error = filch_error_create(-EIO, "%s", text);
    cr_assert_str_eq(filch_error_message(error), text);
    filch_error_unref(error);
    free(text);
}

Test(error, a_task_name_is_copied_and_an_empty_message_is_fine)
{
    char name[] = "task_30";
    filch_error *error = filchi_error_makef(name, NULL, -EIO, "%s", "");
    memset(name, 'x', sizeof name - 1);
    cr_assert_str_eq(filch_error_task(error), "task_30");
    cr_assert_str_eq(filch_error_message(error), "");
    filch_error_unref(error);
}

/* ---- Chains ---- */

Test(error, code_0_takes_the_code_of_the_cause)
{
    filch_error *cause = filch_error_create(-ECONNREFUSED, "refused");
    filch_error *same = filch_error_create_from(cause, 0, "task 1 ended");
    filch_error *other = filch_error_create_from(cause, -EIO, "task 2 ended");
    cr_assert_eq(filch_error_code(same), -ECONNREFUSED);
    cr_assert_eq(filch_error_code(other), -EIO);
    filch_error_unref(cause);
    cr_assert_str_eq(filch_error_message(filch_error_cause(same)), "refused");
    filch_error_unref(same);
    filch_error_unref(other);
}

Test(error, the_root_is_the_end_of_the_chain)
{
    filch_error *root = filch_error_create(-EIO, "root");
    filch_error *middle = filch_error_create_from(root, 0, "middle");
    filch_error *top = filch_error_create_from(middle, 0, "top");
    cr_assert_eq(filch_error_root(top), root);
    cr_assert_eq(filch_error_cause(top), middle);
    filch_error_unref(root);
    filch_error_unref(middle);
    filch_error_unref(top);
}

Test(error, a_reference_keeps_it)
{
    filch_error *error = filch_error_create(-EIO, "kept");
    filch_error *again = filch_error_ref(error);
    cr_assert_eq(again, error);
    filch_error_unref(error);
    cr_assert_str_eq(filch_error_message(again), "kept");
    filch_error_cleanup(&again);
}

Test(error, none_is_a_fine_error_to_hold_and_let_go)
{
    cr_assert_null(filch_error_ref(NULL));
    filch_error_unref(NULL);
    cr_assert_null(filch_error_root(NULL));
    filch_error *error = filch_error_create_from(NULL, -EIO, "no cause");
    cr_assert_null(filch_error_cause(error));
    filch_error_unref(error);
}

Test(error, a_chain_of_a_million_is_freed_without_recursion)
{
    filch_error *error = filch_error_create(-EIO, "root");
    for (int i = 0; i < 1000000; i++) {
        filch_error *next = filch_error_create_from(error, 0, "n");
        filch_error_unref(error);
        error = next;
    }
    cr_assert_str_eq(filch_error_message(filch_error_root(error)), "root");
    filch_error_unref(error);
}

/* ---- Attempts and suppressed errors ---- */

Test(error, an_attempt_is_kept_with_the_code_of_what_failed_last)
{
    filch_error *last = filch_error_create(-ECONNREFUSED, "refused");
    filch_error *error = filchi_error_with_attempt("get", last, 3, "%d attempts failed", 3);
    cr_assert_eq(filch_error_attempt(last), 0);
    filch_error_unref(last);
    cr_assert_eq(filch_error_attempt(error), 3);
    cr_assert_eq(filch_error_code(error), -ECONNREFUSED);
    cr_assert_str_eq(filch_error_task(error), "get");
    cr_assert_str_eq(filch_error_message(error), "3 attempts failed");
    cr_assert_str_eq(filch_error_message(filch_error_cause(error)), "refused");
    filch_error_unref(error);
}

/* An error with a task, an attempt and a cause that kept `n_kept` of `n_all` suppressed ones: "s0", "s1" and so on. */
static filch_error *suppressing(size_t n_kept, size_t n_all)
{
    filch_error *cause = filch_error_create(-EIO, "cause"), *kept[8];
    filch_error *first = filchi_error_with_attempt("first", cause, 2, "failed");
    for (size_t i = 0; i < n_kept; i++)
        kept[i] = filchi_error_makef("later", NULL, -EPIPE, "s%zu", i);
    filch_error *error =
        filchi_error_with_suppressed(first, (const filch_error *const *)(void *)kept, n_kept, n_all);
    for (size_t i = 0; i < n_kept; i++)
        filch_error_unref(kept[i]);
    filch_error_unref(first);
    filch_error_unref(cause);
    return error;
}

Test(error, suppressed_errors_are_counted_and_those_kept_can_be_had)
{
    filch_error *error = suppressing(2, 5);
    cr_assert_eq(filch_error_suppressed_count(error), 5);
    cr_assert_str_eq(filch_error_message(filch_error_suppressed(error, 0)), "s0");
    cr_assert_str_eq(filch_error_message(filch_error_suppressed(error, 1)), "s1");
    cr_assert_null(filch_error_suppressed(error, 2));
    cr_assert_null(filch_error_suppressed(error, SIZE_MAX));
    filch_error_unref(error);
}

Test(error, with_suppressed_ones_the_rest_is_a_copy)
{
    filch_error *error = suppressing(1, 1);
    cr_assert_eq(filch_error_code(error), -EIO);
    cr_assert_eq(filch_error_attempt(error), 2);
    cr_assert_str_eq(filch_error_task(error), "first");
    cr_assert_str_eq(filch_error_message(error), "failed");
    cr_assert_str_eq(filch_error_message(filch_error_cause(error)), "cause");
    filch_error_unref(error);
}

Test(error, an_error_that_suppressed_some_can_suppress_more)
{
    filch_error *error = suppressing(1, 3), *later = filch_error_create(-EIO, "even later");
    const filch_error *kept[] = { later };
    filch_error *more = filchi_error_with_suppressed(error, kept, 1, 2);
    filch_error_unref(error);
    filch_error_unref(later);
    cr_assert_eq(filch_error_suppressed_count(more), 5);
    cr_assert_str_eq(filch_error_message(filch_error_suppressed(more, 0)), "s0");
    cr_assert_str_eq(filch_error_message(filch_error_suppressed(more, 1)), "even later");
    cr_assert_null(filch_error_suppressed(more, 2));
    filch_error_unref(more);
}

Test(error, nothing_suppressed_is_the_error_itself)
{
    filch_error *error = filch_error_create(-EIO, "alone");
    filch_error *same = filchi_error_with_suppressed(error, NULL, 0, 0);
    cr_assert_eq(same, error);
    cr_assert_eq(filch_error_suppressed_count(error), 0);
    cr_assert_null(filch_error_suppressed(error, 0));
    filch_error_unref(error);
    filch_error_unref(same);
}

Test(error, suppressed_ones_of_suppressed_ones_are_freed_without_recursion)
{
    filch_error *error = filch_error_create(-EIO, "innermost");
    for (int i = 0; i < 300000; i++) { /* each holds its predecessor both ways */
        const filch_error *kept[] = { error };
        filch_error *next = filch_error_create_from(i % 2 ? error : NULL, -EIO, "n");
        filch_error *outer = filchi_error_with_suppressed(next, kept, 1, 1);
        filch_error_unref(next);
        filch_error_unref(error);
        error = outer;
    }
    filch_error_unref(error);
}

/* ---- Printing ---- */

static filch_error *chain(void)
{
    filch_error *root = filchi_error_makef("task1/2", NULL, -ECONNREFUSED, "GET x");
    filch_error *top = filchi_error_makef("task1", root, -EIO, "a sub task failed");
    filch_error_unref(root);
    return top;
}

#define PRINTED                                        \
    "[task1] a sub task failed (Input/output error)\n" \
    "  caused by: [task1/2] GET x (Connection refused)\n"

Test(error, the_format_has_a_line_for_each_link)
{
    filch_error *error = chain();
    char buffer[256];
    cr_assert_eq(filch_error_format(error, buffer, sizeof buffer), strlen(PRINTED));
    cr_assert_str_eq(buffer, PRINTED);
    filch_error_unref(error);
}

static void assert_printed(const filch_error *error, const char *expected)
{
    char buffer[512] = "";
    cr_assert_eq(filch_error_format(error, buffer, sizeof buffer), strlen(expected));
    cr_assert_str_eq(buffer, expected);
}

Test(error, the_format_shows_the_attempt_and_after_the_causes_what_was_suppressed)
{
    filch_error *error = suppressing(2, 2);
    assert_printed(error, "[first, attempt 2] failed (Input/output error)\n"
                          "  caused by: cause (Input/output error)\n"
                          "  suppressed: [later] s0 (Broken pipe)\n"
                          "  suppressed: [later] s1 (Broken pipe)\n");
    filch_error_unref(error);
}

Test(error, the_format_shows_what_caused_the_suppressed_ones)
{
    filch_error *first = filch_error_create(-EIO, "first"), *root = filch_error_create(-ENOSPC, "no space");
    filch_error *later = filch_error_create_from(root, -EPIPE, "later");
    const filch_error *kept[] = { later };
    filch_error *error = filchi_error_with_suppressed(first, kept, 1, 1);
    assert_printed(error, "first (Input/output error)\n"
                          "  suppressed: later (Broken pipe)\n"
                          "    caused by: no space (No space left on device)\n");
    filch_error_unref(error);
    filch_error_unref(later);
    filch_error_unref(root);
    filch_error_unref(first);
}

Test(error, the_format_says_how_many_suppressed_ones_were_not_kept)
{
    filch_error *inner = suppressing(1, 10), *outer = filchi_error_makef("outer", inner, 0, "ended");
    filch_error_unref(inner);
    assert_printed(outer, "[outer] ended (Input/output error)\n"
                          "  caused by: [first, attempt 2] failed (Input/output error)\n"
                          "  caused by: cause (Input/output error)\n"
                          "  suppressed: [later] s0 (Broken pipe)\n"
                          "  suppressed: 9 more\n");
    filch_error_unref(outer);
}

Test(error, the_format_of_an_attempt_without_a_name_shows_the_attempt)
{
    filch_error *cause = filch_error_create(-EIO, "cause");
    filch_error *error = filchi_error_with_attempt(NULL, cause, 1, "failed");
    filch_error_unref(cause);
    assert_printed(error, "[attempt 1] failed (Input/output error)\n"
                          "  caused by: cause (Input/output error)\n");
    filch_error_unref(error);
}

Test(error, the_format_is_cut_like_that_of_snprintf)
{
    filch_error *error = chain();
    for (size_t size = 0; size <= sizeof PRINTED + 1; size++) {
        char buffer[sizeof PRINTED + 2];
        memset(buffer, '#', sizeof buffer);
        cr_assert_eq(filch_error_format(error, buffer, size), strlen(PRINTED));
        size_t shown = size < sizeof PRINTED ? size : sizeof PRINTED;
        if (shown) {
            cr_assert_eq(memcmp(buffer, PRINTED, shown - 1), 0);
            cr_assert_eq(buffer[shown - 1], '\0');
        }
        cr_assert_eq(buffer[shown], '#', "nothing is written past %zu", size);
    }
    cr_assert_eq(filch_error_format(error, NULL, 0), strlen(PRINTED));
    filch_error_unref(error);
}

Test(error, printing_writes_what_format_gives)
{
    filch_error *error = chain();
    char buffer[256] = "";
    FILE *stream = fmemopen(buffer, sizeof buffer, "w");
    cr_assert_eq(filch_error_print(error, stream), 0);
    fclose(stream);
    cr_assert_str_eq(buffer, PRINTED);
    filch_error_unref(error);
}

Test(error, printing_to_a_full_stream_fails)
{
    filch_error *error = chain();
    FILE *full = fopen("/dev/full", "w");
    setvbuf(full, NULL, _IONBF, 0);
    cr_assert_eq(filch_error_print(error, full), -EIO);
    fclose(full);
    filch_error_unref(error);
}

Test(error, an_unknown_code_is_printed_as_a_number)
{
    filch_error *error = filch_error_create(-123456, "odd");
    char buffer[128];
    filch_error_format(error, buffer, sizeof buffer);
    cr_assert_not_null(strstr(buffer, "123456"));
    filch_error_unref(error);
}

/* ---- Without memory ---- */

Test(error, without_memory_a_static_error_stands_in)
{
    filch_error *cause = filch_error_create(-EIO, "cause");
    atomic_store(&filchi_os_faults.allocations, -1);
    filch_error *error = filch_error_create_from(cause, 0, "no room for %s", "this");
    atomic_store(&filchi_os_faults.allocations, 0);
    cr_assert_not_null(error);
    cr_assert_eq(filch_error_code(error), -ENOMEM);
    cr_assert_neq(strlen(filch_error_message(error)), 0);
    cr_assert_null(filch_error_cause(error));
    for (int i = 0; i < 3; i++) /* it is not counted, and never freed */
        filch_error_unref(filch_error_ref(error));
    filch_error_unref(error);
    cr_assert_eq(filch_error_code(error), -ENOMEM);
    filch_error_unref(cause);
}

Test(error, the_static_error_may_be_a_cause)
{
    atomic_store(&filchi_os_faults.allocations, 1);
    filch_error *cause = filch_error_create(-EIO, "lost");
    filch_error *error = filch_error_create_from(cause, 0, "kept");
    filch_error_unref(cause);
    cr_assert_eq(filch_error_code(error), -ENOMEM);
    cr_assert_eq(filch_error_code(filch_error_root(error)), -ENOMEM);
    filch_error_unref(error);
}

Test(error, without_memory_for_suppressed_ones_the_error_stands_alone)
{
    filch_error *error = filch_error_create(-EIO, "first"), *later = filch_error_create(-EIO, "later");
    const filch_error *kept[] = { later };
    atomic_store(&filchi_os_faults.allocations, -1);
    filch_error *same = filchi_error_with_suppressed(error, kept, 1, 1);
    atomic_store(&filchi_os_faults.allocations, 0);
    cr_assert_eq(same, error);
    cr_assert_eq(filch_error_suppressed_count(same), 0);
    filch_error_unref(same);
    filch_error_unref(later);
    filch_error_unref(error);
}

Test(error, the_static_error_may_stand_in_for_an_attempt_and_suppress_others)
{
    filch_error *cause = filch_error_create(-EIO, "cause");
    const filch_error *kept[] = { cause };
    atomic_store(&filchi_os_faults.allocations, -1);
    filch_error *lost = filchi_error_with_attempt("task", cause, 4, "failed");
    atomic_store(&filchi_os_faults.allocations, 0);
    cr_assert_eq(filch_error_code(lost), -ENOMEM);
    cr_assert_eq(filch_error_attempt(lost), 0);
    filch_error *error = filchi_error_with_suppressed(lost, kept, 1, 1);
    filch_error_unref(cause);
    cr_assert_eq(filch_error_code(error), -ENOMEM);
    cr_assert_eq(filch_error_suppressed_count(error), 1);
    cr_assert_eq(filch_error_suppressed_count(lost), 0);
    filch_error_unref(error);
}

Test(error, a_message_that_cannot_be_printed_is_empty)
{
    static const char format[] = "%lc"; /* no such character */
    filch_error *error = filch_error_create(-EIO, format, (wint_t)0xD800);
    cr_assert_eq(filch_error_code(error), -EIO);
    cr_assert_str_eq(filch_error_message(error), "");
    filch_error_unref(error);
}
