/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/spd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/why.h"
#include "policy/protocol.h"
#include "policy/spd_index.h"

enum { TOKENS_MAX = 8, RULE_INPUT_MAX = 512, SPD_RULES_MAX = 10 * 1000 * 1000 };

/* The words of one half of a rule, cut in place. */
struct tokens {
    char *items[TOKENS_MAX];
    size_t count;
};

struct side {
    bool any; /* of both families, until the other side decides */
    struct address_range range;
    struct port_range port;
    const char *text;
};

struct draft {
    unsigned protocol;
    struct side local, remote;
    const char *via;
};

struct lookup {
    int (*connection_index)(void *arg, const char *name);
    void *arg;
};

/* --- words --- */

static enum status split(char *text, struct tokens *out, const struct why *why)
{
    out->count = 0;
    for (char *rest = text, *word; (word = strtok_r(rest, " \t\r\n", &rest)) != NULL;) {
        if (out->count == TOKENS_MAX)
            return why_refuse(why, ERR_MALFORMED,
                              "too many words: a rule is [PROTOCOL] LOCAL -> REMOTE [port N] via CONNECTION");
        out->items[out->count++] = word;
    }
    return OK;
}

static void drop_first(struct tokens *t, size_t n)
{
    t->count -= n;
    memmove(t->items, t->items + n, t->count * sizeof *t->items);
}

/* --- ports --- */

static bool parse_port_number(const char *text, size_t len, uint16_t *out)
{
    unsigned value = 0;
    if (len == 0 || len > 5)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    *out = (uint16_t)value;
    return value <= 65535;
}

static bool parse_port(const char *text, struct port_range *out)
{
    const char *dash = strchr(text, '-');
    size_t len = dash != NULL ? (size_t)(dash - text) : strlen(text);
    if (strcmp(text, "any") == 0) {
        *out = port_any();
        return true;
    }
    if (!parse_port_number(text, len, &out->first))
        return false;
    out->last = out->first;
    if (dash != NULL && !parse_port_number(dash + 1, strlen(dash + 1), &out->last))
        return false;
    /* Port 0 is none (and stands for "any" on the wire, RFC 2407 4.6.2); 0-65535 is how some write "all". */
    bool all = out->first == 0 && out->last == 65535;
    return out->first <= out->last && (out->first > 0 || all);
}

/* "port P[-Q]" at the front of t, or nothing. */
static enum status take_port(struct tokens *t, struct side *side, const struct why *why)
{
    char shown[QUOTED_TEXT];
    side->port = port_any();
    if (t->count == 0 || strcmp(t->items[0], "port") != 0)
        return OK;
    if (t->count < 2)
        return why_refuse(why, ERR_MALFORMED,
                          "a number is missing behind 'port': write e.g. port 443 or port 8000-8080");
    if (!parse_port(t->items[1], &side->port))
        return why_refuse(why, ERR_MALFORMED,
                          "'%s' is no port: write a number from 1 to 65535, or a range like 8000-8080 (low end first)",
                          why_quoted(t->items[1], shown));
    drop_first(t, 2);
    return OK;
}

/* --- sides --- */

/* 10.1.0.5/24: *network gets 10.1.0.0, *host 10.1.0.5. False when text is no prefix with host bits. */
static bool find_host_bits(const char *text, struct address *host, struct address *network, unsigned *len)
{
    char address[ADDRESS_TEXT];
    uint16_t number;
    size_t at = strcspn(text, "/");
    if (text[at] != '/' || at >= sizeof address || !parse_port_number(text + at + 1, strlen(text + at + 1), &number))
        return false;
    memcpy(address, text, at);
    address[at] = '\0';
    if (address_parse(address, host) != OK || number > address_len(host) * 8)
        return false;
    *network = *host;
    *len = number;
    for (unsigned bit = number; bit < address_len(host) * 8; bit++)
        network->bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
    return !address_equal(host, network);
}

/* A prefix with host bits is the most usual slip: tell both things that may have been meant. */
static enum status refuse_side(const char *text, const struct why *why)
{
    char shown[QUOTED_TEXT], right[ADDRESS_TEXT], alone[ADDRESS_TEXT];
    struct address host, network;
    unsigned len, protocol;
    why_quoted(text, shown);
    if (find_host_bits(text, &host, &network, &len))
        return why_refuse(why, ERR_MALFORMED,
                          "'%s' has host bits behind its prefix: write %s/%u for the network, or %s for the host",
                          shown, address_print(&network, right), len, address_print(&host, alone));
    if (protocol_parse(text, &protocol))
        return why_refuse(why, ERR_MALFORMED, "an address is missing behind '%s': write e.g. '%s any -> 10.2.0.0/24'",
                          shown, shown);
    return why_refuse(
        why, ERR_MALFORMED,
        "'%s' is no address: write any, an address (10.1.0.1), a prefix (10.1.0.0/24, 2001:db8::/32) or a "
        "range (10.1.0.1-10.1.0.9)",
        shown);
}

