/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "daemon/explain.h"
#include "daemon/waiting.h"

/* What a visit of the SAs finds out. */
struct look {
    const struct explain_sight *sight;
    uint32_t rule, connection;
    const struct sa *carrier; /* outbound: the SA that sad_outbound chooses */
    bool rule_has_sa;
    size_t sas, established, connecting;
    size_t children, others;   /* others: inbound, of other rules, that would admit the packet too */
    size_t coming;             /* children that do not seal yet */
    size_t fitting, depending; /* children that take all, or a part, of what may be meant */
};

/* --- one SA --- */

static void on_sa(void *arg, const struct ike_sa_info *info)
{
    struct look *look = arg;
    char local[ENDPOINT_TEXT], remote[ENDPOINT_TEXT], suite[PROPOSAL_TEXT];
    if (info->connection != look->connection)
        return;
    look->established += strcmp(info->state, "established") == 0;
    look->connecting += strcmp(info->state, "connecting") == 0;
    if (look->sas++ >= EXPLAIN_SAS_SHOWN)
        return;
    fprintf(look->sight->out, "  IKE SA: %s, %s, %s <-> %s%s%s\n", info->state,
            info->initiator ? "initiator" : "responder", endpoint_print(&info->path.local, local),
            endpoint_print(&info->path.remote, remote), info->proposal != NULL ? ", " : "",
            info->proposal != NULL ? proposal_print(info->proposal, suite) : "");
}

/* True when the SA carries those packets of the question that its selector covers: no newer one comes first. */
static bool is_chosen(const struct look *look, const struct sa *sa, const struct selector *s, unsigned open)
{
    const struct explain_query some = explain_query_filled(&look->sight->query, s, open);
    bool rule_has_sa;
    return sad_outbound(look->sight->input->sad, look->rule, &some.flow, &rule_has_sa) == sa;
}

static void say_outbound(const struct look *look, const struct sa *sa, struct selector_fit fit,
                         const struct selector *s)
{
    FILE *out = look->sight->out;
    if (sa == NULL) {
        fputs("not this one: it is being removed", out);
    } else if (fit.differs != 0) {
        fputs("not this one: ", out);
        explain_differs(look->sight, s, fit.differs);
    } else if (!sa->outbound) {
        fputs("not this one: it may not seal yet, phase 2 is not confirmed", out);
    } else if (sa->dead) {
        fputs("not this one: its limit of bytes, packets or sequence numbers is reached", out);
    } else if (sa == look->carrier) {
        fputs("would carry the packet: the newest that may seal and whose selector matches", out);
    } else if (fit.open != 0 && is_chosen(look, sa, s, fit.open)) {
        fputs("would carry only ", out);
        explain_open(look->sight, s, fit.open);
    } else {
        fputs("not this one: a newer one that may seal comes first", out);
    }
}

static void say_inbound(const struct look *look, const struct sa *sa, struct selector_fit fit, const struct selector *s)
{
    FILE *out = look->sight->out;
    if (sa == NULL) {
        fputs("would not admit it: it is being removed", out);
    } else if (fit.differs != 0) {
        fprintf(out, "would not admit it (%s): ", drop_name(DROP_IN_SELECTOR));
        explain_differs(look->sight, s, fit.differs);
    } else if (sa->dead) {
        fputs("would not admit it: its limit of bytes or packets is reached", out);
    } else if (fit.open != 0) {
        fputs("would admit only ", out);
        explain_open(look->sight, s, fit.open);
    } else {
        fputs("would admit the packet", out);
    }
}

static void count_child(struct look *look, const struct sa *sa, struct selector_fit fit, const struct selector *s)
{
    if (sa == NULL || sa->dead || fit.differs != 0)
        return;
    look->coming += !sa->outbound;
    look->fitting += fit.open == 0;
    look->depending += fit.open != 0 && (look->sight->inbound || is_chosen(look, sa, s, fit.open));
}

static void on_child(void *arg, const struct ike_child_info *info)
{
    struct look *look = arg;
    const struct child *c = info->child;
    const struct explain_sight *sight = look->sight;
    char suite[PROPOSAL_TEXT], local[SELECTOR_TEXT], remote[SELECTOR_TEXT];
    const struct sa *sa = sad_by_child(sight->input->sad, info->id);
    const struct selector_fit fit = selector_explain(&c->selector, &sight->query.flow, sight->query.told);
    /* What arrives is compared with its SA alone, whatever the rule (esp_open). */
    bool other = info->rule != look->rule;
    if (other && (!sight->inbound || sa == NULL || fit.differs != 0))
        return;
    count_child(look, sa, fit, &c->selector);
    *(other ? &look->others : &look->children) += 1;
    /* The one that carries the packet is always told. */
    if (look->children + look->others > EXPLAIN_CHILDREN_SHOWN && (sa == NULL || sa != look->carrier))
        return;
    fprintf(sight->out, "  SA: SPIs %08x (in) %08x (out), %s, %s, %s%s\n      %s -> %s\n      ", c->spi_in, c->spi_out,
            info->state, proposal_print(&c->suite, suite), c->udp ? "ESP in UDP" : "ESP",
            other ? ", of another rule" : "", selector_side_print(&c->selector, true, local),
            selector_side_print(&c->selector, false, remote));
    if (sight->inbound)
        say_inbound(look, sa, fit, &c->selector);
    else
        say_outbound(look, sa, fit, &c->selector);
    fputc('\n', sight->out);
}

