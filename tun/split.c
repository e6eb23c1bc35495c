/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/split.h"

#include <string.h>

#include "base/checksum.h"
#include "policy/ip.h"
#include "policy/protocol.h"

enum {
    IPV4_TOTAL = 2,
    IPV4_ID = 4,
    IPV4_CHECKSUM = 10,
    IPV4_HEADER_MAX = 60,
    IPV6_PAYLOAD = 4,
    UDP_LENGTH = 4,
    UDP_CHECKSUM = 6,
    TCP_HEADER = 20,
    TCP_HEADER_MAX = 60,
    TCP_SEQUENCE = 4,
    TCP_DATA_OFFSET = 12,
    TCP_FLAGS = 13,
    TCP_CHECKSUM = 16,
    TCP_URGENT = 18,
    FIN = 0x01,
    SYN = 0x02,
    RST = 0x04,
    PSH = 0x08,
    URG = 0x20,
    CWR = 0x80,
};

static bool is_kind(const struct vnet *vnet, const struct flow *flow)
{
    switch (vnet->gso) {
    case VNET_GSO_TCPV4: return flow->protocol == PROTOCOL_TCP && flow->source.family == 4;
    case VNET_GSO_TCPV6: return flow->protocol == PROTOCOL_TCP && flow->source.family == 6;
    case VNET_GSO_UDP_L4: return flow->protocol == PROTOCOL_UDP;
    default: return false;
    }
}

/* The header that vnet speaks of is the one that we have found ourselves. */
static bool is_what_it_says(const struct vnet *vnet, const struct flow *flow)
{
    return !flow->is_fragment && is_kind(vnet, flow) && vnet->gso_size > 0 && vnet->checksum_start == flow->upper &&
           vnet->checksum_offset == (flow->protocol == PROTOCOL_UDP ? UDP_CHECKSUM : TCP_CHECKSUM);
}

/* 0: the header is broken, or the segment does not exist of which there could be several. */
static size_t tcp_header(const uint8_t *tcp, size_t len)
{
    if (len < TCP_HEADER || (tcp[TCP_FLAGS] & (SYN | RST)) != 0)
        return 0;
    size_t header = (size_t)(tcp[TCP_DATA_OFFSET] >> 4) * 4;
    return header >= TCP_HEADER && header <= len ? header : 0;
}

static size_t upper_header(const struct splitter *s, size_t upper_len)
{
    if (s->is_tcp)
        return tcp_header(s->packet.data + s->upper, upper_len);
    return upper_len >= UDP_HEADER ? UDP_HEADER : 0;
}

/* Room for payload under the limit; what no limit concerns has all of it. */
static uint32_t room_under(const struct splitter *s, uint32_t limit)
{
    if (limit == 0 || !s->is_tcp)
        return UINT32_MAX;
    return limit > s->headers ? limit - s->headers : 0;
}

/*
 * The checksum of a segment is the sum of what all segments have in common, taken once, and of the few fields in which
 * they differ. Nothing is read back from the header at hand: a load that spans several fresh stores has to wait until
 * they have left the core, which takes longer than the sum.
 */
static uint32_t sum_in_common(const struct splitter *s)
{
    uint8_t upper[TCP_HEADER_MAX];
    uint32_t len = s->headers - s->upper;
    memcpy(upper, s->packet.data + s->upper, len);
    if (s->is_tcp) {
        memset(upper + TCP_SEQUENCE, 0, 4);
        memset(upper + TCP_DATA_OFFSET, 0, 2); /* and flags */
        memset(upper + TCP_CHECKSUM, 0, 4);    /* and urgent pointer */
    } else {
        memset(upper + UDP_LENGTH, 0, 4); /* and checksum */
    }
    return checksum_fold(checksum_add(0, upper, len));
}

static uint32_t ip_sum_in_common(const uint8_t *ip)
{
    uint8_t header[IPV4_HEADER_MAX];
    size_t len = (size_t)(ip[0] & 15) * 4;
    memcpy(header, ip, len);
    memset(header + IPV4_TOTAL, 0, 4); /* and id */
    memset(header + IPV4_CHECKSUM, 0, 2);
    return checksum_fold(checksum_add(0, header, len));
}

