/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "daemon/gateway_state.h"
#include "daemon/mtu.h"
#include "daemon/outgoing.h"

static bool has_ipv6(const struct spd *spd)
{
    for (size_t i = 0; i < spd->count; i++)
        if (spd->rules[i].action == ACTION_PROTECT && spd->rules[i].selector.local.first.family == 6)
            return true;
    return false;
}

enum status gateway_open_path(struct gateway *g)
{
    size_t count = g->config->connection_count;
    path_errors_open(&g->path_errors, g->log);
    g->worst_mtu = calloc(count + 1, sizeof *g->worst_mtu);
    g->live_mtu = calloc(count + 1, sizeof *g->live_mtu);
    if (g->worst_mtu == NULL || g->live_mtu == NULL)
        return ERR_MEMORY;
    return path_mtus_new(&g->path_mtus);
}

/* --- the MTU of the TUN --- */

static uint32_t wanted_mtu(const struct gateway *g)
{
    return mtu_of_tun(g->worst_mtu, g->live_mtu, g->config->connection_count, has_ipv6(&g->config->spd));
}

uint32_t gateway_start_mtu(struct gateway *g)
{
    for (size_t i = 0; i < g->config->connection_count; i++) {
        uint32_t way = outgoing_mtu(&g->connections[i].remote);
        g->worst_mtu[i] = mtu_inner(&g->connections[i], way != 0 ? way : MTU_OUTER_DEFAULT);
    }
    return wanted_mtu(g);
}

static void look_at_sa(void *arg, const struct sa *sa)
{
    struct gateway *g = arg;
    if (sa->rule >= g->config->spd.count)
        return;
    uint32_t *live = &g->live_mtu[g->config->spd.rules[sa->rule].connection];
    if (*live == 0 || sa->inner_mtu < *live)
        *live = sa->inner_mtu;
}

void gateway_follow_mtu(struct gateway *g)
{
    if (!g->mtu_changed)
        return;
    g->mtu_changed = false;
    if (g->config->gateway.mtu != 0)
        return; /* the administrator's word; packets that do not fit are cut or refused one by one */
    memset(g->live_mtu, 0, g->config->connection_count * sizeof *g->live_mtu);
    sad_each(g->sad, look_at_sa, g);
    uint32_t mtu = wanted_mtu(g), before = g->device.mtu;
    if (mtu == before)
        return;
    int error = device_set_mtu(&g->device, mtu);
    if (error == 0)
        log_write(g->log, LOG_INFO, "MTU of %s: %u, was %u", g->device.name, mtu, before);
    else /* packets that do not fit are then cut or refused one by one */
        log_write(g->log, LOG_DEBUG, "MTU of %s stays %u, although %u fits: %s", g->device.name, before, mtu,
                  strerror(-error));
}

/* --- paths --- */

static void set_path(struct gateway *g, const struct address *peer, uint32_t mtu)
{
    sad_set_path_mtu(g->sad, peer, mtu);
    g->mtu_changed = true;
}

void gateway_path_of_child(struct gateway *g, uint64_t child_id)
{
    struct sa *sa = sad_by_child(g->sad, child_id);
    if (sa == NULL)
        return;
    const struct address peer = sa->path.remote.address;
    set_path(g, &peer, path_mtus_set_way(g->path_mtus, &peer, outgoing_mtu(&peer)));
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
    char text[ADDRESS_TEXT];
    uint32_t before = path_mtus_get(g->path_mtus, peer), suppressed;
    if (sa == NULL || !is_ours(sa, claim)) {
        worker_count_claim(g->worker);
        return;
    }
    if (!path_mtus_claim(g->path_mtus, peer, claim->mtu, gateway_now(g))) {
        if (claim->mtu != before) /* the same again is what routers say until our sender has listened */
            worker_count_claim(g->worker);
        return;
    }
    if (log_rate_allow(&g->path_rate, gateway_now(g), &suppressed))
        log_write(g->log, LOG_INFO, "path MTU to %s: %u, was %u (a router on the path says so)",
                  address_print(peer, text), claim->mtu, before);
    set_path(g, peer, claim->mtu);
}

void gateway_path_errors(struct gateway *g, uint8_t family)
{
    for (size_t refused = path_errors_read(&g->path_errors, family, on_claim, g); refused > 0; refused--)
        worker_count_claim(g->worker);
}
