/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands whose outcome takes a while: `up`, `down` and `rekey` of clients that wait for an answer. The outcome is
 * read from the events of IKE and from what the connection looks like after them. Pure: no socket, no clock.
 */
#ifndef DAEMON_COMMAND_H
#define DAEMON_COMMAND_H

#include "daemon/request.h"
#include "ike/ike.h"

enum {
    COMMANDS_MAX = 64,
    COMMAND_WHY = 2048,
    /* Longer than IKE takes to call a silent peer silent, so that its words are the answer. */
    COMMAND_LIFE_MS = 90 * 1000,
};

struct command {
    void *client; /* NULL: a free place */
    enum request_verb verb;
    uint32_t connection;
    uint64_t deadline_ms;
    size_t to_renew; /* rekey: children that are still to be replaced */
    bool failed;
    char why[COMMAND_WHY];
};

struct commands {
    struct command items[COMMANDS_MAX];
};

/* What a connection looks like now. */
struct command_view {
    size_t rules;    /* protect rules */
    size_t rules_up; /* of these with an established child */
    size_t children; /* established or being renewed */
    size_t sas;      /* of IKE, in whatever state but deleting */
};

enum command_outcome { COMMAND_PENDING, COMMAND_DONE, COMMAND_FAILED };

/* NULL: all places are taken. */
struct command *command_start(struct commands *commands, void *client, enum request_verb verb, uint32_t connection,
                              size_t children, uint64_t now_ms);

/* To be called from IKE's event callback: only takes notes. */
void commands_note(struct commands *commands, const struct ike_event *event);

/* On COMMAND_FAILED command->why says why. The caller answers the client and calls command_end. */
enum command_outcome command_judge(struct command *command, const struct command_view *view, uint64_t now_ms);
void command_end(struct command *command);

/* Connections have other numbers; commands of those that are gone must have ended. */
void commands_renumber(struct commands *commands, const struct renumber *numbers);

/* The client has gone away: its command is forgotten. */
void commands_forget(struct commands *commands, const void *client);

/* When a command runs out of time, or DEADLINE_NEVER. */
uint64_t commands_next(const struct commands *commands);

#endif
