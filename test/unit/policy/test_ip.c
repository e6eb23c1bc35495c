/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/ip.h"

#include "policy/protocol.h"
#include "policy_test.h"

/* The pseudo-header itself, built by the book. */
static uint16_t by_the_book(const uint8_t *addresses, size_t len, uint8_t protocol, uint32_t upper_len)
{
    uint8_t pseudo[40] = {0};
    memcpy(pseudo, addresses, len);
    if (len == 8) { /* zero, protocol, length (RFC 9293 3.1) */
        pseudo[9] = protocol;
        store_u16(pseudo + 10, (uint16_t)upper_len);
        return checksum_of(pseudo, 12);
    }
    store_u32(pseudo + 32, upper_len); /* length, three zeros, next header (RFC 8200 8.1) */
    pseudo[39] = protocol;
    return checksum_of(pseudo, 40);
}

static void test_the_pseudo_header_counts(void **state)
{
    (void)state;
    static const uint8_t protocols[] = {PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_ICMPV6};
    static const uint32_t lengths[] = {0, 1, 8, 1460, 65515};
    uint8_t packet[2][IPV6_HEADER];
    for (size_t i = 0; i < IPV6_HEADER; i++) {
        packet[0][i] = (uint8_t)(i * 53 + 7);
        packet[1][i] = (uint8_t)(i * 91 + 201);
    }
    packet[0][0] = 0x45;
    packet[1][0] = 0x60;
    for (size_t p = 0; p < COUNT(protocols); p++)
        for (size_t i = 0; i < COUNT(lengths); i++) {
            assert_int_equal(checksum_finish(ip_pseudo_sum(packet[0], protocols[p], lengths[i])),
                             by_the_book(packet[0] + 12, 8, protocols[p], lengths[i]));
            assert_int_equal(checksum_finish(ip_pseudo_sum(packet[1], protocols[p], lengths[i])),
                             by_the_book(packet[1] + 8, 32, protocols[p], lengths[i]));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_pseudo_header_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
