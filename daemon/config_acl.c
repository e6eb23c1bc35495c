/* SPDX-License-Identifier: Apache-2.0 */
/* The [acl] section: rules in the order of the file. */
#include <stdlib.h>
#include <string.h>

#include "daemon/config_apply.h"
#include "daemon/config_errors.h"

/* Comparing every rule with those above it is quadratic: further down nobody is warned. */
enum { REVIEW_RULES_MAX = 4096 };

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

bool apply_rule(struct config_load *load, const struct config_item *item)
{
    char why[512] = "";
    struct lookup lookup = {.load = load};
    const char *word = item->key->name;
    enum action action = strcmp(word, "protect") == 0 || strcmp(word, "permit") == 0 ? ACTION_PROTECT
                         : strcmp(word, "discard") == 0                              ? ACTION_DISCARD
                                                                                     : ACTION_BYPASS;
    enum status status = spd_add(&load->config->spd, action, item->text, item->line, look_up, &lookup, why, sizeof why);
    if (status == OK)
        return true;
    if (lookup.unknown[0] != '\0')
        refuse_unknown(load, item, lookup.unknown);
    else
        config_error(load->errors, item->line, "%s: %s", word, why[0] != '\0' ? why : status_text(status));
    return false;
}

/* The first rule above rules[at] that takes all its packets; NULL when none does. */
static const struct rule *find_cover(const struct spd *spd, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (spd->rules[i].number != spd->rules[at].number &&
            selector_contains(&spd->rules[i].selector, &spd->rules[at].selector))
            return &spd->rules[i];
    }
    return NULL;
}

/* A rule with `any` has an entry for each family; it is dead when all its entries are. */
static void review_covered(struct config_load *load)
{
    const struct spd *spd = &load->config->spd;
    for (size_t at = 0, next; at < spd->count && at < REVIEW_RULES_MAX; at = next) {
        const struct rule *cover = find_cover(spd, at);
        for (next = at + 1; next < spd->count && spd->rules[next].number == spd->rules[at].number; next++) {
            if (cover != NULL)
                cover = find_cover(spd, next);
        }
        if (cover != NULL)
            config_warning(load->errors, spd->rules[at].line,
                           "this rule never matches, since the one in line %u takes all its packets: move it above "
                           "that one, or remove it",
                           cover->line);
    }
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
    review_unused(load);
}
