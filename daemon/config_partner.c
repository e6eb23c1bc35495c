/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config_partner.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/config_values.h"
#include "policy/protocol.h"

enum { PARTNER_TEXT = 512 };

enum status partner_rules_new(const struct config *config, struct partner_rules *out)
{
    const struct spd *spd = &config->spd;
    out->first = calloc(config->connection_count + 1, sizeof *out->first);
    out->next = calloc(spd->count + 1, sizeof *out->next);
    if (out->first == NULL || out->next == NULL) {
        partner_rules_free(out);
        return ERR_MEMORY;
    }
    for (size_t i = spd->count; i-- > 0;) {
        if (spd->rules[i].action != ACTION_PROTECT)
            continue;
        uint32_t *first = &out->first[spd->rules[i].connection];
        out->next[i] = *first;
        *first = (uint32_t)i + 1;
    }
    return OK;
}

void partner_rules_free(struct partner_rules *rules)
{
    free(rules->first);
    free(rules->next);
    *rules = (struct partner_rules){0};
}

/* --- who and how --- */

static void row(FILE *out, const char *name, const char *value)
{
    fprintf(out, "  %-26s %s\n", name, value);
}

static const char *kind_of(const struct identity *id)
{
    switch (id->type) {
    case ID_IPV4_ADDR: return "an IPv4 address";
    case ID_IPV6_ADDR: return "an IPv6 address";
    case ID_FQDN: return "a name (FQDN)";
    case ID_USER_FQDN: return "a user name (user FQDN, e-mail)";
    case ID_DER_ASN1_DN: return "a distinguished name (ASN.1 DN)";
    default: return "a key ID (group name)";
    }
}

static void row_identity(FILE *out, const char *name, const struct identity *id, const struct address *address,
                         const char *otherwise)
{
    char text[IDENTITY_TEXT], value[IDENTITY_TEXT + 64];
    struct identity shown = *id;
    if (shown.type == ID_NONE && address->family == 0) {
        row(out, name, otherwise);
        return;
    }
    if (shown.type == ID_NONE)
        shown = identity_of_address(address);
    snprintf(value, sizeof value, "%s, %s", identity_print(&shown, text), kind_of(&shown));
    row(out, name, value);
}

static void row_address(FILE *out, const char *name, const struct address *address, const char *otherwise)
{
    char text[ADDRESS_TEXT];
    row(out, name, address->family == 0 ? otherwise : address_print(address, text));
}

static const char *our_certificate_names(const struct connection *c, char out[PARTNER_TEXT])
{
    char names[CERT_NAMES_TEXT];
    snprintf(out, PARTNER_TEXT, "%s", cert_names_print(c->credentials->chain.items[0], names));
    return out;
}

static void tell_proof(const struct connection *c, FILE *out)
{
    char text[PARTNER_TEXT], issuer[DN_TEXT];
    if (c->auth == AUTH_PSK) {
        row(out, "authentication", "pre-shared key; the key itself goes another way, never with this table");
        return;
    }
    snprintf(text, sizeof text, "certificates, %s signatures: its key must be of this kind too",
             sign_method_name(sign_key_method(c->credentials->key)));
    row(out, "authentication", text);
    row(out, "certificate of its peer", our_certificate_names(c, text));
    row(out, "  it must trust",
        dn_print(cert_issuer(c->credentials->chain.items[c->credentials->chain.count - 1]), issuer, sizeof issuer));
    const struct cert_list *cas = trust_cas(c->credentials->trust);
    for (size_t i = 0; i < cas->count; i++)
        row(out, i == 0 ? "its own certificate" : "  or",
            (snprintf(text, sizeof text, "from %s", dn_print(cert_subject(cas->items[i]), issuer, sizeof issuer)),
             text));
}

static void tell_login(const struct connection *c, FILE *out)
{
    if (c->access == NULL)
        return;
    row(out, "login",
        c->access->server ? "XAUTH as client, with a user name and a password of its own"
                          : "XAUTH as server, with the user name and password that we were given");
    if (c->access->server && !access_has_pool(c->access))
        return;
    row(out, "address (mode-config)",
        c->access->server ? (c->access->push ? "it takes the one that we set" : "it asks us for one")
                          : (c->access->push ? "it sets one, unasked" : "it gives us one when we ask"));
}

