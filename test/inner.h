/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of inner packets share: a checksum that owes nothing to base/checksum.h, over headers and upper layers. */
#ifndef TEST_INNER_H
#define TEST_INNER_H

#include <string.h>

#include "policy/protocol.h"
#include "policy/selector.h"

/* RFC 1071, one byte after the other. A right header or message, with its field, gives 0xffff. */
static inline uint32_t naive_sum(uint32_t sum, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        sum += i % 2 == 0 ? (uint32_t)data[i] << 8 : data[i];
        if (sum > 0xffff)
            sum = (sum & 0xffff) + 1;
    }
    return sum;
}

/* The sum over pseudo-header and upper layer (RFC 9293 3.1, RFC 8200 8.1; without a routing header). */
static inline uint32_t naive_upper_sum(const uint8_t *packet, size_t len, const struct flow *flow)
{
    uint32_t upper_len = (uint32_t)(len - flow->upper);
    uint8_t tail[8] = {0, 0, 0, 0, 0, 0, 0, flow->protocol};
    store_u32(tail, upper_len);
    uint32_t sum = flow->source.family == 4 ? naive_sum(0, packet + 12, 8) : naive_sum(0, packet + 8, 32);
    return naive_sum(naive_sum(sum, tail, sizeof tail), packet + flow->upper, upper_len);
}

#endif
