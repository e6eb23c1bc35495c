/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/explain.h"

#include <string.h>

#include "policy/protocol.h"

/* --- the walk --- */

/* Those packets of the question that the rule takes, as a selector. */
static struct selector part_of(const struct selector *s, const struct explain_query *q)
{
    const struct flow *f = &q->flow;
    struct selector part = *s;
    part.local = range_of_address(&f->source);
    part.remote = range_of_address(&f->destination);
    if ((q->told & FIELD_PROTOCOL) != 0)
        part.protocol = f->protocol;
    if ((q->told & FIELD_LOCAL_PORT) != 0)
        part.local_port = (struct port_range){f->source_port, f->source_port};
    if ((q->told & FIELD_REMOTE_PORT) != 0)
        part.remote_port = (struct port_range){f->destination_port, f->destination_port};
    return part;
}

/* The rule above that takes all packets of the question which rule `at` would take; SPD_RULE_NONE: there is none. */
static int shadow_of(const struct spd *spd, const struct explain_query *q, const struct explain_walk *walk, uint32_t at)
{
    const struct selector part = part_of(&spd->rules[at].selector, q);
    for (size_t i = 0; i < walk->maybe_count && walk->maybe[i] < at; i++) {
        const struct selector earlier = part_of(&spd->rules[walk->maybe[i]].selector, q);
        if (selector_contains(&earlier, &part))
            return (int)walk->maybe[i];
    }
    return SPD_RULE_NONE;
}

void explain_walk(const struct spd *spd, const struct explain_query *q, struct explain_walk *out)
{
    *out = (struct explain_walk){.decides = SPD_RULE_NONE};
    for (uint32_t i = 0; i < spd->count; i++) {
        const struct selector_fit fit = selector_explain(&spd->rules[i].selector, &q->flow, q->told);
        if (fit.differs != 0)
            continue;
        if (fit.open == 0) {
            out->decides = (int)i;
            return;
        }
        if (shadow_of(spd, q, out, i) != SPD_RULE_NONE)
            continue;
        if (out->maybe_count < EXPLAIN_MAYBE_MAX)
            out->maybe[out->maybe_count++] = i;
        else
            out->maybe_more++;
    }
}

/* --- words --- */

static const char *side_word(const struct explain_sight *sight, bool local)
{
    return local != sight->inbound ? "source" : "destination";
}

static void print_port_range(FILE *out, struct port_range p)
{
    if (p.first == p.last)
        fprintf(out, "%u", p.first);
    else
        fprintf(out, "%u-%u", p.first, p.last);
}

static void differs_address(const struct explain_sight *sight, const struct selector *s, bool local)
{
    char address[ADDRESS_TEXT], range[RANGE_TEXT];
    const struct flow *f = &sight->query.flow;
    fprintf(sight->out, "%s %s is not in %s", side_word(sight, local),
            address_print(local ? &f->source : &f->destination, address),
            range_print(local ? &s->local : &s->remote, range));
}

static void differs_port(const struct explain_sight *sight, const struct selector *s, bool local)
{
    char name[PROTOCOL_TEXT];
    const struct flow *f = &sight->query.flow;
    const struct port_range wanted = local ? s->local_port : s->remote_port;
    if (f->has_ports)
        fprintf(sight->out, "%s port %u is not %s", side_word(sight, local),
                local ? f->source_port : f->destination_port, wanted.first != wanted.last ? "in " : "");
    else
        fprintf(sight->out, "%s has no %s port ", protocol_print(f->protocol, name), side_word(sight, local));
    print_port_range(sight->out, wanted);
}

static void differs_protocol(const struct explain_sight *sight, const struct selector *s)
{
    char wanted[PROTOCOL_TEXT], name[PROTOCOL_TEXT];
    protocol_print(s->protocol, wanted);
    if ((sight->query.told & FIELD_PROTOCOL) != 0)
        fprintf(sight->out, "protocol is %s, not %s", protocol_print(sight->query.flow.protocol, name), wanted);
    else
        fprintf(sight->out, "the packet has a port, %s has none", wanted);
}

static void differs_in(const struct explain_sight *sight, const struct selector *s, unsigned field)
{
    switch (field) {
    case FIELD_FAMILY:
        fprintf(sight->out, "it is for IPv%u, the packet is IPv%u", s->local.first.family,
                sight->query.flow.source.family);
        break;
    case FIELD_PROTOCOL: differs_protocol(sight, s); break;
    case FIELD_LOCAL: differs_address(sight, s, true); break;
    case FIELD_LOCAL_PORT: differs_port(sight, s, true); break;
    case FIELD_REMOTE: differs_address(sight, s, false); break;
    case FIELD_REMOTE_PORT: differs_port(sight, s, false); break;
    default: break;
    }
}

