/* SPDX-License-Identifier: MIT */
/* Callbacks of stops: called once, in order, after the whole tree; and their end, at any moment, on any thread. */
#include "os.h"
#include "support.h"

#include <poll.h>
#include <signal.h>

SUITE(stop_callback);

/* Callbacks write their letters here, in the order of the calls. */
struct diary {
    char text[32];
    _Atomic unsigned length;
};

struct entry {
    struct diary *diary;
    char letter;
    filch_stop_callback *callback;
    struct entry *ends; /* another one, or itself, whose callback is ended within the call */
    bool before;        /* what that end said */
};

static void write_down(void *arg)
{
    struct entry *entry = arg;
    entry->diary->text[atomic_fetch_add(&entry->diary->length, 1)] = entry->letter;
    if (entry->ends)
        entry->before = filch_stop_callback_end(entry->ends->callback);
}

static void listen_to(filch_stop *stop, struct entry *entry)
{
    must(filch_stop_on_request(&entry->callback, stop, write_down, entry) == 0);
}

/* ---- When it is called ---- */

Test(stop_callback, it_is_called_once_by_the_first_request)
{
    struct diary diary = { "", 0 };
    struct entry entry = { .diary = &diary, .letter = 'a' };
    filch_stop *stop = stop_under(NULL);
    listen_to(stop, &entry);
    cr_assert_str_eq(diary.text, "");
    filch_stop_request(stop, 0);
    cr_assert_str_eq(diary.text, "a");
    filch_stop_request(stop, 0);
    cr_assert_str_eq(diary.text, "a");
    cr_assert_not(filch_stop_callback_end(entry.callback));
    filch_stop_unref(stop);
}

Test(stop_callback, of_a_stop_that_is_requested_it_is_called_at_once)
{
    struct diary diary = { "", 0 };
    struct entry entry = { .diary = &diary, .letter = 'a' };
    filch_stop *stop = stop_under(NULL);
    filch_stop_request(stop, 0);
    listen_to(stop, &entry);
    cr_assert_str_eq(diary.text, "a");
    cr_assert_not(filch_stop_callback_end(entry.callback));
    filch_stop_unref(stop);
}

Test(stop_callback, one_that_was_ended_is_never_called)
{
    struct diary diary = { "", 0 };
    struct entry entry = { .diary = &diary, .letter = 'a' };
    filch_stop *stop = stop_under(NULL);
    listen_to(stop, &entry);
    cr_assert(filch_stop_callback_end(entry.callback));
    filch_stop_request(stop, 0);
    cr_assert_str_eq(diary.text, "");
    filch_stop_unref(stop);
}

Test(stop_callback, it_keeps_its_stop)
{
    struct diary diary = { "", 0 };
    struct entry entry = { .diary = &diary, .letter = 'a' };
    filch_stop *parent = stop_under(NULL), *child = stop_under(parent);
    listen_to(child, &entry);
    filch_stop_unref(child);
    filch_stop_request(parent, 0);
    cr_assert_str_eq(diary.text, "a");
    cr_assert_not(filch_stop_callback_end(entry.callback));
    filch_stop_unref(parent);
}

Test(stop_callback, they_are_called_in_the_order_of_registration_those_of_a_parent_before_those_of_its_children)
{
    static const char letters[] = "abcdef";
    struct diary diary = { "", 0 };
    struct entry entries[6];
    filch_stop *stops[3] = { stop_under(NULL) };
    stops[1] = stop_under(stops[0]);
    stops[2] = stop_under(stops[1]);
    for (int i = 5; i >= 0; i--) { /* two for each stop, that of the grandchild first */
        entries[i] = (struct entry) { .diary = &diary, .letter = letters[i ^ 1] };
        listen_to(stops[i / 2], &entries[i]);
    }
    filch_stop_request(stops[0], 0);
    cr_assert_str_eq(diary.text, "abcdef");
    for (int i = 0; i < 6; i++)
        cr_assert_not(filch_stop_callback_end(entries[i].callback));
    for (int i = 0; i < 3; i++)
        filch_stop_unref(stops[i]);
}

