/* SPDX-License-Identifier: Apache-2.0 */
/* Another SPD under routes that are in use: what is new first, what is old last. */
#include <stdlib.h>

#include "tun/host.h"
#include "tun/nexthop.h"
#include "tun/route_state.h"

struct routes_change {
    struct plan plan; /* the next one; after routes_commit the one before */
    bool nexthop;     /* there was none before */
};

static enum status add_addresses(struct routes *routes, const struct plan *next)
{
    enum status status = OK;
    for (size_t i = 0; i < next->missing_count && status == OK; i++)
        if (!routes_has_address(&routes->plan, &next->missing[i]))
            status = routes_add_address(routes, &next->missing[i]);
    return status;
}

static void remove_addresses(struct routes *routes, const struct plan *from, const struct plan *but)
{
    for (size_t i = 0; i < from->missing_count; i++)
        if (!routes_has_address(but, &from->missing[i]))
            routes_remove_address(routes, &from->missing[i]);
}

/* With its last IPv4 address the kernel takes all IPv4 routes of an interface away: one stays until there are others.
 */
static enum status keep_one_address(const struct plan *before, struct plan *next)
{
    const struct address *last = NULL;
    for (size_t i = 0; i < next->missing_count; i++)
        if (next->missing[i].family == 4)
            return OK;
    for (size_t i = 0; i < before->missing_count; i++)
        if (before->missing[i].family == 4)
            last = &before->missing[i];
    if (last == NULL)
        return OK;
    struct address *more = realloc(next->missing, (next->missing_count + 1) * sizeof *more);
    if (more == NULL)
        return ERR_MEMORY;
    next->missing = more;
    next->missing[next->missing_count++] = *last;
    return OK;
}

static bool is_there(const struct plan_routes *list, const struct plan_route *route)
{
    const struct plan_route *found = plan_find(list, &route->to);
    return found != NULL && found->kind == route->kind && address_equal(&found->source, &route->source);
}

/* Of one kind, what `before` does not have. early: what takes nothing away from the TUN that `before` leads there. */
static enum status add_routes(struct routes *routes, uint32_t table, const struct plan_routes *list,
                              const struct plan_routes *before, enum plan_kind kind, bool early)
{
    enum status status = OK;
    for (size_t i = 0; i < list->count && status == OK; i++) {
        const struct plan_route *route = &list->items[i];
        if (route->kind != kind || is_there(before, route) ||
            (early && kind == PLAN_THROW && table == TABLE_OUTBOUND && plan_leads_to_device(before, &route->to)))
            continue;
        if (kind == PLAN_DEVICE)
            status = routes_add(routes, routes->number + table, route, SHAPE_CLOSED);
        if (status == OK)
            status = routes_add(routes, routes->number + table, route, SHAPE_OPEN);
    }
    return status;
}

/* Exceptions first: without them a new route to the TUN would lead there what is not meant for it. */
static enum status add_tables(struct routes *routes, const struct plan *next, const struct plan *before, bool early)
{
    static const enum plan_kind order[] = {PLAN_THROW, PLAN_NOWHERE, PLAN_DEVICE};
    enum status status = OK;
    for (uint32_t t = 0; t < TABLE_COUNT; t++) {
        uint32_t table = t == 0 ? TABLE_FROM_DEVICE : t == 1 ? TABLE_BOUND : TABLE_OUTBOUND;
        routes->filled[table] = true;
        for (size_t k = 0; k < sizeof order / sizeof *order && status == OK; k++)
            status = add_routes(routes, table, routes_planned_in(next, table), routes_planned_in(before, table),
                                order[k], early);
    }
    return status;
}

static void sweep_tables(struct routes *routes, const struct plan *plan)
{
    for (uint32_t i = 0; i < TABLE_COUNT; i++)
        routes_sweep(routes, i, routes_planned_in(plan, i));
}

static void change_free(struct routes_change *change)
{
    plan_free(&change->plan);
    free(change);
}

enum status routes_prepare(struct routes *routes, const struct spd *spd, struct routes_change **out, char *why,
                           size_t why_len)
{
    struct routes_change *change = calloc(1, sizeof *change);
    *out = NULL;
    if (change == NULL)
        return ERR_MEMORY;
    routes->why = why;
    routes->why_len = why_len;
    enum status status = routes_make_plan(routes, spd, &change->plan);
    if (status == OK)
        status = keep_one_address(&routes->plan, &change->plan);
    if (status != OK) {
        change_free(change);
        return status;
    }
    if (change->plan.bound.count > 0 && !routes->nexthop) {
        routes_make_nexthop(routes, &change->plan);
        change->nexthop = routes->nexthop;
    }
    status = add_addresses(routes, &change->plan);
    if (status == OK)
        status = add_tables(routes, &change->plan, &routes->plan, true);
    for (size_t f = 0; f < 2 && status == OK; f++)
        status = routes_add_rules(routes, &change->plan, f);
    if (status == OK)
        *out = change;
    else
        routes_rollback(routes, change);
    return status;
}

/* Back to the plan in force, or on to the next one: what is there and not in it goes. */
static void settle(struct routes *routes, const struct plan *plan, const struct plan *other)
{
    char why[256] = "";
    routes->why = why;
    routes->why_len = sizeof why;
    if (add_tables(routes, plan, other, false) != OK)
        log_write(routes->log, LOG_ERROR, "%s", why);
    for (size_t f = 0; f < 2; f++)
        routes_delete_rules(routes, plan, f);
    sweep_tables(routes, plan);
    remove_addresses(routes, other, plan);
}

void routes_commit(struct routes *routes, struct routes_change *change)
{
    settle(routes, &change->plan, &routes->plan);
    if (routes->nexthop && change->plan.bound.count == 0) {
        nexthop_delete(&routes->netlink, routes_nexthop(routes), ROUTE_PROTOCOL);
        routes->nexthop = false;
    }
    struct plan before = routes->plan;
    routes->plan = change->plan;
    routes->added = routes->plan.missing_count;
    change->plan = before;
    change_free(change);
}

void routes_repair(struct routes *routes)
{
    const struct plan none = {0};
    char why[256] = "";
    if (routes == NULL)
        return;
    routes->why = why;
    routes->why_len = sizeof why;
    if (add_tables(routes, &routes->plan, &none, false) != OK)
        log_write(routes->log, LOG_ERROR, "%s", why);
}

void routes_rollback(struct routes *routes, struct routes_change *change)
{
    settle(routes, &routes->plan, &change->plan);
    if (change->nexthop) {
        nexthop_delete(&routes->netlink, routes_nexthop(routes), ROUTE_PROTOCOL);
        routes->nexthop = false;
    }
    change_free(change);
}
