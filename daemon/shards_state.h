/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to shards*.c:
 *   shards.c         their life, rest, sums
 *   shards_thread.c  what runs on the threads, and what they post to the control thread
 *   shards_control.c what the control thread receives
 *   shards_reload.c  another configuration
 */
#ifndef DAEMON_SHARDS_STATE_H
#define DAEMON_SHARDS_STATE_H

#include <stdatomic.h>

#include "daemon/rest.h"
#include "daemon/shards.h"

/* Bytes of rings; STRAYS_RINGS_MAX: of all to one worker. POSTS_BATCH: of one shard, before other work of the control
 * thread. */
enum {
    SHARD_RING = 512 << 10,
    STRAYS_RING_MAX = 2 << 20, /* from one worker, to one worker */
    STRAYS_RINGS_MAX = 8 << 20,
    CONTROL_BATCH = 8,
    POSTS_BATCH = 64,
};

_Static_assert(sizeof(struct stray) + PACKET_BUFFER <= SHARD_RING / RING_SHARE, "any packet fits a ring");

/* What a worker tells the control thread: a note; or an IKE message, which lies behind it. */
struct post {
    bool is_message;
    struct note note;
    struct path path;
    size_t message_len;
};

struct shard {
    struct shards *shards;
    uint8_t index;
    struct worker *worker;
    /* With threads only. */
    struct device queue;
    struct udp *udp;
    struct aead_library *crypto;
    struct loop loop;
    uv_async_t wake;
    uv_thread_t thread;
    bool running;
    struct rest rest; /* begun by whatever its loop calls, ended before the loop sleeps */
    bool can_rest;
    uv_prepare_t before_sleep;
    atomic_bool stop_asked, gone;
    struct ring *from[SHARDS_MAX + 1]; /* by writer; the last is the control thread. Owned; NULL from itself */
    struct ring *posts;                /* to the control thread */
    bool posted;                       /* since the last shard_tell */
};

struct shards {
    struct shards_setup setup;
    struct shard *items;
    size_t count;
    unsigned pauses;
    uv_async_t wake;      /* on the loop of the control thread */
    struct drops control; /* counted by the control thread */
    struct drops drops;   /* the sum */
    struct rule_counters *rules;
    /* What the control thread receives into; with threads only. */
    uint8_t *memory;
    struct datagram datagrams[CONTROL_BATCH];
};

enum { SHARD_CONTROL = SHARDS_MAX }; /* among the writers */

static inline bool shards_threaded(const struct shards *all)
{
    return all->count > 1;
}

/* --- shards.c --- */

void shards_on_only_socket(void *arg, const void *subject); /* of the one worker on the loop of the gateway */

/* --- shards_thread.c --- */

void shard_run(void *arg); /* the thread */
void shard_wake(uv_async_t *wake);
void shard_before_sleep(uv_prepare_t *prepare);
void shard_on_device(void *arg, const void *subject);
void shard_on_socket(void *arg, const void *subject);
void shard_on_timer(void *arg);
struct worker_ops shard_ops(struct shard *shard);
void shard_tell(struct shard *shard); /* the control thread, if there are posts */

/* --- shards_control.c --- */

void shards_on_posts(uv_async_t *wake);
bool shards_take_posts(const struct worker_ops *ops, struct ring *posts); /* a batch; true: there may be more */
void shards_on_socket(void *arg, const void *subject);                    /* of the control thread's set */

#endif
