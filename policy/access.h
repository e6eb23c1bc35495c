/* SPDX-License-Identifier: Apache-2.0 */
/* Remote access: what XAUTH and mode-config add to a connection, and what a client of it is given. Plain values. */
#ifndef POLICY_ACCESS_H
#define POLICY_ACCESS_H

#include "crypto/secret.h"
#include "policy/address.h"
#include "policy/users.h"

enum {
    ACCESS_DNS_MAX = 4,
    ACCESS_SPLIT_MAX = 32,
    ACCESS_DOMAIN = 128, /* bytes with the NUL */
    ACCESS_BANNER = 256,
    XAUTH_PASSWORD_MAX = 256,
};

/* Both sides of remote access, for arrays by family. */
enum { FAMILY_IPV4, FAMILY_IPV6, FAMILIES };

static inline unsigned family_index(const struct address *a)
{
    return a->family == 6 ? FAMILY_IPV6 : FAMILY_IPV4;
}

struct access {
    bool server; /* we ask for user and password and hand out addresses; else we are the client */
    bool push;   /* the server sets the address (SET); else the client asks for it (REQUEST) */

    /* Of the client. */
    char user[USER_NAME_MAX + 1];
    struct secret password; /* owned */

    /* Of the server. */
    struct users *users;                 /* owned */
    struct address_range pool[FAMILIES]; /* family 0: none */
    struct address dns[ACCESS_DNS_MAX];
    size_t dns_count;
    struct address_range split[ACCESS_SPLIT_MAX]; /* IPv4 prefixes */
    size_t split_count;
    char domain[ACCESS_DOMAIN], banner[ACCESS_BANNER];
};

/* Wipes and frees it; harmless with NULL. */
void access_free(struct access *access);

/* Does the server hand out addresses? */
bool access_has_pool(const struct access *access);

/* What a client has been given: the network that it is a part of. Text is as it came: escape it before it is shown. */
struct virtual_net {
    struct address address[FAMILIES]; /* family 0: none */
    struct address dns[ACCESS_DNS_MAX];
    size_t dns_count;
    struct address_range split[ACCESS_SPLIT_MAX];
    size_t split_count;
    char domain[ACCESS_DOMAIN], banner[ACCESS_BANNER];
};

#endif
