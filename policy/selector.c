/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/selector.h"

#include <stdio.h>

#include "policy/protocol.h"

static bool port_equal(struct port_range a, struct port_range b)
{
    return a.first == b.first && a.last == b.last;
}

static bool port_contains(struct port_range outer, struct port_range inner)
{
    return outer.first <= inner.first && inner.last <= outer.last;
}

static bool port_has(struct port_range range, bool known, uint16_t port)
{
    return port_is_any(range) || (known && range.first <= port && port <= range.last);
}

bool selector_matches(const struct selector *s, const struct flow *f)
{
    return (s->protocol == 0 || s->protocol == f->protocol) && range_has(&s->remote, &f->destination) &&
           range_has(&s->local, &f->source) && port_has(s->remote_port, f->has_ports, f->destination_port) &&
           port_has(s->local_port, f->has_ports, f->source_port);
}

bool selector_may_match(const struct selector *s, const struct flow *f)
{
    return !f->has_ports && (s->protocol == 0 || s->protocol == f->protocol || flow_hides_protocol(f)) &&
           range_has(&s->remote, &f->destination) && range_has(&s->local, &f->source) && !selector_matches(s, f);
}

bool selector_matches_inbound(const struct selector *s, const struct flow *f)
{
    return (s->protocol == 0 || s->protocol == f->protocol) && range_has(&s->remote, &f->source) &&
           range_has(&s->local, &f->destination) && port_has(s->remote_port, f->has_ports, f->source_port) &&
           port_has(s->local_port, f->has_ports, f->destination_port);
}

bool selector_admits_error(const struct selector *s, const struct flow *error, const struct flow *quoted)
{
    if (error->is_fragment)
        return false;
    if (quoted->source.family == 0)
        return selector_matches_inbound(s, error);
    return address_equal(&error->destination, &quoted->source) && selector_matches(s, quoted);
}

bool selector_has_ports(const struct selector *s)
{
    return !port_is_any(s->local_port) || !port_is_any(s->remote_port);
}

bool selector_equal(const struct selector *a, const struct selector *b)
{
    return a->protocol == b->protocol && range_equal(&a->local, &b->local) && range_equal(&a->remote, &b->remote) &&
           port_equal(a->local_port, b->local_port) && port_equal(a->remote_port, b->remote_port);
}

bool selector_contains(const struct selector *outer, const struct selector *inner)
{
    return (outer->protocol == 0 || outer->protocol == inner->protocol) &&
           range_contains(&outer->local, &inner->local) && range_contains(&outer->remote, &inner->remote) &&
           port_contains(outer->local_port, inner->local_port) && port_contains(outer->remote_port, inner->remote_port);
}

enum { PORT_TEXT = 24 };

/* `before` and "443" or "443-500"; nothing when all ports are meant. */
static const char *port_print(const char *before, struct port_range p, char out[PORT_TEXT])
{
    out[0] = '\0';
    if (port_is_any(p))
        return out;
    if (p.first == p.last)
        snprintf(out, PORT_TEXT, "%s%u", before, p.first);
    else
        snprintf(out, PORT_TEXT, "%s%u-%u", before, p.first, p.last);
    return out;
}

const char *selector_print(const struct selector *s, char out[SELECTOR_TEXT])
{
    char local[RANGE_TEXT], remote[RANGE_TEXT], local_port[PORT_TEXT], remote_port[PORT_TEXT], name[PROTOCOL_TEXT];
    snprintf(out, SELECTOR_TEXT, "%s%s%s%s -> %s%s", s->protocol != 0 ? protocol_print(s->protocol, name) : "",
             s->protocol != 0 ? " " : "", range_print(&s->local, local),
             port_print(" port ", s->local_port, local_port), range_print(&s->remote, remote),
             port_print(" port ", s->remote_port, remote_port));
    return out;
}

const char *selector_side_print(const struct selector *s, bool local, char out[SELECTOR_TEXT])
{
    char range[RANGE_TEXT], port[PORT_TEXT], name[PROTOCOL_TEXT];
    range_print(local ? &s->local : &s->remote, range);
    port_print("/", local ? s->local_port : s->remote_port, port);
    if (s->protocol == 0)
        snprintf(out, SELECTOR_TEXT, "%s", range);
    else
        snprintf(out, SELECTOR_TEXT, "%s[%s%s]", range, protocol_print(s->protocol, name), port);
    return out;
}

static struct selector_fit explain_protocol(uint8_t wanted, const struct flow *f, unsigned told)
{
    struct selector_fit fit = {0};
    bool portless = f->has_ports && !protocol_has_ports(wanted);
    if (wanted == 0)
        return fit;
    if ((told & FIELD_PROTOCOL) == 0 && !portless)
        fit.open = FIELD_PROTOCOL;
    else if (portless || wanted != f->protocol)
        fit.differs = FIELD_PROTOCOL;
    return fit;
}

static struct selector_fit explain_port(struct port_range wanted, const struct flow *f, unsigned told, unsigned field)
{
    struct selector_fit fit = {0};
    uint16_t port = field == FIELD_LOCAL_PORT ? f->source_port : f->destination_port;
    bool known = f->has_ports && (told & field) != 0;
    bool portless = (told & FIELD_PROTOCOL) != 0 && !protocol_has_ports(f->protocol);
    if (port_has(wanted, known, port))
        return fit;
    if (known || portless)
        fit.differs = field;
    else
        fit.open = field;
    return fit;
}

struct selector_fit selector_explain(const struct selector *s, const struct flow *f, unsigned told)
{
    if (s->local.first.family != f->source.family)
        return (struct selector_fit){.differs = FIELD_FAMILY};
    const struct selector_fit protocol = explain_protocol(s->protocol, f, told);
    const struct selector_fit local_port = explain_port(s->local_port, f, told, FIELD_LOCAL_PORT);
    const struct selector_fit remote_port = explain_port(s->remote_port, f, told, FIELD_REMOTE_PORT);
    unsigned local = range_has(&s->local, &f->source) ? 0 : FIELD_LOCAL;
    unsigned remote = range_has(&s->remote, &f->destination) ? 0 : FIELD_REMOTE;
    return (struct selector_fit){
        .differs = protocol.differs | local | local_port.differs | remote | remote_port.differs,
        .open = protocol.open | local_port.open | remote_port.open,
    };
}
