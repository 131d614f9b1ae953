/* SPDX-License-Identifier: MIT */
/* The linearizability checker and the two specifications: right histories are accepted, wrong ones refused. */
#include "linear_deque.h"
#include "linear_future.h"
#include "support.h"

static void end_linear(void)
{
    linear_fini();
    end_test();
}

TestSuite(linear, .timeout = PATIENCE_OF_CRITERION, .init = begin_test, .fini = end_linear);

#define HISTORY(...)                                                             \
    {                                                                            \
        sizeof((struct linear_op[]) { __VA_ARGS__ }) / sizeof(struct linear_op), \
        {                                                                        \
            __VA_ARGS__                                                          \
        }                                                                        \
    }

/* ---- A register, on which the literature shows what the word means ---- */

enum { WRITE, READ };

static bool register_step(void *state, const struct linear_op *op)
{
    int64_t *value = state;
    if (op->kind == READ)
        return op->result == *value;
    *value = op->arg;
    return true;
}

static const char *const register_names[] = { "write", "read" };
static const struct linear_spec register_spec = { sizeof(int64_t), register_step, NULL, register_names };

static bool register_accepts(const struct linear_history *history, size_t *searched)
{
    static const int64_t zero;
    return linear_check(&register_spec, &zero, history, searched);
}

#define W(thread, value, from, to)        \
    {                                     \
        WRITE, thread, value, 0, from, to \
    }
#define R(thread, value, from, to)       \
    {                                    \
        READ, thread, 0, value, from, to \
    }

Test(linear, an_empty_history_is_linearizable)
{
    static const struct linear_history none;
    cr_assert(register_accepts(&none, NULL));
}

Test(linear, a_read_during_a_write_may_give_either_value)
{
    struct linear_history before = HISTORY(W(0, 1, 1, 4), R(1, 0, 2, 3));
    struct linear_history after = HISTORY(W(0, 1, 1, 4), R(1, 1, 2, 3));
    struct linear_history neither = HISTORY(W(0, 1, 1, 4), R(1, 2, 2, 3));
    cr_assert(register_accepts(&before, NULL));
    cr_assert(register_accepts(&after, NULL));
    cr_assert_not(register_accepts(&neither, NULL));
}

Test(linear, a_read_after_a_write_gives_its_value)
{
    struct linear_history stale = HISTORY(W(0, 1, 1, 2), R(1, 0, 3, 4));
    struct linear_history fresh = HISTORY(W(0, 1, 1, 2), R(1, 1, 3, 4));
    cr_assert_not(register_accepts(&stale, NULL));
    cr_assert(register_accepts(&fresh, NULL));
}

Test(linear, two_reads_do_not_see_the_new_value_and_then_the_old_one)
{
    struct linear_history inverted = HISTORY(W(0, 1, 1, 6), R(1, 1, 2, 3), R(2, 0, 4, 5));
    struct linear_history in_order = HISTORY(W(0, 1, 1, 6), R(1, 0, 2, 3), R(2, 1, 4, 5));
    cr_assert_not(register_accepts(&inverted, NULL));
    cr_assert(register_accepts(&in_order, NULL));
}

Test(linear, two_readers_agree_on_the_order_of_two_writes)
{
    struct linear_history disagree =
        HISTORY(W(0, 1, 1, 20), W(1, 2, 2, 20), R(2, 1, 3, 4), R(2, 2, 5, 6), R(2, 1, 7, 8));
    struct linear_history agree =
        HISTORY(W(0, 1, 1, 20), W(1, 2, 2, 21), R(2, 1, 3, 4), R(2, 2, 5, 6), R(3, 2, 7, 8));
    cr_assert_not(register_accepts(&disagree, NULL));
    cr_assert(register_accepts(&agree, NULL));
}

Test(linear, an_operation_without_an_answer_may_have_taken_effect_or_not)
{
    struct linear_history seen = HISTORY(W(0, 1, 1, LINEAR_NEVER), R(1, 0, 2, 3), R(1, 1, 4, 5));
    struct linear_history unseen = HISTORY(W(0, 1, 1, LINEAR_NEVER), R(1, 0, 2, 3), R(1, 0, 4, 5));
    struct linear_history seen_early = HISTORY(R(1, 1, 1, 2), W(0, 1, 3, LINEAR_NEVER));
    cr_assert(register_accepts(&seen, NULL));
    cr_assert(register_accepts(&unseen, NULL));
    cr_assert_not(register_accepts(&seen_early, NULL));
}

Test(linear, what_was_searched_once_is_not_searched_again)
{
    /* Ten writes at once, and a read of what nobody wrote: 10! orders, but only 10 * 2^9 sets with a last write. */
    struct linear_history history = { 0 };
    size_t searched = 0;
    for (int64_t i = 0; i < 10; i++)
        history.ops[history.n++] = (struct linear_op)W(0, i + 1, (uint64_t)i, 100);
    history.ops[history.n++] = (struct linear_op)R(1, 11, 50, 100);
    cr_assert_not(register_accepts(&history, &searched));
    cr_assert_eq(searched, 10 * 512 + 1, "it was %zu", searched);
}

