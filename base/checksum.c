/* SPDX-License-Identifier: Apache-2.0 */
#include "base/checksum.h"

#include "base/wire.h"

/* Words of 32 bits give the same sum, once it is folded: 2^16 counts as 1 (RFC 1071 2 (C)). */
uint64_t checksum_add(uint64_t sum, const void *data, size_t len)
{
    const uint8_t *at = data;
    for (; len >= 4; at += 4, len -= 4)
        sum += load_u32(at);
    if (len >= 2) {
        sum += load_u16(at);
        at += 2;
        len -= 2;
    }
    if (len == 1)
        sum += (uint64_t)*at << 8;
    return sum;
}
