/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ike/child.h"
#include "policy/pool.h"

struct pools {
    struct pool *pool[FAMILIES];
};

enum status net_pools_make(const struct ike *ike, const struct connection *connection, struct pools **out)
{
    const struct access *access = connection->access;
    *out = NULL;
    if (access == NULL || !access->server || !access_has_pool(access))
        return OK;
    struct pools *pools = calloc(1, sizeof *pools);
    enum status status = pools != NULL ? OK : ERR_MEMORY;
    for (size_t f = 0; f < FAMILIES && status == OK; f++)
        if (access->pool[f].first.family != 0)
            status = pool_new(&access->pool[f], ike->seed, &pools->pool[f]);
    if (status != OK) {
        net_pools_drop(pools);
        return status;
    }
    *out = pools;
    return OK;
}

void net_pools_drop(struct pools *pools)
{
    for (size_t f = 0; pools != NULL && f < FAMILIES; f++)
        pool_free(pools->pool[f]);
    free(pools);
}

enum status net_pools_new(struct ike *ike, uint32_t connection)
{
    struct pools *pools;
    enum status status = net_pools_make(ike, connection_of(ike, connection), &pools);
    if (status != OK || pools == NULL)
        return status;
    if (ike->pools == NULL)
        ike->pools = calloc(ike->setup.connection_count, sizeof *ike->pools);
    if (ike->pools == NULL) {
        net_pools_drop(pools);
        return ERR_MEMORY;
    }
    ike->pools[connection] = pools;
    return OK;
}

void net_pools_free(struct ike *ike)
{
    for (size_t i = 0; ike->pools != NULL && i < ike->setup.connection_count; i++)
        net_pools_drop(ike->pools[i]);
    free(ike->pools);
    ike->pools = NULL;
}

static const struct pools *pools_of(const struct ike *ike, const struct peer *peer)
{
    return ike->pools != NULL ? ike->pools[peer->connection] : NULL;
}

static struct virtual_net *net_of(struct peer *peer)
{
    if (peer->net == NULL)
        peer->net = calloc(1, sizeof *peer->net);
    return peer->net;
}

const char *net_name(const struct identity *who, char out[IDENTITY_TEXT])
{
    return who->type == ID_KEY_ID ? log_escape(out, IDENTITY_TEXT, (const char *)who->data, who->len)
                                  : identity_print(who, out);
}

enum status net_lease(struct ike *ike, struct peer *peer, const bool wanted[FAMILIES])
{
    const struct pools *pools = pools_of(ike, peer);
    struct virtual_net *net = net_of(peer);
    if (net == NULL)
        return ERR_MEMORY;
    for (size_t f = 0; pools != NULL && f < FAMILIES; f++) {
        if (!wanted[f] || pools->pool[f] == NULL || net->address[f].family != 0)
            continue;
        char who[IDENTITY_TEXT], text[ADDRESS_TEXT];
        enum status status = pool_take(pools->pool[f], &peer->id, &net->address[f]);
        if (status == OK)
            ike_say(ike, LOG_INFO, peer->connection, "%s has the virtual address %s", net_name(&peer->id, who),
                    address_print(&net->address[f], text));
        else if (status == ERR_LIMIT)
            ike_say(ike, LOG_ERROR, peer->connection,
                    "no virtual address for %s: all %zu of the pool are in use; make the pool larger",
                    net_name(&peer->id, who), pool_size(pools->pool[f]));
        else
            return status;
    }
    return OK;
}

static bool same_addresses(const struct virtual_net *a, const struct virtual_net *b)
{
    return address_equal(&a->address[FAMILY_IPV4], &b->address[FAMILY_IPV4]) &&
           address_equal(&a->address[FAMILY_IPV6], &b->address[FAMILY_IPV6]);
}

static bool same_net(const struct virtual_net *a, const struct virtual_net *b)
{
    bool same = same_addresses(a, b) && a->dns_count == b->dns_count && a->split_count == b->split_count &&
                strcmp(a->domain, b->domain) == 0 && strcmp(a->banner, b->banner) == 0;
    for (size_t i = 0; i < a->dns_count && same; i++)
        same = address_equal(&a->dns[i], &b->dns[i]);
    for (size_t i = 0; i < a->split_count && same; i++)
        same = range_equal(&a->split[i], &b->split[i]);
    return same;
}

static void end_children_of_others(struct ike *ike, struct peer *peer)
{
    struct child_sa *child, *next;
    DL_FOREACH_SAFE (peer->children, child, next)
        if (!net_admits(ike, peer, &child->child.selector))
            child_end(ike, child, true, true, "the concentrator has given us another address");
}

static void say_net(const struct ike *ike, const struct peer *peer)
{
    char text[ADDRESS_TEXT], range[RANGE_TEXT], shown[ACCESS_BANNER * 2];
    const struct virtual_net *net = peer->net;
    for (size_t f = 0; f < FAMILIES; f++)
        if (net->address[f].family != 0)
            ike_say(ike, LOG_INFO, peer->connection, "our virtual address is %s",
                    address_print(&net->address[f], text));
    for (size_t i = 0; i < net->dns_count; i++)
        ike_say(ike, LOG_INFO, peer->connection, "the concentrator names the DNS server %s (not set by esptun)",
                address_print(&net->dns[i], text));
    if (net->domain[0] != '\0')
        ike_say(ike, LOG_INFO, peer->connection, "the concentrator's domain is %s",
                log_escape(shown, sizeof shown, net->domain, strlen(net->domain)));
    if (net->banner[0] != '\0')
        ike_say(ike, LOG_INFO, peer->connection, "the concentrator says: %s",
                log_escape(shown, sizeof shown, net->banner, strlen(net->banner)));
    for (size_t i = 0; i < net->split_count; i++)
        ike_say(ike, LOG_DEBUG, peer->connection, "the concentrator serves %s", range_print(&net->split[i], range));
}

