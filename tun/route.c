/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/route_state.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tun/host.h"
#include "tun/nexthop.h"
#include "tun/rule.h"

#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>

static const uint8_t families[2] = {4, 6};

static int af_of(uint8_t family)
{
    return family == 4 ? AF_INET : AF_INET6;
}

static enum status fail(struct routes *routes, int error, const char *what)
{
    const char *remedy = "";
    if (error == -EPERM)
        remedy = "; it needs CAP_NET_ADMIN, or 'routes = no' in [gateway]";
    else if (error == -EOPNOTSUPP || error == -EAFNOSUPPORT)
        remedy = "; this kernel has no policy routing for the family, use 'routes = no' in [gateway]";
    (void)snprintf(routes->why, routes->why_len, "cannot %s: %s%s", what, strerror(-error), remedy);
    return ERR_IO;
}

/* --- routes --- */

const struct plan_routes *routes_planned_in(const struct plan *plan, uint32_t table)
{
    return table == TABLE_OUTBOUND ? &plan->outbound : table == TABLE_FROM_DEVICE ? &plan->from_device : &plan->bound;
}

uint32_t routes_nexthop(const struct routes *routes)
{
    return ROUTE_NEXTHOP + routes->number;
}

static int route_ask(struct routes *routes, uint16_t type, uint16_t flags, uint32_t table,
                     const struct plan_route *route, enum shape shape)
{
    char buffer[NETLINK_REQUEST];
    void *header;
    struct nlmsghdr *request = netlink_request(buffer, type, flags, sizeof(struct rtmsg), &header);
    struct rtmsg *message = header;
    bool to_device = route->kind == PLAN_DEVICE && shape == SHAPE_OPEN;
    message->rtm_family = (unsigned char)af_of(route->to.base.family);
    message->rtm_dst_len = route->to.len;
    message->rtm_protocol = ROUTE_PROTOCOL;
    message->rtm_scope = to_device && route->to.base.family == 4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    message->rtm_type = to_device || route->kind == PLAN_NOWHERE ? RTN_UNICAST
                        : shape == SHAPE_CLOSED                  ? RTN_UNREACHABLE
                                                                 : RTN_THROW;
    mnl_attr_put_u32(request, RTA_TABLE, table);
    mnl_attr_put(request, RTA_DST, address_len(&route->to.base), route->to.base.bytes);
    if (shape == SHAPE_CLOSED)
        mnl_attr_put_u32(request, RTA_PRIORITY, ROUTE_METRIC_CLOSED);
    if (route->kind == PLAN_NOWHERE)
        mnl_attr_put_u32(request, RTA_NH_ID, routes_nexthop(routes));
    if (to_device) {
        mnl_attr_put_u32(request, RTA_OIF, routes->device->index);
        if (route->source.family != 0)
            mnl_attr_put(request, RTA_PREFSRC, address_len(&route->source), route->source.bytes);
    }
    return netlink_ask(&routes->netlink, request);
}

static void table_clear(struct routes *routes, uint32_t table, const struct plan_routes *list)
{
    for (size_t i = 0; i < list->count; i++) {
        (void)route_ask(routes, RTM_DELROUTE, 0, table, &list->items[i], SHAPE_OPEN);
        if (list->items[i].kind == PLAN_DEVICE)
            (void)route_ask(routes, RTM_DELROUTE, 0, table, &list->items[i], SHAPE_CLOSED);
    }
}

enum status routes_add(struct routes *routes, uint32_t table, const struct plan_route *route, enum shape shape)
{
    char what[RANGE_TEXT + 64], base[ADDRESS_TEXT];
    int error = route_ask(routes, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, table, route, shape);
    if (error == 0)
        return OK;
    (void)snprintf(what, sizeof what, "add the route %s/%u to %s", address_print(&route->to.base, base), route->to.len,
                   routes->device->name);
    return fail(routes, error, what);
}

static enum status table_fill(struct routes *routes, uint32_t table, const struct plan_routes *list)
{
    enum status status = OK;
    for (size_t i = 0; i < list->count && status == OK; i++) {
        if (list->items[i].kind == PLAN_DEVICE)
            status = routes_add(routes, table, &list->items[i], SHAPE_CLOSED);
        if (status == OK)
            status = routes_add(routes, table, &list->items[i], SHAPE_OPEN);
    }
    return status;
}

struct sweep {
    const struct plan_routes *list;
    unsigned device;
};

