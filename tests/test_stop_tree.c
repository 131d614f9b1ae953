/* SPDX-License-Identifier: MIT */
/* Stops in trees that are deep or wide. */
#include "support.h"

SUITE(stop_tree);

Test(stop_tree, a_request_reaches_the_end_of_a_chain_too_deep_for_recursion)
{
    enum { DEPTH = 1000000 };
    filch_stop *root, *last;
    must(filch_stop_create(&root, NULL) == 0);
    last = filch_stop_ref(root);
    for (int i = 0; i < DEPTH; i++) {
        filch_stop *child;
        must(filch_stop_create(&child, last) == 0);
        filch_stop_unref(last); /* the child holds it */
        last = child;
    }
    cr_assert(filch_stop_request(root, -EIO));
    cr_assert(filch_stop_requested(last));
    cr_assert_eq(filch_stop_reason(last), -EIO);
    filch_stop_unref(last);
    filch_stop_unref(root);
}

Test(stop_tree, a_request_reaches_every_leaf_with_the_error_that_is_the_reason)
{
    enum { WIDTH = 100 };
    filch_stop *root, *middle[WIDTH], *leaves[WIDTH][WIDTH];
    filch_error *error = filch_error_create(-EIO, "the reason");
    must(filch_stop_create(&root, NULL) == 0);
    for (int i = 0; i < WIDTH; i++) {
        must(filch_stop_create(&middle[i], root) == 0);
        for (int j = 0; j < WIDTH; j++)
            must(filch_stop_create(&leaves[i][j], middle[i]) == 0);
    }
    cr_assert(filch_stop_request(middle[7], -EINTR), "only its own subtree");
    cr_assert_not(filch_stop_requested(root));
    cr_assert(filch_stop_request_error(root, error));
    filch_error_unref(error);
    for (int i = 0; i < WIDTH; i++) {
        for (int j = 0; j < WIDTH; j++) {
            cr_assert_eq(filch_stop_reason(leaves[i][j]), i == 7 ? -EINTR : -EIO);
            filch_stop_unref(leaves[i][j]);
        }
        filch_stop_unref(middle[i]);
    }
    cr_assert_str_eq(filch_error_message(filch_stop_error(root)), "the reason");
    filch_stop_unref(root);
}
