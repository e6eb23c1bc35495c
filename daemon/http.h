/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small HTTP server on the loop, for who watches: pages that are asked for with GET or HEAD, nothing else.
 * libmicrohttpd speaks the protocol. Clients, their requests and their patience are bounded: one that never reads, or
 * asks for ever, holds up nobody.
 */
#ifndef DAEMON_HTTP_H
#define DAEMON_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/log.h"
#include "policy/address.h"

enum {
    HTTP_CLIENTS_MAX = 32,
    HTTP_CLIENTS_OF_ONE_ADDRESS = 16,
    HTTP_PATIENCE_S = 10,       /* a client that neither sends nor reads for so long is closed */
    HTTP_REQUEST_MEMORY = 8192, /* for the head of one request */
};

struct http;

struct http_page {
    unsigned code;    /* 200, 503 */
    const char *type; /* of the content; static */
    char *body;       /* of malloc; taken over */
    size_t len;
};

struct http_setup {
    uv_loop_t *loop;
    struct endpoint at;
    const struct log *log;
    void *arg;
    /* The page at `path`, without its query. False: there is none. A body of NULL: memory is short. */
    bool (*page)(void *arg, const char *path, struct http_page *out);
};

/* On failure `why` says what is wrong and what would be right. */
MUST_USE enum status http_open(const struct http_setup *setup, struct http **out, char *why, size_t why_len);

/* Hangs up; the memory goes once the loop has run the closing callbacks. NULL is fine. */
void http_close(struct http *http);

#endif