static bool is_planned(void *arg, const struct host_route *route)
{
    const struct sweep *sweep = arg;
    const struct plan_route *planned = plan_find(sweep->list, &route->to);
    if (planned == NULL || planned->kind != PLAN_DEVICE)
        return planned != NULL && route->type == (planned->kind == PLAN_THROW ? RTN_THROW : RTN_BLACKHOLE);
    return route->type == RTN_UNREACHABLE || (route->type == RTN_UNICAST && route->interface == sweep->device);
}

void routes_sweep(struct routes *routes, uint32_t table, const struct plan_routes *list)
{
    struct sweep sweep = {.list = list, .device = routes->device->index};
    host_table_sweep(&routes->netlink, routes->number + table, ROUTE_PROTOCOL, is_planned, &sweep);
}

/* --- ip rules --- */

static struct ip_rule rule_of(const struct routes *routes, uint8_t family, unsigned which)
{
    struct ip_rule rule = {.family = af_of(family), .priority = routes->number + which, .protocol = ROUTE_PROTOCOL};
    if (which == RULE_OUTBOUND || which == RULE_BOUND) {
        rule.unless_mark = ROUTE_MARK;
        rule.table = routes->number + (which == RULE_OUTBOUND ? TABLE_OUTBOUND : TABLE_BOUND);
    } else {
        rule.from_device = routes->device->name;
        rule.table = which == RULE_FROM_DEVICE ? routes->number + TABLE_FROM_DEVICE : RT_TABLE_MAIN;
    }
    return rule;
}

static void rule_delete(struct routes *routes, size_t family, unsigned which)
{
    (void)ip_rule_delete(&routes->netlink, af_of(families[family]), routes->number + which);
}

static bool rule_is_wanted(const struct plan *plan, size_t family, unsigned which)
{
    if (which == RULE_BOUND)
        return families[family] == 6 && plan->bound.count > 0;
    const struct plan_routes *list = which == RULE_FROM_DEVICE_MAIN ? &plan->from_device : &plan->outbound;
    return plan_has_family(list, families[family]);
}

/* What an earlier run left and is still wanted stays in place (-EEXIST). */
enum status routes_add_rules(struct routes *routes, const struct plan *plan, size_t family)
{
    for (unsigned which = 0; which < RULE_COUNT; which++) {
        struct ip_rule rule = rule_of(routes, families[family], which);
        if (!rule_is_wanted(plan, family, which))
            continue;
        routes->ruled[family] = true;
        int error = ip_rule_add(&routes->netlink, &rule);
        if (error != 0 && error != -EEXIST)
            return fail(routes, error, "add an ip rule for the protected routes");
    }
    return OK;
}

void routes_delete_rules(struct routes *routes, const struct plan *plan, size_t family)
{
    for (unsigned which = 0; which < RULE_COUNT; which++)
        if (!rule_is_wanted(plan, family, which))
            rule_delete(routes, family, which);
}

static void rules_delete(struct routes *routes, size_t family)
{
    for (unsigned which = 0; which < RULE_COUNT; which++)
        rule_delete(routes, family, which);
}

/* --- the slot: a table that no other running instance holds --- */

/* `owner` gets the TUN that the rules name; empty where they name none. */
static enum slot slot_state(struct routes *routes, uint32_t number, char owner[RULE_OWNER])
{
    enum slot worst = SLOT_FREE;
    owner[0] = '\0';
    for (size_t f = 0; f < 2; f++) {
        enum slot state = ip_rule_slot(&routes->netlink, af_of(families[f]), number, RULE_COUNT, ROUTE_PROTOCOL, owner);
        if (state > worst)
            worst = state;
    }
    if (worst != SLOT_OURS)
        return worst;
    bool foreign = owner[0] != '\0' ? strcmp(owner, routes->device->name) != 0
                                    : host_table_in_use(&routes->netlink, number, routes->device->index);
    return foreign ? SLOT_TAKEN : SLOT_OURS;
}

/* Another TUN's left-over still keeps its traffic from leaving in clear, so it is not ours to remove. */
static void warn_of_dead(const struct routes *routes, uint32_t number, const char *owner)
{
    if (owner[0] == '\0' || host_interface_runs(if_nametoindex(owner)))
        return;
    log_write(
        routes->log, LOG_WARNING,
        "an esptun with TUN %s has died and left table %u, which keeps its protected traffic from leaving in "
        "clear: start it again, or remove it with 'ip rule del priority %u; ip -6 rule del priority %u; ip -6 rule "
        "del priority %u'",
        owner, number, number + RULE_OUTBOUND, number + RULE_OUTBOUND, number + RULE_BOUND);
}