/* ---- The deque ---- */

static bool deque_accepts(const struct linear_history *history)
{
    static const struct linear_deque empty;
    return linear_check(&linear_deque_spec, &empty, history, NULL);
}

#define PUSH(item, from, to)              \
    {                                     \
        LINEAR_PUSH, 0, item, 1, from, to \
    }
#define POP(item, from, to)              \
    {                                    \
        LINEAR_POP, 0, 0, item, from, to \
    }
#define PEEK(item, from, to)              \
    {                                     \
        LINEAR_PEEK, 0, 0, item, from, to \
    }
#define STEAL(thread, item, from, to)           \
    {                                           \
        LINEAR_STEAL, thread, 0, item, from, to \
    }
#define LOSE(thread, from, to)                    \
    {                                             \
        LINEAR_STEAL_LOST, thread, 0, 0, from, to \
    }

Test(linear, the_owner_takes_the_newest_and_a_thief_the_oldest)
{
    struct linear_history right =
        HISTORY(PUSH(1, 1, 2), PUSH(2, 3, 4), PEEK(2, 5, 6), STEAL(1, 1, 7, 8), POP(2, 9, 10));
    struct linear_history many =
        HISTORY({ LINEAR_PUSH_MANY, 0, 1, 3, 1, 2 }, POP(3, 3, 4), STEAL(1, 1, 5, 6), POP(2, 7, 8));
    struct linear_history oldest_popped = HISTORY(PUSH(1, 1, 2), PUSH(2, 3, 4), POP(1, 5, 6), POP(2, 7, 8));
    struct linear_history newest_stolen = HISTORY(PUSH(1, 1, 2), PUSH(2, 3, 4), STEAL(1, 2, 5, 6), POP(1, 7, 8));
    cr_assert(deque_accepts(&right));
    cr_assert(deque_accepts(&many));
    cr_assert_not(deque_accepts(&oldest_popped));
    cr_assert_not(deque_accepts(&newest_stolen));
}

Test(linear, an_item_taken_twice_is_refused)
{
    struct linear_history twice = HISTORY(PUSH(1, 1, 2), POP(1, 3, 6), STEAL(1, 1, 4, 5));
    struct linear_history once = HISTORY(PUSH(1, 1, 2), POP(0, 3, 6), STEAL(1, 1, 4, 5));
    cr_assert_not(deque_accepts(&twice));
    cr_assert(deque_accepts(&once));
}

Test(linear, an_item_that_nobody_got_is_refused)
{
    struct linear_history lost = HISTORY(PUSH(1, 1, 2), POP(0, 3, 6), STEAL(1, 0, 4, 5));
    cr_assert_not(deque_accepts(&lost));
}

Test(linear, a_deque_that_nobody_emptied_is_not_empty)
{
    struct linear_history wrong = HISTORY(PUSH(1, 1, 2), STEAL(1, 0, 3, 4), POP(1, 5, 6));
    struct linear_history at_once = HISTORY(PUSH(1, 1, 4), STEAL(1, 0, 2, 3), POP(1, 5, 6));
    cr_assert_not(deque_accepts(&wrong));
    cr_assert(deque_accepts(&at_once));
}

Test(linear, a_steal_loses_only_to_somebody_who_took)
{
    struct linear_history to_the_owner = HISTORY(PUSH(1, 1, 2), POP(1, 3, 6), LOSE(1, 4, 5));
    struct linear_history to_nobody = HISTORY(PUSH(1, 1, 2), LOSE(1, 3, 4), POP(1, 5, 6));
    struct linear_history to_a_failure = HISTORY(POP(0, 1, 4), LOSE(1, 2, 3));
    cr_assert(deque_accepts(&to_the_owner));
    cr_assert(linear_deque_losses(&to_the_owner));
    cr_assert(deque_accepts(&to_nobody), "it has no effect, so no specification of effects refuses it");
    cr_assert_not(linear_deque_losses(&to_nobody));
    cr_assert_not(linear_deque_losses(&to_a_failure));
}

/* ---- The future ---- */

static bool future_accepts(const struct linear_history *history)
{
    static const struct linear_future pending;
    return linear_check(&linear_future_spec, &pending, history, NULL);
}

#define OP(kind, thread, arg, result, from, to)      \
    {                                                \
        LINEAR_##kind, thread, arg, result, from, to \
    }
/* It begins by then, and returns 0 then. */
#define RUNS(begins, returns)                                                                                 \
    OP(CLAIM, 9, 0, 0, 1, begins), OP(BEGIN, 9, 0, 0, 1, begins), OP(RETURN, 9, 0, 0, returns, LINEAR_NEVER), \
        OP(END, 9, 0, 0, returns, LINEAR_NEVER)

