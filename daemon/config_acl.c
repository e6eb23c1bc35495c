/* SPDX-License-Identifier: Apache-2.0 */
/* The [acl] section: rules in the order of the file. */
#include <stdlib.h>
#include <string.h>

#include "daemon/config_apply.h"
#include "daemon/config_errors.h"

/* Comparing rules one by one is quadratic: after so many comparisons in all, nobody is warned. */
enum { COMPARISONS_MAX = 4 << 20 };

struct lookup {
    struct config_load *load;
    char unknown[QUOTE_TEXT]; /* the name that no connection has, quoted */
};

int connection_index(const struct config_load *load, const char *name)
{
    char label[SECTION_LABEL];
    int len = snprintf(label, sizeof label, "connection %s", name);
    if (len < 0 || (size_t)len >= sizeof label)
        return -1;
    const struct config_section *section = config_source_find(&load->source, label);
    return section != NULL && section->kind == SECTION_CONNECTION ? (int)section->index : -1;
}

static int look_up(void *arg, const char *name)
{
    struct lookup *lookup = arg;
    int index = connection_index(lookup->load, name);
    if (index < 0)
        quote(name, lookup->unknown);
    return index;
}

static void refuse_unknown(struct config_load *load, const struct config_item *item, const char *unknown)
{
    char known[512] = "";
    size_t used = 0;
    for (size_t i = 0; i < load->config->connection_count && used + CONNECTION_NAME_MAX + 8 < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "",
                                 load->config->connections[i].name);
    config_error(load->errors, item->line, "%s: there is no connection '%s': %s%s", item->key->name, unknown,
                 used > 0 ? "write one of " : "add a section [connection NAME]", known);
}

static bool one_or_all(struct port_range port)
{
    return port.first == port.last || (port.first == 0 && port.last == 65535);
}

/* The identities of quick mode have one port, and 0 for all (RFC 2407 4.6.2). */
static bool can_be_negotiated(struct config_load *load, const struct config_item *item, size_t first)
{
    const struct spd *spd = &load->config->spd;
    for (size_t i = first; i < spd->count; i++) {
        const struct rule *rule = &spd->rules[i];
        if (rule->action != ACTION_PROTECT ||
            (one_or_all(rule->selector.local_port) && one_or_all(rule->selector.remote_port)))
            continue;
        config_error(load->errors, item->line,
                     "%s: a range of ports cannot be negotiated, since IKEv1 carries one port or all: write one rule "
                     "a port, or leave the port out",
                     item->key->name);
        return false;
    }
    return true;
}

bool apply_rule(struct config_load *load, const struct config_item *item)
{
    char why[512] = "";
    struct lookup lookup = {.load = load};
    const char *word = item->key->name;
    enum action action = strcmp(word, "protect") == 0 || strcmp(word, "permit") == 0 ? ACTION_PROTECT
                         : strcmp(word, "discard") == 0                              ? ACTION_DISCARD
                                                                                     : ACTION_BYPASS;
    size_t first = load->config->spd.count;
    enum status status = spd_add(&load->config->spd, action, item->text, item->line, look_up, &lookup, why, sizeof why);
    if (status == OK)
        return can_be_negotiated(load, item, first);
    if (lookup.unknown[0] != '\0')
        refuse_unknown(load, item, lookup.unknown);
    else
        config_error(load->errors, item->line, "%s: %s", word, why[0] != '\0' ? why : status_text(status));
    return false;
}

/* A packet that the rule takes: what takes all its packets takes this one. */
static struct flow first_packet(const struct selector *s)
{
    return (struct flow){
        .source = s->local.first,
        .destination = s->remote.first,
        .protocol = s->protocol,
        .has_ports = true,
        .source_port = s->local_port.first,
        .destination_port = s->remote_port.first,
    };
}

/*
 * The first rule above rules[at] that takes all its packets; NULL when none does. Most often the first that takes one
 * packet of it tells: itself, and there is none; or one that takes all. Only else those below are looked at.
 */
static const struct rule *find_cover(const struct spd *spd, size_t at, size_t *comparisons)
{
    const struct flow packet = first_packet(&spd->rules[at].selector);
    const int first = spd_lookup(spd, &packet);
    for (size_t i = first >= 0 ? (size_t)first : at; i < at && *comparisons < COMPARISONS_MAX; i++, ++*comparisons)
        if (spd->rules[i].number != spd->rules[at].number &&
            selector_contains(&spd->rules[i].selector, &spd->rules[at].selector))
            return &spd->rules[i];
    return NULL;
}

/* A rule with `any` has an entry for each family; it is dead when all its entries are. */
static void review_covered(struct config_load *load)
{
    const struct spd *spd = &load->config->spd;
    size_t comparisons = 0;
    for (size_t at = 0, next; at < spd->count; at = next) {
        const struct rule *cover = find_cover(spd, at, &comparisons);
        for (next = at + 1; next < spd->count && spd->rules[next].number == spd->rules[at].number; next++) {
            if (cover != NULL)
                cover = find_cover(spd, next, &comparisons);
        }
        if (cover != NULL)
            config_warning(load->errors, spd->rules[at].line,
                           "this rule never matches, since the one in line %u takes all its packets: move it above "
                           "that one, or remove it",
                           cover->line);
    }
}

/* A rule that is missing for an error makes no connection unused. */
static bool rules_have_errors(const struct config_load *load)
{
    const struct config_source *source = &load->source;
    if (config_source_find(source, "acl") == NULL)
        return load->errors->errors > 0; /* perhaps its name is misspelt */
    for (size_t i = 0; i < load->errors->count; i++) {
        const struct config_message *message = &load->errors->items[i];
        const struct config_section *holder = NULL;
        for (size_t k = 0; k < source->section_count && source->sections[k].line <= message->line; k++)
            holder = &source->sections[k];
        if (!message->warning && holder != NULL && holder->kind == SECTION_ACL)
            return true;
    }
    return false;
}

static void review_unused(struct config_load *load)
{
    const struct config *config = load->config;
    bool *used = calloc(config->connection_count + 1, sizeof *used);
    if (used == NULL)
        return;
    for (size_t i = 0; i < config->spd.count; i++) {
        if (config->spd.rules[i].action == ACTION_PROTECT)
            used[config->spd.rules[i].connection] = true;
    }
    for (size_t i = 0; i < load->source.section_count; i++) {
        const struct config_section *section = &load->source.sections[i];
        if (section->kind == SECTION_CONNECTION && !section->skip && !used[section->index])
            config_warning(load->errors, section->line,
                           "nothing uses connection %s: add protect = LOCAL -> REMOTE via %s to [acl]", section->name,
                           section->name);
    }
    free(used);
}

void acl_review(struct config_load *load)
{
    review_covered(load);
    if (!rules_have_errors(load))
        review_unused(load);
}
