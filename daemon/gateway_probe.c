/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes through tunnels: our own echo requests take the way of packets from the TUN, and their answers come back as
 * notes of the packet path.
 */
#include <string.h>

#include "daemon/gateway_state.h"
#include "daemon/host_address.h"

static struct probe_terms terms_of(const struct connection *c)
{
    return (struct probe_terms){.interval_ms = c->probe_interval_s * 1000,
                                .failures = c->probe_failures,
                                .restart = c->probe_action == PROBE_ACTION_RESTART};
}

static uint64_t now_us(void)
{
    return uv_hrtime() / 1000;
}

/* --- news --- */

static void say(struct gateway *g, size_t connection, enum probe_news news)
{
    const struct connection *c = &g->tables.connections[connection];
    const struct tunnel_probe *p = &g->tables.probes[connection];
    char to[ADDRESS_TEXT], why[160];
    if (news == PROBE_NO_NEWS)
        return;
    bool up = news == PROBE_WENT_UP;
    if (up)
        (void)snprintf(why, sizeof why, "%s answers through the tunnel", address_print(&c->probe, to));
    else
        (void)snprintf(why, sizeof why, "%s has not answered %u pings in a row", address_print(&c->probe, to), p->lost);
    const struct log_subject about = {.connection = (uint32_t)connection, .name = c->name, .reason = why};
    log_event(g->log, up ? LOG_INFO : LOG_WARNING, &about, "probe %s", up ? "up" : "down");
    gateway_monitor_probe(g, c->name, up, why);
}

/* --- sending --- */

/* One that is answered is good; else another may have come, or this one may be gone: so it is looked for each time. */
static struct address find_source(const struct gateway *g, size_t connection)
{
    const struct connection *c = &g->tables.connections[connection];
    const struct virtual_net *net = &g->tables.virtual[connection];
    const struct spd *spd = &g->config->spd;
    if (c->probe_source.family != 0)
        return c->probe_source;
    if (g->tables.probes[connection].state == PROBE_UP)
        return g->tables.probes[connection].source;
    for (size_t f = 0; f < FAMILIES; f++)
        if (host_address_rule(spd, (uint32_t)connection, &net->address[f], &c->probe) != SPD_RULE_NONE)
            return net->address[f];
    return host_address_for(spd, (uint32_t)connection, &c->probe, NULL);
}

static void say_no_source(const struct gateway *g, size_t connection)
{
    char to[ADDRESS_TEXT];
    const struct connection *c = &g->tables.connections[connection];
    log_about(g->log, LOG_WARNING, (uint32_t)connection, c->name, HOST_ADDRESS_MISSING, address_print(&c->probe, to));
}

/* The SA that would carry it. Without one the packet is not even made: it must neither leave in clear nor wait. */
static const struct sa *find_sa(struct gateway *g, size_t connection, const struct tunnel_probe *p)
{
    const struct connection *c = &g->tables.connections[connection];
    bool rule_has_sa = false;
    const struct flow echo = echo_flow(&p->source, &c->probe);
    int rule = host_address_rule(&g->config->spd, (uint32_t)connection, &p->source, &c->probe);
    if (rule == SPD_RULE_NONE)
        return NULL;
    const struct sa *sa = sad_outbound(g->sad, (uint32_t)rule, &echo, &rule_has_sa);
    if (sa == NULL && !rule_has_sa && c->start == START_TRAP)
        ike_acquire(g->ike, gateway_now(g), (uint32_t)rule);
    return sa;
}

static bool send_one(struct gateway *g, size_t connection, const struct sa *sa, uint64_t *nonce)
{
    uint8_t packet[ECHO_MAX];
    struct tunnel_probe *p = &g->tables.probes[connection];
    if (random_fill(&g->random, nonce, sizeof *nonce) != OK)
        return false;
    p->sequence++;
    const struct echo echo = {.source = p->source,
                              .destination = g->tables.connections[connection].probe,
                              .subject = (uint32_t)connection,
                              .sequence = p->sequence,
                              .nonce = *nonce};
    size_t len = echo_request(&g->mark, &echo, packet);
    return shards_send_own(g->shards, sa->shard, bytes_of(packet, len), gateway_now(g));
}

