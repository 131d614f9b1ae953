/* SPDX-License-Identifier: MIT */
/* A thread's label: read by anyone while its thread writes it. */
#include "label.h"

#include "support.h"

SUITE(label);

enum { SIZE = FILCHI_LABEL_WORDS * 8 };

static struct filchi_label label;
static _Atomic bool over;

static void *write_labels(void *arg)
{
    (void)arg;
    for (unsigned i = 0; !atomic_load(&over); i++) {
        char name[SIZE];
        memset(name, 'a' + (int)(i % 26), sizeof name);
        name[i % (SIZE - 1) + 1] = '\0';
        filchi_label_set(&label, i % 27 ? name : NULL);
    }
    return NULL;
}

Test(label, what_is_read_was_written_in_one_piece)
{
    pthread_t writer;
    int labels = 0, none = 0;
    must(pthread_create(&writer, NULL, write_labels, NULL) == 0);
    while (labels < 200000 || none < 100) {
        char text[SIZE];
        if (!filchi_label_get(&label, text)) {
            none++;
            continue;
        }
        size_t length = strnlen(text, sizeof text);
        cr_assert_lt(length, sizeof text);
        for (size_t i = 1; i < length; i++)
            must(text[i] == text[0]);
        labels++;
    }
    atomic_store(&over, true);
    pthread_join(writer, NULL);
}
