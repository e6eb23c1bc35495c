/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of esp share: all suites, two SAs that face each other, inner packets. */
#ifndef TEST_UNIT_ESP_ESP_TEST_H
#define TEST_UNIT_ESP_ESP_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "esp/open.h"
#include "esp/seal.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

enum { SUITES_MAX = 96, KEY_MAX = 128, SMALL_BUFFER = 2048 + PACKET_HEADROOM + PACKET_TAILROOM };

/* All that esp must carry; the list of suites below is made from the tables and must hold these. */
static const struct aead_suite required_suites[] = {
    {ENCR_AES_CBC, 128, INTEG_HMAC_SHA1_96, false},      {ENCR_AES_CBC, 192, INTEG_HMAC_SHA1_96, false},
    {ENCR_AES_CBC, 256, INTEG_HMAC_SHA1_96, false},      {ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_256_128, false},
    {ENCR_AES_CBC, 192, INTEG_HMAC_SHA2_256_128, false}, {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_256_128, false},
    {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_384_192, false}, {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_512_256, false},
    {ENCR_AES_GCM_16, 128, INTEG_NONE, false},           {ENCR_AES_GCM_16, 256, INTEG_NONE, false},
    {ENCR_CHACHA20_POLY1305, 256, INTEG_NONE, false},
};

static inline size_t add_suite(struct aead_suite *out, size_t n, enum encr encr, uint16_t bits, enum integ integ)
{
    struct aead_suite suite = {encr, bits, integ, false};
    struct aead_shape shape;
    if (n < SUITES_MAX && aead_shape(&suite, &shape) == OK)
        out[n++] = suite;
    return n;
}

/* Every combination that the crypto room offers, without ESN. */
static inline size_t all_suites(struct aead_suite out[SUITES_MAX])
{
    size_t n = 0;
    for (size_t e = 0; encr_at(e) != NULL; e++) {
        const struct encr_info *encr = encr_at(e);
        for (size_t k = 0; k < COUNT(encr->key_bits); k++) {
            if (k > 0 && encr->key_bits[k] == 0)
                break;
            if (encr->aead)
                n = add_suite(out, n, encr->id, encr->key_bits[k], INTEG_NONE);
            for (size_t i = 0; !encr->aead && integ_at(i) != NULL; i++)
                n = add_suite(out, n, encr->id, encr->key_bits[k], integ_at(i)->id);
        }
    }
    return n;
}

/* left seals, right opens (and the other way round). */
struct pair {
    struct random_seeded seed;
    struct random random;
    uint8_t key[2][KEY_MAX];
    struct child child[2];
    struct sa *left, *right;
};

static inline struct selector any_selector(uint8_t family)
{
    return (struct selector){
        .local = range_any(family),
        .remote = range_any(family),
        .local_port = port_any(),
        .remote_port = port_any(),
    };
}

static inline struct child child_of(const struct aead_suite *suite, struct bytes in, struct bytes out)
{
    return (struct child){
        .id = 1,
        .connection = "test",
        .spi_in = 0xc0ffee01,
        .spi_out = 0xc0ffee02,
        .suite = {.encr = (uint16_t)suite->encr, .key_bits = suite->key_bits, .integ = (uint16_t)suite->integ},
        .esn = suite->esn,
        .selector = any_selector(4),
        .key_in = {.data = (uint8_t *)(uintptr_t)in.data, .len = in.len},
        .key_out = {.data = (uint8_t *)(uintptr_t)out.data, .len = out.len},
        .replay_window = 64,
    };
}

/* Keys, and a child for each end; change the children before pair_start(). */
static inline void pair_prepare(struct pair *pair, const struct aead_suite *suite, uint8_t family)
{
    *pair = (struct pair){0};
    pair->random = random_of_seed(&pair->seed, 4303);
    size_t len = esp_keymat_len(suite->encr, suite->key_bits, suite->integ);
    assert_in_range(len, 1, KEY_MAX);
    assert_int_equal(random_fill(&pair->random, pair->key, sizeof pair->key), OK);
    struct bytes a = bytes_of(pair->key[0], len), b = bytes_of(pair->key[1], len);
    pair->child[0] = child_of(suite, a, b);
    pair->child[1] = child_of(suite, b, a);
    pair->child[1].spi_in = pair->child[0].spi_out;
    pair->child[1].spi_out = pair->child[0].spi_in;
    pair->child[0].selector = pair->child[1].selector = any_selector(family);
}

