/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a reload changes: a pure function of two configurations. Connections are known by their names, rules by what
 * they say; both are compared by what they mean, not by how they are written.
 *
 * A connection is changed when anything differs that an SA of it was negotiated with, or that it was authenticated
 * with: also the pre-shared key, the private key, a client's password. Not what is asked anew each time: our
 * certificate (of the same key), authorities, revocation lists and users count from the next phase 1 on, and what
 * clients are told beside their address (dns, split, domain, banner) from their next question on.
 */
#ifndef DAEMON_CONFIG_DIFF_H
#define DAEMON_CONFIG_DIFF_H

#include "daemon/config.h"
#include "policy/renumber.h"

enum connection_fate { CONNECTION_KEPT, CONNECTION_CHANGED, CONNECTION_ADDED, CONNECTION_REMOVED, CONNECTION_FATES };

struct config_diff {
    const struct config *before, *after; /* borrowed */
    uint32_t *connections;               /* owned; by old number: the new one of the same name, or RENUMBER_GONE */
    uint32_t *kept;                      /* owned; likewise, but of changed ones RENUMBER_GONE too */
    uint32_t *rules;                     /* owned; by old number: the new one of the same rule, or RENUMBER_GONE */
    enum connection_fate *fates;         /* owned; by new number */
    size_t counts[CONNECTION_FATES];
    size_t rules_added, rules_removed;
    bool rules_same; /* all, in the same order */
};

/* ERR_MEMORY, with *out empty. */
MUST_USE enum status config_diff_make(const struct config *before, const struct config *after, struct config_diff *out);
void config_diff_free(struct config_diff *diff);

struct renumber config_diff_numbers(const struct config_diff *diff);

/* Is it the same tunnel? The name is not looked at. */
bool connection_same(const struct connection *a, const struct connection *b);

/* The keys of [gateway] that differ and that a running gateway cannot change, "tun, workers"; "" when there are none.
 * Returns out. */
enum { CONFIG_FIXED_TEXT = 256 };
const char *config_diff_fixed(const struct gateway_config *before, const struct gateway_config *after,
                              char out[CONFIG_FIXED_TEXT]);

/* "3 connections: 1 changed (branch), 0 added, 0 removed; 2 kept", and rules where some came or went. Returns out. */
enum { CONFIG_DIFF_TEXT = 2048 };
const char *config_diff_print(const struct config_diff *diff, char out[CONFIG_DIFF_TEXT]);

#endif
