/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any IPv4 packet, cut to an MTU (the first two bytes): put together again, its fragments are the packet. After the
 * packet's own bytes the payload goes on with counting ones up to its total length, so that small inputs make big
 * packets.
 */
#include <stdlib.h>
#include <string.h>

#include "esp/fragment.h"
#include "test/inner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 65535 };

static uint8_t packet[ROOM], whole[ROOM], buffer[ROOM];

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Options that are in a later fragment stand in the packet too, one behind the other. */
static void check_later_options(const uint8_t *options, size_t len, size_t header)
{
    size_t at = 0, from = 20;
    while (at < len && options[at] != 0) {
        require((options[at] & 0x80) != 0);
        size_t one = options[at + 1];
        require(one >= 2 && one <= len - at);
        while (from + one <= header && memcmp(packet + from, options + at, one) != 0)
            from++;
        require(from + one <= header);
        from += one;
        at += one;
    }
    require(len - at < 4);
}

static size_t put_together(const uint8_t *ip, size_t len, uint32_t mtu, size_t at, size_t total)
{
    size_t header = (size_t)(ip[0] & 15) * 4, first = (size_t)(packet[0] & 15) * 4, read_len = 0;
    struct flow flow;
    require(len <= mtu && len >= header);
    require(flow_read(bytes_of(ip, len), &flow, &read_len) == OK && read_len == len);
    require(naive_sum(0, ip, header) == 0xffff);
    bool last = at + len - header == total - first;
    require(last || (len - header) % 8 == 0);
    unsigned fragment = load_u16(ip + 6), original = load_u16(packet + 6);
    require((fragment & 0x1fff) == (original & 0x1fff) + at / 8);
    require((fragment & 0xe000) == (last ? original & 0xe000 : (original & 0xe000) | 0x2000));
    require(ip[1] == packet[1] && memcmp(ip + 4, packet + 4, 2) == 0 && memcmp(ip + 8, packet + 8, 2) == 0);
    require(memcmp(ip + 12, packet + 12, 8) == 0);
    if (at == 0) {
        require(header == first);
        memcpy(whole, ip, header);
    } else {
        check_later_options(ip + 20, header - 20, first);
    }
    require(at + len - header <= total - first);
    memcpy(whole + first + at, ip + header, len - header);
    return at + len - header;
}

static void cut(size_t len, uint32_t mtu, size_t total)
{
    struct fragmenter f;
    enum status status = fragment_begin(&f, bytes_of(packet, len), mtu);
    size_t header = (size_t)(packet[0] & 15) * 4, at = 0, n = 0;
    require((status == ERR_LIMIT) == (mtu < header + 8) || status == ERR_UNSUPPORTED || status == ERR_MALFORMED);
    struct packet p = packet_of(buffer, sizeof buffer, 0);
    for (; fragment_next(&f, &p); n++) {
        require(status == OK);
        at = put_together(packet_data(&p), p.len, mtu, at, total);
        p = packet_of(buffer, sizeof buffer, 0);
    }
    if (status != OK)
        return;
    require(n > 0 && at == total - header);
    memcpy(whole + 2, packet + 2, 2); /* what the receiver writes anew */
    memcpy(whole + 6, packet + 6, 2);
    memcpy(whole + 10, packet + 10, 2);
    require(memcmp(whole, packet, total) == 0);
}

/* What flow_read refuses does not come here; if it did, nothing worse than refusing would happen. */
static void drain(size_t len, uint32_t mtu)
{
    struct fragmenter f;
    struct packet p = packet_of(buffer, sizeof buffer, 0);
    if (fragment_begin(&f, bytes_of(packet, len), mtu) != OK)
        require(!fragment_next(&f, &p));
    while (fragment_next(&f, &p))
        require(p.len <= mtu);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct flow flow;
    size_t total = 0;
    if (size < 2 || size - 2 > ROOM)
        return 0;
    uint32_t mtu = load_u16(data);
    memcpy(packet, data + 2, size - 2);
    for (size_t i = size - 2; i < ROOM; i++)
        packet[i] = (uint8_t)(i ^ i >> 8);
    if (flow_read(bytes_of(packet, ROOM), &flow, &total) == OK && flow.source.family == 4)
        cut(ROOM, mtu, total);
    else
        drain(size - 2, mtu);
    return 0;
}
