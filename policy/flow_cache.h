/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answers of spd_lookup for the flows that were seen last. It belongs to one thread, has a fixed size, and
 * allocates nothing once it is there. Answers are exact: the key is all that a rule can see of a packet.
 */
#ifndef POLICY_FLOW_CACHE_H
#define POLICY_FLOW_CACHE_H

#include "crypto/random.h"
#include "policy/spd.h"

enum {
    FLOW_CACHE_SETS = 2048,
    FLOW_CACHE_WAYS = 2, /* of a set the flow that came first makes room */
};

struct flow_cache;

/* ERR_MEMORY, or what random says: its hash is seeded, so that nobody outside can aim for a set. */
MUST_USE enum status flow_cache_new(const struct random *random, struct flow_cache **out);
void flow_cache_free(struct flow_cache *cache); /* NULL is fine */

/*
 * What spd_lookup says. Answers of another SPD, or of one that was compiled anew, are never given. Not kept are those
 * of an SPD that is not compiled, and of fragments whose ports are not known: a flood of them pushes nobody out.
 */
int flow_cache_lookup(struct flow_cache *cache, const struct spd *spd, const struct flow *flow);

/* Is the answer kept? For tests: nothing is counted while packets pass. */
bool flow_cache_has(const struct flow_cache *cache, const struct spd *spd, const struct flow *flow);

#endif
