/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold whatever goes in, for tests and fuzz targets of tun/split and tun/coalesce: the receiver of the
 * segments sees the stream that the super-packet was; and what was merged, split again, is what came in. A failure
 * prints its line and aborts.
 */
#ifndef TEST_OFFLOAD_H
#define TEST_OFFLOAD_H

#include <stdio.h>
#include <stdlib.h>

#include "test/inner.h"
#include "tun/coalesce.h"
#include "tun/split.h"

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                              \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

enum { OFFLOAD_ROOM = 65535, OFFLOAD_OFFSET = 64, OFFLOAD_GUARD = 0xa7 };

/* --- checksums, byte by byte --- */

/* The sum over the pseudo-header alone, with that length. */
static inline uint32_t naive_pseudo_sum(const uint8_t *packet, const struct flow *flow, uint32_t upper_len)
{
    uint8_t tail[8] = {0, 0, 0, 0, 0, 0, 0, flow->protocol};
    store_u32(tail, upper_len);
    uint32_t sum = flow->source.family == 4 ? naive_sum(0, packet + 12, 8) : naive_sum(0, packet + 8, 32);
    return naive_sum(sum, tail, sizeof tail);
}

/* All checksums of a TCP or UDP packet are right. */
static inline bool is_all_right(const uint8_t *packet, size_t len)
{
    struct flow flow;
    size_t total;
    if (flow_read(bytes_of(packet, len), &flow, &total) != OK || total != len)
        return false;
    if (flow.source.family == 4 && naive_sum(0, packet, (size_t)(packet[0] & 15) * 4) != 0xffff)
        return false;
    return naive_upper_sum(packet, len, &flow) == 0xffff;
}

/* --- split --- */

/* Where a header of the segment differs from that of the super-packet, and why. at: payload bytes before it. */
static inline void check_tcp_header(const uint8_t *whole, const uint8_t *one, size_t header, uint32_t at, bool first,
                                    bool last)
{
    uint16_t urgent = load_u16(whole + 18);
    unsigned flags = whole[13] & (0x56u | (first ? 0x80 : 0) | (last ? 0x09 : 0));
    bool is_urgent = (whole[13] & 0x20) != 0;
    if (is_urgent && (first || urgent > at))
        flags |= 0x20;
    if (is_urgent)
        urgent = (uint16_t)(urgent > at ? urgent - at : 0);
    REQUIRE(load_u32(one + 4) == load_u32(whole + 4) + at);
    REQUIRE(one[13] == flags && load_u16(one + 18) == urgent);
    REQUIRE(memcmp(whole, one, 4) == 0 && memcmp(whole + 8, one + 8, 5) == 0 && memcmp(whole + 14, one + 14, 2) == 0);
    REQUIRE(memcmp(whole + 20, one + 20, header - 20) == 0);
}

static inline void check_ip_header(const uint8_t *whole, const uint8_t *one, size_t upper, size_t len, uint32_t number)
{
    if (one[0] >> 4 == 6) {
        REQUIRE(load_u16(one + 4) == len - 40);
        REQUIRE(memcmp(whole, one, 4) == 0 && memcmp(whole + 6, one + 6, upper - 6) == 0);
        return;
    }
    REQUIRE(load_u16(one + 2) == len && naive_sum(0, one, upper) == 0xffff);
    REQUIRE(load_u16(one + 4) == (uint16_t)(load_u16(whole + 4) + number));
    REQUIRE(memcmp(whole, one, 2) == 0 && memcmp(whole + 6, one + 6, 4) == 0);
    REQUIRE(memcmp(whole + 12, one + 12, upper - 12) == 0);
}

/* As wrong as the partial checksum was; right, if that was right. */
static inline void check_upper_checksum(const uint8_t *whole, const uint8_t *one, size_t len, const struct flow *flow,
                                        size_t field)
{
    struct flow own;
    size_t total;
    REQUIRE(flow_read(bytes_of(one, len), &own, &total) == OK && total == len && own.upper == flow->upper);
    uint32_t partial = load_u16(whole + flow->upper + field);
    uint32_t is = naive_upper_sum(one, len, &own), should = naive_pseudo_sum(whole, flow, flow->upper_len);
    REQUIRE((is + partial) % 0xffff == should % 0xffff);
    REQUIRE(flow->protocol == PROTOCOL_TCP || load_u16(one + flow->upper + field) != 0);
}

