/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks: what IKE says goes into the table of lineages, what is to run goes to the process that may start programs. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/gateway_state.h"
#include "daemon/hook_env.h"
#include "daemon/hook_message.h"
#include "daemon/hook_runner.h"
#include "daemon/hooks.h"

enum {
    NEWS_AT_ONCE = 64,  /* before packets and IKE have their turn again */
    RETRY_MS = 100,     /* the socket was full */
    FAREWELL_MS = 1200, /* for the hooks of the end: the whole has two seconds */
    GONE_MS = 200,      /* for the runner to kill what it has, and end */
    KEY_MAX = CONNECTION_NAME_MAX + 4 + SELECTOR_TEXT + IDENTITY_MAX
};

struct gateway_hooks {
    struct hooks table;
    char **paths; /* owned, as are the texts; what the runner knows, by number */
    size_t path_count;
    int fd; /* of the runner; -1: it is gone */
    uint64_t retry_ms;
};

static const char *const verbs[HOOK_VERBS] = {[HOOK_DOWN] = "down", [HOOK_UP] = "up"};

/* --- start --- */

static uint16_t number_of(const struct gateway_hooks *hooks, const char *path)
{
    for (size_t i = 0; path != NULL && i < hooks->path_count; i++)
        if (strcmp(hooks->paths[i], path) == 0)
            return (uint16_t)i;
    return HOOK_PROGRAM_NONE;
}

static bool note_path(struct gateway_hooks *hooks, const char *path)
{
    if (path == NULL || number_of(hooks, path) != HOOK_PROGRAM_NONE)
        return true;
    if (hooks->path_count == HOOK_PROGRAMS_MAX)
        return false;
    hooks->paths[hooks->path_count] = strdup(path);
    return hooks->paths[hooks->path_count++] != NULL;
}

static bool has_hooks(const struct config *config)
{
    for (size_t i = 0; i < config->connection_count; i++)
        if (config->connections[i].up != NULL || config->connections[i].down != NULL)
            return true;
    return false;
}

enum status gateway_open_hooks(struct gateway *g, char *why, size_t why_len)
{
    const struct config *config = g->config;
    bool fits = true;
    unsigned uid = 0;
    if (!has_hooks(config))
        return OK;
    g->hooks = calloc(1, sizeof *g->hooks);
    if (g->hooks == NULL)
        return ERR_MEMORY;
    struct gateway_hooks *hooks = g->hooks;
    hooks->fd = -1;
    hooks->retry_ms = DEADLINE_NEVER;
    hooks->paths = calloc(HOOK_PROGRAMS_MAX, sizeof *hooks->paths);
    if (hooks->paths == NULL || random_fill(&g->random, hooks->table.seed, HASH_SEED) != OK)
        return ERR_MEMORY;
    for (size_t i = 0; i < config->connection_count && fits; i++)
        fits = note_path(hooks, config->connections[i].up) && note_path(hooks, config->connections[i].down);
    if (!fits) {
        (void)snprintf(why, why_len, "up and down name more than %d programs: let connections share them",
                       HOOK_PROGRAMS_MAX);
        return ERR_LIMIT;
    }
    const struct hook_programs programs = {.paths = hooks->paths, .count = hooks->path_count};
    enum status status = hook_runner_start(&programs, config->gateway.user, &hooks->fd, &uid, why, why_len);
    if (status == OK)
        log_write(g->log, uid == 0 ? LOG_WARNING : LOG_INFO, "hooks run as user %u, without capabilities%s", uid,
                  uid == 0 ? ": what belongs to root is theirs; set 'user' in [gateway]" : "");
    return status;
}

/* --- what IKE says --- */

static struct bytes make_key(uint8_t out[KEY_MAX], const char *name, const struct ike_event *event)
{
    char selector[SELECTOR_TEXT];
    uint8_t folded[IDENTITY_MAX];
    struct writer w = writer_of(out, KEY_MAX);
    selector_print(&event->ends->child->selector, selector);
    write_bytes(&w, name, strlen(name) + 1); /* its number may change at a reload */
    write_bytes(&w, selector, strlen(selector) + 1);
    write_u8(&w, event->ends->who->type);
    write_bytes(&w, folded, identity_fold(event->ends->who, folded));
    return writer_bytes(&w);
}

static void child_up(struct gateway *g, const struct ike_event *event)
{
    const struct connection *c = &g->tables.connections[event->connection];
    uint8_t key[KEY_MAX], environment[HOOK_ENVIRONMENT_MAX];
    struct writer w = writer_of(environment, sizeof environment);
    if (c->up == NULL && c->down == NULL)
        return;
    hook_env_write(&w, &(struct hook_env){.connection = c, .ends = event->ends, .interface = g->device.name});
    const struct hook_what what = {
        .connection = event->connection,
        .program = {[HOOK_DOWN] = number_of(g->hooks, c->down), [HOOK_UP] = number_of(g->hooks, c->up)},
        .timeout_ms = (uint32_t)(c->hook_timeout_s * 1000),
        .ipv6 = event->ends->child->selector.local.first.family == 6,
        .environment = writer_bytes(&w)};
    enum status status = writer_finish(&w);
    if (status == OK)
        status = hooks_child_up(&g->hooks->table, event->child_id, event->old_child_id, make_key(key, c->name, event),
                                &what);
    if (status != OK)
        log_about(g->log, LOG_ERROR, event->connection, c->name, "no hook runs for a tunnel: %s", status_text(status));
}

