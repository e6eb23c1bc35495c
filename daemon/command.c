/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/command.h"

#include <stdio.h>

struct command *command_start(struct commands *commands, void *client, enum request_verb verb, uint32_t connection,
                              size_t children, uint64_t now_ms)
{
    for (size_t i = 0; i < COMMANDS_MAX; i++) {
        struct command *c = &commands->items[i];
        if (c->client != NULL)
            continue;
        *c = (struct command){.client = client, .verb = verb, .connection = connection};
        c->deadline_ms = now_ms + COMMAND_LIFE_MS;
        c->to_renew = children;
        return c;
    }
    return NULL;
}

/* The end of something is what `down` wants, and what `up` and `rekey` fear. */
static bool is_failure(const struct command *c, enum ike_event_kind kind)
{
    if (kind == IKE_EVENT_PHASE1_FAILED || kind == IKE_EVENT_CHILD_FAILED)
        return c->verb != REQUEST_DOWN;
    return kind == IKE_EVENT_PHASE1_DOWN && c->verb == REQUEST_REKEY && c->to_renew > 0;
}

void commands_note(struct commands *commands, const struct ike_event *event)
{
    for (size_t i = 0; i < COMMANDS_MAX; i++) {
        struct command *c = &commands->items[i];
        if (c->client == NULL || c->connection != event->connection || c->failed)
            continue;
        if (event->kind == IKE_EVENT_CHILD_REKEYED && c->to_renew > 0)
            c->to_renew--;
        if (!is_failure(c, event->kind))
            continue;
        const char *why = event->why != NULL && *event->why != '\0' ? event->why : "the negotiation failed";
        (void)snprintf(c->why, sizeof c->why, "%s", why);
        c->failed = true;
    }
}

static bool is_done(const struct command *c, const struct command_view *view)
{
    switch (c->verb) {
    case REQUEST_UP: return view->rules_up == view->rules;
    case REQUEST_DOWN: return view->children == 0 && view->sas == 0;
    case REQUEST_REKEY: return c->to_renew == 0;
    case REQUEST_STATUS:
    case REQUEST_RELOAD:
    case REQUEST_LOG:
    case REQUEST_MONITOR:
    case REQUEST_EXPLAIN: break;
    }
    return true;
}

enum command_outcome command_judge(struct command *c, const struct command_view *view, uint64_t now_ms)
{
    /* A failed phase 1 beside one that came up in the meantime is not the last word. */
    if (is_done(c, view))
        return COMMAND_DONE;
    if (!c->failed && now_ms >= c->deadline_ms) {
        (void)snprintf(c->why, sizeof c->why, "no outcome within %d seconds; esptun status shows how far it came",
                       COMMAND_LIFE_MS / 1000);
        c->failed = true;
    }
    return c->failed ? COMMAND_FAILED : COMMAND_PENDING;
}

void command_end(struct command *c)
{
    c->client = NULL;
}

void commands_renumber(struct commands *commands, const struct renumber *numbers)
{
    for (size_t i = 0; i < COMMANDS_MAX; i++)
        if (commands->items[i].client != NULL)
            commands->items[i].connection = renumber_connection(numbers, commands->items[i].connection);
}

void commands_forget(struct commands *commands, const void *client)
{
    for (size_t i = 0; i < COMMANDS_MAX; i++)
        if (commands->items[i].client == client)
            command_end(&commands->items[i]);
}

uint64_t commands_next(const struct commands *commands)
{
    uint64_t next = DEADLINE_NEVER;
    for (size_t i = 0; i < COMMANDS_MAX; i++)
        if (commands->items[i].client != NULL && commands->items[i].deadline_ms < next)
            next = commands->items[i].deadline_ms;
    return next;
}
