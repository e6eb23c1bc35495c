/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "daemon/config_access.h"
#include "daemon/config_keys.h"
#include "daemon/config_values.h"

static void print_key(FILE *out, const char *name, const char *value)
{
    fprintf(out, "%-16s = %s\n", name, value);
}

static void print_choice(FILE *out, const char *name, unsigned index)
{
    char text[VALUE_TEXT];
    const struct config_key *key = config_key_at((size_t)config_key_find(SECTION_CONNECTION, name));
    print_key(out, name, value_word_print(index, key->words, text));
}

/* A bool: its words begin with the one for true. */
static void print_flag(FILE *out, const char *name, bool value)
{
    print_choice(out, name, value ? 0 : 1);
}

static void print_duration(FILE *out, const char *name, uint64_t seconds)
{
    char text[VALUE_TEXT];
    print_key(out, name, value_duration_print(seconds, text));
}

static void print_auto(FILE *out, const char *name, uint32_t value)
{
    if (value == 0)
        print_key(out, name, "auto");
    else
        fprintf(out, "%-16s = %u\n", name, value);
}

static void print_gateway(const struct gateway_config *gateway, FILE *out)
{
    static const char *const backends[] = {"auto", "openssl", "ipsec-mb"};
    char at[ENDPOINT_TEXT];
    fprintf(out, "[gateway]\n");
    print_key(out, "tun", gateway->tun);
    print_auto(out, "mtu", gateway->mtu);
    print_auto(out, "workers", gateway->workers);
    print_key(out, "routes", gateway->routes ? "yes" : "no");
    print_key(out, "tun_offload", gateway->tun_offload ? "yes" : "no");
    print_key(out, "udp_gso", gateway->udp_gso ? "yes" : "no");
    print_key(out, "udp_gro", gateway->udp_gro ? "yes" : "no");
    print_key(out, "guard", gateway->guard ? "yes" : "no");
    print_key(out, "crypto", backends[gateway->crypto]);
    print_key(out, "control", gateway->control);
    print_key(out, "metrics", gateway->metrics.address.family != 0 ? endpoint_print(&gateway->metrics, at) : "off");
    print_key(out, "log_level", log_level_name(gateway->log_level));
    print_key(out, "log_format", gateway->log_format == LOG_JSON ? "json" : "text");
    if (gateway->user[0] != '\0')
        print_key(out, "user", gateway->user);
    print_key(out, "sandbox", gateway->sandbox ? "yes" : "no");
}

static void print_address(FILE *out, const char *name, const struct address *address)
{
    char text[ADDRESS_TEXT];
    print_key(out, name, address->family == 0 ? "%any" : address_print(address, text));
}

static void print_identity(FILE *out, const char *name, const struct identity *id, const struct address *address,
                           const char *of_any)
{
    char text[IDENTITY_TEXT], number[ADDRESS_TEXT];
    if (id->type != ID_NONE)
        print_key(out, name, identity_print(id, text));
    else if (address->family == 0)
        fprintf(out, "%-16s = %%any  ; %s\n", name, of_any);
    else
        fprintf(out, "%-16s = %s  ; its address\n", name, address_print(address, number));
}

static void print_proposals(FILE *out, const char *name, const struct proposal_list *list)
{
    char text[PROPOSAL_TEXT];
    fprintf(out, "%-16s = ", name);
    for (size_t i = 0; i < list->count; i++)
        fprintf(out, "%s%s", i > 0 ? ", " : "", proposal_print(&list->items[i], text));
    fputc('\n', out);
}

static void print_allow(FILE *out, uint32_t allow)
{
    char names[96];
    fprintf(out, "%-16s =%s%s\n", "allow", allow != 0 ? " " : "", legacy_list(allow, " ", names, sizeof names));
}

static void print_word_or_number(FILE *out, const char *name, uint32_t value, const char *word)
{
    if (word != NULL)
        print_key(out, name, word);
    else
        fprintf(out, "%-16s = %u\n", name, value);
}

static void print_dscp(FILE *out, uint32_t value)
{
    char name[8];
    if (value == DSCP_COPY)
        print_key(out, "dscp", "copy");
    else if (value_dscp_name(value, name) != NULL)
        fprintf(out, "%-16s = %u  ; %s\n", "dscp", value, name);
    else
        fprintf(out, "%-16s = %u\n", "dscp", value);
}

static void print_tunnel(const struct tunnel *t, FILE *out)
{
    print_choice(out, "df", t->df);
    print_choice(out, "fragment", t->fragment);
    print_flag(out, "outer_fragments", t->outer_fragments);
    print_dscp(out, t->dscp);
    print_flag(out, "ecn", t->ecn);
    print_word_or_number(out, "mss", t->mss, t->mss == MSS_AUTO ? "auto" : t->mss == MSS_OFF ? "off" : NULL);
}

