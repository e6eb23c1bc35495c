/* SPDX-License-Identifier: Apache-2.0 */
/* Another configuration under running workers: they rest meanwhile, and the control thread does it in their place. */
#include <stdlib.h>

#include "daemon/shards_state.h"

/* --- sockets --- */

/* Where the packets of a set of sockets go. */
struct listener {
    struct loop *loop;
    void (*readable)(void *arg, const void *subject);
    void *arg;
};

static enum status on_opened(void *arg, const struct udp_socket *socket)
{
    const struct listener *l = arg;
    return loop_watch(l->loop, socket->fd, l->readable, l->arg, socket);
}

static void on_closing(void *arg, const struct udp_socket *socket)
{
    loop_unwatch(((const struct listener *)arg)->loop, socket);
}

static struct listener control_listener(struct shards *all)
{
    return (struct listener){all->setup.loop, shards_threaded(all) ? shards_on_socket : shards_on_only_socket, all};
}

static struct listener shard_listener(struct shard *s)
{
    return (struct listener){&s->loop, shard_on_socket, s};
}

/* In the order of their places: see udp_share. */
static enum status extend(struct shards *all, const struct connection *connections, size_t count, char *why,
                          size_t why_len)
{
    const struct shards_setup *setup = &all->setup;
    const struct udp_share control = {.control = true};
    struct listener listener = control_listener(all);
    struct udp_watcher watcher = {.arg = &listener, .opened = on_opened, .closing = on_closing};
    enum status status = udp_extend(setup->udp, connections, count, shards_threaded(all) ? &control : NULL, setup->log,
                                    &watcher, why, why_len);
    for (size_t i = 0; shards_threaded(all) && i < all->count && status == OK; i++) {
        struct shard *s = &all->items[i];
        const struct udp_share share = {.shard = s->index, .shards = all->count};
        listener = shard_listener(s);
        status = udp_extend(s->udp, connections, count, &share, setup->log, &watcher, why, why_len);
    }
    if (status == OK && shards_threaded(all))
        udp_steer(setup->udp, all->count, setup->log);
    return status;
}

enum status shards_extend(struct shards *all, const struct connection *connections, size_t count, char *why,
                          size_t why_len)
{
    enum status status = extend(all, connections, count, why, why_len);
    if (status != OK)
        shards_trim(all, all->setup.connections, all->setup.connection_count);
    return status;
}

void shards_trim(struct shards *all, const struct connection *connections, size_t count)
{
    struct listener listener;
    const struct udp_watcher watcher = {.arg = &listener, .opened = on_opened, .closing = on_closing};
    for (size_t i = 0; shards_threaded(all) && i < all->count; i++) {
        listener = shard_listener(&all->items[i]);
        udp_trim(all->items[i].udp, connections, count, &watcher);
    }
    listener = control_listener(all);
    udp_trim(all->setup.udp, connections, count, &watcher);
}

/* --- rules --- */

struct shards_reload {
    struct shards_change change;
    struct rule_counters *sums;             /* owned, as are the next */
    struct worker_rules *rules[SHARDS_MAX]; /* of each worker */
};

enum status shards_reload_prepare(const struct shards *all, const struct shards_change *change,
                                  struct shards_reload **out)
{
    struct shards_reload *r = calloc(1, sizeof *r);
    *out = NULL;
    if (r == NULL)
        return ERR_MEMORY;
    r->change = *change;
    r->sums = calloc(change->spd->count + 1, sizeof *r->sums);
    enum status status = r->sums != NULL ? OK : ERR_MEMORY;
    for (size_t i = 0; i < all->count && status == OK; i++)
        status = worker_rules_new(change->spd->count, &r->rules[i]);
    if (status == OK)
        *out = r;
    else
        shards_reload_free(r);
    return status;
}

void shards_reload_free(struct shards_reload *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < SHARDS_MAX; i++)
        worker_rules_free(r->rules[i]);
    free(r->sums);
    free(r);
}

/* Each goes to the owner of its SA, who hands none on: this ends. */
static bool drain_strays(struct shards *all)
{
    bool any = false;
    for (size_t i = 0; i < all->count; i++) {
        struct shard *s = &all->items[i];
        for (size_t from = 0; from <= SHARD_CONTROL; from++)
            while (s->from[from] != NULL && worker_take_strays(s->worker, s->from[from], loop_now(all->setup.loop)) > 0)
                any = true;
    }
    return any;
}

static bool drain_posts(struct shards *all)
{
    bool any = false;
    for (size_t i = 0; i < all->count; i++) {
        size_t len;
        while (ring_next(all->items[i].posts, &len) != NULL) {
            (void)shards_take_posts(&all->setup.ops, all->items[i].posts);
            any = true;
        }
    }
    return any;
}

bool shards_drain(struct shards *all)
{
    bool any = false;
    if (!shards_threaded(all))
        return false;
    while (drain_strays(all) || drain_posts(all))
        any = true;
    return any;
}

void shards_reload_commit(struct shards *all, struct shards_reload *r)
{
    for (size_t i = 0; i < all->count; i++) {
        worker_renumber(all->items[i].worker, r->change.spd, r->rules[i], &r->change.numbers);
        r->rules[i] = NULL;
        if (shards_threaded(all))
            (void)uv_async_send(&all->items[i].wake); /* its timer follows its queues */
    }
    free(all->rules);
    all->rules = r->sums;
    r->sums = NULL;
    all->setup.ranks = r->change.ranks;
    all->setup.connections = r->change.connections;
    all->setup.connection_count = r->change.connection_count;
    all->setup.spd = r->change.spd;
}
