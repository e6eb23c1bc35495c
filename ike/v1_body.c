/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/v1_body.h"

#include "ike/header.h"
#include "ike/v1_proposal.h"
#include "policy/protocol.h"

#include <string.h>

enum { DOI_IPSEC = 1 };

/* RFC 2407 4.6.2.1 */
enum side_type {
    SIDE_IPV4 = 1,
    SIDE_IPV4_SUBNET = 4,
    SIDE_IPV6 = 5,
    SIDE_IPV6_SUBNET = 6,
    SIDE_IPV4_RANGE = 7,
    SIDE_IPV6_RANGE = 8
};

enum status v1_id_read(struct bytes body, struct identity *out)
{
    struct reader r = reader_of_bytes(body);
    uint8_t type = read_u8(&r), protocol = read_u8(&r);
    uint16_t port = read_u16(&r);
    struct bytes data = read_rest(&r);
    if (r.failed)
        return ERR_MALFORMED;
    bool any = protocol == 0 && port == 0;
    bool ike = protocol == 17 && (port == 0 || port == 500 || port == 4500);
    if (!any && !ike)
        return ERR_MALFORMED;
    return identity_read(type, data, out);
}

void v1_id_write(struct writer *w, const struct identity *id)
{
    write_u8(w, id->type);
    write_u8(w, 0);
    write_u16(w, 0);
    write_bytes(w, id->data, id->len);
}

/* The prefix length of a netmask, or false when it has holes. */
static bool mask_len(struct bytes mask, unsigned *len)
{
    *len = 0;
    bool ended = false;
    for (size_t i = 0; i < mask.len * 8; i++) {
        bool bit = mask.data[i / 8] >> (7 - i % 8) & 1;
        if (bit && ended)
            return false;
        ended = !bit;
        *len += bit;
    }
    return true;
}

static enum status read_subnet(struct reader *r, uint8_t family, struct address_range *out)
{
    size_t n = family == 4 ? 4 : 16;
    struct bytes base = read_bytes(r, n), mask = read_bytes(r, n);
    unsigned len;
    if (r->failed || !mask_len(mask, &len))
        return ERR_MALFORMED;
    /* Host bits behind the mask are tolerated: some peers send a host address with its mask. */
    struct address a = address_of(family, base.data);
    for (size_t i = 0; i < n; i++)
        a.bytes[i] &= mask.data[i];
    return range_of_prefix(&a, len, out);
}

static enum status read_range(struct reader *r, uint8_t family, bool single, struct address_range *out)
{
    size_t n = family == 4 ? 4 : 16;
    struct bytes first = read_bytes(r, n);
    struct bytes last = single ? first : read_bytes(r, n);
    if (r->failed)
        return ERR_MALFORMED;
    out->first = address_of(family, first.data);
    out->last = address_of(family, last.data);
    return address_compare(&out->first, &out->last) <= 0 ? OK : ERR_MALFORMED;
}

enum status v1_side_read(struct bytes body, struct v1_side *out)
{
    struct reader r = reader_of_bytes(body);
    uint8_t type = read_u8(&r);
    out->protocol = read_u8(&r);
    out->port = read_u16(&r);
    enum status status = ERR_UNSUPPORTED;
    switch (type) {
    case SIDE_IPV4: status = read_range(&r, 4, true, &out->range); break;
    case SIDE_IPV6: status = read_range(&r, 6, true, &out->range); break;
    case SIDE_IPV4_RANGE: status = read_range(&r, 4, false, &out->range); break;
    case SIDE_IPV6_RANGE: status = read_range(&r, 6, false, &out->range); break;
    case SIDE_IPV4_SUBNET: status = read_subnet(&r, 4, &out->range); break;
    case SIDE_IPV6_SUBNET: status = read_subnet(&r, 6, &out->range); break;
    default: return r.failed ? ERR_MALFORMED : ERR_UNSUPPORTED;
    }
    return status != OK ? status : reader_finish(&r);
}

static void write_mask(struct writer *w, uint8_t family, unsigned len)
{
    for (unsigned i = 0; i < (family == 4 ? 4u : 16u); i++) {
        unsigned bits = len > i * 8 ? len - i * 8 : 0;
        write_u8(w, (uint8_t)(bits >= 8 ? 0xff : 0xff00u >> bits & 0xff));
    }
}