void gateway_hooks_event(struct gateway *g, const struct ike_event *event)
{
    if (g->hooks == NULL || g->hooks->fd < 0)
        return;
    if (event->kind == IKE_EVENT_CHILD_DOWN)
        hooks_child_down(&g->hooks->table, event->child_id, gateway_now(g));
    else if (event->ends != NULL)
        child_up(g, event);
}

/* --- another configuration --- */

const char *gateway_hooks_unknown(const struct gateway *g, const struct config *config)
{
    for (size_t i = 0; i < config->connection_count; i++) {
        const char *const paths[] = {config->connections[i].up, config->connections[i].down};
        for (size_t k = 0; k < sizeof paths / sizeof *paths; k++)
            if (paths[k] != NULL && (g->hooks == NULL || number_of(g->hooks, paths[k]) == HOOK_PROGRAM_NONE))
                return paths[k];
    }
    return NULL;
}

void gateway_hooks_renumber(struct gateway *g, const struct renumber *numbers)
{
    if (g->hooks != NULL)
        hooks_renumber(&g->hooks->table, numbers);
}

/* --- what is to run --- */

static bool order(const struct gateway_hooks *hooks, const struct hook_job *job)
{
    uint8_t message[HOOK_MESSAGE_MAX], environment[HOOK_ENVIRONMENT_MAX];
    struct writer variables = writer_of(environment, sizeof environment), w = writer_of(message, sizeof message);
    hook_env_verb(&variables, job->verb == HOOK_UP, job->what->ipv6);
    write_bytes(&variables, job->what->environment.data, job->what->environment.len);
    hook_order_write(&w, &(struct hook_order){.slot = (uint8_t)job->slot,
                                              .program = job->what->program[job->verb],
                                              .timeout_ms = job->what->timeout_ms,
                                              .environment = writer_bytes(&variables)});
    return send(hooks->fd, message, w.len, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

static const char *name_of(const struct gateway *g, const struct hook_job *job)
{
    uint32_t connection = job->what->connection;
    return connection < g->config->connection_count ? g->tables.connections[connection].name : "(removed)";
}

void gateway_hooks_run(struct gateway *g)
{
    struct hook_job job;
    struct gateway_hooks *hooks = g->hooks;
    uint64_t now = gateway_now(g);
    if (hooks == NULL || hooks->fd < 0 || (hooks->retry_ms != DEADLINE_NEVER && now < hooks->retry_ms))
        return;
    hooks->retry_ms = DEADLINE_NEVER;
    while (hooks_take(&hooks->table, now, &job)) {
        if (order(hooks, &job)) {
            log_about(g->log, LOG_DEBUG, job.what->connection, name_of(g, &job), "hook %s starts", verbs[job.verb]);
            continue;
        }
        hooks_not_begun(&hooks->table, job.slot, now); /* a runner that is gone is found by reading */
        hooks->retry_ms = now + RETRY_MS;
        return;
    }
}

uint64_t gateway_hooks_next(const struct gateway *g)
{
    if (g->hooks == NULL || g->hooks->fd < 0)
        return DEADLINE_NEVER;
    uint64_t next = hooks_next(&g->hooks->table);
    return next < g->hooks->retry_ms ? next : g->hooks->retry_ms;
}

/* --- what the runner says --- */

static void say_end(struct gateway *g, const struct hook_job *job, const struct hook_news *news)
{
    const uint32_t connection = job->what->connection;
    const char *name = name_of(g, job), *verb = verbs[job->verb];
    const char *path = g->hooks->paths[job->what->program[job->verb]];
    if (news->suppressed > 0)
        log_about(g->log, LOG_WARNING, connection, name, "hook %s wrote too much: %u more lines are not shown", verb,
                  news->suppressed);
    switch (news->how) {
    case HOOK_EXITED:
        log_about(g->log, news->value == 0 ? LOG_DEBUG : LOG_WARNING, connection, name,
                  "hook %s %s: %s ended with exit code %u", verb, news->value == 0 ? "is done" : "failed", path,
                  news->value);
        break;
    case HOOK_SIGNALLED:
        log_about(g->log, LOG_WARNING, connection, name, "hook %s failed: %s was ended by signal %u (%s)", verb, path,
                  news->value, strsignal((int)(news->value & 127)));
        break;
    case HOOK_TIMED_OUT:
        log_about(g->log, LOG_WARNING, connection, name,
                  "hook %s failed: %s took longer than %u s (hook_timeout) and was killed", verb, path,
                  job->what->timeout_ms / 1000);
        break;
    case HOOK_NOT_RUN:
    case HOOK_ENDS:
        log_about(g->log, LOG_WARNING, connection, name, "hook %s failed: %s was not started: %s", verb, path,
                  strerror((int)(news->value & 0xffff)));
        break;
    }
}

/* The runner is under the eyes of the hooks: it is believed no more than they are. */
static void hear(struct gateway *g, struct bytes message)
{
    char text[4 * HOOK_LINE_MAX + 1];
    struct hook_news news;
    struct hook_job job;
    if (hook_news_read(message, &news) != OK || !hooks_at(&g->hooks->table, news.slot, &job))
        return;
    if (news.kind == HOOK_NEWS_LINE)
        log_about(g->log, LOG_INFO, job.what->connection, name_of(g, &job), "hook %s: %s", verbs[job.verb],
                  log_escape(text, sizeof text, news.text.data, news.text.len));
    if (news.kind != HOOK_NEWS_ENDED)
        return;
    say_end(g, &job, &news);
    hooks_ended(&g->hooks->table, news.slot, gateway_now(g));
}

static void runner_gone(struct gateway *g)
{
    struct gateway_hooks *hooks = g->hooks;
    loop_unwatch(&g->loop, &hooks->fd);
    close(hooks->fd);
    hooks->fd = -1;
    hooks_free(&hooks->table);
    log_write(g->log, LOG_ERROR, "the process that runs hooks has ended: no hook runs any more; restart esptun");
}

/* False: the runner is gone. */
static bool hear_all(struct gateway *g)
{
    uint8_t message[HOOK_MESSAGE_MAX];
    for (size_t i = 0; i < NEWS_AT_ONCE; i++) {
        ssize_t got = recv(g->hooks->fd, message, sizeof message, MSG_DONTWAIT);
        if (got < 0)
            return errno == EAGAIN || errno == EINTR;
        if (got == 0)
            return false;
        hear(g, bytes_of(message, (size_t)got));
    }
    return true;
}

static void on_news(void *arg, const void *subject)
{
    struct gateway *g = arg;
    (void)subject;
    if (!hear_all(g))
        runner_gone(g);
    gateway_settle(g);
}

enum status gateway_watch_hooks(struct gateway *g)
{
    return g->hooks == NULL ? OK : loop_watch(&g->loop, g->hooks->fd, on_news, g, &g->hooks->fd);
}

/* --- the end --- */

static bool wait_for_news(struct gateway *g, uint64_t until)
{
    struct pollfd wait = {.fd = g->hooks->fd, .events = POLLIN};
    loop_refresh(&g->loop);
    uint64_t now = gateway_now(g);
    if (now >= until)
        return false;
    (void)poll(&wait, 1, (int)(until - now));
    loop_refresh(&g->loop);
    return true;
}

static void say_unfinished(struct gateway *g)
{
    struct hook_job job;
    size_t waiting = hooks_waiting(&g->hooks->table);
    for (uint32_t slot = 0; slot < HOOKS_RUNNING_MAX; slot++)
        if (hooks_at(&g->hooks->table, slot, &job))
            log_about(g->log, LOG_WARNING, job.what->connection, name_of(g, &job),
                      "hook %s has not ended in time and is killed: esptun stops", verbs[job.verb]);
    if (waiting > 0)
        log_write(g->log, LOG_WARNING, "%zu %s did not run: esptun stops, and there was no time left", waiting,
                  waiting == 1 ? "hook" : "hooks");
}

void gateway_finish_hooks(struct gateway *g)
{
    struct gateway_hooks *hooks = g->hooks;
    if (hooks == NULL || hooks->fd < 0)
        return;
    loop_refresh(&g->loop);
    uint64_t until = gateway_now(g) + FAREWELL_MS;
    bool alive = true, time_left = true;
    hooks_last(&hooks->table);
    while (alive && time_left &&
           (gateway_hooks_run(g), hooks->table.running_count + hooks_waiting(&hooks->table) > 0)) {
        uint64_t next = gateway_hooks_next(g);
        time_left = wait_for_news(g, next < until ? next : until) || next < until;
        alive = hear_all(g);
    }
    say_unfinished(g);
    (void)shutdown(hooks->fd, SHUT_WR);
    loop_refresh(&g->loop);
    until = gateway_now(g) + GONE_MS;
    while (alive && wait_for_news(g, until))
        alive = hear_all(g);
}

void gateway_close_hooks(struct gateway *g)
{
    if (g->hooks == NULL)
        return;
    if (g->hooks->fd >= 0)
        close(g->hooks->fd);
    hooks_free(&g->hooks->table);
    for (size_t i = 0; g->hooks->paths != NULL && i < g->hooks->path_count; i++)
        free(g->hooks->paths[i]);
    free(g->hooks->paths);
    free(g->hooks);
    g->hooks = NULL;
}
