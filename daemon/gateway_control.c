/* SPDX-License-Identifier: Apache-2.0 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/explain.h"
#include "daemon/gateway_state.h"
#include "daemon/status.h"

static struct offloads offloads_of(const struct gateway *g)
{
    struct offloads used = {.tun = g->device.offload && g->device.tcp_segments};
    for (size_t i = 0; i < udp_count(g->udp); i++) {
        used.udp_gso = used.udp_gso || udp_at(g->udp, i)->gso;
        used.udp_gro = used.udp_gro || udp_at(g->udp, i)->gro;
    }
    return used;
}

void gateway_status_input(struct gateway *g, struct status_scratch *scratch, struct status_input *out)
{
    for (int i = 0; i < IKE_DROP_COUNT; i++)
        scratch->ike_drops[i] = ike_drop_count(g->ike, (enum ike_drop)i);
    *out = (struct status_input){
        .version = ESPTUN_VERSION,
        .now_ms = gateway_now(g),
        .started_ms = g->started_ms,
        .configured_ms = g->configured_ms,
        .connections = g->tables.connections,
        .connection_count = g->config->connection_count,
        .probes = g->tables.probes,
        .spd = &g->config->spd,
        .sad = g->sad,
        .drops = shards_drops(g->shards),
        .rules = shards_rules(g->shards),
        .ike_drops = scratch->ike_drops,
        .crypto = g->crypto,
        .workers = shards_count(g->shards),
        .guard = guard_count(&g->guard, &scratch->guard) ? &scratch->guard : NULL,
        .offloads = offloads_of(g),
        .log = g->log,
        .ike = g->ike,
        .name_problems = g->tables.name_problems,
    };
}

static void answer_status(struct gateway *g, struct client *client)
{
    struct status_scratch scratch;
    struct status_input input;
    gateway_status_input(g, &scratch, &input);
    struct status_document document;
    status_begin(&document, &input);
    struct ike_visitor visitor = status_visitor(&document);
    ike_visit(g->ike, &visitor);
    size_t len;
    char *text = status_finish(&document, &len);
    if (text != NULL)
        control_ok(client, text, len);
    else
        control_error(client, "out of memory");
    free(text);
#ifdef __GLIBC__
    (void)malloc_trim(0); /* the document of many tunnels was many small pieces: they go back to the system */
#endif
}

static void answer_explain(struct gateway *g, struct client *client, const char *text)
{
    char why[512], *answer = NULL;
    size_t len = 0;
    struct explain_query query;
    const struct explain_input input = {
        .spd = &g->config->spd,
        .connections = g->tables.connections,
        .guard = g->config->gateway.guard,
        .rules = shards_rules(g->shards),
        .sad = g->sad,
        .ike = g->ike,
        .visit = ike_visit,
    };
    if (explain_query_parse(bytes_of(text, strlen(text)), &query, why, sizeof why) != OK) {
        control_error(client, "%s", why);
        return;
    }
    FILE *out = open_memstream(&answer, &len);
    if (out != NULL)
        explain(&input, &query, out);
    if (out != NULL && fclose(out) == 0)
        control_ok(client, answer, len);
    else
        control_error(client, "out of memory");
    free(answer);
}

static void answer_reload(struct gateway *g, struct client *client)
{
    char *said;
    bool done = gateway_reload(g, &said);
    if (said == NULL)
        control_error(client, "out of memory");
    else if (done)
        control_ok(client, said, strlen(said));
    else
        control_error(client, "%s", said);
    free(said);
}

/* --- up, down, rekey --- */

static void answer_done(struct gateway *g, struct client *client, enum request_verb verb, uint32_t connection,
                        const struct command_view *view)
{
    static const char *const words[] = {[REQUEST_UP] = "up", [REQUEST_DOWN] = "down", [REQUEST_REKEY] = "renewed"};
    char text[CONNECTION_NAME_MAX + 64];
    int len = snprintf(text, sizeof text, "connection %s is %s", g->tables.connections[connection].name, words[verb]);
    if (verb != REQUEST_DOWN)
        len += snprintf(text + len, sizeof text - (size_t)len, ", %zu of %zu rules have a tunnel", view->rules_up,
                        view->rules);
    text[len++] = '\n';
    control_ok(client, text, (size_t)len);
}

void gateway_judge_commands(struct gateway *g)
{
    bool looked = false;
    for (size_t i = 0; i < COMMANDS_MAX; i++) {
        struct command *command = &g->commands.items[i];
        if (command->client == NULL)
            continue;
        if (!looked)
            gateway_look(g);
        looked = true;
        const struct command_view *view = &g->tables.states[command->connection].view;
        enum command_outcome outcome = command_judge(command, view, gateway_now(g));
        struct client *client = command->client;
        if (outcome == COMMAND_PENDING)
            continue;
        command_end(command);
        if (outcome == COMMAND_DONE)
            answer_done(g, client, command->verb, command->connection, view);
        else
            control_error(client, "%s", command->why);
    }
}