enum status v1_side_write(struct writer *w, const struct selector *s, bool local)
{
    const struct address_range *range = local ? &s->local : &s->remote;
    struct port_range port = local ? s->local_port : s->remote_port;
    bool any_port = port.first == 0 && port.last == 65535;
    if (!any_port && (port.first != port.last || port.first == 0))
        return ERR_UNSUPPORTED;
    uint8_t family = range->first.family;
    size_t n = address_len(&range->first);
    unsigned prefix = 0;
    bool is_prefix = range_is_prefix(range, &prefix);
    bool single = is_prefix && prefix == n * 8;
    uint8_t type = single      ? (family == 4 ? SIDE_IPV4 : SIDE_IPV6)
                   : is_prefix ? (family == 4 ? SIDE_IPV4_SUBNET : SIDE_IPV6_SUBNET)
                               : (family == 4 ? SIDE_IPV4_RANGE : SIDE_IPV6_RANGE);
    write_u8(w, type);
    write_u8(w, s->protocol);
    write_u16(w, any_port ? 0 : port.first);
    write_bytes(w, range->first.bytes, n);
    if (is_prefix && !single)
        write_mask(w, family, prefix);
    else if (!single)
        write_bytes(w, range->last.bytes, n);
    return writer_finish(w);
}

enum status v1_selector(const struct v1_side *local, const struct v1_side *remote, struct selector *out)
{
    if (local->range.first.family != remote->range.first.family || local->protocol != remote->protocol)
        return ERR_MALFORMED;
    if ((local->port != 0 || remote->port != 0) && !protocol_has_ports(local->protocol))
        return ERR_MALFORMED;
    *out = (struct selector){.local = local->range, .remote = remote->range, .protocol = local->protocol};
    out->local_port = local->port == 0 ? port_any() : (struct port_range){local->port, local->port};
    out->remote_port = remote->port == 0 ? port_any() : (struct port_range){remote->port, remote->port};
    return OK;
}

enum status v1_notify_read(struct bytes body, struct v1_notify *out)
{
    struct reader r = reader_of_bytes(body);
    uint32_t doi = read_u32(&r);
    out->protocol = read_u8(&r);
    uint8_t spi_len = read_u8(&r);
    out->type = read_u16(&r);
    out->spi = read_bytes(&r, spi_len);
    out->data = read_rest(&r);
    if (r.failed)
        return ERR_MALFORMED;
    return doi == DOI_IPSEC || doi == 0 ? OK : ERR_UNSUPPORTED;
}

void v1_notify_write(struct writer *w, const struct v1_notify *notify)
{
    write_u32(w, DOI_IPSEC);
    write_u8(w, notify->protocol);
    write_u8(w, (uint8_t)notify->spi.len);
    write_u16(w, notify->type);
    write_bytes(w, notify->spi.data, notify->spi.len);
    write_bytes(w, notify->data.data, notify->data.len);
}

const char *v1_notify_name(unsigned type)
{
    static const char *const names[] = {
        [1] = "INVALID_PAYLOAD_TYPE",
        [2] = "DOI_NOT_SUPPORTED",
        [3] = "SITUATION_NOT_SUPPORTED",
        [4] = "INVALID_COOKIE",
        [5] = "INVALID_MAJOR_VERSION",
        [6] = "INVALID_MINOR_VERSION",
        [7] = "INVALID_EXCHANGE_TYPE",
        [8] = "INVALID_FLAGS",
        [9] = "INVALID_MESSAGE_ID",
        [10] = "INVALID_PROTOCOL_ID",
        [11] = "INVALID_SPI",
        [12] = "INVALID_TRANSFORM_ID",
        [13] = "ATTRIBUTES_NOT_SUPPORTED",
        [14] = "NO_PROPOSAL_CHOSEN",
        [15] = "BAD_PROPOSAL_SYNTAX",
        [16] = "PAYLOAD_MALFORMED",
        [17] = "INVALID_KEY_INFORMATION",
        [18] = "INVALID_ID_INFORMATION",
        [19] = "INVALID_CERT_ENCODING",
        [20] = "INVALID_CERTIFICATE",
        [21] = "CERT_TYPE_UNSUPPORTED",
        [22] = "INVALID_CERT_AUTHORITY",
        [23] = "INVALID_HASH_INFORMATION",
        [24] = "AUTHENTICATION_FAILED",
        [25] = "INVALID_SIGNATURE",
        [26] = "ADDRESS_NOTIFICATION",
        [27] = "NOTIFY_SA_LIFETIME",
        [28] = "CERTIFICATE_UNAVAILABLE",
        [29] = "UNSUPPORTED_EXCHANGE_TYPE",
        [30] = "UNEQUAL_PAYLOAD_LENGTHS",
    };
    if (type < sizeof names / sizeof names[0] && names[type] != NULL)
        return names[type];
    switch (type) {
    case NOTIFY_CONNECTED: return "CONNECTED";
    case NOTIFY_RESPONDER_LIFETIME: return "RESPONDER_LIFETIME";
    case NOTIFY_INITIAL_CONTACT: return "INITIAL_CONTACT";
    case NOTIFY_R_U_THERE: return "R_U_THERE";
    case NOTIFY_R_U_THERE_ACK: return "R_U_THERE_ACK";
    default: return "notify";
    }
}

