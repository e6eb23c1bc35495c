/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/metrics.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/tunnel_probe.h"

/*
 * The format wants all samples of a metric side by side, while a walk over the SAs yields all metrics of one SA: so a
 * walk only collects, and what belongs together is written afterwards.
 */
enum { SA_VALUES = 2, CHILD_VALUES = 11, VALUES_MAX = 11 };

struct series {
    char *labels; /* owned: what stands between the braces */
    uint64_t values[VALUES_MAX];
    uint32_t unknown; /* a bit for each value that there is none of */
};

struct series_list {
    struct series *items; /* owned */
    size_t count, capacity;
};

struct page {
    const struct metrics_input *input;
    struct series_list sas, children;
    uint64_t *sas_of; /* owned; by connection: SAs that are up */
    bool failed;
};

/* --- labels --- */

/* The backslash, the quote and the end of the line are what the format escapes; texts of peers are escaped before. */
static void write_label(FILE *out, const char *name, const char *value)
{
    fprintf(out, "%s=\"", name);
    for (; *value != '\0'; value++) {
        if (*value == '\\' || *value == '"')
            fputc('\\', out);
        if (*value == '\n')
            fputs("\\n", out);
        else
            fputc(*value, out);
    }
    fputc('"', out);
}

static void more_label(FILE *out, const char *name, const char *value)
{
    fputc(',', out);
    write_label(out, name, value);
}

static const char *connection_name(const struct page *p, uint32_t connection)
{
    const struct status_input *s = p->input->status;
    return connection < s->connection_count ? s->connections[connection].name : "";
}

static const char *rule_name(const struct spd *spd, uint32_t rule, char text[RULE_TEXT])
{
    text[0] = '\0';
    return rule < spd->count ? rule_print(&spd->rules[rule], text) : text;
}

/* --- collecting --- */

/* NULL when memory is short: then the page has failed. */
static struct series *add_series(struct page *p, struct series_list *list)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity > 0 ? list->capacity * 2 : 64;
        struct series *grown = reallocarray(list->items, capacity, sizeof *grown);
        if (grown == NULL) {
            p->failed = true;
            return NULL;
        }
        list->items = grown;
        list->capacity = capacity;
    }
    struct series *s = &list->items[list->count++];
    *s = (struct series){0};
    return s;
}

static FILE *begin_labels(struct page *p, struct series *s, size_t *len)
{
    FILE *out = s != NULL ? open_memstream(&s->labels, len) : NULL;
    if (out == NULL)
        p->failed = true;
    return out;
}

static void end_labels(struct page *p, FILE *out)
{
    if (fclose(out) != 0)
        p->failed = true;
}

static uint64_t since_s(uint64_t then_ms, uint64_t now_ms)
{
    return then_ms != 0 && then_ms <= now_ms ? (now_ms - then_ms) / 1000 : 0;
}

static void on_sa(void *arg, const struct ike_sa_info *info)
{
    struct page *p = arg;
    size_t len;
    char text[ENDPOINT_TEXT], id[IDENTITY_TEXT];
    struct series *s = add_series(p, &p->sas);
    FILE *out = begin_labels(p, s, &len);
    if (out == NULL)
        return;
    write_label(out, "connection", connection_name(p, info->connection));
    more_label(out, "local", endpoint_print(&info->path.local, text));
    more_label(out, "remote", endpoint_print(&info->path.remote, text));
    more_label(out, "remote_id", info->remote_id != NULL ? identity_print(info->remote_id, id) : "");
    snprintf(id, sizeof id, "%016" PRIx64 "%016" PRIx64, info->spi_i, info->spi_r);
    more_label(out, "cookies", id);
    end_labels(p, out);
    s->values[0] = status_is_up(info->state);
    s->values[1] = since_s(info->established_ms, p->input->status->now_ms);
    if (info->connection < p->input->status->connection_count)
        p->sas_of[info->connection] += status_is_up(info->state);
}

