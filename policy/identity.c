/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/identity.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "crypto/dn.h"

static const char letters_and_digits[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

static enum status set(struct identity *out, uint8_t type, const char *text)
{
    size_t len = strlen(text);
    if (len == 0)
        return ERR_MALFORMED;
    if (len > IDENTITY_MAX)
        return ERR_LIMIT;
    out->type = type;
    out->len = (uint16_t)len;
    memcpy(out->data, text, len);
    return OK;
}

static bool is_visible(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text <= 0x20 || *text >= 0x7f)
            return false;
    return true;
}

/* Letters, digits, hyphens, underscores and dots, and not digits and dots alone: "192.0.2.300" is a mistyped address.
 */
static bool is_domain_name(const char *text)
{
    size_t allowed = strspn(text, letters_and_digits);
    while (text[allowed] != '\0' && strchr("-_.", text[allowed]) != NULL)
        allowed += 1 + strspn(text + allowed + 1, letters_and_digits);
    return text[allowed] == '\0' && text[0] != '.' && strspn(text, "0123456789.") < allowed;
}

static enum status parse_user(const char *text, const char *at, struct identity *out)
{
    bool one_at = at != text && at[1] != '\0' && strchr(at + 1, '@') == NULL;
    return one_at && is_visible(text) ? set(out, ID_USER_FQDN, text) : ERR_MALFORMED;
}

static enum status parse_dn(const char *text, struct identity *out)
{
    struct writer w = writer_of(out->data, sizeof out->data);
    enum status status = dn_parse(text, &w);
    if (status != OK) {
        *out = (struct identity){0};
        return status == ERR_LIMIT ? ERR_LIMIT : ERR_UNSUPPORTED;
    }
    out->type = ID_DER_ASN1_DN;
    out->len = (uint16_t)w.len;
    return OK;
}

enum status identity_parse(const char *text, struct identity *out)
{
    *out = (struct identity){0};
    struct address address;
    if (address_parse(text, &address) == OK && address.family != 0) {
        *out = identity_of_address(&address);
        return OK;
    }
    if (strncmp(text, "keyid:", 6) == 0)
        return set(out, ID_KEY_ID, text + 6);
    if (text[0] == '@')
        return is_visible(text + 1) ? set(out, ID_FQDN, text + 1) : ERR_MALFORMED;
    if (strchr(text, '=') != NULL)
        return parse_dn(text, out);
    const char *at = strchr(text, '@');
    if (at != NULL)
        return parse_user(text, at, out);
    return is_domain_name(text) ? set(out, ID_FQDN, text) : ERR_MALFORMED;
}

struct identity identity_of_address(const struct address *a)
{
    struct identity id = {.type = a->family == 4 ? ID_IPV4_ADDR : a->family == 6 ? ID_IPV6_ADDR : ID_NONE};
    id.len = (uint16_t)address_len(a);
    memcpy(id.data, a->bytes, id.len);
    return id;
}

static bool is_sound(unsigned type, struct bytes body)
{
    switch (type) {
    case ID_IPV4_ADDR: return body.len == 4;
    case ID_IPV6_ADDR: return body.len == 16;
    case ID_FQDN:
    case ID_USER_FQDN: return body.len > 0 && memchr(body.data, 0, body.len) == NULL;
    case ID_DER_ASN1_DN: return dn_is_sound(body);
    default: return body.len > 0; /* ID_KEY_ID: opaque (RFC 2407 4.6.2.12) */
    }
}

enum status identity_read(unsigned type, struct bytes body, struct identity *out)
{
    *out = (struct identity){0};
    switch (type) {
    case ID_IPV4_ADDR:
    case ID_FQDN:
    case ID_USER_FQDN:
    case ID_IPV6_ADDR:
    case ID_DER_ASN1_DN:
    case ID_KEY_ID: break;
    default: return ERR_UNSUPPORTED;
    }
    if (body.len > IDENTITY_MAX)
        return ERR_LIMIT;
    if (!is_sound(type, body))
        return ERR_MALFORMED;
    out->type = (uint8_t)type;
    out->len = (uint16_t)body.len;
    memcpy(out->data, body.data, body.len);
    return OK;
}

enum status identity_of_dn(struct bytes der, struct identity *out)
{
    if (der.len <= 2) { /* an empty SEQUENCE names nobody */
        *out = (struct identity){0};
        return ERR_MALFORMED;
    }
    return identity_read(ID_DER_ASN1_DN, der, out);
}

/* ASCII alone, whatever the locale: a peer's bytes are no text of ours. */
static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

bool identity_equal(const struct identity *a, const struct identity *b)
{
    if (a->type == ID_DER_ASN1_DN && b->type == ID_DER_ASN1_DN)
        return dn_equal(bytes_of(a->data, a->len), bytes_of(b->data, b->len));
    if (a->type != b->type || a->len != b->len)
        return false;
    if (a->type != ID_FQDN && a->type != ID_USER_FQDN)
        return memcmp(a->data, b->data, a->len) == 0;
    for (size_t i = 0; i < a->len; i++)
        if (lower(a->data[i]) != lower(b->data[i]))
            return false;
    return true;
}

size_t identity_fold(const struct identity *id, uint8_t out[IDENTITY_MAX])
{
    if (id->type == ID_DER_ASN1_DN)
        return dn_fold(bytes_of(id->data, id->len), out, IDENTITY_MAX);
    bool is_name = id->type == ID_FQDN || id->type == ID_USER_FQDN;
    for (size_t i = 0; i < id->len; i++)
        out[i] = is_name ? lower(id->data[i]) : id->data[i];
    return id->len;
}

static const char *print_name(const char *prefix, const struct identity *id, char out[IDENTITY_TEXT])
{
    size_t len = strlen(prefix);
    memcpy(out, prefix, len);
    log_escape(out + len, IDENTITY_TEXT - len, id->data, id->len);
    return out;
}

const char *identity_print(const struct identity *id, char out[IDENTITY_TEXT])
{
    switch (id->type) {
    case ID_IPV4_ADDR:
    case ID_IPV6_ADDR: {
        struct address a = address_of(id->type == ID_IPV4_ADDR ? 4 : 6, id->data);
        return address_print(&a, out);
    }
    case ID_FQDN:
    case ID_USER_FQDN: return print_name("", id, out);
    case ID_DER_ASN1_DN: return dn_print(bytes_of(id->data, id->len), out, IDENTITY_TEXT);
    case ID_KEY_ID: return print_name("keyid:", id, out);
    case ID_NONE: return print_name("none", id, out);
    default: snprintf(out, IDENTITY_TEXT, "unknown type %u", id->type); return out;
    }
}
