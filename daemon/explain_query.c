/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/explain_query.h"

#include <stdio.h>
#include <string.h>

#include "base/why.h"
#include "policy/protocol.h"

enum { WORDS_MAX = 8, PORT_DIGITS = 5, END_TEXT = ADDRESS_TEXT + 10 };

/* The words of the line, cut in place. */
struct words {
    char line[EXPLAIN_LINE_MAX + 1];
    char *items[WORDS_MAX];
    size_t count, at;
    const struct why *why;
};

struct end {
    struct address address;
    bool has_port;
    uint16_t port;
};

/* --- words --- */

static enum status cut_words(struct bytes text, struct words *w)
{
    if (text.len > EXPLAIN_LINE_MAX)
        return why_refuse(w->why, ERR_MALFORMED, "over %d characters are no packet: write " EXPLAIN_SYNTAX,
                          EXPLAIN_LINE_MAX);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c < ' ' || c >= 0x7f)
            return why_refuse(w->why, ERR_MALFORMED, "only printable ASCII can stand here: write " EXPLAIN_SYNTAX);
        w->line[i] = (char)c;
    }
    for (char *rest = w->line, *word; (word = strtok_r(rest, " ", &rest)) != NULL;) {
        if (w->count == WORDS_MAX)
            return why_refuse(w->why, ERR_MALFORMED, "too many words: write " EXPLAIN_SYNTAX);
        w->items[w->count++] = word;
    }
    return OK;
}

static const char *peek(const struct words *w)
{
    return w->at < w->count ? w->items[w->at] : NULL;
}

static bool take(struct words *w, const char *word)
{
    bool there = w->at < w->count && strcmp(w->items[w->at], word) == 0;
    w->at += there;
    return there;
}

/* --- ends --- */

static enum status parse_port(const struct words *w, const char *text, uint16_t *out)
{
    char shown[QUOTED_TEXT];
    size_t digits = strspn(text, "0123456789");
    unsigned value = 0;
    for (size_t i = 0; i < digits && digits <= PORT_DIGITS; i++)
        value = value * 10 + (unsigned)(text[i] - '0');
    *out = (uint16_t)value;
    if (value > 0 && value <= UINT16_MAX && text[digits] == '\0')
        return OK;
    return why_refuse(w->why, ERR_MALFORMED, "'%s' is no port of a packet: write a number from 1 to 65535",
                      why_quoted(text, shown));
}

static enum status refuse_address(const struct words *w, const char *word)
{
    char shown[QUOTED_TEXT];
    why_quoted(word, shown);
    if (strchr(word, '/') != NULL || strcmp(word, "any") == 0)
        return why_refuse(w->why, ERR_MALFORMED, "'%s' is no address of a packet: write one address, e.g. 10.1.0.5",
                          shown);
    return why_refuse(w->why, ERR_MALFORMED,
                      "'%s' is no address: write e.g. 10.1.0.5, 10.1.0.5:443, 2001:db8::1 or [2001:db8::1]:443 (names "
                      "are not looked up)",
                      shown);
}

/* "[2001:db8::1]", "[2001:db8::1]:443", "10.1.0.5:443": cuts the word into address and port; NULL: no port is there. */
static char *cut_port(char **word, uint8_t *family)
{
    char *first = strchr(*word, ':'), *close = (*word)[0] == '[' ? strchr(*word, ']') : NULL, *port = NULL;
    *family = 0;
    if (close != NULL && (close[1] == '\0' || close[1] == ':')) {
        port = close[1] == ':' ? close + 2 : NULL;
        *close = '\0';
        (*word)++;
        *family = 6;
    } else if (first != NULL && strchr(first + 1, ':') == NULL) {
        port = first + 1;
        *first = '\0';
        *family = 4;
    }
    return port;
}

static enum status take_end(struct words *w, const char *name, struct end *out)
{
    char whole[EXPLAIN_LINE_MAX + 1];
    uint8_t family;
    *out = (struct end){0};
    if (peek(w) == NULL)
        return why_refuse(w->why, ERR_MALFORMED,
                          "the %s is missing: write " EXPLAIN_SYNTAX ", e.g. tcp 10.1.0.5 10.3.0.9:443", name);
    char *word = w->items[w->at++];
    memcpy(whole, word, strlen(word) + 1);
    const char *port = cut_port(&word, &family);
    if (address_parse(word, &out->address) != OK || out->address.family == 0 ||
        (family != 0 && out->address.family != family))
        return refuse_address(w, whole);
    bool again = take(w, "port");
    if (again && port != NULL)
        return why_refuse(w->why, ERR_MALFORMED, "the port of the %s is given twice: leave out 'port'", name);
    if (again && (port = peek(w)) == NULL)
        return why_refuse(w->why, ERR_MALFORMED, "a number is missing behind 'port': write e.g. port 443");
    w->at += again;
    out->has_port = port != NULL;
    return port != NULL ? parse_port(w, port, &out->port) : OK;
}

static enum status take_protocol(struct words *w, unsigned *protocol)
{
    char shown[QUOTED_TEXT];
    const char *word = peek(w);
    *protocol = PROTOCOL_ANY;
    if (word == NULL || strpbrk(word, ".:[/") != NULL)
        return OK;
    if (!protocol_parse(word, protocol))
        return why_refuse(w->why, ERR_MALFORMED,
                          "'%s' is neither an address nor a protocol: write " EXPLAIN_SYNTAX
                          " with a number from 0 to 255 or one of any, tcp, udp, icmp, icmpv6, sctp, gre, esp, ah",
                          why_quoted(word, shown));
    w->at++;
    return OK;
}

