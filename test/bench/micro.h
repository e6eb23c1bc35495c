/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of bench_micro share: a trial is one row of its table.
 *   micro.c         turns, medians, the table
 *   micro_cipher.c  aead alone, and the bare loops over one library call: the control
 *   micro_stage.c   what a packet meets beside the cipher
 *   micro_engine.c  esp_seal, esp_open, and the whole way between TUN and socket
 *   micro_inner.c   inner packets
 */
#ifndef TEST_BENCH_MICRO_H
#define TEST_BENCH_MICRO_H

#include "base/packet.h"
#include "crypto/aead.h"
#include "crypto/random.h"
#include "policy/spd.h"
#include "tun/vnet.h"

enum {
    MICRO_NAME = 48,
    MICRO_BATCH_MAX = AEAD_BATCH_MAX,
    MICRO_SMALL = 64, /* bytes of an inner packet */
    MICRO_LARGE = 1400,
    MICRO_SLOT = 1600 + PACKET_TAILROOM, /* bytes from packet to packet: room for a sealed one */
};

struct trial {
    char subject[MICRO_NAME], by[MICRO_NAME]; /* suite, protocol or size of a table; back end */
    const char *what;
    size_t bytes;                                   /* of the inner packet */
    void (*prepare)(struct trial *t, size_t batch); /* before each run, outside the clock; may be NULL */
    size_t (*run)(struct trial *t, size_t batch);   /* by the clock; returns for how many packets */
    void (*free)(void *state);                      /* may be NULL */
    void *state;
    double *ns; /* per packet, by round */
};

/* A new trial with these names, its other members zero. */
struct trial *trial_new(const char *subject, const char *by, const char *what, size_t bytes);

/* Says what failed, and ends the program. A benchmark of what does not work tells nothing. */
_Noreturn void micro_fail(const char *what);

struct micro_library {
    const struct aead_library *library; /* NULL: the portable one */
    const struct random *random;
};

struct micro_suite {
    const char *name;
    bool engine; /* measured as a whole too, not only the cipher */
    struct aead_suite suite;
};

extern const struct micro_suite micro_suites[];
extern const size_t micro_suite_count;

/* Suites that both libraries serve by the same back end are measured once. */
bool micro_shown_before(const struct micro_library *m, const struct aead_suite *suite);

void add_bare(void);
void add_ciphers(const struct micro_library *m, const char *filter);
void add_stages(const struct random *random);
void add_engine(const struct micro_library *m, const char *filter);

/* The row that the engine is measured against, and the engine's own. */
bool is_bare(const struct trial *t);
bool is_engine(const struct trial *t);

/* --- inner packets --- */

/* An IPv4 packet of exactly len bytes with right checksums, from 10.1.0.2 to 10.2.0.3: TCP number `at` of a stream of
 * such segments, or UDP. */
void inner_tcp(uint8_t *out, size_t len, uint32_t at);
void inner_udp(uint8_t *out, size_t len);

/* What a TUN gives of TCP: up to 64 KiB, to be split into packets of `segment` bytes, all full. Returns the length. */
size_t inner_super(uint8_t *out, size_t segment, struct vnet *vnet);

enum { INNER_RULES_MAX = 100000 };

/* An SPD whose last rule protects these packets, compiled; the others differ from it, and from each other, in the
 * remote side. */
void inner_spd(struct spd *spd, size_t rules, const struct random *random);

#endif
