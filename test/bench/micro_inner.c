/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/checksum.h"
#include "policy/ip.h"
#include "policy/protocol.h"
#include "test/bench/micro.h"

enum { TCP_HEADER = 20, TCP_CHECKSUM = 16, UDP_CHECKSUM = 6, SOURCE_PORT = 40000, PORT = 443, ACK = 0x10 };

static void put_ip(uint8_t *ip, size_t len, uint8_t protocol, uint16_t id)
{
    static const uint8_t addresses[] = {10, 1, 0, 2, 10, 2, 0, 3};
    memset(ip, 0, IPV4_HEADER);
    ip[0] = 0x45;
    store_u16(ip + 2, (uint16_t)len);
    store_u16(ip + 4, id);
    store_u16(ip + 6, 0x4000);
    ip[8] = 64;
    ip[9] = protocol;
    memcpy(ip + 12, addresses, sizeof addresses);
    store_u16(ip + 10, checksum_of(ip, IPV4_HEADER));
}

static void put_payload(uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)(i * 31 ^ i >> 7);
}

static void put_tcp(uint8_t *tcp, uint32_t sequence)
{
    memset(tcp, 0, TCP_HEADER);
    store_u16(tcp, SOURCE_PORT);
    store_u16(tcp + 2, PORT);
    store_u32(tcp + 4, sequence);
    store_u32(tcp + 8, 77);
    tcp[12] = TCP_HEADER / 4 << 4;
    tcp[13] = ACK;
    store_u16(tcp + 14, 500);
}

void inner_tcp(uint8_t *out, size_t len, uint32_t at)
{
    size_t headers = IPV4_HEADER + TCP_HEADER;
    uint8_t *tcp = out + IPV4_HEADER;
    put_ip(out, len, PROTOCOL_TCP, (uint16_t)at);
    put_tcp(tcp, at * (uint32_t)(len - headers));
    put_payload(out + headers, len - headers);
    uint64_t sum = ip_pseudo_sum(out, out[9], len - IPV4_HEADER);
    store_u16(tcp + TCP_CHECKSUM, checksum_finish(checksum_add(sum, tcp, len - IPV4_HEADER)));
}

void inner_udp(uint8_t *out, size_t len)
{
    uint8_t *udp = out + IPV4_HEADER;
    put_ip(out, len, PROTOCOL_UDP, 7);
    store_u16(udp, SOURCE_PORT);
    store_u16(udp + 2, PORT);
    store_u16(udp + 4, (uint16_t)(len - IPV4_HEADER));
    store_u16(udp + UDP_CHECKSUM, 0);
    put_payload(udp + UDP_HEADER, len - IPV4_HEADER - UDP_HEADER);
    uint64_t sum = ip_pseudo_sum(out, out[9], len - IPV4_HEADER);
    store_u16(udp + UDP_CHECKSUM, checksum_finish(checksum_add(sum, udp, len - IPV4_HEADER)));
}

size_t inner_super(uint8_t *out, size_t segment, struct vnet *vnet)
{
    size_t headers = IPV4_HEADER + TCP_HEADER, payload = segment - headers;
    size_t len = headers + (PACKET_PAYLOAD_MAX - headers) / payload * payload;
    uint8_t *tcp = out + IPV4_HEADER;
    put_ip(out, len, PROTOCOL_TCP, 1);
    put_tcp(tcp, 1);
    put_payload(out + headers, len - headers);
    store_u16(tcp + TCP_CHECKSUM, checksum_fold(ip_pseudo_sum(out, out[9], len - IPV4_HEADER)));
    *vnet = (struct vnet){.gso = VNET_GSO_TCPV4,
                          .needs_checksum = true,
                          .gso_size = (uint16_t)payload,
                          .headers = (uint16_t)headers,
                          .checksum_start = IPV4_HEADER,
                          .checksum_offset = TCP_CHECKSUM};
    return len;
}

static int only_connection(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return 0;
}

void inner_spd(struct spd *spd, size_t rules, const struct random *random)
{
    char text[64], why[256];
    *spd = (struct spd){0};
    for (size_t i = 1; i < rules; i++) {
        (void)snprintf(text, sizeof text, "10.1.0.0/24 -> %zu.%zu.%zu.0/24 via p", 11 + (i >> 16), i >> 8 & 255,
                       i & 255);
        if (spd_add(spd, ACTION_PROTECT, text, (uint32_t)i, only_connection, NULL, why, sizeof why) != OK)
            micro_fail(why);
    }
    if (spd_add(spd, ACTION_PROTECT, "10.1.0.0/24 -> 10.2.0.0/24 via p", (uint32_t)rules, only_connection, NULL, why,
                sizeof why) != OK)
        micro_fail(why);
    if (spd_compile(spd, random) != OK)
        micro_fail("the index of rules cannot be made");
}
