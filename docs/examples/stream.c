/* SPDX-License-Identifier: MIT */
/*
 * Stream: a filter for input that need not end. Prints what cksum(1) says of each line of stdin, in their order,
 * computed by as many tasks as the window has room for, in memory that does not grow.
 */
#include "program.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int workers = 0, window = 0;

static const struct flag flags[] = {
    { .name = "workers", .help = "lines at once; 0: as many as processors", .count = &workers, .most = 1024 },
    { .name = "window", .help = "lines read ahead of the output; 0: four a worker", .count = &window },
    { 0 },
};

struct line {
    uint32_t checksum;
    size_t length;
    char text[];
};

/* ---- The source: called by the thread that prints ---------------------------------------------------------- */

static int read_line(void *unused, void **item)
{
    static char *text;
    static size_t size;
    (void)unused;
    errno = 0;
    ssize_t length = getline(&text, &size, stdin);
    if (length < 0) {
        free(text);
        return -errno; /* 0 at the end of the input */
    }
    if (text[length - 1] == '\n')
        length--;
    struct line *line = malloc(sizeof *line + (size_t)length);
    if (!line)
        return -ENOMEM;
    line->length = (size_t)length;
    memcpy(line->text, text, line->length);
    *item = line;
    return 1;
}

/* ---- The tasks --------------------------------------------------------------------------------------------- */

static uint32_t add_byte(uint32_t sum, unsigned byte)
{
    sum ^= (uint32_t)byte << 24;
    for (int bit = 0; bit < 8; bit++)
        sum = sum << 1 ^ (sum >> 31 ? UINT32_C(0x04C11DB7) : 0);
    return sum;
}

/* The line that comes in goes out: its memory is the stream's, from the source until it was printed. */
static int checksum(filch_task *self, void *item)
{
    struct line *line = item;
    uint32_t sum = 0;
    for (size_t i = 0; i < line->length; i++)
        sum = add_byte(sum, (unsigned char)line->text[i]);
    for (size_t length = line->length; length > 0; length >>= 8)
        sum = add_byte(sum, length & 0xFF);
    line->checksum = ~sum;
    return filch_return(self, line);
}

/* ---- The consumer ------------------------------------------------------------------------------------------ */

static filch_error *run(void)
{
    FILCH_AUTO(filch_pool_cleanup) filch_pool *pool = NULL;
    FILCH_AUTO(filch_stream_cleanup) filch_stream *stream = NULL;
    filch_pool_options pool_options = FILCH_POOL_OPTIONS;
    filch_stream_options options = FILCH_STREAM_OPTIONS;
    void *result;
    pool_options.workers = (unsigned)workers;
    options.window = (size_t)window;
    options.name = "line";
    options.item_dtor = free;
    int rc = filch_pool_create(&pool, &pool_options);
    if (rc == 0)
        rc = filch_stream_begin(&stream, pool, checksum, read_line, NULL, &options);
    if (rc != 0)
        return filch_error_create(rc, "cannot start");
    while ((rc = filch_stream_next(stream, &result)) > 0) {
        const struct line *line = result;
        printf("%" PRIu32 " %zu ", line->checksum, line->length);
        fwrite(line->text, 1, line->length, stdout);
        if (putchar('\n') == EOF)
            return filch_error_create(-errno, "cannot write the output");
    }
    return rc == 0 ? NULL : filch_error_ref(filch_stream_error(stream));
}

int main(int argc, char **argv)
{
    program_flags(argc, argv, "Prints checksum, length and text of each line of stdin, in their order.", flags);
    return program_exit_code(run());
}