/* The rules are the user's: a network that the concentrator serves is not added to them, but told. */
static void say_uncovered(const struct ike *ike, const struct peer *peer)
{
    char range[RANGE_TEXT];
    for (size_t i = 0; i < peer->net->split_count; i++) {
        const struct address_range *split = &peer->net->split[i];
        bool covered = false;
        for (size_t k = 0; k < peer->rule_count && !covered; k++)
            covered = range_contains(&ike->setup.spd->rules[peer->rules[k]].selector.remote, split);
        if (!covered)
            ike_say(ike, LOG_WARNING, peer->connection,
                    "the concentrator also serves %s, but no protect rule leads there: to use it, add 'protect = any "
                    "-> %s via %s'",
                    range_print(split, range), range, connection_of(ike, peer->connection)->name);
    }
}

/* The rules bound what a concentrator may make ours: else it could take the place of any host that we talk to. */
static bool is_covered(const struct ike *ike, const struct peer *peer, const struct address *address)
{
    for (size_t i = 0; i < peer->rule_count; i++)
        if (range_has(&ike->setup.spd->rules[peer->rules[i]].selector.local, address))
            return true;
    return address->family == 0;
}

enum status net_set(struct ike *ike, struct peer *peer, const struct virtual_net *net)
{
    for (size_t f = 0; f < FAMILIES; f++)
        if (!is_covered(ike, peer, &net->address[f]))
            return ERR_MISMATCH;
    bool known = peer->net != NULL && same_net(peer->net, net);
    bool moved = peer->net != NULL && !same_addresses(peer->net, net);
    if (net_of(peer) == NULL)
        return ERR_MEMORY;
    *peer->net = *net;
    if (known)
        return OK;
    if (moved)
        end_children_of_others(ike, peer);
    say_net(ike, peer);
    say_uncovered(ike, peer);
    ike->setup.ops.net_up(ike->setup.ops.arg, peer->connection, peer->net);
    return OK;
}

void net_left(struct ike *ike, struct peer *peer)
{
    if (peer->net == NULL || peer->sas != NULL || peer->children != NULL)
        return;
    const struct pools *pools = pools_of(ike, peer);
    for (size_t f = 0; pools != NULL && f < FAMILIES; f++)
        if (pools->pool[f] != NULL && peer->net->address[f].family != 0)
            pool_give_back(pools->pool[f], &peer->id);
    if (!connection_of(ike, peer->connection)->access->server)
        ike->setup.ops.net_down(ike->setup.ops.arg, peer->connection);
    net_forget(peer);
}

void net_forget(struct peer *peer)
{
    free(peer->net);
    peer->net = NULL;
}

/* Whose side of a selector the virtual address is; NULL where there is none. */
static struct address_range *virtual_side(const struct ike *ike, const struct peer *peer, struct selector *s)
{
    const struct access *access = connection_of(ike, peer->connection)->access;
    if (access == NULL || (access->server && !access_has_pool(access)))
        return NULL;
    return access->server ? &s->remote : &s->local;
}

static struct address address_for(const struct peer *peer, const struct address_range *side)
{
    return peer->net != NULL ? peer->net->address[family_index(&side->first)] : (struct address){0};
}

enum status net_narrow(const struct ike *ike, const struct peer *peer, struct selector *s)
{
    struct address_range *side = virtual_side(ike, peer, s);
    if (side == NULL)
        return OK;
    struct address own = address_for(peer, side);
    if (own.family == 0 || !range_has(side, &own))
        return ERR_MISMATCH;
    *side = range_of_address(&own);
    return OK;
}

bool net_admits(const struct ike *ike, const struct peer *peer, const struct selector *s)
{
    struct selector copy = *s;
    const struct address_range *side = virtual_side(ike, peer, &copy);
    if (side == NULL)
        return true;
    struct address own = address_for(peer, side);
    struct address_range only = range_of_address(&own);
    return own.family != 0 && range_equal(side, &only);
}

static bool asks_for_all(const struct selector *s)
{
    return range_is_any(&s->local) && s->protocol == 0;
}

int net_give_all(const struct ike *ike, const struct peer *peer, struct selector *s)
{
    const struct access *access = connection_of(ike, peer->connection)->access;
    if (access == NULL || !access->server || !access_has_pool(access) || !asks_for_all(s))
        return SPD_RULE_NONE;
    for (size_t i = 0; i < peer->rule_count; i++) {
        const struct rule *rule = &ike->setup.spd->rules[peer->rules[i]];
        if (!range_contains(&rule->selector.remote, &s->remote))
            continue;
        struct address_range own = s->remote;
        *s = rule->selector;
        s->remote = own;
        return (int)peer->rules[i];
    }
    return SPD_RULE_NONE;
}