static void must_be_readable(void *fd)
{
    struct pollfd poller = { .fd = *(int *)fd, .events = POLLIN };
    must(poll(&poller, 1, 0) == 1);
}

Test(stop_callback, by_then_every_stop_below_is_requested_and_those_who_wait_for_it_were_told)
{
    filch_stop *root = stop_under(NULL), *child = stop_under(root), *grandchild = stop_under(child);
    filch_stop_callback *callback;
    int fd;
    cr_assert_eq(filch_stop_on_request(&callback, root, must_be_readable, &fd), 0);
    cr_assert_eq(filch_stop_fd(grandchild, &fd), 0);
    filch_stop_request(root, 0);
    cr_assert_not(filch_stop_callback_end(callback));
    filch_stop_unref(root);
    filch_stop_unref(child);
    filch_stop_unref(grandchild);
}

static void await_task(void *future)
{
    must(filch_future_wait(future, FILCH_FOREVER) == 0);
}

Test(stop_callback, it_may_wait_for_a_task_that_the_same_request_stops)
{
    struct event started = EVENT;
    filch_pool *pool = pool_of(1);
    filch_stop *root = stop_under(NULL), *child = stop_under(root);
    filch_future *task = submit_under(pool, run_until_stopped, &started, child);
    filch_stop_callback *callback;
    event_await(&started);
    cr_assert_eq(filch_stop_on_request(&callback, root, await_task, task), 0);
    filch_stop_request(root, 0);
    cr_assert(filch_future_done(task));
    cr_assert_not(filch_stop_callback_end(callback));
    filch_future_unref(task);
    filch_stop_unref(child);
    filch_stop_unref(root);
    cr_assert_eq(filch_pool_destroy(pool), 0);
}

static filch_stop *of_handler;

static void request_in_handler(int number)
{
    (void)number;
    filch_stop_request(of_handler, -EINTR);
}

Test(stop_callback, a_request_in_a_signal_handler_calls_it_there)
{
    struct diary diary = { "", 0 };
    struct entry entry = { .diary = &diary, .letter = 'a' };
    struct sigaction action = { .sa_handler = request_in_handler };
    sigaction(SIGUSR1, &action, NULL);
    of_handler = stop_under(NULL);
    listen_to(of_handler, &entry);
    raise(SIGUSR1);
    cr_assert_str_eq(diary.text, "a");
    cr_assert_not(filch_stop_callback_end(entry.callback));
    filch_stop_unref(of_handler);
}

/* ---- Its end within a call ---- */

/* Three on one stop; the middle one ends one of them. Returns what that end said. */
static bool end_within(int which, const char *expected)
{
    struct diary diary = { "", 0 };
    struct entry entries[3];
    filch_stop *parent = stop_under(NULL), *stop = stop_under(parent);
    for (int i = 0; i < 3; i++) {
        entries[i] = (struct entry) { .diary = &diary, .letter = (char)('a' + i) };
        listen_to(stop, &entries[i]);
    }
    filch_stop_unref(stop); /* the callbacks hold it, and the last of them may be ended within the request */
    entries[1].ends = &entries[which];
    filch_stop_request(parent, 0);
    cr_assert_str_eq(diary.text, expected);
    for (int i = 0; i < 3; i++)
        if (i != which)
            cr_assert_not(filch_stop_callback_end(entries[i].callback));
    filch_stop_unref(parent);
    return entries[1].before;
}

Test(stop_callback, a_callback_may_end_itself)
{
    cr_assert_not(end_within(1, "abc"));
}

Test(stop_callback, a_callback_may_end_one_that_was_called_before_it)
{
    cr_assert_not(end_within(0, "abc"));
}

Test(stop_callback, a_callback_may_end_one_that_would_have_come_after_it)
{
    cr_assert(end_within(2, "ab"));
}

