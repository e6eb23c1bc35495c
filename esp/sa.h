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

/*
 * What one key carries at most in one direction, whatever is configured; renewal is asked for at KEY_SOFT_PERCENT of
 * it.
 *
 * KEY_BYTES_64: ciphers with blocks of 64 bits (3DES). 2^23 blocks, of which two are alike with a chance of 2^-19: CBC
 * then shows the XOR of two texts (Sweet32: Bhargavan and Leurent, CCS 2016, took about 2^36 blocks). NIST SP 800-67r2
 * would stop at 2^20 blocks, which at 100 Mbit/s is a new key in every second; OpenVPN too took 64 MiB.
 * KEY_BYTES_128: AES in every mode. 2^42 blocks: the advantage of who tells the text from random, blocks^2 / 2^129,
 * stays below 2^-44 (draft-irtf-cfrg-aead-limits). NIST SP 800-38D 8.3 adds a limit of 2^32 packets for GCM only where
 * IVs are not deterministic; ours are (8.2.1: salt and sequence number), so that 64-bit numbers are not cut to 32 bits.
 * KEY_PACKETS_ICV_64: ICVs of 8 bytes. 2^32 packets is what SP 800-38D App. C leaves for packets of up to 2 KiB; it
 * bites only with ESN.
 * ChaCha20 (RFC 9001 6.6: no limit before the numbers end) and HMAC alone need none.
 */
#define KEY_BYTES_64       (UINT64_C(1) << 26)
#define KEY_BYTES_128      (UINT64_C(1) << 46)
#define KEY_PACKETS_ICV_64 (UINT64_C(1) << 32)
enum { KEY_SOFT_PERCENT = 75 };

/*
 * RFC 4303 A3: over 2^32 packets lost in a row, and no packet verifies any more, for the high half that the window
 * infers is behind. After so many failures without a success, up to ESN_RESYNC_PACKETS packets of a batch are tried
 * again with the next few high halves. Then the count starts anew, somewhere below its half, whatever came of it: so
 * forged packets cost at most ESN_RESYNC_PACKETS * ESN_RESYNC_TRIES more in each batch, and a quarter more in the long
 * run; and where a part p of the packets is genuine, about 1 / p trials find the high half again.
 */
enum { ESN_RESYNC_FAILURES = 64, ESN_RESYNC_PACKETS = 2, ESN_RESYNC_TRIES = 4, ESN_RESYNC_PACKET_MAX = 9216 };

struct sa_counters {
    counter packets, bytes;                           /* bytes: inner packets */
    counter replay, auth_failed, selector, malformed; /* inbound only */
};

/*
 * One worker, the owner, seals and opens with an SA; others only find it. What it does not say below is set before
 * anybody can find it, and stays.
 */
struct sa {
    uint64_t child_id;
    uint32_t rule;
    uint32_t spi_in, spi_out;
    bool udp, esn;
    bool ports;    /* the selector names ports: fragments need the ports of their first */
    uint8_t shard; /* the owner: see sad_set_shards */
    struct selector selector;
    struct tunnel tunnel;
    struct aead_shape shape;
    uint64_t sequence_soft, sequence_hard;
    uint64_t soft_bytes, hard_bytes; /* per direction; 0: none */
    uint64_t soft_packets, hard_packets;
    /* By the control thread, while all workers are at rest. */
    bool outbound; /* may seal: false until the peer has shown that it has the keys (RFC 2409 5.5: HASH(3)) */
    struct path path;
    uint32_t path_mtu;  /* outer; see esp/path_mtu.h */
    uint32_t inner_mtu; /* what fits into it, sealed; follows from path_mtu */
    uint32_t inner_max; /* what fits into an outer packet of 65,535 bytes, which is then fragmented on its way */
    bool probed;        /* answers to our own echo requests may come by it: esp/echo.h */
    /* By the owner, which alone looks at them. */
    bool no_gso;              /* the way to the peer cannot segment (daemon/udp.h) */
    bool soft_reported;       /* the soft limit was reported once */
    struct aead *seal, *open; /* owned */
    struct replay replay;
    uint64_t sequence;     /* last number used for sealing; the first packet carries 1 */
    uint32_t auth_run;     /* packets in a row whose ICV did not verify */
    uint64_t resync_state; /* which packets are tried again */
    /* By the owner; others may look at any time. */
    _Atomic bool dead; /* a hard limit was reached: seals and opens nothing */
    struct sa_counters in, out;
};

/* Builds from a child (copies what it needs; the child's keys stay the caller's). library (see crypto/aead.h; NULL: the
 * portable one) and random must outlive the SA. */
MUST_USE enum status sa_new(const struct child *child, const struct aead_library *library, const struct random *random,
                            struct sa **out);
void sa_free(struct sa *sa); /* wipes */

/* Bytes that sealing adds to an inner packet of inner_len: ESP header, IV, padding, trailer, ICV (not the outer IP and
 * UDP). */
uint32_t sa_overhead(const struct sa *sa, uint32_t inner_len);

/* Bytes of the outer IP header, and of UDP's. */
uint32_t outer_headers(uint8_t family, bool udp);

/* The largest inner packet whose sealed form, behind outer_len bytes of outer headers, fits into path_mtu. 0 when none
 * does. */
uint32_t inner_mtu(const struct aead_shape *shape, uint32_t path_mtu, uint32_t outer_len);

/* Takes over a new path MTU: inner_mtu follows, inner_max is set too. */
void sa_set_path_mtu(struct sa *sa, uint32_t path_mtu);

/* The limit of TCP's maximum segment size in packets of this SA; 0: none (esp/mss.h). */
uint32_t sa_mss_limit(const struct sa *sa, uint8_t family);

/* True once, when a soft limit (bytes or packets either way, or sequence numbers) has been passed since: time to renew.
 */
bool sa_take_soft(struct sa *sa);

#endif
