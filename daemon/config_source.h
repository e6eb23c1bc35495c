/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First stage of the configuration: text to sections and entries, each with its line. inih splits the lines; it knows
 * no line numbers, cuts long section names and long lines in silence, so the reader that feeds it watches over that.
 */
#ifndef DAEMON_CONFIG_SOURCE_H
#define DAEMON_CONFIG_SOURCE_H

#include "base/table.h"
#include "base/wire.h"
#include "daemon/config.h"

enum section_kind { SECTION_GATEWAY, SECTION_CONNECTION, SECTION_ACL, SECTION_KINDS };

enum { CONFIG_SECTIONS_MAX = 16384, SECTION_LABEL = CONNECTION_NAME_MAX + 12 };

struct config_section {
    enum section_kind kind;
    char label[SECTION_LABEL]; /* "gateway", "acl", "connection NAME": the key of the table */
    const char *name;          /* of a connection: the NAME inside label */
    unsigned line;
    bool skip;         /* unknown or a duplicate, already reported: its keys are not looked at */
    size_t first, end; /* its entries */
    uint32_t index;    /* of a connection: its place in config->connections; set by config.c */
    UT_hash_handle hh;
};

struct config_entry {
    unsigned line;
    bool continued;    /* over several lines, which were joined with one space */
    const char *key;   /* borrowed from the source's text */
    const char *value; /* likewise; as written, ${NAME} not expanded */
};

struct config_source {
    struct config_section *sections; /* owned, in the order of the file */
    size_t section_count, section_capacity;
    struct config_section *by_label; /* table over sections */
    struct config_entry *entries;    /* owned, in the order of the file */
    size_t entry_count, entry_capacity;
    char *text; /* owned; wiped when freed, since it may hold a psk */
    size_t text_len, text_capacity;
};

/* Fills *out, which the caller frees also after a failure. What is wrong with a line goes to errors, and reading goes
 * on. Only ERR_MEMORY ends it. */
MUST_USE enum status config_source_read(struct bytes text, struct config_source *out, struct config_errors *errors);
void config_source_free(struct config_source *source);

/* NULL when there is no such section, or only a broken one. */
const struct config_section *config_source_find(const struct config_source *source, const char *label);

/* The first entry of the section with this key, as written; NULL: none. */
const struct config_entry *config_source_entry(const struct config_source *source, const struct config_section *section,
                                               const char *key);

#endif
