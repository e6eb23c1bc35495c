/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/status.h"

#include <stdio.h>
#include <string.h>

#include "daemon/tunnel_probe.h"

bool status_is_up(const char *state)
{
    return strcmp(state, "established") == 0 || strcmp(state, "rekeying") == 0;
}

/* Counters beyond what JSON readers hold in a signed integer stay at the top. */
static json_t *number(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

/* 0: not known, or no longer. */
static json_t *size_or_null(uint32_t value)
{
    return value != 0 ? number(value) : json_null();
}

static json_t *spi(uint32_t value)
{
    char text[9];
    (void)snprintf(text, sizeof text, "%08x", value);
    return json_string(text);
}

static json_t *endpoint(const struct endpoint *e)
{
    char text[ENDPOINT_TEXT];
    return json_string(endpoint_print(e, text));
}

static json_t *identity(const struct identity *id)
{
    char text[IDENTITY_TEXT];
    return id != NULL ? json_string(identity_print(id, text)) : json_null();
}

/* A user is a name and nothing else: without the word for its kind. */
static json_t *identity_name(const struct identity *id)
{
    char text[IDENTITY_TEXT];
    return json_string(log_escape(text, sizeof text, (const char *)id->data, id->len));
}

/* "10.9.0.1", or "10.9.0.1, 2001:db8::1". */
static json_t *virtual_ip(const struct virtual_net *net)
{
    char all[2 * ADDRESS_TEXT + 4] = "", text[ADDRESS_TEXT];
    for (size_t f = 0; net != NULL && f < FAMILIES; f++) {
        size_t used = strlen(all);
        if (net->address[f].family != 0)
            (void)snprintf(all + used, sizeof all - used, "%s%s", used > 0 ? ", " : "",
                           address_print(&net->address[f], text));
    }
    return all[0] != '\0' ? json_string(all) : json_null();
}

static json_t *proposal(const struct proposal *p)
{
    char text[PROPOSAL_TEXT];
    return p != NULL ? json_string(proposal_print(p, text)) : json_null();
}

static json_t *side(const struct selector *s, bool local)
{
    char text[SELECTOR_TEXT];
    return json_string(selector_side_print(s, local, text));
}

static json_t *rule_text(const struct spd *spd, uint32_t index)
{
    char text[RULE_TEXT];
    return index < spd->count ? json_string(rule_print(&spd->rules[index], text)) : json_null();
}

static json_t *seconds_since(uint64_t then_ms, uint64_t now_ms)
{
    return then_ms != 0 && then_ms <= now_ms ? number((now_ms - then_ms) / 1000) : json_null();
}

static json_t *seconds_until(uint64_t then_ms, uint64_t now_ms)
{
    if (then_ms == DEADLINE_NEVER || then_ms == 0)
        return json_null();
    return number(then_ms > now_ms ? (then_ms - now_ms) / 1000 : 0);
}

/* Takes the value over, NULL (memory) included. */
static void set(struct status_document *d, json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0)
        d->failed = true;
}

static void append(struct status_document *d, json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0)
        d->failed = true;
}

static void add_times(struct status_document *d, json_t *object, uint64_t established_ms, uint64_t rekey_at_ms)
{
    set(d, object, "established_s", seconds_since(established_ms, d->input->now_ms));
    set(d, object, "rekey_in_s", seconds_until(rekey_at_ms, d->input->now_ms));
}

static void on_sa(void *arg, const struct ike_sa_info *info)
{
    struct status_document *d = arg;
    json_t *sa = json_object();
    bool known = info->connection < d->input->connection_count;
    set(d, sa, "connection", json_string(known ? d->input->connections[info->connection].name : ""));
    set(d, sa, "ike_version", number(info->version));
    set(d, sa, "state", json_string(info->state));
    set(d, sa, "initiator", json_boolean(info->initiator));
    set(d, sa, "local", endpoint(&info->path.local));
    set(d, sa, "remote", endpoint(&info->path.remote));
    const char *name = known ? d->input->connections[info->connection].remote_name : NULL;
    set(d, sa, "remote_name", name != NULL ? json_string(name) : json_null());
    set(d, sa, "local_id", identity(info->local_id));
    set(d, sa, "remote_id", identity(info->remote_id));
    set(d, sa, "user", info->user != NULL ? identity_name(info->user) : json_null());
    set(d, sa, "virtual_ip", virtual_ip(info->net));
    set(d, sa, "nat", json_boolean(info->nat_local || info->nat_remote));
    set(d, sa, "proposal", proposal(info->proposal));
    add_times(d, sa, info->established_ms, info->rekey_at_ms);
    set(d, sa, "children", json_array());
    d->children = json_object_get(sa, "children");
    append(d, d->sas, sa);
}

