/* SPDX-License-Identifier: MIT */
/*
 * Completion queues: each future gets a waiter that, served, goes to a queue, whose consumer is an event loop. An eventfd
 * is signalled when the queue stops being empty, by who pushed; the consumer resets it when it has found the queue empty.
 * docs/design/cq.md tells why no signal is lost.
 *
 * Invariant: between two bursts the queue is empty; every burst gets one signal, by who pushed its first node. `owed` is how
 * many signals the consumer has not read of bursts that it has emptied: none, and it makes no system call. `held` counts
 * nodes that were not drained, and the owner. Who serves a node touches the queue afterwards only if it found it empty:
 * then it counts itself in `signalled`, until the end, or, once the queue is `closed`, is its consumer until it is
 * empty again. Whoever takes `held` to 0 frees it.
 *
 * Rejected: removing what is registered at the end. It takes a list of all that was added, and so a lock for each, for the
 * sake of a node's memory that the task's own end gives back as well.
 */
#include "cq.h"

#include "blocks.h"
#include "options.h"
#include "submit.h"
#include "transition.h"

#include <errno.h>
#include <string.h>

struct filch_cq {
    struct filchi_mpsc queue;
    _Alignas(FILCHI_LINE) _Atomic size_t held; /* who adds, and who drains */
    _Atomic uint32_t signalled;                /* bursts; who pushed their first, as its last access */
    int fd;                                    /* constant until it is closed */
    bool closed;                               /* the end; read by who comes to the queue after */
    uint32_t emptied;                          /* consumer: bursts */
    int64_t owed;                     /* consumer: see above; for a moment -1: the signal of the next burst too */
    struct filchi_os_process process; /* constant */
    struct filchi_blocks blocks;      /* of the nodes of futures that were added */
    struct filchi_mpsc_node end;      /* keeps the queue from being empty while it is closed */
};

/* ---- Nodes ---- */

static void free_node(filch_cq *cq, struct filchi_cq_node *node)
{
    if (node->beside)
        filchi_cq_node_abandon(node);
    else
        filchi_blocks_free(&cq->blocks, node);
}

void filchi_cq_node_abandon(struct filchi_cq_node *node)
{
    memset(node, 0, sizeof *node); /* as free objects must be */
    filchi_slab_free(node, filchi_slab_here);
}

/* The consumer: the next, or NULL. */
static struct filchi_mpsc_node *take(filch_cq *cq)
{
    return filchi_mpsc_take(&cq->queue, &cq->emptied);
}

static struct filchi_cq_node *node_of(struct filchi_mpsc_node *link)
{
    return filchi_container_of(link, struct filchi_cq_node, waiter.in.link);
}

/* ---- The end of it, and after ---- */

static void destroy(filch_cq *cq)
{
    filchi_blocks_fini(&cq->blocks);
    filchi_os_process_fini(&cq->process);
    filchi_os_free(cq);
}

/* Gives up n holds. */
static void let_go(filch_cq *cq, size_t n)
{
    /* acq_rel R2: pairs with itself; whoever drops the last sees every other thread done with it. */
    if (atomic_fetch_sub_explicit(&cq->held, n, memory_order_acq_rel) == n)
        destroy(cq);
}

/*
 * The consumer of one that is closed and not empty, up to where it is: from there on it is who pushes next. Then the holds
 * of what was forgotten go, and `more`.
 */
static void forget(filch_cq *cq, size_t more)
{
    size_t n = more;
    for (uint32_t before = cq->emptied; cq->emptied == before;) {
        struct filchi_mpsc_node *link = take(cq);
        if (link == &cq->end)
            continue;
        struct filchi_cq_node *node = node_of(link);
        filch_future_unref(node->waiter.subject);
        free_node(cq, node);
        n++;
    }
    let_go(cq, n);
}

/* ---- Completion ---- */

static void serve(struct filchi_waiter *waiter)
{
    filch_cq *cq = waiter->owner;
    if (!filchi_mpsc_push(&cq->queue, &waiter->in.link))
        return;
    if (cq->closed) {
        forget(cq, 0);
        return;
    }
    filchi_os_event_signal(cq->fd);
    /* release R1: pairs with acquire R1 in filch_cq_destroy(); our last access. */
    atomic_fetch_add_explicit(&cq->signalled, 1, memory_order_release);
}

/* ---- Beginning ---- */

int filch_cq_create(filch_cq **out)
{
    filch_cq *cq = filchi_os_alloc_aligned(_Alignof(filch_cq), sizeof *cq);
    if (!cq)
        return -ENOMEM;
    int rc = filchi_os_process_init(&cq->process);
    if (rc)
        goto no_process;
    cq->fd = rc = filchi_os_event_create();
    if (rc < 0)
        goto no_event;
    filchi_mpsc_init(&cq->queue);
    filchi_blocks_init(&cq->blocks, sizeof(struct filchi_cq_node));
    atomic_init(&cq->held, 1);
    atomic_init(&cq->signalled, 0);
    *out = cq;
    return 0;

no_event:
    filchi_os_process_fini(&cq->process);
no_process:
    filchi_os_free(cq);
    return rc;
}

