/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ring.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

/* Before each record. A record that would not fit before the end leaves a filler there and begins at the start. */
struct prefix {
    alignas(RING_ALIGN) size_t step; /* to the next prefix */
    size_t len;
    bool filler;
};

enum { RING_MIN = 4096 };

/* Positions count bytes since the start and only grow; the place is their remainder. Each side's own variables have a
 * cache line of their own. */
struct ring {
    uint8_t *bytes;
    size_t size;
    alignas(RING_ALIGN) atomic_size_t published; /* written by the writer */
    size_t reserved_filler, reserved_step;
    size_t
        released_seen; /* what the writer knows of `released`: it is asked for only when the room seems to be short */
    alignas(RING_ALIGN) atomic_size_t released; /* written by the reader */
    size_t read;
};

enum status ring_new(size_t size, struct ring **out)
{
    *out = NULL;
    if (size < RING_MIN || (size & (size - 1)) != 0)
        return ERR_LIMIT;
    struct ring *ring = aligned_alloc(RING_ALIGN, sizeof *ring);
    uint8_t *bytes = aligned_alloc(RING_ALIGN, size);
    if (ring == NULL || bytes == NULL) {
        free(ring);
        free(bytes);
        return ERR_MEMORY;
    }
    *ring = (struct ring){.bytes = bytes, .size = size};
    *out = ring;
    return OK;
}

void ring_free(struct ring *ring)
{
    if (ring == NULL)
        return;
    free(ring->bytes);
    free(ring);
}

size_t ring_size(const struct ring *ring)
{
    return ring->size;
}

static struct prefix *at(const struct ring *ring, size_t position)
{
    return (struct prefix *)(void *)(ring->bytes + (position & (ring->size - 1)));
}

static size_t step_of(size_t len)
{
    return sizeof(struct prefix) + (len + RING_ALIGN - 1) / RING_ALIGN * RING_ALIGN;
}

static bool has_room(struct ring *ring, size_t from, size_t wanted)
{
    if (ring->size - (from - ring->released_seen) >= wanted)
        return true;
    ring->released_seen = atomic_load_explicit(&ring->released, memory_order_acquire);
    return ring->size - (from - ring->released_seen) >= wanted;
}

void *ring_reserve(struct ring *ring, size_t len, size_t spare)
{
    size_t from = atomic_load_explicit(&ring->published, memory_order_relaxed), step = step_of(len);
    size_t to_end = ring->size - (from & (ring->size - 1));
    size_t filler = step > to_end ? to_end : 0;
    if (len > ring->size / RING_SHARE || !has_room(ring, from, filler + step + spare))
        return NULL;
    if (filler > 0)
        *at(ring, from) = (struct prefix){.step = filler, .filler = true};
    struct prefix *prefix = at(ring, from + filler);
    *prefix = (struct prefix){.step = step, .len = len};
    ring->reserved_filler = filler;
    ring->reserved_step = step;
    return prefix + 1;
}

void ring_publish(struct ring *ring)
{
    size_t from = atomic_load_explicit(&ring->published, memory_order_relaxed);
    atomic_store_explicit(&ring->published, from + ring->reserved_filler + ring->reserved_step, memory_order_release);
    ring->reserved_filler = ring->reserved_step = 0;
}

void *ring_next(struct ring *ring, size_t *len)
{
    size_t end = atomic_load_explicit(&ring->published, memory_order_acquire);
    while (ring->read != end) {
        struct prefix *prefix = at(ring, ring->read);
        ring->read += prefix->step;
        if (prefix->filler)
            continue;
        *len = prefix->len;
        return prefix + 1;
    }
    return NULL;
}

void ring_release(struct ring *ring)
{
    atomic_store_explicit(&ring->released, ring->read, memory_order_release);
}