static inline void pair_start(struct pair *pair)
{
    assert_int_equal(sa_new(&pair->child[0], NULL, &pair->random, &pair->left), OK);
    assert_int_equal(sa_new(&pair->child[1], NULL, &pair->random, &pair->right), OK);
}

static inline void pair_open(struct pair *pair, const struct aead_suite *suite, uint8_t family)
{
    pair_prepare(pair, suite, family);
    pair_start(pair);
}

static inline void pair_close(struct pair *pair)
{
    sa_free(pair->left);
    sa_free(pair->right);
}

/* A well-formed inner packet of exactly len bytes (20 or 40 at least); what lies behind the header depends on seed. */
static inline void make_inner(uint8_t *out, uint8_t family, size_t len, unsigned seed)
{
    size_t header = family == 4 ? 20 : 40;
    memset(out, 0, header);
    if (family == 4) {
        static const uint8_t source[] = {10, 1, 0, 2}, destination[] = {10, 2, 0, 3};
        out[0] = 0x45;
        store_u16(out + 2, (uint16_t)len);
        out[8] = 64;
        out[9] = 253; /* for experiments: no ports to look for */
        memcpy(out + 12, source, 4);
        memcpy(out + 16, destination, 4);
    } else {
        out[0] = 0x60;
        store_u16(out + 4, (uint16_t)(len - 40));
        out[6] = 253;
        out[7] = 64;
        memset(out + 8, 0x20, 16);
        memset(out + 24, 0x21, 16);
    }
    for (size_t i = header; i < len; i++)
        out[i] = (uint8_t)(i * 7 + seed * 13);
}

static inline struct packet packet_with(uint8_t *buffer, size_t capacity, const void *bytes, size_t len)
{
    struct packet p = packet_of(buffer, capacity, PACKET_HEADROOM);
    uint8_t *at = packet_append(&p, len);
    assert_non_null(at);
    if (len > 0)
        memcpy(at, bytes, len);
    return p;
}

static inline struct packet inner_packet(uint8_t *buffer, size_t capacity, uint8_t family, size_t len, unsigned seed)
{
    struct packet p = packet_of(buffer, capacity, PACKET_HEADROOM);
    uint8_t *at = packet_append(&p, len);
    assert_non_null(at);
    make_inner(at, family, len, seed);
    return p;
}

static inline enum drop seal_one(struct sa *sa, struct packet *p)
{
    enum drop why = DROP_COUNT;
    esp_seal(sa, &p, &why, 1);
    return why;
}

static inline enum drop open_one(struct sa *sa, struct packet *p)
{
    struct flow flow;
    enum drop why = DROP_COUNT;
    esp_open(sa, NULL, &p, &flow, &why, 1);
    return why;
}

/* Authentic ESP around any text, which may be one that esp_seal would never make. len: a multiple of the block. */
static inline struct packet craft(struct sa *sa, uint64_t sequence, const void *text, size_t len, uint8_t *buffer,
                                  size_t capacity)
{
    struct packet p = packet_of(buffer, capacity, PACKET_HEADROOM);
    uint8_t *esp = packet_append(&p, (size_t)AEAD_HEADER + sa->shape.iv + len + sa->shape.icv);
    assert_non_null(esp);
    assert_int_equal(len % sa->shape.block, 0);
    store_u32(esp, sa->spi_out);
    store_u32(esp + 4, (uint32_t)sequence);
    memcpy(esp + AEAD_HEADER + sa->shape.iv, text, len);
    struct aead_job job = {
        .esp = esp,
        .text_len = (uint32_t)len,
        .sequence_high = sa->esn ? (uint32_t)(sequence >> 32) : 0,
    };
    aead_seal(sa->seal, &job, 1);
    assert_true(job.ok);
    return p;
}

#endif