static enum status take_side(struct tokens *t, const char *name, struct side *side, const struct why *why)
{
    if (t->count == 0 || strcmp(t->items[0], "port") == 0 || strcmp(t->items[0], "via") == 0)
        return why_refuse(why, ERR_MALFORMED, "the %s side is missing: a rule is [PROTOCOL] LOCAL -> REMOTE", name);
    side->text = t->items[0];
    side->any = strcmp(side->text, "any") == 0;
    if (!side->any && range_parse(side->text, &side->range) != OK)
        return refuse_side(side->text, why);
    drop_first(t, 1);
    return take_port(t, side, why);
}

static enum status take_local(struct tokens *t, struct draft *d, const struct why *why)
{
    char shown[QUOTED_TEXT];
    d->protocol = PROTOCOL_ANY;
    /* A first word is a protocol when an address follows: "any any -> any" and "any -> any" are both right. */
    if (t->count >= 2 && strcmp(t->items[1], "port") != 0) {
        if (!protocol_parse(t->items[0], &d->protocol))
            return why_refuse(
                why, ERR_MALFORMED,
                "unknown protocol '%s': write a number from 0 to 255 or one of any, tcp, udp, icmp, icmpv6, "
                "sctp, gre, esp, ah",
                why_quoted(t->items[0], shown));
        drop_first(t, 1);
    }
    enum status status = take_side(t, "local", &d->local, why);
    if (status == OK && t->count > 0)
        return why_refuse(why, ERR_MALFORMED,
                          "'%s' is one word too many before '->': a side is an address, then [port N]",
                          why_quoted(t->items[0], shown));
    return status;
}

static enum status take_via(struct tokens *t, struct draft *d, const struct why *why)
{
    char shown[QUOTED_TEXT];
    if (t->count > 0 && strcmp(t->items[0], "via") == 0) {
        if (t->count < 2)
            return why_refuse(why, ERR_MALFORMED,
                              "a name is missing behind 'via': write via and the name of a connection");
        d->via = t->items[1];
        drop_first(t, 2);
    }
    if (t->count > 0)
        return why_refuse(
            why, ERR_MALFORMED,
            "'%s' is one word too many: behind the remote side only [port N] and via CONNECTION may follow",
            why_quoted(t->items[0], shown));
    return OK;
}

/* --- the rule as a whole --- */

static enum status parse(char *text, struct draft *d, const struct why *why)
{
    char *arrow = strstr(text, "->");
    if (arrow == NULL)
        return why_refuse(why, ERR_MALFORMED, "there is no '->': a rule is [PROTOCOL] LOCAL -> REMOTE [port N]");
    if (strstr(arrow + 2, "->") != NULL)
        return why_refuse(why, ERR_MALFORMED, "there are two '->': write one rule a line");
    *arrow = '\0';
    struct tokens words;
    enum status status = split(text, &words, why);
    if (status == OK)
        status = take_local(&words, d, why);
    if (status == OK)
        status = split(arrow + 2, &words, why);
    if (status == OK)
        status = take_side(&words, "remote", &d->remote, why);
    return status == OK ? take_via(&words, d, why) : status;
}

static bool ports_are_any(const struct draft *d)
{
    return d->local.port.first == 0 && d->local.port.last == 65535 && d->remote.port.first == 0 &&
           d->remote.port.last == 65535;
}

/* 4 or 6 when the rule is of one family, 0 when it stands for both. */
static uint8_t family_of(const struct draft *d)
{
    return !d->local.any                    ? d->local.range.first.family
           : !d->remote.any                 ? d->remote.range.first.family
           : d->protocol == PROTOCOL_ICMP   ? 4
           : d->protocol == PROTOCOL_ICMPV6 ? 6
                                            : 0;
}

static enum status check_families(const struct draft *d, const struct why *why)
{
    char shown[QUOTED_TEXT], also[QUOTED_TEXT];
    uint8_t local = d->local.range.first.family, remote = d->remote.range.first.family, family = family_of(d);
    if (!d->local.any && !d->remote.any && local != remote)
        return why_refuse(why, ERR_MALFORMED, "'%s' is IPv%u and '%s' is IPv%u: write a rule for each family",
                          why_quoted(d->local.text, shown), local, why_quoted(d->remote.text, also), remote);
    if (d->protocol == PROTOCOL_ICMP && family == 6)
        return why_refuse(why, ERR_MALFORMED, "icmp is a protocol of IPv4: for IPv6 write icmpv6");
    if (d->protocol == PROTOCOL_ICMPV6 && family == 4)
        return why_refuse(why, ERR_MALFORMED, "icmpv6 is a protocol of IPv6: for IPv4 write icmp");
    return OK;
}

