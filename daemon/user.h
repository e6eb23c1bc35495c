/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users of this system, of /etc/passwd and /etc/group alone: whom other services know is not looked up at the start of
 * a gateway, and static binaries cannot load what asks them.
 */
#ifndef DAEMON_USER_H
#define DAEMON_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/status.h"

enum { USER_GROUPS_MAX = 256 };

struct user {
    uid_t uid;
    gid_t gid, groups[USER_GROUPS_MAX]; /* gid is the first of them */
    size_t group_count;
};

/* ERR_NOT_FOUND, ERR_MEMORY: why says what would be right. */
MUST_USE enum status user_find(const char *name, struct user *out, char *why, size_t why_len);

bool user_is_us(const struct user *user); /* already */

/* With its groups, for good. Capabilities go as the kernel has it when the user changes. False with errno. */
MUST_USE bool user_become(const struct user *user);

#endif
