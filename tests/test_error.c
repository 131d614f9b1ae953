/* SPDX-License-Identifier: MIT */
/* Errors: what they hold, their chains, their printing, and that making one never fails. */
#include "error.h"

#include "os.h"
#include "support.h"

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
