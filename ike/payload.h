/* SPDX-License-Identifier: Apache-2.0 */
/* The chain of generic payloads (RFC 2408 3.2): read whole into a plain array, or written one by one. */
#ifndef IKE_PAYLOAD_H
#define IKE_PAYLOAD_H

#include "base/wire.h"
#include "ike/limits.h"

enum { PAYLOAD_HEADER = 4 };

enum payload_type {
    PAYLOAD_NONE = 0,
    PAYLOAD_SA = 1,
    PAYLOAD_PROPOSAL = 2,
    PAYLOAD_TRANSFORM = 3,
    PAYLOAD_KE = 4,
    PAYLOAD_ID = 5,
    PAYLOAD_CERT = 6,
    PAYLOAD_CERTREQ = 7,
    PAYLOAD_HASH = 8,
    PAYLOAD_SIG = 9,
    PAYLOAD_NONCE = 10,
    PAYLOAD_NOTIFY = 11,
    PAYLOAD_DELETE = 12,
    PAYLOAD_VENDOR = 13,
    PAYLOAD_ATTR = 14,     /* draft-ietf-ipsec-isakmp-mode-cfg-05 3.2 */
    PAYLOAD_NATD = 20,     /* RFC 3947 3.2 */
    PAYLOAD_NATOA = 21,    /* RFC 3947 5.2 */
    PAYLOAD_PRIVATE = 128, /* from here on: private use, ignored where it is not understood (RFC 2408 3.1) */
    PAYLOAD_NATD_DRAFT = 130,
    PAYLOAD_FRAGMENT = 132, /* of the vendor id "FRAGMENTATION": the whole message is this one payload */
};

struct payload {
    uint8_t type;
    struct bytes body;  /* behind the generic header */
    struct bytes whole; /* with it */
};

struct payloads {
    struct payload items[PAYLOADS_MAX];
    size_t count;
    struct bytes whole; /* the chain without padding */
};

/*
 * Walks a chain whose first payload has type `first`. All results point into `chain`. ERR_MALFORMED: a length under 4
 * or beyond the rest (B2, B3), or bytes behind the last payload (B4) unless may_pad (a decrypted message is padded to
 * the block). ERR_LIMIT: over PAYLOADS_MAX (B6).
 */
MUST_USE enum status payloads_read(uint8_t first, struct bytes chain, bool may_pad, struct payloads *out);

/* The first payload of a type from index `from` on; NULL when there is none. */
const struct payload *payload_find(const struct payloads *p, uint8_t type, size_t from);
size_t payload_count(const struct payloads *p, uint8_t type);

/* The body of the only payload of a type; empty when absent. */
struct bytes payload_body(const struct payloads *p, uint8_t type);

/* Writes a chain: each open patches the "next payload" field of its predecessor (or of the header, at next_at). */
struct chain {
    size_t next_at;   /* where the type of the coming payload goes */
    size_t opened_at; /* where the open payload begins */
};

struct chain chain_begin(size_t next_at);
void chain_open(struct chain *c, struct writer *w, uint8_t type);
void chain_close(struct chain *c, struct writer *w);
void chain_add(struct chain *c, struct writer *w, uint8_t type, struct bytes body); /* open, body, close */

#endif
