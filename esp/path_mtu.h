/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of the path MTU towards each peer: the MTU of the route to it, lowered by what routers said of our own
 * packets (RFC 1191, RFC 8201, RFC 4301 8.2). Lowered values age: after PATH_MTU_LIFE_MS the path is tried with its
 * full size again (RFC 1191 6.3). No I/O here: the caller has checked that a claim quotes a packet of a living SA.
 */
#ifndef ESP_PATH_MTU_H
#define ESP_PATH_MTU_H

#include "base/status.h"
#include "policy/address.h"

enum {
    PATH_MTU_LIFE_MS = 600000,
};

struct path_mtus;

MUST_USE enum status path_mtus_new(struct path_mtus **out); /* ERR_MEMORY */
void path_mtus_free(struct path_mtus *mtus);                /* NULL is fine */

/* Notes the MTU of the interface or route that leads to a peer; 0: not known. Returns what counts from now on. */
uint32_t path_mtus_set_route(struct path_mtus *mtus, const struct address *peer, uint32_t route_mtu);

/* A router's claim. Taken only when it lowers what counts and is not under what the family promises (policy/ip.h: RFC
 * 4301 8.2 asks for a floor); returns true then. A lower claim than before renews the age, an equal one too. */
bool path_mtus_claim(struct path_mtus *mtus, const struct address *peer, uint32_t claimed, uint64_t now_ms);

/* The host itself refused an outer packet of this size, although the route to the peer is said to take it. Its true
 * limit is not known: the next plateau of RFC 1191 7.1 below is tried, down to the floor. Ages like a claim. True when
 * what counts is lower now; false where it was lower already, or cannot be. */
bool path_mtus_refused(struct path_mtus *mtus, const struct address *peer, uint32_t outer_size, uint64_t now_ms);

/* The MTU of the route alone, whatever routers claim: never 0. */
uint32_t path_mtus_route(const struct path_mtus *mtus, const struct address *peer);

/* What counts for a peer: never 0. */
uint32_t path_mtus_get(const struct path_mtus *mtus, const struct address *peer);

/* Forgets one claim that has aged, and names its peer; false when none has. */
bool path_mtus_take_aged(struct path_mtus *mtus, uint64_t now_ms, struct address *peer);
uint64_t path_mtus_next(const struct path_mtus *mtus); /* when that will be, or DEADLINE_NEVER */

/* No SA leads there any more. */
void path_mtus_forget(struct path_mtus *mtus, const struct address *peer);

#endif