static json_t *counters_in(struct status_document *d, const struct sa_counters *c)
{
    json_t *in = json_object();
    set(d, in, "packets", number(c->packets));
    set(d, in, "bytes", number(c->bytes));
    set(d, in, "replay", number(c->replay));
    set(d, in, "auth_failed", number(c->auth_failed));
    set(d, in, "selector", number(c->selector));
    set(d, in, "malformed", number(c->malformed));
    return in;
}

static json_t *counters_out(struct status_document *d, const struct sa_counters *c)
{
    json_t *out = json_object();
    set(d, out, "packets", number(c->packets));
    set(d, out, "bytes", number(c->bytes));
    return out;
}

static void on_child(void *arg, const struct ike_child_info *info)
{
    static const struct sa_counters none;
    struct status_document *d = arg;
    const struct child *child = info->child;
    const struct sa *pair = sad_by_child(d->input->sad, info->id);
    json_t *object = json_object();
    set(d, object, "rule", rule_text(d->input->spd, info->rule));
    set(d, object, "state", json_string(info->state));
    set(d, object, "spi_in", spi(child->spi_in));
    set(d, object, "spi_out", spi(child->spi_out));
    set(d, object, "proposal", proposal(&child->suite));
    set(d, object, "encap", json_string(child->udp ? "udp" : "esp"));
    set(d, object, "local_ts", side(&child->selector, true));
    set(d, object, "remote_ts", side(&child->selector, false));
    set(d, object, "esn", json_boolean(child->esn));
    set(d, object, "path_mtu", size_or_null(pair != NULL ? pair->path_mtu : 0));
    set(d, object, "mtu", size_or_null(pair != NULL ? pair->inner_mtu : 0));
    set(d, object, "in", counters_in(d, pair != NULL ? &pair->in : &none));
    set(d, object, "out", counters_out(d, pair != NULL ? &pair->out : &none));
    add_times(d, object, info->established_ms, info->rekey_at_ms);
    append(d, d->children, object);
}

void status_begin(struct status_document *document, const struct status_input *input)
{
    *document = (struct status_document){.input = input, .sas = json_array()};
}

struct ike_visitor status_visitor(struct status_document *document)
{
    return (struct ike_visitor){.arg = document, .sa = on_sa, .child = on_child};
}

static json_t *address_or_null(const struct address *a)
{
    char text[ADDRESS_TEXT];
    return a->family != 0 ? json_string(address_print(a, text)) : json_null();
}

static json_t *probe(struct status_document *d, const struct connection *c, const struct tunnel_probe *p)
{
    json_t *object = json_object();
    set(d, object, "connection", json_string(c->name));
    set(d, object, "address", address_or_null(&c->probe));
    set(d, object, "source", address_or_null(&p->source));
    set(d, object, "state", json_string(probe_state_name(p->state)));
    set(d, object, "rtt_ms", p->answered > 0 ? json_real((double)p->rtt_us / 1000) : json_null());
    set(d, object, "sent", number(p->sent));
    set(d, object, "answered", number(p->answered));
    set(d, object, "lost", number(p->lost));
    set(d, object, "answered_s", seconds_since(p->answered_ms, d->input->now_ms));
    return object;
}

/* Of connections that have one. */
static json_t *probes(struct status_document *d)
{
    json_t *array = json_array();
    const struct status_input *input = d->input;
    for (size_t i = 0; i < input->connection_count && input->probes != NULL; i++)
        if (input->connections[i].probe.family != 0)
            append(d, array, probe(d, &input->connections[i], &input->probes[i]));
    return array;
}

