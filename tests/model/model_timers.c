/* SPDX-License-Identifier: MIT */
/*
 * The timer thread, which sleeps while others send it messages, and what hangs on it: its start, its end, its
 * memory. Then tasks that wait for their time, each with a plan, while others cancel them.
 */
#include "one_task.h"
#include "timers.h"

/* ---- The timer thread ---- */

static struct filchi_timers *timers;
static struct note {
    struct filchi_message message;
    struct filchi_timer timer;
    unsigned sent; /* by who posts it */
} * notes[2];
static struct filchi_parker told; /* by the other thread, or by timers that fire */

static void handle(struct filchi_timers *its, struct filchi_message *message)
{
    struct note *note = filchi_container_of(message, struct note, message);
    model_check(its == timers && filchi_timers_here == timers);
    model_check(note->sent == 1);
    model_free(note);
}

/* The thread takes what comes, and is there no more after its end. */
static void begin_timers(void)
{
    origin = filchi_origin_create();
    timers = filchi_timers_create(NULL, origin, NULL);
    filchi_timers_ref(timers);
    filchi_origin_unref(origin);
    filchi_parker_init(&told);
    for (unsigned i = 0; i < 2; i++)
        notes[i] = model_alloc(sizeof *notes[i], _Alignof(struct note));
}

static struct filchi_message *write_note(unsigned i)
{
    notes[i]->message.handle = handle;
    notes[i]->sent = 1;
    return &notes[i]->message;
}

/* Both start it, one does; then one ends it. */
static void start_and_post(unsigned i)
{
    filchi_timers_ref(timers);
    model_check(filchi_timers_start(timers, "model") == 0);
    model_check(filchi_timers_running(timers));
    filchi_timers_unref(timers);
    filchi_timers_post(timers, write_note(i), FILCHI_TIMERS_NOW);
    if (i == 0) {
        filchi_parker_wait(&told, 0, FILCHI_NEVER);
        filchi_timers_end(timers);
    } else {
        filchi_parker_signal(&told);
    }
    filchi_timers_unref(timers);
}

/* One sends a message while the other ends it: who finds nobody there does it himself. */
static void post_at_the_end(unsigned i)
{
    if (i == 0) {
        model_check(filchi_timers_start(timers, "model") == 0);
        filchi_timers_post(timers, write_note(0), FILCHI_TIMERS_NOW);
        filchi_timers_end(timers);
    } else if (!filchi_timers_try_post(timers, write_note(1), FILCHI_TIMERS_NOW)) {
        model_free(notes[1]);
    }
    filchi_timers_unref(timers);
}

static void fire(struct filchi_timers *its, struct filchi_timer *timer)
{
    struct note *note = filchi_container_of(timer, struct note, timer);
    model_check(its->now >= timer->due && !timer->armed);
    model_free(note);
    filchi_parker_signal(&told);
}

static void arm(struct filchi_timers *its, struct filchi_message *message)
{
    struct note *note = filchi_container_of(message, struct note, message);
    filchi_timer_arm(its, &note->timer);
}

/* A message comes while the thread sleeps until a timer is due, or longer. */
static void arm_and_post(unsigned i)
{
    model_check(filchi_timers_start(timers, "model") == 0);
    struct filchi_message *message = write_note(i);
    notes[i]->timer.due = filchi_os_now() + (i == 0 ? 1 : 1000000);
    notes[i]->timer.fire = fire;
    message->handle = arm;
    filchi_timers_post(timers, message, notes[i]->timer.due);
    if (i == 0) {
        for (uint32_t seen = 0; seen < 2; seen = filchi_parker_count(&told))
            filchi_parker_wait(&told, seen, FILCHI_NEVER);
        filchi_timers_end(timers);
    }
    filchi_timers_unref(timers);
}

/* ---- Waiting for its time ---- */

static unsigned destroyed;

static void destroy_arg(void *arg)
{
    model_check(arg == &runs);
    destroyed++;
}

static void begin_plan(bool waits, uint32_t refs)
{
    destroyed = 0;
    open_slab();
    future = make(refs, true);
    own_stop(future);
    filchi_future_cold(future)->arg_dtor = destroy_arg;
    timers = filchi_timers_create(NULL, origin, NULL);
    filchi_future_init_plan(future, filchi_plan_create(timers, function, NULL), waits);
    filchi_timers_unref(timers); /* the plan's */
    close_slab();
}

static void begin_waiting(void)
{
    begin_plan(true, 2);
}

static void begin_alone(void)
{
    begin_plan(true, 1);
}

/* The timer thread, of one that was cancelled. */
static void let_go_when_told(void)
{
    uint32_t emptied = 0;
    while (!filchi_mpsc_take(&timers->messages, &emptied))
        model_yield();
    filchi_future_let_go(future);
}

static void cancel_or_wait(unsigned i)
{
    if (i == 1)
        cancel(i);
    else if (wait_for(future, true))
        look(future);
    filch_future_unref(future);
}

