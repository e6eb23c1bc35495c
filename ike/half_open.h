/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of our memory and time they get who have not proven yet who they are, and those who have proven the key of
 * their group, but not which user they are.
 *
 * A half-open SA is a stranger's where its connection has remote = %any, else a configured peer's: that one's address
 * may be forged too, but a flood of strangers must not keep it out. Nor must forged configured peers keep out
 * strangers: both have a reserve. A site is one subscriber: an IPv4 address, or an IPv6 /64. Many honest peers may be
 * behind one, so a site may have many SAs while there is room.
 *
 * Who floods pushes out its own forgeries: those give way, the oldest first, whose peer has not come back with message
 * 3, as one with a forged address never does, and then those that have not come to an end for HALF_OPEN_PATIENCE.
 */
#ifndef IKE_HALF_OPEN_H
#define IKE_HALF_OPEN_H

#include "ike/engine.h"

/* Is there room for one more half-open SA? *victim: the one that has to go for it, or NULL. */
bool half_open_has_room(const struct ike *ike, const struct path *path, uint32_t connection, struct ike_sa **victim);

/* Makes that room; false, counted and told: there is none. */
bool half_open_make_room(struct ike *ike, const struct path *path, uint32_t connection);

/* Aggressive mode: may one more first message of this site cost us a key exchange? False: counted and told. */
bool half_open_may_compute(struct ike *ike, const struct path *path, uint32_t connection);

/* May this SA begin to collect one more message in fragments? */
bool half_open_may_collect(const struct ike *ike, const struct ike_sa *sa);

/* Guests: phase 1 is done, and the password comes next, for which people get CONFIG_LIFE. sa is about to become one. A
 * guest gives way when it has had GUEST_PATIENCE for it. */
bool guest_has_room(const struct ike *ike, const struct ike_sa *sa, struct ike_sa **victim);
bool guest_make_room(struct ike *ike, const struct ike_sa *sa);

#endif
