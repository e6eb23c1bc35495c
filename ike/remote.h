/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the peer of a connection is, also when its `remote` is a name. The engine knows no DNS: it asks for the
 * addresses of a name (ike_ops.find_remote) and is told them later (ike_found).
 *
 * A phase 1 that we start asks; the addresses are tried in turn, the next one as soon as one has failed; after the last
 * it has failed, and the next try asks again. A renewal goes to where the peer is. A peer that calls is known by any
 * of the addresses; one that calls from another makes us ask again, now and then.
 */
#ifndef IKE_REMOTE_H
#define IKE_REMOTE_H

#include "ike/engine.h"

/* Empty ones, for those connections whose remote is a name. ERR_MEMORY: ike_rules_free frees what is there. */
MUST_USE enum status remotes_make(const struct connection *all, size_t count, struct connection_rules *rules);

/* May the peer of this connection be at this address? remote = %any: yes. */
bool remote_may_be(const struct ike *ike, uint32_t connection, const struct address *address);

/* Is it at the same site (ike_same_site), as far as we know? */
bool remote_is_site(const struct ike *ike, uint32_t connection, const struct address *address);

/* A phase 1 is wanted: `ready` when there is an address to call. Else it is asked for, and ike_found goes on. */
MUST_USE enum status remote_prepare(struct ike *ike, uint32_t connection, bool *ready);

/* The last look-up, a moment ago, has found no address: packets need not ask again, each of them. */
bool remote_rests(const struct ike *ike, uint32_t connection);

/* The address to call now: where the peer is, or the next one of its name, which is used up with that; when none is
 * left, the first one again. Only after remote_prepare has said that it is ready. */
struct ike_remote remote_take(struct ike *ike, const struct peer *peer);

/* Another address of the name, that was not tried yet. */
bool remote_is_left(const struct ike *ike, uint32_t connection);

/* The first message was sent often enough to this address, since another one is left. */
bool remote_is_enough(const struct ike *ike, const struct ike_sa *sa);

/* An answer is good for one start: phase 1 is up, or given up, and the next one asks again. */
void remote_forget(struct ike *ike, uint32_t connection);

/* Asks in the background, so that a peer that calls is known. */
void remote_look_up(struct ike *ike, uint32_t connection);

/* Somebody calls from an address that we do not know: all names, not more often than every REMOTE_ASK_EVERY. */
void remote_ask_again(struct ike *ike);

#endif
