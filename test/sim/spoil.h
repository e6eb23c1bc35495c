/* SPDX-License-Identifier: Apache-2.0 */
/* What the hostile tests of either mode of phase 1 do to a message that the bench holds back. */
#ifndef TEST_SIM_SPOIL_H
#define TEST_SIM_SPOIL_H

#include "test/sim/bench.h"

/* --- the bench in aggressive mode --- */

/* Which datagrams of a connection are which, counted per sender. */
enum { FIRST = 0, THIRD, REPLY = 0 };

static inline struct bench *aggressive_until(int from, unsigned nth)
{
    struct bench *b = bench_until(from, nth);
    end(b, I)->connection.mode = end(b, R)->connection.mode = MODE_AGGRESSIVE;
    return b;
}

static inline struct bench *aggressive_at(int from, unsigned nth)
{
    struct bench *b = aggressive_until(from, nth);
    bench_go(b);
    return b;
}

/* --- B9: values of a key exchange that are none --- */

static inline void use_group(struct bench *b, const char *ike)
{
    char why[256];
    for (int i = 0; i < RIG_ENDS; i++) {
        end(b, i)->connection.ike.count = 0;
        assert_int_equal(proposal_parse(PROPOSAL_IKE, ike, ~0u, &end(b, i)->connection.ike, why, sizeof why), OK);
    }
}

enum ke_fault { KE_ZERO, KE_ONE, KE_MINUS_ONE, KE_ALL_ONES, KE_OFF_CURVE, KE_FAULTS };

/* p - 1 of the MODP groups: p ends with 64 one bits, so that only the last byte changes. */
static inline void spoil(uint8_t *ke, size_t len, enum ke_fault fault, uint8_t *p_minus_1)
{
    switch (fault) {
    case KE_ZERO: memset(ke, 0, len); break;
    case KE_ONE:
        memset(ke, 0, len);
        ke[len - 1] = 1;
        break;
    case KE_MINUS_ONE:
        if (p_minus_1 != NULL)
            memcpy(ke, p_minus_1, len);
        break;
    case KE_ALL_ONES: memset(ke, 0xff, len); break;
    default: ke[len / 2] ^= 1; break;
    }
}

/* modp1024 (RFC 2409 6.2), less one. */
static inline void modp1024_minus_1(uint8_t out[128])
{
    static const char hex[] = "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74"
                              "020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437"
                              "4fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed"
                              "ee386bfb5a899fa5ae9f24117c4b1fe649286651ece65381ffffffffffffffff";
    for (size_t i = 0; i < 128; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], 0};
        out[i] = (uint8_t)strtoul(two, NULL, 16);
    }
    out[127] = 0xfe;
}

/* RFC 7748 6.1, and the list of small orders: all give the shared secret zero. */
static const uint8_t low_order[][32] = {
    {0},
    {1},
    {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
     0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
    {0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
     0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    {0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
};

/* --- B16, B19 --- */

/* The request of the initiator that was held back, a thousand times within ten seconds. */
static inline void a_thousand_times(struct bench *b)
{
    struct rig_datagram request = b->hold.datagram;
    deliver_right(b);
    const struct rig_datagram *sent = rig_sent(b->rig, R, 0);
    assert_non_null(sent);
    struct rig_datagram answer = *sent;
    unsigned before = end(b, R)->sent;
    struct snapshot was = snapshot(b, R);
    for (unsigned i = 0; i < 1000; i++) {
        b->rig->now_ms += 1;
        unsigned count = end(b, R)->sent;
        rig_inject(b->rig, R, request.path.local.port, bytes_of(request.data, request.len));
        if (end(b, R)->sent != count) {
            const struct rig_datagram *again = rig_sent(b->rig, R, 0);
            assert_int_equal(again->len, answer.len);
            assert_memory_equal(again->data, answer.data, answer.len);
        }
    }
    assert_true(end(b, R)->sent > before);
    assert_true(end(b, R)->sent - before <= 1000 / REPEAT_EVERY + 1);
    assert_true(rig_drops(end(b, R), IKE_DROP_RATE) >= 990);
    unchanged(b, R, &was);
    the_right_one_succeeds(b);
}

/* Every byte behind the header in turn, and the flags, spoiled. The right one must still be welcome. */
static inline void corrupt_then_right(struct bench *b)
{
    int to = 1 - b->hold.from;
    struct snapshot was = snapshot(b, to);
    for (size_t at = IKE_HEADER_LEN; at < b->hold.datagram.len; at++) {
        struct rig_datagram spoiled = b->hold.datagram;
        spoiled.data[at] ^= 0x55;
        deliver(b, spoiled.data, spoiled.len);
        struct snapshot now = snapshot(b, to);
        if (now.state != was.state || memcmp(now.iv, was.iv, IV_MAX) != 0)
            fail_msg("byte %zu of %zu was not noticed", at, b->hold.datagram.len);
    }
    for (size_t len = 0; len < b->hold.datagram.len; len += 7)
        deliver(b, b->hold.datagram.data, len);
    struct rig_datagram clear = b->hold.datagram;
    clear.data[19] &= (uint8_t)~FLAG_ENCRYPTION;
    deliver(b, clear.data, clear.len);
    unchanged(b, to, &was);
    the_right_one_succeeds(b);
}

#endif
