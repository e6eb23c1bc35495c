/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static unsigned bit_count(uint8_t family)
{
    return family == 4 ? 32 : family == 6 ? 128 : 0;
}

enum status address_parse(const char *text, struct address *out)
{
    *out = (struct address){0};
    if (strcmp(text, "%any") == 0)
        return OK;
    uint8_t bytes[16];
    if (inet_pton(AF_INET, text, bytes) == 1)
        *out = address_of(4, bytes);
    else if (inet_pton(AF_INET6, text, bytes) == 1)
        *out = address_of(6, bytes);
    return out->family != 0 ? OK : ERR_MALFORMED;
}

const char *address_print(const struct address *a, char out[ADDRESS_TEXT])
{
    bool known = address_len(a) > 0 && inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->bytes, out, ADDRESS_TEXT);
    if (!known)
        memcpy(out, "%any", sizeof "%any");
    return out;
}

const char *endpoint_print(const struct endpoint *e, char out[ENDPOINT_TEXT])
{
    char text[ADDRESS_TEXT];
    bool brackets = e->address.family == 6;
    snprintf(out, ENDPOINT_TEXT, "%s%s%s:%u", brackets ? "[" : "", address_print(&e->address, text),
             brackets ? "]" : "", e->port);
    return out;
}

int address_compare(const struct address *a, const struct address *b)
{
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    return memcmp(a->bytes, b->bytes, address_len(a));
}

bool address_equal(const struct address *a, const struct address *b)
{
    return address_compare(a, b) == 0;
}

bool address_is_one_host(const struct address *a)
{
    static const uint8_t zeros[15];
    const uint8_t *b = a->bytes;
    if (a->family == 4)
        return b[0] != 0 && b[0] != 127 && b[0] < 224;
    return b[0] != 0xff && (memcmp(b, zeros, sizeof zeros) != 0 || b[15] > 1);
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && address_equal(&a->address, &b->address);
}

/* The bits of byte i that lie behind a prefix of that length. */
static uint8_t host_mask(unsigned prefix_len, unsigned i)
{
    unsigned covered = prefix_len > i * 8 ? prefix_len - i * 8 : 0;
    return (uint8_t)(0xffu >> (covered < 8 ? covered : 8));
}

enum status range_of_prefix(const struct address *base, unsigned prefix_len, struct address_range *out)
{
    *out = (struct address_range){0};
    if (base->family == 0 || prefix_len > bit_count(base->family))
        return ERR_MALFORMED;
    struct address_range range = {*base, *base};
    for (unsigned i = 0; i < address_len(base); i++) {
        uint8_t mask = host_mask(prefix_len, i);
        if ((base->bytes[i] & mask) != 0)
            return ERR_MALFORMED;
        range.last.bytes[i] |= mask;
    }
    *out = range;
    return OK;
}

/* Copies text up to `end` and parses it; %any is no address here. */
static enum status parse_piece(const char *text, const char *end, struct address *out)
{
    char piece[ADDRESS_TEXT];
    size_t len = (size_t)(end - text);
    *out = (struct address){0};
    if (len >= sizeof piece)
        return ERR_MALFORMED;
    memcpy(piece, text, len);
    piece[len] = '\0';
    enum status status = address_parse(piece, out);
    return status == OK && out->family == 0 ? ERR_MALFORMED : status;
}

/* One to three digits, nothing else: strtoul would take blanks, signs and what follows. */
static bool parse_prefix_len(const char *text, unsigned *len)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 3 || text[digits] != '\0')
        return false;
    *len = 0;
    for (size_t i = 0; i < digits; i++)
        *len = *len * 10 + (unsigned)(text[i] - '0');
    return true;
}

static enum status parse_prefix(const char *text, const char *slash, struct address_range *out)
{
    struct address base;
    unsigned len;
    if (parse_piece(text, slash, &base) != OK || !parse_prefix_len(slash + 1, &len))
        return ERR_MALFORMED;
    return range_of_prefix(&base, len, out);
}

static enum status parse_span(const char *text, const char *dash, struct address_range *out)
{
    struct address_range range;
    const char *second = dash + 1;
    if (parse_piece(text, dash, &range.first) != OK ||
        parse_piece(second, second + strlen(second), &range.last) != OK || range.first.family != range.last.family ||
        address_compare(&range.first, &range.last) > 0)
        return ERR_MALFORMED;
    *out = range;
    return OK;
}

enum status range_parse(const char *text, struct address_range *out)
{
    *out = (struct address_range){0};
    const char *slash = strchr(text, '/'), *dash = strchr(text, '-');
    if (slash != NULL)
        return parse_prefix(text, slash, out);
    if (dash != NULL)
        return parse_span(text, dash, out);
    struct address a;
    enum status status = parse_piece(text, text + strlen(text), &a);
    if (status == OK)
        *out = range_of_address(&a);
    return status;
}

const char *range_print(const struct address_range *r, char out[RANGE_TEXT])
{
    char first[ADDRESS_TEXT], last[ADDRESS_TEXT];
    unsigned len;
    if (range_is_prefix(r, &len))
        snprintf(out, RANGE_TEXT, "%s/%u", address_print(&r->first, first), len);
    else
        snprintf(out, RANGE_TEXT, "%s-%s", address_print(&r->first, first), address_print(&r->last, last));
    return out;
}

/* The bits from which on the two ends of a range differ. */
static unsigned common_bits(const struct address_range *r)
{
    unsigned bits = bit_count(r->first.family);
    for (unsigned i = 0; i < bits; i++) {
        unsigned shift = 7 - i % 8;
        if (((r->first.bytes[i / 8] ^ r->last.bytes[i / 8]) >> shift & 1) != 0)
            return i;
    }
    return bits;
}

bool range_is_prefix(const struct address_range *r, unsigned *prefix_len)
{
    struct address_range whole;
    unsigned len = common_bits(r);
    if (r->first.family != r->last.family || range_of_prefix(&r->first, len, &whole) != OK || !range_equal(r, &whole))
        return false;
    *prefix_len = len;
    return true;
}

bool range_contains(const struct address_range *outer, const struct address_range *inner)
{
    return range_has(outer, &inner->first) && range_has(outer, &inner->last);
}

bool range_overlaps(const struct address_range *a, const struct address_range *b)
{
    return range_has(a, &b->first) || range_has(b, &a->first);
}

bool range_equal(const struct address_range *a, const struct address_range *b)
{
    return address_equal(&a->first, &b->first) && address_equal(&a->last, &b->last);
}

struct address_range range_any(uint8_t family)
{
    struct address_range r = {{.family = family}, {.family = family}};
    memset(r.last.bytes, 0xff, address_len(&r.last));
    return r;
}

bool range_is_any(const struct address_range *r)
{
    struct address_range any = range_any(r->first.family);
    return range_equal(r, &any);
}

struct address_range range_of_address(const struct address *a)
{
    return (struct address_range){*a, *a};
}
