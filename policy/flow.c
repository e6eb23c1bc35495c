/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the inner packet: the untrusted half of policy/selector.h. Packet path: no allocation, no log. */
#include <string.h>

#include "policy/protocol.h"
#include "policy/selector.h"

enum {
    IPV4_HEADER = 20,
    IPV6_HEADER = 40,
    EXTENSIONS_MAX = 8,
    NEXT_HOP_BY_HOP = 0,
    NEXT_ROUTING = 43,
    NEXT_FRAGMENT = 44,
    NEXT_DESTINATION = 60,
    FRAGMENT_HEADER = 8,
};

/* All five start with source and destination port. A first fragment too short for them has none that we know. */
static void read_ports(struct reader *r, struct flow *out)
{
    if (!protocol_has_ports(out->protocol) || r->left < 4)
        return;
    out->source_port = read_u16(r);
    out->destination_port = read_u16(r);
    out->has_ports = true;
}

/* RFC 791 3.1 */
static enum status read_ipv4(struct bytes packet, struct flow *out, size_t *packet_len)
{
    if (packet.len < IPV4_HEADER)
        return ERR_MALFORMED;
    const uint8_t *ip = packet.data;
    size_t header = (size_t)(ip[0] & 15) * 4, total = load_u16(ip + 2);
    if (header < IPV4_HEADER || total < header || total > packet.len)
        return ERR_MALFORMED;
    unsigned fragment = load_u16(ip + 6);
    bool more = (fragment & 0x2000) != 0, first = (fragment & 0x1fff) == 0;
    *packet_len = total;
    out->source = address_of(4, ip + 12);
    out->destination = address_of(4, ip + 16);
    out->protocol = ip[9];
    out->is_fragment = more || !first;
    struct reader r = reader_of(ip + header, total - header);
    if (first)
        read_ports(&r, out);
    return OK;
}

struct chain {
    struct reader rest;
    uint8_t next;
    bool fragmented; /* one fragment header was seen */
    bool not_first;  /* what follows is not the upper layer but the middle of a packet */
};

static void read_fragment_header(struct chain *c, struct flow *out)
{
    struct reader header = read_sub(&c->rest, FRAGMENT_HEADER);
    c->next = read_u8(&header);
    read_u8(&header);
    unsigned offset = read_u16(&header);
    c->not_first = (offset & 0xfff8) != 0;
    /* Neither offset nor more: an atomic fragment, whole by itself (RFC 6946). */
    out->is_fragment = c->not_first || (offset & 1) != 0;
    if (c->fragmented)
        c->rest.failed = true;
    c->fragmented = true;
}

/* RFC 8200 4.3 counts in 8 bytes without the first, RFC 4302 2.2 in 4 bytes without the first two. */
static void skip_extension(struct chain *c)
{
    bool is_ah = c->next == PROTOCOL_AH;
    c->next = read_u8(&c->rest);
    size_t length = read_u8(&c->rest);
    read_bytes(&c->rest, (is_ah ? (length + 2) * 4 : (length + 1) * 8) - 2);
}

static bool is_extension(uint8_t next)
{
    return next == NEXT_HOP_BY_HOP || next == NEXT_ROUTING || next == NEXT_FRAGMENT || next == NEXT_DESTINATION ||
           next == PROTOCOL_AH;
}

/* Walks to the upper layer. The chain is cut short by the first fault, by too many headers, and by a fragment header
 * that says "not the first": what the other fragments hold is told by that header alone. */
static enum status walk_extensions(struct chain *c, struct flow *out)
{
    for (unsigned n = 0; is_extension(c->next) && !c->not_first; n++) {
        /* RFC 8200 4.1: hop-by-hop options stand first or not at all. */
        if (n == EXTENSIONS_MAX || (n > 0 && c->next == NEXT_HOP_BY_HOP))
            return ERR_MALFORMED;
        if (c->next == NEXT_FRAGMENT)
            read_fragment_header(c, out);
        else
            skip_extension(c);
        if (c->rest.failed)
            return ERR_MALFORMED;
    }
    return OK;
}

static enum status read_ipv6(struct bytes packet, struct flow *out, size_t *packet_len)
{
    if (packet.len < IPV6_HEADER)
        return ERR_MALFORMED;
    const uint8_t *ip = packet.data;
    size_t payload = load_u16(ip + 4);
    if (payload > packet.len - IPV6_HEADER)
        return ERR_MALFORMED;
    *packet_len = IPV6_HEADER + payload;
    out->source = address_of(6, ip + 8);
    out->destination = address_of(6, ip + 24);
    struct chain chain = {.rest = reader_of(ip + IPV6_HEADER, payload), .next = ip[6]};
    if (walk_extensions(&chain, out) != OK)
        return ERR_MALFORMED;
    out->protocol = chain.next;
    if (!chain.not_first)
        read_ports(&chain.rest, out);
    return OK;
}

enum status flow_read(struct bytes packet, struct flow *out, size_t *packet_len)
{
    size_t len = 0;
    enum status status = ERR_MALFORMED;
    memset(out, 0, sizeof *out);
    unsigned version = packet.len > 0 ? packet.data[0] >> 4 : 0;
    if (version == 4)
        status = read_ipv4(packet, out, &len);
    else if (version == 6)
        status = read_ipv6(packet, out, &len);
    if (packet_len != NULL)
        *packet_len = status == OK ? len : 0;
    return status;
}
