/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/shards_state.h"
#include "daemon/workers.h"

/* --- one worker on the loop of the gateway --- */

static void on_device(void *arg, const void *subject)
{
    struct shards *all = arg;
    const struct shards_setup *setup = &all->setup;
    (void)subject;
    if (!worker_device_readable(all->items[0].worker, loop_now(setup->loop)))
        setup->gone(setup->ops.arg);
    setup->settle(setup->ops.arg);
}

void shards_on_only_socket(void *arg, const void *subject)
{
    struct shards *all = arg;
    const struct shards_setup *setup = &all->setup;
    worker_socket_readable(all->items[0].worker, subject, loop_now(setup->loop));
    setup->settle(setup->ops.arg);
}

/* --- what each shard has --- */

static enum status make_worker(struct shards *all, struct shard *s, const struct device *device, struct udp *udp,
                               struct worker_ops ops)
{
    const struct shards_setup *setup = &all->setup;
    const struct worker_setup worker = {.spd = setup->spd,
                                        .sad = setup->sad,
                                        .udp = udp,
                                        .bypass = setup->bypass,
                                        .device = device,
                                        .random = setup->random,
                                        .mark = setup->mark,
                                        .shard = s->index,
                                        .packet_max = setup->packet_max,
                                        .rest = &s->rest.asked,
                                        .ops = ops};
    return worker_new(&worker, &s->worker);
}

/* Strays come in bursts of what one worker reads at a time. With many workers, smaller ones: there are as many rings as
 * pairs. Memory is taken as it is used. */
static enum status make_rings(struct shards *all, struct shard *s)
{
    size_t size = STRAYS_RING_MAX;
    while (size > SHARD_RING && size * all->count > STRAYS_RINGS_MAX)
        size /= 2;
    enum status status = ring_new(SHARD_RING, &s->posts);
    for (size_t i = 0; i < all->count && status == OK; i++)
        if (i != s->index)
            status = ring_new(size, &s->from[i]);
    return status == OK ? ring_new(SHARD_RING, &s->from[SHARD_CONTROL]) : status;
}

/* The first shard has the gateway's device and ciphers. */
static enum status make_own(struct shards *all, struct shard *s, char *why, size_t why_len)
{
    const struct shards_setup *setup = &all->setup;
    const struct udp_share share = {.shard = s->index, .shards = all->count};
    char reason[AEAD_WHY];
    enum status status =
        udp_open(setup->connections, setup->connection_count, &share, setup->log, &s->udp, why, why_len);
    if (status != OK)
        return status;
    udp_offload(s->udp, setup->udp_gso, setup->udp_gro);
    if (s->index == 0) {
        s->queue = *setup->device;
        s->crypto = setup->crypto;
        return OK;
    }
    status = device_add_queue(setup->device, &s->queue, why, why_len);
    if (status == OK) {
        status = aead_library_new(setup->choice, &s->crypto, reason);
        if (status != OK)
            (void)snprintf(why, why_len, "%s", reason);
        else if (aead_library_failed(s->crypto))
            log_write(setup->log, LOG_WARNING, "ESP ciphers of worker %u: %s", s->index, aead_library_note(s->crypto));
    }
    return status;
}

static enum status make_loop(struct shard *s)
{
    const struct loop_handlers handlers = {.arg = s, .wake = shard_on_timer};
    enum status status = loop_open(&s->loop, &handlers);
    if (status != OK)
        return status;
    s->wake.data = s->before_sleep.data = s;
    (void)uv_prepare_init(&s->loop.uv, &s->before_sleep); /* neither fails */
    (void)uv_prepare_start(&s->before_sleep, shard_before_sleep);
    return uv_async_init(&s->loop.uv, &s->wake, shard_wake) == 0 ? OK : ERR_IO;
}

static enum status make_shard(struct shards *all, struct shard *s, char *why, size_t why_len)
{
    enum status status = rest_open(&s->rest);
    s->can_rest = status == OK;
    if (status == OK)
        status = make_own(all, s, why, why_len);
    if (status == OK)
        status = make_rings(all, s);
    if (status == OK)
        status = make_loop(s);
    return status == OK ? make_worker(all, s, &s->queue, s->udp, shard_ops(s)) : status;
}

