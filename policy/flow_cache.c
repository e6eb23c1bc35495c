/* SPDX-License-Identifier: Apache-2.0 */
/* Packet path: no allocation, no log. */
#include "policy/flow_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/wire.h"
#include "policy/spd_index.h"

enum { SEEDS = 11 }; /* two a word of the key, and one */

struct key {
    uint64_t from_high, from_low, to_high, to_low;
    uint64_t rest; /* ports, protocol, families */
};

/* One cache line. */
struct known {
    struct key key;
    uint64_t epoch; /* 0: empty */
    int32_t rule;   /* or SPD_RULE_NONE */
    uint8_t rest[12];
};

_Static_assert(sizeof(struct known) == 64, "one cache line");

struct flow_cache {
    uint64_t seed[SEEDS];
    uint64_t generation; /* of the index that the answers of this epoch are from */
    uint64_t epoch;
    struct flow_cache_counts counts;
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
    return (struct key){
        .from_high = word_at(f->source.bytes),
        .from_low = word_at(f->source.bytes + 8),
        .to_high = word_at(f->destination.bytes),
        .to_low = word_at(f->destination.bytes + 8),
        .rest = ports | (uint64_t)f->protocol << 32 | (uint64_t)f->has_ports << 40 | (uint64_t)f->source.family << 48 |
                (uint64_t)f->destination.family << 56,
    };
}

static uint64_t mix(const uint64_t seed[2], uint64_t word)
{
    return (seed[0] + (uint32_t)(word >> 32)) * (seed[1] + (uint32_t)word);
}

/* Multilinear, as in policy/spd_index.c. */
static uint32_t hash_key(const uint64_t seed[SEEDS], const struct key *k)
{
    const uint64_t sum = seed[10] + mix(seed, k->from_high) + mix(seed + 2, k->from_low) + mix(seed + 4, k->to_high) +
                         mix(seed + 6, k->to_low) + mix(seed + 8, k->rest);
    return (uint32_t)(sum >> 32);
}

static bool key_equal(const struct key *a, const struct key *b)
{
    return a->from_high == b->from_high && a->to_high == b->to_high && a->rest == b->rest &&
           a->from_low == b->from_low && a->to_low == b->to_low;
}

/* A new epoch forgets everything. */
static void follow(struct flow_cache *cache, uint64_t generation)
{
    if (cache->epoch != 0 && cache->generation == generation)
        return;
    cache->generation = generation;
    cache->epoch++;
}

int flow_cache_lookup(struct flow_cache *cache, const struct spd *spd, const struct flow *flow)
{
    if (spd->index == NULL || (flow->is_fragment && !flow->has_ports))
        return spd_lookup(spd, flow);
    follow(cache, spd_index_generation(spd->index));
    const struct key key = key_of(flow);
    struct known *set = &cache->sets[hash_key(cache->seed, &key) % FLOW_CACHE_SETS * FLOW_CACHE_WAYS];
    for (size_t i = 0; i < FLOW_CACHE_WAYS; i++)
        if (set[i].epoch == cache->epoch && key_equal(&set[i].key, &key)) {
            cache->counts.hits++;
            return set[i].rule;
        }
    cache->counts.misses++;
    const int rule = spd_lookup(spd, flow);
    memmove(&set[1], &set[0], (FLOW_CACHE_WAYS - 1) * sizeof *set);
    set[0] = (struct known){.key = key, .epoch = cache->epoch, .rule = rule};
    return rule;
}

struct flow_cache_counts flow_cache_counts(const struct flow_cache *cache)
{
    return cache->counts;
}
