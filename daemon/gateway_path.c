/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "daemon/gateway_state.h"
#include "daemon/mtu.h"
#include "daemon/outgoing.h"
#include "policy/ip.h"

enum status gateway_open_path(struct gateway *g)
{
    path_errors_open(&g->path_errors, g->log);
    gateway_open_watch(g);
    return path_mtus_new(&g->path_mtus);
}

/* --- the MTU of the TUN --- */

static uint32_t wanted_mtu(const struct gateway *g)
{
    bool ipv6 = spd_first_protect(&g->config->spd, 6) != SPD_RULE_NONE;
    return mtu_of_tun(g->tables.worst_mtu, g->tables.live_mtu, g->config->connection_count, ipv6);
}

/* Its SA will be in UDP unless that is excluded. */
void gateway_path_of_connection(struct gateway *g, size_t connection)
{
    const struct connection *c = &g->tables.connections[connection];
    const struct ike_remote *remotes = NULL, ends = {c->local, c->remote};
    if (g->ike != NULL && ike_remotes(g->ike, (uint32_t)connection, &remotes) == 0)
        remotes = NULL;
    const struct ike_remote *to = remotes != NULL ? remotes : &ends; /* of a name: the first */
    const struct path path = {{to->local, IKE_NATT_PORT}, {to->remote, IKE_NATT_PORT}};
    uint32_t route = outgoing_mtu(&path, c->encap != ENCAP_NO);
    if (route == 0 && g->tables.worst_mtu[connection] != 0)
        return;
    uint32_t worst = mtu_inner(c, route != 0 ? route : MTU_DEFAULT);
    g->mtu_changed |= worst != g->tables.worst_mtu[connection];
    g->tables.worst_mtu[connection] = worst;
}

uint32_t gateway_start_mtu(struct gateway *g)
{
    for (size_t i = 0; i < g->config->connection_count; i++)
        gateway_path_of_connection(g, i);
    g->mtu_changed = false; /* it is made with what this returns */
    return wanted_mtu(g);
}

/*
 * A claim binds the SAs of its peer. The TUN is everybody's: with several peers it follows the routes to them alone, so
 * that nobody on the path of one tunnel can make the others small.
 */
struct tun_search {
    struct gateway *g;
    const struct sa *first;
    bool several; /* peers */
};

static void look_for_peers(void *arg, const struct sa *sa)
{
    struct tun_search *search = arg;
    if (search->first == NULL)
        search->first = sa;
    search->several |= !address_equal(&sa->path.remote.address, &search->first->path.remote.address);
}

static void look_at_sa(void *arg, const struct sa *sa)
{
    const struct tun_search *search = arg;
    struct gateway *g = search->g;
    const struct address *peer = &sa->path.remote.address;
    if (sa->rule >= g->config->spd.count)
        return;
    uint32_t *live = &g->tables.live_mtu[g->config->spd.rules[sa->rule].connection], mtu = sa->inner_mtu;
    if (search->several)
        mtu = inner_mtu(&sa->shape, path_mtus_route(g->path_mtus, peer), outer_headers(peer->family, sa->udp));
    if (*live == 0 || mtu < *live)
        *live = mtu;
}

/* All SAs are looked at: where they come by the thousand, not for each of them. */
enum { FOLLOW_PAUSE_MS = 50 };

uint64_t gateway_follow_next(const struct gateway *g)
{
    return g->mtu_changed ? g->followed_ms + FOLLOW_PAUSE_MS : DEADLINE_NEVER;
}

void gateway_follow_mtu(struct gateway *g)
{
    char more[LOG_RATE_TEXT];
    uint32_t suppressed;
    if (!g->mtu_changed || gateway_now(g) < gateway_follow_next(g))
        return;
    g->mtu_changed = false;
    g->followed_ms = gateway_now(g);
    if (g->config->gateway.mtu != 0)
        return; /* the administrator's word; packets that do not fit are cut or refused one by one */
    memset(g->tables.live_mtu, 0, g->config->connection_count * sizeof *g->tables.live_mtu);
    struct tun_search search = {.g = g};
    sad_each(g->sad, look_for_peers, &search);
    sad_each(g->sad, look_at_sa, &search);
    uint32_t mtu = wanted_mtu(g), before = g->device.mtu;
    if (mtu == before)
        return;
    int error = device_set_mtu(&g->device, mtu);
    if (error == 0)
        log_write(g->log, LOG_INFO, "MTU of %s: %u, was %u", g->device.name, mtu, before);
    else if (log_rate_allow(&g->path_rate, gateway_now(g), &suppressed))
        log_write(
            g->log, LOG_WARNING,
            "MTU of %s stays %u, although %u fits into the tunnels: %s; larger packets are cut or refused one by one%s",
            g->device.name, before, mtu, strerror(-error), log_rate_note(more, suppressed));
}

/* --- paths --- */

static void set_path(struct gateway *g, const struct address *peer, uint32_t mtu)
{
    shards_pause(g->shards);
    sad_set_path_mtu(g->sad, peer, mtu);
    shards_resume(g->shards);
    g->mtu_changed = true;
}

static void say_path(struct gateway *g, const struct address *peer, uint32_t mtu, uint32_t before, const char *why)
{
    char text[ADDRESS_TEXT], more[LOG_RATE_TEXT];
    uint32_t suppressed;
    if (log_rate_allow(&g->path_rate, gateway_now(g), &suppressed))
        log_write(g->log, LOG_INFO, "path MTU to %s: %u, was %u (%s)%s", address_print(peer, text), mtu, before, why,
                  log_rate_note(more, suppressed));
}

