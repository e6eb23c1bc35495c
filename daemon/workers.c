/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/workers.h"

#include <stdlib.h>

#include "esp/sad.h"

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* By address or name; alike: the one that stands first comes first. */
static int by_remote(const void *a, const void *b)
{
    const struct connection *const *left = a, *const *right = b;
    int order = connection_compare_remote(*left, *right);
    return order != 0 ? order : (*left > *right) - (*left < *right);
}

enum status workers_rank(const struct connection *connections, size_t count, uint32_t *ranks, size_t *peers)
{
    const struct connection **sorted = calloc(count + 1, sizeof(struct connection *));
    if (sorted == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++)
        sorted[i] = &connections[i];
    qsort(sorted, count, sizeof(struct connection *), by_remote);
    /* First, of each connection the place of the first one with its address; then these are counted. */
    for (size_t i = 0, first = 0; i < count; i++) {
        if (connection_compare_remote(sorted[i], sorted[first]) != 0)
            first = i;
        ranks[sorted[i] - connections] = (uint32_t)(sorted[first] - connections);
    }
    free(sorted);
    *peers = 0;
    for (size_t i = 0; i < count; i++) {
        bool is_first = ranks[i] == i;
        ranks[i] = is_first ? (uint32_t)*peers : ranks[ranks[i]];
        *peers += is_first && !connection_is_any(&connections[i]);
    }
    return OK;
}

size_t workers_wanted(size_t configured, size_t peers, bool any, size_t processors)
{
    if (configured != 0)
        return least(configured, SHARDS_MAX);
    size_t wanted = least(least(processors, any ? SHARDS_MAX : peers), SHARDS_MAX);
    return wanted > 0 ? wanted : 1;
}

size_t workers_pick(const uint32_t *rank, const struct address *peer, size_t workers)
{
    size_t sum = 0;
    if (rank != NULL)
        return *rank % workers;
    for (size_t i = 0; i < sizeof peer->bytes; i++)
        sum = sum * 31 + peer->bytes[i];
    return sum % workers;
}
