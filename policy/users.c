/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/users.h"

#include <stdlib.h>
#include <string.h>

#include "base/why.h"
#include "crypto/password.h"
#include "crypto/secret.h"

struct user {
    char name[USER_NAME_MAX + 1];
    char hash[PASSWORD_HASH];
};

struct users {
    struct user *items; /* sorted by name */
    size_t count, capacity;
};

bool user_name_is_sound(struct bytes name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] <= ' ' || name.data[i] > '~' || name.data[i] == ':')
            return false;
    return name.len > 0 && name.len <= USER_NAME_MAX;
}

static enum status append(struct users *users, const struct user *user)
{
    if (users->count == USERS_MAX)
        return ERR_LIMIT;
    if (users->count == users->capacity) {
        size_t capacity = users->capacity > 0 ? users->capacity * 2 : 16;
        struct user *items = realloc(users->items, capacity * sizeof *items);
        if (items == NULL)
            return ERR_MEMORY;
        users->items = items;
        users->capacity = capacity;
    }
    users->items[users->count++] = *user;
    return OK;
}

static enum status read_line(struct users *users, const char *at, size_t len, const struct why *why)
{
    struct user user = {{0}, {0}};
    const char *colon = memchr(at, ':', len);
    if (colon == NULL)
        return why_refuse(why, ERR_MALFORMED, "there is no colon: write NAME:HASH, as `esptun passwd NAME` prints it");
    size_t name_len = (size_t)(colon - at), hash_len = len - name_len - 1;
    if (!user_name_is_sound(bytes_of(at, name_len)))
        return why_refuse(why, ERR_MALFORMED,
                          "the name before the colon must be 1 to %d printable ASCII characters without blanks",
                          USER_NAME_MAX);
    memcpy(user.name, at, name_len);
    if (hash_len < sizeof user.hash)
        memcpy(user.hash, colon + 1, hash_len);
    if (hash_len >= sizeof user.hash || !password_hash_is_sound(user.hash))
        return why_refuse(why, ERR_MALFORMED,
                          "what is behind %s: is no password hash of ours: `esptun passwd %s` prints the whole line",
                          user.name, user.name);
    enum status status = append(users, &user);
    if (status == ERR_LIMIT)
        return why_refuse(why, status, "more than %d users: split them over several connections", USERS_MAX);
    return status == OK ? OK : why_refuse(why, status, "out of memory");
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct user *)a)->name, ((const struct user *)b)->name);
}

static enum status settle(struct users *users, const struct why *why)
{
    if (users->count == 0)
        return why_refuse(why, ERR_MALFORMED, "there is no user in it: add the lines that `esptun passwd NAME` prints");
    qsort(users->items, users->count, sizeof *users->items, by_name);
    for (size_t i = 1; i < users->count; i++)
        if (strcmp(users->items[i].name, users->items[i - 1].name) == 0)
            return why_refuse(why, ERR_MALFORMED, "the user %s is there twice: remove one of the lines",
                              users->items[i].name);
    return OK;
}

enum status users_read(struct bytes text, struct users **out, unsigned *line, char *why_text, size_t why_len)
{
    const struct why why = {why_text, why_len};
    const char *at = (const char *)text.data;
    size_t left = text.len;
    struct users *users = calloc(1, sizeof *users);
    enum status status = OK;
    *out = NULL;
    *line = 0;
    if (users == NULL)
        return why_refuse(&why, ERR_MEMORY, "out of memory");
    while (status == OK && left > 0) {
        const char *newline = memchr(at, '\n', left);
        size_t whole = newline != NULL ? (size_t)(newline - at) + 1 : left, len = newline != NULL ? whole - 1 : whole;
        ++*line;
        if (len > 0 && at[len - 1] == '\r')
            len--;
        if (len > 0 && at[0] != '#')
            status = read_line(users, at, len, &why);
        at += whole;
        left -= whole;
    }
    if (status == OK) {
        *line = 0;
        status = settle(users, &why);
    }
    if (status != OK)
        users_free(users);
    else
        *out = users;
    return status;
}

void users_free(struct users *users)
{
    if (users == NULL)
        return;
    if (users->items != NULL)
        wipe(users->items, users->capacity * sizeof *users->items);
    free(users->items);
    free(users);
}

size_t users_count(const struct users *users)
{
    return users->count;
}

const char *users_find(const struct users *users, struct bytes name)
{
    struct user key = {{0}, {0}};
    if (!user_name_is_sound(name))
        return NULL;
    memcpy(key.name, name.data, name.len);
    const struct user *found = bsearch(&key, users->items, users->count, sizeof key, by_name);
    return found != NULL ? found->hash : NULL;
}
