/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/table.h"

struct lease {
    UT_hash_handle by_name;
    struct address address;
    bool used;
    struct lease *prev, *next; /* while it is not used: in pool->idle, the oldest first */
    uint8_t type;
    uint16_t len;
    uint8_t name[];
};

struct pool {
    struct address first;
    size_t size;  /* addresses that may be leased, at most POOL_LEASES_MAX */
    size_t fresh; /* how many have ever been leased; those behind have no lease */
    size_t used;
    struct lease *leases; /* table; owned */
    struct lease *idle;
    uint8_t seed[HASH_SEED];
};

/* last - first, cut at POOL_LEASES_MAX. */
static size_t distance(const struct address *first, const struct address *last)
{
    size_t len = address_len(first), n = 0;
    int borrow = 0;
    uint8_t diff[16];
    for (size_t i = len; i-- > 0;) {
        int d = last->bytes[i] - first->bytes[i] - borrow;
        borrow = d < 0;
        diff[i] = (uint8_t)d;
    }
    for (size_t i = 0; i < len; i++) {
        n = n << 8 | diff[i];
        if (n >= POOL_LEASES_MAX)
            return POOL_LEASES_MAX;
    }
    return n;
}

static struct address step(const struct address *first, size_t by)
{
    struct address a = *first;
    for (size_t i = address_len(first); i-- > 0 && by > 0; by >>= 8) {
        by += a.bytes[i];
        a.bytes[i] = (uint8_t)by;
    }
    return a;
}

enum status pool_new(const struct address_range *range, const uint8_t seed[HASH_SEED], struct pool **out)
{
    struct pool *pool = calloc(1, sizeof *pool);
    unsigned len = 0;
    *out = NULL;
    if (pool == NULL)
        return ERR_MEMORY;
    memcpy(pool->seed, seed, sizeof pool->seed);
    pool->first = range->first;
    pool->size = distance(&range->first, &range->last);
    bool is_prefix = range_is_prefix(range, &len);
    if (is_prefix && len + 2 <= address_len(&range->first) * 8) {
        pool->first = step(&range->first, 1); /* the last address ends the count anyway: only IPv4 leaves it out */
        pool->size -= range->first.family == 4 && pool->size < POOL_LEASES_MAX ? 2 : 1;
    }
    pool->size += pool->size < POOL_LEASES_MAX; /* both ends belong to the range */
    *out = pool;
    return OK;
}

void pool_free(struct pool *pool)
{
    struct lease *lease, *next;
    if (pool == NULL)
        return;
    HASH_ITER(by_name, pool->leases, lease, next)
    {
        HASH_DELETE(by_name, pool->leases, lease);
        free(lease);
    }
    free(pool);
}

/* uthash keeps 32 bits; equal ones are told apart by the name itself. */
static unsigned digest_of(const struct pool *pool, const struct identity *who)
{
    return (unsigned)(hash_short(pool->seed, who->data, who->len) ^ who->type);
}

static struct lease *find(const struct pool *pool, const struct identity *who)
{
    struct lease *lease = NULL;
    HASH_FIND_BYHASHVALUE(by_name, pool->leases, who->data, who->len, digest_of(pool, who), lease);
    return lease != NULL && lease->type == who->type ? lease : NULL;
}

/* An address that nobody has had, else that of the one who has been away for longest, whose lease then has to go. */
static bool find_address(const struct pool *pool, struct address *out, struct lease **replaced)
{
    *replaced = NULL;
    if (pool->fresh < pool->size) {
        *out = step(&pool->first, pool->fresh);
        return true;
    }
    if (pool->idle == NULL)
        return false;
    *replaced = pool->idle;
    *out = pool->idle->address;
    return true;
}

static void forget(struct pool *pool, struct lease *lease)
{
    DL_DELETE(pool->idle, lease);
    HASH_DELETE(by_name, pool->leases, lease);
    free(lease);
}

static enum status lease_new(struct pool *pool, const struct identity *who, struct lease **out)
{
    struct lease *lease = calloc(1, sizeof *lease + who->len);
    struct lease *taken = NULL, *replaced;
    if (lease == NULL)
        return ERR_MEMORY;
    lease->type = who->type;
    lease->len = who->len;
    memcpy(lease->name, who->data, who->len);
    HASH_FIND_BYHASHVALUE(by_name, pool->leases, who->data, who->len, digest_of(pool, who), taken);
    /* The same bytes as another kind of name: one of the two has to go without. */
    if (taken != NULL || !find_address(pool, &lease->address, &replaced)) {
        free(lease);
        return ERR_LIMIT;
    }
    HASH_ADD_KEYPTR_BYHASHVALUE(by_name, pool->leases, lease->name, lease->len, digest_of(pool, who), lease);
    if (lease->by_name.tbl == NULL) {
        free(lease);
        return ERR_MEMORY;
    }
    if (replaced != NULL) /* only now: without memory its address would be lost */
        forget(pool, replaced);
    else
        pool->fresh++;
    *out = lease;
    return OK;
}

enum status pool_take(struct pool *pool, const struct identity *who, struct address *out)
{
    struct lease *lease = find(pool, who);
    if (lease != NULL && !lease->used)
        DL_DELETE(pool->idle, lease);
    if (lease == NULL) {
        enum status status = lease_new(pool, who, &lease);
        if (status != OK)
            return status;
    }
    pool->used += !lease->used;
    lease->used = true;
    *out = lease->address;
    return OK;
}

void pool_give_back(struct pool *pool, const struct identity *who)
{
    struct lease *lease = find(pool, who);
    if (lease == NULL || !lease->used)
        return;
    lease->used = false;
    pool->used--;
    DL_APPEND(pool->idle, lease);
}

size_t pool_used(const struct pool *pool)
{
    return pool->used;
}

size_t pool_size(const struct pool *pool)
{
    return pool->size;
}
