/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket: a client sends one line and gets "ok\n" and a body, or "error TEXT\n" and more lines; then the
 * connection is closed. Only the owner can connect (mode 0600). Clients, their lines and their patience are bounded:
 * none of them can hold up the gateway (B48).
 */
#ifndef DAEMON_CONTROL_H
#define DAEMON_CONTROL_H

#include <uv.h>

#include "base/log.h"
#include "daemon/request.h"

enum {
    CONTROL_CLIENTS_MAX = 64,
    CONTROL_IDLE_MS = 5000, /* to send the line, and again to read the answer */
    CONTROL_BACKLOG = 128,
    CONTROL_ERROR_TEXT = 4096,
    CONTROL_STREAM_MAX = 64 << 10, /* what waits here for a slow reader, beside what the kernel holds for it */
};

struct control;
struct client; /* valid until it was answered or `gone` was called for it */

struct control_setup {
    uv_loop_t *loop;
    const char *path;
    const struct log *log;
    void *arg;
    /* Answer with control_ok or control_error, now or later. */
    void (*request)(void *arg, struct client *client, const struct request *request);
    void (*gone)(void *arg, struct client *client); /* went away before it was answered */
    /* A stream whose reader had fallen behind has read some: control_send may be called for it. NULL is fine. */
    void (*room)(void *arg, struct client *client);
};

/* A left-over socket file is replaced; where another process answers on it, that is an error. On failure `why` says
 * what is wrong and what would be right. */
MUST_USE enum status control_open(const struct control_setup *setup, struct control **out, char *why, size_t why_len);

/* Removes the socket file and closes all clients; the memory goes once the loop has run the closing callbacks. NULL
 * is fine. */
void control_close(struct control *control);

/* Each may be called once per client, which then is no longer valid. body is copied. */
void control_ok(struct client *client, const char *body, size_t len);
void control_error(struct client *client, const char *format, ...) PRINTF_LIKE(2, 3);

/* Instead of an answer: "ok\n", and then whatever control_send adds until the client or the gateway goes. `gone` is
 * called for such a client, too. False: memory is short, and the client was told. */
bool control_stream(struct client *client);

/* A line for such a client. False: it has not read CONTROL_STREAM_MAX bytes of earlier ones, and this one is not sent.
 */
bool control_send(struct client *client, const char *line, size_t len);

#endif
