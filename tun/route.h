/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes of protect rules to the TUN, in a table of our own, so that the host's own routes stay as they are:
 *
 *   priority p      from the TUN: table t + 1         empty but where a local side lies inside a remote one (plan.h)
 *   priority p + 1  from the TUN: the main table      only there
 *   priority p + 2  not marked ROUTE_MARK: table t
 *   priority p + 3  likewise, IPv6: table t + 2       for sockets that are bound to an interface
 *
 * with t = p = 14500, or the next of ROUTE_SLOTS steps that no other instance in this network namespace holds. Sockets
 * that carry ROUTE_MARK never meet the table, so that what we send to a peer does not come back through the TUN, also
 * when the peer lies inside a protected range. Routes follow the SPD and not the SAs: while there is no SA, packets
 * still meet the SPD and wait or are dropped there.
 *
 * Beside each route to the TUN stands an `unreachable` one with a worse metric. When the process dies, the TUN and its
 * routes go, the ip rules and the unreachable routes stay: what was protected meets an error and not the host's default
 * route. The rule of priority p names the TUN, so the next start with that TUN finds them and puts its own in their
 * place without a gap; an instance with another TUN leaves them alone.
 *
 * A socket that is bound to an interface (SO_BINDTODEVICE) finds no route over another one: neither that to the TUN
 * nor, in IPv6, the unreachable one, which is over lo; the main table would let it out. Only a blackhole nexthop is
 * found by every look-up, so table t + 2 leads there all that goes to the TUN. It stays after a crash like the
 * unreachable routes. In IPv4 no route helps: where a look-up with an interface fails, the kernel takes the destination
 * for attached to it, and asks for it by ARP. Who answers gets the packet in clear; the guard alone stops that.
 *
 * What is attached to this host and lies in the local side of a protect rule is left to the host's own routes (plan.h
 * says why nothing leaks by that).
 */
#ifndef TUN_ROUTE_H
#define TUN_ROUTE_H

#include "base/log.h"
#include "policy/spd.h"
#include "tun/device.h"

enum {
    ROUTE_MARK = 0x4500,
    ROUTE_TABLE = 14500,
    ROUTE_SLOTS = 16,
    ROUTE_SLOT_STEP = 4,              /* rule priorities and tables of one slot */
    ROUTE_NEXTHOP = ROUTE_MARK << 16, /* plus the slot's table: the number of its blackhole nexthop */
    ROUTE_METRIC_CLOSED = 0x7fffffff, /* of the unreachable routes */
    ROUTE_PROTOCOL = 229,             /* "who made this" of rules and routes: how a left-over of ours is known */
};

struct routes;

/* Replaces what a crashed run left over. On failure nothing stays installed, and `why` says what is wrong and what
 * would be right. */
MUST_USE enum status routes_install(const struct spd *spd, const struct device *device, const struct log *log,
                                    struct routes **out, char *why, size_t why_len);

/*
 * Another SPD. routes_prepare adds what is new and takes nothing away; what the SPD in force protects is led to the TUN
 * as before. On failure all is as it was. Then, when the new SPD is in force, routes_commit removes what is not wanted
 * any more (what cannot be done is said in the log); or routes_rollback. Both free the change.
 */
struct routes_change;
MUST_USE enum status routes_prepare(struct routes *routes, const struct spd *spd, struct routes_change **out, char *why,
                                    size_t why_len);
void routes_commit(struct routes *routes, struct routes_change *change);
void routes_rollback(struct routes *routes, struct routes_change *change);

/* Removes everything that routes_install put there; NULL is fine. */
void routes_remove(struct routes *routes);

/* Puts back what the kernel has taken: with the last IPv4 address of the TUN go all its IPv4 routes. NULL is fine. */
void routes_repair(struct routes *routes);

uint32_t routes_table(const struct routes *routes);

#endif
