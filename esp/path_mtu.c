/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/path_mtu.h"

#include <stdlib.h>

#include "base/deadline.h"
#include "base/table.h"
#include "policy/ip.h"

struct entry {
    struct deadline aging;   /* first: a deadline is its entry; armed while there is a claim */
    struct address peer;     /* the key: only peers of authenticated SAs get here */
    uint32_t route, claimed; /* 0: not known, none */
    UT_hash_handle hh;
};

struct path_mtus {
    struct entry *table;
    struct deadlines aging;
};

enum status path_mtus_new(struct path_mtus **out)
{
    *out = calloc(1, sizeof **out);
    return *out == NULL ? ERR_MEMORY : OK;
}

static void entry_drop(struct path_mtus *mtus, struct entry *entry)
{
    deadline_clear(&mtus->aging, &entry->aging);
    HASH_DELETE(hh, mtus->table, entry);
    free(entry);
}

void path_mtus_free(struct path_mtus *mtus)
{
    struct entry *entry, *next;
    if (mtus == NULL)
        return;
    HASH_ITER(hh, mtus->table, entry, next)
    {
        entry_drop(mtus, entry);
    }
    free(mtus);
}

static struct entry *find(const struct path_mtus *mtus, const struct address *peer)
{
    struct entry *entry = NULL;
    HASH_FIND(hh, mtus->table, peer, sizeof *peer, entry);
    return entry;
}

/* NULL without memory: the defaults then hold. */
static struct entry *find_or_make(struct path_mtus *mtus, const struct address *peer)
{
    struct entry *entry = find(mtus, peer);
    if (entry != NULL || (entry = calloc(1, sizeof *entry)) == NULL)
        return entry;
    entry->peer = *peer;
    HASH_ADD(hh, mtus->table, peer, sizeof entry->peer, entry);
    if (entry->hh.tbl == NULL) { /* how uthash says "no memory" */
        free(entry);
        return NULL;
    }
    return entry;
}

static uint32_t effective(const struct entry *entry)
{
    uint32_t route = entry->route == 0 ? MTU_DEFAULT : entry->route;
    return entry->claimed != 0 && entry->claimed < route ? entry->claimed : route;
}

uint32_t path_mtus_set_route(struct path_mtus *mtus, const struct address *peer, uint32_t route_mtu)
{
    struct entry *entry = find_or_make(mtus, peer);
    if (entry == NULL)
        return MTU_DEFAULT;
    entry->route = route_mtu > IP_PACKET_MAX ? IP_PACKET_MAX : route_mtu;
    return effective(entry);
}

static uint32_t floor_of(const struct address *peer)
{
    return peer->family == 4 ? IPV4_MTU_MIN : IPV6_MTU_MIN;
}

bool path_mtus_claim(struct path_mtus *mtus, const struct address *peer, uint32_t claimed, uint64_t now_ms)
{
    struct entry *entry = claimed < floor_of(peer) ? NULL : find_or_make(mtus, peer);
    if (entry == NULL || claimed > effective(entry))
        return false;
    bool lower = claimed < effective(entry);
    if (!lower && entry->claimed == 0)
        return false; /* it says what the route says */
    entry->claimed = claimed;
    deadline_set(&mtus->aging, &entry->aging, now_ms + PATH_MTU_LIFE_MS);
    return lower;
}

uint32_t path_mtus_route(const struct path_mtus *mtus, const struct address *peer)
{
    const struct entry *entry = find(mtus, peer);
    return entry == NULL || entry->route == 0 ? (uint32_t)MTU_DEFAULT : entry->route;
}

/* RFC 1191 7.1: MTUs that are in use, each for the range up to the next. */
static uint32_t plateau_below(uint32_t size)
{
    static const uint16_t plateaus[] = {65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296};
    for (size_t i = 0; i < sizeof plateaus / sizeof *plateaus; i++)
        if (plateaus[i] < size)
            return plateaus[i];
    return 68;
}

bool path_mtus_refused(struct path_mtus *mtus, const struct address *peer, uint32_t outer_size, uint64_t now_ms)
{
    uint32_t floor = floor_of(peer), plateau = plateau_below(outer_size), counts = path_mtus_get(mtus, peer);
    /* What is larger than what counts was sent before we knew. */
    if (outer_size > counts || outer_size <= floor)
        return false;
    return path_mtus_claim(mtus, peer, plateau < floor ? floor : plateau, now_ms);
}

uint32_t path_mtus_get(const struct path_mtus *mtus, const struct address *peer)
{
    const struct entry *entry = find(mtus, peer);
    return entry == NULL ? MTU_DEFAULT : effective(entry);
}

bool path_mtus_take_aged(struct path_mtus *mtus, uint64_t now_ms, struct address *peer)
{
    struct entry *entry = (struct entry *)(void *)deadline_take_due(&mtus->aging, now_ms);
    if (entry == NULL)
        return false;
    entry->claimed = 0;
    *peer = entry->peer;
    return true;
}

uint64_t path_mtus_next(const struct path_mtus *mtus)
{
    return deadline_next(&mtus->aging);
}

void path_mtus_forget(struct path_mtus *mtus, const struct address *peer)
{
    struct entry *entry = find(mtus, peer);
    if (entry != NULL)
        entry_drop(mtus, entry);
}
