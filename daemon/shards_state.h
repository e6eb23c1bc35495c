/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to shards*.c:
 *   shards.c         their life, rest, sums
 *   shards_thread.c  what runs on the threads, and what they post to the control thread
 *   shards_control.c what the control thread receives
 */
#ifndef DAEMON_SHARDS_STATE_H
#define DAEMON_SHARDS_STATE_H

#include <stdatomic.h>

#include "daemon/shards.h"

/* A super-packet and its surroundings must fit a quarter of it. */
enum { SHARD_RING = 512 << 10, CONTROL_BATCH = 8 };

/* What a worker tells the control thread, with an IKE message behind it. */
struct post {
    enum { POST_IKE, POST_ACQUIRE, POST_SOFT, POST_HARD, POST_MOVED, POST_TOO_BIG, POST_REFUSED } kind;
    bool udp;
    int error;
    uint32_t rule, size;
    uint64_t child_id;
    struct endpoint remote;
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
    atomic_bool pause_asked, stop_asked, gone;
    uv_sem_t arrived, go;              /* at rest; may go on */
    struct ring *from[SHARDS_MAX + 1]; /* by writer; the last is the control thread. Owned; NULL from itself */
    struct ring *posts;                /* to the control thread */
    bool woken[SHARDS_MAX], posted;    /* who has got something from us since the last shard_tell */
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

/* --- shards_thread.c --- */

void shard_run(void *arg); /* the thread */
void shard_wake(uv_async_t *wake);
void shard_on_device(void *arg, const void *subject);
void shard_on_socket(void *arg, const void *subject);
void shard_on_timer(void *arg);
struct worker_ops shard_ops(struct shard *shard);
void shard_tell(struct shard *shard); /* wakes whom the shard has given something */

/* --- shards_control.c --- */

void shards_on_posts(uv_async_t *wake);
void shards_on_socket(void *arg, const void *subject); /* of the control thread's set */

#endif
