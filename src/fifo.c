/* SPDX-License-Identifier: MIT */
/* A queue of words under a lock of the user's: see fifo.h. */
#include "fifo.h"

#include "os.h"

#include <errno.h>

/* Makes room behind the last item. */
static int grow(struct filchi_fifo *fifo)
{
    struct filchi_fifo_segment *segment =
        filchi_memory_alloc(fifo->memory, _Alignof(struct filchi_fifo_segment), sizeof *segment);
    if (!segment)
        return -ENOMEM;
    segment->next = NULL;
    if (fifo->last)
        fifo->last->next = segment;
    else
        fifo->first = segment;
    fifo->last = segment;
    fifo->tail = 0;
    return 0;
}

int filchi_fifo_push(struct filchi_fifo *fifo, uintptr_t item)
{
    if (!fifo->last || fifo->tail == FILCHI_FIFO_SEGMENT) {
        int rc = grow(fifo);
        if (rc)
            return rc;
    }
    fifo->last->items[fifo->tail++] = item;
    fifo->n++;
    return 0;
}

uintptr_t filchi_fifo_pop(struct filchi_fifo *fifo)
{
    struct filchi_fifo_segment *segment = fifo->first;
    uintptr_t item = segment->items[fifo->head++];
    if (--fifo->n == 0) {
        fifo->head = fifo->tail = 0; /* the segment is the last one, and all of it is free again */
    } else if (fifo->head == FILCHI_FIFO_SEGMENT) {
        fifo->first = segment->next;
        fifo->head = 0;
        filchi_memory_free(fifo->memory, segment);
    }
    return item;
}

/* The next place after this one. */
static struct filchi_fifo_segment *step(struct filchi_fifo_segment *segment, size_t *at)
{
    if (++*at < FILCHI_FIFO_SEGMENT)
        return segment;
    *at = 0;
    return segment->next;
}

/* How many come before the oldest that `is_it`; all, if none is. */
static size_t find(const struct filchi_fifo *fifo, int (*is_it)(uintptr_t item, void *arg), void *arg)
{
    struct filchi_fifo_segment *segment = fifo->first;
    size_t before = 0;
    for (size_t at = fifo->head; before < fifo->n && !is_it(segment->items[at], arg); before++)
        segment = step(segment, &at);
    return before;
}

uintptr_t filchi_fifo_pick(struct filchi_fifo *fifo, int (*is_it)(uintptr_t item, void *arg), void *arg)
{
    size_t before = find(fifo, is_it, arg), at = fifo->head;
    if (before == fifo->n)
        return 0;
    struct filchi_fifo_segment *segment = fifo->first;
    uintptr_t moved = segment->items[at];
    for (; before > 0; before--) { /* each goes where the next one was, and the last of them is the one */
        segment = step(segment, &at);
        uintptr_t next = segment->items[at];
        segment->items[at] = moved;
        moved = next;
    }
    fifo->first->items[fifo->head] = moved;
    return filchi_fifo_pop(fifo);
}

void filchi_fifo_fini(struct filchi_fifo *fifo)
{
    for (struct filchi_fifo_segment *segment = fifo->first, *next; segment; segment = next) {
        next = segment->next;
        filchi_memory_free(fifo->memory, segment);
    }
    *fifo = (struct filchi_fifo) { .first = NULL };
}
