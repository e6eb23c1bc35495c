/* SPDX-License-Identifier: Apache-2.0 */
/* What connections look like at the moment: their rules, their SAs, and the packets of these. */
#include <string.h>

#include "daemon/gateway_state.h"

static uint32_t connection_of_rule(const struct gateway *g, uint32_t rule)
{
    const struct spd *spd = &g->config->spd;
    return rule < spd->count && spd->rules[rule].action == ACTION_PROTECT ? spd->rules[rule].connection : UINT32_MAX;
}

/* NULL: there is no such connection. */
static struct connection_state *state_of(const struct gateway *g, uint32_t connection)
{
    return connection < g->config->connection_count ? &g->tables.states[connection] : NULL;
}

static void look_at_sa(void *arg, const struct ike_sa_info *info)
{
    struct connection_state *state = state_of(arg, info->connection);
    if (state != NULL && strcmp(info->state, "deleting") != 0)
        state->view.sas++;
}

static void look_at_child(void *arg, const struct ike_child_info *info)
{
    struct gateway *g = arg;
    struct connection_state *state = state_of(g, connection_of_rule(g, info->rule));
    if (state == NULL)
        return;
    const struct sa *pair = sad_by_child(g->sad, info->id);
    state->in += pair != NULL ? counter_get(&pair->in.packets) : 0;
    state->out += pair != NULL ? counter_get(&pair->out.packets) : 0;
    if (!status_is_up(info->state))
        return;
    state->view.children++;
    state->view.rules_up += !g->tables.seen[info->rule];
    g->tables.seen[info->rule] = true;
}

void gateway_look(struct gateway *g)
{
    for (size_t i = 0; i < g->config->connection_count; i++) {
        struct connection_state *state = &g->tables.states[i];
        state->view = (struct command_view){0};
        state->in = state->out = 0;
    }
    for (uint32_t i = 0; i < g->config->spd.count; i++) {
        struct connection_state *state = state_of(g, connection_of_rule(g, i));
        g->tables.seen[i] = false;
        if (state != NULL)
            state->view.rules++;
    }
    const struct ike_visitor visitor = {.arg = g, .sa = look_at_sa, .child = look_at_child};
    ike_visit(g->ike, &visitor);
}
