/* SPDX-License-Identifier: MIT */
/* Reading and checking the fetcher's input: every complaint names the file and the line. */
#include "fetch_input.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct reader {
    const char *file;
    const char *base;
    size_t base_length; /* without the slashes at its end */
    size_t line;
    struct fetch_input *input;
    size_t capacity;     /* of input->mains */
    filch_error **error; /* out: set by whoever fails first */
};

/* ---- Complaints -------------------------------------------------------------------------------------------- */

FILCH_PRINTF(2, 3) static int complain(struct reader *reader, const char *format, ...)
{
    char what[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    *reader->error = filch_error_create(-EINVAL, "%s:%zu: %s", reader->file, reader->line, what);
    return -EINVAL;
}

static int fail(struct reader *reader, int code)
{
    *reader->error = filch_error_create(code, "%s: %s", reader->file, strerror(-code));
    return code;
}

/* ---- Words ------------------------------------------------------------------------------------------------- */

/* How many bytes the UTF-8 sequence at `text` has, of at most `left`; 0 if it is none. */
static size_t utf8_length(const unsigned char *text, size_t left)
{
    unsigned char lead = text[0];
    size_t length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    if (length > left)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    /* Too long a form, a surrogate, beyond the last code point: all are told by the second byte. */
    if ((lead == 0xe0 && text[1] < 0xa0) || (lead == 0xed && text[1] > 0x9f) || (lead == 0xf0 && text[1] < 0x90) ||
        (lead == 0xf4 && text[1] > 0x8f))
        return 0;
    return length;
}

static bool is_control(const unsigned char *text, size_t length)
{
    if (length == 2)
        return text[0] == 0xc2 && text[1] < 0xa0;
    return (text[0] < 0x20 && text[0] != '\t' && text[0] != '\r' && text[0] != '\n') || text[0] == 0x7f;
}

/* Names and URLs go to terminals and into JSON, so a line may hold neither control characters nor broken UTF-8. */
static int check_text(struct reader *reader, const char *line, size_t length)
{
    const unsigned char *text = (const unsigned char *)line;
    for (size_t i = 0, step; i < length; i += step) {
        step = utf8_length(text + i, length - i);
        if (step == 0)
            return complain(reader, "byte %zu is not UTF-8", i + 1);
        if (is_control(text + i, step))
            return complain(reader, "byte %zu is a control character", i + 1);
    }
    return 0;
}

int fetch_input_check_url(const char *text)
{
    if (strncasecmp(text, "http://", 7) != 0 && strncasecmp(text, "https://", 8) != 0)
        return -EINVAL;
    CURLU *parts = curl_url();
    CURLUcode code = parts ? curl_url_set(parts, CURLUPART_URL, text, 0) : CURLUE_OUT_OF_MEMORY;
    curl_url_cleanup(parts);
    if (code == CURLUE_OK)
        return 0;
    return code == CURLUE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
}

/* Makes a URL of a word. */
static int read_url(struct reader *reader, const char *word, char **out)
{
    bool is_path = word[0] == '/';
    if (is_path && !reader->base)
        return complain(reader, "'%s' is a path: --serve-demo or --base-url says on which server", word);
    int base_length = is_path ? (int)reader->base_length : 0;
    char *url;
    if (asprintf(&url, "%.*s%s", base_length, is_path ? reader->base : "", word) < 0)
        return fail(reader, -ENOMEM);
    int error = fetch_input_check_url(url);
    if (error == 0) {
        *out = url;
        return 0;
    }
    free(url);
    return error == -EINVAL ? complain(reader, "'%s' is not an http(s) URL", word) : fail(reader, error);
}

/* Cuts the next word off a line; NULL at its end and where a comment begins. */
static char *next_word(char **line)
{
    static const char blanks[] = " \t\r\n";
    char *word = *line + strspn(*line, blanks);
    char *end = word + strcspn(word, blanks);
    if (end == word || word[0] == '#')
        return NULL;
    *line = *end != '\0' ? end + 1 : end;
    *end = '\0';
    return word;
}

/* ---- Lines ------------------------------------------------------------------------------------------------- */

/* A new main task at the end of the input. */
static struct fetch_main *add_main(struct reader *reader, const char *name)
{
    struct fetch_input *input = reader->input;
    if (input->count == reader->capacity) {
        size_t capacity = reader->capacity > 0 ? reader->capacity * 2 : 16;
        struct fetch_main *mains = reallocarray(input->mains, capacity, sizeof *mains);
        if (!mains)
            return NULL;
        input->mains = mains;
        reader->capacity = capacity;
    }
    char *copy = strdup(name);
    if (!copy)
        return NULL;
    struct fetch_main *added = &input->mains[input->count++];
    *added = (struct fetch_main) { .name = copy };
    return added;
}

static int add_url(struct reader *reader, struct fetch_main *owner, const char *word)
{
    /* Doubles at every power of two, so that no capacity has to be kept. */
    if ((owner->url_count & (owner->url_count - 1)) == 0) {
        size_t capacity = owner->url_count > 0 ? owner->url_count * 2 : 1;
        char **urls = reallocarray(owner->urls, capacity, sizeof *urls);
        if (!urls)
            return fail(reader, -ENOMEM);
        owner->urls = urls;
    }
    int error = read_url(reader, word, &owner->urls[owner->url_count]);
    if (error == 0) {
        owner->url_count++;
        reader->input->url_count++;
    }
    return error;
}

static int read_line(struct reader *reader, char *line, size_t length)
{
    int error = check_text(reader, line, length);
    if (error != 0)
        return error;
    char *name = next_word(&line);
    if (!name)
        return 0;
    struct fetch_main *added = add_main(reader, name);
    if (!added)
        return fail(reader, -ENOMEM);
    for (char *word; error == 0 && (word = next_word(&line));)
        error = add_url(reader, added, word);
    if (error == 0 && added->url_count == 0)
        error = complain(reader, "main task '%s' has no URL", name);
    return error;
}

/* How long the byte order mark is that some editors put before the first line; 0 if there is none. */
static size_t mark_length(const char *line)
{
    static const char mark[] = "\xef\xbb\xbf";
    return strncmp(line, mark, sizeof mark - 1) == 0 ? sizeof mark - 1 : 0;
}

static int read_lines(struct reader *reader, FILE *stream)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    int error = 0;
    errno = 0;
    while (error == 0 && (length = getline(&line, &size, stream)) >= 0) {
        reader->line++;
        size_t skipped = reader->line == 1 ? mark_length(line) : 0;
        error = read_line(reader, line + skipped, (size_t)length - skipped);
        errno = 0;
    }
    if (error == 0 && !feof(stream))
        error = fail(reader, errno != 0 ? -errno : -EIO);
    free(line);
    return error;
}