/* Splits, and checks every packet. Returns the number of packets; 0 when it was refused, with *status. */
static inline uint32_t check_split(struct bytes packet, const struct flow *flow, const struct vnet *vnet,
                                   uint32_t limit, enum status *status)
{
    static uint8_t buffer[OFFLOAD_OFFSET + OFFLOAD_ROOM + 1];
    struct splitter s;
    struct packet out = packet_of(buffer, sizeof buffer - 1, OFFLOAD_OFFSET);
    *status = split_begin(&s, packet, flow, vnet, limit);
    if (*status != OK) {
        REQUIRE(!split_next(&s, &out));
        return 0;
    }
    bool is_tcp = flow->protocol == PROTOCOL_TCP;
    uint32_t at = 0, count = s.count, payload = (uint32_t)flow->upper + flow->upper_len - s.headers;
    const uint8_t *whole = packet.data;
    REQUIRE(count >= 1 && (limit == 0 || !is_tcp || s.largest <= limit));
    REQUIRE(s.largest - s.headers <= vnet->gso_size);
    for (uint32_t i = 0; i < count; i++) {
        memset(buffer, OFFLOAD_GUARD, OFFLOAD_OFFSET);
        REQUIRE(split_next(&s, &out) && out.offset == OFFLOAD_OFFSET && s.next == i + 1);
        const uint8_t *one = packet_data(&out);
        uint32_t len = out.len, carried = len - s.headers;
        bool last = i + 1 == count;
        REQUIRE(buffer[0] == OFFLOAD_GUARD && buffer[OFFLOAD_OFFSET - 1] == OFFLOAD_GUARD);
        REQUIRE(last ? len <= s.largest : len == s.largest);
        REQUIRE(carried <= payload - at && (carried > 0 || payload == 0));
        REQUIRE(memcmp(one + s.headers, whole + s.headers + at, carried) == 0);
        check_ip_header(whole, one, flow->upper, len, i);
        if (is_tcp)
            check_tcp_header(whole + flow->upper, one + flow->upper, s.headers - flow->upper, at, i == 0, last);
        else
            REQUIRE(load_u16(one + flow->upper + 4) == len - flow->upper &&
                    memcmp(one + flow->upper, whole + flow->upper, 4) == 0);
        check_upper_checksum(whole, one, len, flow, vnet->checksum_offset);
        at += carried;
    }
    REQUIRE(at == payload && !split_next(&s, &out));
    return count;
}

/* --- coalesce --- */

/* A packet that goes in: the buffer, and a copy of what it held. */
struct original {
    uint8_t *data;
    const uint8_t *copy;
    size_t len;
    struct flow flow;
};

/* Never to change places: of one flow, or not known not to be. */
static inline bool is_one_flow(const struct original *a, const struct original *b)
{
    if (!address_equal(&a->flow.source, &b->flow.source) || !address_equal(&a->flow.destination, &b->flow.destination))
        return false;
    if (a->flow.is_fragment || b->flow.is_fragment)
        return true;
    return a->flow.protocol == b->flow.protocol && a->flow.source_port == b->flow.source_port &&
           a->flow.destination_port == b->flow.destination_port;
}

/* Which packets lie behind the pieces, by their places in memory. headers: what was left out of all but the first. */
static inline void find_pieces(const struct coalesced *c, const struct original *in, size_t count, size_t headers,
                               size_t *order)
{
    for (uint32_t n = 0; n < c->packets; n++) {
        const struct iovec *piece = &c->iov[1 + n];
        const uint8_t *start = (const uint8_t *)piece->iov_base - (n == 0 ? 0 : headers);
        size_t len = piece->iov_len + (n == 0 ? 0 : headers), i = 0;
        while (i < count && in[i].data != start)
            i++;
        REQUIRE(i < count && in[i].len == len);
        order[n] = i;
    }
}