static void after_waiting(void)
{
    model_check(destroyed == 1);
    model_check(cancelled[1] == !runs);
    freed();
}

/* It is due. */
static void make_ready(unsigned i)
{
    if (i > 0)
        cancel_or_wait(i);
    else if (filchi_future_make_ready(future))
        run_entry(0);
    else
        let_go_when_told();
}

/* It is due, and there is no room. Then the pool ends. */
static void take_back(unsigned i)
{
    if (i > 0) {
        cancel_or_wait(i);
        return;
    }
    if (!filchi_future_make_ready(future)) {
        let_go_when_told();
        return;
    }
    if (filchi_future_take_back(future) && !filchi_future_cancel_waiting(future))
        let_go_when_told();
}

/* Nobody runs it. */
static void after_back(void)
{
    model_check(destroyed == 1 && cancelled[1]);
    freed();
}

/* Its stop is requested. */
static void stop_waiting(unsigned i)
{
    if (i > 0) {
        cancel_or_wait(i);
        return;
    }
    filch_stop_request(stop, -EINTR);
    if (filchi_future_stop_waiting(future))
        runs = 1; /* as good as: a cancel is told that it came too late */
    else
        let_go_when_told();
}

static void begin_running_alone(void)
{
    begin_plan(false, 1);
}

static void begin_running(void)
{
    begin_plan(false, 2);
}

/* Its attempt fails, and it waits for the next. */
static void wait_again(unsigned i)
{
    if (i > 0) {
        cancel_or_wait(i);
        return;
    }
    if (filchi_future_claim(future) != FILCHI_CLAIM_GOT)
        return;
    filchi_future_begin(future, (const struct filchi_thread *)&runs);
    filchi_plan_begin_attempt(filchi_future_plan(future));
    model_check(filch_error_code(filchi_future_attempt_error(future, -EIO)) == -EIO);
    filchi_future_wait(future);
    if (!filchi_future_make_ready(future))
        let_go_when_told();
    else if (filchi_future_claim(future) == FILCHI_CLAIM_GOT) {
        filchi_future_set_result(future, &runs);
        runs = 1;
        filchi_future_complete(future, 0);
    }
}

static void after_first(void)
{
    model_check(destroyed == 1);
    freed();
}

/* Its first attempt: who asks finds that it waits for that, or has begun, never that it waits for another. */
static void begin_first(unsigned i)
{
    if (i == 0) {
        model_check(filchi_future_make_ready(future));
        model_check(filchi_future_claim(future) == FILCHI_CLAIM_GOT);
        filchi_plan_begin_attempt(filchi_future_plan(future));
        runs = 1;
        filchi_future_complete(future, 0);
        return;
    }
    model_check(filch_future_state(future) != FILCH_RETRY_WAIT);
    model_check(filch_future_attempts(future) <= 1);
    filch_future_unref(future);
}

static const struct model models[] = {
    /* clang-format off: a row each */
    { "timers start", "one of two starts the thread, and no message is slept over", 2, 1, begin_timers,
      start_and_post, freed, 1, 20000 },
    { "timers end", "a message that comes at the end is handled or refused", 2, 1, begin_timers, post_at_the_end,
      freed, 2, 20000 },
    { "timers fire", "timers fire once, whatever comes while the thread sleeps", 2, 1, begin_timers, arm_and_post,
      freed, 1, 20000 },
    { "timers attempt", "a task that begins its first attempt does not wait for its second", 2, 0, begin_alone,
      begin_first, after_first, 4, 20000 },
    { "timers due", "one that is due runs or was cancelled", 2, 0, begin_alone, make_ready, after_waiting, 2,
      20000 },
    { "timers no room", "one that is due and waits again can be cancelled at every moment", 2, 0, begin_alone,
      take_back, after_back, 3, 20000 },
    { "timers stop", "one that waits is stopped or cancelled", 2, 0, begin_alone, stop_waiting, after_waiting, 2,
      20000 },
    { "timers again", "one that waits for its second attempt can be cancelled at every moment", 2, 0,
      begin_running_alone, wait_again, after_waiting, 3, 20000 },
    { "timers due waited", "the same where another thread waits for it", 3, 0, begin_waiting, make_ready,
      after_waiting, 0, 50000 },
    { "timers stop waited", "the same where another thread waits for it", 3, 0, begin_waiting, stop_waiting,
      after_waiting, 0, 50000 },
    { "timers again waited", "the same where another thread waits for it", 3, 0, begin_running, wait_again,
      after_waiting, 0, 50000 },
    /* clang-format on */
};

int main(int argc, char **argv)
{
    static const char *const files[] = { "timers.c", "timers.h", "plan.c", "plan.h", "retry.c", "retry.h", NULL };
    return model_main(argc, argv, files, models, sizeof models / sizeof models[0]);
}
