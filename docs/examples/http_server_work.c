/* SPDX-License-Identifier: MIT */
/*
 * The work of the server: a checksum, an inflated body, a pause. All of it polls its host every 64 KiB, which bounds the
 * time for which work goes on that nobody waits for any more.
 */
#include "http_server_work.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#define PIECE 65536u

/* ---- Requests ---------------------------------------------------------------------------------------------- */

/* Digits only, to the end. */
static bool read_amount(const char *text, size_t length, uint64_t *out)
{
    uint64_t number = 0;
    if (length == 0 || length > 18) /* so it cannot overflow */
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(text[i] - '0');
    }
    *out = number;
    return true;
}

static bool begins(const char *text, size_t length, const char *prefix, size_t prefix_length)
{
    return length >= prefix_length && memcmp(text, prefix, prefix_length) == 0;
}

static int parse_item(const char *text, size_t length, struct work_item *item)
{
    *item = (struct work_item) { .kind = WORK_GUNZIP };
    if (length == 6 && begins(text, length, "gunzip", 6))
        return 0;
    item->kind = WORK_HASH;
    if (begins(text, length, "hash=", 5))
        return read_amount(text + 5, length - 5, &item->amount) ? 0 : -EINVAL;
    item->kind = WORK_SLEEP;
    if (begins(text, length, "sleep=", 6))
        return read_amount(text + 6, length - 6, &item->amount) ? 0 : -EINVAL;
    return -EINVAL;
}

int work_parse(const char *query, size_t length, struct work_item *items, size_t *count)
{
    const char *end = query + length;
    while (query < end) {
        const char *ampersand = memchr(query, '&', (size_t)(end - query));
        const char *item_end = ampersand ? ampersand : end;
        if (*count == WORK_MOST_ITEMS)
            return -E2BIG;
        int rc = parse_item(query, (size_t)(item_end - query), &items[*count]);
        if (rc)
            return rc;
        (*count)++;
        query = ampersand ? item_end + 1 : end;
    }
    return 0;
}

/* About a nanosecond for a byte hashed, ten for one that is to be inflated. */
uint64_t work_cost(const struct work_item *item, size_t body_size)
{
    if (item->kind == WORK_HASH)
        return item->amount;
    return item->kind == WORK_GUNZIP ? 10 * (uint64_t)body_size : 0;
}

/* ---- Hash -------------------------------------------------------------------------------------------------- */

static int fail(struct work_item *item, int code, const char *why)
{
    item->why = why;
    return code;
}

/* A file of zeros, as it were: what is hashed does not matter, but all of it has to be read. */
static int hash(struct work_item *item, const struct work_host *host)
{
    static const unsigned char piece[PIECE];
    if (item->amount > WORK_MOST_HASH)
        return fail(item, -EFBIG, "more than 64 MiB to hash");
    uLong sum = crc32(0, NULL, 0);
    for (uint64_t left = item->amount; left > 0;) {
        uInt n = left < PIECE ? (uInt)left : PIECE;
        if (host->stopped(host->self))
            return -ECANCELED;
        sum = crc32(sum, piece, n);
        left -= n;
    }
    item->bytes = item->amount;
    item->checksum = (uint32_t)sum;
    return 0;
}

/* ---- Gunzip ------------------------------------------------------------------------------------------------ */

static void count_text(struct work_item *item, const unsigned char *text, size_t length, bool *in_word)
{
    for (size_t i = 0; i < length; i++) {
        bool space = isspace(text[i]);
        item->lines += text[i] == '\n';
        item->words += !space && !*in_word;
        *in_word = !space;
    }
    item->bytes += length;
}

/* Inflates all members of the body, a piece at a time. */
static int inflate_all(struct work_item *item, z_stream *stream, const struct work_host *host)
{
    unsigned char piece[16384];
    bool in_word = false;
    for (;;) {
        if (host->stopped(host->self))
            return -ECANCELED;
        stream->next_out = piece;
        stream->avail_out = sizeof piece;
        int rc = inflate(stream, Z_NO_FLUSH);
        count_text(item, piece, sizeof piece - stream->avail_out, &in_word);
        if (item->bytes > WORK_MOST_GUNZIP)
            return fail(item, -EFBIG, "the body grows to more than 1 GiB");
        if (rc == Z_STREAM_END && stream->avail_in == 0)
            return 0;
        if (rc == Z_STREAM_END)
            rc = inflateReset(stream);
        if (rc == Z_BUF_ERROR || (rc == Z_OK && stream->avail_in == 0 && stream->avail_out > 0))
            return fail(item, -EBADMSG, "the gzip data ends early");
        if (rc != Z_OK)
            return fail(item, rc == Z_MEM_ERROR ? -ENOMEM : -EBADMSG, stream->msg ? stream->msg : "not gzip data");
    }
}

static int gunzip(struct work_item *item, const char *body, size_t body_size, const struct work_host *host)
{
    z_stream stream = { .next_in = (z_const Bytef *)body, .avail_in = (uInt)body_size };
    if (body_size == 0)
        return fail(item, -EBADMSG, "there is no body to gunzip");
    if (inflateInit2(&stream, 15 + 16) != Z_OK) /* 16: with a gzip header */
        return fail(item, -ENOMEM, "no memory to gunzip");
    int rc = inflate_all(item, &stream, host);
    inflateEnd(&stream); /* its messages are static */
    return rc;
}

/* ---- Any --------------------------------------------------------------------------------------------------- */

int work_run(struct work_item *item, const char *body, size_t body_size, const struct work_host *host)
{
    switch (item->kind) {
    case WORK_HASH:
        return hash(item, host);
    case WORK_GUNZIP:
        return gunzip(item, body, body_size, host);
    case WORK_SLEEP:
        if (item->amount > WORK_MOST_SLEEP)
            return fail(item, -EFBIG, "more than 60000 ms to sleep");
        return host->sleep(host->self, item->amount);
    }
    return -EINVAL;
}

size_t work_line(const struct work_item *item, size_t index, char out[WORK_LINE])
{
    int length = 0;
    switch (item->kind) {
    case WORK_HASH:
        length =
            snprintf(out, WORK_LINE, "%zu hash %" PRIu64 " %08" PRIx32 "\n", index, item->bytes, item->checksum);
        break;
    case WORK_GUNZIP:
        length = snprintf(out, WORK_LINE, "%zu gunzip %" PRIu64 " bytes %" PRIu64 " lines %" PRIu64 " words\n",
                          index, item->bytes, item->lines, item->words);
        break;
    case WORK_SLEEP:
        length = snprintf(out, WORK_LINE, "%zu sleep %" PRIu64 "\n", index, item->amount);
        break;
    }
    return (size_t)length;
}
