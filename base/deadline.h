/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers without a clock: the owner sets deadlines, asks "when next?", and takes what is due. An intrusive
 * pairing heap: no allocation, so arming a timer cannot fail. Times are milliseconds of a monotonic clock
 * that the caller owns; 0 is a valid time.
 */
#ifndef BASE_DEADLINE_H
#define BASE_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#define DEADLINE_NEVER UINT64_MAX

/* Embed in the object that waits. Zero-initialised means "not armed". */
struct deadline {
    uint64_t at_ms;
    struct deadline *child, *next, *prev; /* prev: the left sibling, or the parent of a first child */
    bool armed;
};

struct deadlines {
    struct deadline *root;
};

/* Arms d for at_ms, moving it if it was armed. DEADLINE_NEVER disarms. */
void deadline_set(struct deadlines *set, struct deadline *d, uint64_t at_ms);

/* Disarms; harmless when not armed. Must be called before the object that holds d is freed. */
void deadline_clear(struct deadlines *set, struct deadline *d);

/* The earliest time, or DEADLINE_NEVER. */
uint64_t deadline_next(const struct deadlines *set);

/* Takes out one deadline with at_ms <= now_ms, the earliest first; NULL when none is due. */
struct deadline *deadline_take_due(struct deadlines *set, uint64_t now_ms);

#endif
