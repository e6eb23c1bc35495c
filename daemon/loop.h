/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop: descriptors that become readable, one timer, signals. Times are milliseconds of uv_now. */
#ifndef DAEMON_LOOP_H
#define DAEMON_LOOP_H

#include <uv.h>

#include "base/deadline.h"
#include "base/status.h"

enum { LOOP_WATCHES_MAX = 128, LOOP_SIGNALS = 3 };

struct watch {
    uv_poll_t poll;
    void (*readable)(void *arg, const void *subject);
    void *arg;
    const void *subject;
    bool used; /* until libuv has let go of it */
};

struct loop_handlers {
    void *arg;
    void (*wake)(void *arg);               /* the time of loop_wake_at has come */
    void (*signal)(void *arg, int number); /* SIGTERM, SIGINT, SIGHUP; NULL: they are not ours */
};

struct loop {
    uv_loop_t uv;
    uv_timer_t timer;
    uv_signal_t signals[LOOP_SIGNALS];
    struct watch watches[LOOP_WATCHES_MAX];
    size_t watch_count;
    struct loop_handlers handlers;
    uint64_t wake_ms; /* what the timer is set to */
    bool open;
};

/* The loop must not move in memory afterwards. ERR_IO */
MUST_USE enum status loop_open(struct loop *loop, const struct loop_handlers *handlers);

/* Calls readable(arg, subject) whenever fd has something. ERR_LIMIT, ERR_IO */
MUST_USE enum status loop_watch(struct loop *loop, int fd, void (*readable)(void *arg, const void *subject), void *arg,
                                const void *subject);
/* No more of this subject; call it before its descriptor is closed. */
void loop_unwatch(struct loop *loop, const void *subject);
void loop_unwatch_all(struct loop *loop); /* before the descriptors are closed */

/* Of the latest wake-up. loop_refresh looks at the clock again after long work. */
uint64_t loop_now(const struct loop *loop);
void loop_refresh(struct loop *loop);

/* One wake-up at this time, in place of the one set before; DEADLINE_NEVER: none. */
void loop_wake_at(struct loop *loop, uint64_t at_ms);

void loop_run(struct loop *loop); /* until loop_stop */
void loop_stop(struct loop *loop);

/* Closes all handles, also those of others on the loop that are closing already, and runs their callbacks. */
void loop_close(struct loop *loop);

#endif
