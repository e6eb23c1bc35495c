/* SPDX-License-Identifier: Apache-2.0 */
/* Prefixes, the only form that tables of routes and of rules know, out of ranges, the form that a selector has. */
#ifndef POLICY_PREFIX_H
#define POLICY_PREFIX_H

#include "policy/address.h"

/* The worst range of w bits needs 2w - 2 prefixes. */
enum { PREFIX_SPLIT_MAX = 2 * 128 - 2, PORT_SPLIT_MAX = 2 * 16 - 2 };

struct prefix {
    struct address base;
    uint8_t len;
};

/* The ports whose first `len` bits are those of base. */
struct port_prefix {
    uint16_t base;
    uint8_t len;
};

/* The fewest prefixes that cover exactly the range, ascending. Returns how many; 0 for a range that is none. */
size_t prefix_split(const struct address_range *range, struct prefix out[PREFIX_SPLIT_MAX]);
size_t port_split(uint16_t first, uint16_t last, struct port_prefix out[PORT_SPLIT_MAX]);

/* The prefix of `len` bits that holds p; len must not exceed p->len. */
struct prefix prefix_shorten(const struct prefix *p, uint8_t len);

/* False also where the families differ. */
bool prefix_has(const struct prefix *p, const struct address *a);

/* Family, then base, then length. */
int prefix_compare(const struct prefix *a, const struct prefix *b);

#endif