/* RFC 2407 4.5; of phase 1 the same are 11 and 12 (RFC 2409 App. A). */
enum { LIFE_TYPE = 1, LIFE_DURATION = 2, LIFE_OF_PHASE1 = 10, LIFE_SECONDS = 1, LIFE_KILOBYTES = 2 };

enum status v1_lifetime_read(struct bytes data, uint64_t *seconds, uint64_t *kilobytes)
{
    struct reader r = reader_of_bytes(data);
    uint64_t unit = 0;
    *seconds = *kilobytes = 0;
    while (r.left > 0 && !r.failed) {
        uint16_t head = read_u16(&r);
        uint64_t value = 0;
        if (head & 0x8000) {
            value = read_u16(&r);
        } else {
            struct bytes b = read_bytes(&r, read_u16(&r));
            if (b.len > 8)
                return ERR_MALFORMED;
            for (size_t i = 0; i < b.len; i++)
                value = value << 8 | b.data[i];
        }
        uint16_t type = head & 0x7fff;
        if (type > LIFE_OF_PHASE1)
            type = (uint16_t)(type - LIFE_OF_PHASE1);
        if (type == LIFE_TYPE)
            unit = value;
        else if (type == LIFE_DURATION && unit == LIFE_SECONDS)
            *seconds = value;
        else if (type == LIFE_DURATION && unit == LIFE_KILOBYTES)
            *kilobytes = value;
    }
    return reader_finish(&r);
}

static void write_lifetime(struct writer *w, uint16_t phase, uint16_t unit, uint64_t value)
{
    if (value == 0)
        return;
    write_u16(w, (uint16_t)(0x8000 | (phase + LIFE_TYPE)));
    write_u16(w, unit);
    write_u16(w, (uint16_t)(phase + LIFE_DURATION));
    write_u16(w, 4);
    write_u32(w, value > UINT32_MAX ? UINT32_MAX : (uint32_t)value);
}

void v1_lifetime_write(struct writer *w, uint64_t seconds, uint64_t kilobytes)
{
    write_lifetime(w, 0, LIFE_SECONDS, seconds);
    write_lifetime(w, 0, LIFE_KILOBYTES, kilobytes);
}

void v1_lifetime_write_phase1(struct writer *w, uint64_t seconds)
{
    write_lifetime(w, LIFE_OF_PHASE1, LIFE_SECONDS, seconds);
}

enum status v1_delete_read(struct bytes body, struct v1_delete *out)
{
    struct reader r = reader_of_bytes(body);
    uint32_t doi = read_u32(&r);
    out->protocol = read_u8(&r);
    out->spi_len = read_u8(&r);
    out->count = read_u16(&r);
    unsigned right_len = out->protocol == V1_PROTOCOL_ISAKMP ? 16 : 4;
    if (r.failed || (doi != DOI_IPSEC && doi != 0) || out->spi_len != right_len)
        return ERR_MALFORMED;
    if (out->count > DELETE_SPIS_MAX)
        return ERR_LIMIT;
    out->spis = read_bytes(&r, (size_t)out->count * right_len);
    return reader_finish(&r);
}

void v1_delete_write_esp(struct writer *w, uint32_t spi)
{
    write_u32(w, DOI_IPSEC);
    write_u8(w, V1_PROTOCOL_ESP);
    write_u8(w, 4);
    write_u16(w, 1);
    write_u32(w, spi);
}

void v1_delete_write_ike(struct writer *w, uint64_t spi_i, uint64_t spi_r)
{
    write_u32(w, DOI_IPSEC);
    write_u8(w, V1_PROTOCOL_ISAKMP);
    write_u8(w, 16);
    write_u16(w, 1);
    write_u64(w, spi_i);
    write_u64(w, spi_r);
}
