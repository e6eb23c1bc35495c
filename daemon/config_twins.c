/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that a peer who calls cannot be told apart by. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/config_apply.h"
#include "daemon/config_errors.h"

static bool psks_differ(const struct connection *a, const struct connection *b)
{
    return a->psk.len != b->psk.len || !equal_constant_time(a->psk.data, b->psk.data, a->psk.len);
}

static int compare_identities(const struct identity *a, const struct identity *b)
{
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    bool name = a->type == ID_FQDN || a->type == ID_USER_FQDN; /* without regard to case */
    return name ? strncasecmp((const char *)a->data, (const char *)b->data, a->len) : memcmp(a->data, b->data, a->len);
}

/* Main mode knows its peer by the addresses alone (RFC 2409 5.4), aggressive mode by its name too. 0: a peer that calls
 * cannot be told which of the two it means. */
static int compare_ends(const struct connection *a, const struct connection *b)
{
    int order = address_compare(&a->remote, &b->remote);
    if (order == 0)
        order = address_compare(&a->local, &b->local);
    if (order == 0)
        order = (int)a->mode - (int)b->mode;
    return order != 0 || a->mode == MODE_MAIN ? order : compare_identities(&a->remote_id, &b->remote_id);
}

/* Alike: the one that stands first in the file comes first. */
static int by_ends(const void *a, const void *b)
{
    const struct connection *const *left = a, *const *right = b;
    int order = compare_ends(*left, *right);
    return order != 0 ? order : (*left > *right) - (*left < *right);
}

/* Of two connections that cannot be told apart only the first can be called. */
static void review_twin(struct config_load *load, unsigned line, const struct connection *first,
                        const struct connection *c)
{
    if (psks_differ(first, c))
        config_error(load->errors, line,
                     "[connection %s] has the local and remote of [connection %s], but another psk: %s cannot tell "
                     "them apart; give both one psk, or another %s",
                     c->name, first->name,
                     c->mode == MODE_AGGRESSIVE ? "without another remote_id aggressive mode" : "main mode",
                     c->mode == MODE_AGGRESSIVE ? "remote_id" : "local");
    else
        config_warning(load->errors, line,
                       "[connection %s] has the local and remote of [connection %s]: when the peer calls, only %s "
                       "answers; put all rules for this peer into one connection",
                       c->name, first->name, first->name);
}

/* first[i]: the first connection that cannot be told apart from number i; most often that one itself. sorted: room. */
static void find_twins(const struct config *config, const struct connection **sorted, const struct connection **first)
{
    const struct connection *all = config->connections;
    for (size_t i = 0; i < config->connection_count; i++)
        sorted[i] = &all[i];
    qsort(sorted, config->connection_count, sizeof(struct connection *), by_ends);
    for (size_t i = 0, group = 0; i < config->connection_count; i++) {
        if (compare_ends(sorted[i], sorted[group]) != 0)
            group = i;
        first[sorted[i] - all] = sorted[group];
    }
}

/* In the order of the file. */
static void tell_twins(struct config_load *load, const struct connection *const *first)
{
    const struct connection *all = load->config->connections;
    for (size_t i = 0; i < load->source.section_count; i++) {
        const struct config_section *section = &load->source.sections[i];
        if (section->kind == SECTION_CONNECTION && !section->skip && first[section->index] != &all[section->index])
            review_twin(load, section->line, first[section->index], &all[section->index]);
    }
}

enum status twins_review(struct config_load *load)
{
    const size_t room = load->config->connection_count + 1;
    const struct connection **sorted = calloc(room, sizeof(struct connection *));
    const struct connection **first = calloc(room, sizeof(struct connection *));
    const bool enough = sorted != NULL && first != NULL;
    if (enough) {
        find_twins(load->config, sorted, first);
        tell_twins(load, first);
    }
    free(sorted);
    free(first);
    return enough ? OK : ERR_MEMORY;
}
