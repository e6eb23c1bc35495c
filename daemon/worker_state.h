/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to worker*.c:
 *   worker.c         its life, what it tells IKE
 *   worker_out.c     TUN to network
 *   worker_in.c      network to TUN
 *   worker_strays.c  what other workers hand over
 */
#ifndef DAEMON_WORKER_STATE_H
#define DAEMON_WORKER_STATE_H

#include "daemon/worker.h"
#include "esp/icmp.h"
#include "esp/mss.h"
#include "policy/flow_cache.h"
#include "policy/fragments.h"

/* Notes are told when no SA is held any more. Enough for a batch of packets that are all different; what finds no room
 * (many datagrams that the kernel has joined) is noted again by the next packets. */
enum { NOTES_MAX = 3 * WORKER_BATCH };

/* Of the MTU of a bypassed packet's route: how long an answer is good, and how often one is asked for. */
enum { ROUTE_MTU_LIFE_MS = 1000, ROUTE_MTU_PAUSE_MS = 10 };

/* "Packet too big" messages, in all and to the senders of one bucket: each costs a write to the TUN, and a sender that
 * does not listen gets no more of them. */
enum {
    ERRORS_PER_SECOND = 5000,
    ERRORS_BURST = 512,
    ERROR_BUCKETS = 64,
    SENDER_ERRORS_PER_SECOND = 1000,
    SENDER_ERRORS_BURST = 64,
};

/* Answers to our own pings that are told: each is a message to the control thread, and whoever has been asked can make
 * as many as he likes. */
enum { ANSWERS_PER_SECOND = 200, ANSWERS_BURST = 64 };

struct tokens {
    uint64_t filled_ms;
    uint32_t spent;
};

static inline bool worker_take_token(struct tokens *t, uint32_t per_second, uint32_t burst, uint64_t now_ms)
{
    uint64_t fresh = (now_ms - t->filled_ms) * per_second / 1000;
    if (fresh > 0) {
        t->filled_ms = now_ms;
        t->spent = fresh >= t->spent ? 0 : t->spent - (uint32_t)fresh;
    }
    if (t->spent >= burst)
        return false;
    t->spent++;
    return true;
}

/* Packets of one SA, in order. */
struct batch {
    struct sa *sa;
    struct packet *packets[WORKER_BATCH];
    struct outer outer[WORKER_BATCH];               /* outbound */
    const struct datagram *datagrams[WORKER_BATCH]; /* inbound */
    size_t count, bytes;                            /* bytes: outbound, when sealed */
};

struct worker {
    struct worker_setup setup;
    struct waiting *waiting;
    struct fragments *fragments_in, *fragments_out; /* two: neither direction can crowd out the other */
    struct flow_cache *flow_cache;                  /* the SPD's answers */
    uint8_t *memory;                                /* of all that follows */
    /* Outbound: packets and super-packets from the TUN; what they are split or cut into. */
    struct slab reads, cuts;
    struct packet packets[WORKER_BATCH], pieces[WORKER_BATCH];
    struct vnet vnets[WORKER_BATCH];
    struct packet scratch; /* one packet of any size that has no place elsewhere */
    size_t piece_count;    /* of the batch */
    /* Inbound: datagrams, the packets in them, and how they leave. */
    struct datagram datagrams[WORKER_BATCH];
    struct packet segments[WORKER_BATCH]; /* of the batch: places in the datagrams */
    struct coalesce coalesce;
    bool merges; /* the TUN takes super-packets */
    struct flow flows[WORKER_BATCH];
    enum drop why[WORKER_BATCH];
    struct batch batch;
    struct note notes[NOTES_MAX];
    size_t note_count;
    uint64_t now_ms;         /* of the wake-up at hand */
    struct address route_to; /* the answer about one destination, for a while */
    uint32_t route_mtu;
    uint64_t route_until_ms, route_asked_ms;
    struct tokens errors, sender_errors[ERROR_BUCKETS], answers;
    struct drops drops;
    struct rule_counters *rules;
};

/* Of the wake-up at hand. The control thread may have worked in our place, by its own clock, which may be ahead. */
static inline void worker_set_time(struct worker *w, uint64_t now_ms)
{
    if (now_ms > w->now_ms)
        w->now_ms = now_ms;
}

/* Somebody waits for us to come to rest. */
static inline bool worker_must_rest(const struct worker *w)
{
    return w->setup.rest != NULL && atomic_load_explicit(w->setup.rest, memory_order_relaxed);
}

static inline void worker_drop(struct worker *w, enum drop why)
{
    drop_count(&w->drops, why, 1);
}

static inline struct bytes packet_bytes(const struct packet *p)
{
    return bytes_of(packet_data(p), p->len);
}

/* A TCP SYN on its way out or in asks for no more than fits. */
static inline void worker_clamp(const struct sa *sa, const struct packet *packet, const struct flow *flow)
{
    if (!mss_is_syn(packet_data(packet), packet->len, flow))
        return;
    uint32_t limit = sa_mss_limit(sa, flow->source.family);
    if (limit != 0)
        (void)mss_clamp_syn(packet_data(packet), packet->len, flow, limit);
}

/* The batch is done: it goes to the network; or to the TUN, as far as it is right. */
void worker_seal_batch(struct worker *w);
void worker_open_batch(struct worker *w);
void worker_write_coalesced(struct worker *w);

/* A packet from the TUN that has met the rule; a piece of a datagram that is ESP. Both join a batch and stay where they
 * are until it is done. */
void worker_send_out(struct worker *w, uint32_t rule, const struct flow *flow, struct packet *packet,
                     const struct vnet *vnet);
/* A packet of our own, as if it had come from the TUN. It stays where it is until the batch is done. */
void worker_take_own(struct worker *w, struct packet *packet);
void worker_take_esp(struct worker *w, const struct datagram *datagram, const struct packet *piece);

/* The packet needs an SA of another worker. Without room there it is dropped, for the reason given. */
void worker_hand_over(struct worker *w, const struct sa *sa, const struct stray *stray, struct bytes packet,
                      enum drop why);

/* Without room it is lost: only for what will be noted again. */
void worker_note(struct worker *w, const struct note *note);
void worker_note_limits(struct worker *w, struct sa *sa);
void worker_tell_notes(struct worker *w);

#endif