void explain_differs(const struct explain_sight *sight, const struct selector *s, unsigned differs)
{
    const char *between = "";
    for (unsigned field = FIELD_FAMILY; field <= FIELD_REMOTE_PORT; field <<= 1) {
        if ((differs & field) == 0)
            continue;
        fputs(between, sight->out);
        differs_in(sight, s, field);
        between = ", ";
    }
}

void explain_open(const struct explain_sight *sight, const struct selector *s, unsigned open)
{
    char name[PROTOCOL_TEXT];
    const char *between = "";
    if ((open & FIELD_PROTOCOL) != 0) {
        fputs(protocol_print(s->protocol, name), sight->out);
        between = " with ";
    }
    for (unsigned field = FIELD_LOCAL_PORT; field <= FIELD_REMOTE_PORT; field <<= 2) {
        bool local = field == FIELD_LOCAL_PORT;
        if ((open & field) == 0)
            continue;
        fprintf(sight->out, "%s%s port ", between, side_word(sight, local));
        print_port_range(sight->out, local ? s->local_port : s->remote_port);
        between = " and ";
    }
}

/* --- rules --- */

static void print_rule(const struct explain_sight *sight, uint32_t index)
{
    char text[RULE_TEXT];
    const struct rule *rule = &sight->input->spd->rules[index];
    fprintf(sight->out, "  rule %u (line %u): %s\n      ", rule->number, rule->line, rule_print(rule, text));
}

static void tell_rule(const struct explain_sight *sight, const struct explain_walk *walk, uint32_t index)
{
    const struct spd *spd = sight->input->spd;
    const struct selector *s = &spd->rules[index].selector;
    const struct selector_fit fit = selector_explain(s, &sight->query.flow, sight->query.told);
    int shadow = fit.open != 0 ? shadow_of(spd, &sight->query, walk, index) : SPD_RULE_NONE;
    print_rule(sight, index);
    if (fit.differs != 0) {
        fputs("does not match: ", sight->out);
        explain_differs(sight, s, fit.differs);
    } else if (shadow != SPD_RULE_NONE) {
        fprintf(sight->out, "does not match: what it could take meets rule %u first", spd->rules[shadow].number);
    } else if (fit.open != 0) {
        fputs("would match only ", sight->out);
        explain_open(sight, s, fit.open);
    } else {
        fputs("matches", sight->out);
    }
    fputc('\n', sight->out);
}

static void tell_rules(const struct explain_sight *sight, const struct explain_walk *walk)
{
    const struct spd *spd = sight->input->spd;
    size_t end = walk->decides != SPD_RULE_NONE ? (size_t)walk->decides + 1 : spd->count;
    size_t shown = 0, left_out = 0, maybe = 0;
    for (uint32_t i = 0; i < end; i++) {
        bool kept = maybe < walk->maybe_count && walk->maybe[maybe] == i;
        bool matters = kept || (int)i == walk->decides;
        maybe += kept;
        if (matters || shown < EXPLAIN_RULES_SHOWN)
            tell_rule(sight, walk, i);
        else
            left_out++;
        shown += !matters;
    }
    if (left_out > 0)
        fprintf(sight->out, "  (%zu more rules are left out)\n", left_out);
    if (walk->decides == SPD_RULE_NONE)
        fputs("  the end: the implicit discard\n", sight->out);
}

/* --- what follows --- */

/* A question that the rule answers for sure. */
static void suggest(const struct explain_sight *sight, const struct selector *s, unsigned open)
{
    struct explain_query q = explain_query_filled(&sight->query, s, open);
    char text[EXPLAIN_QUERY_TEXT];
    if (sight->inbound)
        q = explain_query_turned(&q);
    fprintf(sight->out, "      more: esptun explain %s\n", explain_query_print(&q, " ", text));
}

static void tell_maybe(const struct explain_sight *sight, const struct explain_walk *walk)
{
    for (size_t i = 0; i < walk->maybe_count; i++) {
        const struct rule *rule = &sight->input->spd->rules[walk->maybe[i]];
        const struct selector_fit fit = selector_explain(&rule->selector, &sight->query.flow, sight->query.told);
        fputs((fit.open & FIELD_PROTOCOL) != 0 ? "if it is " : "if it has ", sight->out);
        explain_open(sight, &rule->selector, fit.open);
        fprintf(sight->out, ", rule %u decides: %s", rule->number, action_name(rule->action));
        if (rule->action == ACTION_PROTECT)
            fprintf(sight->out, " via %s", sight->input->connections[rule->connection].name);
        fputc('\n', sight->out);
        suggest(sight, &rule->selector, fit.open);
    }
    if (walk->maybe_more > 0)
        fprintf(sight->out, "(%zu more rules depend on protocol and ports: name them to learn which one decides)\n",
                walk->maybe_more);
    if (walk->maybe_count > 0)
        fputs("else ", sight->out);
}

