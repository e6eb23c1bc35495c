/* SPDX-License-Identifier: Apache-2.0 */
/* The name by which an IKE peer is known: the ID payloads of phase 1 (RFC 2407 4.6.2.1), the same numbers in IKEv2. */
#ifndef POLICY_IDENTITY_H
#define POLICY_IDENTITY_H

#include "base/wire.h"
#include "policy/address.h"

enum identity_type {
    ID_NONE = 0, /* configuration only: "the address of that end" */
    ID_IPV4_ADDR = 1,
    ID_FQDN = 2,
    ID_USER_FQDN = 3,
    ID_IPV6_ADDR = 5,
    ID_DER_ASN1_DN = 9,
    ID_KEY_ID = 11,
};

enum { IDENTITY_MAX = 512, IDENTITY_TEXT = 256 };

struct identity {
    uint8_t type;
    uint16_t len;
    uint8_t data[IDENTITY_MAX];
};

/* "192.0.2.1", "gw.example.org", "user@example.org", "@gw" (the @ forces a name), "keyid:TEXT", and distinguished
 * names: "C=CH, O=Example, CN=gw" (crypto/dn.h). ERR_UNSUPPORTED: a distinguished name that cannot be read. ERR_LIMIT:
 * too long. */
MUST_USE enum status identity_parse(const char *text, struct identity *out);

struct identity identity_of_address(const struct address *a);

/* The body of an ID payload, behind type, protocol and port. Checks the length and content of the type: an address has
 * its exact size, names are 1 to IDENTITY_MAX bytes without NUL. ERR_UNSUPPORTED: unknown type. */
MUST_USE enum status identity_read(unsigned type, struct bytes body, struct identity *out);

/* A distinguished name in DER, as a certificate has it. ERR_LIMIT: too long; ERR_MALFORMED: unsound, or empty. */
MUST_USE enum status identity_of_dn(struct bytes der, struct identity *out);

/* Type and bytes; names without regard to case, distinguished names as dn_equal compares them. */
bool identity_equal(const struct identity *a, const struct identity *b);

/* Bytes for a hash table: the same for identities that are equal. Returns how many. */
size_t identity_fold(const struct identity *id, uint8_t out[IDENTITY_MAX]);

/* Escaped text that may be logged. Returns out. */
const char *identity_print(const struct identity *id, char out[IDENTITY_TEXT]);

#endif