enum status split_begin(struct splitter *s, struct bytes packet, const struct flow *flow, const struct vnet *vnet,
                        uint32_t limit)
{
    *s = (struct splitter){0};
    if (vnet->gso == VNET_GSO_NONE)
        return ERR_UNSUPPORTED;
    size_t len = (size_t)flow->upper + flow->upper_len;
    if (!is_what_it_says(vnet, flow) || len > packet.len)
        return ERR_MALFORMED;
    s->packet = bytes_of(packet.data, len);
    s->upper = flow->upper;
    s->is_tcp = flow->protocol == PROTOCOL_TCP;
    size_t header = upper_header(s, flow->upper_len);
    if (header == 0)
        return ERR_MALFORMED;
    s->headers = s->upper + (uint32_t)header;
    uint32_t room = room_under(s, limit), payload = (uint32_t)len - s->headers;
    if (room == 0)
        return ERR_LIMIT;
    s->segment = vnet->gso_size < room ? vnet->gso_size : room;
    /* The field holds the sum over the pseudo-header with the length of all: so the kernel has it, and so a source
     * route (which changes the last address) is none of our business. */
    s->upper_sum = (uint32_t)load_u16(packet.data + s->upper + vnet->checksum_offset) + (uint16_t)~flow->upper_len;
    s->upper_sum += sum_in_common(s);
    s->is_ipv6 = flow->source.family == 6;
    s->ip_sum = s->is_ipv6 ? 0 : ip_sum_in_common(packet.data);
    s->count = payload <= s->segment ? 1 : (payload + s->segment - 1) / s->segment;
    s->largest = s->headers + (payload < s->segment ? payload : s->segment);
    return OK;
}

static void finish_ip(const struct splitter *s, uint8_t *ip, uint32_t len)
{
    if (s->is_ipv6) {
        store_u16(ip + IPV6_PAYLOAD, (uint16_t)(len - IPV6_HEADER));
        return;
    }
    uint16_t id = (uint16_t)(load_u16(s->packet.data + IPV4_ID) + s->next);
    store_u16(ip + IPV4_TOTAL, (uint16_t)len);
    store_u16(ip + IPV4_ID, id);
    store_u16(ip + IPV4_CHECKSUM, checksum_finish((uint64_t)s->ip_sum + len + id));
}

/* at: payload bytes before this segment. RFC 9293 3.8.5: the urgent pointer counts from the segment's own sequence
 * number. RFC 3168 6.1.2: a CWR is an answer, and given once. Returns the sum of what it has written. */
static uint32_t finish_tcp(const struct splitter *s, uint8_t *tcp, uint32_t at)
{
    const uint8_t *whole = s->packet.data + s->upper;
    unsigned drop = 0, urgent = load_u16(whole + TCP_URGENT), flags = whole[TCP_FLAGS];
    uint32_t sequence = load_u32(whole + TCP_SEQUENCE) + at;
    if (s->next + 1 < s->count)
        drop |= FIN | PSH;
    if (s->next > 0)
        drop |= CWR;
    if (at > 0 && (flags & URG) != 0) {
        drop |= urgent > at ? 0 : URG;
        urgent = urgent > at ? urgent - at : 0;
        store_u16(tcp + TCP_URGENT, (uint16_t)urgent);
    }
    flags &= ~drop;
    tcp[TCP_FLAGS] = (uint8_t)flags;
    store_u32(tcp + TCP_SEQUENCE, sequence);
    return (sequence >> 16) + (sequence & 0xffff) + ((unsigned)whole[TCP_DATA_OFFSET] << 8 | flags) + urgent;
}

static uint32_t finish_udp(uint8_t *udp, uint32_t len)
{
    store_u16(udp + UDP_LENGTH, (uint16_t)len);
    return len;
}

/* RFC 768: a sum of 0 is sent as its other form, for 0 says that there is none. TCP takes both forms. */
static uint16_t never_zero(uint16_t checksum)
{
    return checksum == 0 ? 0xffff : checksum;
}

bool split_next(struct splitter *s, struct packet *out)
{
    if (s->next >= s->count)
        return false;
    uint32_t at = s->next * s->segment, left = (uint32_t)s->packet.len - s->headers - at;
    uint32_t payload = left < s->segment ? left : s->segment, header = s->headers - s->upper;
    out->len = 0;
    uint8_t *ip = packet_append(out, s->headers + payload);
    if (ip == NULL)
        return false;
    memcpy(ip, s->packet.data, s->headers);
    finish_ip(s, ip, s->headers + payload);
    uint8_t *upper = ip + s->upper;
    uint64_t sum = (uint64_t)s->upper_sum + header + payload;
    sum += s->is_tcp ? finish_tcp(s, upper, at) : finish_udp(upper, header + payload);
    sum = checksum_copy(sum, upper + header, s->packet.data + s->headers + at, payload);
    store_u16(upper + (s->is_tcp ? TCP_CHECKSUM : UDP_CHECKSUM), never_zero(checksum_finish(sum)));
    s->next++;
    return true;
}

enum status split_complete(uint8_t *packet, size_t len, const struct flow *flow, const struct vnet *vnet)
{
    if (!vnet->needs_checksum)
        return OK;
    size_t start = vnet->checksum_start, offset = vnet->checksum_offset;
    /* A packet in a packet may be what is to be summed, so the start is not always that of the upper layer. */
    if (flow->is_fragment || start < flow->upper || start > len || offset % 2 != 0 || len - start < offset + 2)
        return ERR_MALFORMED;
    uint16_t checksum = checksum_of(packet + start, len - start);
    store_u16(packet + start + offset, never_zero(checksum));
    return OK;
}
