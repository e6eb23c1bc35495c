/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another configuration under a running gateway. First all that can fail: the file is read and understood, memory
 * taken, sockets opened, the guard and new routes put in place. None of it takes anything away from what runs, so
 * whatever fails is taken back. Then, with the workers at rest, what cannot fail: tunnels that changed end, and the new
 * numbers are in force everywhere at once. Last, with packets flowing again, what is no longer wanted goes.
 *
 * Nothing leaves in clear on the way: the guard changes in one transaction; routes to the TUN are there before the
 * rules that want them, and go after the last rule that wanted them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/config_diff.h"
#include "daemon/gateway_state.h"
#include "daemon/reverse_path.h"

struct reload {
    struct gateway *g;
    struct config *config; /* owned: the new one, then the old one */
    struct config_diff diff;
    struct renumber numbers;
    struct gateway_tables tables; /* owned: likewise */
    struct sad_rules *sad;        /* owned, until it is in force, as are the next */
    struct shards_reload *shards;
    struct ike_reload *ike;
    struct routes_change *routes;
    bool guarded; /* the guard is the new one */
    FILE *out;    /* for who has asked */
    char why[GATEWAY_WHY];
};

/* --- what can fail --- */

static enum status load(struct reload *r)
{
    struct gateway *g = r->g;
    struct config_errors errors = {0};
    struct stat file;
    /* Whoever opens a FIFO waits for its writer, and everything with him. */
    if (stat(g->config->path, &file) == 0 && !S_ISREG(file.st_mode)) {
        fprintf(r->out,
                "nothing has changed: %s is no regular file, so it cannot be read again: start esptun with -c FILE to "
                "reload\n",
                g->config->path);
        return ERR_UNSUPPORTED;
    }
    enum status status = config_load(g->config->path, g->vault, &r->config, &errors);
    if (status == OK)
        config_errors_log(&errors, g->log);
    else
        fprintf(r->out, "nothing has changed, because the new configuration is not sound:\n");
    config_errors_print(&errors, r->out);
    config_errors_free(&errors);
    return status;
}

static enum status compare(struct reload *r)
{
    char keys[CONFIG_FIXED_TEXT];
    struct gateway *g = r->g;
    config_diff_fixed(&g->config->gateway, &r->config->gateway, keys);
    if (keys[0] != '\0') {
        (void)snprintf(r->why, sizeof r->why,
                       "a running gateway cannot change these keys of [gateway]: %s; restart esptun, or write what "
                       "they were",
                       keys);
        return ERR_STATE;
    }
    const char *hook = gateway_hooks_unknown(g, r->config);
    if (hook != NULL) {
        (void)snprintf(r->why, sizeof r->why,
                       "a running gateway starts no program that it did not know at its start: %s of 'up' or 'down'; "
                       "restart esptun",
                       hook);
        return ERR_STATE;
    }
    enum status status = config_diff_make(g->config, r->config, &r->diff);
    if (status == OK)
        r->numbers = config_diff_numbers(&r->diff);
    return status;
}

static enum status take_memory(struct reload *r)
{
    struct gateway *g = r->g;
    enum status status = gateway_tables_make(r->config, &g->tables, &r->numbers, g->log, &r->tables);
    if (status == OK)
        status = sad_rules_new(r->config->spd.count, &r->sad);
    const struct shards_change change = {.ranks = r->tables.ranks,
                                         .connections = r->config->connections,
                                         .connection_count = r->config->connection_count,
                                         .spd = &r->config->spd,
                                         .numbers = r->numbers};
    return status == OK ? shards_reload_prepare(g->shards, &change, &r->shards) : status;
}

static enum status open_sockets(struct reload *r)
{
    shards_pause_awake(r->g->shards);
    enum status status =
        shards_extend(r->g->shards, r->config->connections, r->config->connection_count, r->why, sizeof r->why);
    shards_resume(r->g->shards);
    return status;
}

/* The new ones that are needed no more. */
static void close_sockets(struct gateway *g)
{
    shards_pause_awake(g->shards);
    shards_trim(g->shards, g->config->connections, g->config->connection_count);
    shards_resume(g->shards);
}

static enum status protect(struct reload *r)
{
    struct gateway *g = r->g;
    if (r->diff.rules_same)
        return OK;
    enum status status = guard_replace(&g->guard, &r->config->spd, r->why, sizeof r->why);
    r->guarded = status == OK;
    if (status == OK && g->routes != NULL)
        status = routes_prepare(g->routes, &r->config->spd, &r->routes, r->why, sizeof r->why);
    return status;
}

static void take_back(struct reload *r)
{
    struct gateway *g = r->g;
    char why[GATEWAY_WHY] = "";
    if (r->routes != NULL)
        routes_rollback(g->routes, r->routes);
    r->routes = NULL;
    if (r->guarded && guard_replace(&g->guard, &g->config->spd, why, sizeof why) != OK)
        log_write(g->log, LOG_ERROR, "after a reload that failed, the guard is that of the new configuration: %s", why);
    close_sockets(g);
}

/* --- what cannot --- */

