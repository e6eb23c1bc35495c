/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/fragment.h"

#include <string.h>

#include "base/checksum.h"
#include "esp/header.h"
#include "policy/ip.h"

enum {
    TOTAL_AT = 2,
    FRAGMENT_AT = 6,
    CHECKSUM_AT = 10,
    MORE = 0x2000,
    OFFSET_MASK = 0x1fff, /* in units of 8 bytes */
    UNIT = 8,
    REACH_MAX = 65535,
    OPTION_COPIED = 0x80,
    OPTION_END = 0,
    OPTION_NOP = 1,
};

/* The header of later fragments: of the options, those with the copy flag, filled up with ends of list (RFC 791 3.1).
 * What lies behind a broken option is not copied: nobody could read it. */
static void make_later_header(struct fragmenter *f)
{
    struct writer w = writer_of(f->later, sizeof f->later);
    write_bytes(&w, f->header.data, IPV4_HEADER);
    struct reader options = reader_of(f->header.data + IPV4_HEADER, f->header.len - IPV4_HEADER);
    while (options.left > 0) {
        const uint8_t *at = options.at;
        uint8_t kind = read_u8(&options);
        if (kind == OPTION_END)
            break;
        if (kind == OPTION_NOP)
            continue;
        size_t len = read_u8(&options);
        if (len < 2 || len - 2 > options.left)
            break;
        read_bytes(&options, len - 2);
        if ((kind & OPTION_COPIED) != 0)
            write_bytes(&w, at, len);
    }
    write_zeros(&w, -w.len % 4);
    f->later[0] = (uint8_t)(0x40 | w.len / 4);
    f->later_len = (uint8_t)w.len;
}

enum status fragment_begin(struct fragmenter *f, struct bytes packet, uint32_t mtu)
{
    *f = (struct fragmenter){.done = true};
    if (packet.len < IPV4_HEADER)
        return ERR_MALFORMED;
    if (!header_may_fragment(packet.data))
        return ERR_UNSUPPORTED;
    size_t header = (size_t)(packet.data[0] & 15) * 4, total = load_u16(packet.data + TOTAL_AT);
    if (header < IPV4_HEADER || total < header || total > packet.len)
        return ERR_MALFORMED;
    size_t offset = (size_t)(load_u16(packet.data + FRAGMENT_AT) & OFFSET_MASK) * UNIT;
    if (offset + total > REACH_MAX) /* no packet is that long; the offset could wrap, and hit the packet's start */
        return ERR_MALFORMED;
    if (mtu < header + UNIT)
        return ERR_LIMIT;
    f->header = bytes_of(packet.data, header);
    f->payload = bytes_of(packet.data + header, total - header);
    f->mtu = mtu;
    f->done = false;
    make_later_header(f);
    return OK;
}

/* The fields that tell one fragment from the other (RFC 791 3.2). The last one ends, or goes on, as the packet did. */
static void finish_header(const struct fragmenter *f, uint8_t *ip, size_t header, size_t len, bool last)
{
    unsigned fragment = load_u16(f->header.data + FRAGMENT_AT) + f->sent / UNIT;
    store_u16(ip + TOTAL_AT, (uint16_t)(header + len));
    store_u16(ip + FRAGMENT_AT, (uint16_t)(last ? fragment : fragment | MORE));
    store_u16(ip + CHECKSUM_AT, 0);
    store_u16(ip + CHECKSUM_AT, checksum_of(ip, header));
}

bool fragment_next(struct fragmenter *f, struct packet *out)
{
    if (f->done)
        return false;
    struct bytes header = f->sent == 0 ? f->header : bytes_of(f->later, f->later_len);
    size_t left = f->payload.len - f->sent, room = f->mtu - header.len;
    bool last = left <= room;
    size_t len = last ? left : room - room % UNIT;
    out->len = 0;
    uint8_t *ip = packet_append(out, header.len + len);
    if (ip == NULL)
        return false;
    memcpy(ip, header.data, header.len);
    memcpy(ip + header.len, f->payload.data + f->sent, len);
    finish_header(f, ip, header.len, len, last);
    f->sent += (uint32_t)len;
    f->done = last;
    return true;
}
