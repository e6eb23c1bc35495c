/* SPDX-License-Identifier: Apache-2.0 */
#include "test/inner.h"
#include "test/unit/unit_test.h"

#include "esp/header.h"

enum { NOT_ECT, ECT1, ECT0, CE, GONE };

/* RFC 6040 4.2, figure 4, as it is printed there: the rows are inner fields, the columns outer ones. */
static const struct {
    unsigned inner, outer, expected;
} figure4[] = {
    {NOT_ECT, NOT_ECT, NOT_ECT}, {NOT_ECT, ECT0, NOT_ECT}, {NOT_ECT, ECT1, NOT_ECT}, {NOT_ECT, CE, GONE},
    {ECT0, NOT_ECT, ECT0},       {ECT0, ECT0, ECT0},       {ECT0, ECT1, ECT1},       {ECT0, CE, CE},
    {ECT1, NOT_ECT, ECT1},       {ECT1, ECT0, ECT1},       {ECT1, ECT1, ECT1},       {ECT1, CE, CE},
    {CE, NOT_ECT, CE},           {CE, ECT0, CE},           {CE, ECT1, CE},           {CE, CE, CE},
};

static void make_ipv4(uint8_t ip[20], unsigned tos, unsigned fragment, unsigned id)
{
    memset(ip, 0, 20);
    ip[0] = 0x45;
    ip[1] = (uint8_t)tos;
    store_u16(ip + 2, 20);
    store_u16(ip + 4, (uint16_t)id);
    store_u16(ip + 6, (uint16_t)fragment);
    ip[8] = 64;
    ip[9] = 17;
    memcpy(ip + 12, "\x0a\x01\x00\x02\x0a\x03\x00\x09", 8);
    store_u16(ip + 10, (uint16_t)(0xffff - naive_sum(0, ip, 20)));
}

/* Every other bit is set, to see that it stays. */
static void make_ipv6(uint8_t ip[40], unsigned tos)
{
    memset(ip, 0xff, 40);
    ip[0] = (uint8_t)(0x60 | tos >> 4);
    ip[1] = (uint8_t)((tos & 15) << 4 | 15);
}

static const unsigned codes[] = {NOT_ECT, ECT1, ECT0, CE};

static unsigned expected_ecn(unsigned inner, unsigned outer)
{
    for (size_t i = 0; i < COUNT(figure4); i++)
        if (figure4[i].inner == inner && figure4[i].outer == outer)
            return figure4[i].expected;
    fail_msg("no row for %u, %u", inner, outer);
    return GONE;
}

/* 256 inner bytes by 256 outer ones: the whole table, whatever the DSCPs are. */
static void test_merge_ipv4(void **state)
{
    (void)state;
    for (unsigned inner = 0; inner < 256; inner++) {
        for (unsigned outer = 0; outer < 256; outer++) {
            uint8_t ip[20], before[20];
            make_ipv4(ip, inner, 0, inner * 256 + outer);
            memcpy(before, ip, sizeof ip);
            unsigned expected = expected_ecn(inner & 3, outer & 3);
            assert_int_equal(header_merge_ecn(ip, (uint8_t)outer), expected != GONE);
            if (expected != GONE)
                make_ipv4(before, (inner & 0xfc) | expected, 0, inner * 256 + outer);
            assert_memory_equal(ip, before, sizeof ip);
        }
    }
}

static void test_merge_ipv6(void **state)
{
    (void)state;
    for (unsigned inner = 0; inner < 256; inner++) {
        for (unsigned outer = 0; outer < 256; outer++) {
            uint8_t ip[40], expected_ip[40];
            make_ipv6(ip, inner);
            unsigned expected = expected_ecn(inner & 3, outer & 3);
            make_ipv6(expected_ip, expected == GONE ? inner : (inner & 0xfc) | expected);
            assert_int_equal(header_merge_ecn(ip, (uint8_t)outer), expected != GONE);
            assert_memory_equal(ip, expected_ip, sizeof ip);
        }
    }
}