static enum status check(enum action action, const struct draft *d, const struct why *why)
{
    if (!protocol_has_ports(d->protocol) && !ports_are_any(d))
        return why_refuse(
            why, ERR_MALFORMED,
            "a port needs a protocol that has ports: write tcp, udp, sctp, dccp or udplite before the local "
            "side, e.g. 'tcp any -> 10.2.0.9 port 443'");
    if (action == ACTION_PROTECT && d->via == NULL)
        return why_refuse(why, ERR_MALFORMED, "protect needs a connection: write via and its name at the end");
    if (action != ACTION_PROTECT && d->via != NULL)
        return why_refuse(why, ERR_MALFORMED, "%s goes through no connection: leave out 'via', or write protect",
                          action_name(action));
    return check_families(d, why);
}

static enum status find_connection(const struct draft *d, const struct lookup *lookup, uint32_t *index,
                                   const struct why *why)
{
    char shown[QUOTED_TEXT];
    *index = 0;
    if (d->via == NULL)
        return OK;
    int found = lookup->connection_index != NULL ? lookup->connection_index(lookup->arg, d->via) : -1;
    if (found < 0)
        return why_refuse(why, ERR_NOT_FOUND,
                          "there is no connection '%s': write the name of a [connection NAME] section",
                          why_quoted(d->via, shown));
    *index = (uint32_t)found;
    return OK;
}

/* --- the list --- */

static enum status reserve(struct spd *spd, size_t more)
{
    if (spd->count > SPD_RULES_MAX - more)
        return ERR_LIMIT;
    if (spd->capacity - spd->count >= more)
        return OK;
    size_t capacity = spd->capacity > 0 ? spd->capacity * 2 : 16;
    struct rule *rules = realloc(spd->rules, capacity * sizeof *rules);
    if (rules == NULL)
        return ERR_MEMORY;
    spd->rules = rules;
    spd->capacity = capacity;
    return OK;
}

/* "protect 10.1.0.0/24 -> 10.2.0.0/24 via branch": the words as written, with one blank between them. */
static char *rule_text(enum action action, const char *written)
{
    const char *name = action_name(action);
    size_t used = strlen(name);
    char *text = malloc(used + strlen(written) + 2);
    if (text == NULL)
        return NULL;
    memcpy(text, name, used);
    for (const char *at = written; *at != '\0'; at++) {
        bool blank = strchr(" \t\r\n", *at) != NULL;
        bool starts = !blank && (at == written || strchr(" \t\r\n", at[-1]) != NULL);
        if (starts)
            text[used++] = ' ';
        if (!blank)
            text[used++] = *at;
    }
    text[used] = '\0';
    return text;
}

static struct selector selector_of(const struct draft *d, uint8_t family)
{
    return (struct selector){
        .local = d->local.any ? range_any(family) : d->local.range,
        .remote = d->remote.any ? range_any(family) : d->remote.range,
        .protocol = (uint8_t)d->protocol,
        .local_port = d->local.port,
        .remote_port = d->remote.port,
    };
}

/* It tells nothing of rules that come later. */
static void drop_index(struct spd *spd)
{
    spd_index_free(spd->index);
    spd->index = NULL;
}

static enum status append(struct spd *spd, const struct rule *like, const struct draft *d, const char *written)
{
    uint8_t family = family_of(d);
    size_t entries = family == 0 ? 2 : 1;
    enum status status = reserve(spd, entries);
    if (status != OK)
        return status;
    uint32_t number = spd->count > 0 ? spd->rules[spd->count - 1].number + 1 : 1;
    for (size_t i = 0; i < entries; i++) {
        struct rule *rule = &spd->rules[spd->count + i];
        *rule = *like;
        rule->number = number;
        rule->selector = selector_of(d, family != 0 ? family : i == 0 ? 4 : 6);
        rule->text = rule_text(like->action, written);
        if (rule->text == NULL) {
            if (i > 0)
                free(rule[-1].text);
            return ERR_MEMORY;
        }
    }
    spd->count += entries;
    drop_index(spd);
    return OK;
}