/* The slot that an earlier run with our TUN left, else the first free one. */
static enum status slot_choose(struct routes *routes)
{
    char owner[RULE_OWNER];
    routes->number = 0;
    for (uint32_t i = 0; i < ROUTE_SLOTS; i++) {
        uint32_t number = ROUTE_TABLE + i * ROUTE_SLOT_STEP;
        enum slot state = slot_state(routes, number, owner);
        if (state == SLOT_TAKEN)
            warn_of_dead(routes, number, owner);
        if (state == SLOT_FREE && routes->number == 0)
            routes->number = number;
        if (state == SLOT_OURS) {
            log_write(routes->log, LOG_INFO, "replacing the routes that an earlier run left in table %u", number);
            routes->number = number;
            return OK;
        }
    }
    if (routes->number != 0)
        return OK;
    (void)snprintf(routes->why, routes->why_len,
                   "all ip rule priorities from %d to %d are taken; remove some, or use 'routes = no' in [gateway]",
                   ROUTE_TABLE, ROUTE_TABLE + ROUTE_SLOTS * ROUTE_SLOT_STEP - 1);
    return ERR_LIMIT;
}

/* --- addresses --- */

enum status routes_add_address(struct routes *routes, const struct address *address)
{
    char text[ADDRESS_TEXT];
    int error = host_address(&routes->netlink, true, address, routes->device->index);
    if (error != 0)
        return fail(routes, error, "put a local address of a protect rule on the TUN");
    log_write(routes->log, LOG_INFO, "address %s added to %s: it is the local side of a protect rule",
              address_print(address, text), routes->device->name);
    return OK;
}

void routes_remove_address(struct routes *routes, const struct address *address)
{
    (void)host_address(&routes->netlink, false, address, routes->device->index);
}

static enum status addresses_add(struct routes *routes)
{
    for (size_t i = 0; i < routes->plan.missing_count; i++) {
        enum status status = routes_add_address(routes, &routes->plan.missing[i]);
        if (status != OK)
            return status;
        routes->added = i + 1;
    }
    return OK;
}

/* A reverse-path check on the TUN would drop what peers send from ranges that overlap ours. Global settings are not
 * ours to change. By netlink, for files of /proc are not written any more by now, and read-only in containers. */
static void relax_reverse_path(struct routes *routes)
{
    enum { LOOSE = 2 };
    char buffer[NETLINK_REQUEST];
    void *extra;
    struct nlmsghdr *request = netlink_request(buffer, RTM_NEWLINK, 0, sizeof(struct ifinfomsg), &extra);
    ((struct ifinfomsg *)extra)->ifi_index = (int)routes->device->index;
    struct nlattr *all = mnl_attr_nest_start(request, IFLA_AF_SPEC);
    struct nlattr *family = mnl_attr_nest_start(request, AF_INET);
    struct nlattr *settings = mnl_attr_nest_start(request, IFLA_INET_CONF);
    mnl_attr_put_u32(request, IPV4_DEVCONF_RP_FILTER, LOOSE);
    mnl_attr_nest_end(request, settings);
    mnl_attr_nest_end(request, family);
    mnl_attr_nest_end(request, all);
    int error = netlink_ask(&routes->netlink, request);
    if (error != 0)
        log_write(routes->log, LOG_DEBUG, "cannot relax rp_filter of %s: %s", routes->device->name, strerror(-error));
}

/* With our mark: what an instance, this or another, routes to its TUN does not count. */
static bool has_route(void *arg, const struct address *to)
{
    struct routes *routes = arg;
    return host_has_route(&routes->netlink, to, ROUTE_MARK, routes->device->index);
}

bool routes_has_address(const struct plan *plan, const struct address *address)
{
    for (size_t i = 0; i < plan->missing_count; i++)
        if (address_equal(&plan->missing[i], address))
            return true;
    return false;
}

/* What we have put on the TUN is not the host's: whether it is still wanted is for the plan to say. */
static void leave_out_own(const struct plan *plan, struct host_place *places, size_t *count)
{
    size_t left = 0;
    for (size_t i = 0; i < *count; i++)
        if (!routes_has_address(plan, &places[i].address))
            places[left++] = places[i];
    *count = left;
}

