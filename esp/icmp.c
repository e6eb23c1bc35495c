/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/icmp.h"

#include <string.h>

#include "base/checksum.h"
#include "esp/header.h"
#include "policy/ip.h"
#include "policy/protocol.h"

enum {
    ICMP_HEADER = 8,
    UNREACHABLE = 3,
    FRAGMENTATION_NEEDED = 4,
    TOO_BIG_IPV6 = 2,
    REDIRECT_IPV6 = 137,
    INFORMATIONAL_IPV6 = 128, /* errors are below: RFC 4443 2.1 */
    CLASS_CS6 = 0xc0,         /* internetwork control: RFC 1812 4.3.2.5 */
    HOPS = 64,
    ESP_HEADER = 8,
    KEEPALIVE = 1,
};

/* --- told to the sender of an inner packet --- */

/* Queries and answers that are known to be such; all else may be an error. */
static bool is_icmp_query(uint8_t family, uint8_t type)
{
    if (family == 6)
        return type >= INFORMATIONAL_IPV6 && type != REDIRECT_IPV6;
    switch (type) {
    case 0:  /* echo reply */
    case 8:  /* echo */
    case 9:  /* router advertisement */
    case 10: /* router solicitation */
    case 13: /* timestamp */
    case 14: /* timestamp reply */
    case 15: /* information request */
    case 16: /* information reply */
    case 17: /* address mask request */
    case 18: /* address mask reply */
    case 42: /* extended echo request, RFC 8335 */
    case 43: /* extended echo reply */ return true;
    default: return false;
    }
}

/* RFC 1122 3.2.2, RFC 4443 2.4 (e.1), (e.2). Where the type is not to be seen it may be one. */
static bool is_icmp_error(struct bytes packet, const struct flow *flow)
{
    uint8_t family = flow->source.family;
    if (flow->protocol != protocol_icmp(family))
        return false;
    return flow->upper == 0 || flow->upper >= packet.len || !is_icmp_query(family, packet.data[flow->upper]);
}

/* The ICMP message itself; its checksum is still 0. RFC 1191 4: the MTU is the low half of the second word. */
static void write_message(struct writer *w, uint8_t type, uint8_t code, uint32_t mtu, struct bytes quoted, size_t max)
{
    write_u8(w, type);
    write_u8(w, code);
    write_u16(w, 0);
    write_u32(w, mtu);
    write_bytes(w, quoted.data, quoted.len < max ? quoted.len : max);
}

/* DF and identification 0: an atomic datagram needs no unique one (RFC 6864 4.1). */
static size_t too_big_ipv4(struct bytes packet, const struct flow *flow, uint32_t mtu, uint8_t *out)
{
    struct writer w = writer_of(out, IPV4_MTU_MIN);
    write_u8(&w, 0x45);
    write_u8(&w, CLASS_CS6);
    write_u32(&w, 0); /* total length: below; identification */
    write_u16(&w, 0x4000);
    write_u8(&w, HOPS);
    write_u8(&w, PROTOCOL_ICMP);
    write_u16(&w, 0);
    write_bytes(&w, flow->destination.bytes, 4);
    write_bytes(&w, flow->source.bytes, 4);
    write_message(&w, UNREACHABLE, FRAGMENTATION_NEEDED, mtu < UINT16_MAX ? mtu : UINT16_MAX, packet,
                  IPV4_MTU_MIN - IPV4_HEADER - ICMP_HEADER);
    write_u16_at(&w, 2, w.len);
    write_u16_at(&w, 10, checksum_of(out, IPV4_HEADER));
    write_u16_at(&w, IPV4_HEADER + 2, checksum_of(out + IPV4_HEADER, w.len - IPV4_HEADER));
    return w.len;
}

static size_t too_big_ipv6(struct bytes packet, const struct flow *flow, uint32_t mtu, uint8_t *out)
{
    struct writer w = writer_of(out, ICMP_TOO_BIG_MAX);
    write_u32(&w, 6U << 28 | CLASS_CS6 << 20);
    write_u16(&w, 0); /* payload length: below */
    write_u8(&w, PROTOCOL_ICMPV6);
    write_u8(&w, HOPS);
    write_bytes(&w, flow->destination.bytes, 16);
    write_bytes(&w, flow->source.bytes, 16);
    write_message(&w, TOO_BIG_IPV6, 0, mtu, packet, ICMP_TOO_BIG_MAX - IPV6_HEADER - ICMP_HEADER);
    size_t len = w.len - IPV6_HEADER;
    write_u16_at(&w, 4, len);
    uint64_t sum = ip_pseudo_sum(out, PROTOCOL_ICMPV6, len);
    write_u16_at(&w, IPV6_HEADER + 2, checksum_finish(checksum_add(sum, out + IPV6_HEADER, len)));
    return w.len;
}