static void tell_peers(const struct connection *c, FILE *out)
{
    char text[ADDRESS_TEXT];
    row(out, "IKE", c->mode == MODE_MAIN ? "version 1, main mode" : "version 1, aggressive mode");
    row_address(out, "its own address", &c->remote, c->remote_name != NULL ? connection_print_remote(c, text) : "any");
    row_address(out, "address of its peer", &c->local, "ours, from which we call");
    tell_proof(c, out);
    bool any = c->remote_id.type == ID_NONE && c->auth != AUTH_PSK;
    row_identity(out, "its own identity", &c->remote_id, &c->remote,
                 c->remote_name != NULL ? "the address that its name has"
                 : any                  ? "any that its certificate has"
                                        : "any: its key is what counts");
    row_identity(out, "identity of its peer", &c->local_id, &c->local, "the address from which we call");
    tell_login(c, out);
}

/* --- phase 1 and 2 --- */

void proposals_tell(const struct proposal_list *list, const char *indent, FILE *out)
{
    char text[EXPLAIN_TEXT];
    for (size_t i = 0; i < list->count; i++) {
        const struct proposal_list one = {.items = {list->items[i]}, .count = 1};
        const char *line = strchr(proposal_spell(&one, text, sizeof text), '\n');
        if (line != NULL)
            fprintf(out, "%s%s\n", indent, line + 1 + strspn(line + 1, " "));
    }
}

static void row_lifetime(FILE *out, const char *name, uint64_t seconds, uint64_t bytes)
{
    fprintf(out, "  %-26s %llu seconds", name, (unsigned long long)seconds);
    if (bytes != 0)
        fprintf(out, ", %llu kilobytes", (unsigned long long)(bytes / 1024));
    fputc('\n', out);
}

static void tell_phases(const struct connection *c, FILE *out)
{
    fprintf(out, "  phase 1, one of\n");
    proposals_tell(&c->ike, "    ", out);
    row_lifetime(out, "lifetime of phase 1", c->ike_lifetime_s, c->ike_lifetime_bytes);
    fprintf(out, "  phase 2, ESP in tunnel mode, one of\n");
    proposals_tell(&c->esp, "    ", out);
    row_lifetime(out, "lifetime of phase 2", c->lifetime_s, c->lifetime_bytes);
}

static void tell_path(const struct connection *c, FILE *out)
{
    static const char *const encaps[] = {
        [ENCAP_YES] = "on: we ask for UDP 4500 also where there is no NAT",
        [ENCAP_AUTO] = "on: UDP 4500 behind NAT, else IP protocol 50",
        [ENCAP_NO] = "off: IP protocol 50",
    };
    row(out, "NAT traversal", encaps[c->encap]);
    row(out, "dead-peer detection",
        c->dpd_delay_s != 0 ? "on (RFC 3706): we ask, it answers" : "not needed: we do not ask");
}

/* --- networks --- */

static void tell_pair(const struct selector *s, FILE *out)
{
    char theirs[RANGE_TEXT], ours[RANGE_TEXT], name[PROTOCOL_TEXT];
    fprintf(out, "    %-26s %-26s %s", range_print(&s->remote, theirs), range_print(&s->local, ours),
            s->protocol == 0 ? "all" : protocol_print(s->protocol, name));
    if (!port_is_any(s->remote_port))
        fprintf(out, ", its port %u", s->remote_port.first);
    if (!port_is_any(s->local_port))
        fprintf(out, ", our port %u", s->local_port.first);
    fputc('\n', out);
}

static void tell_networks(const struct config *config, const struct connection *c, uint32_t at,
                          const struct partner_rules *rules, FILE *out)
{
    size_t told = 0, more = 0;
    if (at == 0) {
        row(out, "networks", "none: no rule uses this connection yet");
        return;
    }
    fprintf(out, "  pairs of networks, each a phase 2 of its own:\n    %-26s %-26s %s\n", "local, seen from there",
            "remote, seen from there", "protocol");
    for (; at != 0; at = rules->next[at - 1])
        if (told < PARTNER_NETWORKS_MAX) {
            tell_pair(&config->spd.rules[at - 1].selector, out);
            told++;
        } else {
            more++;
        }
    if (more > 0)
        fprintf(out, "    and %zu more\n", more);
    if (c->access != NULL)
        fprintf(out, "    the %s side narrows to the address that the client is given\n",
                c->access->server ? "local" : "remote");
}

void config_partner(const struct config *config, size_t connection, const struct partner_rules *rules, FILE *out)
{
    const struct connection *c = &config->connections[connection];
    fprintf(out, "\n%s: for the administrator of the other end\n", c->name);
    tell_peers(c, out);
    tell_phases(c, out);
    tell_path(c, out);
    tell_networks(config, c, rules->first[connection], rules, out);
}
