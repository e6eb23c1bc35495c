/* SPDX-License-Identifier: Apache-2.0 */
/* Who may log in: names with hashed passwords. One user a line, "NAME:HASH", as `esptun passwd NAME` writes it. */
#ifndef POLICY_USERS_H
#define POLICY_USERS_H

#include <stddef.h>

#include "base/wire.h"

enum { USER_NAME_MAX = 63, USERS_MAX = 65536 };

struct users;

/* Empty lines and lines that begin with # are skipped. On failure *line and `why` say where and what is wrong, and what
 * would be right; *line is 0 for the text as a whole. */
MUST_USE enum status users_read(struct bytes text, struct users **out, unsigned *line, char *why, size_t why_len);
void users_free(struct users *users); /* harmless with NULL */

size_t users_count(const struct users *users);

/* The hash of this user's password; NULL: there is no such user. Borrowed. Names are compared byte by byte. */
const char *users_find(const struct users *users, struct bytes name);

/* 1 to USER_NAME_MAX printable ASCII characters without blank and colon, so that it fits a line and a log. */
bool user_name_is_sound(struct bytes name);

#endif