/* ---- The whole --------------------------------------------------------------------------------------------- */

int fetch_input_read(struct fetch_input *out, const char *file, const char *base, filch_error **out_error)
{
    struct fetch_input input = { 0 };
    bool is_stdin = strcmp(file, "-") == 0;
    struct reader reader = {
        .file = is_stdin ? "standard input" : file,
        .base = base,
        .base_length = base ? strlen(base) : 0,
        .input = &input,
        .error = out_error,
    };
    while (reader.base_length > 0 && base[reader.base_length - 1] == '/')
        reader.base_length--;
    FILE *stream = is_stdin ? stdin : fopen(file, "re");
    if (!stream)
        return fail(&reader, -errno);
    int error = read_lines(&reader, stream);
    if (!is_stdin)
        fclose(stream);
    if (error == 0 && input.count == 0) {
        error = -EINVAL;
        *out_error = filch_error_create(error, "%s: no main task in it", reader.file);
    }
    if (error == 0)
        *out = input;
    else
        fetch_input_fini(&input);
    return error;
}

void fetch_input_fini(struct fetch_input *input)
{
    for (size_t i = 0; i < input->count; i++) {
        struct fetch_main *owner = &input->mains[i];
        for (size_t j = 0; j < owner->url_count; j++)
            free(owner->urls[j]);
        free(owner->urls);
        free(owner->name);
    }
    free(input->mains);
    *input = (struct fetch_input) { 0 };
}
