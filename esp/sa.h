/* SPDX-License-Identifier: Apache-2.0 */
/* A pair of IPsec SAs with keys, window, counters and limits, made from a child of ike. */
#ifndef ESP_SA_H
#define ESP_SA_H

#include "crypto/aead.h"
#include "esp/drop.h"
#include "esp/replay.h"
#include "policy/child.h"

/* The last usable number is 2^32 - 1 (2^64 - 1 with ESN): it never wraps (RFC 4303 3.3.3). Renewal is asked for at this
 * fraction of the space, well before. */
enum { SEQUENCE_SOFT_PERCENT = 75 };

struct sa_counters {
    uint64_t packets, bytes;                           /* bytes: inner packets */
    uint64_t replay, auth_failed, selector, malformed; /* inbound only */
};

struct sa {
    uint64_t child_id;
    uint32_t rule;
    uint32_t spi_in, spi_out;
    bool udp, esn;
    bool outbound;      /* may seal: false until the peer has shown that it has the keys (RFC 2409 5.5: HASH(3)) */
    bool soft_reported; /* the soft limit was reported once */
    bool dead;          /* a hard limit was reached: seals and opens nothing */
    struct path path;
    struct selector selector;
    struct aead_shape shape;
    struct aead *seal, *open; /* owned */
    struct replay replay;
    uint64_t sequence; /* last number used for sealing; the first packet carries 1 */
    uint64_t sequence_soft, sequence_hard;
    uint64_t soft_bytes, hard_bytes; /* per direction; 0: none */
    struct sa_counters in, out;
};

/* Builds from a child (copies what it needs; the child's keys stay the caller's). random must outlive the SA. */
MUST_USE enum status sa_new(const struct child *child, const struct random *random, struct sa **out);
void sa_free(struct sa *sa); /* wipes */

/* Bytes that sealing adds to an inner packet of inner_len: ESP header, IV, padding, trailer, ICV (not the outer IP and
 * UDP). */
uint32_t sa_overhead(const struct sa *sa, uint32_t inner_len);

/* The largest inner packet whose sealed form, behind outer_len bytes of outer IP and UDP headers, fits into path_mtu. 0
 * when none does. */
uint32_t sa_inner_mtu(const struct sa *sa, uint32_t path_mtu, uint32_t outer_len);

/* True once, when a soft limit (bytes either way, or sequence numbers) has been passed since: time to renew. */
bool sa_take_soft(struct sa *sa);

#endif
