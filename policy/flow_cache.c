/* SPDX-License-Identifier: Apache-2.0 */
/* Packet path: no allocation, no log. */
#include "policy/flow_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/wire.h"
#include "policy/spd_index.h"

enum { KEY_WORDS = 5 };

/* Source, destination; ports, protocol, families. */
struct key {
    uint64_t words[KEY_WORDS];
};

/* One cache line. */
struct known {
    struct key key;
    uint64_t epoch;   /* 0: empty */
    int32_t rule;     /* or SPD_RULE_NONE */
    uint8_t rest[12]; /* of the cache line */
};

_Static_assert(sizeof(struct known) == 64, "one cache line");

struct flow_cache {
    uint64_t seed[HASH_SEEDS(KEY_WORDS)];
    uint64_t generation; /* of the index that the answers of this epoch are from */
    uint64_t epoch;
    struct known *sets;
};

enum status flow_cache_new(const struct random *random, struct flow_cache **out)
{
    *out = NULL;
    const size_t size = FLOW_CACHE_SETS * FLOW_CACHE_WAYS * sizeof(struct known);
    struct flow_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL)
        return ERR_MEMORY;
    cache->sets = aligned_alloc(sizeof(struct known), size);
    enum status status = cache->sets != NULL ? random_fill(random, cache->seed, sizeof cache->seed) : ERR_MEMORY;
    if (status != OK) {
        flow_cache_free(cache);
        return status;
    }
    memset(cache->sets, 0, size);
    *out = cache;
    return OK;
}

void flow_cache_free(struct flow_cache *cache)
{
    if (cache == NULL)
        return;
    free(cache->sets);
    free(cache);
}

static uint64_t word_at(const uint8_t *bytes)
{
    uint64_t word; /* in the order of this machine: it is only compared */
    memcpy(&word, bytes, sizeof word);
    return word;
}

/* All that selector_matches and selector_may_match look at. */
static struct key key_of(const struct flow *f)
{
    const uint64_t ports = f->has_ports ? (uint64_t)f->source_port << 16 | f->destination_port : 0;
    const uint64_t others = ports | (uint64_t)f->protocol << 32 | (uint64_t)f->has_ports << 40 |
                            (uint64_t)f->source.family << 48 | (uint64_t)f->destination.family << 56;
    return (struct key){{word_at(f->source.bytes), word_at(f->source.bytes + 8), word_at(f->destination.bytes),
                         word_at(f->destination.bytes + 8), others}};
}

/* No early way out: for an answer that is there, all words are compared anyway. */
static bool key_equal(const struct key *a, const struct key *b)
{
    uint64_t differs = 0;
    for (size_t i = 0; i < KEY_WORDS; i++)
        differs |= a->words[i] ^ b->words[i];
    return differs == 0;
}

static bool is_current(const struct flow_cache *cache, uint64_t generation)
{
    return cache->epoch != 0 && cache->generation == generation;
}

/* A new epoch forgets everything. */
static void follow(struct flow_cache *cache, uint64_t generation)
{
    if (is_current(cache, generation))
        return;
    cache->generation = generation;
    cache->epoch++;
}

static struct known *set_of(const struct flow_cache *cache, const struct key *key)
{
    const uint32_t hash = hash_words(cache->seed, key->words, KEY_WORDS);
    return &cache->sets[hash % FLOW_CACHE_SETS * FLOW_CACHE_WAYS];
}

static const struct known *find(const struct flow_cache *cache, const struct known *set, const struct key *key)
{
    for (size_t i = 0; i < FLOW_CACHE_WAYS; i++)
        if (set[i].epoch == cache->epoch && key_equal(&set[i].key, key))
            return &set[i];
    return NULL;
}

/* Else it is not asked. */
static bool keeps(const struct spd *spd, const struct flow *flow)
{
    return spd->index != NULL && (!flow->is_fragment || flow->has_ports);
}

int flow_cache_lookup(struct flow_cache *cache, const struct spd *spd, const struct flow *flow)
{
    if (!keeps(spd, flow))
        return spd_lookup(spd, flow);
    follow(cache, spd_index_generation(spd->index));
    const struct key key = key_of(flow);
    struct known *set = set_of(cache, &key);
    const struct known *known = find(cache, set, &key);
    if (known != NULL)
        return known->rule;
    const int rule = spd_lookup(spd, flow);
    memmove(&set[1], &set[0], (FLOW_CACHE_WAYS - 1) * sizeof *set);
    set[0] = (struct known){.key = key, .epoch = cache->epoch, .rule = rule};
    return rule;
}

bool flow_cache_has(const struct flow_cache *cache, const struct spd *spd, const struct flow *flow)
{
    const struct key key = key_of(flow);
    return keeps(spd, flow) && is_current(cache, spd_index_generation(spd->index)) &&
           find(cache, set_of(cache, &key), &key) != NULL;
}
