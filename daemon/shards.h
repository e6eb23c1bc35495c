/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packet path as a whole: one worker on the loop of the gateway, or several shards: a shard is a worker with a
 * thread, a loop, a queue of the TUN, sockets and cipher state of its own. IKE and everything else stay on the thread
 * of the gateway, the control thread.
 *
 * Workers share the SPD and the SAD, which they only read; what changes often (sequence numbers, windows, counters) is
 * of one shard. So none of them ever takes a lock. Before the control thread changes the SAD it brings them all to
 * rest: each comes to a stop between two batches, where it holds no SA (shards_pause). What must pass from thread to
 * thread (a packet whose SA is another shard's, what IKE has to know) is copied through rings.
 */
#ifndef DAEMON_SHARDS_H
#define DAEMON_SHARDS_H

#include "daemon/loop.h"
#include "daemon/worker.h"

struct shards;

struct shards_setup {
    size_t count;          /* 1: no thread. At most SHARDS_MAX, and with more than one the device must have queues */
    const uint32_t *ranks; /* of connections: workers_rank. Borrowed, like all that follows */
    const struct connection *connections;
    size_t connection_count;
    const struct spd *spd;
    struct sad *sad;
    struct udp *udp; /* of the control thread, and of the only worker: udp_open, or udp_open_shared */
    bool udp_gso, udp_gro;
    const struct bypass *bypass;
    const struct device *device;
    const struct random *random;
    const struct echo_mark *mark;
    const struct log *log;
    struct loop *loop;           /* of the control thread */
    struct aead_library *crypto; /* of the first shard */
    enum aead_choice choice;
    uint32_t packet_max;
    struct worker_ops
        ops; /* called on the control thread, never inside each other; route_mtu: on any. hand_over is ours */
    void (*settle)(void *arg); /* after any of them was called, or a worker has done something on this thread */
    void (*gone)(void *arg);   /* the TUN is */
};

/* Opens what each shard has of its own. On failure `why` says what is wrong and what would be right. */
MUST_USE enum status shards_open(const struct shards_setup *setup, struct shards **out, char *why, size_t why_len);
MUST_USE enum status shards_start(struct shards *shards); /* packets are taken from now on. ERR_IO */
void shards_stop(struct shards *shards);                  /* no worker runs any more; NULL is fine */
void shards_free(struct shards *shards);                  /* after the loop is closed; NULL is fine */

/* --- Another configuration, by shards_reload.c; all but shards_reload_prepare at rest --- */

struct shards_change {
    const uint32_t *ranks; /* borrowed, as in shards_setup */
    const struct connection *connections;
    size_t connection_count;
    const struct spd *spd;
    struct renumber numbers; /* borrowed until shards_reload_free */
};

/* Opens, and watches, the sockets that these connections need and that are not there. On failure all is as before, and
 * `why` says what is wrong. shards_trim closes those that none needs. */
MUST_USE enum status shards_extend(struct shards *shards, const struct connection *connections, size_t count, char *why,
                                   size_t why_len);
void shards_trim(struct shards *shards, const struct connection *connections, size_t count);

/* Takes the memory that the change needs; nothing is changed yet. ERR_MEMORY */
struct shards_reload;
MUST_USE enum status shards_reload_prepare(const struct shards *shards, const struct shards_change *change,
                                           struct shards_reload **out);

/* What is on its way between threads has old numbers: in place of the threads it is taken, all of it. True: there was
 * something, so that what follows from it is to be done first. */
bool shards_drain(struct shards *shards);

void shards_reload_commit(struct shards *shards, struct shards_reload *reload);
void shards_reload_free(struct shards_reload *reload); /* NULL is fine */

size_t shards_count(const struct shards *shards);

/* Between the two no worker runs. Pairs may be nested. Short: packets wait meanwhile. */
void shards_pause(struct shards *shards);
/* The same for who changes the loops of the workers, their sockets, that is: one that sleeps in its loop is woken. Only
 * as the outer one of nested pairs. */
void shards_pause_awake(struct shards *shards);
void shards_resume(struct shards *shards);

/* The shard that a new child is to be of: workers_pick. */
uint8_t shards_pick(const struct shards *shards, uint32_t connection, const struct address *peer);

/* A packet of our own making takes the way of one from the TUN, in the worker of this shard. False: it has no room. */
bool shards_send_own(struct shards *shards, uint8_t shard, struct bytes packet, uint64_t now_ms);

/* A child of the rule may seal from now on: what waited for it leaves. */
void shards_release(struct shards *shards, uint32_t rule, uint64_t now_ms);

/* Of a worker on this thread, as worker_expire and worker_next; those on threads look after themselves. */
void shards_expire(struct shards *shards, uint64_t now_ms);
uint64_t shards_next(const struct shards *shards);

/* Sums over all workers, made new by each call. */
const struct drops *shards_drops(struct shards *shards);
const struct rule_counters *shards_rules(struct shards *shards);
void shards_count_refused(struct shards *shards, size_t count); /* "too big" from outside that was not believed */

#endif
