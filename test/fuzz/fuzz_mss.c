/* SPDX-License-Identifier: Apache-2.0 */
/* Any inner packet, its MSS lowered to the first two bytes: no byte changes but the option's value and the checksum,
 * and that stays right, or as wrong as it was. */
#include <stdlib.h>
#include <string.h>

#include "esp/mss.h"
#include "test/inner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* The option list, walked by the book; each MSS option lowered, the rest as it was. */
static void check_options(const uint8_t *before, const uint8_t *after, size_t len, uint32_t limit)
{
    size_t at = 0;
    while (at < len && before[at] != 0) {
        size_t one = before[at] == 1 ? 1 : before[at + 1];
        require(one > 0 && one <= len - at);
        if (before[at] == 2) {
            uint16_t old = load_u16(before + at + 2), new = load_u16(after + at + 2);
            require(one == 4 && new == (old > limit ? limit : old));
            require(memcmp(before + at, after + at, 2) == 0);
        } else {
            require(memcmp(before + at, after + at, one) == 0);
        }
        at += one;
    }
    require(memcmp(before + at, after + at, len - at) == 0);
}

static void check_changed(const uint8_t *before, const uint8_t *after, size_t len, const struct flow *flow,
                          uint32_t limit)
{
    size_t tcp = flow->upper, header = (size_t)(before[tcp + 12] >> 4) * 4;
    require(flow->protocol == PROTOCOL_TCP && tcp != 0 && (before[tcp + 13] & 7) == 2 && limit != 0);
    require(header >= 24 && header <= len - tcp);
    require(memcmp(before, after, tcp + 16) == 0); /* up to the checksum */
    require(memcmp(before + tcp + 18, after + tcp + 18, 2) == 0);
    require(memcmp(before + tcp + header, after + tcp + header, len - tcp - header) == 0);
    check_options(before + tcp + 20, after + tcp + 20, header - 20, limit);
    require(naive_upper_sum(before, len, flow) == naive_upper_sum(after, len, flow));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct flow flow;
    size_t len = 0;
    if (size < 2 || flow_read(bytes_of(data + 2, size - 2), &flow, &len) != OK)
        return 0;
    uint32_t limit = load_u16(data);
    uint8_t *copy = malloc(len);
    if (copy == NULL)
        return 0;
    memcpy(copy, data + 2, len);
    bool changed = mss_clamp(copy, len, &flow, limit);
    require(changed == (memcmp(copy, data + 2, len) != 0));
    if (changed)
        check_changed(data + 2, copy, len, &flow, limit);
    require(!mss_clamp(copy, len, &flow, limit)); /* once is enough */
    free(copy);
    return 0;
}
