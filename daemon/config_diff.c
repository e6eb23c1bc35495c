/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config_diff.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* --- one connection --- */

static bool identity_same(const struct identity *a, const struct identity *b)
{
    return a->type == b->type && (a->type == ID_NONE || identity_equal(a, b));
}

static bool proposals_same(const struct proposal_list *a, const struct proposal_list *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = proposal_equal(&a->items[i], &b->items[i]);
    return same;
}

static bool credentials_same(const struct credentials *a, const struct credentials *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return a->allow == b->allow && sign_key_equal(a->key, b->key);
}

static bool access_same(const struct access *a, const struct access *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    bool same = a->server == b->server && a->push == b->push && strcmp(a->user, b->user) == 0 &&
                secret_equal(&a->password, &b->password);
    for (size_t f = 0; same && f < FAMILIES; f++)
        same = range_equal(&a->pool[f], &b->pool[f]);
    return same;
}

static bool tunnel_same(const struct tunnel *a, const struct tunnel *b)
{
    return a->df == b->df && a->fragment == b->fragment && a->dscp == b->dscp && a->ecn == b->ecn &&
           a->outer_fragments == b->outer_fragments && a->mss == b->mss;
}

static bool ends_same(const struct connection *a, const struct connection *b)
{
    return address_equal(&a->local, &b->local) && connection_compare_remote(a, b) == 0 &&
           identity_same(&a->local_id, &b->local_id) && identity_same(&a->remote_id, &b->remote_id) &&
           a->auth == b->auth && secret_equal(&a->psk, &b->psk) && credentials_same(a->credentials, b->credentials) &&
           access_same(a->access, b->access);
}

static bool terms_same(const struct connection *a, const struct connection *b)
{
    return a->ike_version == b->ike_version && a->mode == b->mode && proposals_same(&a->ike, &b->ike) &&
           proposals_same(&a->esp, &b->esp) && a->allow == b->allow && a->ike_lifetime_s == b->ike_lifetime_s &&
           a->lifetime_s == b->lifetime_s && a->ike_lifetime_bytes == b->ike_lifetime_bytes &&
           a->lifetime_bytes == b->lifetime_bytes && a->lifetime_packets == b->lifetime_packets &&
           a->replay_window == b->replay_window;
}

static bool habits_same(const struct connection *a, const struct connection *b)
{
    return a->dpd_delay_s == b->dpd_delay_s && a->dpd_action == b->dpd_action && a->encap == b->encap &&
           a->fragmentation == b->fragmentation && a->start == b->start && tunnel_same(&a->tunnel, &b->tunnel);
}

bool connection_same(const struct connection *a, const struct connection *b)
{
    return ends_same(a, b) && terms_same(a, b) && habits_same(a, b);
}

/* --- connections, by name --- */

static int by_name(const void *left, const void *right)
{
    const struct connection *const *a = left, *const *b = right;
    return strcmp((*a)->name, (*b)->name);
}

/* Names are unique in a configuration. */
static const struct connection **sorted_connections(const struct config *config)
{
    const struct connection **all = calloc(config->connection_count + 1, sizeof(struct connection *));
    for (size_t i = 0; all != NULL && i < config->connection_count; i++)
        all[i] = &config->connections[i];
    if (all != NULL)
        qsort(all, config->connection_count, sizeof(struct connection *), by_name);
    return all;
}

static void match_connection(struct config_diff *diff, const struct connection *old, const struct connection *new)
{
    size_t from = (size_t)(old - diff->before->connections);
    uint32_t to = (uint32_t)(new - diff->after->connections);
    bool same = connection_same(old, new);
    diff->connections[from] = to;
    diff->kept[from] = same ? to : RENUMBER_GONE;
    diff->fates[to] = same ? CONNECTION_KEPT : CONNECTION_CHANGED;
}

static enum status match_connections(struct config_diff *diff)
{
    const struct connection **old = sorted_connections(diff->before), **new = sorted_connections(diff->after);
    enum status status = old != NULL && new != NULL ? OK : ERR_MEMORY;
    size_t i = 0, k = 0;
    while (status == OK && i < diff->before->connection_count && k < diff->after->connection_count) {
        int order = strcmp(old[i]->name, new[k]->name);
        if (order == 0)
            match_connection(diff, old[i], new[k]);
        i += order <= 0;
        k += order >= 0;
    }
    free(old);
    free(new);
    return status;
}

