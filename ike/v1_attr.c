/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/v1_attr.h"

#include <string.h>

enum { ATTR_BRIEF = 0x8000, SPLIT_ENTRY = 14 };

enum status v1_attrs_read(struct bytes body, struct v1_attrs *out)
{
    struct reader r = reader_of_bytes(body);
    out->count = 0;
    out->kind = read_u8(&r);
    read_u8(&r);
    out->identifier = read_u16(&r);
    if (r.failed || out->kind < ATTR_REQUEST || out->kind > ATTR_ACK)
        return ERR_MALFORMED;
    while (r.left > 0 && !r.failed) {
        if (out->count == ATTRS_MAX)
            return ERR_LIMIT;
        uint16_t head = read_u16(&r);
        struct v1_attr *a = &out->items[out->count++];
        a->type = head & 0x7fff;
        a->brief = (head & ATTR_BRIEF) != 0;
        a->value = read_bytes(&r, a->brief ? 2 : read_u16(&r));
    }
    return reader_finish(&r);
}

const struct v1_attr *v1_attr_find(const struct v1_attrs *attrs, uint16_t type)
{
    for (size_t i = 0; i < attrs->count; i++)
        if (attrs->items[i].type == type)
            return &attrs->items[i];
    return NULL;
}

uint32_t v1_attr_number(const struct v1_attrs *attrs, uint16_t type, uint32_t otherwise)
{
    const struct v1_attr *a = v1_attr_find(attrs, type);
    uint32_t value = 0;
    if (a == NULL || a->value.len == 0 || a->value.len > 4)
        return otherwise;
    for (size_t i = 0; i < a->value.len; i++)
        value = value << 8 | a->value.data[i];
    return value;
}

void v1_attrs_begin(struct writer *w, enum v1_attr_kind kind, uint16_t identifier)
{
    write_u8(w, (uint8_t)kind);
    write_u8(w, 0);
    write_u16(w, identifier);
}

void v1_attr_write(struct writer *w, uint16_t type, struct bytes value)
{
    if (value.len > UINT16_MAX) {
        w->failed = true;
        return;
    }
    write_u16(w, type);
    write_u16(w, (uint16_t)value.len);
    write_bytes(w, value.data, value.len);
}

void v1_attr_write_brief(struct writer *w, uint16_t type, uint16_t value)
{
    write_u16(w, ATTR_BRIEF | type);
    write_u16(w, value);
}

/* --- writing what a client is given --- */

void v1_net_ask(struct writer *w, bool ip4, bool ip6)
{
    static const uint16_t of_ip4[] = {ATTR_IP4_ADDRESS, ATTR_IP4_NETMASK, ATTR_IP4_DNS, ATTR_IP4_NBNS};
    static const uint16_t of_ip6[] = {ATTR_IP6_ADDRESS, ATTR_IP6_DNS};
    static const uint16_t of_all[] = {ATTR_ADDRESS_EXPIRY, UNITY_BANNER, UNITY_DEFAULT_DOMAIN, UNITY_SPLIT_INCLUDE};
    for (size_t i = 0; ip4 && i < sizeof of_ip4 / sizeof *of_ip4; i++)
        v1_attr_write(w, of_ip4[i], (struct bytes){0});
    for (size_t i = 0; ip6 && i < sizeof of_ip6 / sizeof *of_ip6; i++)
        v1_attr_write(w, of_ip6[i], (struct bytes){0});
    for (size_t i = 0; i < sizeof of_all / sizeof *of_all; i++)
        v1_attr_write(w, of_all[i], (struct bytes){0});
}

static void write_address(struct writer *w, uint16_t type, const struct address *a, uint8_t family)
{
    if (a->family == family)
        v1_attr_write(w, type, bytes_of(a->bytes, address_len(a)));
}

static void write_dns(struct writer *w, uint16_t type, const struct access *access, uint8_t family)
{
    for (size_t i = 0; i < access->dns_count; i++)
        write_address(w, type, &access->dns[i], family);
}

static void write_text(struct writer *w, uint16_t type, const char *text)
{
    if (text[0] != '\0')
        v1_attr_write(w, type, bytes_of(text, strlen(text)));
}

/* Address, mask, protocol and two ports each: 14 bytes, as Unity clients expect them. */
static void write_splits(struct writer *w, const struct access *access)
{
    uint8_t body[ACCESS_SPLIT_MAX * SPLIT_ENTRY] = {0};
    size_t count = 0;
    for (size_t i = 0; i < access->split_count; i++) {
        const struct address_range *range = &access->split[i];
        unsigned len;
        if (range->first.family != 4 || !range_is_prefix(range, &len))
            continue;
        uint8_t *entry = body + SPLIT_ENTRY * count++;
        memcpy(entry, range->first.bytes, 4);
        store_u32(entry + 4, len == 0 ? 0 : 0xffffffffu << (32 - len));
    }
    if (count > 0)
        v1_attr_write(w, UNITY_SPLIT_INCLUDE, bytes_of(body, count * SPLIT_ENTRY));
}

static void write_number(struct writer *w, uint16_t type, uint32_t value)
{
    uint8_t bytes[4];
    store_u32(bytes, value);
    v1_attr_write(w, type, bytes_of(bytes, sizeof bytes));
}

