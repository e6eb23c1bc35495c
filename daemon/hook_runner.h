/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that starts hooks, because the gateway gives up the right to start programs (daemon/privilege.h). It is
 * this program once more, executed afresh, so that nothing of the configuration is in its memory: no secret, only the
 * paths of the hooks. It has the user of the gateway, no capability, and ends with the gateway.
 */
#ifndef DAEMON_HOOK_RUNNER_H
#define DAEMON_HOOK_RUNNER_H

#include <stddef.h>

#include "base/status.h"

#define HOOK_RUNNER_VERB "hook-runner" /* of the command line; for us alone */

enum {
    HOOK_RUNNER_FD = 3,
    HOOK_PROGRAMS_MAX = 4096,
    HOOK_KILL_MS = 2000, /* between SIGTERM and SIGKILL */
    HOOK_START_MS = 5000 /* for the runner itself */
};

/* --- daemon/hook_start.c: the gateway's side --- */

struct hook_programs {
    char *const *paths; /* borrowed */
    size_t count;
};

/* Before privileges are dropped, and before there are threads. *fd: the gateway's end, non-blocking. ERR_IO, ERR_STATE:
 * why says it. */
MUST_USE enum status hook_runner_start(const struct hook_programs *programs, const char *user, int *fd, unsigned *uid,
                                       char *why, size_t why_len);

/* --- daemon/hook_runner.c: the runner's side --- */

/* argv of "esptun hook-runner USER PROGRAM...", an empty USER to stay who it is. Returns the exit code. */
int hook_runner_main(int argc, char *const argv[]);

/* --- daemon/hook_rights.c --- */

/* Becomes the user ("": stays who it is), without a capability. NULL, or what went wrong. */
const char *hook_runner_give_up_rights(const char *user);

#endif
