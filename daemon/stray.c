/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/stray.h"

#include <string.h>

enum { AROUND = PACKET_HEADROOM + PACKET_TAILROOM };

bool stray_put(struct ring *ring, const struct stray *stray, struct bytes packet)
{
    size_t spare = stray->inbound ? ring_size(ring) / 2 : 0;
    struct stray *copy = ring_reserve(ring, sizeof *copy + AROUND + packet.len, spare);
    if (copy == NULL)
        return false;
    *copy = *stray;
    copy->datagram.packet = (struct packet){0}; /* the bytes there are the writer's */
    copy->datagram.segment = 0;
    memcpy((uint8_t *)(copy + 1) + PACKET_HEADROOM, packet.data, packet.len);
    ring_publish(ring);
    return true;
}

struct stray *stray_take(struct ring *ring)
{
    size_t len;
    struct stray *stray = ring_next(ring, &len);
    if (stray == NULL)
        return NULL;
    size_t room = len - sizeof *stray;
    stray->packet = packet_of((uint8_t *)(stray + 1), room, PACKET_HEADROOM);
    stray->packet.len = (uint32_t)(room - AROUND);
    return stray;
}
