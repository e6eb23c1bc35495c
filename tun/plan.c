/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/plan.h"

#include <stdlib.h>
#include <string.h>

static enum status routes_append(struct plan_routes *routes, const struct plan_route *route)
{
    if (routes->count == routes->capacity) {
        size_t capacity = routes->capacity > 0 ? routes->capacity * 2 : 16;
        struct plan_route *items = realloc(routes->items, capacity * sizeof *items);
        if (items == NULL)
            return ERR_MEMORY;
        routes->items = items;
        routes->capacity = capacity;
    }
    routes->items[routes->count++] = *route;
    return OK;
}

static enum status routes_append_range(struct plan_routes *routes, const struct address_range *range,
                                       const struct plan_route *like)
{
    struct prefix prefixes[PREFIX_SPLIT_MAX];
    size_t count = prefix_split(range, prefixes);
    for (size_t i = 0; i < count; i++) {
        struct plan_route route = *like;
        route.to = prefixes[i];
        enum status status = routes_append(routes, &route);
        if (status != OK)
            return status;
    }
    return OK;
}

static int route_compare(const void *a, const void *b)
{
    const struct plan_route *left = a, *right = b;
    int order = prefix_compare(&left->to, &right->to);
    return order != 0 ? order : (left->rule > right->rule) - (left->rule < right->rule);
}

/* Sorts, and keeps of each prefix the route of the first rule. */
static void routes_settle(struct plan_routes *routes)
{
    if (routes->count == 0)
        return;
    qsort(routes->items, routes->count, sizeof *routes->items, route_compare);
    size_t kept = 1;
    for (size_t i = 1; i < routes->count; i++)
        if (prefix_compare(&routes->items[i].to, &routes->items[kept - 1].to) != 0)
            routes->items[kept++] = routes->items[i];
    routes->count = kept;
}

static int prefix_of_route_compare(const void *key, const void *item)
{
    return prefix_compare(key, &((const struct plan_route *)item)->to);
}

const struct plan_route *plan_find(const struct plan_routes *routes, const struct prefix *prefix)
{
    if (routes->count == 0)
        return NULL;
    return bsearch(prefix, routes->items, routes->count, sizeof *routes->items, prefix_of_route_compare);
}

/* The next route that covers p, from the widest on; *len starts at 0. `strict` leaves out p itself. */
static const struct plan_route *route_covering(const struct plan_routes *routes, const struct prefix *p, bool strict,
                                               unsigned *len)
{
    while (*len < p->len + (strict ? 0u : 1u)) {
        struct prefix wider = prefix_shorten(p, (uint8_t)*len);
        (*len)++;
        const struct plan_route *found = plan_find(routes, &wider);
        if (found != NULL)
            return found;
    }
    return NULL;
}

/* A single address that neither this host nor, as far as its routes tell, another one has. */
static bool is_missing(const struct plan_host *host, const struct address_range *local)
{
    const struct address *a = &local->first;
    if (!address_equal(a, &local->last))
        return false;
    for (size_t i = 0; i < host->count; i++)
        if (address_equal(&host->places[i].address, a) || prefix_has(&host->places[i].on_link, a))
            return false;
    return host->has_route == NULL || !host->has_route(host->arg, a);
}

static struct address source_for(const struct address_range *local, const struct plan_host *host)
{
    for (size_t i = 0; i < host->count && !range_is_any(local); i++)
        if (range_has(local, &host->places[i].address))
            return host->places[i].address;
    return is_missing(host, local) ? local->first : (struct address){0};
}

static enum status plan_protect(struct plan *plan, const struct rule *rule, uint32_t index,
                                const struct plan_host *host)
{
    struct plan_route like = {.kind = PLAN_DEVICE, .rule = index};
    like.source = source_for(&rule->selector.local, host);
    return routes_append_range(&plan->outbound, &rule->selector.remote, &like);
}

/* A bypass that holds for whatever source, protocol and port. */
static bool rule_is_plain_bypass(const struct rule *rule)
{
    const struct selector *s = &rule->selector;
    return rule->action == ACTION_BYPASS && s->protocol == 0 && range_is_any(&s->local);
}

