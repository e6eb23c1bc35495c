/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of packets share: building them byte by byte. */
#ifndef TEST_UNIT_POLICY_POLICY_TEST_H
#define TEST_UNIT_POLICY_POLICY_TEST_H

#include "test/unit/unit_test.h"

enum { PACKET_MAX = 256 };

struct built {
    uint8_t data[PACKET_MAX];
    size_t len;
};

static inline void put(struct built *p, const void *data, size_t len)
{
    assert_true(len <= PACKET_MAX - p->len);
    memcpy(p->data + p->len, data, len);
    p->len += len;
}

#define PUT(p, ...) put(p, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static const uint8_t ports[8] = {0x12, 0x67, 0x01, 0xbb, 1, 2, 3, 4}; /* 4711, 443 */

/* words: header length in 4 bytes; fragment: the flags and the offset in units of 8. */
static inline struct built ipv4(uint8_t protocol, unsigned words, unsigned fragment, size_t payload)
{
    struct built p = {0};
    size_t header = (size_t)words * 4;
    assert_true(header + payload <= PACKET_MAX);
    p.len = header + payload;
    memset(p.data + 20, 1, p.len - 20); /* options: all "no operation" */
    p.data[0] = (uint8_t)(0x40 | words);
    store_u16(p.data + 2, (uint16_t)p.len);
    store_u16(p.data + 4, 0xbeef);
    store_u16(p.data + 6, (uint16_t)fragment);
    p.data[8] = 64;
    p.data[9] = protocol;
    memcpy(p.data + 12, "\x0a\x01\x00\x02\x0a\x03\x00\x09", 8);
    memcpy(p.data + header, ports, payload < sizeof ports ? payload : sizeof ports);
    return p;
}

static inline struct built ipv6(uint8_t next)
{
    struct built p = {0};
    PUT(&p, 0x60, 0, 0, 0, 0, 0, next, 64);
    PUT(&p, 0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2);
    PUT(&p, 0x20, 0x01, 0x0d, 0xb8, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9);
    return p;
}

static inline void finish(struct built *p)
{
    store_u16(p->data + 4, (uint16_t)(p->len - 40));
}

static inline enum status read_built(const struct built *p, struct flow *f, size_t *len)
{
    /* On the heap and of the exact size, so that a sanitizer sees the first byte too far. */
    uint8_t *copy = malloc(p->len > 0 ? p->len : 1);
    assert_non_null(copy);
    memcpy(copy, p->data, p->len);
    enum status status = flow_read(bytes_of(copy, p->len), f, len);
    free(copy);
    return status;
}

#endif