static void tell_sas(struct look *look)
{
    FILE *out = look->sight->out;
    const struct explain_input *input = look->sight->input;
    const struct ike_visitor visitor = {.arg = look, .sa = on_sa, .child = on_child};
    if (!look->sight->inbound)
        look->carrier = sad_outbound(input->sad, look->rule, &look->sight->query.flow, &look->rule_has_sa);
    input->visit(input->ike, &visitor);
    if (look->sas > EXPLAIN_SAS_SHOWN)
        fprintf(out, "  (%zu more IKE SAs)\n", look->sas - EXPLAIN_SAS_SHOWN);
    if (look->children + look->others > EXPLAIN_CHILDREN_SHOWN)
        fprintf(out, "  (%zu such SAs in all)\n", look->children + look->others);
    if (look->sas == 0)
        fputs("  no IKE SA\n", out);
    if (look->children == 0)
        fputs("  no SA of this rule\n", out);
}

/* --- the result --- */

static const char *start_word(enum start_action start)
{
    switch (start) {
    case START_TRAP: return "trap";
    case START_START: return "start";
    case START_NONE: return "none";
    }
    return "unknown";
}

/* What ike_acquire makes of the first packet. */
static void tell_waiting(const struct look *look, const struct connection *c)
{
    FILE *out = look->sight->out;
    if (look->coming > 0)
        fputs("the packet waits for the SA that is being made", out);
    else if (c->start == START_NONE)
        fputs("start = none: only the peer can bring it up; the packet waits", out);
    else if (connection_is_any(c) && look->established == 0)
        fputs("remote = %any: only the peer can bring it up; the packet waits", out);
    else if (look->established > 0)
        fprintf(out, "the first packet wakes phase 2 (start = %s) and waits", start_word(c->start));
    else if (look->connecting > 0)
        fprintf(out, "phase 1 is under way: the first packet wakes phase 2 behind it (start = %s) and waits",
                start_word(c->start));
    else
        fprintf(out, "the first packet wakes phase 1, then phase 2 (start = %s), and waits", start_word(c->start));
    fprintf(out, " in a queue of %d packets for at most %d s, then it is dropped (%s)\n", WAITING_PER_RULE,
            WAITING_LIFE_MS / 1000, drop_name(DROP_OUT_QUEUE_EXPIRED));
}

static void tell_carrier(const struct look *look)
{
    char end[ENDPOINT_TEXT], address[ADDRESS_TEXT];
    const struct sa *sa = look->carrier;
    const struct endpoint *to = &sa->path.remote;
    fprintf(look->sight->out, "result: %ssealed with SPI %08x, leaves as %s to %s\n",
            look->depending > 0 ? "unless an SA above covers it alone, " : "", sa->spi_out,
            sa->udp ? "ESP in UDP" : "ESP", sa->udp ? endpoint_print(to, end) : address_print(&to->address, address));
}

static void tell_result(const struct look *look, const struct connection *c)
{
    FILE *out = look->sight->out;
    if (look->carrier != NULL) {
        tell_carrier(look);
    } else if (look->depending > 0) {
        fprintf(out, "result: depends on protocol and ports: what none of these SAs covers is dropped (%s)\n",
                drop_name(DROP_OUT_SELECTOR));
    } else if (look->rule_has_sa) {
        fprintf(out,
                "result: dropped (%s): the peer has narrowed the SAs of this rule, and none covers this packet; make "
                "the ACLs of both ends alike\n",
                drop_name(DROP_OUT_SELECTOR));
    } else {
        fputs("result: no SA: ", out);
        tell_waiting(look, c);
    }
}

static void tell_admission(const struct look *look)
{
    FILE *out = look->sight->out;
    if (look->fitting > 0)
        fputs("result: admitted when it arrives as ESP through an SA that is marked so above\n", out);
    else if (look->depending > 0)
        fputs("result: depends on protocol and ports, as told above\n", out);
    else
        fputs("result: no SA would admit it now; ESP with another SPI or of other packets is dropped\n", out);
}

void explain_protect(const struct explain_sight *sight, uint32_t rule)
{
    const uint32_t connection = sight->input->spd->rules[rule].connection;
    const struct connection *c = &sight->input->connections[connection];
    struct look look = {.sight = sight, .rule = rule, .connection = connection};
    fprintf(sight->out, "connection %s\n", c->name);
    if (sight->input->visit == NULL) {
        fputs("  SAs are unknown: esptun is not running\n", sight->out);
        fputs(sight->inbound ? "result: admitted only when it arrives as ESP through an SA of this rule\n"
                             : "result: sealed where the running esptun has an SA for it; without one ",
              sight->out);
        if (!sight->inbound)
            tell_waiting(&look, c);
        return;
    }
    tell_sas(&look);
    if (sight->inbound)
        tell_admission(&look);
    else
        tell_result(&look, c);
}
