/* SPDX-License-Identifier: Apache-2.0 */
/* Remote access in the configuration: XAUTH and mode-config, of a server and of a client. */
#ifndef DAEMON_CONFIG_ACCESS_H
#define DAEMON_CONFIG_ACCESS_H

#include "daemon/config_keys.h"

/* What the keys of one connection must be together. entry: of each key, NULL where it is absent; line: of the section.
 */
void access_check(struct config_load *load, const struct connection *c, const struct config_entry *const *entry,
                  unsigned line);

/* What connections and rules must be together, when all are there. */
void access_review(struct config_load *load, const struct connection *c, unsigned line);

/* What the connection's auth is, in the word of the configuration. */
const char *config_auth_name(const struct connection *c);

/* The keys in force but auth, for `check`. */
void access_print(const struct connection *c, FILE *out);

#endif
