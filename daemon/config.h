/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration file: INI text in, validated connections and rules out. Reading goes on after an error, so that
 * one run of `esptun check` tells all of them; nothing is ever ignored in silence.
 */
#ifndef DAEMON_CONFIG_H
#define DAEMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/log.h"
#include "base/status.h"
#include "crypto/aead.h"
#include "crypto/secret.h"
#include "policy/connection.h"
#include "policy/spd.h"

#define CONFIG_PATH_DEFAULT    "/etc/esptun/esptun.ini"
#define CONFIG_CONTROL_DEFAULT "/run/esptun.sock"

enum {
    CONFIG_SIZE_MAX = 8 << 20,  /* bytes of the file: 100,000 rules and 10,000 connections */
    CONFIG_VALUE_MAX = 16384,   /* bytes of one value, continuation lines joined and ${NAME} expanded */
    CONFIG_MESSAGES_MAX = 100,  /* errors and warnings that are kept; further ones are only counted */
    CONFIG_MESSAGE_TEXT = 1024, /* bytes of one message */
    CONFIG_CONTROL_MAX = 108,   /* sun_path with its terminator */
    CONFIG_TUN_MAX = 16,        /* IFNAMSIZ; "fd:2147483647" is shorter */
    CONFIG_USER_MAX = 33,       /* useradd takes 32 bytes */
};

enum log_format { LOG_TEXT, LOG_JSON };

struct gateway_config {
    char tun[CONFIG_TUN_MAX];
    uint32_t mtu;          /* 0: auto */
    uint32_t workers;      /* 0: auto */
    bool routes;           /* install the routes of protect rules */
    bool tun_offload;      /* super-packets on the TUN */
    bool udp_gso, udp_gro; /* several datagrams in one call, out and in */
    enum aead_choice crypto;
    bool guard; /* netfilter rules that hold even when this process is gone */
    char control[CONFIG_CONTROL_MAX];
    struct endpoint metrics; /* where metrics and health are served; family 0: nowhere */
    enum log_level log_level;
    enum log_format log_format;
    char user[CONFIG_USER_MAX]; /* to become after the start; "": nobody else */
    bool sandbox;               /* filter system calls and files after the start */
};

/* Where the configuration and the files that it names lie, each once. */
struct config_folders {
    char **items; /* owned, as are the texts */
    size_t count;
};

/* Owns all that it points to, secrets included; freed by config_free. Never changes once loaded. */
struct config {
    struct gateway_config gateway;
    struct connection *connections;
    size_t connection_count;
    struct spd spd;
    char *path; /* of the file, as given */
    struct config_folders folders;
};

struct config_message {
    unsigned line; /* 0: the file as a whole */
    bool warning;
    char *text; /* escaped: safe to print; holds no secret */
};

/* Zero-initialised is empty. */
struct config_errors {
    char *path;
    struct config_message *items; /* sorted by line after config_load */
    size_t count;
    size_t errors, warnings; /* all of them, also those beyond CONFIG_MESSAGES_MAX */
};

/*
 * Reads the file at path. On OK *out is the caller's, and *errors holds at most warnings. Otherwise *out is NULL, and
 * *errors says why with at least one error: ERR_IO when the file cannot be read, ERR_MEMORY, else ERR_MALFORMED. The
 * caller frees *errors either way.
 */
MUST_USE enum status config_load(const char *path, struct vault *vault, struct config **out,
                                 struct config_errors *errors);

/* The same from memory. `path` names the text in messages, and relative psk_file paths start at its folder.
 * `others_can_read` tells whether the text may hold a secret. */
MUST_USE enum status config_load_text(const char *path, struct bytes text, bool others_can_read, struct vault *vault,
                                      struct config **out, struct config_errors *errors);

/* Harmless with NULL. */
void config_free(struct config *config);

/* The effective policy, for `check`: every key with the value in force, rules in order, no secret. */
void config_print(const struct config *config, FILE *out);

/* One line each: "FILE:LINE: text" or "FILE:LINE: warning: text". */
void config_errors_print(const struct config_errors *errors, FILE *out);

/* The warnings, as log lines. */
void config_errors_log(const struct config_errors *errors, const struct log *log);

void config_errors_free(struct config_errors *errors);

/*
 * Only the control socket of the file at path, for commands that talk to a running daemon: other keys and their errors
 * are not looked at, and no secret is read. ERR_IO: no such file or not readable. The default where the key is absent.
 */
MUST_USE enum status config_control_path(const char *path, char out[CONFIG_CONTROL_MAX]);

#endif
