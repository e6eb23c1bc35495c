/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/mss.h"

#include "base/checksum.h"
#include "policy/ip.h"

enum {
    TCP_HEADER = 20,
    TCP_DATA_OFFSET = 12,
    TCP_CHECKSUM = 16,
    OPTION_END = 0,
    OPTION_NOP = 1,
    OPTION_MSS = 2,
    OPTION_MSS_LEN = 4,
};

uint32_t mss_of_mtu(uint8_t family, uint32_t inner_mtu)
{
    uint32_t headers = TCP_HEADER + (family == 4 ? 20 : IPV6_HEADER);
    return inner_mtu > headers ? inner_mtu - headers : 1;
}

/* True when an authentication header stands before the TCP header: a change would break what it signs. flow_read has
 * walked the same chain and found it sound. */
static bool is_signed(const uint8_t *packet, size_t upper)
{
    if ((packet[0] >> 4) != 6)
        return false;
    uint8_t next = packet[6];
    for (size_t at = IPV6_HEADER; at + 2 <= upper;) {
        if (next == PROTOCOL_AH)
            return true;
        size_t units = next == NEXT_FRAGMENT ? 0 : packet[at + 1];
        next = packet[at];
        at += (units + 1) * 8;
    }
    return false;
}

/* Lowers the value, two bytes at packet + at, and lets the checksum follow. Words of the sum begin at even offsets of
 * the TCP header; a value across two of them counts with its bytes swapped (RFC 1071 2 (B)). */
static bool lower(uint8_t *packet, size_t upper, size_t at, uint32_t limit)
{
    uint16_t before = load_u16(packet + at), after = (uint16_t)limit;
    if (before <= limit)
        return false;
    store_u16(packet + at, after);
    if ((at - upper) % 2 != 0) {
        before = __builtin_bswap16(before);
        after = __builtin_bswap16(after);
    }
    uint8_t *checksum = packet + upper + TCP_CHECKSUM;
    store_u16(checksum, checksum_replace(load_u16(checksum), before, after));
    return true;
}

/* Takes one option off r (RFC 9293 3.1). False at the end of the list; a broken one sets r->failed. */
static bool next_option(struct reader *r, uint8_t *kind)
{
    if (r->left == 0)
        return false;
    *kind = read_u8(r);
    if (*kind == OPTION_END)
        return false;
    if (*kind == OPTION_NOP)
        return true;
    size_t len = read_u8(r);
    if (len < 2 || (*kind == OPTION_MSS && len != OPTION_MSS_LEN))
        r->failed = true;
    read_bytes(r, len - 2);
    return !r->failed;
}

static bool is_sound(struct reader options)
{
    uint8_t kind;
    while (next_option(&options, &kind)) {
    }
    return !options.failed;
}

bool mss_clamp_syn(uint8_t *packet, size_t len, const struct flow *flow, uint32_t limit)
{
    size_t upper = flow->upper;
    if (limit == 0 || len < upper || len - upper < TCP_HEADER || is_signed(packet, upper))
        return false;
    size_t header = (size_t)(packet[upper + TCP_DATA_OFFSET] >> 4) * 4;
    if (header < TCP_HEADER || header > len - upper)
        return false;
    struct reader options = reader_of(packet + upper + TCP_HEADER, header - TCP_HEADER);
    if (!is_sound(options))
        return false;
    bool changed = false;
    uint8_t kind;
    while (next_option(&options, &kind)) /* all: which of two counts is up to the receiver */
        if (kind == OPTION_MSS)
            changed |= lower(packet, upper, (size_t)(options.at - packet) - 2, limit);
    return changed;
}