Test(stop_callback, the_last_holder_of_a_child_stop_may_end_itself_within_its_parents_request)
{
    struct diary diary = { "", 0 };
    struct entry entry = { .diary = &diary, .letter = 'a' };
    filch_stop *parent = stop_under(NULL), *child = stop_under(parent);
    listen_to(child, &entry);
    entry.ends = &entry;
    filch_stop_unref(child);
    filch_stop_request(parent, 0);
    cr_assert_str_eq(diary.text, "a");
    cr_assert_not(entry.before);
    filch_stop_unref(parent);
}

Test(stop_callback, one_that_is_called_at_once_may_end_itself)
{
    struct diary diary = { "", 0 };
    struct entry entry = { .diary = &diary, .letter = 'a' };
    filch_stop *stop = stop_under(NULL);
    filch_stop_request(stop, 0);
    entry.ends = &entry;
    listen_to(stop, &entry);
    cr_assert_str_eq(diary.text, "a");
    cr_assert_not(entry.before);
    filch_stop_unref(stop);
}

static void drop_stop(void *stop)
{
    filch_stop_unref(stop);
}

Test(stop_callback, a_callback_may_drop_other_stops_of_the_tree)
{
    filch_stop *parent = stop_under(NULL), *child = stop_under(parent), *sibling = stop_under(parent);
    filch_stop_callback *callbacks[2];
    cr_assert_eq(filch_stop_on_request(&callbacks[0], parent, drop_stop, child), 0);
    cr_assert_eq(filch_stop_on_request(&callbacks[1], sibling, drop_stop, sibling), 0);
    filch_stop_request(parent, 0);
    cr_assert_not(filch_stop_callback_end(callbacks[0]));
    cr_assert_not(filch_stop_callback_end(callbacks[1]));
    filch_stop_unref(parent);
}

/* ---- Its end on another thread ---- */

static void pass(void *gate)
{
    must(pass_gate(NULL, gate) == 0);
}

static void *request_stop(void *stop)
{
    filch_stop_request(stop, 0);
    return NULL;
}

struct ending {
    struct gate gate;
    filch_stop_callback *callback;
    pid_t tid;
    struct event begun;
    _Atomic bool over;
    bool before;
};

static void *end_callback(void *arg)
{
    struct ending *ending = arg;
    ending->tid = gettid();
    event_signal(&ending->begun);
    ending->before = filch_stop_callback_end(ending->callback);
    must(event_count(&ending->gate.opened) == 1);
    atomic_store(&ending->over, true);
    return NULL;
}

/* A thread requests the stop and stays in the first callback, until another one is seen to wait in the end of `ending`'s. */
static void end_while_called(struct ending *ending, filch_stop *stop)
{
    pthread_t requester, ender;
    must(pthread_create(&requester, NULL, request_stop, stop) == 0);
    event_await(&ending->gate.started);
    must(pthread_create(&ender, NULL, end_callback, ending) == 0);
    event_await(&ending->begun);
    until_asleep(ending->tid);
    cr_assert_not(atomic_load(&ending->over));
    gate_open(&ending->gate);
    pthread_join(ender, NULL);
    pthread_join(requester, NULL);
}

Test(stop_callback, the_end_waits_until_a_call_on_another_thread_has_returned)
{
    struct ending ending = { .gate = GATE, .begun = EVENT };
    filch_stop *stop = stop_under(NULL);
    cr_assert_eq(filch_stop_on_request(&ending.callback, stop, pass, &ending.gate), 0);
    end_while_called(&ending, stop);
    cr_assert_not(ending.before);
    filch_stop_unref(stop);
}

Test(stop_callback, ended_while_an_earlier_one_is_called_it_never_is)
{
    struct ending ending = { .gate = GATE, .begun = EVENT };
    struct diary diary = { "", 0 };
    struct entry entry = { .diary = &diary, .letter = 'a' };
    filch_stop_callback *first;
    filch_stop *stop = stop_under(NULL);
    cr_assert_eq(filch_stop_on_request(&first, stop, pass, &ending.gate), 0);
    listen_to(stop, &entry);
    ending.callback = entry.callback;
    end_while_called(&ending, stop);
    cr_assert(ending.before);
    cr_assert_str_eq(diary.text, "");
    cr_assert_not(filch_stop_callback_end(first));
    filch_stop_unref(stop);
}

