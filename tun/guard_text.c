/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/guard_text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How a rule is compared: inbound, what is remote to the SPD is the source. */
enum sense { SENSE_IN, SENSE_OUT };

struct side {
    const struct address_range *range;
    struct port_range ports;
    const char *address, *port; /* fields of nft */
};

static const char *const chains[] = {[SENSE_IN] = "inbound", [SENSE_OUT] = "outbound"};
static const char *const counters[] = {[SENSE_IN] = GUARD_IN_CLEAR, [SENSE_OUT] = GUARD_OUT_CLEAR};

bool guard_name_fits(const char *device)
{
    for (const char *c = device; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && strchr("._-", *c) == NULL)
            return false;
    return device[0] != '\0';
}

/* --- one rule --- */

static bool is_any(const struct address_range *range)
{
    struct address_range any = range_any(range->first.family);
    return range_equal(range, &any);
}

static void print_range(FILE *out, const char *field, const struct address_range *range)
{
    char text[RANGE_TEXT];
    if (!is_any(range))
        fprintf(out, " %s %s %s", range->first.family == 4 ? "ip" : "ip6", field, range_print(range, text));
}

static bool ports_are_any(const struct port_range *ports)
{
    return ports->first == 0 && ports->last == UINT16_MAX;
}

static void print_ports(FILE *out, const struct side *side)
{
    if (ports_are_any(&side->ports))
        return;
    fprintf(out, " th %s %u", side->port, side->ports.first);
    if (side->ports.last != side->ports.first)
        fprintf(out, "-%u", side->ports.last);
}

static void print_family(FILE *out, const struct address_range *range)
{
    fprintf(out, "        meta nfproto ipv%u", range->first.family);
}

static void print_addresses(FILE *out, const struct side sides[2])
{
    print_family(out, sides[0].range);
    for (int i = 0; i < 2; i++)
        print_range(out, sides[i].address, sides[i].range);
}

static void print_verdict(FILE *out, const struct rule *rule, enum sense sense)
{
    if (rule->action == ACTION_PROTECT)
        fprintf(out, " counter name \"%s\" drop", counters[sense]);
    else
        fprintf(out, " return");
    fprintf(out, " comment \"rule %u\"\n", rule->number);
}

/* RFC 4301 7: a fragment of what may be protected does not leave, nor come in, in clear. */
static void print_fragments(FILE *out, const struct rule *rule, const struct side sides[2], enum sense sense)
{
    const struct selector *s = &rule->selector;
    bool v6 = s->local.first.family == 6;
    if (!ports_are_any(&s->local_port) || !ports_are_any(&s->remote_port)) {
        print_addresses(out, sides);
        fprintf(out, " meta l4proto %u %s", s->protocol, v6 ? "frag frag-off != 0" : "ip frag-off & 0x1fff != 0");
        print_verdict(out, rule, sense);
    }
    if (v6 && s->protocol != 0) { /* it begins inside extension headers: the protocol is not to be seen */
        print_addresses(out, sides);
        fprintf(out, " frag frag-off != 0 frag nexthdr { 0, 43, 44, 51, 60 }");
        print_verdict(out, rule, sense);
    }
}

static void print_rule(FILE *out, const struct rule *rule, enum sense sense)
{
    const struct selector *s = &rule->selector;
    const struct side local = {&s->local, s->local_port, sense == SENSE_OUT ? "saddr" : "daddr",
                               sense == SENSE_OUT ? "sport" : "dport"};
    const struct side remote = {&s->remote, s->remote_port, sense == SENSE_OUT ? "daddr" : "saddr",
                                sense == SENSE_OUT ? "dport" : "sport"};
    const struct side sides[2] = {local, remote};
    print_addresses(out, sides);
    if (s->protocol != 0)
        fprintf(out, " meta l4proto %u", s->protocol);
    for (int i = 0; i < 2; i++)
        print_ports(out, &sides[i]);
    print_verdict(out, rule, sense);
    if (rule->action == ACTION_PROTECT)
        print_fragments(out, rule, sides, sense);
}

/* --- which addresses are ours --- */

/* One side of a protect rule. */
struct claim {
    const struct address_range *range;
    size_t rule;
    struct address reach; /* of sorted local sides: the last address of all up to this one */
};

/* Sorted, so that nothing is compared with all the others. */
struct claims {
    struct claim *local, *remote; /* each once, by the first rule that has it */
    size_t locals, remotes;
};

static int claim_compare(const void *a, const void *b)
{
    const struct claim *left = a, *right = b;
    int order = address_compare(&left->range->first, &right->range->first);
    if (order == 0)
        order = address_compare(&left->range->last, &right->range->last);
    return order != 0 ? order : (left->rule > right->rule) - (left->rule < right->rule);
}

static int claim_by_rule(const void *a, const void *b)
{
    const struct claim *left = a, *right = b;
    return (left->rule > right->rule) - (left->rule < right->rule);
}

/* NULL when memory is short. */
static struct claim *claims_sort(const struct spd *spd, bool local, size_t *count)
{
    struct claim *all = calloc(spd->count + 1, sizeof *all);
    size_t found = 0, kept = 0;
    for (size_t i = 0; i < spd->count && all != NULL; i++) {
        const struct selector *s = &spd->rules[i].selector;
        if (spd->rules[i].action == ACTION_PROTECT && !(local && is_any(&s->local)))
            all[found++] = (struct claim){.range = local ? &s->local : &s->remote, .rule = i};
    }
    if (found > 0)
        qsort(all, found, sizeof *all, claim_compare);
    for (size_t i = 0; i < found; i++)
        if (kept == 0 || !range_equal(all[kept - 1].range, all[i].range))
            all[kept++] = all[i];
    *count = kept;
    return all;
}

