/* SPDX-License-Identifier: Apache-2.0 */
/* Packets to order, for the tests of split and coalesce. */
#ifndef TEST_UNIT_TUN_OFFLOAD_TEST_H
#define TEST_UNIT_TUN_OFFLOAD_TEST_H

#include "test/offload.h"
#include "test/unit/unit_test.h"

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32, ECE = 64, CWR = 128 };

/* What a packet is made of; `like` fills in the rest. */
struct recipe {
    unsigned family; /* 4 or 6 */
    bool udp;
    uint8_t flags;
    uint16_t port;     /* source: the flow */
    uint32_t sequence; /* of TCP; and for both, which bytes of an endless stream the payload is */
    uint32_t payload;
    uint16_t id;
    uint16_t fragment; /* IPv4's flags and offset */
    uint8_t tos, ttl;
    uint32_t ack;
    uint16_t window, urgent;
    uint32_t timestamp; /* 0: no TCP options */
    uint8_t inserted;   /* bytes of IPv4 options or of an IPv6 destination options header; a multiple of 8 */
};

static inline struct recipe like(unsigned family, bool udp, uint32_t payload)
{
    return (struct recipe){
        .family = family,
        .udp = udp,
        .flags = ACK,
        .port = 4711,
        .sequence = 1000,
        .payload = payload,
        .id = 7,
        .fragment = 0x4000,
        .ttl = 64,
        .ack = 77,
        .window = 500,
    };
}

static inline uint8_t stream_byte(uint32_t at)
{
    return (uint8_t)(at * 31 ^ at >> 7 ^ at >> 16);
}

static inline size_t put_ip(uint8_t *out, const struct recipe *r, uint32_t upper_len)
{
    uint8_t protocol = r->udp ? PROTOCOL_UDP : PROTOCOL_TCP;
    size_t upper = (r->family == 4 ? 20u : 40u) + r->inserted;
    uint8_t *inserted = out + upper - r->inserted;
    memset(out, 0, upper);
    memset(inserted, r->family == 4 ? 1 : 0, r->inserted); /* no operation, or Pad1 */
    if (r->family == 4) {
        out[0] = (uint8_t)(0x40 | upper / 4);
        out[1] = r->tos;
        store_u16(out + 2, (uint16_t)(upper + upper_len));
        store_u16(out + 4, r->id);
        store_u16(out + 6, r->fragment);
        out[8] = r->ttl;
        out[9] = protocol;
        memcpy(out + 12, "\x0a\x01\x00\x02\x0a\x02\x00\x03", 8);
        store_u16(out + 10, (uint16_t)(0xffff - naive_sum(0, out, upper)));
        return upper;
    }
    store_u32(out, 0x60000000 | (uint32_t)r->tos << 20 | 0x12345);
    store_u16(out + 4, (uint16_t)(upper - 40 + upper_len));
    out[6] = r->inserted > 0 ? 60 : protocol;
    out[7] = r->ttl;
    memcpy(out + 8, "\x20\x01\x0d\xb8\0\1\0\0\0\0\0\0\0\0\0\2\x20\x01\x0d\xb8\0\2\0\0\0\0\0\0\0\0\0\x03", 32);
    if (r->inserted > 0) {
        inserted[0] = protocol;
        inserted[1] = (uint8_t)(r->inserted / 8 - 1);
    }
    return upper;
}

static inline size_t put_tcp(uint8_t *tcp, const struct recipe *r)
{
    size_t header = r->timestamp != 0 ? 32 : 20;
    memset(tcp, 0, header);
    store_u32(tcp + 4, r->sequence);
    store_u32(tcp + 8, r->ack);
    tcp[12] = (uint8_t)(header / 4 << 4);
    tcp[13] = r->flags;
    store_u16(tcp + 14, r->window);
    store_u16(tcp + 18, r->urgent);
    if (r->timestamp != 0) {
        memcpy(tcp + 20, "\1\1\x08\x0a", 4);
        store_u32(tcp + 24, r->timestamp);
        store_u32(tcp + 28, 99);
    }
    return header;
}

/* A whole packet, all checksums right. Returns its length. */
static inline size_t build(uint8_t *out, const struct recipe *r)
{
    size_t header = r->udp ? 8 : r->timestamp != 0 ? 32 : 20;
    size_t upper = put_ip(out, r, (uint32_t)header + r->payload), len = upper + header + r->payload;
    uint8_t *at = out + upper;
    memset(at, 0, header);
    if (r->udp)
        store_u16(at + 4, (uint16_t)(header + r->payload));
    else
        put_tcp(at, r);
    store_u16(at, r->port);
    store_u16(at + 2, 443);
    for (uint32_t i = 0; i < r->payload; i++)
        at[header + i] = stream_byte(r->sequence + i);
    struct flow flow = {.protocol = r->udp ? PROTOCOL_UDP : PROTOCOL_TCP, .upper = (uint16_t)upper};
    flow.source.family = (uint8_t)r->family;
    uint16_t checksum = (uint16_t)(0xffff - naive_upper_sum(out, len, &flow));
    store_u16(at + (r->udp ? 6 : 16), checksum == 0 ? 0xffff : checksum);
    return len;
}

static inline struct flow flow_of(const uint8_t *packet, size_t len)
{
    struct flow flow;
    size_t total;
    assert_int_equal(flow_read(bytes_of(packet, len), &flow, &total), OK);
    return flow;
}

/* As the kernel hands it over: the sum of the pseudo-header in the field, and the rest left to us. */
static inline struct vnet make_super(uint8_t *packet, size_t len, uint16_t gso_size)
{
    struct flow flow = flow_of(packet, len);
    bool udp = flow.protocol == PROTOCOL_UDP;
    uint16_t field = udp ? 6 : 16;
    store_u16(packet + flow.upper + field, (uint16_t)naive_pseudo_sum(packet, &flow, flow.upper_len));
    return (struct vnet){
        .gso = udp                       ? VNET_GSO_UDP_L4
               : flow.source.family == 4 ? VNET_GSO_TCPV4
                                         : VNET_GSO_TCPV6,
        .needs_checksum = true,
        .gso_size = gso_size,
        .checksum_start = flow.upper,
        .checksum_offset = field,
    };
}

#endif
