/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual addresses: which one a peer has leased from our pool, or which one a concentrator has given us; and what that
 * means for the selectors of phase 2. A peer with an address may use that one alone.
 */
#ifndef IKE_NET_H
#define IKE_NET_H

#include "ike/engine.h"

struct pools;

/* The pools of a connection; *out is NULL where it has none. */
MUST_USE enum status net_pools_make(const struct ike *ike, const struct connection *connection, struct pools **out);
void net_pools_drop(struct pools *pools); /* NULL is fine */

/* Of all connections, for the life of the engine or until it is configured anew. */
MUST_USE enum status net_pools_new(struct ike *ike, uint32_t connection);
void net_pools_free(struct ike *ike);

/* Server: leases what the pools of the connection have, for each family that is wanted. What could not be leased keeps
 * family 0, with a line in the log. ERR_MEMORY. */
MUST_USE enum status net_lease(struct ike *ike, struct peer *peer, const bool wanted[FAMILIES]);

/* Client: the concentrator has given us this. Children of another address end. ERR_MISMATCH, with nothing changed: an
 * address that no rule of the connection has on its local side. ERR_MEMORY. */
MUST_USE enum status net_set(struct ike *ike, struct peer *peer, const struct virtual_net *net);

/* Whose address it is, for the log: the name of a user without the word for its kind; escaped. Returns out. */
const char *net_name(const struct identity *who, char out[IDENTITY_TEXT]);

/* Nothing is left of a peer: the lease goes back, or the address leaves the TUN. Harmless while something is left. */
void net_left(struct ike *ike, struct peer *peer);

/* The same without a word to anybody, when the engine ends. */
void net_forget(struct peer *peer);

/* Narrows a selector of ours to the virtual address. ERR_MISMATCH: there is none of its family, or the rule does not
 * cover it. */
MUST_USE enum status net_narrow(const struct ike *ike, const struct peer *peer, struct selector *s);

/* Server: a client of the Cisco kind asks for everything, and means what there is for it. *s becomes what the first
 * rule of the connection that leads to its address says; the index of that rule, or SPD_RULE_NONE with *s unchanged. */
int net_give_all(const struct ike *ike, const struct peer *peer, struct selector *s);

/* May phase 2 be for this selector? Where virtual addresses are in use, only for the one of this peer. */
bool net_admits(const struct ike *ike, const struct peer *peer, const struct selector *s);

#endif
