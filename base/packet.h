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

/* An empty packet over buffer, with `headroom` bytes kept free in front. */
struct packet packet_of(uint8_t *buffer, size_t capacity, size_t headroom);

static inline uint8_t *packet_data(const struct packet *p)
{
    return p->buffer + p->offset;
}

static inline uint32_t packet_tailroom(const struct packet *p)
{
    return p->capacity - p->offset - p->len;
}

/* Each returns the place of the bytes that were added or removed, or NULL (packet unchanged) without room. */
MUST_USE uint8_t *packet_push(struct packet *p, size_t len);   /* grow at the front */
MUST_USE uint8_t *packet_pull(struct packet *p, size_t len);   /* shrink at the front */
MUST_USE uint8_t *packet_append(struct packet *p, size_t len); /* grow at the end */

#endif
