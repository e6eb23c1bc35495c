/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "daemon/gateway_state.h"

/* Nobody but the control thread writes to the log, so a level can change at any time. */
void gateway_use_log_levels(struct gateway *g)
{
    g->log->connection_levels = g->tables.log_levels;
    g->log->connection_level_count = g->config->connection_count;
}

void gateway_forget_log_levels(struct gateway *g)
{
    g->log->connection_levels = NULL;
    g->log->connection_level_count = 0;
}

void gateway_log_everything(struct gateway *g, enum log_level level)
{
    g->log->level = level;
    for (size_t i = 0; i < g->config->connection_count; i++)
        g->tables.log_levels[i] = level;
}

/* Without a name: of everything, whatever was asked for single connections before. */
void gateway_set_log_level(struct gateway *g, struct client *client, const struct request *request)
{
    char text[CONNECTION_NAME_MAX + 64];
    bool found = false;
    if (request->name[0] == '\0')
        gateway_log_everything(g, request->level);
    for (size_t i = 0; i < g->config->connection_count; i++) {
        if (strcmp(g->tables.connections[i].name, request->name) != 0)
            continue;
        g->tables.log_levels[i] = request->level;
        found = true;
    }
    if (request->name[0] != '\0' && !found) {
        control_error(client, "no connection is named '%s'; esptun check lists them", request->name);
        return;
    }
    int len = snprintf(text, sizeof text, "the log level of %s%s is %s until esptun ends\n",
                       request->name[0] != '\0' ? "connection " : "everything", request->name,
                       log_level_name(request->level));
    control_ok(client, text, (size_t)len);
}
