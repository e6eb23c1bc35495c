/* SPDX-License-Identifier: Apache-2.0 */
/* IPv4 and IPv6 addresses, endpoints, ranges and prefixes: plain values. */
#ifndef POLICY_ADDRESS_H
#define POLICY_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/wire.h"

struct address {
    uint8_t family;    /* 4, 6, or 0: none ("%any") */
    uint8_t bytes[16]; /* network order; IPv4 uses the first four, the rest is zero */
};

struct endpoint {
    struct address address;
    uint16_t port; /* host order */
};

/* The two outer ends of a datagram or SA, seen from us. */
struct path {
    struct endpoint local, remote;
};

/* First to last, inclusive, of one family. */
struct address_range {
    struct address first, last;
};

enum { ADDRESS_TEXT = 46, ENDPOINT_TEXT = 56, RANGE_TEXT = 96 };

static inline size_t address_len(const struct address *a)
{
    return a->family == 4 ? 4 : a->family == 6 ? 16 : 0;
}

/* Spreads addresses over a few places. Not seeded, so everybody can choose addresses that fall together: only where
 * that is no harm. sum: what goes before the address, or 0. */
static inline uint32_t address_sum(uint32_t sum, const struct address *a)
{
    for (size_t i = 0; i < sizeof a->bytes; i++)
        sum = sum * 31 + a->bytes[i];
    return sum;
}

/* bytes: 4 or 16 by family. Here, and range_has too, because they run for every packet. */
static inline struct address address_of(uint8_t family, const void *bytes)
{
    struct address a = {0};
    if (family == 4) {
        a.family = 4;
        memcpy(a.bytes, bytes, 4);
    } else if (family == 6) {
        a.family = 6;
        memcpy(a.bytes, bytes, 16);
    }
    return a;
}

MUST_USE enum status address_parse(const char *text, struct address *out); /* no DNS; "%any" gives family 0 */
const char *address_print(const struct address *a, char out[ADDRESS_TEXT]);
const char *endpoint_print(const struct endpoint *e, char out[ENDPOINT_TEXT]); /* 192.0.2.1:500, [2001:db8::1]:500 */
int address_compare(const struct address *a, const struct address *b);         /* family first, then as numbers */
bool address_equal(const struct address *a, const struct address *b);
/* Not: of a network, multicast, broadcast, loopback, or nobody's. Family 0 neither. */
bool address_is_one_host(const struct address *a);
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);

/* "10.1.0.0/24", "10.1.0.1", "2001:db8::/32", "10.1.0.1-10.1.0.9". Host bits behind a prefix are an error
 * (ERR_MALFORMED): the writer meant something else. "any" is refused here: it has no family (selector.h knows it). */
MUST_USE enum status range_parse(const char *text, struct address_range *out);
const char *range_print(const struct address_range *r, char out[RANGE_TEXT]); /* as a prefix where it is one */
MUST_USE enum status range_of_prefix(const struct address *base, unsigned prefix_len, struct address_range *out);
bool range_is_prefix(const struct address_range *r, unsigned *prefix_len);
static inline bool range_has(const struct address_range *r, const struct address *a)
{
    if (r->first.family != a->family)
        return false;
    if (a->family == 4) {
        uint32_t number = load_u32(a->bytes);
        return load_u32(r->first.bytes) <= number && number <= load_u32(r->last.bytes);
    }
    return a->family == 6 && memcmp(r->first.bytes, a->bytes, 16) <= 0 && memcmp(a->bytes, r->last.bytes, 16) <= 0;
}
bool range_contains(const struct address_range *outer, const struct address_range *inner);
bool range_overlaps(const struct address_range *a, const struct address_range *b);
bool range_equal(const struct address_range *a, const struct address_range *b);
struct address_range range_any(uint8_t family); /* 0.0.0.0/0 or ::/0 */
bool range_is_any(const struct address_range *r);
struct address_range range_of_address(const struct address *a); /* one address */

#endif