static enum status make_control(struct shards *all)
{
    const size_t size = CONTROL_BATCH * (size_t)PACKET_BUFFER;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return ERR_MEMORY;
    all->memory = memory;
    for (size_t i = 0; i < CONTROL_BATCH; i++)
        all->datagrams[i].packet = packet_of(all->memory + i * PACKET_BUFFER, PACKET_BUFFER, PACKET_HEADROOM);
    return OK;
}

static enum status make_shards_threaded(struct shards *all, char *why, size_t why_len)
{
    const struct aead_library *libraries[SHARDS_MAX];
    enum status status = make_control(all);
    for (size_t i = 0; i < all->count && status == OK; i++) {
        status = make_shard(all, &all->items[i], why, why_len);
        libraries[i] = all->items[i].crypto;
    }
    if (status != OK)
        return status;
    sad_set_shards(all->setup.sad, libraries, all->count);
    udp_steer(all->setup.udp, all->count, all->setup.log);
    all->wake.data = all; /* last: the loop holds on to it */
    return uv_async_init(&all->setup.loop->uv, &all->wake, shards_on_posts) == 0 ? OK : ERR_IO;
}

enum status shards_open(const struct shards_setup *setup, struct shards **out, char *why, size_t why_len)
{
    *out = NULL;
    struct shards *all = calloc(1, sizeof *all);
    if (all == NULL)
        return ERR_MEMORY;
    all->setup = *setup;
    all->items = calloc(setup->count, sizeof *all->items);
    all->rules = calloc(setup->spd->count + 1, sizeof *all->rules);
    if (all->items == NULL || all->rules == NULL) {
        free(all->items);
        free(all->rules);
        free(all);
        return ERR_MEMORY;
    }
    for (size_t i = 0; i < setup->count; i++) {
        all->items[i].shards = all;
        all->items[i].index = (uint8_t)i;
        all->items[i].queue.fd = -1;
        all->count++;
    }
    enum status status = shards_threaded(all) ? make_shards_threaded(all, why, why_len)
                                              : make_worker(all, &all->items[0], setup->device, setup->udp, setup->ops);
    if (status != OK) {
        if (why[0] == '\0')
            (void)snprintf(why, why_len, "%zu workers cannot be made: %s; use 'workers = 1'", setup->count,
                           status_text(status));
        shards_free(all);
        return status;
    }
    *out = all;
    return OK;
}

/* --- life --- */

static enum status watch(struct loop *loop, int fd, void (*device)(void *, const void *), struct udp *udp,
                         void (*socket)(void *, const void *), void *arg)
{
    enum status status = device != NULL ? loop_watch(loop, fd, device, arg, NULL) : OK;
    for (size_t i = 0; i < udp_count(udp) && status == OK; i++)
        status = loop_watch(loop, udp_at(udp, i)->fd, socket, arg, udp_at(udp, i));
    return status;
}

/* Signals are the control thread's. */
static enum status start_thread(struct shard *s)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    s->running = uv_thread_create(&s->thread, shard_run, s) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return s->running ? OK : ERR_IO;
}

enum status shards_start(struct shards *all)
{
    const struct shards_setup *setup = &all->setup;
    if (!shards_threaded(all))
        return watch(setup->loop, setup->device->fd, on_device, setup->udp, shards_on_only_socket, all);
    enum status status = watch(setup->loop, -1, NULL, setup->udp, shards_on_socket, all);
    for (size_t i = 0; i < all->count && status == OK; i++) {
        struct shard *s = &all->items[i];
        status = watch(&s->loop, s->queue.fd, shard_on_device, s->udp, shard_on_socket, s);
        if (status == OK)
            status = start_thread(s);
    }
    return status;
}

void shards_stop(struct shards *all)
{
    for (size_t i = 0; all != NULL && i < all->count; i++) {
        struct shard *s = &all->items[i];
        if (!s->running)
            continue;
        atomic_store(&s->stop_asked, true);
        (void)uv_async_send(&s->wake);
        (void)uv_thread_join(&s->thread);
        s->running = false;
    }
}

static void free_shard(struct shards *all, struct shard *s)
{
    worker_free(s->worker);
    if (!shards_threaded(all))
        return;
    loop_unwatch_all(&s->loop);
    loop_close(&s->loop);
    for (size_t i = 0; i <= SHARD_CONTROL; i++)
        ring_free(s->from[i]);
    ring_free(s->posts);
    udp_close(s->udp);
    if (s->can_rest)
        rest_close(&s->rest);
    if (s->index != 0)
        device_close_queue(&s->queue);
}

