/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/probe.h"

#include <errno.h>
#include <string.h>

#include "base/checksum.h"
#include "policy/ip.h"
#include "policy/protocol.h"

enum {
    PAYLOAD = 500, /* of a segment */
    TAIL = 7,
    SEGMENTS = 3,
    TCP_HEADER = 20,
    PACKET = IPV6_HEADER + TCP_HEADER + PAYLOAD,
    DISCARD_PORT = 9,
    IPV4_CHECKSUM_AT = 10,
};

struct kind {
    uint8_t family;
    bool udp;
};

/* What writing one kind gave: 0, or the errno. */
struct answers {
    int together, apart;
};

/* --- packets as they would come out of a tunnel --- */

static size_t put_ip(uint8_t *out, struct kind kind, uint8_t protocol, size_t len)
{
    static const uint8_t documentation[8] = {192, 0, 2, 1, 192, 0, 2, 2};
    if (kind.family == 4) {
        out[0] = 0x45;
        store_u16(out + 2, (uint16_t)(IPV4_HEADER + len));
        out[6] = 0x40; /* DF: the id means nothing */
        out[8] = 1;
        out[9] = protocol;
        memcpy(out + 12, documentation, sizeof documentation);
        store_u16(out + IPV4_CHECKSUM_AT, checksum_of(out, IPV4_HEADER));
        return IPV4_HEADER;
    }
    out[0] = 0x60;
    store_u16(out + 4, (uint16_t)len);
    out[6] = protocol;
    out[7] = 1;
    out[23] = out[39] = 1; /* from ::1 to ::1 */
    return IPV6_HEADER;
}

static uint16_t checksum_with_addresses(const uint8_t *packet, size_t ip, uint8_t protocol, size_t len)
{
    return checksum_finish(checksum_add(ip_pseudo_sum(packet, protocol, len), packet + ip, len));
}

/* Segment `number` of a stream. Returns its length. */
static size_t put_segment(uint8_t *out, struct kind kind, uint32_t number)
{
    const uint8_t protocol = kind.udp ? PROTOCOL_UDP : PROTOCOL_TCP;
    size_t header = kind.udp ? UDP_HEADER : TCP_HEADER;
    size_t len = header + (number + 1 == SEGMENTS ? TAIL : PAYLOAD);
    memset(out, 0, PACKET);
    size_t ip = put_ip(out, kind, protocol, len);
    uint8_t *upper = out + ip;
    store_u16(upper, DISCARD_PORT);
    store_u16(upper + 2, DISCARD_PORT);
    memset(upper + header, (int)number + 1, len - header);
    if (kind.udp) {
        store_u16(upper + 4, (uint16_t)len);
        store_u16(upper + 6, checksum_with_addresses(out, ip, protocol, len));
    } else {
        store_u32(upper + 4, 1 + number * PAYLOAD);
        upper[12] = TCP_HEADER / 4 << 4;
        upper[13] = 0x10; /* ACK */
        store_u16(upper + 16, checksum_with_addresses(out, ip, protocol, len));
    }
    return ip + len;
}

/* --- writing them --- */

/* The host is to drop it, whatever becomes of the interface. */
static void spoil(uint8_t *packet)
{
    if (packet[0] >> 4 == 4)
        packet[IPV4_CHECKSUM_AT] ^= 0x55;
}

/* EIO: the interface is down; all that could be wrong with the packet has been looked at before. */
static int answer_of(bool taken)
{
    return taken || errno == EIO ? 0 : errno;
}

static struct answers ask(const struct device *device, struct kind kind)
{
    static const struct answers untold = {0, 0};
    uint8_t packets[SEGMENTS][PACKET];
    struct answers answers = untold;
    struct coalesce c;
    struct coalesced out;
    struct bytes one;
    coalesce_begin(&c, kind.udp);
    for (uint32_t i = 0; i < SEGMENTS; i++) {
        struct flow flow;
        size_t total, len = put_segment(packets[i], kind, i);
        if (flow_read(bytes_of(packets[i], len), &flow, &total) != OK || !coalesce_add(&c, packets[i], len, &flow))
            return untold;
    }
    if (!coalesce_next(&c, &out) || out.packets != SEGMENTS)
        return untold;
    spoil(packets[0]);
    answers.together = answer_of(device_write_coalesced(device, &out));
    if (answers.together != 0 && coalesce_apart(&c, &one)) {
        spoil(packets[0]);
        answers.apart = answer_of(device_write(device, one));
    }
    return answers;
}

void device_probe(struct device *device, const struct log *log)
{
    static const struct kind kinds[] = {{4, false}, {6, false}, {4, true}, {6, true}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct kind kind = kinds[i];
        bool *use = kind.udp ? &device->udp_segments : &device->tcp_segments;
        if (!device->vnet || !device->tcp_segments || !*use)
            continue;
        struct answers answers = ask(device, kind);
        if (answers.together == 0)
            continue;
        if (answers.apart != 0) {
            log_write(log, LOG_DEBUG, "%s takes no packets yet (%s): whether it takes super-packets is not known",
                      device->name, strerror(answers.apart));
            return;
        }
        *use = false;
        log_write(log, LOG_WARNING,
                  "%s: this kernel promises to take super-packets of %s over IPv%u and refuses them (%s), as Linux "
                  "6.6.44 does; packets are written one by one, which is slower; use a kernel without this fault, or "
                  "'tun_offload = no' to do without this test",
                  device->name, kind.udp ? "UDP" : "TCP", kind.family, strerror(answers.together));
    }
}
