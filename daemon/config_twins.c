/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that a peer who calls cannot be told apart by. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/config_apply.h"
#include "daemon/config_errors.h"
#include "ike/auth.h"

static bool psks_differ(const struct connection *a, const struct connection *b)
{
    return a->auth != AUTH_PUBKEY && !secret_equal(&a->psk, &b->psk);
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

/* What a first message shows: addresses, mode and method; in aggressive mode the name too (RFC 2409 5.4). 0: until the
 * peer has said its name, it cannot be told which of the two it means, so with a pre-shared key both must have one. */
static int compare_ends(const struct connection *a, const struct connection *b)
{
    int order = connection_compare_remote(a, b);
    if (order == 0)
        order = address_compare(&a->local, &b->local);
    if (order == 0)
        order = (int)a->mode - (int)b->mode;
    if (order == 0)
        order = (int)a->auth - (int)b->auth;
    if (order == 0) /* XAUTH is a method of its own there */
        order = (int)(a->access != NULL) - (int)(b->access != NULL);
    return order != 0 || a->mode == MODE_MAIN ? order : compare_identities(&a->remote_id, &b->remote_id);
}

/* Alike: the one that stands first in the file comes first. */
static int by_ends(const void *a, const void *b)
{
    const struct connection *const *left = a, *const *right = b;
    int order = compare_ends(*left, *right);
    return order != 0 ? order : (*left > *right) - (*left < *right);
}

/* The same with the name. 0: at most the kind of their keys tells the two apart. */
static int compare_names(const struct connection *a, const struct connection *b)
{
    int order = compare_ends(a, b);
    return order != 0 ? order : compare_identities(&a->remote_id, &b->remote_id);
}

/* And with that: RSA and the curves of ECDSA are methods of their own (RFC 4754 5). 0: nothing at all does. */
static int compare_methods(const struct connection *a, const struct connection *b)
{
    int order = compare_names(a, b);
    return order != 0 ? order : (int)auth_number(a) - (int)auth_number(b);
}

static int by_names(const void *a, const void *b)
{
    const struct connection *const *left = a, *const *right = b;
    int order = compare_names(*left, *right);
    return order != 0 ? order : (*left > *right) - (*left < *right);
}

static int by_methods(const void *a, const void *b)
{
    const struct connection *const *left = a, *const *right = b;
    int order = compare_methods(*left, *right);
    return order != 0 ? order : (*left > *right) - (*left < *right);
}

/* What the first ones are that a connection, each by its number, cannot be told apart from; most often it itself. */
struct twins {
    const struct connection **by_ends, **by_name, **by_method;
    const struct connection **by_psk; /* another one with that key; itself: there is none */
    const struct connection **sorted; /* room */
};

/* The first message says which kinds of keys the peer can, not which it has a certificate for, nor who it
 * is. */
static void warn_of_methods(struct config_load *load, unsigned line, const struct connection *first,
                            const struct connection *c)
{
    char one[AUTH_TEXT], other[AUTH_TEXT];
    config_warning(load->errors, line,
                   "[connection %s] is for the same peer as [connection %s], with another kind of key (%s, %s): when a "
                   "peer calls that offers both kinds, %s answers, whichever it has a certificate for; use keys of one "
                   "kind, or let the peer offer only the one",
                   c->name, first->name, auth_print(auth_number(c), one), auth_print(auth_number(first), other),
                   first->name);
}

static void review_twin(struct config_load *load, unsigned line, const struct twins *twins, const struct connection *c)
{
    const struct connection *all = load->config->connections;
    const struct connection *first = twins->by_ends[c - all], *same = twins->by_method[c - all];
    const struct connection *namesake = twins->by_name[c - all];
    if (c->remote_id.type == ID_NONE) { /* a connection without a name is never gone on to from another one */
        namesake = first;
        same = auth_number(first) == auth_number(c) ? first : same;
    }
    if (psks_differ(first, c))
        config_error(load->errors, line,
                     "[connection %s] has the local and remote of [connection %s], but another psk: %s cannot tell "
                     "them apart; give both one psk, or another %s",
                     c->name, first->name,
                     c->mode == MODE_AGGRESSIVE ? "without another remote_id aggressive mode" : "main mode",
                     c->mode == MODE_AGGRESSIVE ? "remote_id" : "local");
    else if (same != c)
        config_warning(
            load->errors, line,
            "[connection %s] has the local and remote of [connection %s]: when the peer calls, only %s "
            "answers; put all rules for this peer into one connection, or give each the remote_id of its own",
            c->name, same->name, same->name);
    else if (namesake != c)
        warn_of_methods(load, line, namesake, c);
}

typedef int sort_order(const void *a, const void *b);
typedef int comparison(const struct connection *a, const struct connection *b);

static void find_twins(const struct config *config, sort_order *sort_by, comparison *compare,
                       const struct connection **sorted, const struct connection **first)
{
    const struct connection *all = config->connections;
    for (size_t i = 0; i < config->connection_count; i++)
        sorted[i] = &all[i];
    qsort(sorted, config->connection_count, sizeof(struct connection *), sort_by);
    for (size_t i = 0, group = 0; i < config->connection_count; i++) {
        if (compare(sorted[i], sorted[group]) != 0)
            group = i;
        first[sorted[i] - all] = sorted[group];
    }
}

/* By the key itself: nobody waits outside to see how long that takes. 0: one key opens both. */
static int compare_psks(const struct connection *a, const struct connection *b)
{
    if (a->auth != b->auth || a->psk.len != b->psk.len)
        return a->auth != b->auth ? (int)a->auth - (int)b->auth : a->psk.len < b->psk.len ? -1 : 1;
    return a->psk.len > 0 ? memcmp(a->psk.data, b->psk.data, a->psk.len) : 0;
}

static int by_psks(const void *a, const void *b)
{
    const struct connection *const *left = a, *const *right = b;
    int order = compare_psks(*left, *right);
    return order != 0 ? order : (*left > *right) - (*left < *right);
}

/* Others have the key of the first one too: the second says so. */
static void name_the_second(const struct config *config, const struct connection **sorted,
                            const struct connection **other)
{
    for (size_t i = 1; i < config->connection_count; i++)
        if (other[sorted[i] - config->connections] == sorted[i - 1])
            other[sorted[i - 1] - config->connections] = sorted[i];
}

/* Who has the key and a say in the DNS could pass for a peer whose name is all that tells it from others. */
static void review_named(struct config_load *load, unsigned line, const struct connection *c,
                         const struct connection *other)
{
    if (c->remote_name != NULL && c->auth == AUTH_PSK && c->remote_id.type == ID_NONE && other != c)
        config_warning(load->errors, line,
                       "[connection %s] has the psk of [connection %s], and nothing but a name server tells which of "
                       "the two is at %s: write remote_id, which the peer has to send, or give each its own psk",
                       c->name, other->name, c->remote_name);
}

/* In the order of the file. */
static void tell_twins(struct config_load *load, const struct twins *twins)
{
    for (size_t i = 0; i < load->source.section_count; i++) {
        const struct config_section *section = &load->source.sections[i];
        if (section->kind != SECTION_CONNECTION || section->skip)
            continue;
        review_twin(load, section->line, twins, &load->config->connections[section->index]);
        review_named(load, section->line, &load->config->connections[section->index], twins->by_psk[section->index]);
    }
}

enum status twins_review(struct config_load *load)
{
    const size_t count = load->config->connection_count;
    const struct connection **room = calloc(5 * count + 1, sizeof(struct connection *));
    if (room == NULL)
        return ERR_MEMORY;
    const struct twins twins = {.by_ends = room,
                                .by_name = room + count,
                                .by_method = room + 2 * count,
                                .by_psk = room + 3 * count,
                                .sorted = room + 4 * count};
    find_twins(load->config, by_ends, compare_ends, twins.sorted, twins.by_ends);
    find_twins(load->config, by_names, compare_names, twins.sorted, twins.by_name);
    find_twins(load->config, by_methods, compare_methods, twins.sorted, twins.by_method);
    find_twins(load->config, by_psks, compare_psks, twins.sorted, twins.by_psk);
    name_the_second(load->config, twins.sorted, twins.by_psk);
    tell_twins(load, &twins);
    free(room);
    return OK;
}
