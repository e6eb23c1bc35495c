/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Virtual addresses of one range, leased by name: who comes back gets the address that it had, as long as nobody else
 * needed it. What is held is bounded by POOL_LEASES_MAX, however large the range is.
 */
#ifndef POLICY_POOL_H
#define POLICY_POOL_H

#include "crypto/hash.h"
#include "policy/address.h"
#include "policy/identity.h"

enum { POOL_LEASES_MAX = 65536 };

struct pool;

/* seed: for the table of names. The first and last address of an IPv4 prefix up to /30, and the first of an IPv6 prefix
 * up to /126, are left out: routers and broadcasts have them. */
MUST_USE enum status pool_new(const struct address_range *range, const uint8_t seed[HASH_SEED], struct pool **out);
void pool_free(struct pool *pool); /* harmless with NULL */

/* The address of this name, also when it has one already. ERR_LIMIT: all are in use. ERR_MEMORY. */
MUST_USE enum status pool_take(struct pool *pool, const struct identity *who, struct address *out);

/* Others may get it now; until then it waits for this name. Unknown names are ignored. */
void pool_give_back(struct pool *pool, const struct identity *who);

size_t pool_used(const struct pool *pool);
size_t pool_size(const struct pool *pool); /* how many can be in use at once */

#endif
