/* SPDX-License-Identifier: MIT */
/* The label: a name that one thread changes and others read, which must be one of those that it had. */
#include "engine.h"
#include "label.h"

static struct filchi_label label;
static const char *const names[] = { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
                                     "ccccccccccccccccccccccccccccccc" };

static void begin(void)
{
    atomic_init(&label.version, 0);
    for (int i = 0; i < FILCHI_LABEL_WORDS; i++)
        atomic_init(&label.text[i], 0);
    filchi_label_set(&label, names[0]);
}

static void change(unsigned i)
{
    char text[FILCHI_LABEL_WORDS * 8];
    if (i == 0) {
        filchi_label_set(&label, names[1]);
        filchi_label_set(&label, names[2]);
        return;
    }
    model_check(filchi_label_get(&label, text));
    unsigned which = (unsigned)(text[0] - 'a');
    model_check(which < 3);
    for (size_t at = 0; at < sizeof text; at++)
        model_check(text[at] == names[which][at]);
}

static void end(void)
{
    char text[FILCHI_LABEL_WORDS * 8];
    filchi_label_set(&label, NULL);
    model_check(!filchi_label_get(&label, text));
}

static const struct model models[] = {
    { .name = "label",
      .says = "a reader has one of the names, never a mixture",
      .threads = 3,
      .before = begin,
      .thread = change,
      .after = end,
      .executions = 50000 },
};

int main(int argc, char **argv)
{
    static const char *const files[] = { "label.c", "label.h", NULL };
    return model_main(argc, argv, files, models, sizeof models / sizeof models[0]);
}