size_t icmp_too_big(struct bytes packet, const struct flow *flow, uint32_t mtu, uint8_t out[ICMP_TOO_BIG_MAX])
{
    /* RFC 1122 3.2.2: no error goes to, or comes from, an address that is not one host's. */
    if (packet.len == 0 || flow->fragment_offset != 0 || !address_is_one_host(&flow->source) ||
        !address_is_one_host(&flow->destination) || is_icmp_error(packet, flow))
        return 0;
    if (flow->source.family == 6)
        return too_big_ipv6(packet, flow, mtu, out);
    return header_may_fragment(packet.data) ? 0 : too_big_ipv4(packet, flow, mtu, out);
}

/* --- said by a router on the outer path --- */

/* The quoted lengths are not believed: the quotation is cut short, and some routers swap their bytes. */
static enum status quoted_ipv4(struct reader *r, struct path *path, uint8_t *protocol)
{
    struct bytes ip = read_bytes(r, IPV4_HEADER);
    if (ip.data == NULL || (ip.data[0] >> 4) != 4 || (ip.data[0] & 15) < 5)
        return ERR_MALFORMED;
    read_bytes(r, (size_t)(ip.data[0] & 15) * 4 - IPV4_HEADER);
    path->local.address = address_of(4, ip.data + 12);
    path->remote.address = address_of(4, ip.data + 16);
    *protocol = ip.data[9];
    if (r->failed)
        return ERR_MALFORMED;
    return (load_u16(ip.data + 6) & 0x1fff) == 0 ? OK : ERR_UNSUPPORTED; /* a later fragment shows no SPI */
}

/* We send no extension header but, where the kernel fragments, that one. */
static enum status quoted_ipv6(struct reader *r, struct path *path, uint8_t *protocol)
{
    struct bytes ip = read_bytes(r, IPV6_HEADER);
    if (ip.data == NULL || (ip.data[0] >> 4) != 6)
        return ERR_MALFORMED;
    path->local.address = address_of(6, ip.data + 8);
    path->remote.address = address_of(6, ip.data + 24);
    *protocol = ip.data[6];
    if (*protocol != NEXT_FRAGMENT)
        return OK;
    *protocol = read_u8(r);
    read_u8(r);
    unsigned offset = read_u16(r) & 0xfff8;
    read_u32(r);
    if (r->failed)
        return ERR_MALFORMED;
    return offset == 0 ? OK : ERR_UNSUPPORTED;
}

static enum status quoted_esp(struct reader *r, struct icmp_claim *out)
{
    out->spi = read_u32(r);
    return r->failed || out->spi == 0 ? ERR_MALFORMED : OK; /* RFC 4303 2.1: zero is never sent */
}

/* RFC 3948 2. The checksum is ours, but of a payload that is cut off here. */
static enum status quoted_udp(struct reader *r, struct icmp_claim *out)
{
    out->udp = true;
    out->path.local.port = read_u16(r);
    out->path.remote.port = read_u16(r);
    unsigned len = read_u16(r);
    read_u16(r);
    if (r->failed)
        return ERR_MALFORMED;
    if (len == UDP_HEADER + KEEPALIVE)
        return ERR_UNSUPPORTED;
    out->spi = read_u32(r);
    if (r->failed || len < UDP_HEADER + ESP_HEADER)
        return ERR_MALFORMED;
    return out->spi != 0 ? OK : ERR_UNSUPPORTED; /* the marker of IKE */
}

static enum status read_quoted(uint8_t family, struct reader *r, struct icmp_claim *out)
{
    uint8_t protocol = 0;
    enum status status = family == 4 ? quoted_ipv4(r, &out->path, &protocol) : quoted_ipv6(r, &out->path, &protocol);
    if (status != OK)
        return status;
    if (protocol == PROTOCOL_ESP)
        return quoted_esp(r, out);
    return protocol == PROTOCOL_UDP ? quoted_udp(r, out) : ERR_UNSUPPORTED;
}

/* RFC 1191 4: the low half of the second word. RFC 4443 3.2: all of it, whatever the code is. The kernel verifies
 * ICMPv6 before it delivers, and only it knows the pseudo-header (RFC 3542 3.1); ICMP it delivers unverified. */
static enum status read_too_big(uint8_t family, struct bytes message, struct icmp_claim *out)
{
    struct reader r = reader_of_bytes(message);
    uint8_t type = read_u8(&r), code = read_u8(&r);
    read_u16(&r);
    out->mtu = read_u32(&r);
    if (r.failed)
        return ERR_MALFORMED;
    if (family == 4) {
        if (type != UNREACHABLE || code != FRAGMENTATION_NEEDED)
            return ERR_UNSUPPORTED;
        if (checksum_of(message.data, message.len) != 0)
            return ERR_MALFORMED;
        out->mtu &= UINT16_MAX;
    } else if (type != TOO_BIG_IPV6) {
        return ERR_UNSUPPORTED;
    }
    return read_quoted(family, &r, out);
}

enum status icmp_read_claim(uint8_t family, struct bytes message, struct icmp_claim *out)
{
    struct icmp_claim claim = {0};
    *out = claim;
    if (family != 4 && family != 6)
        return ERR_UNSUPPORTED;
    enum status status = read_too_big(family, message, &claim);
    if (status == OK)
        *out = claim;
    return status;
}
