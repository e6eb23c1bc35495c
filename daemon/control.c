/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/control_path.h"

struct control {
    struct control_setup setup;
    uv_pipe_t pipe;
    struct stat file; /* of the socket, to remove no other at the end */
    struct client *clients;
    size_t client_count;
    bool closing, pipe_closed;
};

struct client {
    struct control *control;
    struct client *next, *previous;
    uv_pipe_t pipe;
    uv_timer_t timer;
    uv_write_t write;
    char *answer; /* owned; of a stream: CONTROL_STREAM_MAX bytes, of which `flying` are being written */
    size_t pending, flying;
    bool streaming;
    char line[REQUEST_LINE_MAX];
    size_t line_len;
    unsigned open_handles;
    bool asked; /* the line was handed over, no answer yet */
    bool closing;
};

/* --- the end of things --- */

static void control_free_when_done(struct control *control)
{
    if (control->closing && control->pipe_closed && control->client_count == 0)
        free(control);
}

static void on_client_handle_closed(uv_handle_t *handle)
{
    struct client *client = handle->data;
    struct control *control = client->control;
    if (--client->open_handles > 0)
        return;
    if (client->previous != NULL)
        client->previous->next = client->next;
    else
        control->clients = client->next;
    if (client->next != NULL)
        client->next->previous = client->previous;
    control->client_count--;
    free(client->answer);
    free(client);
    control_free_when_done(control);
}

static void client_close(struct client *client)
{
    if (client->closing)
        return;
    client->closing = true;
    if (client->asked)
        client->control->setup.gone(client->control->setup.arg, client);
    client->asked = false;
    uv_close((uv_handle_t *)&client->pipe, on_client_handle_closed);
    uv_close((uv_handle_t *)&client->timer, on_client_handle_closed);
}

static void on_patience_ends(uv_timer_t *timer)
{
    client_close(timer->data);
}

/* --- answers --- */

static void on_written(uv_write_t *write, int status)
{
    (void)status;
    client_close(write->data);
}

static void send_answer(struct client *client, const char *head, const char *body, size_t len)
{
    client->asked = false;
    size_t head_len = strlen(head);
    client->answer = malloc(head_len + len + 1);
    if (client->answer == NULL) {
        client_close(client);
        return;
    }
    memcpy(client->answer, head, head_len);
    if (len > 0)
        memcpy(client->answer + head_len, body, len);
    client->write.data = client;
    uv_buf_t buffer = uv_buf_init(client->answer, (unsigned)(head_len + len));
    (void)uv_timer_start(&client->timer, on_patience_ends, CONTROL_IDLE_MS, 0);
    if (uv_write(&client->write, (uv_stream_t *)&client->pipe, &buffer, 1, on_written) != 0)
        client_close(client);
}

void control_ok(struct client *client, const char *body, size_t len)
{
    send_answer(client, "ok\n", body, len);
}

void control_error(struct client *client, const char *format, ...)
{
    char text[CONTROL_ERROR_TEXT];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text - 1, format, args);
    va_end(args);
    size_t used = len < 0 ? 0 : (size_t)len < sizeof text - 1 ? (size_t)len : sizeof text - 2;
    text[used++] = '\n';
    send_answer(client, "error ", text, used);
}

/* --- streams --- */

static void stream_flush(struct client *client);

static void on_stream_written(uv_write_t *write, int status)
{
    struct client *client = write->data;
    if (status != 0 || client->closing) {
        client_close(client);
        return;
    }
    client->pending -= client->flying;
    memmove(client->answer, client->answer + client->flying, client->pending);
    client->flying = 0;
    if (client->pending > 0)
        stream_flush(client);
    if (client->control->setup.room != NULL)
        client->control->setup.room(client->control->setup.arg, client);
}

/* What the kernel takes at once leaves at once: also the last words of a gateway that ends. */
static void stream_flush(struct client *client)
{
    uv_buf_t buffer = uv_buf_init(client->answer, (unsigned)client->pending);
    int sent = uv_try_write((uv_stream_t *)&client->pipe, &buffer, 1);
    if (sent > 0) {
        client->pending -= (size_t)sent;
        memmove(client->answer, client->answer + sent, client->pending);
    }
    if (client->pending == 0)
        return;
    client->flying = client->pending;
    client->write.data = client;
    buffer = uv_buf_init(client->answer, (unsigned)client->flying);
    if (uv_write(&client->write, (uv_stream_t *)&client->pipe, &buffer, 1, on_stream_written) != 0)
        client->flying = 0; /* the pipe is broken: reading finds out, and closes it */
}

bool control_stream(struct client *client)
{
    client->answer = malloc(CONTROL_STREAM_MAX);
    if (client->answer == NULL) {
        control_error(client, "out of memory");
        return false;
    }
    client->streaming = true;
    return control_send(client, "ok\n", 3);
}

