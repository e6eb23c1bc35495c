/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SPD made ready for the packet path: which rule is the first to match, at a cost that follows from how many kinds
 * of rules there are (lengths of prefixes, protocol or not, ports or not), not from how many rules. Never changes once
 * it is made, so threads may share it: a look-up writes nothing.
 */
#ifndef POLICY_SPD_INDEX_H
#define POLICY_SPD_INDEX_H

#include "crypto/random.h"
#include "policy/spd.h"

struct spd_index;

/* ERR_MEMORY, or what random says: its hash is seeded, so that nobody outside can aim for a bucket. */
MUST_USE enum status spd_index_new(const struct spd *spd, const struct random *random, struct spd_index **out);
void spd_index_free(struct spd_index *index); /* NULL is fine */

/* What spd_walk says. spd: the one that the index was made of, unchanged. */
int spd_index_lookup(const struct spd_index *index, const struct spd *spd, const struct flow *flow);

/* As spd_find_protect and spd_first_protect. */
int spd_index_find_protect(const struct spd_index *index, const struct spd *spd, uint32_t connection,
                           const struct selector *proposed);
int spd_index_first_protect(const struct spd_index *index, uint8_t family);

/* Random, so that two indexes never share it: whoever keeps answers knows by it whether they still hold. */
uint64_t spd_index_generation(const struct spd_index *index);

#endif
