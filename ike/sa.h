/* SPDX-License-Identifier: Apache-2.0 */
/* The life of an IKE SA, whatever its version: made, found, established, renewed, replaced, ended. */
#ifndef IKE_SA_H
#define IKE_SA_H

#include "ike/engine.h"

/* A fresh SA with a cookie of ours, half-open, in the table. As initiator it belongs to `peer`; as responder peer is
 * NULL. */
MUST_USE enum status ike_sa_new(struct ike *ike, const struct version *version, struct peer *peer, uint32_t connection,
                                const struct path *path, struct ike_sa **out);

/* Takes it out of every list, wipes and frees it. Children stay with the peer. */
void ike_sa_free(struct ike *ike, struct ike_sa *sa);

struct ike_sa *ike_sa_find(const struct ike *ike, uint64_t spi_i, uint64_t spi_r);

/* Adds a message id to one of the SA's sets; a set that fills up makes phase 1 be rekeyed in time. */
MUST_USE enum status ike_sa_remember(struct ike *ike, struct ike_sa *sa, struct id_set *set, uint32_t id, size_t most);

/* One subscriber: an IPv4 address, or an IPv6 /64. */
bool ike_same_site(const struct address *a, const struct address *b);

/* The authenticated peer started anew: what is older than this SA's exchange ends here too. */
void ike_sa_initial_contact(struct ike *ike, struct ike_sa *sa);

/* Keeps and sends a message of phase 1. `waits`: send it again by the timer until something comes. */
MUST_USE enum status ike_sa_send(struct ike *ike, struct ike_sa *sa, struct bytes datagram, bool waits);

/* Phase 1 is complete and remote_id authenticated, but XAUTH and mode-config come first. ERR_LIMIT, the peer being
 * told: too many wait there. ERR_MEMORY. */
MUST_USE enum status ike_sa_configure(struct ike *ike, struct ike_sa *sa, const struct identity *remote_id);

/* Who has logged in: ike_sa_establish then adopts under this name. ERR_MEMORY. */
MUST_USE enum status ike_sa_set_user(struct ike_sa *sa, const struct identity *user);

/* Phase 1 is complete and remote_id authenticated: adopts, tells, starts timers. The caller then pursues what waits
 * (peer_pursue), or ends the SA when this fails. */
MUST_USE enum status ike_sa_establish(struct ike *ike, struct ike_sa *sa, const struct identity *remote_id);

/* The peer has the shorter lifetime, which counts (RFC 2407 4.5.4). A longer one, or 0, changes nothing. */
void ike_sa_shorten(struct ike *ike, struct ike_sa *sa, uint64_t lifetime_s, uint64_t lifetime_bytes); /* 0: stays */

/* The last message of phase 1 was lost, and goes out again: only now the peer has an SA that we may have replaced, and
 * whose deletes it did not understand. Then it gets one more. */
void ike_sa_tell_again(struct ike_sa *sa);

/* Initiator, not established: something unauthenticated says that the peer refuses us. True: fewer tries are left. */
bool ike_sa_hurry(struct ike_sa *sa);

/* An authentic message of it, in or out: kilobytes are a limit too. */
void ike_sa_count(struct ike *ike, struct ike_sa *sa, size_t len);

/* Phase 1 never came up. Frees sa. */
void ike_sa_fail(struct ike *ike, struct ike_sa *sa, const char *why);

/* Ends an SA that was up, with a delete to the peer when `tell_peer`. Frees sa; children stay. */
void ike_sa_end(struct ike *ike, struct ike_sa *sa, bool tell_peer, const char *why);

/* The same for one SA alone: one that it had replaced, and that is still there, serves again. */
void ike_sa_end_one(struct ike *ike, struct ike_sa *sa, bool tell_peer, const char *why);

/* The peer of an established SA is silent: everything with it ends, and dpd_action says what comes next. Frees sa. */
void ike_sa_peer_dead(struct ike *ike, struct ike_sa *sa, const char *why);

/* An authenticated message came from here: follow a changed address (only behind NAT), note that the peer lives. */
void ike_sa_heard(struct ike *ike, struct ike_sa *sa, const struct path *path);

void ike_sa_timer(struct ike *ike, struct ike_sa *sa, enum timer_kind kind);

#endif
