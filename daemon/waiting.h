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

enum {
    WAITING_PER_RULE = 64,
    WAITING_TOTAL = 1024,
    /* A first message that is lost once or twice still brings the packet through; an older one is of no use. */
    WAITING_LIFE_MS = 5000,
    /* How often one rule may ask IKE. */
    WAITING_ASK_EVERY_MS = 1000,
};

struct waiting;

/* rules: a rule index is below it. packet_max: longer packets are refused. ERR_MEMORY. */
MUST_USE enum status waiting_new(size_t rules, size_t packet_max, struct waiting **out);
void waiting_free(struct waiting *waiting); /* NULL is fine */

/* Copies the packet to the end of the rule's queue. ERR_LIMIT when that, or the whole, is full. */
MUST_USE enum status waiting_push(struct waiting *waiting, uint32_t rule, struct bytes packet, uint64_t now_ms);

/* True when IKE is to be asked for the rule: never asked, or not for a while. */
bool waiting_should_ask(struct waiting *waiting, uint32_t rule, uint64_t now_ms);

/* The rule's oldest packet, copied into `out` (behind its head-room); false when there is none. */
bool waiting_pop(struct waiting *waiting, uint32_t rule, struct packet *out);

/* Drops what has waited for WAITING_LIFE_MS; returns how many. */
size_t waiting_expire(struct waiting *waiting, uint64_t now_ms);

/* When waiting_expire has something to do: a time, or DEADLINE_NEVER. */
uint64_t waiting_next(const struct waiting *waiting);

#endif