enum status routes_make_plan(struct routes *routes, const struct spd *spd, struct plan *out)
{
    struct host_place *places = NULL;
    struct plan_host host = {.has_route = has_route, .arg = routes};
    int error = host_addresses(&routes->netlink, routes->device->index, &places, &host.count);
    if (error != 0)
        return fail(routes, error, "list the addresses of this host");
    leave_out_own(&routes->plan, places, &host.count);
    host.places = places;
    enum status status = plan_make(spd, &host, out);
    free(places);
    return status;
}

/* Without it the routes that need it are not planned. */
void routes_make_nexthop(struct routes *routes, struct plan *plan)
{
    struct plan_routes *bound = &plan->bound;
    if (bound->count == 0) {
        nexthop_delete(&routes->netlink, routes_nexthop(routes),
                       ROUTE_PROTOCOL); /* an earlier run may have wanted it */
        return;
    }
    int error = nexthop_add_blackhole(&routes->netlink, routes_nexthop(routes), ROUTE_PROTOCOL);
    routes->nexthop = error == 0;
    if (error == 0)
        return;
    bound->count = 0;
    log_write(
        routes->log, LOG_WARNING,
        "no blackhole nexthop for IPv6 (%s): protected packets of sockets that are bound to an interface can leave "
        "in clear; it needs Linux 5.3 and the nexthop %u free, else use 'guard = yes' in [gateway]",
        strerror(-error), routes_nexthop(routes));
}

/* New routes first, then what an earlier run left goes: there is no gap between them. */
static enum status fill_tables(struct routes *routes)
{
    for (uint32_t i = 0; i < TABLE_COUNT; i++) {
        const struct plan_routes *list = routes_planned_in(&routes->plan, i);
        routes->filled[i] = true;
        enum status status = table_fill(routes, routes->number + i, list);
        if (status != OK)
            return status;
        routes_sweep(routes, i, list);
    }
    return OK;
}

static enum status install(struct routes *routes, const struct spd *spd)
{
    enum status status = routes_make_plan(routes, spd, &routes->plan);
    if (status == OK)
        status = slot_choose(routes);
    if (status == OK)
        status = addresses_add(routes);
    if (status == OK) {
        routes_make_nexthop(routes, &routes->plan);
        status = fill_tables(routes);
    }
    for (size_t f = 0; f < 2 && status == OK; f++)
        status = routes_add_rules(routes, &routes->plan, f);
    for (size_t f = 0; f < 2 && status == OK; f++)
        routes_delete_rules(routes, &routes->plan, f);
    return status;
}

enum status routes_install(const struct spd *spd, const struct device *device, const struct log *log,
                           struct routes **out, char *why, size_t why_len)
{
    *out = NULL;
    if (device->index == 0) {
        (void)snprintf(why, why_len,
                       "cannot install routes: the TUN %s lies in another network namespace; use 'routes = no' in "
                       "[gateway], and set its routes there",
                       device->name);
        return ERR_UNSUPPORTED;
    }
    struct routes *routes = calloc(1, sizeof *routes);
    if (routes == NULL)
        return ERR_MEMORY;
    *routes = (struct routes){.device = device, .log = log, .why = why, .why_len = why_len};
    (void)snprintf(why, why_len, "cannot install routes: out of memory");
    if (netlink_open(&routes->netlink) != OK) {
        (void)fail(routes, -errno, "open a netlink socket");
        routes_remove(routes);
        return ERR_IO;
    }
    enum status status = install(routes, spd);
    if (status != OK) {
        routes_remove(routes);
        return status;
    }
    relax_reverse_path(routes);
    *out = routes;
    return OK;
}

void routes_remove(struct routes *routes)
{
    if (routes == NULL)
        return;
    for (size_t f = 0; f < 2; f++)
        if (routes->ruled[f])
            rules_delete(routes, f);
    for (uint32_t i = 0; i < TABLE_COUNT; i++)
        if (routes->filled[i])
            table_clear(routes, routes->number + i, routes_planned_in(&routes->plan, i));
    if (routes->nexthop)
        nexthop_delete(&routes->netlink, routes_nexthop(routes), ROUTE_PROTOCOL);
    for (size_t i = 0; i < routes->added; i++)
        routes_remove_address(routes, &routes->plan.missing[i]);
    plan_free(&routes->plan);
    netlink_close(&routes->netlink);
    free(routes);
}

uint32_t routes_table(const struct routes *routes)
{
    return routes->number;
}