static json_t *rules(struct status_document *d)
{
    json_t *array = json_array();
    const struct spd *spd = d->input->spd;
    for (uint32_t i = 0; i < spd->count; i++) {
        json_t *rule = json_object();
        set(d, rule, "rule", rule_text(spd, i));
        set(d, rule, "action", json_string(action_name(spd->rules[i].action)));
        set(d, rule, "packets", number(d->input->rules[i].packets));
        set(d, rule, "bytes", number(d->input->rules[i].bytes));
        append(d, array, rule);
    }
    return array;
}

static json_t *drops(struct status_document *d)
{
    json_t *object = json_object();
    for (int i = 0; i < DROP_COUNT; i++)
        set(d, object, drop_name((enum drop)i), number(d->input->drops->count[i]));
    for (int i = 0; i < IKE_DROP_COUNT; i++)
        set(d, object, ike_drop_name((enum ike_drop)i), number(d->input->ike_drops[i]));
    if (d->input->guard != NULL) {
        set(d, object, "in_clear", number(d->input->guard->in_clear));
        set(d, object, "out_clear", number(d->input->guard->out_clear));
    }
    return object;
}

/* Which back end serves which ESP cipher. */
static json_t *crypto(struct status_document *d)
{
    json_t *object = json_object(), *ciphers = json_object();
    struct aead_use use;
    set(d, object, "library", json_string(aead_library_note(d->input->crypto)));
    for (size_t i = 0; aead_library_use(d->input->crypto, i, &use); i++)
        set(d, ciphers, use.suites, json_string(use.backend));
    set(d, object, "ciphers", ciphers);
    return object;
}

static json_t *offloads(struct status_document *d)
{
    const struct offloads *used = &d->input->offloads;
    json_t *object = json_object();
    set(d, object, "tun", json_boolean(used->tun));
    set(d, object, "udp_gso", json_boolean(used->udp_gso));
    set(d, object, "udp_gro", json_boolean(used->udp_gro));
    return object;
}

/* Those of connections that are heard more, or less, than all else. */
static json_t *log_levels(struct status_document *d)
{
    const struct log *log = d->input->log;
    json_t *object = json_object();
    for (size_t i = 0; i < log->connection_level_count && i < d->input->connection_count; i++)
        if (log->connection_levels[i] != log->level)
            set(d, object, d->input->connections[i].name, json_string(log_level_name(log->connection_levels[i])));
    return object;
}

/* What is known of the peers that have a name for an address. */
static json_t *names(struct status_document *d)
{
    const struct status_input *input = d->input;
    json_t *array = json_array();
    char text[ADDRESS_TEXT];
    for (size_t i = 0; i < input->connection_count; i++) {
        const struct ike_remote *list = NULL;
        const struct connection *c = &input->connections[i];
        if (c->remote_name == NULL)
            continue;
        json_t *name = json_object(), *addresses = json_array();
        const char *problem = input->name_problems != NULL ? input->name_problems[i] : NULL;
        size_t count = input->ike != NULL ? ike_remotes(input->ike, (uint32_t)i, &list) : 0;
        for (size_t k = 0; k < count; k++)
            append(d, addresses, json_string(address_print(&list[k].remote, text)));
        set(d, name, "connection", json_string(c->name));
        set(d, name, "name", json_string(c->remote_name));
        set(d, name, "addresses", addresses);
        set(d, name, "problem", problem != NULL ? json_string(problem) : json_null());
        append(d, array, name);
    }
    return array;
}

char *status_finish(struct status_document *d, size_t *len)
{
    const struct status_input *input = d->input;
    json_t *root = json_object();
    set(d, root, "version", json_string(input->version));
    set(d, root, "uptime_s", number((input->now_ms - input->started_ms) / 1000));
    set(d, root, "configured_s", number((input->now_ms - input->configured_ms) / 1000));
    set(d, root, "ike_sas", d->sas);
    set(d, root, "probes", probes(d));
    set(d, root, "rules", rules(d));
    set(d, root, "drops", drops(d));
    set(d, root, "crypto", crypto(d));
    set(d, root, "workers", number(input->workers));
    set(d, root, "offloads", offloads(d));
    set(d, root, "log_level", json_string(log_level_name(input->log->level)));
    set(d, root, "log_levels", log_levels(d));
    set(d, root, "names", names(d));
    char *text = d->failed ? NULL : json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    json_decref(root);
    *d = (struct status_document){0};
    *len = text != NULL ? strlen(text) : 0;
    return text;
}
