/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of the smaller IKEv1 payloads: identification, notification, delete. Reader and writer side by side. */
#ifndef IKE_V1_BODY_H
#define IKE_V1_BODY_H

#include "ike/limits.h"
#include "policy/identity.h"
#include "policy/selector.h"

/* --- identification of phase 1 (RFC 2407 4.6.2) --- */

/* ERR_MALFORMED: too short, protocol and port other than 0/0 or UDP with 0, 500 or 4500; and what identity_read refuses
 * (B10). */
MUST_USE enum status v1_id_read(struct bytes body, struct identity *out);
void v1_id_write(struct writer *w, const struct identity *id);

/* --- identification of phase 2: one side of a selector --- */

struct v1_side {
    struct address_range range;
    uint8_t protocol;
    uint16_t port; /* 0: any */
};

/* Types 1, 4, 5, 6, 7 and 8. ERR_MALFORMED: a mask with holes, a range that runs backwards, a wrong length;
 * ERR_UNSUPPORTED: other types. */
MUST_USE enum status v1_side_read(struct bytes body, struct v1_side *out);

/* ERR_UNSUPPORTED: a range of ports, which IKEv1 cannot express. */
MUST_USE enum status v1_side_write(struct writer *w, const struct selector *s, bool local);

/* The selector of IDci and IDcr (RFC 2409 5.5). ERR_MALFORMED: two families, two protocols, or a port of a protocol
 * that has none. */
MUST_USE enum status v1_selector(const struct v1_side *local, const struct v1_side *remote, struct selector *out);

/* --- notification (RFC 2408 3.14) --- */

enum notify_type {
    NOTIFY_INVALID_PAYLOAD_TYPE = 1,
    NOTIFY_INVALID_COOKIE = 4,
    NOTIFY_INVALID_SPI = 11,
    NOTIFY_NO_PROPOSAL_CHOSEN = 14,
    NOTIFY_PAYLOAD_MALFORMED = 16,
    NOTIFY_INVALID_KEY_INFORMATION = 17,
    NOTIFY_INVALID_ID_INFORMATION = 18,
    NOTIFY_AUTHENTICATION_FAILED = 24,
    NOTIFY_UNSUPPORTED_EXCHANGE_TYPE = 29,
    NOTIFY_ERROR_LAST = 16383,
    NOTIFY_CONNECTED = 16384,          /* RFC 2408 3.1: the answer to the commit bit */
    NOTIFY_RESPONDER_LIFETIME = 24576, /* RFC 2407 4.6.3 */
    NOTIFY_INITIAL_CONTACT = 24578,
    NOTIFY_R_U_THERE = 36136, /* RFC 3706 5.2 */
    NOTIFY_R_U_THERE_ACK = 36137,
};

struct v1_notify {
    uint16_t type;
    uint8_t protocol;
    struct bytes spi;
    struct bytes data;
};

MUST_USE enum status v1_notify_read(struct bytes body, struct v1_notify *out);
void v1_notify_write(struct writer *w, const struct v1_notify *notify);
const char *v1_notify_name(unsigned type); /* "NO_PROPOSAL_CHOSEN", ..., "notify" when unknown. Never NULL */

/* Lifetimes in the data of RESPONDER-LIFETIME (RFC 2407 4.6.3.1); 0: not said. */
MUST_USE enum status v1_lifetime_read(struct bytes data, uint64_t *seconds, uint64_t *kilobytes);
void v1_lifetime_write(struct writer *w, uint64_t seconds, uint64_t kilobytes);
/* Phase 1 has other attribute numbers; vpnc ends itself when it meets phase 2's. */
void v1_lifetime_write_phase1(struct writer *w, uint64_t seconds);

/* --- delete (RFC 2408 3.15) --- */

struct v1_delete {
    uint8_t protocol;
    uint8_t spi_len; /* 4 for ESP, 16 for an IKE SA: checked */
    uint16_t count;  /* at most DELETE_SPIS_MAX */
    struct bytes spis;
};

MUST_USE enum status v1_delete_read(struct bytes body, struct v1_delete *out);
void v1_delete_write_esp(struct writer *w, uint32_t spi);
void v1_delete_write_ike(struct writer *w, uint64_t spi_i, uint64_t spi_r);

#endif
