/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/guard_rules.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/prefix.h"

/* How a rule is compared: inbound, what is remote to the SPD is the source. */
enum sense { SENSE_IN, SENSE_OUT, SENSES };

struct names {
    const char *chain, *rules, *hidden, *counter;
};

static const struct names names[SENSES] = {
    [SENSE_IN] = {"inbound", "inbound_rules", "inbound_hidden", GUARD_IN_CLEAR},
    [SENSE_OUT] = {"outbound", "outbound_rules", "outbound_hidden", GUARD_OUT_CLEAR},
};

enum side { SOURCE, DESTINATION };

static enum side local_of(enum sense sense)
{
    return sense == SENSE_OUT ? SOURCE : DESTINATION;
}

static enum side remote_of(enum sense sense)
{
    return sense == SENSE_OUT ? DESTINATION : SOURCE;
}

/* --- what is compared --- */

/* Where fields stand in their headers: RFC 791 3.1, RFC 8200 3 and 4.5, and the ports of RFC 768 and its kind. */
enum {
    IPV4_FRAGMENT = 6,
    IPV4_PROTOCOL = 9,
    IPV4_ADDRESS = 12,
    IPV4_HEADER = 20, /* its length, without options */
    IPV6_NEXT_HEADER = 6,
    IPV6_HOP_LIMIT = 7,
    IPV6_ADDRESS = 8,
    IPV6_HEADER = 40,
    FRAGMENT_NEXT_HEADER = 0,
    FRAGMENT_OFFSET = 2,
    ICMP_HEADER = 8, /* of an error, before what it quotes */
};

/* What was loaded is one of these; `first` and `last` are len bytes. */
static void when_between(struct nft_batch *b, const void *first, const void *last, size_t len)
{
    if (memcmp(first, last, len) == 0)
        nft_compare(b, NFT_CMP_EQ, first, len);
    else
        nft_between(b, first, last, len);
}

static void when_byte(struct nft_batch *b, uint8_t value)
{
    nft_compare(b, NFT_CMP_EQ, &value, sizeof value);
}

static void when_family(struct nft_batch *b, uint8_t family)
{
    nft_load_meta(b, NFT_META_NFPROTO);
    when_byte(b, family == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
}

static void when_protocol(struct nft_batch *b, uint8_t protocol)
{
    nft_load_meta(b, NFT_META_L4PROTO);
    when_byte(b, protocol);
}

/* An interface by its name, or by any other name. */
static void when_device(struct nft_batch *b, enum nft_meta_keys which, enum nft_cmp_ops operation, const char *name)
{
    char padded[IFNAMSIZ] = "";
    memcpy(padded, name, strnlen(name, sizeof padded - 1));
    nft_load_meta(b, which);
    nft_compare(b, operation, padded, sizeof padded);
}

static void when_port(struct nft_batch *b, enum side side, struct port_range ports)
{
    uint16_t first = htons(ports.first), last = htons(ports.last);
    nft_load_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, side == SOURCE ? 0 : sizeof first, sizeof first);
    when_between(b, &first, &last, sizeof first);
}

/* A prefix is said as nft itself would, so that `nft list` shows one. */
static void when_address(struct nft_batch *b, enum side side, const struct address_range *range)
{
    struct prefix split[PREFIX_SPLIT_MAX];
    uint32_t len = (uint32_t)address_len(&range->first), at = range->first.family == 4 ? IPV4_ADDRESS : IPV6_ADDRESS;
    if (range_is_any(range))
        return;
    nft_load_payload(b, NFT_PAYLOAD_NETWORK_HEADER, at + (side == SOURCE ? 0 : len), len);
    if (prefix_split(range, split) > 1) {
        nft_between(b, range->first.bytes, range->last.bytes, len);
        return;
    }
    if (split[0].len < 8 * len) {
        uint8_t mask[sizeof range->first.bytes];
        for (size_t i = 0; i < len; i++) /* all but the bits of the host */
            mask[i] = (uint8_t) ~(range->first.bytes[i] ^ range->last.bytes[i]);
        nft_mask(b, mask, len);
    }
    nft_compare(b, NFT_CMP_EQ, range->first.bytes, len);
}

