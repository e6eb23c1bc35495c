/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/event.h"
#include "daemon/gateway_state.h"

void gateway_monitor_add(struct gateway *g, struct client *client)
{
    for (size_t i = 0; i < MONITORS_MAX; i++) {
        if (g->monitors[i].client != NULL)
            continue;
        if (control_stream(client))
            g->monitors[i] = (struct monitor){.client = client};
        return;
    }
    control_error(client, "%d clients monitor events already; end one of them", MONITORS_MAX);
}

void gateway_monitor_gone(struct gateway *g, const struct client *client)
{
    for (size_t i = 0; i < MONITORS_MAX; i++)
        if (g->monitors[i].client == client)
            g->monitors[i] = (struct monitor){0};
}

static void tell_missed(struct monitor *monitor, const struct timespec *at)
{
    char *missed = monitor->dropped > 0 ? event_dropped(at, monitor->dropped) : NULL;
    if (missed != NULL && control_send(monitor->client, missed, strlen(missed)))
        monitor->dropped = 0;
    free(missed);
}

/* As soon as it reads again, for the next event may be days away. */
void gateway_monitor_room(struct gateway *g, const struct client *client)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    for (size_t i = 0; i < MONITORS_MAX; i++)
        if (g->monitors[i].client == client)
            tell_missed(&g->monitors[i], &now);
}

/* First what it has missed: a reader never takes a gap for silence. */
static void tell_one(struct monitor *monitor, const struct timespec *at, const char *line)
{
    tell_missed(monitor, at);
    if (monitor->dropped > 0 || line == NULL || !control_send(monitor->client, line, strlen(line)))
        monitor->dropped++;
}

static bool anyone(const struct gateway *g)
{
    for (size_t i = 0; i < MONITORS_MAX; i++)
        if (g->monitors[i].client != NULL)
            return true;
    return false;
}

static bool is_of_child(enum ike_event_kind kind)
{
    return kind >= IKE_EVENT_CHILD_UP;
}

static void tell_all(struct gateway *g, const struct event *event)
{
    char *line = event_json(event);
    for (size_t i = 0; i < MONITORS_MAX; i++)
        if (g->monitors[i].client != NULL)
            tell_one(&g->monitors[i], &event->at, line);
    free(line);
}

void gateway_monitor_probe(struct gateway *g, const char *connection, bool up, const char *why)
{
    struct event event = {.kind = up ? EVENT_PROBE_UP : EVENT_PROBE_DOWN, .connection = connection, .reason = why};
    if (!anyone(g))
        return;
    (void)clock_gettime(CLOCK_REALTIME, &event.at);
    tell_all(g, &event);
}

void gateway_monitor_tell(struct gateway *g, const struct ike_event *e)
{
    if (!anyone(g))
        return;
    char rule[RULE_TEXT] = "";
    struct event event = {.kind = e->kind, .connection = g->tables.connections[e->connection].name, .reason = e->why};
    const struct sa *old = e->old_child_id != 0 ? sad_by_child(g->sad, e->old_child_id) : NULL;
    (void)clock_gettime(CLOCK_REALTIME, &event.at);
    if (is_of_child(e->kind) && e->rule < g->config->spd.count)
        event.rule = rule_print(&g->config->spd.rules[e->rule], rule);
    event.spi_in = e->spi_in;
    event.spi_out = e->spi_out;
    event.old_spi_in = old != NULL ? old->spi_in : 0;
    tell_all(g, &event);
}
