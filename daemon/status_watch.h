/* SPDX-License-Identifier: Apache-2.0 */
/* `esptun status --watch`: the table again and again, in place on a terminal, until SIGINT or SIGTERM. */
#ifndef DAEMON_STATUS_WATCH_H
#define DAEMON_STATUS_WATCH_H

#include <stdbool.h>
#include <stdio.h>

#include "base/status.h"
#include "daemon/client.h"

/* OK: a signal has ended it. Otherwise why says what is wrong. */
MUST_USE enum status status_watch(const char *socket, unsigned interval_s, bool details, FILE *out,
                                  char why[CLIENT_WHY]);

#endif
