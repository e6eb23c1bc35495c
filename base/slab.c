/* SPDX-License-Identifier: Apache-2.0 */
#include "base/slab.h"

enum { CACHE_LINE = 64 };

bool slab_next(const struct slab *slab, uint32_t room, struct packet *out)
{
    size_t left = slab->size - slab->used;
    if (left < PACKET_HEADROOM + PACKET_TAILROOM || left - PACKET_HEADROOM - PACKET_TAILROOM < room)
        return false;
    *out = packet_of(slab->bytes + slab->used, left, PACKET_HEADROOM);
    return true;
}

void slab_keep(struct slab *slab, const struct packet *packet)
{
    size_t end = (size_t)(packet_data(packet) - slab->bytes) + packet->len + PACKET_TAILROOM;
    slab->used = (end + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    if (slab->used > slab->size)
        slab->used = slab->size;
}
