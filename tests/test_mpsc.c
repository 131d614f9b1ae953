/* SPDX-License-Identifier: MIT */
/* The queue of many producers: what push and pop say of its ends. */
#include "mpsc.h"

#include "support.h"

SUITE(mpsc);

Test(mpsc, a_push_says_whether_the_queue_was_empty)
{
    struct filchi_mpsc queue;
    struct filchi_mpsc_node nodes[2], *out;
    filchi_mpsc_init(&queue);
    cr_assert(filchi_mpsc_empty(&queue));
    cr_assert(filchi_mpsc_push(&queue, &nodes[0]));
    cr_assert_not(filchi_mpsc_push(&queue, &nodes[1]));
    cr_assert_not(filchi_mpsc_empty(&queue));
    cr_assert_eq(filchi_mpsc_pop(&queue, &out), FILCHI_MPSC_ONE);
    cr_assert_eq(filchi_mpsc_pop(&queue, &out), FILCHI_MPSC_LAST);
    cr_assert(filchi_mpsc_push(&queue, &nodes[0]), "after LAST the next push says it was empty");
}

Test(mpsc, a_pop_tells_the_last_from_the_others_and_from_none)
{
    struct filchi_mpsc queue;
    struct filchi_mpsc_node nodes[3], *out = NULL;
    filchi_mpsc_init(&queue);
    cr_assert_eq(filchi_mpsc_pop(&queue, &out), FILCHI_MPSC_EMPTY);
    cr_assert_null(out);
    for (int i = 0; i < 3; i++)
        filchi_mpsc_push(&queue, &nodes[i]);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(filchi_mpsc_pop(&queue, &out), i < 2 ? FILCHI_MPSC_ONE : FILCHI_MPSC_LAST);
        cr_assert_eq(out, &nodes[i]);
    }
    cr_assert_eq(filchi_mpsc_pop(&queue, &out), FILCHI_MPSC_EMPTY);
}

Test(mpsc, a_chain_comes_as_one)
{
    struct filchi_mpsc queue;
    struct filchi_mpsc_chain chain = { NULL, NULL };
    struct filchi_mpsc_node nodes[6], *out = NULL;
    filchi_mpsc_init(&queue);
    for (int i = 0; i < 3; i++)
        filchi_mpsc_chain_add(&chain, &nodes[i]);
    cr_assert(filchi_mpsc_push_chain(&queue, &chain));
    cr_assert_null(chain.first, "it may be used again");
    filchi_mpsc_chain_add(&chain, &nodes[3]);
    cr_assert_not(filchi_mpsc_push_chain(&queue, &chain));
    filchi_mpsc_push(&queue, &nodes[4]);
    filchi_mpsc_chain_add(&chain, &nodes[5]);
    cr_assert_not(filchi_mpsc_push_chain(&queue, &chain));
    for (int i = 0; i < 6; i++) {
        cr_assert_eq(filchi_mpsc_pop(&queue, &out), i < 5 ? FILCHI_MPSC_ONE : FILCHI_MPSC_LAST);
        cr_assert_eq(out, &nodes[i]);
    }
    filchi_mpsc_chain_add(&chain, &nodes[0]);
    cr_assert(filchi_mpsc_push_chain(&queue, &chain), "after LAST the next push says it was empty");
}
