/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A number that one thread raises and others may read meanwhile. Adding is a load and a store, not a locked
 * instruction, so two threads must not raise the same counter.
 */
#ifndef BASE_COUNTER_H
#define BASE_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic uint64_t counter;

static inline uint64_t counter_get(const counter *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

/* For who sums up others. */
static inline void counter_set(counter *c, uint64_t n)
{
    atomic_store_explicit(c, n, memory_order_relaxed);
}

static inline void counter_add(counter *c, uint64_t n)
{
    atomic_store_explicit(c, counter_get(c) + n, memory_order_relaxed);
}

#endif