/* Each value that the header checksum can have, 0 among them, by the identification; each cell that changes a field. */
static void test_merge_checksum_sweep(void **state)
{
    (void)state;
    for (unsigned id = 0; id <= 0xffff; id++) {
        for (size_t i = 0; i < COUNT(figure4); i++) {
            if (figure4[i].expected == GONE)
                continue;
            uint8_t ip[20], expected[20];
            make_ipv4(ip, figure4[i].inner, 0, id);
            make_ipv4(expected, figure4[i].expected, 0, id);
            assert_true(header_merge_ecn(ip, (uint8_t)figure4[i].outer));
            assert_memory_equal(ip, expected, sizeof ip);
        }
    }
}

/* A wrong checksum is not made right: the packet was broken before it came to us. 0xffff, the other zero, is right. */
static void test_merge_wrong_checksum(void **state)
{
    (void)state;
    for (unsigned error = 0; error < 0xffff; error++) {
        uint8_t ip[20];
        make_ipv4(ip, ECT0, 0, 7);
        store_u16(ip + 10, (uint16_t)(load_u16(ip + 10) + error));
        uint32_t before = naive_sum(0, ip, sizeof ip);
        assert_true(header_merge_ecn(ip, CE));
        assert_int_equal(naive_sum(0, ip, sizeof ip), before);
    }
    unsigned id = 0;
    uint8_t ip[20];
    do
        make_ipv4(ip, ECT0, 0, id++);
    while (load_u16(ip + 10) != 0);
    store_u16(ip + 10, 0xffff);
    assert_true(header_merge_ecn(ip, CE));
    assert_int_equal(naive_sum(0, ip, sizeof ip), 0xffff);
}

static void test_outer_tos(void **state)
{
    (void)state;
    for (unsigned tos = 0; tos < 256; tos++) {
        for (uint32_t dscp = 0; dscp <= DSCP_COPY; dscp++) {
            for (size_t ecn = 0; ecn < 2; ecn++) {
                struct tunnel tunnel = {.dscp = dscp, .ecn = ecn == 1};
                unsigned expected = (dscp == DSCP_COPY ? tos / 4 : dscp) * 4 + (ecn == 1 ? tos % 4 : 0);
                uint8_t four[20], six[40];
                make_ipv4(four, tos, 0, 0);
                make_ipv6(six, tos);
                assert_int_equal(header_outer_tos(&tunnel, four), expected);
                assert_int_equal(header_outer_tos(&tunnel, six), expected);
            }
        }
    }
}

/* What the sender's ECN gets through a whole tunnel, when the outer path marks nothing: itself. */
static void test_round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(codes); i++) {
        struct tunnel tunnel = {.dscp = DSCP_COPY, .ecn = true};
        uint8_t ip[20], before[20];
        make_ipv4(ip, 0xb8 | codes[i], 0, 1);
        memcpy(before, ip, sizeof ip);
        assert_true(header_merge_ecn(ip, header_outer_tos(&tunnel, ip)));
        assert_memory_equal(ip, before, sizeof ip);
    }
}

static void test_df(void **state)
{
    (void)state;
    static const struct {
        enum df_choice choice;
        bool clear, set, six; /* the outer DF for an inner IPv4 packet without, with DF, and for IPv6 */
    } rows[] = {
        {DF_COPY, false, true, true},
        {DF_SET, true, true, true},
        {DF_CLEAR, false, false, false},
    };
    uint8_t six[40];
    make_ipv6(six, 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tunnel tunnel = {.df = rows[i].choice};
        for (unsigned fragment = 0; fragment <= 0xffff; fragment++) {
            uint8_t four[20];
            make_ipv4(four, 0, fragment, 0);
            bool df = (fragment & 0x4000) != 0;
            assert_int_equal(header_outer_df(&tunnel, four), df ? rows[i].set : rows[i].clear);
            assert_int_equal(header_may_fragment(four), !df);
        }
        for (unsigned byte = 0; byte < 256; byte++) { /* there it is a part of next header, and means nothing */
            six[6] = (uint8_t)byte;
            assert_int_equal(header_outer_df(&tunnel, six), rows[i].six);
            assert_false(header_may_fragment(six));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merge_ipv4),
        cmocka_unit_test(test_merge_ipv6),
        cmocka_unit_test(test_merge_checksum_sweep),
        cmocka_unit_test(test_merge_wrong_checksum),
        cmocka_unit_test(test_outer_tos),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_df),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