enum status spd_add(struct spd *spd, enum action action, const char *text, uint32_t line,
                    int (*connection_index)(void *arg, const char *name), void *arg, char *why_text, size_t why_len)
{
    struct why why = {why_text, why_len};
    struct draft draft = {0};
    struct rule rule = {.action = action, .line = line};
    char words[RULE_INPUT_MAX];
    if (why_len > 0)
        why_text[0] = '\0';
    if (strlen(text) >= sizeof words)
        return why_refuse(&why, ERR_LIMIT, "a rule of over %zu characters: write several rules", sizeof words - 1);
    memcpy(words, text, strlen(text) + 1);
    enum status status = parse(words, &draft, &why);
    if (status == OK)
        status = check(action, &draft, &why);
    if (status == OK)
        status = find_connection(&draft, &(struct lookup){connection_index, arg}, &rule.connection, &why);
    if (status != OK)
        return status;
    status = append(spd, &rule, &draft, text);
    return status == OK ? OK : why_refuse(&why, status, "this rule cannot be stored: %s", status_text(status));
}

void spd_free(struct spd *spd)
{
    for (size_t i = 0; i < spd->count; i++)
        free(spd->rules[i].text);
    free(spd->rules);
    drop_index(spd);
    *spd = (struct spd){0};
}

enum status spd_compile(struct spd *spd, const struct random *random)
{
    drop_index(spd);
    return spd_index_new(spd, random, &spd->index);
}

/* --- questions --- */

/* The rules above the match that the whole packet of a fragment may meet: what it shows cannot tell. */
struct hidden {
    bool discards, protects;
    bool peers; /* protect rules of several connections */
    uint32_t connection;
};

static void hide(struct hidden *h, const struct rule *rule)
{
    if (rule->action == ACTION_DISCARD) {
        h->discards = true;
        return;
    }
    h->peers = h->peers || (h->protects && h->connection != rule->connection);
    h->protects = true;
    h->connection = rule->connection;
}

/* Would the whole packet meet no worse than this, whichever rule it belongs to? */
static bool agrees(const struct hidden *h, const struct rule *match)
{
    if (match->action == ACTION_DISCARD)
        return true;
    if (h->discards || h->peers)
        return false;
    return !h->protects || (match->action == ACTION_PROTECT && match->connection == h->connection);
}

int spd_walk(const struct spd *spd, const struct flow *flow)
{
    struct hidden hidden = {0};
    for (size_t i = 0; i < spd->count; i++) {
        const struct rule *rule = &spd->rules[i];
        if (selector_matches(&rule->selector, flow))
            return agrees(&hidden, rule) ? (int)i : SPD_RULE_NONE;
        if (rule->action != ACTION_BYPASS && selector_may_match(&rule->selector, flow))
            hide(&hidden, rule);
    }
    return SPD_RULE_NONE;
}

int spd_lookup(const struct spd *spd, const struct flow *flow)
{
    return spd->index != NULL ? spd_index_lookup(spd->index, spd, flow) : spd_walk(spd, flow);
}

int spd_lookup_error(const struct spd *spd, const struct flow *quoted)
{
    struct flow back = flow_reversed(quoted);
    int index = spd_lookup(spd, &back);
    return index != SPD_RULE_NONE && spd->rules[index].action == ACTION_PROTECT ? index : SPD_RULE_NONE;
}

int spd_find_protect(const struct spd *spd, uint32_t connection, const struct selector *proposed)
{
    if (spd->index != NULL)
        return spd_index_find_protect(spd->index, spd, connection, proposed);
    int containing = SPD_RULE_NONE;
    for (size_t i = 0; i < spd->count; i++) {
        const struct rule *rule = &spd->rules[i];
        if (rule->action != ACTION_PROTECT || rule->connection != connection)
            continue;
        if (selector_equal(&rule->selector, proposed))
            return (int)i;
        if (containing == SPD_RULE_NONE && selector_contains(&rule->selector, proposed))
            containing = (int)i;
    }
    return containing;
}

int spd_first_protect(const struct spd *spd, uint8_t family)
{
    if (spd->index != NULL)
        return spd_index_first_protect(spd->index, family);
    for (size_t i = 0; i < spd->count; i++)
        if (spd->rules[i].action == ACTION_PROTECT && spd->rules[i].selector.local.first.family == family)
            return (int)i;
    return SPD_RULE_NONE;
}

const char *action_name(enum action action)
{
    switch (action) {
    case ACTION_PROTECT: return "protect";
    case ACTION_BYPASS: return "bypass";
    case ACTION_DISCARD: return "discard";
    }
    return "unknown";
}

const char *rule_print(const struct rule *rule, char out[RULE_TEXT])
{
    char selector[SELECTOR_TEXT];
    /* The name of the connection is kept in the text alone: the rule itself has an index. */
    const char *via = rule->text != NULL ? strstr(rule->text, " via ") : NULL;
    snprintf(out, RULE_TEXT, "%s %s%s", action_name(rule->action), selector_print(&rule->selector, selector),
             via != NULL ? via : "");
    return out;
}
