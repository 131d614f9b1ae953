/* SPDX-License-Identifier: MIT */
/*
 * A real HTTP GET that notices a stop at once.
 *
 * curl's own progress callback comes once a second, too late for a stop. So each GET drives a multi handle of its
 * own and polls its sockets together with the stop's descriptor, which becomes readable when the stop is requested.
 *
 * Rejected: a handle kept per thread. It would save a connection per GET, but a stale kept-alive connection is
 * tried anew by curl behind our back, which hides the very resets that the examples are about.
 */
#include "http_get.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#if LIBCURL_VERSION_NUM < 0x075500
#error "libcurl 7.85 or newer is needed"
#endif

#define NS_PER_MS INT64_C(1000000)
/* curl lowers it to its own next deadline, so it bounds nothing that matters. */
#define POLL_MS 1000

struct transfer {
    CURL *easy;
    CURLM *multi;
    size_t bytes;
    int socket_errno;             /* why there was no socket, or 0 */
    char detail[CURL_ERROR_SIZE]; /* curl's words for what went wrong; may stay empty */
};

int http_init(void)
{
    CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (code == CURLE_OK)
        return 0;
    return code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EIO;
}

void http_fini(void)
{
    curl_global_cleanup();
}

/* ---- Setting up -------------------------------------------------------------------------------------------- */

static size_t count_bytes(char *data, size_t size, size_t n, void *arg)
{
    (void)data;
    struct transfer *transfer = arg;
    transfer->bytes += size * n;
    return size * n;
}

/* As curl would, but when descriptors run out it keeps quiet about that. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    struct transfer *transfer = arg;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    transfer->socket_errno = fd < 0 ? errno : 0;
    return fd;
}

static bool is_loopback_host(const char *host)
{
    struct in_addr address;
    if (inet_pton(AF_INET, host, &address) == 1)
        return ntohl(address.s_addr) >> 24 == 127;
    return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0;
}

static bool is_loopback(const char *url)
{
    CURLU *parts = curl_url();
    char *host = NULL;
    bool loopback = false;
    if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK)
        loopback = is_loopback_host(host);
    curl_free(host);
    curl_url_cleanup(parts);
    return loopback;
}

static long timeout_ms(int64_t timeout_ns)
{
    if (timeout_ns < 0)
        return 0; /* to curl, 0 is "never" */
    int64_t ms = timeout_ns / NS_PER_MS + (timeout_ns % NS_PER_MS != 0);
    if (ms == 0)
        return 1;
    return ms < INT32_MAX ? (long)ms : INT32_MAX;
}

/* The options whose memory curl may fail to get; the others cannot fail. */
static CURLcode set_texts(CURL *easy, const char *url)
{
    CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, url);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_USERAGENT, "filch-examples/" FILCH_VERSION_STRING);
    /* http_proxy in the environment is meant for the outside world, not for this machine's own servers. */
    if (code == CURLE_OK && is_loopback(url))
        code = curl_easy_setopt(easy, CURLOPT_PROXY, "");
    return code;
}

static CURLcode set_options(struct transfer *transfer, const char *url, int64_t timeout_ns)
{
    CURL *easy = transfer->easy;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L); /* timeouts without SIGALRM, which threads could not share */
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms(timeout_ns));
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, 10L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->detail);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
#if LIBCURL_VERSION_NUM >= 0x075700
    /* Without it, giving up on a slow name server would wait for that server's answer. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    return set_texts(easy, url);
}

static CURLcode transfer_init(struct transfer *transfer, const char *url, int64_t timeout_ns)
{
    memset(transfer, 0, sizeof *transfer);
    transfer->easy = curl_easy_init();
    transfer->multi = curl_multi_init();
    if (!transfer->easy || !transfer->multi)
        return CURLE_OUT_OF_MEMORY;
    CURLcode code = set_options(transfer, url, timeout_ns);
    if (code == CURLE_OK && curl_multi_add_handle(transfer->multi, transfer->easy) != CURLM_OK)
        code = CURLE_OUT_OF_MEMORY;
    return code;
}

static void transfer_fini(struct transfer *transfer)
{
    if (transfer->multi && transfer->easy)
        curl_multi_remove_handle(transfer->multi, transfer->easy);
    curl_easy_cleanup(transfer->easy);
    curl_multi_cleanup(transfer->multi);
}

/* ---- Running ----------------------------------------------------------------------------------------------- */

