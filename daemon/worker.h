/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packet path: from the TUN to the network and back, in batches of what one drain yields. No allocation, lock, log
 * line or clock read per packet. What IKE has to know is handed over through worker_ops, between batches. There may be
 * several, each on its thread (daemon/shards.h): nothing here is shared but what nobody writes meanwhile.
 */
#ifndef DAEMON_WORKER_H
#define DAEMON_WORKER_H

#include <stdatomic.h>

#include "daemon/bypass.h"
#include "daemon/stray.h"
#include "daemon/udp.h"
#include "daemon/waiting.h"
#include "esp/echo.h"
#include "esp/sad.h"
#include "policy/spd.h"
#include "tun/device.h"

enum {
    WORKER_BATCH = 64,
    WORKER_ROUNDS = 8, /* batches of one socket before the others get their turn */
};

_Static_assert((int)WORKER_BATCH <= (int)UDP_BATCH && (int)WORKER_BATCH <= (int)AEAD_BATCH_MAX,
               "one batch, everywhere");

struct rule_counters {
    counter packets, bytes; /* from the TUN, that met the rule */
};

/* What IKE, or the gateway, has to know of packets. */
struct note {
    enum {
        NOTE_ACQUIRE, /* rule: packets wait for an SA */
        NOTE_SOFT,    /* child_id: to be renewed */
        NOTE_HARD,    /* child_id: used up, it carries nothing more */
        NOTE_MOVED,   /* child_id: its peer's newest authentic packet came from `remote` */
        NOTE_TOO_BIG, /* child_id: a sealed packet of `size`, from the outer IP header on, did not fit the interface */
        NOTE_REFUSED, /* the TUN has refused a super-packet (`udp`, or of TCP; `error`: errno) and taken its packets one
                         by one: it gets no more of them */
        NOTE_ANSWER,  /* echo: an answer to one of our own requests came out of the tunnel of child_id. When it is lost,
                         so is that answer */
    } kind;
    uint64_t child_id;
    uint32_t rule, size;
    bool udp;
    int error;
    struct endpoint remote;
    struct echo echo;
};

/* All are called on the thread of the worker. */
struct worker_ops {
    void *arg;
    /* No SA is held: they may add, move and remove SAs. The message: without the marker. False: it could not be kept.
     */
    bool (*ike_message)(void *arg, const struct path *path, struct bytes message);
    bool (*note)(void *arg, const struct note *note);
    /* While packets are at work: they must change nothing. */
    uint32_t (*route_mtu)(void *arg, const struct address *to); /* of the host's route past the TUN; 0: none */
    /* To the worker of this shard, as a copy. False: it has no room. NULL where there is one worker. */
    bool (*hand_over)(void *arg, uint8_t shard, const struct stray *stray, struct bytes packet);
};

struct worker_setup {
    const struct spd *spd; /* all borrowed for the life of the worker; this until worker_renumber */
    struct sad *sad;
    struct udp *udp;
    const struct bypass *bypass;
    const struct device *device;
    const struct random *random;
    const struct echo_mark *mark; /* of our own echo requests; only looked at where SAs are probed */
    uint8_t shard;                /* whose SAs it works with; packets for others are handed over */
    uint32_t packet_max;          /* the longest packet that may wait for an SA */
    const atomic_bool *rest;      /* true: return soon, before all is read; NULL: never */
    struct worker_ops ops;
};

struct worker;

/* ERR_MEMORY */
MUST_USE enum status worker_new(const struct worker_setup *setup, struct worker **out);
void worker_free(struct worker *worker); /* NULL is fine */

/* The TUN, or an outer socket, has something. False: the TUN is gone. */
MUST_USE bool worker_device_readable(struct worker *worker, uint64_t now_ms);
void worker_socket_readable(struct worker *worker, const struct udp_socket *socket, uint64_t now_ms);

/* A packet of our own making, which goes where it would go if it had come from the TUN. */
void worker_send_own(struct worker *worker, struct bytes packet, uint64_t now_ms);

/* Up to WORKER_BATCH packets that another worker, the writer of the ring, has handed over. Returns how many. */
size_t worker_take_strays(struct worker *worker, struct ring *ring, uint64_t now_ms);

/* A child of the rule may seal from now on: what waited for it leaves, in order. */
void worker_release(struct worker *worker, uint32_t rule, uint64_t now_ms);

/* Waiting packets give up, or ask IKE again; when to look again, or DEADLINE_NEVER. */
void worker_expire(struct worker *worker, uint64_t now_ms);
uint64_t worker_next(const struct worker *worker);

/* What a worker has by rule, for so many rules; worker_renumber takes it over. ERR_MEMORY. */
struct worker_rules;
MUST_USE enum status worker_rules_new(size_t rules, struct worker_rules **out);
void worker_rules_free(struct worker_rules *rules); /* NULL is fine */

/* At rest, with no stray left: another SPD. Counters and waiting packets of rules that are in both go on. */
void worker_renumber(struct worker *worker, const struct spd *spd, struct worker_rules *rules,
                     const struct renumber *numbers);

const struct drops *worker_drops(const struct worker *worker);
const struct rule_counters *worker_rules(const struct worker *worker); /* one per entry of the SPD */

#endif
