/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration in plain words: `esptun check --explain`. */
#ifndef DAEMON_CONFIG_EXPLAIN_H
#define DAEMON_CONFIG_EXPLAIN_H

#include "daemon/config.h"

enum {
    EXPLAIN_RULES_MAX = 40, /* so many rules are told one by one; the others are counted by what they do */
    EXPLAIN_WIDTH = 100,    /* columns */
};

/*
 * What a network administrator can read aloud: a paragraph for each connection, the rules in their order, what the
 * other end must be set to, and the warnings. No secret. ERR_MEMORY: nothing was written.
 */
MUST_USE enum status config_explain(const struct config *config, const struct config_errors *errors, FILE *out);

#endif
