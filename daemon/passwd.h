/* SPDX-License-Identifier: Apache-2.0 */
/* `esptun passwd NAME`: a line for the file of `users`. */
#ifndef DAEMON_PASSWD_H
#define DAEMON_PASSWD_H

#include <stdio.h>

#include "base/status.h"

enum { PASSWD_WHY = 160 };

/* Reads the password from `in`: asked for twice without echo when it is a terminal, else its first line. Prints
 * "NAME:HASH" to out. On failure `why` says what is wrong, and what would be right. */
MUST_USE enum status passwd(const char *name, FILE *in, FILE *out, FILE *terminal, char why[PASSWD_WHY]);

#endif