static void set_counters(struct series *s, const struct sa *pair)
{
    static const struct sa_counters none;
    const struct sa_counters *in = pair != NULL ? &pair->in : &none, *out = pair != NULL ? &pair->out : &none;
    s->values[1] = counter_get(&in->packets);
    s->values[2] = counter_get(&in->bytes);
    s->values[3] = counter_get(&out->packets);
    s->values[4] = counter_get(&out->bytes);
    s->values[5] = counter_get(&in->replay);
    s->values[6] = counter_get(&in->auth_failed);
    s->values[7] = counter_get(&in->selector);
    s->values[8] = counter_get(&in->malformed);
}

static void on_child(void *arg, const struct ike_child_info *info)
{
    struct page *p = arg;
    const struct status_input *status = p->input->status;
    size_t len;
    char text[RULE_TEXT], spi[9];
    struct series *s = add_series(p, &p->children);
    FILE *out = begin_labels(p, s, &len);
    if (out == NULL)
        return;
    uint32_t connection = info->rule < status->spd->count ? status->spd->rules[info->rule].connection : UINT32_MAX;
    write_label(out, "connection", connection_name(p, connection));
    more_label(out, "rule", rule_name(status->spd, info->rule, text));
    more_label(out, "local_ts", selector_side_print(&info->child->selector, true, text));
    more_label(out, "remote_ts", selector_side_print(&info->child->selector, false, text));
    snprintf(spi, sizeof spi, "%08x", info->child->spi_in);
    more_label(out, "spi_in", spi);
    end_labels(p, out);
    s->values[0] = status_is_up(info->state);
    set_counters(s, sad_by_child(status->sad, info->id));
    s->values[9] = since_s(info->established_ms, status->now_ms);
    if (info->rekey_at_ms == DEADLINE_NEVER)
        s->unknown |= 1u << 10;
    else
        s->values[10] = info->rekey_at_ms > status->now_ms ? (info->rekey_at_ms - status->now_ms) / 1000 : 0;
}

/* --- writing --- */

struct metric {
    const char *name, *type, *help;
};

static const struct metric sa_metrics[] = {
    {"ipsec_ike_sa_state", "gauge", "1: phase 1 is established; 0: it is being made or ended."},
    {"ipsec_ike_sa_established_seconds", "gauge", "Age of phase 1."},
};

/* Counters of an SA begin with it and end with it; the names are older than the rule that they should end with _total,
 * so they stay without a type. */
static const struct metric child_metrics[] = {
    {"ipsec_child_sa_state", "gauge", "1: the pair of SAs carries packets; 0: it is being made or ended."},
    {"ipsec_child_sa_packets_in", "untyped", "Packets that came in by this SA, authentic and delivered."},
    {"ipsec_child_sa_bytes_in", "untyped", "Bytes of the inner packets that came in by this SA."},
    {"ipsec_child_sa_packets_out", "untyped", "Packets that went out by this SA."},
    {"ipsec_child_sa_bytes_out", "untyped", "Bytes of the inner packets that went out by this SA."},
    {"ipsec_child_sa_replays", "untyped", "Packets dropped by the window of sequence numbers."},
    {"ipsec_child_sa_auth_failures", "untyped", "Packets dropped because their ICV does not verify."},
    {"ipsec_child_sa_selector_failures", "untyped", "Packets dropped because they are not what was negotiated."},
    {"ipsec_child_sa_malformed", "untyped", "Authentic packets dropped because what is in them makes no sense."},
    {"ipsec_child_sa_established_seconds", "gauge", "Age of the pair of SAs."},
    {"ipsec_child_sa_rekey_seconds", "gauge", "Until the pair of SAs is renewed; absent where that is for the peer."},
};

_Static_assert(sizeof sa_metrics / sizeof *sa_metrics == SA_VALUES, "a name for each value");
_Static_assert(sizeof child_metrics / sizeof *child_metrics == CHILD_VALUES, "a name for each value");