static void tell_counters(const struct explain_sight *sight, uint32_t index)
{
    const struct rule_counters *rules = sight->input->rules;
    if (rules != NULL)
        fprintf(sight->out, "  this rule has met %llu packets, %llu bytes so far\n",
                (unsigned long long)rules[index].packets, (unsigned long long)rules[index].bytes);
}

/* What no route leads to the TUN never meets a rule. */
static void tell_discard(const struct explain_sight *sight, enum drop counted)
{
    fprintf(sight->out,
            "result: dropped where a route leads it to the TUN interface, counted as %s; otherwise esptun does not "
            "see it\n",
            drop_name(counted));
}

static void tell_outbound(const struct explain_sight *sight, const struct explain_walk *walk)
{
    tell_rules(sight, walk);
    tell_maybe(sight, walk);
    if (walk->decides == SPD_RULE_NONE) {
        fputs("no rule matches: the implicit discard at the end of the ACL decides\n", sight->out);
        tell_discard(sight, DROP_OUT_NO_RULE);
        return;
    }
    const struct rule *rule = &sight->input->spd->rules[walk->decides];
    fprintf(sight->out, "rule %u (line %u) decides: %s\n", rule->number, rule->line, action_name(rule->action));
    tell_counters(sight, (uint32_t)walk->decides);
    switch (rule->action) {
    case ACTION_PROTECT: explain_protect(sight, (uint32_t)walk->decides); break;
    case ACTION_DISCARD: tell_discard(sight, DROP_OUT_DISCARD); break;
    case ACTION_BYPASS: fputs("result: leaves in clear, by the host's other routes\n", sight->out); break;
    }
}

/* --- the other direction --- */

static bool protects(const struct spd *spd, uint32_t index)
{
    return spd->rules[index].action == ACTION_PROTECT;
}

/* The first protect rule that has a say; SPD_RULE_NONE: there is none. */
static int protect_of(const struct spd *spd, const struct explain_walk *walk)
{
    for (size_t i = 0; i < walk->maybe_count; i++)
        if (protects(spd, walk->maybe[i]))
            return (int)walk->maybe[i];
    return walk->decides != SPD_RULE_NONE && protects(spd, (uint32_t)walk->decides) ? walk->decides : SPD_RULE_NONE;
}

static void tell_inbound(const struct explain_sight *sight, const struct explain_walk *walk)
{
    const struct spd *spd = sight->input->spd;
    tell_rules(sight, walk);
    tell_maybe(sight, walk);
    if (walk->decides != SPD_RULE_NONE && protects(spd, (uint32_t)walk->decides)) {
        const struct rule *rule = &spd->rules[walk->decides];
        fprintf(sight->out, "rule %u (line %u) admits it: protect\n", rule->number, rule->line);
        explain_protect(sight, (uint32_t)walk->decides);
    } else {
        fputs("no protect rule admits it\n", sight->out);
    }
    fprintf(sight->out, "in clear: %s\n",
            sight->input->guard ? "the guard drops it (guard = yes)"
                                : "esptun does not see it, the host takes it as any other packet (guard = no; with "
                                  "guard = yes in [gateway] it is dropped)");
}

void explain(const struct explain_input *input, const struct explain_query *query, FILE *out)
{
    char text[EXPLAIN_QUERY_TEXT];
    struct explain_walk outbound, inbound;
    const struct explain_sight from_here = {input, *query, false, out};
    const struct explain_sight to_here = {input, explain_query_turned(query), true, out};
    explain_walk(input->spd, &from_here.query, &outbound);
    explain_walk(input->spd, &to_here.query, &inbound);
    bool comes_in =
        protect_of(input->spd, &outbound) == SPD_RULE_NONE && protect_of(input->spd, &inbound) != SPD_RULE_NONE;
    fprintf(out, "packet: %s\n", explain_query_print(query, " -> ", text));
    if (comes_in)
        fputs("note: its source is behind the peer and its destination behind us: it comes in. What is sent from here "
              "goes the other direction\n\narriving from the peer\n",
              out);
    if (comes_in)
        tell_inbound(&to_here, &inbound);
    if (comes_in)
        fputs("\nsent from here, with these addresses\n", out);
    tell_outbound(&from_here, &outbound);
}