/* Many SAs of one peer come or move at once. */
static uint32_t route_to(struct gateway *g, const struct path *path, bool udp)
{
    struct asked_route *asked = &g->asked;
    uint64_t now = gateway_now(g);
    bool same = asked->at_ms == now && asked->udp == udp && endpoint_equal(&asked->path.remote, &path->remote) &&
                endpoint_equal(&asked->path.local, &path->local);
    if (!same)
        *asked = (struct asked_route){.path = *path, .udp = udp, .at_ms = now, .mtu = outgoing_mtu(path, udp)};
    return asked->mtu;
}

void gateway_path_ask(struct gateway *g, const struct path *path, bool udp)
{
    (void)route_to(g, path, udp);
}

void gateway_path_of_child(struct gateway *g, uint64_t child_id)
{
    struct sa *sa = sad_by_child(g->sad, child_id);
    if (sa == NULL)
        return;
    const struct address peer = sa->path.remote.address;
    uint32_t before = path_mtus_get(g->path_mtus, &peer);
    uint32_t mtu = path_mtus_set_route(g->path_mtus, &peer, route_to(g, &sa->path, sa->udp));
    shards_pause(g->shards);
    if (mtu != before)
        sad_set_path_mtu(g->sad, &peer, mtu);
    else /* the others of this peer have it */
        sa_set_path_mtu(sa, mtu);
    shards_resume(g->shards);
    g->mtu_changed = true;
}

void gateway_path_set_route(struct gateway *g, const struct address *peer, uint32_t route)
{
    uint32_t before = path_mtus_get(g->path_mtus, peer);
    if (route == 0)
        return; /* without a route nothing new is known */
    uint32_t mtu = path_mtus_set_route(g->path_mtus, peer, route);
    if (mtu == before)
        return;
    say_path(g, peer, mtu, before, "the route to it says so");
    set_path(g, peer, mtu);
}

/* A link that became smaller says so with each packet; its route is asked for ten times a second at most. */
enum { RECHECK_PAUSE_MS = 100 };

void gateway_path_recheck(struct gateway *g, uint64_t child_id, uint32_t size)
{
    const struct sa *sa = sad_by_child(g->sad, child_id);
    uint64_t now = gateway_now(g);
    if (sa == NULL || now < g->recheck_ms + RECHECK_PAUSE_MS)
        return;
    g->recheck_ms = now;
    const struct address peer = sa->path.remote.address;
    gateway_path_set_route(g, &peer, outgoing_mtu(&sa->path, sa->udp));
    uint32_t before = path_mtus_get(g->path_mtus, &peer);
    if (!path_mtus_refused(g->path_mtus, &peer, size, now))
        return;
    uint32_t mtu = path_mtus_get(g->path_mtus, &peer);
    say_path(g, &peer, mtu, before, "the host refuses larger packets, whatever the route says");
    set_path(g, &peer, mtu);
}

struct search {
    const struct address *peer;
    bool found;
};

static void look_for_peer(void *arg, const struct sa *sa)
{
    struct search *search = arg;
    search->found |= address_equal(&sa->path.remote.address, search->peer);
}

void gateway_path_forget(struct gateway *g, const struct address *peer)
{
    struct search search = {.peer = peer};
    g->mtu_changed = true;
    sad_each(g->sad, look_for_peer, &search);
    if (!search.found)
        path_mtus_forget(g->path_mtus, peer);
}

void gateway_path_expire(struct gateway *g)
{
    struct address peer;
    char text[ADDRESS_TEXT];
    while (path_mtus_take_aged(g->path_mtus, gateway_now(g), &peer)) {
        uint32_t mtu = path_mtus_get(g->path_mtus, &peer);
        log_write(g->log, LOG_INFO, "path MTU to %s: trying %u again", address_print(&peer, text), mtu);
        set_path(g, &peer, mtu);
    }
}

/* --- claims (RFC 4301 8.2): unauthenticated, so they must quote what only we and the path have seen --- */

static bool is_ours(const struct sa *sa, const struct icmp_claim *claim)
{
    const struct path *path = &claim->path;
    bool local = sa->path.local.address.family == 0 || address_equal(&sa->path.local.address, &path->local.address);
    bool ports = !claim->udp || (path->local.port == IKE_NATT_PORT && path->remote.port == sa->path.remote.port);
    return local && ports && sa->udp == claim->udp;
}

static void on_claim(void *arg, const struct icmp_claim *claim)
{
    struct gateway *g = arg;
    const struct address *peer = &claim->path.remote.address;
    const struct sa *sa = sad_by_outbound(g->sad, claim->spi, peer);
    uint32_t before = path_mtus_get(g->path_mtus, peer);
    if (sa == NULL || !is_ours(sa, claim)) {
        shards_count_refused(g->shards, 1);
        return;
    }
    if (!path_mtus_claim(g->path_mtus, peer, claim->mtu, gateway_now(g))) {
        if (claim->mtu != before) /* the same again is what routers say until our sender has listened */
            shards_count_refused(g->shards, 1);
        return;
    }
    say_path(g, peer, claim->mtu, before, "a router on the path says so");
    set_path(g, peer, claim->mtu);
}

void gateway_path_errors(struct gateway *g, uint8_t family)
{
    shards_count_refused(g->shards, path_errors_read(&g->path_errors, family, on_claim, g));
}
