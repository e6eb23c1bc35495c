/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/echo.h"

#include "base/checksum.h"
#include "crypto/secret.h"
#include "policy/protocol.h"

enum { HOPS = 64, REQUEST_IPV4 = 8, REPLY_IPV4 = 0, REQUEST_IPV6 = 128, REPLY_IPV6 = 129 };

static void write_message(struct writer *w, uint8_t type, const struct echo_mark *mark, const struct echo *echo)
{
    write_u8(w, type);
    write_u8(w, 0);
    write_u16(w, 0); /* the checksum, later */
    write_u16(w, mark->identifier);
    write_u16(w, echo->sequence);
    write_bytes(w, mark->token, ECHO_TOKEN);
    write_u32(w, echo->subject);
    write_u64(w, echo->nonce);
}

/* DF and identification 0: an atomic datagram needs no unique one (RFC 6864 4.1). */
static size_t request_ipv4(const struct echo_mark *mark, const struct echo *echo, uint8_t *out)
{
    struct writer w = writer_of(out, ECHO_MAX);
    write_u16(&w, 0x4500);
    write_u16(&w, IPV4_HEADER + ECHO_MESSAGE);
    write_u16(&w, 0);
    write_u16(&w, 0x4000);
    write_u8(&w, HOPS);
    write_u8(&w, PROTOCOL_ICMP);
    write_u16(&w, 0);
    write_bytes(&w, echo->source.bytes, 4);
    write_bytes(&w, echo->destination.bytes, 4);
    write_message(&w, REQUEST_IPV4, mark, echo);
    write_u16_at(&w, 10, checksum_of(out, IPV4_HEADER));
    write_u16_at(&w, IPV4_HEADER + 2, checksum_of(out + IPV4_HEADER, ECHO_MESSAGE));
    return w.len;
}

static size_t request_ipv6(const struct echo_mark *mark, const struct echo *echo, uint8_t *out)
{
    struct writer w = writer_of(out, ECHO_MAX);
    write_u32(&w, 6U << 28);
    write_u16(&w, ECHO_MESSAGE);
    write_u8(&w, PROTOCOL_ICMPV6);
    write_u8(&w, HOPS);
    write_bytes(&w, echo->source.bytes, 16);
    write_bytes(&w, echo->destination.bytes, 16);
    write_message(&w, REQUEST_IPV6, mark, echo);
    uint64_t sum = ip_pseudo_sum(out, PROTOCOL_ICMPV6, ECHO_MESSAGE);
    write_u16_at(&w, IPV6_HEADER + 2, checksum_finish(checksum_add(sum, out + IPV6_HEADER, ECHO_MESSAGE)));
    return w.len;
}

size_t echo_request(const struct echo_mark *mark, const struct echo *echo, uint8_t out[ECHO_MAX])
{
    return echo->source.family == 4 ? request_ipv4(mark, echo, out) : request_ipv6(mark, echo, out);
}

struct flow echo_flow(const struct address *from, const struct address *to)
{
    return (struct flow){.source = *from, .destination = *to, .protocol = (uint8_t)protocol_icmp(to->family)};
}

static bool is_reply(struct bytes message, const struct flow *flow)
{
    bool four = flow->source.family == 4;
    return flow->protocol == protocol_icmp(flow->source.family) &&
           message.data[0] == (four ? REPLY_IPV4 : REPLY_IPV6) && message.data[1] == 0;
}

static bool checksum_good(struct bytes packet, struct bytes message, const struct flow *flow)
{
    uint64_t sum = flow->source.family == 4 ? 0 : ip_pseudo_sum(packet.data, PROTOCOL_ICMPV6, message.len);
    return checksum_finish(checksum_add(sum, message.data, message.len)) == 0;
}

bool echo_answer(const struct echo_mark *mark, struct bytes packet, const struct flow *flow, struct echo *out)
{
    if (flow->is_fragment || flow->upper == 0 || flow->upper_len != ECHO_MESSAGE ||
        (size_t)flow->upper + ECHO_MESSAGE > packet.len)
        return false;
    const struct bytes message = bytes_of(packet.data + flow->upper, ECHO_MESSAGE);
    const uint8_t *data = message.data + ECHO_HEADER;
    if (!is_reply(message, flow) || load_u16(message.data + 4) != mark->identifier ||
        !equal_constant_time(data, mark->token, ECHO_TOKEN) || !checksum_good(packet, message, flow))
        return false;
    *out = (struct echo){.source = flow->source,
                         .destination = flow->destination,
                         .subject = load_u32(data + ECHO_TOKEN),
                         .sequence = load_u16(message.data + 6),
                         .nonce = (uint64_t)load_u32(data + ECHO_TOKEN + 4) << 32 | load_u32(data + ECHO_TOKEN + 8)};
    return true;
}
