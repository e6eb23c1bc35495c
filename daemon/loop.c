/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/loop.h"

#include <signal.h>

static void on_timer(uv_timer_t *timer)
{
    struct loop *loop = timer->data;
    loop->wake_ms = DEADLINE_NEVER;
    loop->handlers.wake(loop->handlers.arg);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct loop *loop = handle->data;
    loop->handlers.signal(loop->handlers.arg, number);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    /* An error state (status < 0) is found by reading, too. */
    (void)status;
    (void)events;
    watch->readable(watch->arg, watch->subject);
}

enum status loop_open(struct loop *loop, const struct loop_handlers *handlers)
{
    static const int numbers[LOOP_SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
    *loop = (struct loop){.handlers = *handlers, .wake_ms = DEADLINE_NEVER};
    if (uv_loop_init(&loop->uv) != 0)
        return ERR_IO;
    loop->open = true;
    loop->timer.data = loop;
    (void)uv_timer_init(&loop->uv, &loop->timer);
    (void)signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; handlers->signal != NULL && i < LOOP_SIGNALS; i++) {
        loop->signals[i].data = loop;
        (void)uv_signal_init(&loop->uv, &loop->signals[i]);
        if (uv_signal_start(&loop->signals[i], on_signal, numbers[i]) != 0)
            return ERR_IO;
    }
    return OK;
}

static struct watch *free_watch(struct loop *loop)
{
    for (size_t i = 0; i < loop->watch_count; i++)
        if (!loop->watches[i].used)
            return &loop->watches[i];
    return loop->watch_count < LOOP_WATCHES_MAX ? &loop->watches[loop->watch_count++] : NULL;
}

enum status loop_watch(struct loop *loop, int fd, void (*readable)(void *arg, const void *subject), void *arg,
                       const void *subject)
{
    struct watch *watch = free_watch(loop);
    if (watch == NULL)
        return ERR_LIMIT;
    *watch = (struct watch){.readable = readable, .arg = arg, .subject = subject};
    watch->poll.data = watch;
    if (uv_poll_init(&loop->uv, &watch->poll, fd) != 0)
        return ERR_IO;
    watch->used = true;
    return uv_poll_start(&watch->poll, UV_READABLE, on_poll) == 0 ? OK : ERR_IO;
}

static void on_unwatched(uv_handle_t *handle)
{
    ((struct watch *)handle->data)->used = false;
}

void loop_unwatch(struct loop *loop, const void *subject)
{
    for (size_t i = 0; i < loop->watch_count; i++) {
        uv_handle_t *handle = (uv_handle_t *)&loop->watches[i].poll;
        if (loop->watches[i].used && loop->watches[i].subject == subject && !uv_is_closing(handle))
            uv_close(handle, on_unwatched);
    }
}

void loop_unwatch_all(struct loop *loop)
{
    for (size_t i = 0; i < loop->watch_count; i++)
        if (loop->watches[i].used)
            (void)uv_poll_stop(&loop->watches[i].poll);
}

uint64_t loop_now(const struct loop *loop)
{
    return uv_now(&loop->uv);
}

void loop_refresh(struct loop *loop)
{
    uv_update_time(&loop->uv);
}

void loop_wake_at(struct loop *loop, uint64_t at_ms)
{
    if (at_ms == loop->wake_ms)
        return;
    loop->wake_ms = at_ms;
    if (at_ms == DEADLINE_NEVER) {
        (void)uv_timer_stop(&loop->timer);
        return;
    }
    uint64_t now = loop_now(loop);
    (void)uv_timer_start(&loop->timer, on_timer, at_ms > now ? at_ms - now : 0, 0);
}

void loop_run(struct loop *loop)
{
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void loop_close(struct loop *loop)
{
    if (!loop->open)
        return;
    uv_walk(&loop->uv, close_handle, NULL);
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
    (void)uv_loop_close(&loop->uv);
    loop->open = false;
}
