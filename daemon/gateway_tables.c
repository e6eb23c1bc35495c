/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "daemon/gateway_state.h"
#include "daemon/outgoing.h"
#include "daemon/workers.h"

static enum status allocate(const struct config *config, struct gateway_tables *t)
{
    size_t connections = config->connection_count + 1, rules = config->spd.count + 1;
    t->connections = calloc(connections, sizeof *t->connections);
    t->ranks = calloc(connections, sizeof *t->ranks);
    t->virtual = calloc(connections, sizeof *t->virtual);
    t->worst_mtu = calloc(connections, sizeof *t->worst_mtu);
    t->live_mtu = calloc(connections, sizeof *t->live_mtu);
    t->states = calloc(connections, sizeof *t->states);
    t->probes = calloc(connections, sizeof *t->probes);
    t->log_levels = calloc(connections, sizeof *t->log_levels);
    t->name_problems = calloc(connections, sizeof *t->name_problems);
    t->released = calloc(rules, sizeof *t->released);
    t->released_rules = calloc(rules, sizeof *t->released_rules);
    t->seen = calloc(rules, sizeof *t->seen);
    bool all = t->connections != NULL && t->ranks != NULL && t->virtual != NULL && t->worst_mtu != NULL &&
               t->live_mtu != NULL && t->states != NULL && t->probes != NULL && t->log_levels != NULL &&
               t->name_problems != NULL && t->released != NULL && t->released_rules != NULL && t->seen != NULL;
    return all ? OK : ERR_MEMORY;
}

/* What was asked has an old number in it: whether it is answered no longer matters. */
static void carry_probe(const struct gateway_tables *before, uint32_t from, struct gateway_tables *t, uint32_t to)
{
    const struct connection *old = &before->connections[from], *new = &t->connections[to];
    if (!address_equal(&old->probe, &new->probe) || !address_equal(&old->probe_source, &new->probe_source))
        return;
    t->probes[to] = before->probes[from];
    t->probes[to].waits = false;
    if (t->probes[to].due_ms != 0)
        t->probes[to].due_ms = 1; /* the interval may be another */
}

static void carry_over(const struct gateway_tables *before, const struct renumber *numbers, struct gateway_tables *t)
{
    for (uint32_t i = 0; i < numbers->connection_count; i++) {
        uint32_t to = renumber_connection(numbers, i);
        if (to == RENUMBER_GONE)
            continue;
        t->connections[to].local = before->connections[i].local;
        t->virtual[to] = before->virtual[i];
        t->worst_mtu[to] = before->worst_mtu[i];
        t->live_mtu[to] = before->live_mtu[i];
        t->states[to].flow = before->states[i].flow;
        carry_probe(before, i, t, to);
        t->log_levels[to] = before->log_levels[i];
        if (before->name_problems[i] != NULL) /* without memory it is said once more */
            t->name_problems[to] = strdup(before->name_problems[i]);
    }
}

/* IKE names its own address to the peer: where the configuration leaves it open, the route to the peer tells it. */
static void find_local(struct connection *c, const struct log *log)
{
    static const uint32_t unnumbered = UINT32_MAX; /* the levels in force are those of the numbers before */
    char text[ADDRESS_TEXT];
    if (c->local.family != 0 || c->remote.family == 0)
        return;
    c->local = outgoing_source(&c->remote);
    if (c->local.family == 0)
        log_about(log, LOG_WARNING, unnumbered, c->name, "no route leads to the peer, so it can only be answered");
    else
        log_about(log, LOG_INFO, unnumbered, c->name, "local address is %s", address_print(&c->local, text));
}

enum status gateway_tables_make(const struct config *config, const struct gateway_tables *before,
                                const struct renumber *numbers, const struct log *log, struct gateway_tables *out)
{
    size_t count = config->connection_count;
    *out = (struct gateway_tables){.connection_count = count};
    enum status status = allocate(config, out);
    if (status == OK)
        status = workers_rank(config->connections, count, out->ranks, &out->peers);
    if (status != OK) {
        gateway_tables_free(out);
        return status;
    }
    for (size_t i = 0; i < count; i++) {
        out->connections[i] = config->connections[i];
        out->log_levels[i] = log->level;
    }
    if (before != NULL)
        carry_over(before, numbers, out);
    for (size_t i = 0; i < count; i++)
        find_local(&out->connections[i], log);
    return OK;
}

void gateway_tables_free(struct gateway_tables *t)
{
    for (size_t i = 0; t->name_problems != NULL && i < t->connection_count; i++)
        free(t->name_problems[i]);
    free(t->name_problems);
    free(t->connections);
    free(t->ranks);
    free(t->virtual);
    free(t->worst_mtu);
    free(t->live_mtu);
    free(t->states);
    free(t->probes);
    free(t->log_levels);
    free(t->released);
    free(t->released_rules);
    free(t->seen);
    *t = (struct gateway_tables){0};
}
