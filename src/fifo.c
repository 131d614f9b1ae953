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

uintptr_t filchi_fifo_find(const struct filchi_fifo *fifo, int (*is_it)(uintptr_t item, void *arg), void *arg)
{
    const struct filchi_fifo_segment *segment = fifo->first;
    size_t at = fifo->head;
    for (size_t left = fifo->n; left > 0; left--) {
        if (is_it(segment->items[at], arg))
            return segment->items[at];
        if (++at == FILCHI_FIFO_SEGMENT) {
            segment = segment->next;
            at = 0;
        }
    }
    return 0;
}

void filchi_fifo_fini(struct filchi_fifo *fifo)
{
    for (struct filchi_fifo_segment *segment = fifo->first, *next; segment; segment = next) {
        next = segment->next;
        filchi_memory_free(fifo->memory, segment);
    }
    *fifo = (struct filchi_fifo) { .first = NULL };
}