Test(linear, a_future_moves_on_only)
{
    struct linear_history right =
        HISTORY(OP(STATE_NOW, 0, 0, FILCH_PENDING, 2, 3), RUNS(10, 20), OP(STATE_NOW, 0, 0, FILCH_RUNNING, 11, 12),
                OP(STATE_NOW, 0, 0, FILCH_DONE, 21, 22), OP(RESULT, 0, 0, 0, 23, 24));
    struct linear_history back = HISTORY(RUNS(10, 20), OP(STATE_NOW, 0, 0, FILCH_RUNNING, 2, 3),
                                         OP(STATE_NOW, 1, 0, FILCH_PENDING, 4, 5), OP(WAIT, 0, 0, 0, 25, 26));
    struct linear_history unfinished = HISTORY(RUNS(10, 20), OP(RESULT, 0, 0, 0, 12, 13));
    struct linear_history forgotten =
        HISTORY(RUNS(10, 20), OP(WAIT, 0, 0, 0, 12, 22), OP(RESULT, 0, 0, -ETIMEDOUT, 23, 24));
    cr_assert(future_accepts(&right));
    cr_assert_not(future_accepts(&back));
    cr_assert_not(future_accepts(&unfinished));
    cr_assert_not(future_accepts(&forgotten));
}

Test(linear, what_is_cancelled_does_not_run)
{
    struct linear_history cancelled = HISTORY(OP(CANCEL, 0, 0, 1, 2, 3), OP(RESULT, 0, 0, -ECANCELED, 4, 5));
    struct linear_history ran = HISTORY(OP(CANCEL, 0, 0, 1, 2, 3), RUNS(10, 20));
    struct linear_history too_late = HISTORY(RUNS(10, 20), OP(CANCEL, 0, 0, 0, 2, 3));
    struct linear_history for_nothing =
        HISTORY(OP(CANCEL, 0, 0, 0, 2, 3), OP(STATE_NOW, 0, 0, FILCH_PENDING, 4, 5), RUNS(10, 20));
    cr_assert(future_accepts(&cancelled));
    cr_assert_not(future_accepts(&ran));
    cr_assert(future_accepts(&too_late), "it had been claimed");
    cr_assert_not(future_accepts(&for_nothing));
}

Test(linear, only_what_was_asked_to_stop_is_stopped)
{
    struct linear_history asked =
        HISTORY(OP(CLAIM, 9, 0, 0, 1, LINEAR_NEVER), OP(GIVE_UP, 9, 0, 0, 1, LINEAR_NEVER), OP(STOP, 0, 0, 1, 2, 3),
                OP(STATE_NOW, 0, 0, FILCH_RUNNING, 4, 5), OP(STATE_NOW, 0, 0, FILCH_STOPPED, 6, 7));
    struct linear_history unasked = HISTORY(OP(GIVE_UP, 9, 0, 0, 1, LINEAR_NEVER),
                                            OP(STATE_NOW, 0, 0, FILCH_STOPPED, 2, 3), OP(STOP, 0, 0, 1, 4, 5));
    struct linear_history two_firsts = HISTORY(RUNS(10, 20), OP(STOP, 0, 0, 1, 2, 3), OP(STOP, 1, 0, 1, 4, 5));
    cr_assert(future_accepts(&asked));
    cr_assert_not(future_accepts(&unasked));
    cr_assert_not(future_accepts(&two_firsts));
}

Test(linear, a_callback_is_called_once_it_is_final_and_in_order)
{
    struct linear_history right = HISTORY(OP(ON_DONE, 0, 1, 0, 2, 3), OP(ON_DONE, 0, 2, 0, 4, 5), RUNS(10, 20),
                                          OP(CALLED_BACK, 9, 1, 0, 21, 22), OP(CALLED_BACK, 9, 2, 0, 23, 24));
    struct linear_history at_once = HISTORY(RUNS(10, 20), OP(WAIT, 0, 0, 0, 21, 22), OP(ON_DONE, 0, 1, 0, 23, 26),
                                            OP(CALLED_BACK, 0, 1, 0, 24, 25));
    struct linear_history early =
        HISTORY(OP(ON_DONE, 0, 1, 0, 2, 3), RUNS(10, 20), OP(CALLED_BACK, 9, 1, 0, 11, 12));
    struct linear_history swapped = HISTORY(OP(ON_DONE, 0, 1, 0, 2, 3), OP(ON_DONE, 0, 2, 0, 4, 5), RUNS(10, 20),
                                            OP(CALLED_BACK, 9, 2, 0, 21, 22), OP(CALLED_BACK, 9, 1, 0, 23, 24));
    cr_assert(future_accepts(&right));
    cr_assert(future_accepts(&at_once));
    cr_assert_not(future_accepts(&early));
    cr_assert_not(future_accepts(&swapped));
}

Test(linear, a_callback_that_is_lost_or_called_twice_is_refused)
{
    struct linear_history lost = HISTORY(OP(ON_DONE, 0, 1, 0, 2, 3), RUNS(10, 20), OP(WAIT, 0, 0, 0, 21, 22));
    struct linear_history twice = HISTORY(OP(ON_DONE, 0, 1, 0, 2, 3), RUNS(10, 20),
                                          OP(CALLED_BACK, 9, 1, 0, 21, 22), OP(CALLED_BACK, 0, 1, 0, 23, 24));
    cr_assert_not(future_accepts(&lost));
    cr_assert_not(future_accepts(&twice));
}
