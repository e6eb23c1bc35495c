/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which routes an SPD wants: a pure function of the rules and of the addresses that this host has.
 *
 * Longest-prefix match is not first match, so the plan errs to the TUN: whatever some protect rule may want meets the
 * SPD there. `throw` (let the host's other routes decide) is planned only where no earlier rule has a say, and for what
 * is attached to this host and on its own side of a protect rule: with `10.1.0.0/24 -> 0.0.0.0/0` and the LAN
 * 10.1.0.0/24, the gateway still reaches its LAN. That leaks nothing: the local side is by definition on our side, so
 * packets to it are not for the peer. It takes a bounded local side (0.0.0.0/0 and ::/0 name no side), and a protect
 * rule whose remote side is exactly that prefix, or a part of it, keeps its route to the TUN (a hub).
 */
#ifndef TUN_PLAN_H
#define TUN_PLAN_H

#include "policy/prefix.h"
#include "policy/spd.h"

enum plan_kind { PLAN_DEVICE, PLAN_THROW, PLAN_NOWHERE };

struct plan_route {
    struct prefix to;
    enum plan_kind kind;
    uint32_t rule;         /* the first that wants it */
    struct address source; /* preferred source, inside the rule's local side; family 0: none */
};

struct plan_routes {
    struct plan_route *items; /* owned, ascending by prefix, no prefix twice */
    size_t count, capacity;
};

/* An address of this host, and what is directly attached by it (family 0: nothing). */
struct host_place {
    struct address address;
    struct prefix on_link;
};

/* What the plan needs to know of this host. */
struct plan_host {
    const struct host_place *places;
    size_t count;
    /* True when some route other than a default route leads to the address; NULL: none does. */
    bool (*has_route)(void *arg, const struct address *to);
    void *arg;
};

struct plan {
    /* For all but our own marked packets. */
    struct plan_routes outbound;
    /* For packets that came out of the TUN, where a local side lies inside a remote one (10.1.0.0/24 -> 0.0.0.0/0): the
     * same, but local sides are thrown, so that what was decrypted for them does not go back in. Else empty. */
    struct plan_routes from_device;
    /* What `outbound` leads to the device, IPv6 alone, without what it throws: no prefix lies in another. It is for
     * sockets that are bound to an interface: their look-ups skip all routes of other interfaces, so neither a route to
     * the device nor a thrown one inside it would hold them. Link-local and multicast addresses are left out: each
     * interface has its own. */
    struct plan_routes bound;
    /* Single local addresses of protect rules that the host lacks: to be put on the TUN. Not those that are attached to
     * this host or routed by it: they belong to another host. */
    struct address *missing; /* owned */
    size_t missing_count;
};

/* ERR_MEMORY, with *out empty. */
MUST_USE enum status plan_make(const struct spd *spd, const struct plan_host *host, struct plan *out);
void plan_free(struct plan *plan);

/* The route with just this prefix, or NULL. */
const struct plan_route *plan_find(const struct plan_routes *routes, const struct prefix *prefix);

/* Does some part of the prefix go to the device? */
bool plan_leads_to_device(const struct plan_routes *routes, const struct prefix *prefix);

/* True when some route of this family (4 or 6) goes to the device. */
bool plan_has_family(const struct plan_routes *routes, uint8_t family);

#endif
