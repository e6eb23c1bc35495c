/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/header.h"

#include "base/checksum.h"
#include "base/wire.h"

enum { DROP = 4, IPV4_CHECKSUM = 10 };

/* RFC 6040 4.2, figure 4: the outgoing field, by the inner and the outer one that arrived. */
/* clang-format off */
static const uint8_t outgoing[4][4] = {
    /* inner          outer: Not-ECT      ECT(1)       ECT(0)       CE */
    [ECN_NOT_ECT] =       {ECN_NOT_ECT, ECN_NOT_ECT, ECN_NOT_ECT, DROP},
    [ECN_ECT_1]   =       {ECN_ECT_1,   ECN_ECT_1,   ECN_ECT_1,   ECN_CE},
    [ECN_ECT_0]   =       {ECN_ECT_0,   ECN_ECT_1,   ECN_ECT_0,   ECN_CE},
    [ECN_CE]      =       {ECN_CE,      ECN_CE,      ECN_CE,      ECN_CE},
};
/* clang-format on */

bool header_merge_marked(uint8_t *inner, uint8_t outer_tos)
{
    unsigned before = header_tos(inner) & ECN_MASK, after = outgoing[before][outer_tos & ECN_MASK];
    if (after == DROP)
        return false;
    if (after == before)
        return true;
    bool ipv4 = (inner[0] >> 4) == 4;
    uint16_t old_word = load_u16(inner);
    inner[1] = (uint8_t)(inner[1] ^ (before ^ after) << (ipv4 ? 0 : 4));
    if (ipv4) /* IPv6 has none, and no pseudo-header holds the traffic class */
        store_u16(inner + IPV4_CHECKSUM, checksum_replace(load_u16(inner + IPV4_CHECKSUM), old_word, load_u16(inner)));
    return true;
}
