/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/coalesce.h"

#include <string.h>

#include "base/checksum.h"
#include "policy/ip.h"
#include "policy/protocol.h"

enum {
    IPV4_TOTAL = 2,
    IPV4_ID = 4,
    IPV4_FRAGMENT = 6,
    IPV4_TTL = 8,
    IPV4_CHECKSUM = 10,
    IPV4_DF = 0x4000,
    IPV6_PAYLOAD = 4,
    IPV6_NEXT = 6,
    UDP_LENGTH = 4,
    UDP_CHECKSUM = 6,
    TCP_HEADER = 20,
    TCP_SEQUENCE = 4,
    TCP_ACK = 8,
    TCP_DATA_OFFSET = 12,
    TCP_FLAGS = 13,
    TCP_WINDOW = 14,
    TCP_CHECKSUM = 16,
    TCP_URGENT = 18,
    PSH = 0x08,
    ACK = 0x10,
    PORTS = 4, /* bytes of both, first in TCP and UDP */
    LENGTH_MAX = 65535,
};

void coalesce_begin(struct coalesce *c, bool udp)
{
    c->udp = udp;
    c->pieces_used = c->groups_used = c->groups_given = c->open_used = 0;
    c->saved_len = c->apart_left = 0;
}

static bool same(const uint8_t *a, const uint8_t *b, size_t at, size_t end)
{
    return memcmp(a + at, b + at, end - at) == 0;
}

static bool is_ipv4(const uint8_t *packet)
{
    return packet[0] >> 4 == 4;
}

static bool same_addresses(const uint8_t *a, const uint8_t *b)
{
    if (is_ipv4(a) != is_ipv4(b))
        return false;
    return is_ipv4(a) ? same(a, b, IPV4_ADDRESSES, IPV4_HEADER) : same(a, b, IPV6_ADDRESSES, IPV6_HEADER);
}

/* --- checksums --- */

static uint8_t protocol_of(bool is_tcp)
{
    return is_tcp ? PROTOCOL_TCP : PROTOCOL_UDP;
}

/* Every checksum that the receiver would look at. */
static bool is_right(const uint8_t *packet, uint32_t len, uint32_t upper, bool is_tcp)
{
    if (is_ipv4(packet) && checksum_of(packet, IPV4_HEADER) != 0)
        return false;
    uint64_t sum = ip_pseudo_sum(packet, protocol_of(is_tcp), len - upper);
    return checksum_finish(checksum_add(sum, packet + upper, len - upper)) == 0;
}

/* --- what may be merged at all, by its own header --- */

/* No options, no extension headers, no fragments, and no flag that a new header would not have. */
static bool is_plain_ip(const uint8_t *packet, const struct flow *flow)
{
    if (flow->is_fragment)
        return false;
    if (!is_ipv4(packet))
        return flow->upper == IPV6_HEADER;
    return flow->upper == IPV4_HEADER && (load_u16(packet + IPV4_FRAGMENT) & ~(unsigned)IPV4_DF) == 0;
}

/* The length of the header, or 0. The lower half of the data offset's byte is reserved, or AccECN's. */
static size_t plain_tcp_header(const uint8_t *tcp, size_t len)
{
    if (len < TCP_HEADER || (tcp[TCP_FLAGS] & ~PSH) != ACK || (tcp[TCP_DATA_OFFSET] & 15) != 0)
        return 0;
    size_t header = (size_t)(tcp[TCP_DATA_OFFSET] >> 4) * 4;
    return header >= TCP_HEADER ? header : 0;
}

/* A datagram without a checksum would get one. */
static size_t plain_udp_header(const uint8_t *udp, size_t len)
{
    bool whole = len >= UDP_HEADER && load_u16(udp + UDP_LENGTH) == len && load_u16(udp + UDP_CHECKSUM) != 0;
    return whole ? UDP_HEADER : 0;
}

/* Fills g for a packet that may stand first in a group, or join one. */
static bool is_segment(const uint8_t *packet, size_t len, const struct flow *flow, bool udp, struct coalesce_group *g)
{
    g->is_tcp = flow->protocol == PROTOCOL_TCP;
    if (!g->is_tcp && (!udp || flow->protocol != PROTOCOL_UDP))
        return false;
    if (len != (size_t)flow->upper + flow->upper_len || !is_plain_ip(packet, flow))
        return false;
    const uint8_t *upper = packet + flow->upper;
    size_t header = g->is_tcp ? plain_tcp_header(upper, flow->upper_len) : plain_udp_header(upper, flow->upper_len);
    if (header == 0 || header >= flow->upper_len)
        return false;
    g->upper = flow->upper;
    g->headers = (uint16_t)(flow->upper + header);
    g->segment = (uint16_t)(flow->upper_len - header);
    g->sequence = g->is_tcp ? load_u32(upper + TCP_SEQUENCE) + g->segment : 0;
    return true;
}

/* --- what may follow what --- */

