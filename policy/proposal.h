/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proposals: which algorithms we offer and accept. One `struct proposal` is one exact suite; alternatives are a list in
 * order of preference. Words are those of strongSwan's configuration: aes256-sha256-modp2048, aes256gcm16-ecp256,
 * chacha20poly1305, aes128ccm8, aes128ctr-sha256, aes128gmac, null-sha256, aes256gcm16-esn.
 */
#ifndef POLICY_PROPOSAL_H
#define POLICY_PROPOSAL_H

#include "base/status.h"
#include "crypto/suites.h"

enum { PROPOSALS_MAX = 32, PROPOSAL_TEXT = 96, EXPLAIN_TEXT = 2048 };

enum proposal_kind { PROPOSAL_IKE, PROPOSAL_ESP };

struct proposal {
    uint16_t encr;     /* enum encr */
    uint16_t key_bits; /* 0: the fixed size of the cipher */
    uint16_t integ;    /* enum integ; INTEG_NONE with an AEAD. IKE: follows the prf's hash */
    uint16_t prf;      /* enum prf; IKE only, PRF_NONE for ESP */
    uint16_t group;    /* enum group; ESP: GROUP_NONE without PFS */
    bool esn;          /* ESP only: 64-bit sequence numbers (RFC 4304) */
};

struct proposal_list {
    struct proposal items[PROPOSALS_MAX];
    size_t count;
};

/*
 * Parses "aes256-sha256-modp2048, aes128-sha256-ecp256" and appends. Several words of one kind in one proposal
 * (aes256-aes128-sha256-modp2048) are alternatives and expand. `allow` is a mask of enum legacy. On failure `why`
 * (always terminated) says what is wrong and what would be right, e.g. "unknown algorithm 'aes512'; ciphers are aes128,
 * ..." or "sha1 is legacy: add it to allow". For IKE: cipher (aes128, aes192, aes256, 3des), hash (sha1, sha256,
 * sha384, sha512, md5; also prfsha256), group required. For ESP: AEAD, or cipher and hash (also sha256_96); group
 * optional; esn or noesn (the default), and both of them are alternatives, esn first.
 */
MUST_USE enum status proposal_parse(enum proposal_kind kind, const char *text, uint32_t allow,
                                    struct proposal_list *out, char *why, size_t why_len);

const char *proposal_print(const struct proposal *p, char out[PROPOSAL_TEXT]); /* "aes256-sha256-modp2048" */
bool proposal_equal(const struct proposal *a, const struct proposal *b);

/* Whether `offered`, as it was read from the wire, can be `ours`. IKE has one number for HMAC-SHA2-256 whatever its
 * truncation, so that our sha256_96 fits an offered sha256: what counts then is ours. One list never has both. */
bool proposal_fits(const struct proposal *ours, const struct proposal *offered);

/*
 * Why nothing fits, for the log, several lines separated by '\n': what was offered, what is accepted, and the transform
 * that differs in the nearest pair, with the remedy ("the peer offers modp1024, a legacy group; ..."). Returns out.
 */
const char *proposal_explain(const struct proposal_list *ours, const struct proposal_list *offered, char *out,
                             size_t out_len);

/*
 * What we offer, for the person who has to find it among the settings of the peer: a line for each proposal, its
 * transforms in the words of appliances ("  aes128-sha256-modp2048: encryption aes128, hash sha256, group 14"). What
 * does not fit is counted. Returns out.
 */
const char *proposal_spell(const struct proposal_list *offer, char *out, size_t out_len);

/* The mask of enum legacy bits that p needs. */
uint32_t proposal_legacy(const struct proposal *p);

#endif
