/* SPDX-License-Identifier: MIT */
/*
 * The fetcher's input: whatever the bytes, reading them gives main tasks with URLs, or a complaint that names a line. What was
 * read can be written down again, and is read the same.
 */
#include "bytes.h"
#include "fetch_input.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BASE "http://127.0.0.1:8080/"

/* Reads it as the file that it is to the fetcher. */
static int read_text(const char *text, size_t size, const char *base, struct fetch_input *out, filch_error **error)
{
    char file[64];
    int fd = memfd_create("input", MFD_CLOEXEC);
    must(fd >= 0 && write(fd, text, size) == (ssize_t)size);
    snprintf(file, sizeof file, "/proc/self/fd/%d", fd);
    int rc = fetch_input_read(out, file, base, error);
    close(fd);
    return rc;
}

static size_t lines_of(const char *text, size_t size)
{
    size_t n = size && text[size - 1] != '\n';
    for (size_t i = 0; i < size; i++)
        n += text[i] == '\n';
    return n;
}

static void check_complaint(const char *text, size_t size, int rc, const filch_error *error)
{
    static const char nothing[] = ": no main task in it";
    const char *message = filch_error_message(error);
    must(rc == -EINVAL && filch_error_code(error) == rc);
    const char *colon = strchr(message, ':');
    must(colon);
    if (strcmp(colon, nothing) == 0)
        return;
    char *end;
    unsigned long line = strtoul(colon + 1, &end, 10);
    must(line >= 1 && line <= lines_of(text, size) && strncmp(end, ": ", 2) == 0);
}

/* A word as the input has them: no blanks, no control characters. */
static void check_word(const char *word)
{
    must(word[0] && !strpbrk(word, " \t\r\n\x7f"));
    for (const char *at = word; *at; at++)
        must((unsigned char)*at >= 0x20);
}

static void check_input(const struct fetch_input *input)
{
    size_t urls = 0;
    must(input->count);
    for (size_t i = 0; i < input->count; i++) {
        const struct fetch_main *owner = &input->mains[i];
        check_word(owner->name);
        must(owner->name[0] != '#' && owner->url_count);
        for (size_t j = 0; j < owner->url_count; j++) {
            check_word(owner->urls[j]);
            must(fetch_input_check_url(owner->urls[j]) == 0);
        }
        urls += owner->url_count;
    }
    must(urls == input->url_count);
}

static void check_same(const struct fetch_input *a, const struct fetch_input *b)
{
    must(a->count == b->count && a->url_count == b->url_count);
    for (size_t i = 0; i < a->count; i++) {
        must(strcmp(a->mains[i].name, b->mains[i].name) == 0 && a->mains[i].url_count == b->mains[i].url_count);
        for (size_t j = 0; j < a->mains[i].url_count; j++)
            must(strcmp(a->mains[i].urls[j], b->mains[i].urls[j]) == 0);
    }
}

/* With other blanks, a comment on every line, and no base: all URLs are whole by now. */
static void read_again(const struct fetch_input *input)
{
    char *text;
    size_t size;
    struct fetch_input again;
    filch_error *error = NULL;
    FILE *stream = open_memstream(&text, &size);
    must(stream);
    fputs("# written down again\n", stream);
    for (size_t i = 0; i < input->count; i++) {
        fprintf(stream, "\t%s", input->mains[i].name);
        for (size_t j = 0; j < input->mains[i].url_count; j++)
            fprintf(stream, " \t%s", input->mains[i].urls[j]);
        fprintf(stream, " # main %zu\r\n", i);
    }
    must(fclose(stream) == 0);
    must(read_text(text, size, NULL, &again, &error) == 0);
    check_same(input, &again);
    fetch_input_fini(&again);
    free(text);
}

/* The first byte says whether there is a base. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes bytes = { data, size };
    const char *base = bytes_take(&bytes) & 1 ? BASE : NULL;
    const char *text = (const char *)bytes.next;
    struct fetch_input input = { NULL, 77, 0 };
    filch_error *error = NULL;
    int rc = read_text(text, bytes.left, base, &input, &error);
    if (rc) {
        must(input.count == 77 && !input.mains); /* untouched */
        check_complaint(text, bytes.left, rc, error);
        filch_error_unref(error);
        return 0;
    }
    must(!error);
    check_input(&input);
    read_again(&input);
    fetch_input_fini(&input);
    return 0;
}
