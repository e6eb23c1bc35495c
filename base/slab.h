/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets laid one behind the other in one buffer, each with its head-room and tail-room: sixty small ones then share
 * few cache lines and pages, and a large one still finds room. The owner resets it when none of its packets is in use.
 */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include "base/packet.h"

struct slab {
    uint8_t *bytes; /* of the owner */
    size_t size, used;
};

static inline void slab_reset(struct slab *slab)
{
    slab->used = 0;
}

/* An empty packet with PACKET_HEADROOM before it, `room` bytes and PACKET_TAILROOM behind; false when there is not so
 * much left. The same place comes again until slab_keep. */
static inline bool slab_next(const struct slab *slab, uint32_t room, struct packet *out)
{
    size_t left = slab->size - slab->used;
    if (left < PACKET_HEADROOM + PACKET_TAILROOM || left - PACKET_HEADROOM - PACKET_TAILROOM < room)
        return false;
    /* Not as a whole: compilers make it on the stack and copy it by wider loads, which wait for all of its stores. */
    out->buffer = slab->bytes + slab->used;
    out->capacity = (uint32_t)left;
    out->offset = PACKET_HEADROOM;
    out->len = 0;
    return true;
}

/* What slab_next gave has become this packet: the next one starts behind it, on a cache line of its own. */
static inline void slab_keep(struct slab *slab, const struct packet *packet)
{
    enum { CACHE_LINE = 64 };
    size_t end = (size_t)(packet_data(packet) - slab->bytes) + packet->len + PACKET_TAILROOM;
    end = (end + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    slab->used = end < slab->size ? end : slab->size;
}

#endif
