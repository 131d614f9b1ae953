/* SPDX-License-Identifier: MIT */
/*
 * The waitlist: threads add nodes and take them away again while another makes the word final. A node is
 * served exactly once, or was removed, never both; what was written before the final state is seen by who is
 * served.
 */
#include "os.h"
#include "parker.h"
#include "stress.h"
#include "waitlist.h"

#define NODES 24

struct generation;

struct node {
    struct filchi_waiter waiter;
    const struct generation *generation;
    _Atomic uint32_t served;
};

/* One list for all, of which each generation gets a fresh copy. */
struct generation {
    struct filchi_waitlist list;
    uint64_t outcome; /* plain: written by who makes it final */
};

struct party {
    unsigned index;
    uint64_t removed, served, refused;
};

static struct generation generations[2];
static pthread_barrier_t barrier;
static _Atomic unsigned begun; /* parties at work on this list, or done with it */
static _Atomic uint64_t last;  /* there is no list of this number any more */

static void serve(struct filchi_waiter *waiter)
{
    struct node *node = (struct node *)waiter;
    const struct generation *generation = node->generation;
    CHECK_IS(generation->outcome, (uintptr_t)waiter->owner);
    atomic_fetch_add_explicit(&node->served, 1, memory_order_release); /* the last access */
}

static void await_served(const struct node *node)
{
    for (unsigned spins = 0; !atomic_load_explicit(&node->served, memory_order_acquire); spins++)
        if (spins % 64 == 63)
            filchi_os_yield();
    CHECK_IS(atomic_load_explicit(&node->served, memory_order_relaxed), 1);
}

/* Every other list has links back. */
static bool take_away(struct generation *generation, struct node *node)
{
    bool served = false;
    if (generation == &generations[0])
        return filchi_waitlist_remove(&generation->list, &node->waiter);
    return filchi_waitlist_remove_linked(&generation->list, &node->waiter, &served);
}

static void work_on(struct generation *generation, uint64_t number, struct party *party, uint64_t *random)
{
    struct node nodes[NODES];
    bool in[NODES] = { false };
    memset(nodes, 0, sizeof nodes);
    for (unsigned steps = 0, most = stress_below(random, 200); steps < most; steps++) {
        unsigned at = stress_below(random, NODES);
        struct node *node = &nodes[at];
        if (in[at]) {
            in[at] = false;
            if (take_away(generation, node)) {
                CHECK_IS(atomic_load_explicit(&node->served, memory_order_relaxed), 0);
                party->removed++;
            } else {
                await_served(node);
                party->served++;
            }
            memset(node, 0xEE, sizeof *node); /* nobody may look at it any more */
            continue;
        }
        memset(node, 0, sizeof *node);
        node->waiter.serve = serve;
        node->generation = generation;
        node->waiter.owner = (void *)(uintptr_t)number;
        in[at] = filchi_waitlist_add(&generation->list, &node->waiter);
        if (!in[at]) {
            CHECK_IS(generation->outcome, number);
            party->refused++;
        }
    }
    bool wait = stress_below(random, 2);
    for (unsigned i = 0; i < NODES; i++) {
        if (!in[i])
            continue;
        if (!wait && take_away(generation, &nodes[i])) {
            CHECK_IS(atomic_load_explicit(&nodes[i].served, memory_order_relaxed), 0);
            party->removed++;
        } else {
            await_served(&nodes[i]);
            party->served++;
        }
    }
}

static void *party_main(void *arg)
{
    struct party *party = arg;
    uint64_t random = stress_stream(2, party->index);
    for (uint64_t number = 1;; number++) {
        pthread_barrier_wait(&barrier);
        if (atomic_load(&last) == number)
            return NULL;
        atomic_fetch_add(&begun, 1);
        work_on(&generations[number % 2], number, party, &random);
    }
}

/* The states before the final one are passed through as a task passes them. */
static void finish(struct generation *generation, uint64_t number, uint64_t *random)
{
    uintptr_t old;
    while (!atomic_load(&begun))
        filchi_os_yield();
    stress_spin(stress_below(random, 3000));
    if (stress_below(random, 2))
        CHECK(filchi_waitlist_move(&generation->list, 0, 1, &old));
    else
        CHECK(filchi_waitlist_move(&generation->list, 0, 2, &old));
    stress_spin(stress_below(random, 3000));
    generation->outcome = number;
    unsigned from = filchi_waitlist_state(&generation->list);
    CHECK(filchi_waitlist_move(&generation->list, from, 3 + stress_below(random, 4), &old));
    filchi_waitlist_serve(old);
    CHECK(!filchi_waitlist_move(&generation->list, from, 3, &old));
}

int main(int argc, char **argv)
{
    stress_begin("stress_waitlist", 3, argc, argv);
    struct party parties[64] = { 0 };
    pthread_t threads[64];
    pthread_barrier_init(&barrier, NULL, stress.threads + 1);
    for (unsigned i = 0; i < stress.threads; i++) {
        parties[i].index = i;
        CHECK_IS(pthread_create(&threads[i], NULL, party_main, &parties[i]), 0);
    }
    uint64_t random = stress_stream(1, 0), number = 1;
    for (; stress_goes_on(); number++) {
        struct generation *generation = &generations[number % 2];
        filchi_waitlist_init(&generation->list, 0, 0);
        generation->outcome = 0;
        atomic_store(&begun, 0); /* the parties of the list before may add to it late: then this one ends early */
        pthread_barrier_wait(&barrier); /* everybody has left the generation before the last */
        finish(generation, number, &random);
        stress_progress();
    }
    atomic_store(&last, number);
    pthread_barrier_wait(&barrier);
    uint64_t removed = 0, served = 0, refused = 0;
    for (unsigned i = 0; i < stress.threads; i++) {
        pthread_join(threads[i], NULL);
        removed += parties[i].removed;
        served += parties[i].served;
        refused += parties[i].refused;
    }
    pthread_barrier_destroy(&barrier);
    printf("%llu lists; %llu nodes removed, %llu served, %llu too late\n", (unsigned long long)number - 1,
           (unsigned long long)removed, (unsigned long long)served, (unsigned long long)refused);
    stress_total("waiters", removed + served);
    return stress_end();
}
