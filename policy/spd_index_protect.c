/* SPDX-License-Identifier: Apache-2.0 */
/* What IKE asks: the protect rules of a connection, the one that is equal to a selector. */
#include <stdlib.h>

#include "policy/spd_index_state.h"

static const struct rule *rule_of(const struct spd *spd, uint32_t index)
{
    return &spd->rules[index];
}

static uint32_t hash_selector(const uint64_t seed[HASH_SEEDS(PROTECT_WORDS)], uint32_t connection,
                              const struct selector *s)
{
    const struct bits local[] = {index_bits(&s->local.first), index_bits(&s->local.last)};
    const struct bits remote[] = {index_bits(&s->remote.first), index_bits(&s->remote.last)};
    const uint64_t words[PROTECT_WORDS] = {
        local[0].high,
        local[0].low,
        local[1].high,
        local[1].low,
        remote[0].high,
        remote[0].low,
        remote[1].high,
        remote[1].low,
        (uint64_t)connection << 32 | s->protocol,
        (uint64_t)s->local_port.first << 48 | (uint64_t)s->local_port.last << 32 |
            (uint64_t)s->remote_port.first << 16 | s->remote_port.last,
    };
    return hash_words(seed, words, PROTECT_WORDS);
}

/* The place of the first rule that is equal, or the empty one where it would be. */
static uint32_t *find_equal(const struct protect_index *p, const struct spd *spd, uint32_t connection,
                            const struct selector *s)
{
    uint32_t at = hash_place(hash_selector(p->seed, connection, s), p->equal_size);
    while (p->equal[at] != INDEX_NO_RULE && (rule_of(spd, p->equal[at])->connection != connection ||
                                             !selector_equal(&rule_of(spd, p->equal[at])->selector, s)))
        at = at + 1 < p->equal_size ? at + 1 : 0;
    return &p->equal[at];
}

static void count_rules(struct protect_index *p, const struct spd *spd)
{
    for (int i = 0; i < 2; i++)
        p->first[i] = SPD_RULE_NONE;
    for (uint32_t i = 0; i < spd->count; i++) {
        const struct rule *rule = rule_of(spd, i);
        if (rule->action != ACTION_PROTECT)
            continue;
        int *first = &p->first[rule->selector.local.first.family == 6];
        *first = *first == SPD_RULE_NONE ? (int)i : *first;
        p->connections = rule->connection >= p->connections ? rule->connection + 1 : p->connections;
        p->count++;
    }
}

static bool make_room(struct protect_index *p)
{
    p->equal_size = p->count * 2 + 1;
    p->equal = malloc(p->equal_size * sizeof *p->equal);
    p->rules = calloc((size_t)p->count + 1, sizeof *p->rules);
    p->starts = calloc((size_t)p->connections + 2, sizeof *p->starts);
    for (uint32_t i = 0; p->equal != NULL && i < p->equal_size; i++)
        p->equal[i] = INDEX_NO_RULE;
    return p->equal != NULL && p->rules != NULL && p->starts != NULL;
}

/* A counting sort: starts[c] is where the rules of connection c begin, in their order. */
static void sort_rules(struct protect_index *p, const struct spd *spd)
{
    uint32_t *ends = p->starts + 1; /* counted one further, so that filling moves each to the start of the next */
    for (uint32_t i = 0; i < spd->count; i++)
        if (rule_of(spd, i)->action == ACTION_PROTECT && rule_of(spd, i)->connection + 1 < p->connections)
            ends[rule_of(spd, i)->connection + 1]++;
    for (uint32_t c = 0; c < p->connections; c++)
        ends[c] += p->starts[c];
    for (uint32_t i = 0; i < spd->count; i++)
        if (rule_of(spd, i)->action == ACTION_PROTECT)
            p->rules[ends[rule_of(spd, i)->connection]++] = i;
}

enum status protect_index_make(struct protect_index *p, const struct spd *spd, const struct random *random)
{
    count_rules(p, spd);
    if (!make_room(p))
        return ERR_MEMORY;
    sort_rules(p, spd);
    enum status status = random_fill(random, p->seed, sizeof p->seed);
    for (uint32_t i = 0; i < spd->count && status == OK; i++) {
        const struct rule *rule = rule_of(spd, i);
        uint32_t *place = rule->action == ACTION_PROTECT ? find_equal(p, spd, rule->connection, &rule->selector) : NULL;
        if (place != NULL && *place == INDEX_NO_RULE)
            *place = i;
    }
    return status;
}

void protect_index_free(struct protect_index *p)
{
    free(p->equal);
    free(p->rules);
    free(p->starts);
}

int spd_index_find_protect(const struct spd_index *index, const struct spd *spd, uint32_t connection,
                           const struct selector *proposed)
{
    const struct protect_index *p = &index->protect;
    if (connection >= p->connections)
        return SPD_RULE_NONE;
    const uint32_t equal = *find_equal(p, spd, connection, proposed);
    if (equal != INDEX_NO_RULE)
        return (int)equal;
    for (uint32_t i = p->starts[connection]; i < p->starts[connection + 1]; i++)
        if (selector_contains(&rule_of(spd, p->rules[i])->selector, proposed))
            return (int)p->rules[i];
    return SPD_RULE_NONE;
}

int spd_index_first_protect(const struct spd_index *index, uint8_t family)
{
    return family == 4 || family == 6 ? index->protect.first[family == 6] : SPD_RULE_NONE;
}
