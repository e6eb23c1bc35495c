/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SA payload of IKEv1: RFC 2408 3.4 to 3.6, attribute values of RFC 2409 App. A (phase 1) and RFC 2407 4.5 (phase
 * 2) and of IANA's "IPSEC" registries behind them. Reader and writer of one format share this file.
 */
#ifndef IKE_V1_PROPOSAL_H
#define IKE_V1_PROPOSAL_H

#include "base/wire.h"
#include "ike/limits.h"
#include "policy/proposal.h"

enum { V1_PROTOCOL_ISAKMP = 1, V1_PROTOCOL_AH = 2, V1_PROTOCOL_ESP = 3 };
/* RFC 2409 App. A, RFC 4754 4. 4 and 5, encryption with RSA, are never used. */
enum v1_auth {
    V1_AUTH_PSK = 1,
    V1_AUTH_RSA = 3,
    V1_AUTH_ECDSA_256 = 9,
    V1_AUTH_ECDSA_384 = 10,
    V1_AUTH_ECDSA_521 = 11,
    V1_AUTH_XAUTH_INIT_PSK = 65001, /* draft-ietf-ipsec-isakmp-xauth-06 7.2, which has no number for ECDSA */
    V1_AUTH_XAUTH_INIT_RSA = 65005,
};
enum { V1_ENCAP_NONE = 0, V1_ENCAP_TUNNEL = 1, V1_ENCAP_UDP_TUNNEL = 3, V1_ENCAP_UDP_TUNNEL_DRAFT = 61443 };

/* One transform with the proposal that holds it: one complete alternative. */
struct v1_transform {
    struct proposal suite; /* valid when usable */
    bool usable;           /* false: an algorithm, size or attribute that we do not know, or a bundle of protocols */
    uint8_t proposal_number, number;
    uint8_t protocol;
    uint16_t auth;           /* phase 1 */
    uint16_t encap;          /* phase 2 */
    uint64_t life_seconds;   /* 0: not said */
    uint64_t life_kilobytes; /* 0: not said */
    struct bytes spi;        /* phase 2: 4 bytes */
    struct bytes raw;        /* the transform payload as received, borrowed */
};

struct v1_offer {
    struct v1_transform items[TRANSFORMS_MAX];
    size_t count;
};

/*
 * Reads the body of an SA payload. ERR_MALFORMED: structure. ERR_UNSUPPORTED: DOI or situation is not IPsec's.
 * ERR_LIMIT: over TRANSFORMS_MAX (B7). An unknown or absurd algorithm or attribute makes its own transform unusable, no
 * more (B8).
 */
MUST_USE enum status v1_offer_read(enum proposal_kind kind, struct bytes body, struct v1_offer *out);

struct v1_terms {
    enum proposal_kind kind;
    uint16_t auth;                         /* IKE */
    uint16_t encap;                        /* ESP */
    uint32_t spi;                          /* ESP: our inbound SPI */
    uint64_t life_seconds, life_kilobytes; /* 0: leave out */
};

/* Our offer: IKE as one proposal with a transform each; ESP as one proposal a suite. */
void v1_offer_write(struct writer *w, const struct v1_terms *terms, const struct proposal_list *suites);

/* The answer: the one transform that was chosen, its bytes unchanged, with our SPI (RFC 2408 4.2). */
void v1_answer_write(struct writer *w, const struct v1_terms *terms, const struct v1_transform *chosen);

/*
 * What the peer answered, checked against what we offered: exactly one transform, equal to one of ours in every
 * attribute (B29). ERR_MISMATCH otherwise. The index in `suites` goes to *index; answer->spi is the peer's.
 */
MUST_USE enum status v1_answer_check(const struct v1_offer *answer, const struct v1_terms *terms,
                                     const struct proposal_list *suites, size_t *index);

/* The first of ours, in our order, that the peer offers on our terms. NULL when there is none. */
const struct v1_transform *v1_offer_choose(const struct v1_offer *offer, const struct v1_terms *terms,
                                           const struct proposal_list *ours);

/* Which of ours a chosen transform is: what the wire leaves open (the truncation of SHA2-256), ours decides. NULL when
 * it is none. */
const struct proposal *v1_suite_of(const struct proposal_list *ours, const struct v1_transform *chosen);

/* As the wire has it, and back: the most that fits. */
uint64_t v1_kilobytes(uint64_t bytes);
uint64_t v1_bytes(uint64_t kilobytes);

/* Of two lifetimes the minimum counts (RFC 2407 4.5.4); 0: no limit. */
uint64_t v1_smaller_limit(uint64_t ours, uint64_t theirs);

/* What was offered, as far as we understand it and as it fits a list: to explain a mismatch. */
void v1_offer_list(const struct v1_offer *offer, struct proposal_list *list);

#endif
