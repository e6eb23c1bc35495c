/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sockaddr.h"

/* The server waits on a descriptor of its own, which is one of many for the loop. */
struct http {
    struct http_setup setup;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    int open_handles;
};

/* --- one request --- */

static enum MHD_Result answer(struct MHD_Connection *connection, const struct http_page *page)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(page->len, page->body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(page->body);
        return MHD_NO;
    }
    enum MHD_Result result = MHD_NO;
    if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, page->type) == MHD_YES &&
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") == MHD_YES &&
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES &&
        (page->code != MHD_HTTP_METHOD_NOT_ALLOWED ||
         MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD") == MHD_YES))
        result = MHD_queue_response(connection, page->code, response);
    MHD_destroy_response(response);
    return result;
}

static void refuse(struct http_page *page, unsigned code, const char *text)
{
    *page = (struct http_page){.code = code, .type = "text/plain; charset=utf-8", .body = strdup(text)};
    page->len = page->body != NULL ? strlen(page->body) : 0;
}

/* Called when the head is there, and again when a body is. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path, const char *method,
                                  const char *version, const char *upload, size_t *upload_len, void **state)
{
    struct http *http = arg;
    struct http_page page = {0};
    (void)version;
    (void)upload;
    bool reads = strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    if (reads && *state == NULL) {
        *state = http; /* any mark; an answer now would close the connection: it would look like an upload that was
                          refused */
        return MHD_YES;
    }
    if (*upload_len != 0)
        return MHD_NO; /* nothing here takes a body: hang up */
    if (!reads)
        refuse(&page, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    else if (!http->setup.page(http->setup.arg, path, &page))
        refuse(&page, MHD_HTTP_NOT_FOUND, "no such page: there are /metrics, /healthz and /readyz\n");
    return page.body != NULL ? answer(connection, &page) : MHD_NO;
}

/* --- the loop --- */

static void run(struct http *http);

static void on_timer(uv_timer_t *timer)
{
    run(timer->data);
}

static void run(struct http *http)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;
    (void)MHD_run(http->daemon);
    if (MHD_get_timeout(http->daemon, &wait_ms) == MHD_YES)
        (void)uv_timer_start(&http->timer, on_timer, wait_ms, 0);
    else
        (void)uv_timer_stop(&http->timer);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    run(poll->data);
}

static void on_closed(uv_handle_t *handle)
{
    struct http *http = handle->data;
    if (--http->open_handles == 0)
        free(http);
}

static void on_complaint(void *arg, const char *format, va_list args)
{
    struct http *http = arg;
    char text[256], line[512];
    if (http->setup.log->level < LOG_DEBUG)
        return;
    int len = vsnprintf(text, sizeof text, format, args);
    if (len > 0)
        log_write(http->setup.log, LOG_DEBUG, "metrics: %s",
                  log_escape(line, sizeof line, text, strcspn(text, "\r\n")));
}

/* --- opening --- */

static enum status start(struct http *http, char *why, size_t why_len)
{
    struct sockaddr_storage at;
    char text[ENDPOINT_TEXT];
    unsigned flags = MHD_USE_EPOLL | MHD_USE_ERROR_LOG;
    (void)sockaddr_of(&http->setup.at.address, http->setup.at.port, &at);
    if (http->setup.at.address.family == 6)
        flags |= MHD_USE_IPv6;
    errno = 0;
    http->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_complaint, http, MHD_OPTION_SOCK_ADDR,
        (struct sockaddr *)&at, MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CLIENTS_MAX,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)HTTP_CLIENTS_OF_ONE_ADDRESS, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)HTTP_PATIENCE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_REQUEST_MEMORY, MHD_OPTION_END);
    if (http->daemon != NULL)
        return OK;
    snprintf(why, why_len, "metrics: cannot listen on %s: %s; choose another address or port, or end who has it",
             endpoint_print(&http->setup.at, text), errno != 0 ? strerror(errno) : "the server does not start");
    return ERR_IO;
}

static enum status join_loop(struct http *http)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL || uv_poll_init(http->setup.loop, &http->poll, info->epoll_fd) != 0)
        return ERR_IO;
    http->poll.data = http;
    http->open_handles++;
    if (uv_timer_init(http->setup.loop, &http->timer) != 0)
        return ERR_IO;
    http->timer.data = http;
    http->open_handles++;
    return uv_poll_start(&http->poll, UV_READABLE, on_readable) == 0 ? OK : ERR_IO;
}

enum status http_open(const struct http_setup *setup, struct http **out, char *why, size_t why_len)
{
    struct http *http = calloc(1, sizeof *http);
    if (http == NULL)
        return ERR_MEMORY;
    http->setup = *setup;
    enum status status = start(http, why, why_len);
    if (status == OK) {
        status = join_loop(http);
        if (status != OK)
            snprintf(why, why_len, "metrics: the server cannot be watched: %s", strerror(errno));
    }
    if (status != OK) {
        http_close(http);
        return status;
    }
    *out = http;
    return OK;
}

void http_close(struct http *http)
{
    if (http == NULL)
        return;
    if (http->open_handles > 0)
        uv_poll_stop(&http->poll); /* before the descriptor goes */
    if (http->daemon != NULL)
        MHD_stop_daemon(http->daemon);
    if (http->open_handles == 0) {
        free(http);
        return;
    }
    bool has_timer = http->open_handles > 1;
    uv_close((uv_handle_t *)&http->poll, on_closed);
    if (has_timer)
        uv_close((uv_handle_t *)&http->timer, on_closed);
}
