/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/v1_vendor.h"

#include <string.h>

struct vendor_row {
    enum vendor vendor;
    uint8_t len;
    uint8_t id[16];
};

static const struct vendor_row rows[] = {
    /* MD5("RFC 3947") */
    {VENDOR_NATT, 16, {0x4a, 0x13, 0x1c, 0x81, 0x07, 0x03, 0x58, 0x45, 0x5c, 0x57, 0x28, 0xf2, 0x0e, 0x95, 0x45, 0x2f}},
    /* RFC 3706 5.1; the last two bytes are the version 1.0 */
    {VENDOR_DPD, 16, {0xaf, 0xca, 0xd7, 0x13, 0x68, 0xa1, 0xf1, 0xc9, 0x6b, 0x86, 0x96, 0xfc, 0x77, 0x57, 0x01, 0x00}},
    /* MD5("draft-ietf-ipsec-nat-t-ike-03"), then "...-02\n" and "...-02" */
    {VENDOR_NATT_03,
     16,
     {0x7d, 0x94, 0x19, 0xa6, 0x53, 0x10, 0xca, 0x6f, 0x2c, 0x17, 0x9d, 0x92, 0x15, 0x52, 0x9d, 0x56}},
    {VENDOR_NATT_02N,
     16,
     {0x90, 0xcb, 0x80, 0x91, 0x3e, 0xbb, 0x69, 0x6e, 0x08, 0x63, 0x81, 0xb5, 0xec, 0x42, 0x7b, 0x1f}},
    {VENDOR_NATT_02,
     16,
     {0xcd, 0x60, 0x46, 0x43, 0x35, 0xdf, 0x21, 0xf8, 0x7c, 0xfd, 0xb2, 0xfc, 0x68, 0xb6, 0xa4, 0x48}},
    /* MD5("FRAGMENTATION"); four bytes of flags follow */
    {VENDOR_FRAGMENTATION,
     16,
     {0x40, 0x48, 0xb7, 0xd5, 0x6e, 0xbc, 0xe8, 0x85, 0x25, 0xe7, 0xde, 0x7f, 0x00, 0xd6, 0xc2, 0xd3}},
    {VENDOR_XAUTH, 8, {0x09, 0x00, 0x26, 0x89, 0xdf, 0xd6, 0xb7, 0x12}},
    /* MD5("CISCO-UNITY"), with the version 1.0 in the last two bytes */
    {VENDOR_UNITY,
     16,
     {0x12, 0xf5, 0xf2, 0x8c, 0x45, 0x71, 0x68, 0xa9, 0x70, 0x2d, 0x9f, 0xe2, 0x74, 0xcc, 0x01, 0x00}},
};

/* What Cisco and strongSwan say behind MD5("FRAGMENTATION"): messages may come in fragments. Other bits are of base
 * mode and the like; without any flags the whole id means the same. */
static const uint8_t fragmentation_flags[4] = {0x80, 0, 0, 0};

enum { VENDOR_COUNT = sizeof rows / sizeof rows[0] };

static bool is_row(const struct vendor_row *row, struct bytes body)
{
    if (body.len < row->len || memcmp(body.data, row->id, row->len) != 0)
        return false;
    size_t tail = body.len - row->len;
    bool has_flags = row->vendor == VENDOR_FRAGMENTATION && tail == sizeof fragmentation_flags;
    return tail == 0 || (has_flags && body.data[row->len] & fragmentation_flags[0]);
}

unsigned vendor_newest_natt(unsigned mask)
{
    static const enum vendor newest[] = {VENDOR_NATT, VENDOR_NATT_03, VENDOR_NATT_02N, VENDOR_NATT_02};
    for (size_t i = 0; i < sizeof newest / sizeof newest[0]; i++)
        if (mask & newest[i])
            return (mask & ~(unsigned)VENDOR_NATT_ANY) | newest[i];
    return mask;
}

unsigned vendor_read(const struct payloads *p)
{
    unsigned mask = 0;
    for (size_t i = 0; i < p->count; i++) {
        struct bytes body = p->items[i].body;
        if (p->items[i].type != PAYLOAD_VENDOR)
            continue;
        for (size_t k = 0; k < VENDOR_COUNT; k++)
            if (is_row(&rows[k], body))
                mask |= rows[k].vendor;
    }
    return mask;
}

void vendor_write(struct chain *chain, struct writer *w, unsigned mask)
{
    for (size_t i = 0; i < VENDOR_COUNT; i++) {
        if (!(mask & rows[i].vendor))
            continue;
        chain_open(chain, w, PAYLOAD_VENDOR);
        write_bytes(w, rows[i].id, rows[i].len);
        if (rows[i].vendor == VENDOR_FRAGMENTATION)
            write_bytes(w, fragmentation_flags, sizeof fragmentation_flags);
        chain_close(chain, w);
    }
}