/* The remote sides of discard rules, as if they were routes: of an equal prefix the first rule counts. */
static enum status gather_discards(struct plan_routes *out, const struct spd *spd)
{
    enum status status = OK;
    for (uint32_t i = 0; i < spd->count && status == OK; i++)
        if (spd->rules[i].action == ACTION_DISCARD)
            status = routes_append_range(out, &spd->rules[i].selector.remote, &(struct plan_route){.rule = i});
    routes_settle(out);
    return status;
}

/* Those that lie in p follow each other. */
static bool any_within(const struct plan_routes *routes, const struct prefix *p, uint32_t before)
{
    size_t from = 0, to = routes->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (prefix_compare(&routes->items[middle].to, p) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    for (; from < routes->count && prefix_has(p, &routes->items[from].to.base); from++)
        if (routes->items[from].rule < before)
            return true;
    return false;
}

static bool discarded_before(const struct plan_routes *discards, const struct spd *spd, uint32_t index)
{
    struct prefix prefixes[PREFIX_SPLIT_MAX];
    const struct plan_route *route;
    size_t count = discards->count > 0 ? prefix_split(&spd->rules[index].selector.remote, prefixes) : 0;
    for (size_t i = 0; i < count; i++) {
        for (unsigned len = 0; (route = route_covering(discards, &prefixes[i], false, &len)) != NULL;)
            if (route->rule < index)
                return true;
        if (any_within(discards, &prefixes[i], index))
            return true;
    }
    return false;
}

/* Thrown only when a protect rule covers it (else the table has nothing to say anyway), and no earlier one does. A
 * narrower protect route stays in force beside it, because it is the longer prefix. */
static bool may_throw(const struct plan_routes *device, const struct prefix *p, uint32_t index)
{
    const struct plan_route *route;
    bool covered = false;
    for (unsigned len = 0; (route = route_covering(device, p, false, &len)) != NULL; covered = true)
        if (route->rule < index)
            return false;
    return covered;
}

static enum status plan_bypass(struct plan_routes *thrown, const struct plan_routes *device, const struct rule *rule,
                               uint32_t index)
{
    struct prefix prefixes[PREFIX_SPLIT_MAX];
    size_t count = prefix_split(&rule->selector.remote, prefixes);
    for (size_t i = 0; i < count; i++) {
        struct plan_route route = {.to = prefixes[i], .kind = PLAN_THROW, .rule = index};
        if (!may_throw(device, &route.to, index))
            continue;
        enum status status = routes_append(thrown, &route);
        if (status != OK)
            return status;
    }
    return OK;
}

static enum status routes_join(struct plan_routes *into, const struct plan_routes *from)
{
    for (size_t i = 0; i < from->count; i++) {
        enum status status = routes_append(into, &from->items[i]);
        if (status != OK)
            return status;
    }
    routes_settle(into);
    return OK;
}

/* What lies on the link and in the local side; first > last: nothing. */
static struct address_range range_common(const struct address_range *a, const struct address_range *b)
{
    struct address_range common = *a;
    if (address_compare(&b->first, &common.first) > 0)
        common.first = b->first;
    if (address_compare(&b->last, &common.last) < 0)
        common.last = b->last;
    return common;
}

static enum status plan_on_link(struct plan_routes *thrown, const struct plan_routes *device,
                                const struct address_range *local, const struct prefix *on_link)
{
    struct prefix prefixes[PREFIX_SPLIT_MAX];
    struct address_range link, common;
    if (on_link->base.family != local->first.family || range_is_any(local) ||
        range_of_prefix(&on_link->base, on_link->len, &link) != OK || !range_overlaps(&link, local))
        return OK;
    common = range_common(&link, local);
    size_t count = prefix_split(&common, prefixes);
    for (size_t i = 0; i < count; i++) {
        unsigned len = 0;
        /* UINT32_MAX: a protect rule with just this remote side keeps its route. */
        struct plan_route route = {.to = prefixes[i], .kind = PLAN_THROW, .rule = UINT32_MAX};
        if (route_covering(device, &route.to, true, &len) == NULL)
            continue;
        enum status status = routes_append(thrown, &route);
        if (status != OK)
            return status;
    }
    return OK;
}

/* Throws what is attached to this host on the local side of some protect rule. */
static enum status plan_attached(struct plan_routes *thrown, const struct plan_routes *device, const struct spd *spd,
                                 const struct plan_host *host)
{
    enum status status = OK;
    for (size_t i = 0; i < spd->count; i++)
        for (size_t k = 0; k < host->count && status == OK && spd->rules[i].action == ACTION_PROTECT; k++)
            status = plan_on_link(thrown, device, &spd->rules[i].selector.local, &host->places[k].on_link);
    return status;
}

static enum status plan_outbound(struct plan *plan, const struct spd *spd, const struct plan_host *host)
{
    struct plan_routes thrown = {0}, discards = {0};
    enum status status = gather_discards(&discards, spd);
    for (uint32_t i = 0; i < spd->count && status == OK; i++)
        if (spd->rules[i].action == ACTION_PROTECT)
            status = plan_protect(plan, &spd->rules[i], i, host);
    routes_settle(&plan->outbound);
    for (uint32_t i = 0; i < spd->count && status == OK; i++)
        if (rule_is_plain_bypass(&spd->rules[i]) && !discarded_before(&discards, spd, i))
            status = plan_bypass(&thrown, &plan->outbound, &spd->rules[i], i);
    if (status == OK)
        status = plan_attached(&thrown, &plan->outbound, spd, host);
    /* Of an equal prefix settling prefers the earlier rule. */
    if (status == OK)
        status = routes_join(&plan->outbound, &thrown);
    free(thrown.items);
    free(discards.items);
    return status;
}

static enum status plan_from_device(struct plan *plan, const struct spd *spd)
{
    struct plan_routes thrown = {0};
    enum status status = OK;
    for (uint32_t i = 0; i < spd->count && status == OK; i++) {
        struct prefix prefixes[PREFIX_SPLIT_MAX];
        size_t count = 0;
        if (spd->rules[i].action == ACTION_PROTECT)
            count = prefix_split(&spd->rules[i].selector.local, prefixes);
        for (size_t k = 0; k < count && status == OK; k++) {
            unsigned len = 0;
            /* UINT32_MAX: where a local side is also a remote one (a hub), the route to the device stays. */
            struct plan_route route = {.to = prefixes[k], .kind = PLAN_THROW, .rule = UINT32_MAX};
            if (route_covering(&plan->outbound, &route.to, true, &len) != NULL)
                status = routes_append(&thrown, &route);
        }
    }
    routes_settle(&thrown);
    if (status == OK && thrown.count > 0) {
        status = routes_join(&plan->from_device, &plan->outbound);
        if (status == OK)
            status = routes_join(&plan->from_device, &thrown);
    }
    free(thrown.items);
    return status;
}

/* Both belong to an interface, and are asked for with it. */
static const struct plan_route of_a_link[] = {
    {.to = {.base = {.family = 6, .bytes = {0xfe, 0x80}}, .len = 10}, .kind = PLAN_THROW},
    {.to = {.base = {.family = 6, .bytes = {0xff}}, .len = 8}, .kind = PLAN_THROW},
};

static bool is_of_a_link(const struct prefix *p)
{
    return prefix_has(&of_a_link[0].to, &p->base) || prefix_has(&of_a_link[1].to, &p->base);
}

static bool bit_at(const struct address *a, unsigned bit)
{
    return (a->bytes[bit / 8] >> (7 - bit % 8) & 1) != 0;
}

/* routes: those that lie in p, ascending; to_device: what holds for p around them. Appends what goes to the device, but
 * returns true where that is all of p, so that its other half may join it. */
static bool gather_bound(struct plan_routes *out, struct prefix p, const struct plan_route *routes, size_t count,
                         bool to_device, enum status *status)
{
    size_t left_count = 0;
    if (count > 0 && routes[0].to.len == p.len) {
        to_device = routes[0].kind == PLAN_DEVICE;
        routes++;
        count--;
    }
    if (count == 0)
        return to_device;
    struct prefix left = {.base = p.base, .len = (uint8_t)(p.len + 1)}, right = left;
    right.base.bytes[p.len / 8] |= (uint8_t)(0x80 >> p.len % 8);
    while (left_count < count && !bit_at(&routes[left_count].to.base, p.len))
        left_count++;
    bool all_left = gather_bound(out, left, routes, left_count, to_device, status);
    bool all_right = gather_bound(out, right, routes + left_count, count - left_count, to_device, status);
    struct plan_route half = {.to = all_left ? left : right, .kind = PLAN_NOWHERE};
    if (all_left != all_right && *status == OK)
        *status = routes_append(out, &half);
    return all_left && all_right;
}

static enum status plan_bound(struct plan *plan)
{
    struct plan_routes routes = {0};
    enum status status = OK;
    for (size_t i = 0; i < plan->outbound.count && status == OK; i++)
        if (plan->outbound.items[i].to.base.family == 6 && !is_of_a_link(&plan->outbound.items[i].to))
            status = routes_append(&routes, &plan->outbound.items[i]);
    for (size_t i = 0; i < 2 && status == OK; i++)
        status = routes_append(&routes, &of_a_link[i]);
    routes_settle(&routes);
    /* Never all: what belongs to a link is thrown. */
    if (status == OK)
        (void)gather_bound(&plan->bound, (struct prefix){.base.family = 6}, routes.items, routes.count, false, &status);
    routes_settle(&plan->bound);
    free(routes.items);
    return status;
}

/* A local side that is one address, as a route of its rule. */
static enum status gather_single_locals(struct plan_routes *out, const struct spd *spd)
{
    enum status status = OK;
    for (uint32_t i = 0; i < spd->count && status == OK; i++) {
        const struct address_range *local = &spd->rules[i].selector.local;
        if (spd->rules[i].action == ACTION_PROTECT && address_equal(&local->first, &local->last))
            status = routes_append_range(out, local, &(struct plan_route){.rule = i});
    }
    routes_settle(out);
    return status;
}

static int rule_compare(const void *a, const void *b)
{
    const struct plan_route *left = a, *right = b;
    return (left->rule > right->rule) - (left->rule < right->rule);
}

/* Each once, in the order of the rules. */
static enum status plan_missing(struct plan *plan, const struct spd *spd, const struct plan_host *host)
{
    struct plan_routes singles = {0};
    enum status status = gather_single_locals(&singles, spd);
    if (status == OK && singles.count > 0) {
        qsort(singles.items, singles.count, sizeof *singles.items, rule_compare);
        plan->missing = calloc(singles.count, sizeof *plan->missing);
        status = plan->missing != NULL ? OK : ERR_MEMORY;
    }
    for (size_t i = 0; i < singles.count && status == OK; i++)
        if (is_missing(host, &spd->rules[singles.items[i].rule].selector.local))
            plan->missing[plan->missing_count++] = singles.items[i].to.base;
    free(singles.items);
    return status;
}

enum status plan_make(const struct spd *spd, const struct plan_host *host, struct plan *out)
{
    *out = (struct plan){0};
    enum status status = plan_outbound(out, spd, host);
    if (status == OK)
        status = plan_from_device(out, spd);
    if (status == OK)
        status = plan_bound(out);
    if (status == OK)
        status = plan_missing(out, spd, host);
    if (status != OK)
        plan_free(out);
    return status;
}

void plan_free(struct plan *plan)
{
    free(plan->outbound.items);
    free(plan->from_device.items);
    free(plan->bound.items);
    free(plan->missing);
    *plan = (struct plan){0};
}

bool plan_leads_to_device(const struct plan_routes *routes, const struct prefix *p)
{
    for (size_t i = 0; i < routes->count; i++) {
        const struct prefix *to = &routes->items[i].to;
        if (routes->items[i].kind == PLAN_DEVICE &&
            (to->len <= p->len ? prefix_has(to, &p->base) : prefix_has(p, &to->base)))
            return true;
    }
    return false;
}

bool plan_has_family(const struct plan_routes *routes, uint8_t family)
{
    for (size_t i = 0; i < routes->count; i++)
        if (routes->items[i].kind == PLAN_DEVICE && routes->items[i].to.base.family == family)
            return true;
    return false;
}
