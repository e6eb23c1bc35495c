/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a child on ike's side: installed, active, renewed before it ends, replaced, removed. */
#ifndef IKE_CHILD_H
#define IKE_CHILD_H

#include "ike/engine.h"

/*
 * Installs a negotiated child: it opens from now on. Takes the keys out of `child` and wipes them on every path.
 * replaces: id or 0. lifetime_s is the negotiated one.
 */
MUST_USE enum status child_install(struct ike *ike, struct peer *peer, struct child *child, bool initiator,
                                   uint64_t replaces, uint64_t lifetime_s, struct child_sa **out);

/* The peer has the keys: it seals too; older ones of the same selectors are replaced; nobody waits for the rule any
 * more. */
void child_activate(struct ike *ike, struct child_sa *c);

/* The same, a moment after message 3 has left (CONFIRM_GRACE). must_wait: the peer has asked to wait until it says that
 * it is ready (RFC 2408 3.1, the commit bit); if it does not, we do not wait for ever. */
void child_activate_soon(struct ike *ike, struct child_sa *c, bool must_wait);

/*
 * Removes it. `event`: also from the data plane, with a log line and, when it was active, IKE_EVENT_CHILD_DOWN;
 * without, everything is being torn down silently (ike_free). Tells the peer when `tell_peer` and an IKE SA is there.
 */
void child_end(struct ike *ike, struct child_sa *c, bool tell_peer, bool event, const char *why);

/* The same for one child alone: one that it had replaced, and that is still there, serves again. */
void child_end_one(struct ike *ike, struct child_sa *c, bool tell_peer, const char *why);

struct child_sa *child_by_id(const struct ike *ike, uint64_t id);
struct child_sa *child_by_spi_out(const struct peer *peer, uint32_t spi_out);

/* The newest active child of a rule; NULL. */
struct child_sa *child_of_rule(const struct peer *peer, uint32_t rule);

/* One that we have negotiated and that will be active in a moment. */
bool child_is_coming(const struct peer *peer, uint32_t rule);

/* Wants to be renewed: at once when an IKE SA is there. */
void child_renew(struct ike *ike, struct child_sa *c);

/* A renewal did not come about: try again while there is time. */
void child_renew_failed(struct ike *ike, uint64_t id);

void child_timer(struct ike *ike, struct child_sa *c, enum timer_kind kind);

#endif
