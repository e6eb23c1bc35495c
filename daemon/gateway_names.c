/* SPDX-License-Identifier: Apache-2.0 */
/* Peers that the configuration knows by name: which addresses IKE is told, and what people are. */
#include <stdlib.h>
#include <string.h>

#include "daemon/gateway_state.h"
#include "daemon/outgoing.h"
#include "daemon/reverse_path.h"
#include "policy/host_name.h"

/* An address can be a peer's, and not this connection's. */
static const char *refuse(const struct connection *c, const struct address *address, struct address *local)
{
    struct address source = outgoing_source(address);
    *local = c->local.family != 0 ? c->local : source;
    if (c->local.family != 0 && c->local.family != address->family)
        return "local is of the other family";
    if (address_equal(&source, address) || address_equal(local, address))
        return "this host itself";
    return source.family == 0 ? "no route leads there" : NULL;
}

static size_t choose(const struct connection *c, struct resolved *found, struct ike_remote out[IKE_REMOTES_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < found->count && count < IKE_REMOTES_MAX; i++) {
        const char *why = refuse(c, &found->addresses[i], &out[count].local);
        out[count].remote = found->addresses[i];
        if (why == NULL)
            count++;
        else
            resolve_leave_out(found, &found->addresses[i], why);
    }
    if (count == 0 && found->why[0] == '\0')
        (void)snprintf(found->why, sizeof found->why,
                       "the name %s cannot be used: none of its addresses is one to call; correct what it says, or the "
                       "routes of this host",
                       c->remote_name);
    return count;
}

/* The same is said once, however often it is tried. */
static void say_problem(struct gateway *g, size_t connection, const struct resolved *found)
{
    const struct connection *c = &g->tables.connections[connection];
    char text[3 * RESOLVE_TEXT];
    char **said = &g->tables.name_problems[connection];
    bool failed = found->why[0] != '\0', partly = found->left_out[0] != '\0';
    (void)snprintf(text, sizeof text, "%s%s%s%s", found->why, failed && partly ? "; " : "", partly ? "left out: " : "",
                   found->left_out);
    bool same = *said != NULL ? strcmp(*said, text) == 0 : text[0] == '\0';
    if (text[0] != '\0')
        log_about(g->log, same ? LOG_DEBUG : LOG_WARNING, (uint32_t)connection, c->name, "%s%s%s",
                  failed ? "" : c->remote_name, failed ? "" : ": ", text);
    if (same)
        return;
    free(*said);
    *said = text[0] != '\0' ? strdup(text) : NULL;
}

static void say_addresses(const struct gateway *g, uint32_t connection, const struct ike_remote *list, size_t count,
                          bool news)
{
    const struct connection *c = &g->tables.connections[connection];
    char text[IKE_REMOTES_MAX * (ADDRESS_TEXT + 2)] = "", one[ADDRESS_TEXT];
    size_t used = 0;
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i > 0 ? ", " : "",
                                 address_print(&list[i].remote, one));
    log_about(g->log, news ? LOG_INFO : LOG_DEBUG, connection, c->name, "%s is %s", c->remote_name, text);
}

static void warn_of_reverse_path(const struct gateway *g, const struct connection *c, const struct ike_remote *list,
                                 size_t count)
{
    struct connection there[IKE_REMOTES_MAX];
    for (size_t i = 0; i < count; i++) {
        there[i] = *c;
        there[i].remote = list[i].remote;
    }
    if (g->routes != NULL)
        reverse_path_warn(&g->config->spd, there, count, g->log);
}

static bool leads_to(const struct gateway *g, uint32_t connection, const struct address *address)
{
    const struct ike_remote *known;
    size_t count = ike_remotes(g->ike, connection, &known);
    for (size_t i = 0; i < count; i++)
        if (address_equal(&known[i].remote, address))
            return true;
    return address_equal(&g->tables.connections[connection].remote, address);
}

/* Of main mode with pre-shared keys; the configuration, which knows names alone, could not tell (config_twins). */
static bool keys_differ(const struct connection *a, const struct connection *b)
{
    bool locals_differ = a->local.family != 0 && b->local.family != 0 && !address_equal(&a->local, &b->local);
    if (a->auth != AUTH_PSK || b->auth != AUTH_PSK || a->mode != MODE_MAIN || b->mode != MODE_MAIN || locals_differ)
        return false;
    return !secret_equal(&a->psk, &b->psk);
}

static void warn_of_twins(const struct gateway *g, uint32_t connection, const struct ike_remote *list, size_t count)
{
    const struct connection *c = &g->tables.connections[connection];
    char text[ADDRESS_TEXT];
    for (uint32_t i = 0; i < g->config->connection_count; i++)
        for (size_t k = 0; i != connection && k < count; k++)
            if (keys_differ(c, &g->tables.connections[i]) && leads_to(g, i, &list[k].remote))
                log_about(g->log, LOG_WARNING, connection, c->name,
                          "%s is also the address of [connection %s], which has another psk: when that peer calls, "
                          "main mode cannot tell the two apart; give both one psk",
                          address_print(&list[k].remote, text), g->tables.connections[i].name);
}

static void tell(struct gateway *g, uint32_t connection, struct resolved found)
{
    const struct connection *c = &g->tables.connections[connection];
    struct ike_remote list[IKE_REMOTES_MAX];
    size_t count = choose(c, &found, list);
    say_problem(g, connection, &found);
    bool news = count > 0 && ike_remotes_differ(g->ike, connection, list, count);
    if (count > 0)
        say_addresses(g, connection, list, count, news);
    ike_found(g->ike, gateway_now(g), connection, list, count, found.why);
    if (!news)
        return;
    gateway_path_of_connection(g, connection);
    warn_of_reverse_path(g, c, list, count);
    warn_of_twins(g, connection, list, count);
}

/* Numbers of connections may have changed since it was asked: the name is what counts. */
static void on_answer(void *arg, const char *name, const struct resolved *found)
{
    struct gateway *g = arg;
    loop_refresh(&g->loop);
    for (size_t i = 0; i < g->config->connection_count; i++) {
        const char *other = g->tables.connections[i].remote_name;
        if (other != NULL && host_name_equal(other, name))
            tell(g, (uint32_t)i, *found);
    }
    gateway_settle(g);
}

enum status gateway_find_remote(void *arg, uint32_t connection)
{
    struct gateway *g = arg;
    return resolver_ask(&g->resolver, g->tables.connections[connection].remote_name);
}

void gateway_open_names(struct gateway *g)
{
    g->resolver = (struct resolver){.loop = &g->loop.uv, .answer = on_answer, .arg = g};
}

bool gateway_close_names(struct gateway *g)
{
    return resolver_close(&g->resolver);
}
