/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config_explain.h"

#include <stdarg.h>
#include <string.h>

#include "base/log.h"
#include "daemon/config_partner.h"
#include "daemon/config_values.h"
#include "policy/protocol.h"

/* --- paragraphs --- */

enum { SENTENCE = 1024, INDENT = 2 };

/* Words that flow into lines. */
struct paragraph {
    FILE *out;
    size_t column; /* 0: nothing written yet */
};

static void put_word(struct paragraph *p, const char *word, size_t len)
{
    if (p->column != 0 && p->column + 1 + len > EXPLAIN_WIDTH) {
        fputc('\n', p->out);
        p->column = 0;
    }
    fprintf(p->out, "%*s%.*s", p->column == 0 ? INDENT : 1, "", (int)len, word);
    p->column += (p->column == 0 ? INDENT : 1) + len;
}

/* One sentence, or a part of one: what comes next is a blank away. */
static PRINTF_LIKE(2, 3) void say(struct paragraph *p, const char *format, ...)
{
    char text[SENTENCE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (const char *at = text + strspn(text, " "); *at != '\0';) {
        size_t len = strcspn(at, " ");
        put_word(p, at, len);
        at += len;
        at += strspn(at, " ");
    }
}

static void end(struct paragraph *p)
{
    fputc('\n', p->out);
    p->column = 0;
}

static const char *plural(unsigned long long n)
{
    return n == 1 ? "" : "s";
}

/* A time as a person says it: "8 hours". */
static const char *time_words(uint64_t seconds, char out[VALUE_TEXT])
{
    static const struct {
        uint64_t of;
        const char *name;
    } units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
    size_t i = 0;
    while (units[i].of > 1 && seconds % units[i].of != 0)
        i++;
    unsigned long long n = seconds / units[i].of;
    snprintf(out, VALUE_TEXT, "%llu %s%s", n, units[i].name, plural(n));
    return out;
}

/* --- a connection --- */

static void say_who_calls(struct paragraph *p, const struct connection *c)
{
    char local[ADDRESS_TEXT], remote[ADDRESS_TEXT], from[ADDRESS_TEXT + 48];
    const char *peer = connection_print_remote(c, remote);
    bool any = c->local.family == 0;
    snprintf(from, sizeof from, "%s", any ? "the address that the route uses" : address_print(&c->local, local));
    if (connection_is_any(c)) {
        say(p, "We wait at %s for peers that call from any address; we never call.",
            any ? "every address of this host" : from);
        return;
    }
    switch (c->start) {
    case START_START:
        say(p, "We call the peer %s from %s as soon as esptun runs; it may call us too.", peer, from);
        break;
    case START_TRAP:
        say(p, "We call the peer %s from %s when the first packet for this tunnel comes; it may call us too.", peer,
            from);
        break;
    case START_NONE:
        say(p, "The peer %s calls us at %s; we call only by `esptun up %s`.", peer,
            any ? "any address of this host" : from, c->name);
        break;
    }
    if (c->remote_name != NULL)
        say(p, "That name is looked up each time that we start to call; its addresses are tried in turn.");
}

static void say_login(struct paragraph *p, const struct connection *c)
{
    char user[4 * USER_NAME_MAX + 1], range[RANGE_TEXT];
    const struct access *a = c->access;
    if (a == NULL)
        return;
    if (!a->server) {
        say(p, "Then we log in as %s with a password (XAUTH), and are given an address%s (mode-config).",
            log_escape(user, sizeof user, a->user, strlen(a->user)), a->push ? " unasked" : "");
        return;
    }
    size_t users = users_count(a->users);
    say(p, "Then the caller logs in with user and password (XAUTH); %zu user%s may.", users, plural(users));
    for (size_t i = 0; i < FAMILIES; i++)
        if (a->pool[i].first.family != 0)
            say(p, "It is given an address of %s.", range_print(&a->pool[i], range));
    if (a->split_count > 0)
        say(p, "It is told to send %zu network%s this way, and else nothing.", a->split_count, plural(a->split_count));
}

static void say_names(struct paragraph *p, const struct connection *c)
{
    char name[IDENTITY_TEXT];
    if (c->local_id.type != ID_NONE)
        say(p, "We call ourselves %s;", identity_print(&c->local_id, name));
    else
        say(p, "We call ourselves by our address;");
    if (c->remote_id.type != ID_NONE)
        say(p, "the peer must call itself %s.", identity_print(&c->remote_id, name));
    else if (!connection_is_any(c))
        say(p, "the peer must call itself by its address.");
    else
        say(p, "the peer may call itself what it likes%s.",
            c->auth == AUTH_PSK ? "" : ", if its certificate has that name");
}

static void say_proof(struct paragraph *p, const struct connection *c)
{
    char issuer[DN_TEXT], date[CERT_DATE_TEXT];
    say(p, "Phase 1 is IKE version 1 in %s mode%s.", c->mode == MODE_MAIN ? "main" : "aggressive",
        c->mode == MODE_MAIN ? "" : ", which shows both names to everybody on the way");
    if (c->auth == AUTH_PSK) {
        say(p, "Both ends prove themselves by one pre-shared key, which is not shown.");
    } else {
        say(p, "Both ends prove themselves by certificates, with %s keys; ours ends on %s.",
            sign_method_name(sign_key_method(c->credentials->key)),
            cert_date_print(cert_not_after(c->credentials->chain.items[0]), date));
        const struct cert_list *cas = trust_cas(c->credentials->trust);
        for (size_t i = 0; i < cas->count; i++)
            say(p, "%s %s.", i == 0 ? "That of the peer must come from" : "Or from",
                dn_print(cert_subject(cas->items[i]), issuer, sizeof issuer));
    }
    say_names(p, c);
    say_login(p, c);
}

static void say_lives(struct paragraph *p, const struct connection *c)
{
    char one[VALUE_TEXT], two[VALUE_TEXT], messages[VALUE_TEXT + 32] = "";
    if (c->ike_lifetime_bytes != 0)
        snprintf(messages, sizeof messages, " or %s of messages", value_bytes_print(c->ike_lifetime_bytes, one));
    say(p, "Phase 1 lives for %s%s, a pair of SAs of phase 2 for %s", time_words(c->ike_lifetime_s, one), messages,
        time_words(c->lifetime_s, two));
    if (c->lifetime_bytes != 0)
        say(p, "or %s of data", value_bytes_print(c->lifetime_bytes, one));
    if (c->lifetime_packets != 0)
        say(p, "or %llu packets", (unsigned long long)c->lifetime_packets);
    say(p, "at most; both are renewed before.");
}

static void say_death(struct paragraph *p, const struct connection *c)
{
    char delay[VALUE_TEXT];
    static const char *const then[] = {
        [DPD_RESTART] = "we call it again at once",
        [DPD_TRAP] = "the next packet for this tunnel makes us call it again",
        [DPD_CLEAR] = "nothing happens until it calls, or somebody says `esptun up`",
    };
    if (c->dpd_delay_s == 0)
        say(p, "A silent peer is never asked for a sign of life: that it is gone shows when phase 1 or 2 is renewed.");
    else
        say(p, "A peer that is silent for %s is asked for a sign of life.", time_words(c->dpd_delay_s, delay));
    say(p, "When it is gone, %s; while it is away, packets for it are dropped, none leaves in clear.",
        connection_is_any(c) ? "its tunnel ends, and it has to call again" : then[c->dpd_action]);
}

static void say_probe(struct paragraph *p, const struct connection *c)
{
    char to[ADDRESS_TEXT], from[ADDRESS_TEXT], every[VALUE_TEXT];
    if (c->probe.family == 0)
        return;
    say(p, "While it is up, %s is pinged through it every %s, from %s.", address_print(&c->probe, to),
        time_words(c->probe_interval_s, every),
        c->probe_source.family != 0 ? address_print(&c->probe_source, from) : "an address of this host");
    say(p, "After %u pings in a row without an answer it counts as down, and %s.", c->probe_failures,
        c->probe_action == PROBE_ACTION_RESTART ? "the tunnel is ended and made anew" : "nothing else happens");
    if (c->start == START_TRAP)
        say(p, "These pings count as interesting traffic: they bring the tunnel up, and keep it up.");
}

static void say_path(struct paragraph *p, const struct connection *c)
{
    switch (c->encap) {
    case ENCAP_YES:
        say(p, "ESP travels in UDP 4500 always, so that a NAT on the way does no harm; firewalls let UDP 500 and 4500 "
               "pass.");
        break;
    case ENCAP_AUTO:
        say(p,
            "ESP travels as IP protocol 50, and in UDP 4500 behind a NAT; firewalls let UDP 500, UDP 4500 and protocol "
            "50 pass.");
        break;
    case ENCAP_NO:
        say(p,
            "ESP travels as IP protocol 50 alone, which most NATs break; firewalls let UDP 500 and protocol 50 pass.");
        break;
    }
    say(p, "%s",
        c->required ? "This gateway is ready only while this connection is up."
                    : "Whether this gateway counts as ready does not depend on this connection.");
}

static bool same_group(const struct proposal_list *list)
{
    for (size_t i = 1; i < list->count; i++)
        if (list->items[i].group != list->items[0].group)
            return false;
    return true;
}

static void tell_proposals(const struct connection *c, FILE *out)
{
    char names[96];
    fprintf(out, "  Phase 1, best first:\n");
    proposals_tell(&c->ike, "    ", out);
    fprintf(out, "  Phase 2, best first%s:\n",
            same_group(&c->esp) ? "" : "; when we call, we offer those with the group of the first");
    proposals_tell(&c->esp, "    ", out);
    if (c->allow != 0)
        fprintf(out, "  Legacy algorithms that only this connection may use: %s\n",
                legacy_list(c->allow, ", ", names, sizeof names));
}

static void tell_connection(const struct connection *c, FILE *out)
{
    struct paragraph p = {out, 0};
    fprintf(out, "\nConnection %s%s%s%s\n", c->name, c->profile != NULL ? " (profile " : "",
            c->profile != NULL ? c->profile : "", c->profile != NULL ? ")" : "");
    say_who_calls(&p, c);
    say_proof(&p, c);
    say_lives(&p, c);
    say_death(&p, c);
    say_probe(&p, c);
    say_path(&p, c);
    end(&p);
    tell_proposals(c, out);
}

/* --- the rules --- */

/* A rule written with any on both sides stands there once for each family. */
static bool twin_follows(const struct spd *spd, size_t i)
{
    return i + 1 < spd->count && spd->rules[i + 1].number == spd->rules[i].number;
}

static void say_side(struct paragraph *p, const char *word, const struct address_range *range, struct port_range port,
                     bool both)
{
    char text[RANGE_TEXT];
    bool is_any = range_is_any(range);
    say(p, "%s %s", word,
        is_any ? both                       ? "anywhere"
                 : range->first.family == 4 ? "anywhere (IPv4)"
                                            : "anywhere (IPv6)"
               : range_print(range, text));
    if (!port_is_any(port) && port.first == port.last)
        say(p, "port %u", port.first);
    else if (!port_is_any(port))
        say(p, "ports %u to %u", port.first, port.last);
}

static void tell_rule(const struct config *config, size_t i, FILE *out)
{
    static const char *const fates[] = {
        [ACTION_BYPASS] = "passes by, in clear", [ACTION_DISCARD] = "is dropped and counted"};
    const struct rule *rule = &config->spd.rules[i];
    const struct selector *s = &rule->selector;
    bool both = twin_follows(&config->spd, i);
    struct paragraph p = {out, 0};
    char name[PROTOCOL_TEXT];
    say(&p, "%u. %s", rule->number, s->protocol == 0 ? "What goes" : protocol_print(s->protocol, name));
    say_side(&p, "from", &s->local, s->local_port, both);
    say_side(&p, "to", &s->remote, s->remote_port, both);
    if (rule->action == ACTION_PROTECT)
        say(&p, "travels in the tunnel %s.", config->connections[rule->connection].name);
    else
        say(&p, "%s.", fates[rule->action]);
    end(&p);
}

static void tell_rules(const struct config *config, FILE *out)
{
    size_t told = 0, more[3] = {0};
    fprintf(out, "\nThe access list: the first rule that fits a packet decides, for the way back too\n");
    for (size_t i = 0; i < config->spd.count; i++) {
        if (i > 0 && twin_follows(&config->spd, i - 1))
            continue;
        if (told < EXPLAIN_RULES_MAX) {
            tell_rule(config, i, out);
            told++;
        } else {
            more[config->spd.rules[i].action]++;
        }
    }
    if (more[ACTION_PROTECT] + more[ACTION_BYPASS] + more[ACTION_DISCARD] > 0)
        fprintf(out, "  And more, which `esptun check` prints: %zu into tunnels, %zu in clear, %zu dropped.\n",
                more[ACTION_PROTECT], more[ACTION_BYPASS], more[ACTION_DISCARD]);
    fprintf(out, "  The end: every other packet is dropped.\n");
}

/* --- the whole --- */

static void tell_gateway(const struct config *config, FILE *out)
{
    struct paragraph p = {out, 0};
    fprintf(out, "What %s says\n", config->path);
    say(&p, "Packets come to esptun by the TUN interface %s.", config->gateway.tun);
    say(&p, "%s",
        config->gateway.routes ? "It leads the networks of the rules there by routes of its own."
                               : "The administrator leads the networks of the rules there (routes = no).");
    say(&p, "%s",
        config->gateway.guard
            ? "The guard drops in the kernel what would go past the tunnels in clear."
            : "While esptun does not run, nothing keeps these networks from being reached in clear (guard "
              "= yes would).");
    end(&p);
}

static void tell_warnings(const struct config_errors *errors, FILE *out)
{
    size_t told = 0;
    fprintf(out, "\nWarnings%s\n", errors->warnings == 0 ? ": none" : "");
    for (size_t i = 0; i < errors->count; i++) {
        if (!errors->items[i].warning)
            continue;
        struct paragraph p = {out, 0};
        if (errors->items[i].line != 0)
            say(&p, "Line %u:", errors->items[i].line);
        say(&p, "%s", errors->items[i].text);
        end(&p);
        told++;
    }
    if (errors->warnings > told)
        fprintf(out, "  And %zu more.\n", errors->warnings - told);
}

enum status config_explain(const struct config *config, const struct config_errors *errors, FILE *out)
{
    struct partner_rules rules;
    enum status status = partner_rules_new(config, &rules);
    if (status != OK)
        return status;
    tell_gateway(config, out);
    for (size_t i = 0; i < config->connection_count; i++)
        tell_connection(&config->connections[i], out);
    tell_rules(config, out);
    fprintf(out, "\nWhat the other end must be set to\n");
    for (size_t i = 0; i < config->connection_count; i++)
        config_partner(config, i, &rules, out);
    tell_warnings(errors, out);
    partner_rules_free(&rules);
    return OK;
}