static void print_cert(const char *what, const struct cert *cert, FILE *out)
{
    char names[CERT_NAMES_TEXT], issuer[DN_TEXT], date[CERT_DATE_TEXT];
    fprintf(out, "; %s: %s; issued by %s; expires %s\n", what, cert_names_print(cert, names),
            dn_print(cert_issuer(cert), issuer, sizeof issuer), cert_date_print(cert_not_after(cert), date));
}

static void print_credentials(const struct credentials *c, FILE *out)
{
    const struct cert_list *cas = trust_cas(c->trust);
    fprintf(out, "; key: %s, %u bits, not shown\n", sign_method_name(sign_key_method(c->key)), sign_key_bits(c->key));
    for (size_t i = 0; i < c->chain.count; i++)
        print_cert(i == 0 ? "cert" : "cert, intermediate", c->chain.items[i], out);
    for (size_t i = 0; i < cas->count; i++)
        print_cert("ca", cas->items[i], out);
}

static void print_probe(const struct connection *c, FILE *out)
{
    char text[ADDRESS_TEXT];
    if (c->probe.family == 0)
        return;
    print_key(out, "probe", address_print(&c->probe, text));
    if (c->probe_source.family != 0)
        print_key(out, "probe_source", address_print(&c->probe_source, text));
    print_duration(out, "probe_interval", c->probe_interval_s);
    fprintf(out, "%-16s = %u\n", "probe_failures", c->probe_failures);
    print_choice(out, "probe_action", c->probe_action);
}

static void print_connection(const struct connection *c, FILE *out)
{
    char text[VALUE_TEXT], address[ADDRESS_TEXT];
    fprintf(out, "\n[connection %s]\n", c->name);
    if (c->profile != NULL)
        print_key(out, "profile", c->profile);
    fprintf(out, "%-16s = %u\n", "ike_version", c->ike_version);
    print_choice(out, "mode", c->mode);
    print_address(out, "local", &c->local);
    print_key(out, "remote", connection_print_remote(c, address));
    print_identity(out, "local_id", &c->local_id, &c->local, "its address");
    if (c->remote_name != NULL && c->remote_id.type == ID_NONE)
        fputs("; remote_id: the address that its name leads to\n", out);
    else
        print_identity(out, "remote_id", &c->remote_id, &c->remote,
                       c->auth == AUTH_PSK ? "whoever has the key" : "whoever has a certificate of ca");
    print_key(out, "auth", config_auth_name(c));
    if (c->auth == AUTH_PUBKEY)
        print_credentials(c->credentials, out);
    else
        fprintf(out, "; the pre-shared key has %zu bytes and is not shown\n", c->psk.len);
    access_print(c, out);
    print_allow(out, c->allow);
    print_proposals(out, "ike", &c->ike);
    print_proposals(out, "esp", &c->esp);
    print_duration(out, "ike_lifetime", c->ike_lifetime_s);
    print_key(out, "ike_lifetime_bytes",
              c->ike_lifetime_bytes == 0 ? "none" : value_bytes_print(c->ike_lifetime_bytes, text));
    print_duration(out, "lifetime", c->lifetime_s);
    print_key(out, "lifetime_bytes", c->lifetime_bytes == 0 ? "none" : value_bytes_print(c->lifetime_bytes, text));
    if (c->lifetime_packets == 0)
        print_key(out, "lifetime_packets", "none");
    else
        fprintf(out, "%-16s = %llu\n", "lifetime_packets", (unsigned long long)c->lifetime_packets);
    fprintf(out, "%-16s = %u\n", "replay_window", c->replay_window);
    print_duration(out, "dpd_delay", c->dpd_delay_s);
    print_choice(out, "dpd_action", c->dpd_action);
    print_choice(out, "encap", c->encap);
    print_tunnel(&c->tunnel, out);
    print_flag(out, "fragmentation", c->fragmentation);
    print_choice(out, "start", c->start);
    print_flag(out, "required", c->required);
    print_probe(c, out);
    if (c->up != NULL)
        print_key(out, "up", c->up);
    if (c->down != NULL)
        print_key(out, "down", c->down);
    if (c->up != NULL || c->down != NULL)
        print_duration(out, "hook_timeout", c->hook_timeout_s);
}

static void print_rules(const struct config *config, FILE *out)
{
    char selector[SELECTOR_TEXT];
    fprintf(out, "\n[acl]\n");
    for (size_t i = 0; i < config->spd.count; i++) {
        const struct rule *rule = &config->spd.rules[i];
        bool protect = rule->action == ACTION_PROTECT;
        fprintf(out, "%-7s = %s%s%s  ; rule %u, line %u\n", action_name(rule->action),
                selector_print(&rule->selector, selector), protect ? " via " : "",
                protect ? config->connections[rule->connection].name : "", rule->number, rule->line);
    }
    fprintf(out, "; the end: all other packets are discarded\n");
}

void config_print(const struct config *config, FILE *out)
{
    print_gateway(&config->gateway, out);
    for (size_t i = 0; i < config->connection_count; i++)
        print_connection(&config->connections[i], out);
    print_rules(config, out);
}