/* Keys of the SAD are made with the ciphers of the shards: it is empty by now. */
void shards_free(struct shards *all)
{
    if (all == NULL)
        return;
    shards_stop(all);
    for (size_t i = 0; i < all->count; i++)
        free_shard(all, &all->items[i]);
    for (size_t i = 1; i < all->count; i++)
        aead_library_free(all->items[i].crypto);
    if (all->memory != NULL)
        (void)munmap(all->memory, CONTROL_BATCH * (size_t)PACKET_BUFFER);
    free(all->items);
    free(all->rules);
    free(all);
}

size_t shards_count(const struct shards *all)
{
    return all->count;
}

/* --- rest --- */

static void stop_all(struct shards *all, bool awake)
{
    if (!shards_threaded(all) || all->pauses++ > 0)
        return;
    for (size_t i = 0; i < all->count; i++) {
        struct shard *s = &all->items[i];
        if (!s->running)
            continue;
        if (awake)
            rest_ask(&s->rest);
        if (awake || !rest_hold(&s->rest))
            (void)uv_async_send(&s->wake);
    }
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i].running)
            rest_wait(&all->items[i].rest);
}

void shards_pause(struct shards *all)
{
    stop_all(all, false);
}

void shards_pause_awake(struct shards *all)
{
    stop_all(all, true);
}

void shards_resume(struct shards *all)
{
    if (!shards_threaded(all) || --all->pauses > 0)
        return;
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i].running)
            rest_release(&all->items[i].rest);
}

uint8_t shards_pick(const struct shards *all, uint32_t connection, const struct address *peer)
{
    const struct shards_setup *setup = &all->setup;
    bool any = connection_is_any(&setup->connections[connection]);
    return (uint8_t)workers_pick(any ? NULL : &setup->ranks[connection], peer, all->count);
}

/* On this thread, in place of the workers, which rest. */
void shards_release(struct shards *all, uint32_t rule, uint64_t now_ms)
{
    shards_pause(all);
    for (size_t i = 0; i < all->count; i++) {
        worker_release(all->items[i].worker, rule, now_ms);
        if (shards_threaded(all))
            shard_tell(&all->items[i]);
    }
    shards_resume(all);
}

bool shards_send_own(struct shards *all, uint8_t shard, struct bytes packet, uint64_t now_ms)
{
    struct shard *s = &all->items[shard];
    if (!shards_threaded(all)) {
        worker_send_own(s->worker, packet, now_ms);
        return true;
    }
    bool done = stray_put(s->from[SHARD_CONTROL], &(struct stray){.own = true}, packet);
    (void)uv_async_send(&s->wake);
    return done;
}

void shards_expire(struct shards *all, uint64_t now_ms)
{
    if (!shards_threaded(all))
        worker_expire(all->items[0].worker, now_ms);
}

uint64_t shards_next(const struct shards *all)
{
    return shards_threaded(all) ? DEADLINE_NEVER : worker_next(all->items[0].worker);
}

/* --- sums --- */

const struct drops *shards_drops(struct shards *all)
{
    for (size_t why = 0; why < DROP_COUNT; why++) {
        uint64_t sum = counter_get(&all->control.count[why]);
        for (size_t i = 0; i < all->count; i++)
            sum += counter_get(&worker_drops(all->items[i].worker)->count[why]);
        counter_set(&all->drops.count[why], sum);
    }
    return &all->drops;
}

const struct rule_counters *shards_rules(struct shards *all)
{
    for (size_t rule = 0; rule < all->setup.spd->count; rule++) {
        uint64_t packets = 0, bytes = 0;
        for (size_t i = 0; i < all->count; i++) {
            const struct rule_counters *one = &worker_rules(all->items[i].worker)[rule];
            packets += counter_get(&one->packets);
            bytes += counter_get(&one->bytes);
        }
        counter_set(&all->rules[rule].packets, packets);
        counter_set(&all->rules[rule].bytes, bytes);
    }
    return all->rules;
}

void shards_count_refused(struct shards *all, size_t count)
{
    drop_count(&all->control, DROP_TOO_BIG_REFUSED, count);
}
