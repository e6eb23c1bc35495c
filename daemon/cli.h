/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: verbs, their options and their exit codes. */
#ifndef DAEMON_CLI_H
#define DAEMON_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/status.h"
#include "daemon/explain_query.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, CLI_WHY = 320 };

enum cli_verb {
    VERB_RUN,
    VERB_CHECK,
    VERB_STATUS,
    VERB_UP,
    VERB_DOWN,
    VERB_REKEY,
    VERB_GENPSK,
    VERB_PASSWD,
    VERB_RELOAD,
    VERB_EXPLAIN,
    VERB_LOG,
    VERB_MONITOR,
    VERB_HELP,
    VERB_VERSION,
};

struct cli {
    enum cli_verb verb;
    const char *config; /* -c; NULL when absent. Strings are borrowed from argv */
    const char *socket; /* -s; NULL when absent */
    const char *name;   /* of up, down, rekey, log: a connection (log: NULL for all); of passwd: a user */
    const char *level;  /* of log: a valid one */
    bool json;
    bool verbose;               /* of status */
    unsigned watch_s;           /* of status: seconds between two rounds; 0: once */
    bool explain;               /* check --explain: in plain words */
    struct explain_query query; /* of explain */
};

/* argv as main gets it. ERR_MALFORMED: `why` says what is wrong with the arguments. */
MUST_USE enum status cli_parse(int argc, char *const argv[], struct cli *out, char why[CLI_WHY]);

/* Parses, acts, and returns the exit code. */
int cli_main(int argc, char *const argv[], FILE *out, FILE *err);

#endif
