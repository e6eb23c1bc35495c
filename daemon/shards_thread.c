/* SPDX-License-Identifier: Apache-2.0 */
/* On the thread of a shard: packets, and what comes from other threads. */
#include <string.h>

#include "daemon/shards_state.h"

/* --- to others --- */

void shard_tell(struct shard *s)
{
    struct shards *all = s->shards;
    if (s->posted) {
        s->posted = false;
        (void)uv_async_send(&all->wake);
    }
}

static bool hand_over(void *arg, uint8_t to, const struct stray *stray, struct bytes packet)
{
    struct shard *s = arg;
    struct shard *owner = &s->shards->items[to];
    bool done = stray_put(owner->from[s->index], stray, packet);
    (void)uv_async_send(&owner->wake); /* at once, since the ring holds a few batches only; cheap while it is pending */
    return done;
}

/* What peers can send without an end (IKE messages) leaves room for notes. */
static bool post(struct shard *s, const struct post *what, struct bytes message)
{
    size_t spare = what->is_message ? SHARD_RING / RING_SHARE : 0;
    struct post *copy = ring_reserve(s->posts, sizeof *copy + message.len, spare);
    s->posted = true;
    if (copy == NULL)
        return false;
    *copy = *what;
    copy->message_len = message.len;
    if (message.len > 0)
        memcpy(copy + 1, message.data, message.len);
    ring_publish(s->posts);
    return true;
}

static bool post_message(void *arg, const struct path *path, struct bytes message)
{
    return post(arg, &(struct post){.is_message = true, .path = *path}, message);
}

static bool post_note(void *arg, const struct note *note)
{
    return post(arg, &(struct post){.note = *note}, (struct bytes){0});
}

static uint32_t route_mtu(void *arg, const struct address *to)
{
    const struct worker_ops *ops = &((struct shard *)arg)->shards->setup.ops;
    return ops->route_mtu(ops->arg, to);
}

struct worker_ops shard_ops(struct shard *s)
{
    return (struct worker_ops){
        .arg = s,
        .ike_message = post_message,
        .note = post_note,
        .route_mtu = route_mtu,
        .hand_over = hand_over,
    };
}

/* --- what wakes it --- */

static void settle(struct shard *s)
{
    shard_tell(s);
    loop_wake_at(&s->loop, worker_next(s->worker));
}

/* At most a few batches of each, so that rest and end are not far; what is left wakes us again. */
static void take_strays(struct shard *s)
{
    bool more = false;
    for (size_t i = 0; i <= SHARD_CONTROL; i++) {
        if (s->from[i] == NULL)
            continue;
        size_t count = WORKER_BATCH;
        for (unsigned round = 0; round < WORKER_ROUNDS && count == WORKER_BATCH && !atomic_load(&s->rest.asked);
             round++)
            count = worker_take_strays(s->worker, s->from[i], loop_now(&s->loop));
        more |= count == WORKER_BATCH;
    }
    if (more)
        (void)uv_async_send(&s->wake);
}

void shard_on_device(void *arg, const void *subject)
{
    struct shard *s = arg;
    (void)subject;
    rest_begin(&s->rest);
    take_strays(s); /* they were read before what the TUN has now */
    if (!worker_device_readable(s->worker, loop_now(&s->loop))) {
        loop_unwatch_all(&s->loop);
        atomic_store(&s->gone, true);
        s->posted = true;
    }
    settle(s);
}

void shard_on_socket(void *arg, const void *subject)
{
    struct shard *s = arg;
    rest_begin(&s->rest);
    worker_socket_readable(s->worker, subject, loop_now(&s->loop));
    settle(s);
}

void shard_on_timer(void *arg)
{
    struct shard *s = arg;
    rest_begin(&s->rest);
    worker_expire(s->worker, loop_now(&s->loop));
    settle(s);
}

void shard_before_sleep(uv_prepare_t *prepare)
{
    struct shard *s = prepare->data;
    rest_end(&s->rest);
}

void shard_wake(uv_async_t *wake)
{
    struct shard *s = wake->data;
    rest_begin(&s->rest);
    rest_obey(&s->rest);
    if (atomic_load(&s->stop_asked)) {
        loop_stop(&s->loop);
        return;
    }
    take_strays(s);
    settle(s);
}

void shard_run(void *arg)
{
    struct shard *s = arg;
    loop_refresh(&s->loop);
    loop_run(&s->loop);
}
