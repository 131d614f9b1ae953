/* SPDX-License-Identifier: MIT */
/* The name of the task that a thread runs: see label.h. */
#include "label.h"

#include <string.h>

void filchi_label_set(struct filchi_label *label, const char *name)
{
    uint64_t text[FILCHI_LABEL_WORDS] = { 0 };
    if (name)
        memcpy(text, name, strnlen(name, sizeof text - 1));
    /* A sequence lock. relaxed: the own counter. */
    uint32_t version = atomic_load_explicit(&label->version, memory_order_relaxed);
    atomic_store_explicit(&label->version, version + 1,
                          memory_order_relaxed); /* relaxed: ordered by the stores below. */
    for (int i = 0; i < FILCHI_LABEL_WORDS; i++)
        /* release T1: pairs with acquire T1 in filchi_label_get(): new text is seen with an odd or newer
         * version. */
        atomic_store_explicit(&label->text[i], text[i], memory_order_release);
    /* release T2: pairs with acquire T2 in filchi_label_get(): the new version is seen with all of its text. */
    atomic_store_explicit(&label->version, version + 2, memory_order_release);
}

bool filchi_label_get(const struct filchi_label *label, char *buffer)
{
    uint64_t text[FILCHI_LABEL_WORDS];
    uint32_t version;
    do {
        version = atomic_load_explicit(&label->version,
                                       memory_order_acquire); /* acquire T2: pairs with filchi_label_set(). */
        for (int i = 0; i < FILCHI_LABEL_WORDS; i++)
            text[i] = atomic_load_explicit(&label->text[i], memory_order_acquire); /* acquire T1: the same. */
        /* relaxed: ordered after the texts by T1. */
    } while (version % 2 || version != atomic_load_explicit(&label->version, memory_order_relaxed));
    memcpy(buffer, text, sizeof text);
    return buffer[0] != '\0';
}
