/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to route*.c:
 *   route.c         installing and removing
 *   route_change.c  another SPD
 */
#ifndef TUN_ROUTE_STATE_H
#define TUN_ROUTE_STATE_H

#include "tun/netlink.h"
#include "tun/plan.h"
#include "tun/route.h"

/* Of our ip rules, by offset from the slot's number. */
enum { RULE_FROM_DEVICE, RULE_FROM_DEVICE_MAIN, RULE_OUTBOUND, RULE_BOUND, RULE_COUNT };

/* Of our tables, likewise. */
enum { TABLE_OUTBOUND, TABLE_FROM_DEVICE, TABLE_BOUND, TABLE_COUNT };

_Static_assert((int)RULE_COUNT <= (int)ROUTE_SLOT_STEP && (int)TABLE_COUNT <= (int)ROUTE_SLOT_STEP,
               "slots do not overlap");

struct routes {
    struct netlink netlink;
    const struct device *device;
    const struct log *log;
    struct plan plan;
    uint32_t number; /* table and first priority of our slot */
    size_t added;    /* of plan.missing */
    bool filled[TABLE_COUNT];
    bool nexthop;  /* made */
    bool ruled[2]; /* by family: 4, 6 */
    char *why;
    size_t why_len;
};

/* What a planned route becomes in the table: itself, and for one to the device also the one that is left when the
 * device goes. */
enum shape { SHAPE_OPEN, SHAPE_CLOSED, SHAPE_COUNT };

/* table: one of the enum above, but that of routes_add is the kernel's number. What fails is said in routes->why. */
const struct plan_routes *routes_planned_in(const struct plan *plan, uint32_t table);
MUST_USE enum status routes_make_plan(struct routes *routes, const struct spd *spd, struct plan *out);
void routes_make_nexthop(struct routes *routes, struct plan *plan);
uint32_t routes_nexthop(const struct routes *routes);
MUST_USE enum status routes_add(struct routes *routes, uint32_t table, const struct plan_route *route,
                                enum shape shape);
void routes_sweep(struct routes *routes, uint32_t table, const struct plan_routes *list); /* what is not in the list */
MUST_USE enum status routes_add_rules(struct routes *routes, const struct plan *plan, size_t family);
void routes_delete_rules(struct routes *routes, const struct plan *plan, size_t family); /* that are not wanted */
bool routes_has_address(const struct plan *plan, const struct address *address); /* one that we put on the TUN */
MUST_USE enum status routes_add_address(struct routes *routes, const struct address *address);
void routes_remove_address(struct routes *routes, const struct address *address);

#endif
