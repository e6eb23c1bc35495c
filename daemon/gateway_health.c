/* SPDX-License-Identifier: Apache-2.0 */
/* Whether connections are of use, looked at now and then; and the pages that tell it. */
#include <stdlib.h>
#include <string.h>

#include "daemon/gateway_state.h"
#include "daemon/health.h"
#include "daemon/metrics.h"

/* --- looking --- */

void gateway_health_sample(struct gateway *g)
{
    uint64_t now = gateway_now(g);
    if (now < g->health_due_ms)
        return;
    g->health_due_ms = now + HEALTH_SAMPLE_MS;
    gateway_look(g);
    for (size_t i = 0; i < g->config->connection_count; i++) {
        struct connection_state *state = &g->tables.states[i];
        health_sample(&state->flow, state->in, state->out, now);
    }
}

static enum health_probe probe_of(const struct gateway *g, size_t connection)
{
    const struct tunnel_probe *p = &g->tables.probes[connection];
    static const enum health_probe words[] = {
        [PROBE_UNKNOWN] = HEALTH_PROBE_WAITS, [PROBE_UP] = HEALTH_PROBE_ANSWERED, [PROBE_DOWN] = HEALTH_PROBE_FAILS};
    if (g->tables.connections[connection].probe.family == 0)
        return HEALTH_NOT_PROBED;
    return p->source.family == 0 ? HEALTH_PROBE_HOMELESS : words[p->state];
}

static bool judge(const struct gateway *g, size_t connection, char why[HEALTH_WHY])
{
    const struct connection_state *state = &g->tables.states[connection];
    const struct health_view view = {.rules = state->view.rules,
                                     .rules_up = state->view.rules_up,
                                     .flow = &state->flow,
                                     .probe = probe_of(g, connection),
                                     .probe_lost = g->tables.probes[connection].lost};
    return health_judge(&view, gateway_now(g), why);
}

/* --- pages --- */

enum { PAGE_LIFE_MS = 200 };

static const char plain[] = "text/plain; charset=utf-8";

static void text_page(struct http_page *page, unsigned code, const char *type, char *body, size_t len)
{
    *page = (struct http_page){.code = code, .type = type, .body = body, .len = len};
}

static void metrics_page(struct gateway *g, struct http_page *page)
{
    struct status_scratch scratch;
    struct status_input status;
    size_t count = g->config->connection_count, len = 0;
    struct metrics_connection *how = calloc(count + 1, sizeof *how);
    char why[HEALTH_WHY], *text = NULL;
    gateway_status_input(g, &scratch, &status);
    gateway_look(g);
    for (size_t i = 0; how != NULL && i < count; i++)
        how[i] = (struct metrics_connection){.required = g->tables.connections[i].required,
                                             .healthy = judge(g, i, why),
                                             .rules = g->tables.states[i].view.rules,
                                             .rules_up = g->tables.states[i].view.rules_up};
    const struct metrics_input input = {.status = &status, .connections = how, .visit = ike_visit, .ike = g->ike};
    if (how != NULL)
        text = metrics_text(&input, &len);
    free(how);
    text_page(page, 200, "text/plain; version=0.0.4; charset=utf-8", text, len);
}

/* The process answers: that is all. A peer that is away is no reason to start it again. */
static void alive_page(const struct gateway *g, struct http_page *page)
{
    char *text = strdup(g->stopping ? "stopping\n" : "ok\n");
    text_page(page, g->stopping ? 503 : 200, plain, text, text != NULL ? strlen(text) : 0);
}

static bool write_readiness(struct gateway *g, FILE *out)
{
    bool ready = true;
    size_t required = 0;
    char why[HEALTH_WHY];
    for (size_t i = 0; i < g->config->connection_count; i++) {
        if (!g->tables.connections[i].required)
            continue;
        bool good = judge(g, i, why);
        fprintf(out, "%s: %s%s\n", g->tables.connections[i].name, good ? "ready" : "not ready: ", why);
        ready &= good;
        required++;
    }
    if (required == 0)
        fprintf(out, "ready: no connection is marked required = yes\n");
    return ready;
}

static void ready_page(struct gateway *g, struct http_page *page)
{
    char *text = NULL;
    size_t len = 0;
    bool ready = false;
    FILE *out = open_memstream(&text, &len);
    gateway_look(g);
    if (out != NULL)
        ready = write_readiness(g, out);
    if (out != NULL && fclose(out) != 0) {
        free(text);
        text = NULL;
    }
    text_page(page, ready ? 200 : 503, plain, text, len);
}

/* To make these pages all SAs are looked at, and whoever may ask may ask without a pause: within a moment he gets the
 * same one again. */
static void serve(struct gateway *g, struct kept_page *kept, void (*make)(struct gateway *g, struct http_page *page),
                  struct http_page *page)
{
    if (gateway_now(g) >= kept->until_ms) {
        free(kept->page.body);
        make(g, &kept->page);
        kept->until_ms = gateway_now(g) + PAGE_LIFE_MS;
    }
    *page = kept->page;
    page->body = kept->page.body != NULL ? malloc(kept->page.len + 1) : NULL;
    if (page->body != NULL)
        memcpy(page->body, kept->page.body, kept->page.len);
}

static bool on_page(void *arg, const char *path, struct http_page *page)
{
    struct gateway *g = arg;
    if (strcmp(path, "/metrics") == 0)
        serve(g, &g->metrics_page, metrics_page, page);
    else if (strcmp(path, "/healthz") == 0)
        alive_page(g, page);
    else if (strcmp(path, "/readyz") == 0)
        serve(g, &g->ready_page, ready_page, page);
    else
        return false;
    return true;
}

/* --- the whole --- */

enum status gateway_open_health(struct gateway *g, char *why, size_t why_len)
{
    const struct http_setup setup = {
        .loop = &g->loop.uv, .at = g->config->gateway.metrics, .log = g->log, .arg = g, .page = on_page};
    char at[ENDPOINT_TEXT];
    g->health_due_ms = DEADLINE_NEVER;
    if (setup.at.address.family == 0)
        return OK;
    enum status status = http_open(&setup, &g->http, why, why_len);
    if (status != OK)
        return status;
    g->health_due_ms = 0;
    log_write(g->log, LOG_INFO, "metrics and health are at http://%s", endpoint_print(&setup.at, at));
    return OK;
}

void gateway_close_health(struct gateway *g)
{
    http_close(g->http);
    g->http = NULL;
    free(g->metrics_page.page.body);
    free(g->ready_page.page.body);
}