int filch_cq_fd(const filch_cq *cq)
{
    return cq->fd;
}

/* ---- Adding ---- */

static bool is_here(const filch_cq *cq)
{
    return filchi_os_process_here(&cq->process);
}

/* One more that is to come. */
static void expect(filch_cq *cq)
{
    atomic_fetch_add_explicit(&cq->held, 1, memory_order_relaxed); /* relaxed: the caller keeps it alive. */
}

static void init_node(struct filchi_cq_node *node, filch_cq *cq, filch_future *future, void *tag)
{
    node->waiter.serve = serve;
    node->waiter.subject = future;
    node->waiter.owner = cq;
    node->tag = tag;
}

void filchi_cq_attach(filch_cq *cq, struct filchi_cq_node *node, filch_future *future, void *tag)
{
    init_node(node, cq, future, tag);
    node->beside = true;
    filchi_waitlist_begin(&future->waiters, &node->waiter);
}

int filch_cq_add(filch_cq *cq, filch_future *future, void *tag)
{
    if (!cq || !future)
        return -EINVAL;
    if (!is_here(cq) || (!filchi_future_here(future) && !filchi_future_final(future)))
        return -EOWNERDEAD;
    struct filchi_cq_node *node = filchi_blocks_alloc(&cq->blocks);
    if (!node)
        return -ENOMEM;
    init_node(node, cq, filch_future_ref(future), tag);
    expect(cq);
    if (!filchi_waitlist_add(&future->waiters, &node->waiter))
        serve(&node->waiter);
    return 0;
}

int filch_cq_submit(filch_cq *cq, filch_pool *pool, filch_fn *fn, void *arg, const filch_task_options *options,
                    void *tag)
{
    filch_task_options chosen = FILCH_TASK_OPTIONS;
    int rc = cq ? filchi_options_copy(&chosen, sizeof chosen, options) : -EINVAL;
    if (rc)
        return rc;
    if (!is_here(cq))
        return -EOWNERDEAD;
    const struct filchi_membership membership = { .refs = 1, .cq = cq, .tag = tag };
    expect(cq);
    rc = filchi_submit(pool, fn, arg, options ? &chosen : &filchi_submit_plainly, &membership, NULL);
    if (rc) /* relaxed: as in expect(). */
        atomic_fetch_sub_explicit(&cq->held, 1, memory_order_relaxed);
    return rc;
}

/* ---- Draining ---- */

/* Up to n of those that are there. */
static size_t take_batch(filch_cq *cq, filch_cq_entry *out, size_t n)
{
    uint32_t before = cq->emptied;
    size_t got = 0;
    struct filchi_mpsc_node *link;
    while (got < n && (link = take(cq))) {
        struct filchi_cq_node *node = node_of(link);
        out[got++] = (filch_cq_entry) { .future = node->waiter.subject, .tag = node->tag };
        free_node(cq, node);
    }
    cq->owed += (int64_t)(uint32_t)(cq->emptied - before);
    return got;
}

/*
 * The queue was found empty: what is signalled is over, but for those who came since. Of these the signal may be among
 * what is read now, so they are taken too; if some stay behind, for want of room, they are signalled again.
 */
static size_t reset(filch_cq *cq, filch_cq_entry *out, size_t n)
{
    cq->owed -= filchi_os_event_take(cq->fd);
    size_t got = take_batch(cq, out, n);
    if (got == n && !filchi_mpsc_empty(&cq->queue)) {
        filchi_os_event_signal(cq->fd);
        cq->owed++;
    }
    return got;
}

size_t filch_cq_drain(filch_cq *cq, filch_cq_entry *out, size_t n)
{
    if (!is_here(cq))
        return 0;
    size_t got = take_batch(cq, out, n);
    if (cq->owed > 0 && (got < n || filchi_mpsc_empty(&cq->queue)))
        got += reset(cq, out + got, n - got);
    if (got) /* relaxed: as in expect(). */
        atomic_fetch_sub_explicit(&cq->held, got, memory_order_relaxed);
    return got;
}

size_t filch_cq_pending(const filch_cq *cq)
{
    return atomic_load_explicit(&cq->held, memory_order_relaxed) - 1; /* relaxed: a number to look at. */
}

/* ---- Ending ---- */

void filch_cq_destroy(filch_cq *cq)
{
    if (!cq)
        return;
    if (!is_here(cq)) { /* nobody will come to it; what was added stays */
        filchi_os_event_close(cq->fd);
        destroy(cq);
        return;
    }
    /* From here on nobody finds it empty, to signal a burst; one may be doing so. */
    bool quiet = filchi_mpsc_push(&cq->queue, &cq->end);
    uint32_t due = cq->emptied + !quiet;
    /* acquire R1: pairs with release R1 in serve(). */
    for (unsigned spins = 0; atomic_load_explicit(&cq->signalled, memory_order_acquire) != due; spins++)
        filchi_os_relax(spins);
    filchi_os_event_close(cq->fd);
    cq->closed = true; /* for those who find it empty after forget(): M1 */
    forget(cq, 1);
}

void filch_cq_cleanup(filch_cq **cq)
{
    filch_cq_destroy(*cq);
}
