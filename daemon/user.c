/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/user.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_OF_USERS = 65536 };

static bool read_user(const char *name, struct user *out, char *buffer)
{
    struct passwd entry, *found = NULL;
    FILE *file = fopen("/etc/passwd", "re");
    bool here = false;
    while (file != NULL && !here && fgetpwent_r(file, &entry, buffer, LINE_MAX_OF_USERS, &found) == 0)
        here = strcmp(entry.pw_name, name) == 0;
    if (here)
        *out = (struct user){.uid = entry.pw_uid, .gid = entry.pw_gid, .groups = {entry.pw_gid}, .group_count = 1};
    if (file != NULL)
        (void)fclose(file);
    return here;
}

static bool has_member(const struct group *group, const char *name)
{
    for (char *const *member = group->gr_mem; *member != NULL; member++)
        if (strcmp(*member, name) == 0)
            return true;
    return false;
}

static void read_groups(const char *name, struct user *user, char *buffer)
{
    struct group entry, *found = NULL;
    FILE *file = fopen("/etc/group", "re");
    while (file != NULL && user->group_count < USER_GROUPS_MAX &&
           fgetgrent_r(file, &entry, buffer, LINE_MAX_OF_USERS, &found) == 0)
        if (entry.gr_gid != user->gid && has_member(&entry, name))
            user->groups[user->group_count++] = entry.gr_gid;
    if (file != NULL)
        (void)fclose(file);
}

enum status user_find(const char *name, struct user *out, char *why, size_t why_len)
{
    char *buffer = malloc(LINE_MAX_OF_USERS);
    if (buffer == NULL) {
        (void)snprintf(why, why_len, "no memory to read /etc/passwd");
        return ERR_MEMORY;
    }
    bool here = read_user(name, out, buffer);
    if (here)
        read_groups(name, out, buffer);
    free(buffer);
    if (here)
        return OK;
    (void)snprintf(why, why_len,
                   "there is no user '%s' in /etc/passwd: make it (adduser --system --group %s), or change 'user' in "
                   "[gateway]",
                   name, name);
    return ERR_NOT_FOUND;
}

bool user_is_us(const struct user *user)
{
    return getuid() == user->uid && geteuid() == user->uid;
}

/* The groups first: afterwards there is no right to. */
bool user_become(const struct user *user)
{
    if (user_is_us(user))
        return true;
    return setgroups(user->group_count, user->groups) == 0 && setresgid(user->gid, user->gid, user->gid) == 0 &&
           setresuid(user->uid, user->uid, user->uid) == 0;
}