/* Of the local sides that begin no later, does one reach as far? */
static bool is_inside_a_local_side(const struct claims *c, const struct address_range *remote)
{
    size_t from = 0, to = c->locals;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (address_compare(&c->local[middle].range->first, &remote->first) <= 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from > 0 && address_compare(&c->local[from - 1].reach, &remote->last) >= 0;
}

static bool claims_make(const struct spd *spd, struct claims *out)
{
    out->local = claims_sort(spd, true, &out->locals);
    out->remote = claims_sort(spd, false, &out->remotes);
    if (out->local == NULL || out->remote == NULL)
        return false;
    for (size_t i = 0; i < out->locals; i++) {
        const struct address *last = &out->local[i].range->last;
        bool further = i == 0 || address_compare(&out->local[i - 1].reach, last) < 0;
        out->local[i].reach = further ? *last : out->local[i - 1].reach;
    }
    size_t kept = 0;
    for (size_t i = 0; i < out->remotes; i++)
        if (is_inside_a_local_side(out, out->remote[i].range))
            out->remote[kept++] = out->remote[i];
    out->remotes = kept;
    qsort(out->local, out->locals, sizeof *out->local, claim_by_rule);
    qsort(out->remote, out->remotes, sizeof *out->remote, claim_by_rule);
    return true;
}

static void print_claims(FILE *out, const struct claim *claims, size_t count, enum sense sense, const char *verdict)
{
    for (size_t i = 0; i < count; i++) {
        print_family(out, claims[i].range);
        print_range(out, sense == SENSE_IN ? "saddr" : "daddr", claims[i].range);
        fprintf(out, " %s\n", verdict);
    }
}

/* --- the table --- */

static void print_chains(FILE *out, const struct spd *spd, const struct claims *claims, enum sense sense)
{
    char verdict[64];
    (void)snprintf(verdict, sizeof verdict, "goto %s_rules", chains[sense]);
    fprintf(out, "    chain %s_rules {\n", chains[sense]);
    for (size_t i = 0; i < spd->count; i++)
        if (spd->rules[i].action != ACTION_DISCARD)
            print_rule(out, &spd->rules[i], sense);
    fprintf(out, "    }\n    chain %s {\n", chains[sense]);
    print_claims(out, claims->remote, claims->remotes, sense, verdict);
    print_claims(out, claims->local, claims->locals, sense, "return");
    fprintf(out, "        %s\n    }\n", verdict);
}

/* IPv6 does not work without these, and they never leave their link. */
#define NEIGHBOUR_TALK "        icmpv6 type { 130-137, 143 } ip6 hoplimit { 1, 255 } return\n"

/* Errors that quote our IKE (UDP from port 500), our ESP in UDP (from 4500) or our raw ESP (50): the path MTU depends
 * on them. In IPv4 only where the quoted header has no options, as we send it. */
static const char outer_traffic[] =
    "        udp dport { 500, 4500 } return\n"
    "        meta l4proto 50 return\n"
    "        icmp type { 3, 11, 12 } @th,64,8 0x45 @th,136,8 50 return\n"
    "        icmp type { 3, 11, 12 } @th,64,8 0x45 @th,136,8 17 @th,224,16 { 500, 4500 } "
    "return\n"
    "        icmpv6 type { 1-4 } @th,112,8 50 return\n"
    "        icmpv6 type { 1-4 } @th,112,8 17 @th,384,16 { 500, 4500 } return\n";

static void print_hooks(FILE *out, const char *device, uint32_t mark)
{
    fprintf(out,
            "    chain input {\n        type filter hook input priority filter; policy accept;\n"
            "        iifname { \"%s\", \"lo\" } return\n%s" NEIGHBOUR_TALK "        jump inbound\n    }\n",
            device, outer_traffic);
    fprintf(out,
            "    chain forward {\n        type filter hook forward priority filter; policy accept;\n"
            "        oifname \"%s\" return\n        iifname != \"%s\" jump inbound\n        jump outbound\n    }\n",
            device, device);
    fprintf(out,
            "    chain output {\n        type filter hook output priority filter; policy accept;\n"
            "        oifname { \"%s\", \"lo\" } return\n        meta mark 0x%x return\n" NEIGHBOUR_TALK
            "        jump outbound\n    }\n",
            device, mark);
}

static void print_table(FILE *out, const struct spd *spd, const struct claims *claims, const char *device,
                        uint32_t mark)
{
    /* Adding what may be there makes the deletion valid in either case. */
    fprintf(out, "table inet " GUARD_TABLE "%s\ndelete table inet " GUARD_TABLE "%s\ntable inet " GUARD_TABLE "%s {\n",
            device, device, device);
    fprintf(out, "    counter " GUARD_IN_CLEAR " {\n    }\n    counter " GUARD_OUT_CLEAR " {\n    }\n");
    print_chains(out, spd, claims, SENSE_IN);
    print_chains(out, spd, claims, SENSE_OUT);
    print_hooks(out, device, mark);
    fprintf(out, "}\n");
}

char *guard_text(const struct spd *spd, const char *device, uint32_t mark)
{
    char *text = NULL;
    size_t len = 0;
    struct claims claims = {0};
    bool failed = !claims_make(spd, &claims);
    FILE *out = failed ? NULL : open_memstream(&text, &len);
    if (out != NULL) {
        print_table(out, spd, &claims, device, mark);
        failed = ferror(out) != 0;
        failed = fclose(out) != 0 || failed;
    }
    free(claims.local);
    free(claims.remote);
    if (out != NULL && !failed)
        return text;
    free(text);
    return NULL;
}