/* number: of packets before b. The kernel counts the ids up when it splits; with DF they mean nothing (RFC 6864 4.1),
 * and some send only zeroes. */
static bool ip_continues(const uint8_t *a, const uint8_t *b, unsigned number)
{
    if (!is_ipv4(a)) /* the payload length apart, and addresses that are known to be the same */
        return same(a, b, 0, IPV6_PAYLOAD) && same(a, b, IPV6_NEXT, IPV6_ADDRESSES);
    uint16_t first = load_u16(a + IPV4_ID), id = load_u16(b + IPV4_ID);
    bool id_fits =
        id == (uint16_t)(first + number) || (first == 0 && id == 0 && (load_u16(a + IPV4_FRAGMENT) & IPV4_DF) != 0);
    return id_fits && same(a, b, 0, IPV4_TOTAL) && same(a, b, IPV4_FRAGMENT, IPV4_CHECKSUM);
}

/* All but the sequence number, PSH and the checksum is the same: options too, so timestamps. */
static bool tcp_continues(const uint8_t *a, const uint8_t *b, size_t header)
{
    return same(a, b, TCP_ACK, TCP_FLAGS) && same(a, b, TCP_WINDOW, TCP_CHECKSUM) && same(a, b, TCP_URGENT, header);
}

/* By headers alone: the packet, which would be the group n by itself, goes on where g ends. */
static bool continues(const struct coalesce *c, const struct coalesce_group *g, const uint8_t *packet,
                      const struct coalesce_group *n)
{
    const uint8_t *first = c->pieces[g->first].data;
    if (n->headers != g->headers || n->segment > g->segment || n->segment > LENGTH_MAX - g->len ||
        g->count == COALESCE_SEGMENTS || !ip_continues(first, packet, g->count))
        return false;
    return !g->is_tcp || (n->sequence - n->segment == g->sequence &&
                          tcp_continues(first + g->upper, packet + g->upper, (size_t)(g->headers - g->upper)));
}

/* --- open groups --- */

/* What a fragment belongs to cannot always be told, so it counts to all between its addresses. */
static bool is_of_flow(const struct coalesce *c, const struct coalesce_group *g, const uint8_t *packet,
                       const struct flow *flow)
{
    const uint8_t *first = c->pieces[g->first].data;
    if (!same_addresses(first, packet))
        return false;
    if (flow->is_fragment)
        return true;
    return flow->protocol == (g->is_tcp ? PROTOCOL_TCP : PROTOCOL_UDP) &&
           (!flow->has_ports || memcmp(first + g->upper, packet + flow->upper, PORTS) == 0);
}

/* The place in open, from `end` down; -1: none. */
static int find_open(const struct coalesce *c, int end, const uint8_t *packet, const struct flow *flow)
{
    for (int i = end; i-- > 0;)
        if (is_of_flow(c, &c->groups[c->open[i]], packet, flow))
            return i;
    return -1;
}

static void close_open(struct coalesce *c, int place)
{
    c->open_used--;
    memmove(c->open + place, c->open + place + 1, (size_t)(c->open_used - place));
}

static bool is_pushed(const struct coalesce_group *g, const uint8_t *packet)
{
    return g->is_tcp && (packet[g->upper + TCP_FLAGS] & PSH) != 0;
}

/* --- adding --- */

static uint8_t add_piece(struct coalesce *c, uint8_t *packet, size_t len)
{
    c->pieces[c->pieces_used] = (struct coalesce_piece){.data = packet, .len = (uint32_t)len};
    return c->pieces_used++;
}

static void add_group(struct coalesce *c, uint8_t *packet, size_t len, struct coalesce_group group, bool open)
{
    group.first = group.last = add_piece(c, packet, len);
    group.count = 1;
    group.len = (uint32_t)len;
    c->groups[c->groups_used] = group;
    if (open) {
        if (c->open_used == COALESCE_FLOWS)
            close_open(c, 0);
        c->open[c->open_used++] = c->groups_used;
    }
    c->groups_used++;
}

/* After a segment that is short or pushed nothing follows. */
static void join(struct coalesce *c, int place, uint8_t *packet, size_t len, uint16_t segment)
{
    struct coalesce_group *g = &c->groups[c->open[place]];
    uint8_t piece = add_piece(c, packet, len);
    c->pieces[g->last].next = piece;
    g->last = piece;
    g->count++;
    g->len += segment;
    g->sequence += segment;
    if (segment < g->segment || is_pushed(g, packet))
        close_open(c, place);
}

static bool verify_first(const struct coalesce *c, struct coalesce_group *g)
{
    const struct coalesce_piece *first = &c->pieces[g->first];
    if (!g->verified)
        g->verified = is_right(first->data, first->len, g->upper, g->is_tcp);
    return g->verified;
}

static void add_alone(struct coalesce *c, uint8_t *packet, size_t len, const struct flow *flow)
{
    for (int place = c->open_used; (place = find_open(c, place, packet, flow)) >= 0;)
        close_open(c, place);
    add_group(c, packet, len, (struct coalesce_group){0}, false);
}