void v1_net_write(struct writer *w, const struct v1_attrs *asked, const struct access *access,
                  const struct address address[FAMILIES], uint32_t expiry_s, bool pfs)
{
    static const uint16_t all[] = {ATTR_IP4_ADDRESS, ATTR_IP4_NETMASK,     ATTR_IP4_DNS, ATTR_IP6_ADDRESS,
                                   ATTR_IP6_DNS,     UNITY_DEFAULT_DOMAIN, UNITY_BANNER, UNITY_SPLIT_INCLUDE};
    static const char version[] = "esptun";
    size_t count = asked != NULL ? asked->count : sizeof all / sizeof *all;
    for (size_t i = 0; i < count; i++) {
        uint16_t type = asked != NULL ? asked->items[i].type : all[i];
        if (asked != NULL && v1_attr_find(asked, type) != &asked->items[i])
            continue; /* once is enough */
        switch (type) {
        case ATTR_IP4_ADDRESS: write_address(w, type, &address[FAMILY_IPV4], 4); break;
        case ATTR_IP4_NETMASK:
            if (address[FAMILY_IPV4].family == 4)
                write_number(w, type, 0xffffffff);
            break;
        case ATTR_IP4_DNS: write_dns(w, type, access, 4); break;
        case ATTR_IP6_ADDRESS: write_address(w, type, &address[FAMILY_IPV6], 6); break;
        case ATTR_IP6_DNS: write_dns(w, type, access, 6); break;
        case ATTR_ADDRESS_EXPIRY: write_number(w, type, expiry_s); break;
        case ATTR_APPLICATION_VERSION: write_text(w, type, version); break;
        case UNITY_BANNER: write_text(w, type, access->banner); break;
        case UNITY_DEFAULT_DOMAIN: write_text(w, type, access->domain); break;
        case UNITY_SPLIT_INCLUDE: write_splits(w, access); break;
        case UNITY_SAVE_PASSWORD: v1_attr_write_brief(w, type, 0); break;
        case UNITY_PFS: v1_attr_write_brief(w, type, pfs); break;
        default: break; /* what we have not is left out */
        }
    }
}

/* --- reading it --- */

static bool is_usable(const struct address *a)
{
    static const uint8_t zeros[16], loopback[16] = {[15] = 1};
    if (a->family == 4)
        return a->bytes[0] != 0 && a->bytes[0] != 127 && a->bytes[0] < 224;
    return a->bytes[0] != 0xff && memcmp(a->bytes, zeros, 16) != 0 && memcmp(a->bytes, loopback, 16) != 0;
}

/* An empty one says "none". Some peers put a prefix length behind an IPv6 address. */
static enum status read_address(struct bytes value, uint8_t family, struct address *out)
{
    size_t len = family == 4 ? 4 : 16;
    if (value.len == 0)
        return OK;
    if (value.len != len && !(family == 6 && value.len == len + 1))
        return ERR_MALFORMED;
    *out = address_of(family, value.data);
    return is_usable(out) ? OK : ERR_MALFORMED;
}

/* Several in one attribute, or several attributes. */
static enum status read_dns(struct bytes value, uint8_t family, struct virtual_net *out)
{
    size_t len = family == 4 ? 4 : 16;
    if (value.len % len != 0)
        return ERR_MALFORMED;
    for (size_t at = 0; at < value.len && out->dns_count < ACCESS_DNS_MAX; at += len) {
        struct address *dns = &out->dns[out->dns_count];
        if (read_address(bytes_of(value.data + at, len), family, dns) != OK)
            return ERR_MALFORMED;
        out->dns_count++;
    }
    return OK;
}

static enum status read_text(struct bytes value, char *out, size_t size)
{
    if (value.len > 0 && memchr(value.data, 0, value.len) != NULL) {
        bool at_end = memchr(value.data, 0, value.len) == value.data + value.len - 1;
        if (!at_end)
            return ERR_MALFORMED;
        value.len--; /* some peers send the terminator */
    }
    size_t len = value.len < size ? value.len : size - 1;
    if (len > 0)
        memcpy(out, value.data, len);
    out[len] = '\0';
    return OK;
}

static enum status read_split(struct reader *r, struct address_range *out)
{
    struct bytes base = read_bytes(r, 4);
    uint32_t mask = read_u32(r);
    read_bytes(r, SPLIT_ENTRY - 8);
    if (r->failed || (~mask & (~mask + 1)) != 0) /* a mask with holes */
        return ERR_MALFORMED;
    struct address a = address_of(4, base.data);
    unsigned len = 0;
    for (uint32_t m = mask; m != 0; m <<= 1)
        len++;
    store_u32(a.bytes, load_u32(a.bytes) & mask);
    return range_of_prefix(&a, len, out);
}

static enum status read_splits(struct bytes value, struct virtual_net *out)
{
    struct reader r = reader_of_bytes(value);
    if (value.len % SPLIT_ENTRY != 0)
        return ERR_MALFORMED;
    while (r.left > 0 && out->split_count < ACCESS_SPLIT_MAX) {
        if (read_split(&r, &out->split[out->split_count]) != OK)
            return ERR_MALFORMED;
        out->split_count++;
    }
    return OK;
}

enum status v1_net_read(const struct v1_attrs *attrs, struct virtual_net *out)
{
    enum status status = OK;
    *out = (struct virtual_net){0};
    for (size_t i = 0; i < attrs->count && status == OK; i++) {
        struct bytes value = attrs->items[i].value;
        switch (attrs->items[i].type) {
        case ATTR_IP4_ADDRESS: status = read_address(value, 4, &out->address[FAMILY_IPV4]); break;
        case ATTR_IP6_ADDRESS: status = read_address(value, 6, &out->address[FAMILY_IPV6]); break;
        case ATTR_IP4_DNS: status = read_dns(value, 4, out); break;
        case ATTR_IP6_DNS: status = read_dns(value, 6, out); break;
        case UNITY_SPLIT_INCLUDE: status = read_splits(value, out); break;
        case UNITY_DEFAULT_DOMAIN: status = read_text(value, out->domain, sizeof out->domain); break;
        case UNITY_BANNER: status = read_text(value, out->banner, sizeof out->banner); break;
        default: break;
        }
    }
    return status;
}