static void head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_series(FILE *out, const struct metric *metrics, size_t count, const struct series_list *list)
{
    for (size_t m = 0; m < count; m++) {
        head(out, metrics[m].name, metrics[m].type, metrics[m].help);
        for (size_t i = 0; i < list->count; i++)
            if (!(list->items[i].unknown & 1u << m))
                fprintf(out, "%s{%s} %" PRIu64 "\n", metrics[m].name, list->items[i].labels, list->items[i].values[m]);
    }
}

static void one_of_connection(FILE *out, const char *metric, const struct connection *c, uint64_t value)
{
    fprintf(out, "%s{", metric);
    write_label(out, "connection", c->name);
    fprintf(out, "} %" PRIu64 "\n", value);
}

static void write_connections(FILE *out, const struct page *p)
{
    const struct status_input *status = p->input->status;
    const struct metrics_connection *how = p->input->connections;
    static const struct metric metrics[] = {
        {"ipsec_ike_sas", "gauge", "Phase 1 SAs that are established."},
        {"ipsec_connection_up", "gauge", "1: each protect rule of the connection has an SA."},
        {"ipsec_connection_healthy", "gauge", "1: it is up, and packets come back as far as can be seen."},
        {"ipsec_connection_required", "gauge", "1: readiness depends on it (required = yes)."},
        {"ipsec_connection_rules", "gauge", "Protect rules of the connection."},
        {"ipsec_connection_rules_up", "gauge", "Protect rules of the connection that have an SA."},
    };
    for (size_t m = 0; m < sizeof metrics / sizeof *metrics; m++) {
        head(out, metrics[m].name, metrics[m].type, metrics[m].help);
        for (size_t i = 0; i < status->connection_count; i++) {
            const uint64_t values[] = {p->sas_of[i],   how[i].rules > 0 && how[i].rules_up == how[i].rules,
                                       how[i].healthy, how[i].required,
                                       how[i].rules,   how[i].rules_up};
            one_of_connection(out, metrics[m].name, &status->connections[i], values[m]);
        }
    }
}

static uint64_t probe_value(const struct tunnel_probe *p, size_t metric)
{
    const uint64_t values[] = {p->state == PROBE_UP, p->lost, p->sent, p->answered};
    return values[metric];
}

static void write_rtts(FILE *out, const struct status_input *status)
{
    head(out, "ipsec_probe_rtt_seconds", "gauge", "Time that the last answer took; absent before the first one.");
    for (size_t i = 0; i < status->connection_count; i++) {
        const struct tunnel_probe *p = &status->probes[i];
        if (status->connections[i].probe.family == 0 || p->answered == 0)
            continue;
        fprintf(out, "ipsec_probe_rtt_seconds{");
        write_label(out, "connection", status->connections[i].name);
        fprintf(out, "} %" PRIu64 ".%06" PRIu64 "\n", p->rtt_us / 1000000, p->rtt_us % 1000000);
    }
}

/* Of connections that have one. */
static void write_probes(FILE *out, const struct status_input *status)
{
    static const struct metric metrics[] = {
        {"ipsec_probe_up", "gauge", "1: the probe of the connection is answered; 0: it is not, or not yet."},
        {"ipsec_probe_lost", "gauge", "Requests in a row that were not answered."},
        {"ipsec_probe_sent_total", "counter", "Requests that left through the tunnel."},
        {"ipsec_probe_answered_total", "counter", "Requests that were answered in time."},
    };
    if (status->probes == NULL)
        return;
    for (size_t m = 0; m < sizeof metrics / sizeof *metrics; m++) {
        head(out, metrics[m].name, metrics[m].type, metrics[m].help);
        for (size_t i = 0; i < status->connection_count; i++)
            if (status->connections[i].probe.family != 0)
                one_of_connection(out, metrics[m].name, &status->connections[i], probe_value(&status->probes[i], m));
    }
    write_rtts(out, status);
}