/* --- rules, by what they say --- */

/* A rule with the connection that it has in the new configuration: one number on both sides. */
struct said {
    const struct rule *rule;
    uint32_t connection; /* 0 where the action has none */
    uint32_t at;
};

static int compare_numbers(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int compare_ranges(const struct address_range *a, const struct address_range *b)
{
    int order = address_compare(&a->first, &b->first);
    return order != 0 ? order : address_compare(&a->last, &b->last);
}

static int compare_ports(struct port_range a, struct port_range b)
{
    return compare_numbers((uint32_t)a.first << 16 | a.last, (uint32_t)b.first << 16 | b.last);
}

static int compare_said(const struct said *a, const struct said *b)
{
    const struct selector *x = &a->rule->selector, *y = &b->rule->selector;
    int order = compare_numbers(a->rule->action, b->rule->action);
    if (order == 0)
        order = compare_numbers(a->connection, b->connection);
    if (order == 0)
        order = compare_ranges(&x->local, &y->local);
    if (order == 0)
        order = compare_ranges(&x->remote, &y->remote);
    if (order == 0)
        order = compare_numbers(x->protocol, y->protocol);
    if (order == 0)
        order = compare_ports(x->local_port, y->local_port);
    return order != 0 ? order : compare_ports(x->remote_port, y->remote_port);
}

/* Of rules that say the same the first comes first: it is the one that packets meet. */
static int by_saying(const void *left, const void *right)
{
    const struct said *a = left, *b = right;
    int order = compare_said(a, b);
    return order != 0 ? order : compare_numbers(a->at, b->at);
}

/* numbers: of connections, or NULL where they are the new ones already. */
static struct said *sorted_rules(const struct spd *spd, const uint32_t *numbers)
{
    struct said *all = calloc(spd->count + 1, sizeof *all);
    for (uint32_t i = 0; all != NULL && i < spd->count; i++) {
        const struct rule *rule = &spd->rules[i];
        uint32_t connection = rule->action != ACTION_PROTECT ? 0
                              : numbers != NULL              ? numbers[rule->connection]
                                                             : rule->connection;
        all[i] = (struct said){.rule = rule, .connection = connection, .at = i};
    }
    if (all != NULL)
        qsort(all, spd->count, sizeof *all, by_saying);
    return all;
}

static enum status match_rules(struct config_diff *diff)
{
    const struct spd *before = &diff->before->spd, *after = &diff->after->spd;
    struct said *old = sorted_rules(before, diff->connections), *new = sorted_rules(after, NULL);
    enum status status = old != NULL && new != NULL ? OK : ERR_MEMORY;
    size_t i = 0, k = 0, matched = 0;
    diff->rules_same = before->count == after->count;
    while (status == OK && i < before->count && k < after->count) {
        int order = compare_said(&old[i], &new[k]);
        if (order == 0) {
            diff->rules[old[i].at] = new[k].at;
            diff->rules_same &= old[i].at == new[k].at;
            matched++;
        }
        i += order <= 0;
        k += order >= 0;
    }
    diff->rules_added = after->count - matched;
    diff->rules_removed = before->count - matched;
    diff->rules_same &= matched == before->count;
    free(old);
    free(new);
    return status;
}

/* --- together --- */

static uint32_t *all_gone(size_t count)
{
    uint32_t *numbers = calloc(count + 1, sizeof *numbers);
    for (size_t i = 0; numbers != NULL && i < count; i++)
        numbers[i] = RENUMBER_GONE;
    return numbers;
}

static void count_fates(struct config_diff *diff)
{
    for (size_t i = 0; i < diff->after->connection_count; i++)
        diff->counts[diff->fates[i]]++;
    for (size_t i = 0; i < diff->before->connection_count; i++)
        diff->counts[CONNECTION_REMOVED] += diff->connections[i] == RENUMBER_GONE;
}

enum status config_diff_make(const struct config *before, const struct config *after, struct config_diff *out)
{
    *out = (struct config_diff){.before = before, .after = after};
    out->connections = all_gone(before->connection_count);
    out->kept = all_gone(before->connection_count);
    out->rules = all_gone(before->spd.count);
    out->fates = calloc(after->connection_count + 1, sizeof *out->fates);
    enum status status =
        out->connections != NULL && out->kept != NULL && out->rules != NULL && out->fates != NULL ? OK : ERR_MEMORY;
    for (size_t i = 0; status == OK && i < after->connection_count; i++)
        out->fates[i] = CONNECTION_ADDED;
    if (status == OK)
        status = match_connections(out);
    if (status == OK)
        status = match_rules(out);
    if (status == OK)
        count_fates(out);
    else
        config_diff_free(out);
    return status;
}

void config_diff_free(struct config_diff *diff)
{
    free(diff->connections);
    free(diff->kept);
    free(diff->rules);
    free(diff->fates);
    *diff = (struct config_diff){0};
}

struct renumber config_diff_numbers(const struct config_diff *diff)
{
    return (struct renumber){.connections = diff->kept,
                             .connection_count = diff->before->connection_count,
                             .rules = diff->rules,
                             .rule_count = diff->before->spd.count};
}

/* --- for people --- */

const char *config_diff_fixed(const struct gateway_config *a, const struct gateway_config *b,
                              char out[CONFIG_FIXED_TEXT])
{
    const struct {
        const char *key;
        bool differs;
    } fixed[] = {
        {"tun", strcmp(a->tun, b->tun) != 0},
        {"mtu", a->mtu != b->mtu},
        {"workers", a->workers != b->workers},
        {"routes", a->routes != b->routes},
        {"tun_offload", a->tun_offload != b->tun_offload},
        {"udp_gso", a->udp_gso != b->udp_gso},
        {"udp_gro", a->udp_gro != b->udp_gro},
        {"guard", a->guard != b->guard},
        {"crypto", a->crypto != b->crypto},
        {"control", strcmp(a->control, b->control) != 0},
        {"metrics", !endpoint_equal(&a->metrics, &b->metrics)},
        {"log_format", a->log_format != b->log_format},
        {"user", strcmp(a->user, b->user) != 0},
        {"sandbox", a->sandbox != b->sandbox},
    };
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (fixed[i].differs)
            used += (size_t)snprintf(out + used, CONFIG_FIXED_TEXT - used, "%s%s", used > 0 ? ", " : "", fixed[i].key);
    return out;
}

struct text {
    char *out;
    size_t used, size;
};

static void put(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);

static void put(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text->out + text->used, text->size - text->used, format, args);
    va_end(args);
    text->used += len > 0 ? (size_t)len : 0;
    if (text->used >= text->size)
        text->used = text->size - 1;
}