static void probe_one(struct gateway *g, size_t connection)
{
    const struct connection *c = &g->tables.connections[connection];
    struct tunnel_probe *p = &g->tables.probes[connection];
    const struct probe_terms terms = terms_of(c);
    const uint64_t now = gateway_now(g);
    bool restart;
    uint64_t nonce = 0;
    say(g, connection, tunnel_probe_judge(p, &terms, now, &restart));
    if (restart)
        ike_restart(g->ike, now, (uint32_t)connection, "its probe is not answered");
    struct address before = p->source;
    p->source = find_source(g, connection);
    if (p->source.family == 0 && (before.family != 0 || p->due_ms == 0))
        say_no_source(g, connection);
    const struct sa *sa = p->source.family != 0 ? find_sa(g, connection, p) : NULL;
    uint64_t sent_us = now_us();
    if (sa == NULL) {
        tunnel_probe_skipped(p, &terms, now);
        return;
    }
    (void)send_one(g, connection, sa, &nonce); /* what the ring has no room for is lost on its way, like any packet */
    tunnel_probe_sent(p, &terms, nonce, now, sent_us);
}

void gateway_probe_run(struct gateway *g)
{
    uint64_t now = gateway_now(g), next = DEADLINE_NEVER;
    if (now < g->probe_due_ms)
        return;
    for (size_t i = 0; i < g->config->connection_count; i++) {
        struct tunnel_probe *p = &g->tables.probes[i];
        if (g->tables.connections[i].probe.family == 0)
            continue;
        if (p->due_ms <= now)
            probe_one(g, i);
        next = p->due_ms < next ? p->due_ms : next;
    }
    g->probe_due_ms = next;
}

/* --- answers --- */

/* It counts for the tunnel that it has come through. */
void gateway_probe_answered(struct gateway *g, uint64_t child_id, const struct echo *echo)
{
    const struct sa *sa = sad_by_child(g->sad, child_id);
    if (sa == NULL || echo->subject >= g->config->connection_count ||
        g->config->spd.rules[sa->rule].connection != echo->subject)
        return;
    struct tunnel_probe *p = &g->tables.probes[echo->subject];
    const struct connection *c = &g->tables.connections[echo->subject];
    if (!address_equal(&echo->source, &c->probe) || !address_equal(&echo->destination, &p->source))
        return;
    say(g, echo->subject, tunnel_probe_answered(p, echo->sequence, echo->nonce, gateway_now(g), now_us()));
}

/* --- what is probed --- */

void gateway_probe_event(struct gateway *g, const struct ike_event *event)
{
    if (event->kind != IKE_EVENT_CHILD_UP || g->tables.connections[event->connection].probe.family == 0)
        return;
    tunnel_probe_tunnel_up(&g->tables.probes[event->connection], gateway_now(g));
    g->probe_due_ms = gateway_now(g);
}

static bool is_probed(const struct gateway *g, const struct sa *sa)
{
    const struct spd *spd = &g->config->spd;
    return sa->rule < spd->count && spd->rules[sa->rule].action == ACTION_PROTECT &&
           g->config->connections[spd->rules[sa->rule].connection].probe.family != 0;
}

void gateway_probe_mark(struct gateway *g, uint64_t child_id)
{
    struct sa *sa = sad_by_child(g->sad, child_id);
    if (sa != NULL)
        sa->probed = is_probed(g, sa);
}

static void mark_one(void *arg, const struct sa *sa)
{
    gateway_probe_mark(arg, sa->child_id);
}

void gateway_probe_mark_all(struct gateway *g)
{
    sad_each(g->sad, mark_one, g);
    g->probe_due_ms = 0;
}

enum status gateway_open_probe(struct gateway *g)
{
    g->probe_due_ms = 0;
    enum status status = random_fill(&g->random, g->mark.token, sizeof g->mark.token);
    return status == OK ? random_fill(&g->random, &g->mark.identifier, sizeof g->mark.identifier) : status;
}
