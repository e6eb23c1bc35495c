/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets that wait for an SA: bounded per rule and in all, first in, first out, dropped when they wait too long. All
 * memory is taken at the start. Times are milliseconds of the loop's clock.
 */
#ifndef DAEMON_WAITING_H
#define DAEMON_WAITING_H

#include "base/deadline.h"
#include "base/packet.h"
#include "base/wire.h"
#include "policy/flow.h"
#include "policy/renumber.h"

enum {
    WAITING_PER_RULE = 64,
    WAITING_TOTAL = 1024,
    /* A first message that is lost once or twice still brings the packet through; an older one is of no use. */
    WAITING_LIFE_MS = 5000,
    /* How often one rule asks IKE while its packets wait. */
    WAITING_ASK_EVERY_MS = 1000,
    /* The first packet to wait asks sooner, because the last ask was for an SA that has come and gone since. The pause
     * bounds what a flood whose packets do not stay (the pool is full, SAs come and go) can make of it. */
    WAITING_ASK_PAUSE_MS = 100,
};

struct waiting;

/* rules: a rule index is below it. packet_max: longer packets are refused. ERR_MEMORY. */
MUST_USE enum status waiting_new(size_t rules, size_t packet_max, struct waiting **out);
void waiting_free(struct waiting *waiting); /* NULL is fine */

/* Copies the packet, and the flow by which it finds its SA, to the end of the rule's queue. ERR_LIMIT when that, or the
 * whole, is full. Either way IKE is to be asked: see below. */
MUST_USE enum status waiting_push(struct waiting *waiting, uint32_t rule, const struct flow *flow, struct bytes packet,
                                  uint64_t now_ms);

/* True when IKE is to be asked for the rule now; counts as asked. After a push into an empty queue that is at once, or
 * WAITING_ASK_PAUSE_MS after the last time; then again every WAITING_ASK_EVERY_MS, for as long as packets wait. */
bool waiting_should_ask(struct waiting *waiting, uint32_t rule, uint64_t now_ms);

/* The same for any rule, so that a lone packet does not wait in vain: false when none is due. */
bool waiting_take_ask(struct waiting *waiting, uint64_t now_ms, uint32_t *rule);

/* The rule's oldest packet, copied into `out` (behind its head-room); false when there is none. */
bool waiting_pop(struct waiting *waiting, uint32_t rule, struct flow *flow, struct packet *out);

/* Drops what has waited for WAITING_LIFE_MS; returns how many. */
size_t waiting_expire(struct waiting *waiting, uint64_t now_ms);

/* Empty queues of so many rules; waiting_renumber takes them over. ERR_MEMORY. */
struct waiting_queues;
MUST_USE enum status waiting_queues_new(size_t rules, struct waiting_queues **out);
void waiting_queues_free(struct waiting_queues *queues); /* NULL is fine */

/* Rules have other numbers. Packets go on waiting, in order; those of rules that are gone are dropped: returns how many
 * they were. */
size_t waiting_renumber(struct waiting *waiting, struct waiting_queues *queues, const struct renumber *numbers);

/* When waiting_expire or waiting_take_ask has something to do: a time, or DEADLINE_NEVER. */
uint64_t waiting_next(const struct waiting *waiting);

#endif
