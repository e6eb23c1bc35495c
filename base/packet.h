/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A packet in a fixed buffer with head-room and tail-room reserved once, so that headers and trailers are
 * pushed and pulled in place. The buffer belongs to whoever made the packet (a pool of the data plane).
 */
#ifndef BASE_PACKET_H
#define BASE_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum {
    PACKET_HEADROOM = 64,       /* ESP header and the longest IV (8 + 16), and room to spare */
    PACKET_TAILROOM = 320,      /* 255 bytes of padding, 2 of trailer, ICV of 32 */
    PACKET_PAYLOAD_MAX = 65535, /* an IPv4 packet */
    PACKET_BUFFER = PACKET_HEADROOM + PACKET_PAYLOAD_MAX + PACKET_TAILROOM,
};

struct packet {
    uint8_t *buffer;
    uint32_t capacity;
    uint32_t offset; /* of the first live byte */
    uint32_t len;    /* live bytes */
};

/* Of the functions here some run several times a packet: as calls they would cost more than what they do. */

/* An empty packet over buffer, with `headroom` bytes kept free in front. */
static inline struct packet packet_of(uint8_t *buffer, size_t capacity, size_t headroom)
{
    return (struct packet){
        .buffer = buffer,
        .capacity = (uint32_t)capacity,
        .offset = (uint32_t)(headroom < capacity ? headroom : capacity),
    };
}

static inline uint8_t *packet_data(const struct packet *p)
{
    return p->buffer + p->offset;
}

static inline uint32_t packet_tailroom(const struct packet *p)
{
    return p->capacity - p->offset - p->len;
}

/* Each returns the place of the bytes that were added or removed, or NULL (packet unchanged) without room. */

/* Grows at the front. */
MUST_USE static inline uint8_t *packet_push(struct packet *p, size_t len)
{
    if (len > p->offset)
        return NULL;
    p->offset -= (uint32_t)len;
    p->len += (uint32_t)len;
    return packet_data(p);
}

/* Shrinks at the front. */
MUST_USE static inline uint8_t *packet_pull(struct packet *p, size_t len)
{
    if (len > p->len)
        return NULL;
    uint8_t *at = packet_data(p);
    p->offset += (uint32_t)len;
    p->len -= (uint32_t)len;
    return at;
}

/* Grows at the end. */
MUST_USE static inline uint8_t *packet_append(struct packet *p, size_t len)
{
    if (len > packet_tailroom(p))
        return NULL;
    uint8_t *at = packet_data(p) + p->len;
    p->len += (uint32_t)len;
    return at;
}

#endif