static void write_rules(FILE *out, const struct status_input *status)
{
    static const struct metric metrics[] = {
        {"ipsec_rule_packets_total", "counter", "Packets from the TUN that met the rule."},
        {"ipsec_rule_bytes_total", "counter", "Bytes of them."},
    };
    char text[RULE_TEXT], number[16];
    head(out, "ipsec_rules", "gauge", "Rules of the ACL.");
    fprintf(out, "ipsec_rules %zu\n", (size_t)status->spd->count);
    for (size_t m = 0; m < 2 && status->spd->count <= METRICS_RULES_MAX; m++) {
        head(out, metrics[m].name, metrics[m].type, metrics[m].help);
        for (uint32_t i = 0; i < status->spd->count; i++) {
            const struct rule_counters *c = &status->rules[i];
            snprintf(number, sizeof number, "%u", i + 1);
            fprintf(out, "%s{", metrics[m].name);
            write_label(out, "rule", rule_name(status->spd, i, text));
            more_label(out, "number", number); /* the same rule may stand there twice */
            more_label(out, "action", action_name(status->spd->rules[i].action));
            fprintf(out, "} %" PRIu64 "\n", counter_get(m == 0 ? &c->packets : &c->bytes));
        }
    }
}

static void one_drop(FILE *out, const char *reason, uint64_t count)
{
    fprintf(out, "ipsec_drops_total{reason=\"%s\"} %" PRIu64 "\n", reason, count);
}

static void write_drops(FILE *out, const struct status_input *status)
{
    head(out, "ipsec_drops_total", "counter", "Packets and IKE messages dropped, by reason.");
    for (int i = 0; i < DROP_COUNT; i++)
        one_drop(out, drop_name((enum drop)i), counter_get(&status->drops->count[i]));
    for (int i = 0; i < IKE_DROP_COUNT; i++)
        one_drop(out, ike_drop_name((enum ike_drop)i), status->ike_drops[i]);
    if (status->guard != NULL) {
        one_drop(out, "in_clear", status->guard->in_clear);
        one_drop(out, "out_clear", status->guard->out_clear);
    }
}

static void write_page(FILE *out, const struct page *p)
{
    const struct status_input *status = p->input->status;
    head(out, "ipsec_up", "gauge", "1: the gateway runs.");
    fprintf(out, "ipsec_up 1\n");
    head(out, "ipsec_build_info", "gauge", "1, with the version as label.");
    fprintf(out, "ipsec_build_info{version=\"%s\"} 1\n", status->version);
    head(out, "ipsec_uptime_seconds", "gauge", "Since the gateway was started.");
    fprintf(out, "ipsec_uptime_seconds %" PRIu64 "\n", (status->now_ms - status->started_ms) / 1000);
    head(out, "ipsec_workers", "gauge", "Threads that carry packets.");
    fprintf(out, "ipsec_workers %zu\n", status->workers);
    write_connections(out, p);
    write_probes(out, status);
    write_series(out, sa_metrics, SA_VALUES, &p->sas);
    write_series(out, child_metrics, CHILD_VALUES, &p->children);
    write_rules(out, status);
    write_drops(out, status);
}

static void free_list(struct series_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].labels);
    free(list->items);
}

char *metrics_text(const struct metrics_input *input, size_t *len)
{
    struct page p = {.input = input, .sas_of = calloc(input->status->connection_count + 1, sizeof *p.sas_of)};
    char *text = NULL;
    if (p.sas_of == NULL)
        return NULL;
    const struct ike_visitor visitor = {.arg = &p, .sa = on_sa, .child = on_child};
    input->visit(input->ike, &visitor);
    FILE *out = p.failed ? NULL : open_memstream(&text, len);
    if (out != NULL) {
        write_page(out, &p);
        bool short_of_memory = ferror(out) != 0;
        if (fclose(out) != 0 || short_of_memory) {
            free(text);
            text = NULL;
        }
    }
    free_list(&p.sas);
    free_list(&p.children);
    free(p.sas_of);
    return text;
}
