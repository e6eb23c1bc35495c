/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hook_env.h"

#include <stdio.h>
#include <string.h>

#include "crypto/dn.h"

#define PREFIX "PLUTO_"

static bool is_alnum(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_plain(uint8_t c)
{
    return is_alnum(c) || (c != '\0' && strchr("._:@,=/+-", c) != NULL);
}

void hook_env_text(struct writer *w, const void *text, size_t len)
{
    static const char digits[] = "0123456789ABCDEF";
    const uint8_t *at = text;
    for (size_t i = 0; i < len; i++) {
        if (is_plain(at[i])) {
            write_u8(w, at[i]);
            continue;
        }
        write_u8(w, '%');
        write_u8(w, (uint8_t)digits[at[i] >> 4]);
        write_u8(w, (uint8_t)digits[at[i] & 15]);
    }
}

static void begin(struct writer *w, const char *name)
{
    write_bytes(w, PREFIX, strlen(PREFIX));
    write_bytes(w, name, strlen(name));
    write_u8(w, '=');
}

static void put(struct writer *w, const char *name, const char *value)
{
    begin(w, name);
    hook_env_text(w, value, strlen(value));
    write_u8(w, '\0');
}

static void put_address(struct writer *w, const char *name, const struct address *a)
{
    char text[ADDRESS_TEXT];
    put(w, name, address_print(a, text));
}

static void put_number(struct writer *w, const char *name, unsigned value)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%u", value);
    put(w, name, text);
}

/* Names and key ids are bytes of the peer; the others have a form of their own. */
static void put_identity(struct writer *w, const char *name, const struct identity *id)
{
    char text[DN_TEXT];
    begin(w, name);
    if (id->type == ID_IPV4_ADDR || id->type == ID_IPV6_ADDR) {
        const struct address a = address_of(id->type == ID_IPV4_ADDR ? 4 : 6, id->data);
        address_print(&a, text);
        hook_env_text(w, text, strlen(text));
    } else if (id->type == ID_DER_ASN1_DN) {
        dn_print(bytes_of(id->data, id->len), text, sizeof text);
        hook_env_text(w, text, strlen(text));
    } else {
        hook_env_text(w, id->data, id->len);
    }
    write_u8(w, '\0');
}

/* "10.1.0.0/24", and "10.1.0.5/32" for one address, as scripts expect; a range stays one. */
static void put_net(struct writer *w, const char *name, const struct address_range *r)
{
    char address[ADDRESS_TEXT], text[RANGE_TEXT];
    unsigned prefix = 0;
    if (range_is_prefix(r, &prefix))
        (void)snprintf(text, sizeof text, "%s/%u", address_print(&r->first, address), prefix);
    else
        (void)range_print(r, text);
    put(w, name, text);
}

static void put_selector(struct writer *w, const struct selector *s)
{
    put_net(w, "MY_CLIENT", &s->local);
    put_net(w, "PEER_CLIENT", &s->remote);
    put_number(w, "MY_PROTOCOL", s->protocol);
    put_number(w, "PEER_PROTOCOL", s->protocol);
    put_number(w, "MY_PORT", port_is_any(s->local_port) ? 0 : s->local_port.first);
    put_number(w, "PEER_PORT", port_is_any(s->remote_port) ? 0 : s->remote_port.first);
}

/* Ours, or as a server the peer's. Of two families the one of the tunnel. */
static void put_virtual(struct writer *w, const struct hook_env *e)
{
    if (e->ends->net == NULL)
        return;
    const struct address *a = &e->ends->net->address[family_index(&e->ends->child->selector.local.first)];
    bool server = e->connection->access != NULL && e->connection->access->server;
    if (a->family != 0)
        put_address(w, server ? "PEER_SOURCEIP" : "MY_SOURCEIP", a);
}

void hook_env_write(struct writer *w, const struct hook_env *e)
{
    const struct child *child = e->ends->child;
    put(w, "CONNECTION", e->connection->name);
    put(w, "INTERFACE", e->interface);
    put_address(w, "ME", &child->path.local.address);
    put_address(w, "PEER", &child->path.remote.address);
    if (e->ends->local_id != NULL)
        put_identity(w, "MY_ID", e->ends->local_id);
    if (e->ends->remote_id != NULL)
        put_identity(w, "PEER_ID", e->ends->remote_id);
    if (e->ends->user != NULL)
        put_identity(w, "XAUTH_ID", e->ends->user);
    put_selector(w, &child->selector);
    put_virtual(w, e);
}

void hook_env_verb(struct writer *w, bool up, bool ipv6)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%s-client%s", up ? "up" : "down", ipv6 ? "-v6" : "");
    put(w, "VERB", text);
}

static bool good_variable(const char *text, size_t len)
{
    size_t at = strlen(PREFIX);
    if (len < at || memcmp(text, PREFIX, at) != 0)
        return false;
    while (at < len && ((text[at] >= 'A' && text[at] <= 'Z') || text[at] == '_'))
        at++;
    if (at == strlen(PREFIX) || at == len || text[at] != '=')
        return false;
    for (at++; at < len; at++)
        if (!is_plain((uint8_t)text[at]) && text[at] != '%')
            return false;
    return true;
}

bool hook_env_good(struct bytes environment, size_t *count)
{
    const char *at = (const char *)environment.data, *end = at + environment.len;
    *count = 0;
    while (at < end) {
        const char *nul = memchr(at, '\0', (size_t)(end - at));
        if (nul == NULL || !good_variable(at, (size_t)(nul - at)))
            return false;
        at = nul + 1;
        ++*count;
    }
    return true;
}