/* So many names at most: a summary is one line. */
enum { NAMES_SHOWN = 10 };

static void put_name(struct text *text, size_t nth, const char *name)
{
    if (nth <= NAMES_SHOWN)
        put(text, "%s%s", nth == 1 ? " (" : ", ", nth == NAMES_SHOWN ? "..." : name);
}

static void put_fate(struct text *text, const struct config_diff *diff, enum connection_fate fate, const char *word)
{
    size_t nth = 0;
    put(text, "%zu %s", diff->counts[fate], word);
    if (fate == CONNECTION_REMOVED)
        for (size_t i = 0; i < diff->before->connection_count; i++) {
            if (diff->connections[i] == RENUMBER_GONE)
                put_name(text, ++nth, diff->before->connections[i].name);
        }
    else
        for (size_t i = 0; i < diff->after->connection_count; i++)
            if (diff->fates[i] == fate)
                put_name(text, ++nth, diff->after->connections[i].name);
    if (nth > 0)
        put(text, ")");
}

const char *config_diff_print(const struct config_diff *diff, char out[CONFIG_DIFF_TEXT])
{
    struct text text = {.out = out, .size = CONFIG_DIFF_TEXT};
    size_t count = diff->after->connection_count;
    put(&text, "%zu %s: ", count, count == 1 ? "connection" : "connections");
    put_fate(&text, diff, CONNECTION_CHANGED, "changed");
    put(&text, ", ");
    put_fate(&text, diff, CONNECTION_ADDED, "added");
    put(&text, ", ");
    put_fate(&text, diff, CONNECTION_REMOVED, "removed");
    put(&text, "; %zu kept", diff->counts[CONNECTION_KEPT]);
    if (diff->rules_added > 0 || diff->rules_removed > 0)
        put(&text, "; rules: %zu added, %zu removed", diff->rules_added, diff->rules_removed);
    return out;
}
