/* SPDX-License-Identifier: MIT */
/* A state and those who wait for it, in one word: see waitlist.h. */
#include "waitlist.h"

#include "os.h"

static struct filchi_waiter *first(uintptr_t word)
{
    return (struct filchi_waiter *)(word & FILCHI_WORD_LIST);
}

static bool final(uintptr_t word)
{
    return (word & FILCHI_WORD_STATE) >= FILCHI_STATE_FINAL;
}

void filchi_waitlist_late(struct filchi_waiter *waiter)
{
    ((struct filchi_late_waiter *)waiter)->serve(waiter);
}

void filchi_waitlist_serve_all(struct filchi_waiter *newest)
{
    if (!newest->in.next) { /* late or not, it is the only one */
        newest->serve(newest);
        return;
    }
    struct filchi_waiter *in_order = NULL;
    for (struct filchi_waiter *waiter = newest, *next; waiter; waiter = next) {
        next = waiter->in.next;
        waiter->in.next = in_order;
        in_order = waiter;
    }
    struct filchi_waiter *late = NULL, **late_end = &late;
    for (struct filchi_waiter *waiter = in_order, *next; waiter; waiter = next) {
        next = waiter->in.next; /* before it is served: it may be gone after */
        if (waiter->serve != filchi_waitlist_late) {
            waiter->serve(waiter);
            continue;
        }
        waiter->in.next = NULL;
        *late_end = waiter;
        late_end = &waiter->in.next;
    }
    for (struct filchi_waiter *waiter = late, *next; waiter; waiter = next) {
        next = waiter->in.next;
        waiter->serve(waiter);
    }
}

bool filchi_waitlist_add(struct filchi_waitlist *list, struct filchi_waiter *waiter)
{
    /* acquire W1: pairs with W1 in filchi_waitlist_move(): on "final" the caller reads the outcome. */
    uintptr_t word = atomic_load_explicit(&list->word, memory_order_acquire);
    do {
        if (final(word))
            return false;
        waiter->in.next = first(word);
        /* release W2: pairs with the acquire in filchi_waitlist_move() and _remove(); publishes the node. */
    } while (!atomic_compare_exchange_weak_explicit(&list->word, &word,
                                                    (uintptr_t)waiter | (word & ~FILCHI_WORD_LIST),
                                                    memory_order_release, memory_order_acquire));
    return true;
}

/* Takes the lock bit; false if the list was taken already. */
static bool lock(struct filchi_waitlist *list)
{
    for (unsigned spins = 0;; spins++) {
        uintptr_t word = atomic_load_explicit(&list->word, memory_order_relaxed); /* relaxed: checked by the CAS. */
        if (final(word) && !(word & FILCHI_WORD_LOCKED))
            return false;
        /* acquire W2: pairs with release W2 in filchi_waitlist_add(), for the nodes; acquire W3: pairs with
         * release W3 in filchi_waitlist_remove(), for the links that the last remover changed. */
        if (!(word & FILCHI_WORD_LOCKED) &&
            atomic_compare_exchange_weak_explicit(&list->word, &word, word | FILCHI_WORD_LOCKED,
                                                  memory_order_acquire, memory_order_relaxed))
            return true;
        filchi_os_relax(spins);
    }
}

/* Under the lock bit: others only add at the front, or make the state final. If the waiter is not the first,
 * *now is who is. */
static bool unlink_first(struct filchi_waitlist *list, const struct filchi_waiter *waiter,
                         struct filchi_waiter **now)
{
    /* acquire W2: pairs with release W2 in filchi_waitlist_add(): nodes added since. */
    uintptr_t word = atomic_load_explicit(&list->word, memory_order_acquire);
    while (first(word) == waiter) {
        uintptr_t next = (uintptr_t)waiter->in.next | (word & ~FILCHI_WORD_LIST);
        /* acquire W2: pairs with release W2, as above, on failure; C11 wants no less on success. Nothing is published
         * before the lock bit goes. */
        if (atomic_compare_exchange_weak_explicit(&list->word, &word, next, memory_order_acquire,
                                                  memory_order_acquire))
            return true;
    }
    *now = first(word);
    return false;
}

static bool unlink(struct filchi_waitlist *list, struct filchi_waiter *waiter)
{
    struct filchi_waiter *before;
    if (unlink_first(list, waiter, &before))
        return true;
    for (; before; before = before->in.next) {
        if (before->in.next == waiter) {
            before->in.next = waiter->in.next;
            return true;
        }
    }
    return false;
}

/* Waiters come without `previous`, at the front: behind the first one that has it all have it. So each is walked
 * over once. */
static void link_back(struct filchi_waiter *waiter)
{
    for (struct filchi_waiter *next; waiter && (next = waiter->in.next); waiter = next) {
        bool known = next->previous != NULL;
        next->previous = waiter;
        if (known)
            return;
    }
}

/* As unlink(). The first one has no `previous`. */
static bool unlink_linked(struct filchi_waitlist *list, struct filchi_waiter *waiter)
{
    struct filchi_waiter *front, *next = waiter->in.next;
    if (unlink_first(list, waiter, &front)) {
        if (next)
            next->previous = NULL;
        return true;
    }
    if (!waiter->previous)
        link_back(front);
    if (!waiter->previous)
        return false;
    waiter->previous->in.next = next;
    if (next)
        next->previous = waiter->previous;
    return true;
}

static bool remove_by(struct filchi_waitlist *list, struct filchi_waiter *waiter, bool *served,
                      bool (*take_out)(struct filchi_waitlist *, struct filchi_waiter *))
{
    if (!lock(list))
        return false;
    bool found = take_out(list, waiter);
    uintptr_t word = atomic_load_explicit(&list->word, memory_order_relaxed); /* relaxed: checked by the CAS. */
    uintptr_t next;
    do {
        next = word & ~FILCHI_WORD_LOCKED;
        if (final(word))
            next &= ~FILCHI_WORD_LIST;
        /* release W3: pairs with acquire in lock(), for the links changed here; acquire W1 and W2: the
         * nodes, and the outcome that those who are served will read. */
    } while (!atomic_compare_exchange_weak_explicit(&list->word, &word, next, memory_order_acq_rel,
                                                    memory_order_relaxed));
    *served = final(word);
    if (*served)
        filchi_waitlist_serve(word & ~FILCHI_WORD_LOCKED); /* it became final meanwhile and was left to us */
    return found;
}

bool filchi_waitlist_remove(struct filchi_waitlist *list, struct filchi_waiter *waiter)
{
    bool served = false;
    return remove_by(list, waiter, &served, unlink);
}

bool filchi_waitlist_remove_linked(struct filchi_waitlist *list, struct filchi_waiter *waiter, bool *served)
{
    return remove_by(list, waiter, served, unlink_linked);
}