void gateway_end_commands(struct gateway *g)
{
    gateway_judge_commands(g);
    for (size_t i = 0; i < COMMANDS_MAX; i++) {
        struct client *client = g->commands.items[i].client;
        if (client == NULL)
            continue;
        command_end(&g->commands.items[i]);
        control_error(client, "esptun is stopping");
    }
}

static enum status ask_ike(struct gateway *g, enum request_verb verb, uint32_t connection, const char **why)
{
    switch (verb) {
    case REQUEST_UP: return ike_up(g->ike, gateway_now(g), connection, why);
    case REQUEST_DOWN: return ike_down(g->ike, gateway_now(g), connection, why);
    case REQUEST_REKEY: return ike_rekey(g->ike, gateway_now(g), connection, why);
    case REQUEST_STATUS:
    case REQUEST_RELOAD:
    case REQUEST_LOG:
    case REQUEST_MONITOR:
    case REQUEST_EXPLAIN: break;
    }
    return ERR_STATE;
}

/* True when the answer is known without asking IKE; then it was given. */
static bool answer_at_once(struct gateway *g, struct client *client, enum request_verb verb, uint32_t connection,
                           const struct command_view *view)
{
    const char *name = g->tables.connections[connection].name;
    if (view->rules == 0 && verb != REQUEST_DOWN) {
        control_error(client, "connection %s has no protect rule in [acl], so there is nothing to negotiate", name);
        return true;
    }
    if (verb == REQUEST_REKEY && view->children == 0) {
        control_error(client, "connection %s is not up; esptun up %s", name, name);
        return true;
    }
    bool done = (verb == REQUEST_UP && view->rules_up == view->rules) ||
                (verb == REQUEST_DOWN && view->children == 0 && view->sas == 0);
    if (done)
        answer_done(g, client, verb, connection, view);
    return done;
}

static void start_command(struct gateway *g, struct client *client, enum request_verb verb, uint32_t connection)
{
    gateway_look(g);
    const struct command_view *view = &g->tables.states[connection].view;
    if (answer_at_once(g, client, verb, connection, view))
        return;
    /* Before IKE is asked: an outcome can come at once. */
    struct command *command = command_start(&g->commands, client, verb, connection, view->children, gateway_now(g));
    if (command == NULL) {
        control_error(client, "too many commands wait for an outcome; try again later");
        return;
    }
    const char *why = "";
    enum status status = ask_ike(g, verb, connection, &why);
    if (status != OK) {
        command_end(command);
        control_error(client, "%s", why != NULL && *why != '\0' ? why : status_text(status));
    }
    g->look_at_commands = true;
}

static int find_connection(const struct gateway *g, const char *name)
{
    for (size_t i = 0; i < g->config->connection_count; i++)
        if (strcmp(g->tables.connections[i].name, name) == 0)
            return (int)i;
    return -1;
}

static void on_request(void *arg, struct client *client, const struct request *request)
{
    struct gateway *g = arg;
    int connection = find_connection(g, request->name);
    if (g->stopping)
        control_error(client, "esptun is stopping");
    else if (request->verb == REQUEST_STATUS)
        answer_status(g, client);
    else if (request->verb == REQUEST_EXPLAIN)
        answer_explain(g, client, request->text);
    else if (request->verb == REQUEST_RELOAD)
        answer_reload(g, client);
    else if (request->verb == REQUEST_LOG)
        gateway_set_log_level(g, client, request);
    else if (request->verb == REQUEST_MONITOR)
        gateway_monitor_add(g, client);
    else if (connection < 0)
        control_error(client, "no connection is named '%s'; add a section [connection %s], or correct the name",
                      request->name, request->name);
    else
        start_command(g, client, request->verb, (uint32_t)connection);
    gateway_settle(g);
}

static void on_gone(void *arg, struct client *client)
{
    struct gateway *g = arg;
    commands_forget(&g->commands, client);
    gateway_monitor_gone(g, client);
}

static void on_room(void *arg, struct client *client)
{
    gateway_monitor_room(arg, client);
}

enum status gateway_open_control(struct gateway *g, char *why, size_t why_len)
{
    const struct control_setup setup = {.loop = &g->loop.uv,
                                        .path = g->control_path,
                                        .log = g->log,
                                        .arg = g,
                                        .request = on_request,
                                        .gone = on_gone,
                                        .room = on_room};
    return control_open(&setup, &g->control, why, why_len);
}
