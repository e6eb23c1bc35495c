/* SPDX-License-Identifier: Apache-2.0 */
#include "base/packet.h"

struct packet packet_of(uint8_t *buffer, size_t capacity, size_t headroom)
{
    return (struct packet){
        .buffer = buffer,
        .capacity = (uint32_t)capacity,
        .offset = (uint32_t)(headroom < capacity ? headroom : capacity),
    };
}

uint8_t *packet_push(struct packet *p, size_t len)
{
    if (len > p->offset)
        return NULL;
    p->offset -= (uint32_t)len;
    p->len += (uint32_t)len;
    return packet_data(p);
}

uint8_t *packet_pull(struct packet *p, size_t len)
{
    if (len > p->len)
        return NULL;
    uint8_t *at = packet_data(p);
    p->offset += (uint32_t)len;
    p->len -= (uint32_t)len;
    return at;
}

uint8_t *packet_append(struct packet *p, size_t len)
{
    if (len > packet_tailroom(p))
        return NULL;
    uint8_t *at = packet_data(p) + p->len;
    p->len += (uint32_t)len;
    return at;
}
