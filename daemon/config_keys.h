/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of the configuration as one table: what the parser takes, what `check` prints, what the manual says. */
#ifndef DAEMON_CONFIG_KEYS_H
#define DAEMON_CONFIG_KEYS_H

#include "daemon/config_source.h"

/* What the second stage works on. */
struct config_load {
    struct config *config; /* being built */
    struct config_source source;
    struct config_errors *errors;
    struct vault *vault;
    int64_t now;                                    /* seconds since 1970: certificates that have expired */
    struct secret key_password;                     /* of the connection at hand */
    const struct config_section *with_certificates; /* the last connection whose files were good */
    bool same_certificates;       /* the one at hand names the same files: they are shared, not read */
    bool others_can_read;         /* the file */
    char value[CONFIG_VALUE_MAX]; /* of the entry at hand, ${NAME} expanded; wiped at the end */
};

/* One key with its text, on its way into target. */
struct config_item {
    const struct config_key *key;
    unsigned line;
    const char *text;      /* expanded */
    bool from_environment; /* all of it that is secret, if anything is, comes from ${NAME} */
    bool continued;
    void *target; /* struct gateway_config or struct connection; the ACL has none */
};

/* Takes the text over into the target; false when it reported an error. */
typedef bool config_apply(struct config_load *load, const struct config_item *item);

struct config_key {
    enum section_kind section;
    const char *name;
    config_apply *apply;
    const char *fallback; /* the default, as text; NULL: none */
    bool required, repeats;
    const char *help;  /* what may stand there, in a few words; of apply_later: what to do instead */
    const char *words; /* of a choice: "trap|start|none", in the order of its enum; of a bool: true first */
    const char *later; /* words that will be choices in a later version: refused by name */
    size_t offset;     /* in the target */
    uint64_t min, max; /* of numbers, seconds and bytes */
};

enum { CONFIG_KEYS_MAX = 80 };

/* In the order in which they are applied; NULL past the end. */
const struct config_key *config_key_at(size_t i);

/* The index of a key, or -1. */
int config_key_find(enum section_kind section, const char *name);

/* The known key of the section that is spelled most like name, without regard to case; NULL when none comes near. */
const char *config_key_nearest(enum section_kind section, const char *name);

/* The keys of a section that this version knows, for a message: "tun, mtu, ...". Returns out. */
enum { CONFIG_KEYS_TEXT = 768 };
const char *config_keys_print(enum section_kind section, char out[CONFIG_KEYS_TEXT]);

/* "[gateway]", "[connection NAME]", "[acl]". */
const char *config_section_title(enum section_kind section);

#endif