/* Behind the first fragment of a packet: neither ports nor, in IPv6, what the headers before them lead to. */
static void when_later_fragment(struct nft_batch *b, uint8_t family)
{
    static const uint8_t nothing[2], ipv4[2] = {0x1f, 0xff}, ipv6[2] = {0xff, 0xf8};
    if (family == 4)
        nft_load_payload(b, NFT_PAYLOAD_NETWORK_HEADER, IPV4_FRAGMENT, sizeof nothing);
    else
        nft_load_exthdr(b, IPPROTO_FRAGMENT, FRAGMENT_OFFSET, sizeof nothing);
    nft_mask(b, family == 4 ? ipv4 : ipv6, sizeof nothing);
    nft_compare(b, NFT_CMP_NEQ, nothing, sizeof nothing);
}

/* --- one rule --- */

static void end_with(struct nft_batch *b, int code, const char *chain)
{
    nft_verdict(b, code, chain);
    nft_rule_end(b);
}

static void end_with_drop(struct nft_batch *b, enum sense sense)
{
    nft_count(b, names[sense].counter);
    end_with(b, NF_DROP, NULL);
}

static void begin_with_addresses(struct nft_batch *b, const struct rule *rule, enum sense sense)
{
    const struct selector *s = &rule->selector;
    char comment[32];
    (void)snprintf(comment, sizeof comment, "rule %u", rule->number);
    nft_rule_begin(b, names[sense].rules, comment);
    when_family(b, s->local.first.family);
    when_address(b, local_of(sense), &s->local);
    when_address(b, remote_of(sense), &s->remote);
}

/* Of a protect rule. RFC 4301 7: a fragment of what may be protected does not leave, nor come in, in clear. */
static void add_fragments(struct nft_batch *b, const struct rule *rule, enum sense sense)
{
    const struct selector *s = &rule->selector;
    uint8_t family = s->local.first.family;
    if (!port_is_any(s->local_port) || !port_is_any(s->remote_port)) {
        begin_with_addresses(b, rule, sense);
        when_protocol(b, s->protocol);
        when_later_fragment(b, family);
        end_with_drop(b, sense);
    }
    if (family == 6 && s->protocol != 0) { /* it begins inside extension headers: the protocol is not to be seen */
        begin_with_addresses(b, rule, sense);
        when_later_fragment(b, family);
        end_with(b, NFT_JUMP, names[sense].hidden);
    }
}

static void add_rule(struct nft_batch *b, const struct rule *rule, enum sense sense)
{
    const struct selector *s = &rule->selector;
    begin_with_addresses(b, rule, sense);
    if (s->protocol != 0)
        when_protocol(b, s->protocol);
    if (!port_is_any(s->local_port))
        when_port(b, local_of(sense), s->local_port);
    if (!port_is_any(s->remote_port))
        when_port(b, remote_of(sense), s->remote_port);
    if (rule->action != ACTION_PROTECT) {
        end_with(b, NFT_RETURN, NULL);
        return;
    }
    end_with_drop(b, sense);
    add_fragments(b, rule, sense);
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
        if (spd->rules[i].action == ACTION_PROTECT && !(local && range_is_any(&s->local)))
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

static void add_claims(struct nft_batch *b, const struct claim *claims, size_t count, enum sense sense, int code,
                       const char *chain)
{
    for (size_t i = 0; i < count; i++) {
        nft_rule_begin(b, names[sense].chain, NULL);
        when_family(b, claims[i].range->first.family);
        when_address(b, remote_of(sense), claims[i].range);
        end_with(b, code, chain);
    }
}

/* --- the table --- */

/* A rule that consists of its verdict alone. */
static void always(struct nft_batch *b, const char *chain, int code, const char *to)
{
    nft_rule_begin(b, chain, NULL);
    end_with(b, code, to);
}

/* Extension headers that may stand between a fragment and its protocol: hop by hop, routing and fragment, AH,
 * destination options. */
static void make_hidden_chain(struct nft_batch *b, enum sense sense)
{
    static const uint8_t headers[][2] = {{0, 0}, {43, 44}, {51, 51}, {60, 60}};
    nft_chain_make(b, names[sense].hidden, NFT_BATCH_NO_HOOK);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        nft_rule_begin(b, names[sense].hidden, NULL);
        nft_load_exthdr(b, IPPROTO_FRAGMENT, FRAGMENT_NEXT_HEADER, 1);
        when_between(b, &headers[i][0], &headers[i][1], 1);
        end_with_drop(b, sense);
    }
}

