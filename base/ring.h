/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue of records of any length between two threads: one writes, one reads, neither ever waits for the other. A
 * record lies in one piece and stays where it is until the reader gives its place back, so that it can be worked on
 * there.
 */
#ifndef BASE_RING_H
#define BASE_RING_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

enum {
    RING_ALIGN = 64, /* of every record: what lies in it may have any type, and shares no cache line */
    RING_SHARE = 4,  /* the longest record is this part of the ring */
};

struct ring;

/* size: bytes, a power of two of at least 4096. ERR_MEMORY; ERR_LIMIT: not such
 * a size. */
MUST_USE enum status ring_new(size_t size, struct ring **out);
void ring_free(struct ring *ring); /* NULL is fine; neither side may be at work */
size_t ring_size(const struct ring *ring);

/* --- the writer --- */

/* A place for `len` bytes; NULL when there is no room for it and `spare` bytes more, or it is too long. Asked again
 * before ring_publish, it gives the same place. */
void *ring_reserve(struct ring *ring, size_t len, size_t spare);
/* What ring_reserve gave is written: the reader sees it. */
void ring_publish(struct ring *ring);

/* --- the reader --- */

/* The next record; NULL when there is none yet. */
void *ring_next(struct ring *ring, size_t *len);
/* All that ring_next gave is done with. */
void ring_release(struct ring *ring);

#endif