/* ---- Races ---- */

#define ROUNDS 20000
#define LISTENERS 3

struct race {
    pthread_barrier_t begin, end;
    filch_stop *stop;
};

static void *request_in_rounds(void *arg)
{
    struct race *race = arg;
    for (int i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(&race->begin);
        filch_stop_request(race->stop, 0);
        pthread_barrier_wait(&race->end);
    }
    return NULL;
}

static void count_call(void *calls)
{
    ++*(int *)calls; /* not atomic: the end must order it */
}

Test(stop_callback, request_and_end_race_and_it_is_called_once_or_never)
{
    struct race race;
    pthread_t requester;
    int n_before = 0;
    pthread_barrier_init(&race.begin, NULL, 2);
    pthread_barrier_init(&race.end, NULL, 2);
    must(pthread_create(&requester, NULL, request_in_rounds, &race) == 0);
    for (int i = 0; i < ROUNDS; i++) {
        filch_stop *child;
        filch_stop_callback *callbacks[LISTENERS];
        int calls[LISTENERS] = { 0 };
        race.stop = stop_under(NULL);
        child = stop_under(race.stop);
        for (int j = 0; j < LISTENERS; j++)
            must(filch_stop_on_request(&callbacks[j], i % 2 ? child : race.stop, count_call, &calls[j]) == 0);
        filch_stop_unref(child);
        pthread_barrier_wait(&race.begin);
        for (int spin = 0; spin < i % 500; spin++)
            filchi_pause();
        for (int j = 0; j < LISTENERS; j++) {
            bool before = filch_stop_callback_end(callbacks[j]);
            must(calls[j] == !before);
            n_before += before;
        }
        pthread_barrier_wait(&race.end);
        filch_stop_unref(race.stop);
    }
    pthread_join(requester, NULL);
    pthread_barrier_destroy(&race.begin);
    pthread_barrier_destroy(&race.end);
    cr_log_info("%d of %d ended before they were called", n_before, ROUNDS * LISTENERS);
}

/* ---- Arguments and memory ---- */

Test(stop_callback, no_stop_or_no_function_is_invalid_and_no_callback_is_a_fine_one_to_end)
{
    filch_stop *stop = stop_under(NULL);
    filch_stop_callback *callback = NULL;
    cr_assert_eq(filch_stop_on_request(&callback, NULL, drop_stop, NULL), -EINVAL);
    cr_assert_eq(filch_stop_on_request(&callback, stop, NULL, NULL), -EINVAL);
    cr_assert_null(callback);
    cr_assert(filch_stop_callback_end(NULL));
    filch_stop_unref(stop);
}

Test(stop_callback, without_memory_nothing_is_registered)
{
    filch_stop *stop = stop_under(NULL);
    filch_stop_callback *callback = NULL;
    atomic_store(&filchi_os_faults.allocations, 1);
    cr_assert_eq(filch_stop_on_request(&callback, stop, drop_stop, stop), -ENOMEM);
    atomic_store(&filchi_os_faults.allocations, 0);
    cr_assert_null(callback);
    filch_stop_request(stop, 0);
    cr_assert_eq(filch_stop_reason(stop), -ECANCELED);
    filch_stop_unref(stop);
}

static void count_one(void *calls)
{
    atomic_fetch_add((_Atomic int *)calls, 1);
}

static void use_it_here(filch_stop *stop, _Atomic int *calls)
{
    __attribute__((cleanup(filch_stop_callback_cleanup))) filch_stop_callback *callback = NULL;
    must(filch_stop_on_request(&callback, stop, count_one, (void *)calls) == 0);
}

Test(stop_callback, one_that_ended_with_its_block_is_not_called)
{
    filch_stop *stop = stop_under(NULL);
    _Atomic int calls = 0;
    use_it_here(stop, &calls);
    filch_stop_request(stop, -EINTR);
    cr_assert_eq(atomic_load(&calls), 0);
    use_it_here(stop, &calls);
    cr_assert_eq(atomic_load(&calls), 1);
    filch_stop_unref(stop);
}