static void make_chains(struct nft_batch *b, const struct spd *spd, const struct claims *claims, enum sense sense)
{
    make_hidden_chain(b, sense);
    nft_chain_make(b, names[sense].rules, NFT_BATCH_NO_HOOK);
    for (size_t i = 0; i < spd->count; i++)
        if (spd->rules[i].action != ACTION_DISCARD)
            add_rule(b, &spd->rules[i], sense);
    nft_chain_make(b, names[sense].chain, NFT_BATCH_NO_HOOK);
    add_claims(b, claims->remote, claims->remotes, sense, NFT_GOTO, names[sense].rules);
    add_claims(b, claims->local, claims->locals, sense, NFT_RETURN, NULL);
    always(b, names[sense].chain, NFT_GOTO, names[sense].rules);
}

/* IPv6 does not work without these (multicast listeners, neighbours), and they never leave their link. */
#define CHAIN_NEIGHBOURS "neighbours"

static void make_neighbours(struct nft_batch *b)
{
    enum { TYPES = 2, HOP_LIMITS = 2 };
    static const uint8_t types[TYPES][2] = {{130, 137}, {143, 143}}, hop_limits[HOP_LIMITS] = {1, 255};
    nft_chain_make(b, CHAIN_NEIGHBOURS, NFT_BATCH_NO_HOOK);
    for (size_t i = 0; i < TYPES * HOP_LIMITS; i++) {
        nft_rule_begin(b, CHAIN_NEIGHBOURS, NULL);
        when_family(b, 6);
        when_protocol(b, IPPROTO_ICMPV6);
        nft_load_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1);
        when_between(b, &types[i / HOP_LIMITS][0], &types[i / HOP_LIMITS][1], 1);
        nft_load_payload(b, NFT_PAYLOAD_NETWORK_HEADER, IPV6_HOP_LIMIT, 1);
        when_byte(b, hop_limits[i % HOP_LIMITS]);
        end_with(b, NF_ACCEPT, NULL);
    }
}

/* Our IKE and ESP, and errors that quote them: the path MTU depends on these. */
#define CHAIN_OUTER "outer"

enum { OUTER_PORTS = 2 };
static const uint16_t outer_ports[OUTER_PORTS] = {500, 4500}; /* of IKE, and of ESP in UDP */

/* Of IPv4 only where the quoted header has no options, as we send it. port 0: ESP by itself; else UDP from there. */
static void quote_is_ours(struct nft_batch *b, uint8_t family, uint16_t port)
{
    static const uint8_t without_options = 0x45;
    bool v4 = family == 4;
    if (v4) {
        nft_load_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, ICMP_HEADER, 1);
        when_byte(b, without_options);
    }
    nft_load_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, ICMP_HEADER + (v4 ? IPV4_PROTOCOL : IPV6_NEXT_HEADER), 1);
    when_byte(b, port == 0 ? IPPROTO_ESP : IPPROTO_UDP);
    if (port == 0)
        return;
    uint16_t wanted = htons(port);
    nft_load_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, ICMP_HEADER + (v4 ? IPV4_HEADER : IPV6_HEADER), sizeof wanted);
    nft_compare(b, NFT_CMP_EQ, &wanted, sizeof wanted);
}