/* Drives the transfer to its end. False: the task's stop came first. */
static bool perform(struct transfer *transfer, const filch_task *self, int stop_fd, CURLcode *out)
{
    struct curl_waitfd stop = { .fd = stop_fd, .events = CURL_WAIT_POLLIN };
    CURLMcode code = CURLM_OK;
    for (int running = 1; code == CURLM_OK && running > 0;) {
        if (filch_task_stopped(self))
            return false;
        code = curl_multi_perform(transfer->multi, &running);
        if (code == CURLM_OK && running > 0)
            code = curl_multi_poll(transfer->multi, &stop, 1, POLL_MS, NULL);
    }
    int left;
    const CURLMsg *message = code == CURLM_OK ? curl_multi_info_read(transfer->multi, &left) : NULL;
    if (message)
        *out = message->data.result;
    else
        *out = code == CURLM_OUT_OF_MEMORY ? CURLE_OUT_OF_MEMORY : CURLE_FAILED_INIT;
    return true;
}

static int connect_errno(const struct transfer *transfer)
{
    long code = transfer->socket_errno;
    if (code == 0)
        curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &code);
    return code > 0 ? (int)-code : -ECONNREFUSED;
}

static int errno_of(const struct transfer *transfer, CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_CONNECT:
        return connect_errno(transfer);
    case CURLE_COULDNT_RESOLVE_HOST:
        return -EHOSTUNREACH;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:  /* closed before the answer */
    case CURLE_PARTIAL_FILE: /* closed in the middle of it */
        return -ECONNRESET;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    default:
        return -EIO;
    }
}

/* Attaches "GET url: what happened". What the code means is not repeated: filch_error_print() adds it. */
static int fail(filch_task *self, const struct transfer *transfer, const char *url, CURLcode curl_code)
{
    int code = errno_of(transfer, curl_code);
    const char *what = transfer->detail[0] != '\0' ? transfer->detail : curl_easy_strerror(curl_code);
    if (code == -ECONNRESET)
        what = "the connection was lost";
    return filch_fail(self, code, "GET %s: %s", url, what);
}

static void read_reply(const struct transfer *transfer, struct http_reply *out)
{
    curl_off_t microseconds = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &out->status);
    curl_easy_getinfo(transfer->easy, CURLINFO_TOTAL_TIME_T, &microseconds);
    out->bytes = transfer->bytes;
    out->seconds = (double)microseconds / 1e6;
}

int http_get(filch_task *self, const char *url, int64_t timeout_ns, struct http_reply *out)
{
    int stop_fd;
    int error = filch_stop_fd(filch_task_stop(self), &stop_fd);
    if (error != 0)
        return filch_fail(self, error, "GET %s: no descriptor for the stop: %s", url, strerror(-error));

    struct transfer transfer;
    CURLcode code = transfer_init(&transfer, url, timeout_ns);
    if (code == CURLE_OK && !perform(&transfer, self, stop_fd, &code))
        error = -ECANCELED;
    else if (code != CURLE_OK)
        error = fail(self, &transfer, url, code);
    else
        read_reply(&transfer, out);
    transfer_fini(&transfer);
    return error;
}

bool http_may_recover(const filch_error *error, unsigned attempt, void *unused)
{
    (void)attempt, (void)unused;
    switch (filch_error_code(error)) {
    case -ECONNREFUSED:
    case -ECONNRESET:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
    case -ETIMEDOUT:
        return true;
    default:
        return false;
    }
}