/* Split again, by a splitter that is tested by itself, it is what came in; each of it was right. */
static inline void check_super(const uint8_t *whole, size_t len, const struct vnet *vnet, const struct original *in,
                               const size_t *order, uint32_t packets)
{
    static uint8_t one[OFFLOAD_ROOM];
    struct flow flow;
    size_t total;
    struct splitter s;
    struct packet out = packet_of(one, sizeof one, 0);
    REQUIRE(flow_read(bytes_of(whole, len), &flow, &total) == OK && total == len);
    REQUIRE(flow.source.family == 6 || naive_sum(0, whole, 20) == 0xffff);
    REQUIRE(load_u16(whole + flow.upper + vnet->checksum_offset) == naive_pseudo_sum(whole, &flow, flow.upper_len));
    REQUIRE(split_begin(&s, bytes_of(whole, len), &flow, vnet, 0) == OK);
    REQUIRE(s.count == packets && s.headers == vnet->headers);
    for (uint32_t n = 0; n < packets; n++) {
        const struct original *o = &in[order[n]];
        REQUIRE(split_next(&s, &out) && out.len == o->len && is_all_right(o->copy, o->len));
        if (flow.source.family == 4 && load_u16(o->copy + 4) == 0 && (o->copy[6] & 0x40) != 0) {
            memcpy(one + 4, o->copy + 4, 2); /* an id without meaning */
            memcpy(one + 10, o->copy + 10, 2);
        }
        /* One's complement has two zeroes, and the sender may have written the other one. */
        uint8_t *sum = one + flow.upper + vnet->checksum_offset;
        uint16_t theirs = load_u16(o->copy + flow.upper + vnet->checksum_offset);
        if (load_u16(sum) % 0xffff == 0 && theirs % 0xffff == 0)
            store_u16(sum, theirs);
        REQUIRE(memcmp(one, o->copy, o->len) == 0);
    }
}

/* One thing that leaves. Returns how many packets that was; order gets which. */
static inline uint32_t check_coalesced(const struct coalesced *c, const struct original *in, size_t count,
                                       size_t *order)
{
    static uint8_t whole[OFFLOAD_ROOM];
    static const uint8_t nothing[VNET_HEADER];
    struct vnet vnet;
    size_t len = 0;
    REQUIRE(c->packets >= 1 && c->count == (int)c->packets + 1 && c->iov[0].iov_len == VNET_HEADER);
    REQUIRE(vnet_read(bytes_of(c->iov[0].iov_base, VNET_HEADER), &vnet) == OK);
    find_pieces(c, in, count, vnet.headers, order);
    if (c->packets == 1) {
        REQUIRE(memcmp(c->iov[0].iov_base, nothing, sizeof nothing) == 0);
        REQUIRE(memcmp(c->iov[1].iov_base, in[order[0]].copy, in[order[0]].len) == 0);
        return 1;
    }
    for (int i = 1; i < c->count; i++) {
        REQUIRE(c->iov[i].iov_len <= sizeof whole - len);
        memcpy(whole + len, c->iov[i].iov_base, c->iov[i].iov_len);
        len += c->iov[i].iov_len;
    }
    check_super(whole, len, &vnet, in, order, c->packets);
    return c->packets;
}

/* One by one they are what came in. */
static inline void check_apart(struct coalesce *c, const struct original *in, const size_t *order, uint32_t packets)
{
    struct bytes one;
    for (uint32_t n = 0; n < packets; n++) {
        REQUIRE(coalesce_apart(c, &one) && one.data == in[order[n]].data && one.len == in[order[n]].len);
        REQUIRE(memcmp(one.data, in[order[n]].copy, one.len) == 0);
    }
    REQUIRE(!coalesce_apart(c, &one));
}

/* Takes all out, and checks that it is what went in, each once, in an order that no flow notices. Returns how many
 * writes that makes. */
static inline size_t check_drain(struct coalesce *c, const struct original *in, size_t count)
{
    size_t order[COALESCE_BATCH + 1], out = 0, writes = 0;
    struct coalesced next;
    while (coalesce_next(c, &next)) {
        REQUIRE(out + next.packets <= count);
        out += check_coalesced(&next, in, count, order + out);
        check_apart(c, in, order + out - next.packets, next.packets);
        writes++;
    }
    REQUIRE(out == count);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i + 1; j < count; j++) {
            REQUIRE(order[i] != order[j]);
            REQUIRE(order[i] < order[j] || !is_one_flow(&in[order[i]], &in[order[j]]));
        }
    }
    return writes;
}

#endif
