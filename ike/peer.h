/* SPDX-License-Identifier: Apache-2.0 */
/* What a connection wants at run time, and how it gets there: an IKE SA first, then a child for each rule that someone
 * waits for. */
#ifndef IKE_PEER_H
#define IKE_PEER_H

#include "ike/engine.h"

/* One that is in no list yet. rules: owned by the engine, as they will be. */
MUST_USE enum status peer_make(const struct connection_rules *rules, uint32_t connection, const struct identity *id,
                               struct peer **out);
void peer_drop(struct peer *peer);                  /* such a one; NULL is fine */
void peer_join(struct ike *ike, struct peer *peer); /* and now it is the engine's */

/* Where those look that search for a peer, by its connection and identity: out before the number of its connection
 * changes, and in again afterwards. */
void peer_leave(struct ike *ike, struct peer *peer);
void peer_enter(struct ike *ike, struct peer *peer);

MUST_USE enum status peer_new(struct ike *ike, uint32_t connection, const struct identity *id, struct peer **out);
void peer_free(struct ike *ike, struct peer *peer); /* with all that hangs on it, silently */

/* The peer of a connection with a fixed remote; NULL for %any. */
struct peer *peer_of_connection(const struct ike *ike, uint32_t connection);

/* The peer that authenticated as id: made when it is a new one of a %any connection. NULL: there are
 * PEERS_OF_ANY_MAX, or no memory. */
struct peer *peer_of_identity(struct ike *ike, uint32_t connection, const struct identity *id);

/* The newest established IKE SA, or NULL. */
struct ike_sa *peer_sa(const struct peer *peer);

void peer_want(struct peer *peer, uint32_t rule);
void peer_want_all(struct peer *peer); /* every rule without a living child */
void peer_unwant(struct peer *peer, uint32_t rule);
bool peer_wants(const struct peer *peer, uint32_t rule);

bool peer_is_due(const struct peer *peer);        /* somebody waits for a child, or a renewal */
bool peer_is_connecting(const struct peer *peer); /* a phase 1 is under way */

/* Does the next thing that is needed: phase 1, or phase 2 for what is wanted or due for renewal. */
void peer_pursue(struct ike *ike, struct peer *peer);

/* Phase 1 failed or everything ended: nobody waits any more; `restart`: try again later by ourselves. */
void peer_gave_up(struct ike *ike, struct peer *peer, bool restart);

/* A rule has lost its child, or could not get one: with start = start it gets another one a little later. */
void peer_lost(struct ike *ike, struct peer *peer);

/* Ends all children and IKE SAs, telling the peer. */
void peer_end(struct ike *ike, struct peer *peer, bool tell_peer, const char *why);

void peer_timer(struct ike *ike, struct peer *peer);

#endif
