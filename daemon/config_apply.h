/* SPDX-License-Identifier: Apache-2.0 */
/* How each kind of key gets into its target: the column `apply` of the table of keys. */
#ifndef DAEMON_CONFIG_APPLY_H
#define DAEMON_CONFIG_APPLY_H

#include "daemon/config_keys.h"

config_apply apply_word;           /* an enum, by its place in words */
config_apply apply_yes_no;         /* a bool: true for the first of words */
config_apply apply_profile;        /* before all other keys of [connection] */
config_apply apply_fixed;          /* words that change nothing: other values come with a later version */
config_apply apply_later;          /* a key that comes with a later version: refused by name, with the help */
config_apply apply_auto_or_number; /* a uint32_t, 0 for auto */
config_apply apply_number;         /* a uint32_t */
config_apply apply_duration;       /* a uint64_t of seconds */
config_apply apply_bytes;          /* a uint64_t, 0 for none */
config_apply apply_count;          /* a uint64_t, 0 for none */
config_apply apply_dscp;           /* a uint32_t, DSCP_COPY for copy */
config_apply apply_mss;            /* a uint32_t, MSS_AUTO, MSS_OFF or the limit */
config_apply apply_tun;
config_apply apply_control;
config_apply apply_endpoint; /* a struct endpoint, of family 0 for off */
config_apply apply_user;
config_apply apply_local;
config_apply apply_remote;
config_apply apply_identity;
config_apply apply_allow;
config_apply apply_proposals; /* after apply_allow */
config_apply apply_psk;
config_apply apply_psk_file;
config_apply apply_key_password_file;
config_apply apply_key;  /* daemon/config_credentials.c; after apply_allow and the password */
config_apply apply_cert; /* after apply_key */
config_apply apply_ca;
config_apply apply_crl;
config_apply apply_probe; /* daemon/config_probe.c: a struct address */
config_apply apply_hook;  /* daemon/config_file.c: a char *, owned */
config_apply apply_rule;  /* daemon/config_acl.c */
config_apply apply_auth;  /* daemon/config_access.c, and so are the next; they come after apply_auth */
config_apply apply_users;
config_apply apply_pool;
config_apply apply_dns;
config_apply apply_split;
config_apply apply_domain;
config_apply apply_banner;
config_apply apply_xauth_user;
config_apply apply_xauth_password;
config_apply apply_xauth_password_file;
config_apply apply_mode_config;

/* Text of the file for a message: escaped and cut. Returns out. */
enum { QUOTE_TEXT = 96 };
const char *quote(const char *text, char out[QUOTE_TEXT]);

/*
 * Replaces ${NAME} by the environment and $$ by a dollar; any other $ stays. Writes at most CONFIG_VALUE_MAX bytes.
 * On failure `why` says what is wrong. *only_environment: nothing but ${NAME} and blanks stood there.
 */
MUST_USE bool value_expand(const char *text, char *out, bool *only_environment, char *why, size_t why_len);

/* --- daemon/config_file.c --- */

struct config_file {
    uint8_t *data; /* owned */
    size_t size, len;
};

/*
 * The first `most` bytes of the file that a key names; false after it reported why not. secret: it must be open to its
 * owner alone. remedy: what to add when it cannot be opened, ": do this", or "".
 */
MUST_USE bool config_file_read(struct config_load *load, const struct config_item *item, bool secret, size_t most,
                               const char *remedy, struct config_file *out);
void config_file_free(struct config_file *file); /* wipes */

/* The folder of this file joins config->folders, also the one that a symbolic link leads to. ERR_MEMORY */
MUST_USE enum status config_note_folder(struct config *config, const char *path);
void config_folders_free(struct config_folders *folders);

/* The length of what is in it, without the line end that editors put there. */
size_t config_file_line(const struct config_file *file);

/* --- daemon/config_credentials.c --- */

/* What certificate, key and CA of a connection are together, once all its keys are there. line: of its section. */
void credentials_review(struct config_load *load, unsigned line, struct connection *c);

/* --- daemon/config_acl.c --- */

/* What is odd about the rules once all are there: rules that cannot match, connections that nothing uses. */
void acl_review(struct config_load *load);

/* The index of a connection in config->connections, or -1. */
int connection_index(const struct config_load *load, const char *name);

/* --- daemon/config_probe.c --- */

/* Whether the probe of a connection meets a rule of it, and can be sent. Needs the rules, compiled. */
void probe_review(struct config_load *load, const struct config_section *section, const struct connection *c);

/* --- daemon/config_twins.c --- */

/* Errors and warnings about connections that main mode, or aggressive mode, cannot tell apart. ERR_MEMORY. */
MUST_USE enum status twins_review(struct config_load *load);

#endif