/* --- the packet as a whole --- */

static enum status check(const struct words *w, unsigned protocol, const struct end *from, const struct end *to)
{
    char a[ADDRESS_TEXT], b[ADDRESS_TEXT], name[PROTOCOL_TEXT];
    uint8_t family = from->address.family;
    if (family != to->address.family)
        return why_refuse(w->why, ERR_MALFORMED, "%s is IPv%u and %s is IPv%u: a packet has two addresses of one kind",
                          address_print(&from->address, a), family, address_print(&to->address, b), to->address.family);
    if (protocol == PROTOCOL_ICMP && family == 6)
        return why_refuse(w->why, ERR_MALFORMED, "icmp is a protocol of IPv4: for IPv6 write icmpv6");
    if (protocol == PROTOCOL_ICMPV6 && family == 4)
        return why_refuse(w->why, ERR_MALFORMED, "icmpv6 is a protocol of IPv6: for IPv4 write icmp");
    if (protocol != PROTOCOL_ANY && !protocol_has_ports(protocol) && (from->has_port || to->has_port))
        return why_refuse(w->why, ERR_MALFORMED,
                          "%s has no ports: leave the port out, or write tcp, udp, sctp, dccp or udplite",
                          protocol_print(protocol, name));
    return OK;
}

static struct explain_query query_of(unsigned protocol, const struct end *from, const struct end *to)
{
    return (struct explain_query){
        .flow = {.source = from->address,
                 .destination = to->address,
                 .protocol = (uint8_t)protocol,
                 .has_ports = from->has_port || to->has_port,
                 .source_port = from->port,
                 .destination_port = to->port},
        .told = (protocol != PROTOCOL_ANY ? FIELD_PROTOCOL : 0U) | (from->has_port ? FIELD_LOCAL_PORT : 0U) |
                (to->has_port ? FIELD_REMOTE_PORT : 0U),
    };
}

enum status explain_query_parse(struct bytes text, struct explain_query *out, char *why_text, size_t why_len)
{
    const struct why why = {why_text, why_len};
    struct words words = {.why = &why};
    struct end from, to;
    unsigned protocol = PROTOCOL_ANY;
    char shown[QUOTED_TEXT];
    *out = (struct explain_query){0};
    enum status status = cut_words(text, &words);
    if (status == OK)
        status = take_protocol(&words, &protocol);
    if (status == OK)
        status = take_end(&words, "source", &from);
    if (status == OK) {
        (void)(take(&words, "->") || take(&words, "-") || take(&words, "to"));
        status = take_end(&words, "destination", &to);
    }
    if (status == OK && peek(&words) != NULL)
        return why_refuse(&why, ERR_MALFORMED, "'%s' is one word too many: write " EXPLAIN_SYNTAX,
                          why_quoted(peek(&words), shown));
    if (status == OK)
        status = check(&words, protocol, &from, &to);
    if (status == OK)
        *out = query_of(protocol, &from, &to);
    return status;
}

static const char *end_print(const struct address *address, bool has_port, uint16_t port, char out[END_TEXT])
{
    const struct endpoint end = {*address, port};
    if (has_port)
        return endpoint_print(&end, out);
    return address_print(address, out);
}

const char *explain_query_print(const struct explain_query *q, const char *between, char out[EXPLAIN_QUERY_TEXT])
{
    const struct flow *f = &q->flow;
    char name[PROTOCOL_TEXT], from[END_TEXT], to[END_TEXT];
    bool any = (q->told & FIELD_PROTOCOL) == 0;
    snprintf(out, EXPLAIN_QUERY_TEXT, "%s%s%s%s%s", any ? "" : protocol_print(f->protocol, name), any ? "" : " ",
             end_print(&f->source, (q->told & FIELD_LOCAL_PORT) != 0, f->source_port, from), between,
             end_print(&f->destination, (q->told & FIELD_REMOTE_PORT) != 0, f->destination_port, to));
    return out;
}

struct explain_query explain_query_turned(const struct explain_query *q)
{
    struct explain_query turned = *q;
    turned.flow.source = q->flow.destination;
    turned.flow.destination = q->flow.source;
    turned.flow.source_port = q->flow.destination_port;
    turned.flow.destination_port = q->flow.source_port;
    turned.told = (q->told & FIELD_PROTOCOL) | ((q->told & FIELD_LOCAL_PORT) != 0 ? FIELD_REMOTE_PORT : 0U) |
                  ((q->told & FIELD_REMOTE_PORT) != 0 ? FIELD_LOCAL_PORT : 0U);
    return turned;
}

struct explain_query explain_query_filled(const struct explain_query *q, const struct selector *s, unsigned open)
{
    struct explain_query filled = *q;
    if ((open & FIELD_PROTOCOL) != 0)
        filled.flow.protocol = s->protocol;
    if ((open & FIELD_LOCAL_PORT) != 0)
        filled.flow.source_port = s->local_port.first;
    if ((open & FIELD_REMOTE_PORT) != 0)
        filled.flow.destination_port = s->remote_port.first;
    filled.told |= open;
    filled.flow.has_ports = (filled.told & (FIELD_LOCAL_PORT | FIELD_REMOTE_PORT)) != 0;
    return filled;
}