/* Commands see how their connections end, under the old numbers. */
static void end_what_is_gone(struct reload *r)
{
    struct gateway *g = r->g;
    ike_reload_end(g->ike, gateway_now(g), &r->numbers);
    gateway_judge_commands(g);
    for (size_t i = 0; i < COMMANDS_MAX; i++) {
        struct command *command = &g->commands.items[i];
        if (command->client == NULL || renumber_connection(&r->numbers, command->connection) != RENUMBER_GONE)
            continue;
        struct client *client = command->client;
        command_end(command);
        control_error(client, "a reload has changed or removed the connection");
    }
    commands_renumber(&g->commands, &r->numbers);
    gateway_hooks_renumber(g, &r->numbers);
}

static void put_in_force(struct reload *r)
{
    struct gateway *g = r->g;
    struct config *config = g->config;
    struct gateway_tables tables = g->tables;
    ike_reload_commit(r->ike);
    sad_renumber(g->sad, r->sad, &r->numbers);
    r->sad = NULL;
    shards_reload_commit(g->shards, r->shards);
    g->config = r->config;
    g->tables = r->tables;
    g->released_count = 0;
    g->round.connection = 0;
    g->configured_ms = gateway_now(g);
    gateway_use_log_levels(g);
    gateway_probe_mark_all(g);
    if (g->config->gateway.log_level != config->gateway.log_level) /* else what `esptun log` has set stays */
        gateway_log_everything(g, g->config->gateway.log_level);
    r->config = config;
    r->tables = tables;
}

/* What is under way between the threads still has the old numbers, and so has what follows from it. */
static void drain(struct gateway *g)
{
    do
        gateway_release_waiting(g);
    while (shards_drain(g->shards) || g->released_count > 0);
}

static enum status swap(struct reload *r)
{
    struct gateway *g = r->g;
    const struct ike_change change = {.connections = r->tables.connections,
                                      .connection_count = r->config->connection_count,
                                      .spd = &r->config->spd,
                                      .numbers = r->numbers};
    shards_pause_awake(g->shards);
    drain(g);
    enum status status = ike_reload_prepare(g->ike, &change, &r->ike);
    if (status == OK) {
        end_what_is_gone(r);
        put_in_force(r);
        shards_trim(g->shards, g->config->connections, g->config->connection_count);
    }
    shards_resume(g->shards);
    return status;
}

static void follow(struct reload *r)
{
    struct gateway *g = r->g;
    if (r->routes != NULL)
        routes_commit(g->routes, r->routes);
    r->routes = NULL;
    for (size_t i = 0; i < g->config->connection_count; i++)
        if (r->diff.fates[i] != CONNECTION_KEPT)
            gateway_path_of_connection(g, i);
    g->mtu_changed = true;
    ike_reload_start(r->ike, gateway_now(g));
    if (g->routes != NULL && !r->diff.rules_same)
        reverse_path_warn(&g->config->spd, g->tables.connections, g->config->connection_count, g->log);
}

/* --- together --- */

static enum status run(struct reload *r)
{
    char summary[CONFIG_DIFF_TEXT];
    enum status status = load(r);
    if (status != OK)
        return status;
    status = compare(r);
    if (status == OK)
        status = take_memory(r);
    if (status == OK)
        status = open_sockets(r);
    if (status == OK) {
        status = protect(r);
        if (status == OK)
            status = swap(r);
        if (status != OK)
            take_back(r);
    }
    if (status != OK) {
        fprintf(r->out, "nothing has changed: %s\n", r->why[0] != '\0' ? r->why : status_text(status));
        return status;
    }
    config_diff_print(&r->diff, summary);
    fprintf(r->out, "%s\n", summary);
    log_write(r->g->log, LOG_INFO, "configuration reloaded: %s", summary);
    follow(r);
    return OK;
}

static void free_all(struct reload *r)
{
    ike_reload_free(r->ike);
    shards_reload_free(r->shards);
    sad_rules_free(r->sad);
    gateway_tables_free(&r->tables);
    config_diff_free(&r->diff);
    config_free(r->config);
}

bool gateway_reload(struct gateway *g, char **said)
{
    size_t len;
    struct reload *r = calloc(1, sizeof *r);
    FILE *out = open_memstream(said, &len);
    bool done = false;
    if (r != NULL && out != NULL) {
        *r = (struct reload){.g = g, .out = out};
        done = run(r) == OK;
        free_all(r);
    }
    free(r);
    if (out == NULL || fclose(out) != 0)
        *said = NULL;
    loop_refresh(&g->loop);
    gateway_settle(g);
    return done;
}

void gateway_reload_by_signal(struct gateway *g)
{
    char *said, *rest;
    log_write(g->log, LOG_INFO, "SIGHUP: reading %s again", g->config->path);
    if (!gateway_reload(g, &said))
        for (char *line = said != NULL ? strtok_r(said, "\n", &rest) : NULL; line != NULL;
             line = strtok_r(NULL, "\n", &rest))
            log_write(g->log, LOG_ERROR, "%s", line);
    free(said);
}