static void pass_errors(struct nft_batch *b, uint16_t port)
{
    static const struct {
        uint8_t family, protocol, first, last; /* types: unreachable (and too big), time exceeded, parameter problem */
    } errors[] = {{4, IPPROTO_ICMP, 3, 3}, {4, IPPROTO_ICMP, 11, 12}, {6, IPPROTO_ICMPV6, 1, 4}};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        nft_rule_begin(b, CHAIN_OUTER, NULL);
        when_family(b, errors[i].family);
        when_protocol(b, errors[i].protocol);
        nft_load_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1);
        when_between(b, &errors[i].first, &errors[i].last, 1);
        quote_is_ours(b, errors[i].family, port);
        end_with(b, NF_ACCEPT, NULL);
    }
}

static void make_outer(struct nft_batch *b)
{
    nft_chain_make(b, CHAIN_OUTER, NFT_BATCH_NO_HOOK);
    for (size_t i = 0; i < OUTER_PORTS; i++) {
        nft_rule_begin(b, CHAIN_OUTER, NULL);
        when_protocol(b, IPPROTO_UDP);
        when_port(b, DESTINATION, (struct port_range){outer_ports[i], outer_ports[i]});
        end_with(b, NF_ACCEPT, NULL);
    }
    nft_rule_begin(b, CHAIN_OUTER, NULL);
    when_protocol(b, IPPROTO_ESP);
    end_with(b, NF_ACCEPT, NULL);
    pass_errors(b, 0);
    for (size_t i = 0; i < OUTER_PORTS; i++)
        pass_errors(b, outer_ports[i]);
}

static void pass_device(struct nft_batch *b, const char *chain, enum nft_meta_keys which, const char *name)
{
    nft_rule_begin(b, chain, NULL);
    when_device(b, which, NFT_CMP_EQ, name);
    end_with(b, NF_ACCEPT, NULL);
}

static void make_hooks(struct nft_batch *b, const char *device, uint32_t mark)
{
    nft_chain_make(b, "input", NF_INET_LOCAL_IN);
    pass_device(b, "input", NFT_META_IIFNAME, device);
    pass_device(b, "input", NFT_META_IIFNAME, "lo");
    always(b, "input", NFT_JUMP, CHAIN_OUTER);
    always(b, "input", NFT_JUMP, CHAIN_NEIGHBOURS);
    always(b, "input", NFT_JUMP, names[SENSE_IN].chain);

    nft_chain_make(b, "forward", NF_INET_FORWARD);
    pass_device(b, "forward", NFT_META_OIFNAME, device);
    nft_rule_begin(b, "forward", NULL);
    when_device(b, NFT_META_IIFNAME, NFT_CMP_NEQ, device);
    end_with(b, NFT_JUMP, names[SENSE_IN].chain);
    always(b, "forward", NFT_JUMP, names[SENSE_OUT].chain);

    nft_chain_make(b, "output", NF_INET_LOCAL_OUT);
    pass_device(b, "output", NFT_META_OIFNAME, device);
    pass_device(b, "output", NFT_META_OIFNAME, "lo");
    nft_rule_begin(b, "output", NULL);
    nft_load_meta(b, NFT_META_MARK);
    nft_compare(b, NFT_CMP_EQ, &mark, sizeof mark);
    end_with(b, NF_ACCEPT, NULL);
    always(b, "output", NFT_JUMP, CHAIN_NEIGHBOURS);
    always(b, "output", NFT_JUMP, names[SENSE_OUT].chain);
}

void guard_rules(struct nft_batch *b, const struct spd *spd, const char *device, uint32_t mark)
{
    struct claims claims = {0};
    if (!claims_make(spd, &claims))
        b->failed = true;
    nft_table_make(b); /* what may be there: so the deletion is valid in either case */
    nft_table_delete(b);
    nft_table_make(b);
    for (enum sense sense = SENSE_IN; sense < SENSES; sense++)
        nft_counter_make(b, names[sense].counter);
    for (enum sense sense = SENSE_IN; sense < SENSES; sense++)
        make_chains(b, spd, &claims, sense);
    make_outer(b);
    make_neighbours(b);
    make_hooks(b, device, mark);
    free(claims.local);
    free(claims.remote);
}
