/* SPDX-License-Identifier: Apache-2.0 */
/* Packet path: no allocation, no log. */
#include "policy/flow.h"

#include <string.h>

#include "policy/ip.h"
#include "policy/protocol.h"

enum {
    EXTENSIONS_MAX = 8,
    FRAGMENT_HEADER = 8,
    ICMP_HEADER = 8,
    LENGTH_MAX = 65535, /* of a whole IPv4 packet, and of the payload of an IPv6 packet */
};

/* upper: what is there of the upper layer, len bytes, which begin `at` bytes into the packet. All five protocols start
 * with source and destination port. A first fragment too short for them has none that we know. */
static void read_upper(const uint8_t *upper, size_t len, size_t at, struct flow *out)
{
    out->upper = (uint16_t)at;
    out->upper_len = (uint16_t)len;
    if (len < 4 || !protocol_has_ports(out->protocol))
        return;
    out->source_port = load_u16(upper);
    out->destination_port = load_u16(upper + 2);
    out->has_ports = true;
}

/* RFC 791 3.2, RFC 8200 4.5: all but the last carry a multiple of 8 bytes, and none reaches beyond the largest packet.
 * An empty one serves nobody. counted: what the length field of the whole packet counts beside the data. */
static bool fragment_is_sound(const struct flow *f, size_t counted)
{
    bool in_units = !f->more_fragments || f->fragment_len % 8 == 0;
    return f->fragment_len > 0 && in_units && counted + f->fragment_offset + f->fragment_len <= LENGTH_MAX;
}

/* Into an address that is all zero: whole ones need not be copied. */
static void put_address(struct address *zero, uint8_t family, const uint8_t *bytes)
{
    zero->family = family;
    memcpy(zero->bytes, bytes, family == 4 ? 4 : 16);
}

/* The fixed fields of 20 bytes (RFC 791 3.1), without the lengths. */
static void read_ipv4_fields(const uint8_t *ip, struct flow *out)
{
    put_address(&out->source, 4, ip + 12);
    put_address(&out->destination, 4, ip + 16);
    out->protocol = ip[9];
    unsigned field = load_u16(ip + 6);
    if ((field & 0x3fff) == 0)
        return;
    out->is_fragment = true;
    out->more_fragments = (field & 0x2000) != 0;
    out->fragment_offset = (uint16_t)((field & 0x1fff) * 8);
    out->fragment_id = load_u16(ip + 4);
}

static enum status read_ipv4(struct bytes packet, struct flow *out, size_t *packet_len)
{
    if (packet.len < IPV4_HEADER)
        return ERR_MALFORMED;
    const uint8_t *ip = packet.data;
    size_t header = (size_t)(ip[0] & 15) * 4, total = load_u16(ip + 2);
    if (header < IPV4_HEADER || total < header || total > packet.len)
        return ERR_MALFORMED;
    *packet_len = total;
    read_ipv4_fields(ip, out);
    if (out->is_fragment) {
        out->fragment_len = (uint16_t)(total - header);
        if (!fragment_is_sound(out, header))
            return ERR_MALFORMED;
    }
    if (out->fragment_offset == 0)
        read_upper(ip + header, total - header, header, out);
    return OK;
}

struct chain {
    struct reader rest;
    uint8_t next;
    bool fragmented; /* one fragment header was seen */
    bool not_first;  /* what follows is not the upper layer but the middle of a packet */
};

/* The steps over one header say false, and leave next as it is, when the header is not whole. */
static bool pass_fragment_header(struct chain *c, struct flow *out)
{
    struct reader header = read_sub(&c->rest, FRAGMENT_HEADER);
    uint8_t next = read_u8(&header);
    read_u8(&header);
    unsigned offset = read_u16(&header);
    uint32_t id = read_u32(&header);
    if (header.failed || c->fragmented)
        return false;
    c->next = next;
    c->fragmented = true;
    c->not_first = (offset & 0xfff8) != 0;
    /* Neither offset nor more: an atomic fragment, whole by itself (RFC 6946). */
    out->is_fragment = c->not_first || (offset & 1) != 0;
    if (out->is_fragment) {
        out->more_fragments = (offset & 1) != 0;
        out->fragment_offset = (uint16_t)(offset & 0xfff8);
        out->fragment_id = id;
        out->fragment_len = (uint16_t)c->rest.left;
    }
    return true;
}

/* RFC 8200 4.3 counts in 8 bytes without the first, RFC 4302 2.2 in 4 bytes without the first two. */
static bool pass_extension(struct chain *c)
{
    bool is_ah = c->next == PROTOCOL_AH;
    uint8_t next = read_u8(&c->rest);
    size_t length = read_u8(&c->rest);
    read_bytes(&c->rest, (is_ah ? (length + 2) * 4 : (length + 1) * 8) - 2);
    if (c->rest.failed)
        return false;
    c->next = next;
    return true;
}

static bool is_extension(uint8_t next)
{
    return next == NEXT_HOP_BY_HOP || next == NEXT_ROUTING || next == NEXT_FRAGMENT || next == NEXT_DESTINATION ||
           next == PROTOCOL_AH;
}

