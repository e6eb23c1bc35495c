/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One message that comes in fragments, collected in whatever order they arrive, within bounds. Which message a fragment
 * belongs to, and what a fragment looks like, is the matter of a version of IKE.
 */
#ifndef IKE_FRAGMENT_H
#define IKE_FRAGMENT_H

#include <stdbool.h>

#include "base/wire.h"
#include "ike/limits.h"

/* Zero-initialised is empty. */
struct fragments {
    uint8_t *pieces[FRAGMENTS_MAX]; /* owned; number n at n - 1; NULL: not there yet */
    size_t lens[FRAGMENTS_MAX];
    unsigned total;         /* 0: the last one has not come yet */
    unsigned have, highest; /* how many are there, and the highest number of them */
    size_t bytes;
};

/*
 * Takes one fragment; total: how many there are, 0 where this fragment does not tell. The same one again is OK and
 * changes nothing. ERR_MALFORMED: empty, number 0 or over the total, another total than before, or other bytes than the
 * first time (B20, B22). ERR_LIMIT: over FRAGMENTS_MAX, or together over IKE_MESSAGE_MAX. ERR_MEMORY. Only OK changes
 * anything.
 */
MUST_USE enum status fragments_add(struct fragments *f, unsigned number, unsigned total, struct bytes data);

bool fragments_are_complete(const struct fragments *f);

/* All of them, in order; only when they are complete. */
void fragments_join(const struct fragments *f, struct writer *w);

void fragments_clear(struct fragments *f);

#endif