static void add_segment(struct coalesce *c, uint8_t *packet, size_t len, const struct flow *flow,
                        struct coalesce_group group)
{
    int place = find_open(c, c->open_used, packet, flow);
    if (place >= 0) {
        struct coalesce_group *g = &c->groups[c->open[place]];
        if (continues(c, g, packet, &group) && verify_first(c, g) &&
            is_right(packet, (uint32_t)len, group.upper, group.is_tcp)) {
            join(c, place, packet, len, group.segment);
            return;
        }
        close_open(c, place);
    }
    add_group(c, packet, len, group, !is_pushed(&group, packet));
}

bool coalesce_add(struct coalesce *c, uint8_t *packet, size_t len, const struct flow *flow)
{
    if (c->pieces_used == COALESCE_BATCH || c->groups_given > 0)
        return false;
    struct coalesce_group group = {0};
    if (is_segment(packet, len, flow, c->udp, &group))
        add_segment(c, packet, len, flow, group);
    else
        add_alone(c, packet, len, flow);
    return true;
}

/* --- giving out --- */

static void save_headers(struct coalesce *c, const struct coalesce_group *g)
{
    c->apart = g->first;
    c->apart_left = g->count;
    c->saved_len = g->count > 1 ? (uint8_t)g->headers : 0; /* is_segment has seen to it that they fit */
    memcpy(c->saved, c->pieces[g->first].data, c->saved_len);
}

/* The header of the first packet becomes that of all. */
static void finish_headers(const struct coalesce *c, const struct coalesce_group *g)
{
    uint8_t *ip = c->pieces[g->first].data, *upper = ip + g->upper;
    const uint8_t *last = c->pieces[g->last].data;
    uint32_t upper_len = g->len - g->upper;
    if (is_ipv4(ip)) {
        store_u16(ip + IPV4_TOTAL, (uint16_t)g->len);
        store_u16(ip + IPV4_CHECKSUM, 0);
        store_u16(ip + IPV4_CHECKSUM, checksum_of(ip, IPV4_HEADER));
    } else {
        store_u16(ip + IPV6_PAYLOAD, (uint16_t)upper_len);
    }
    if (g->is_tcp)
        upper[TCP_FLAGS] |= last[g->upper + TCP_FLAGS] & PSH;
    else
        store_u16(upper + UDP_LENGTH, (uint16_t)upper_len);
    store_u16(upper + (g->is_tcp ? TCP_CHECKSUM : UDP_CHECKSUM),
              checksum_fold(ip_pseudo_sum(ip, protocol_of(g->is_tcp), upper_len)));
}

static struct vnet vnet_of(const struct coalesce *c, const struct coalesce_group *g)
{
    if (g->count == 1)
        return (struct vnet){.gso = VNET_GSO_NONE};
    enum vnet_gso tcp = is_ipv4(c->pieces[g->first].data) ? VNET_GSO_TCPV4 : VNET_GSO_TCPV6;
    return (struct vnet){
        .gso = g->is_tcp ? tcp : VNET_GSO_UDP_L4,
        .needs_checksum = true,
        .gso_size = g->segment,
        .headers = g->headers,
        .checksum_start = g->upper,
        .checksum_offset = g->is_tcp ? TCP_CHECKSUM : UDP_CHECKSUM,
    };
}

bool coalesce_next(struct coalesce *c, struct coalesced *out)
{
    if (c->groups_given == c->groups_used) {
        coalesce_begin(c, c->udp);
        return false;
    }
    const struct coalesce_group *g = &c->groups[c->groups_given++];
    struct vnet vnet = vnet_of(c, g);
    vnet_write(&vnet, c->header);
    const struct coalesce_piece *piece = &c->pieces[g->first];
    c->iov[0] = (struct iovec){.iov_base = c->header, .iov_len = sizeof c->header};
    c->iov[1] = (struct iovec){.iov_base = piece->data, .iov_len = piece->len};
    for (int i = 2; i <= g->count; i++) {
        piece = &c->pieces[piece->next];
        c->iov[i] = (struct iovec){.iov_base = piece->data + g->headers, .iov_len = piece->len - g->headers};
    }
    save_headers(c, g);
    if (g->count > 1)
        finish_headers(c, g);
    *out = (struct coalesced){
        .iov = c->iov, .count = g->count + 1, .packets = g->count, .udp = vnet.gso == VNET_GSO_UDP_L4};
    return true;
}

bool coalesce_apart(struct coalesce *c, struct bytes *out)
{
    if (c->apart_left == 0)
        return false;
    const struct coalesce_piece *piece = &c->pieces[c->apart];
    memcpy(piece->data, c->saved, c->saved_len);
    *out = bytes_of(piece->data, piece->len);
    c->saved_len = 0;
    c->apart = piece->next;
    c->apart_left--;
    return true;
}