/* Walks to the upper layer. The chain is cut short by the first fault, by too many headers (false: next is the header
 * that was not passed), and by a fragment header that says "not the first": what the other fragments hold is told by
 * that header alone. */
static bool walk_extensions(struct chain *c, struct flow *out)
{
    for (unsigned n = 0; is_extension(c->next) && !c->not_first; n++) {
        /* RFC 8200 4.1: hop-by-hop options stand first or not at all. */
        if (n == EXTENSIONS_MAX || (n > 0 && c->next == NEXT_HOP_BY_HOP))
            return false;
        if (!(c->next == NEXT_FRAGMENT ? pass_fragment_header(c, out) : pass_extension(c)))
            return false;
    }
    return true;
}

/* What stands before the data of a fragment, its own header apart, is in the whole packet too. The first one shows
 * where the chain of headers ends, and something behind it (RFC 7112 5). */
static bool ipv6_fragment_is_sound(const struct flow *f, size_t payload)
{
    return fragment_is_sound(f, payload - FRAGMENT_HEADER - f->fragment_len) &&
           (f->fragment_offset != 0 || f->upper_len > 0);
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
    put_address(&out->source, 6, ip + 8);
    put_address(&out->destination, 6, ip + 24);
    struct chain chain = {.rest = reader_of(ip + IPV6_HEADER, payload), .next = ip[6]};
    if (!walk_extensions(&chain, out))
        return ERR_MALFORMED;
    out->protocol = chain.next;
    if (!chain.not_first)
        read_upper(chain.rest.at, chain.rest.left, *packet_len - chain.rest.left, out);
    return out->is_fragment && !ipv6_fragment_is_sound(out, payload) ? ERR_MALFORMED : OK;
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

/* --- packets quoted in errors --- */

/*
 * Hosts read a quotation leniently: they look at neither its version nor its lengths. So do we, since what could not be
 * read here could not be checked either, and yet be understood behind us.
 */
static void read_quoted_ipv4(struct bytes quotation, struct flow *out)
{
    if (quotation.len < IPV4_HEADER)
        return;
    const uint8_t *ip = quotation.data;
    size_t header = (size_t)(ip[0] & 15) * 4;
    read_ipv4_fields(ip, out);
    if (out->fragment_offset != 0 || header < IPV4_HEADER || header > quotation.len)
        return;
    read_upper(ip + header, quotation.len - header, header, out);
}

static void read_quoted_ipv6(struct bytes quotation, struct flow *out)
{
    if (quotation.len < IPV6_HEADER)
        return;
    const uint8_t *ip = quotation.data;
    put_address(&out->source, 6, ip + 8);
    put_address(&out->destination, 6, ip + 24);
    struct chain chain = {.rest = reader_of(ip + IPV6_HEADER, quotation.len - IPV6_HEADER), .next = ip[6]};
    bool reached = walk_extensions(&chain, out);
    out->protocol = chain.next;
    out->fragment_len = 0;
    if (reached && !chain.not_first)
        read_upper(chain.rest.at, chain.rest.left, quotation.len - chain.rest.left, out);
}

/* RFC 792: unreachable, source quench, redirect, time exceeded, parameter problem. RFC 4443 2.1: all below 128. */
static bool is_icmp_error(uint8_t family, uint8_t type)
{
    return family == 6 ? type < 128 : type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

bool flow_read_quoted(struct bytes packet, const struct flow *flow, struct flow *quoted)
{
    memset(quoted, 0, sizeof *quoted);
    uint8_t family = flow->source.family;
    if (flow->protocol != protocol_icmp(family))
        return false;
    struct reader whole = reader_of_bytes(packet);
    read_bytes(&whole, flow->upper);
    struct reader icmp = read_sub(&whole, flow->upper_len);
    if (icmp.failed || icmp.left == 0 || !is_icmp_error(family, icmp.at[0]))
        return false;
    read_bytes(&icmp, ICMP_HEADER);
    struct bytes quotation = read_rest(&icmp);
    if (family == 6)
        read_quoted_ipv6(quotation, quoted);
    else
        read_quoted_ipv4(quotation, quoted);
    return true;
}

struct flow flow_reversed(const struct flow *flow)
{
    struct flow reversed = *flow;
    reversed.source = flow->destination;
    reversed.destination = flow->source;
    reversed.source_port = flow->destination_port;
    reversed.destination_port = flow->source_port;
    return reversed;
}

/* Hop-by-hop, routing, fragment, AH, destination options: what an IPv6 fragment may begin with, and a quotation end
 * with, instead of its protocol. */
bool flow_hides_protocol(const struct flow *f)
{
    return f->source.family == 6 &&
           (f->protocol == NEXT_HOP_BY_HOP || f->protocol == NEXT_ROUTING || f->protocol == NEXT_FRAGMENT ||
            f->protocol == PROTOCOL_AH || f->protocol == NEXT_DESTINATION);
}
