/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/prefix.h"

#include <string.h>

__extension__ typedef unsigned __int128 number;

static number number_of(const struct address *a)
{
    number n = 0;
    for (size_t i = 0; i < address_len(a); i++)
        n = n << 8 | a->bytes[i];
    return n;
}

static struct address address_of_number(uint8_t family, number n)
{
    struct address a = {.family = family};
    for (size_t i = address_len(&a); i-- > 0; n >>= 8)
        a.bytes[i] = (uint8_t)n;
    return a;
}

static number low_bits(unsigned count)
{
    return count >= 128 ? ~(number)0 : ((number)1 << count) - 1;
}

/* The number of host bits of the largest aligned block that starts at first and does not pass last. */
static unsigned block_bits(number first, number last, unsigned width)
{
    unsigned bits = 0;
    while (bits < width && (first & low_bits(bits + 1)) == 0 && (first | low_bits(bits + 1)) <= last)
        bits++;
    return bits;
}

size_t prefix_split(const struct address_range *range, struct prefix out[PREFIX_SPLIT_MAX])
{
    uint8_t family = range->first.family;
    unsigned width = (unsigned)address_len(&range->first) * 8;
    number first = number_of(&range->first), last = number_of(&range->last);
    if (width == 0 || range->last.family != family || first > last)
        return 0;
    for (size_t count = 0; count < PREFIX_SPLIT_MAX;) {
        unsigned bits = block_bits(first, last, width);
        out[count++] = (struct prefix){.base = address_of_number(family, first), .len = (uint8_t)(width - bits)};
        number end = first | low_bits(bits);
        if (end == last)
            return count;
        first = end + 1;
    }
    return 0;
}

size_t port_split(uint16_t first, uint16_t last, struct port_prefix out[PORT_SPLIT_MAX])
{
    size_t count = 0;
    for (uint32_t at = first; at <= last && count < PORT_SPLIT_MAX;) {
        unsigned bits = block_bits(at, last, 16);
        out[count++] = (struct port_prefix){.base = (uint16_t)at, .len = (uint8_t)(16 - bits)};
        at += 1u << bits;
    }
    return count;
}

struct prefix prefix_shorten(const struct prefix *p, uint8_t len)
{
    struct prefix out = {.base = p->base, .len = len};
    for (size_t i = 0; i < sizeof out.base.bytes; i++) {
        size_t kept = len > i * 8 ? len - i * 8 : 0;
        if (kept < 8)
            out.base.bytes[i] &= (uint8_t)(0xff00 >> kept);
    }
    return out;
}

bool prefix_has(const struct prefix *p, const struct address *a)
{
    if (p->base.family == 0 || p->base.family != a->family)
        return false;
    struct prefix whole = {.base = *a, .len = (uint8_t)(address_len(a) * 8)};
    struct prefix cut = prefix_shorten(&whole, p->len), own = prefix_shorten(p, p->len);
    return prefix_compare(&cut, &own) == 0;
}

int prefix_compare(const struct prefix *a, const struct prefix *b)
{
    int order = address_compare(&a->base, &b->base);
    return order != 0 ? order : (int)a->len - (int)b->len;
}
