/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often something may be tried, by name: so many at once, then one in each interval. The names are hashed under a
 * secret seed into a fixed table, so that memory is bounded; two names in one place share its tries.
 */
#ifndef IKE_THROTTLE_H
#define IKE_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

enum { THROTTLE_SLOTS = 1024 };

/* Zero-initialised is empty. */
struct throttle {
    uint64_t paid_until_ms[THROTTLE_SLOTS];
};

struct throttle_rate {
    uint32_t burst, interval_ms;
};

/* Takes one try; false: there is none now. digest: hash_short of the name. */
bool throttle_take(struct throttle *t, const struct throttle_rate *rate, uint64_t digest, uint64_t now_ms);

/* It was no bad try after all. This name has all its tries again: for who has proved to be the one who is named. */
void throttle_forgive(struct throttle *t, uint64_t digest);
/* Or only that one: what others have tried under the name stays owed. */
void throttle_give_back(struct throttle *t, const struct throttle_rate *rate, uint64_t digest);

#endif
