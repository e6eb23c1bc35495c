/* SPDX-License-Identifier: Apache-2.0 */
/* The keys probe and probe_*. */
#include <string.h>

#include "daemon/config_apply.h"
#include "daemon/config_errors.h"
#include "daemon/host_address.h"
#include "esp/echo.h"
#include "policy/protocol.h"

bool apply_probe(struct config_load *load, const struct config_item *item)
{
    char shown[QUOTE_TEXT];
    struct address address = {0};
    if (address_parse(item->text, &address) != OK || !address_is_one_host(&address)) {
        config_error(load->errors, item->line,
                     "%s = '%s' is not the address of a host: write an IPv4 or IPv6 address without a prefix length, "
                     "such as 10.2.0.1, or remove the key",
                     item->key->name, quote(item->text, shown));
        return false;
    }
    *(struct address *)((char *)item->target + item->key->offset) = address;
    return true;
}

static void refuse_without_probe(struct config_load *load, const struct config_section *section)
{
    static const char *const names[] = {"probe_source", "probe_interval", "probe_failures", "probe_action"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct config_entry *entry = config_source_entry(&load->source, section, names[i]);
        if (entry != NULL)
            config_error(
                load->errors, entry->line,
                "%s says how to probe, and [%s] has no probe: write probe = ADDRESS of a host behind the peer, "
                "or remove %s",
                names[i], section->label, names[i]);
    }
}

/* A protect rule of the connection that may carry ICMP to the address, and from the other where that is given. */
static const struct rule *fitting_rule(const struct spd *spd, const struct config_section *section,
                                       const struct address *to, const struct address *from)
{
    const unsigned icmp = protocol_icmp(to->family);
    for (size_t i = 0; i < spd->count; i++) {
        const struct rule *rule = &spd->rules[i];
        const struct selector *s = &rule->selector;
        if (rule->action == ACTION_PROTECT && rule->connection == section->index && range_has(&s->remote, to) &&
            (s->protocol == 0 || s->protocol == icmp) && (from == NULL || range_has(&s->local, from)))
            return rule;
    }
    return NULL;
}

static void refuse_earlier(struct config_load *load, unsigned line, const struct connection *c)
{
    const struct spd *spd = &load->config->spd;
    const struct flow echo = echo_flow(&c->probe_source, &c->probe);
    int met = spd_lookup(spd, &echo);
    config_error(load->errors, line,
                 "the rule in line %u takes the probe before a rule of this connection does: write an address that "
                 "it leaves alone, or put the rules into another order",
                 met != SPD_RULE_NONE ? spd->rules[met].line : 0);
}

static void review_source(struct config_load *load, const struct config_section *section, const struct connection *c)
{
    char to[ADDRESS_TEXT], from[ADDRESS_TEXT];
    unsigned line = config_source_entry(&load->source, section, "probe_source")->line;
    if (c->probe_source.family != c->probe.family)
        config_error(load->errors, line, "probe is IPv%u and probe_source IPv%u: write two addresses of one family",
                     c->probe.family, c->probe_source.family);
    else if (fitting_rule(&load->config->spd, section, &c->probe, &c->probe_source) == NULL)
        config_error(load->errors, line,
                     "probe_source = %s is not in the local network of a rule that leads to %s: write an address "
                     "of the left side of that protect rule, or remove the key for an address of this host",
                     address_print(&c->probe_source, from), address_print(&c->probe, to));
    else if (host_address_rule(&load->config->spd, section->index, &c->probe_source, &c->probe) == SPD_RULE_NONE)
        refuse_earlier(load, line, c);
}

/* A client's virtual address comes later, and so may any other. */
static void warn_of_no_source(struct config_load *load, const struct config_section *section,
                              const struct connection *c, unsigned line)
{
    bool known;
    char to[ADDRESS_TEXT];
    if (c->access != NULL && !c->access->server)
        return;
    struct address from = host_address_for(&load->config->spd, section->index, &c->probe, &known);
    if (known && from.family == 0)
        config_warning(load->errors, line, HOST_ADDRESS_MISSING, address_print(&c->probe, to));
}

static void review_action(struct config_load *load, const struct config_section *section, const struct connection *c)
{
    const struct config_entry *action = config_source_entry(&load->source, section, "probe_action");
    if (action == NULL || c->probe_action == PROBE_ACTION_NONE || (!connection_is_any(c) && c->start != START_NONE))
        return;
    config_error(load->errors, action->line,
                 "probe_action = restart needs a tunnel that we may bring up, and %s: write probe_action = none",
                 connection_is_any(c) ? "remote = %any cannot be called" : "start = none leaves that to the peer");
}

void probe_review(struct config_load *load, const struct config_section *section, const struct connection *c)
{
    char text[ADDRESS_TEXT];
    if (c->probe.family == 0) {
        refuse_without_probe(load, section);
        return;
    }
    unsigned line = config_source_entry(&load->source, section, "probe")->line;
    review_action(load, section, c);
    if (fitting_rule(&load->config->spd, section, &c->probe, NULL) == NULL)
        config_error(load->errors, line,
                     "probe = %s: no protect rule of this connection leads ICMP there: write an address of the right "
                     "side of one, or add to [acl] protect = NETWORK -> %s via %s",
                     address_print(&c->probe, text), address_print(&c->probe, text), c->name);
    else if (c->probe_source.family != 0)
        review_source(load, section, c);
    else
        warn_of_no_source(load, section, c, line);
}
