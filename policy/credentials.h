/* SPDX-License-Identifier: Apache-2.0 */
/* What a connection with certificates proves itself with, and whom it believes. */
#ifndef POLICY_CREDENTIALS_H
#define POLICY_CREDENTIALS_H

#include "crypto/cert.h"
#include "crypto/sign.h"
#include "crypto/trust.h"
#include "policy/identity.h"

struct credentials {
    struct sign_key *key;   /* owned; ours */
    struct cert_list chain; /* ours: first the one of the key, then what leads from it to the CA */
    struct trust *trust;    /* owned */
    uint32_t allow;         /* mask of enum legacy */
    unsigned owners;        /* connections that have it */
};

/* With a trust that believes nobody yet. */
MUST_USE enum status credentials_new(uint32_t allow, struct credentials **out);

/* One more owner; returns credentials. Thousands of connections may have one key and one CA. */
struct credentials *credentials_share(struct credentials *credentials);

/* One owner less; the last one wipes the key. Harmless with NULL. */
void credentials_free(struct credentials *credentials);

/* Whether a certificate bears the name: an address, a name or user@name in subjectAltName, a distinguished name as
 * subject. What neither can be (keyid) it never bears. */
bool credentials_name_fits(const struct cert *cert, const struct identity *id);

/*
 * Whether a peer that sent these certificates, its own first, may be believed to be id. On OK *key is the key that its
 * signature is to be checked with, the caller's to free. Otherwise ERR_AUTHENTICATION, and the reason.
 */
MUST_USE enum status credentials_check(const struct credentials *credentials, const struct cert_list *certs,
                                       const struct identity *id, int64_t unix_time, struct sign_key **key,
                                       const struct why *why);

#endif