bool control_send(struct client *client, const char *line, size_t len)
{
    if (client->closing || len > CONTROL_STREAM_MAX - client->pending)
        return false;
    memcpy(client->answer + client->pending, line, len);
    client->pending += len;
    if (client->flying == 0)
        stream_flush(client);
    return true;
}

/* --- requests --- */

static void on_room_wanted(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct client *client = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(client->line + client->line_len, (unsigned)(sizeof client->line - client->line_len));
}

static void take_line(struct client *client, size_t len)
{
    struct control_setup *setup = &client->control->setup;
    struct request request;
    const char *why = "";
    (void)uv_timer_stop(&client->timer);
    if (request_parse(bytes_of(client->line, len), &request, &why) != OK) {
        control_error(client, "%s", why);
        return;
    }
    client->asked = true;
    setup->request(setup->arg, client, &request);
}

/* Reading goes on while an answer is awaited: that is how a client that goes away is noticed. */
static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer)
{
    struct client *client = stream->data;
    (void)buffer;
    if (len < 0) {
        /* A client that only shut down its sending side still wants its answer. */
        if (len != UV_EOF || client->streaming || (!client->asked && client->answer == NULL))
            client_close(client);
        return;
    }
    if (client->asked || client->answer != NULL)
        return;
    client->line_len += (size_t)len;
    const char *end = memchr(client->line, '\n', client->line_len);
    if (end != NULL) {
        take_line(client, (size_t)(end - client->line));
        client->line_len = 0;
    } else if (client->line_len == sizeof client->line) {
        client->line_len = 0;
        control_error(client, "the line is too long; at most %d bytes", REQUEST_LINE_MAX - 1);
    }
}

static struct client *client_new(struct control *control)
{
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return NULL;
    client->control = control;
    client->pipe.data = client->timer.data = client;
    (void)uv_pipe_init(control->setup.loop, &client->pipe, 0);
    (void)uv_timer_init(control->setup.loop, &client->timer);
    client->open_handles = 2;
    client->next = control->clients;
    if (client->next != NULL)
        client->next->previous = client;
    control->clients = client;
    control->client_count++;
    return client;
}

static void on_connection(uv_stream_t *server, int status)
{
    struct control *control = server->data;
    struct client *client = status == 0 ? client_new(control) : NULL;
    if (client == NULL)
        return;
    if (uv_accept(server, (uv_stream_t *)&client->pipe) != 0) {
        client_close(client);
        return;
    }
    if (control->client_count > CONTROL_CLIENTS_MAX) {
        /* One line that fits into any socket buffer; whether it is read does not matter. */
        static char full[] = "error too many clients; try again later\n";
        uv_buf_t buffer = uv_buf_init(full, sizeof full - 1);
        (void)uv_try_write((uv_stream_t *)&client->pipe, &buffer, 1);
        client_close(client);
        return;
    }
    (void)uv_timer_start(&client->timer, on_patience_ends, CONTROL_IDLE_MS, 0);
    if (uv_read_start((uv_stream_t *)&client->pipe, on_room_wanted, on_read) != 0)
        client_close(client);
}

/* --- start and end --- */

static void on_pipe_closed(uv_handle_t *handle)
{
    struct control *control = handle->data;
    control->pipe_closed = true;
    control_free_when_done(control);
}

enum status control_open(const struct control_setup *setup, struct control **out, char *why, size_t why_len)
{
    *out = NULL;
    struct control *control = calloc(1, sizeof *control);
    if (control == NULL)
        return ERR_MEMORY;
    control->setup = *setup;
    int fd = -1;
    enum status status = control_path_listen(setup->path, CONTROL_BACKLOG, &fd, &control->file, why, why_len);
    if (status != OK) {
        free(control);
        return status;
    }
    control->pipe.data = control;
    (void)uv_pipe_init(setup->loop, &control->pipe, 0);
    int error = uv_pipe_open(&control->pipe, fd);
    if (error != 0)
        close(fd);
    else
        /* It listens already; libuv has to hear of it. */
        error = uv_listen((uv_stream_t *)&control->pipe, CONTROL_BACKLOG, on_connection);
    if (error != 0) {
        (void)snprintf(why, why_len, "cannot listen on %s: %s", setup->path, uv_strerror(error));
        control_close(control);
        return ERR_IO;
    }
    *out = control;
    return OK;
}

void control_close(struct control *control)
{
    if (control == NULL)
        return;
    control->closing = true;
    int error = control_path_remove(control->setup.path, &control->file);
    if (error != 0)
        log_write(control->setup.log, LOG_INFO, "the control socket %s stays: %s; the next start replaces it",
                  control->setup.path, strerror(error));
    for (struct client *client = control->clients; client != NULL; client = client->next)
        client_close(client);
    uv_close((uv_handle_t *)&control->pipe, on_pipe_closed);
}
