/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/v1_vendor.h"

#include <string.h>

struct vendor_row {
    enum vendor vendor;
    uint8_t id[16];
};

static const struct vendor_row rows[] = {
    /* MD5("RFC 3947") */
    {VENDOR_NATT, {0x4a, 0x13, 0x1c, 0x81, 0x07, 0x03, 0x58, 0x45, 0x5c, 0x57, 0x28, 0xf2, 0x0e, 0x95, 0x45, 0x2f}},
    /* RFC 3706 5.1; the last two bytes are the version 1.0 */
    {VENDOR_DPD, {0xaf, 0xca, 0xd7, 0x13, 0x68, 0xa1, 0xf1, 0xc9, 0x6b, 0x86, 0x96, 0xfc, 0x77, 0x57, 0x01, 0x00}},
};

enum { VENDOR_COUNT = sizeof rows / sizeof rows[0] };

unsigned vendor_read(const struct payloads *p)
{
    unsigned mask = 0;
    for (size_t i = 0; i < p->count; i++) {
        struct bytes body = p->items[i].body;
        if (p->items[i].type != PAYLOAD_VENDOR || body.len != sizeof rows[0].id)
            continue;
        for (size_t k = 0; k < VENDOR_COUNT; k++)
            if (memcmp(body.data, rows[k].id, body.len) == 0)
                mask |= rows[k].vendor;
    }
    return mask;
}

void vendor_write(struct chain *chain, struct writer *w, unsigned mask)
{
    for (size_t i = 0; i < VENDOR_COUNT; i++)
        if (mask & rows[i].vendor)
            chain_add(chain, w, PAYLOAD_VENDOR, bytes_of(rows[i].id, sizeof rows[i].id));
}
