/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bounded reader and writer through which all untrusted bytes pass. Both are sticky: after the first
 * failure every call is a no-op (reads give zero), so that one check at the end of a decoder suffices.
 * All integers are big-endian (network order). Nothing here allocates or owns memory.
 */
#ifndef BASE_WIRE_H
#define BASE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* A borrowed run of bytes. */
struct bytes {
    const uint8_t *data;
    size_t len;
};

static inline struct bytes bytes_of(const void *data, size_t len)
{
    return (struct bytes){.data = data, .len = len};
}

struct reader {
    const uint8_t *at;
    size_t left;
    bool failed;
};

static inline struct reader reader_of(const void *data, size_t len)
{
    return (struct reader){.at = data, .left = len};
}

static inline struct reader reader_of_bytes(struct bytes bytes)
{
    return reader_of(bytes.data, bytes.len);
}

uint8_t read_u8(struct reader *r);
uint16_t read_u16(struct reader *r);
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);

/* The next len bytes, borrowed; empty ({NULL, 0}) after a failure. */
struct bytes read_bytes(struct reader *r, size_t len);

/* All that is left. */
struct bytes read_rest(struct reader *r);

/* A reader over the next len bytes, which leave r. A failed sub-reader must be checked by its own user. */
struct reader read_sub(struct reader *r, size_t len);

/* OK when nothing failed and nothing is left over; else ERR_MALFORMED. */
MUST_USE enum status reader_finish(const struct reader *r);

struct writer {
    uint8_t *data;
    size_t capacity;
    size_t len;
    bool failed;
};

static inline struct writer writer_of(void *data, size_t capacity)
{
    return (struct writer){.data = data, .capacity = capacity};
}

void write_u8(struct writer *w, uint8_t value);
void write_u16(struct writer *w, uint16_t value);
void write_u32(struct writer *w, uint32_t value);
void write_u64(struct writer *w, uint64_t value);
void write_bytes(struct writer *w, const void *data, size_t len);
void write_zeros(struct writer *w, size_t len);

/* Room for len bytes that the caller fills; NULL after a failure. */
uint8_t *write_space(struct writer *w, size_t len);

/* Puts value where an earlier write left two bytes at offset `at` (a length known only later). */
void write_u16_at(struct writer *w, size_t at, size_t value);
void write_u32_at(struct writer *w, size_t at, size_t value);

/* OK when everything fitted; else ERR_LIMIT. */
MUST_USE enum status writer_finish(const struct writer *w);

static inline struct bytes writer_bytes(const struct writer *w)
{
    return bytes_of(w->data, w->len);
}

/* Loads and stores at places that the caller has already bounded. */
static inline uint16_t load_u16(const uint8_t *p)
{
    return (uint16_t)((unsigned)p[0] << 8 | p[1]);
}

static inline uint32_t load_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void store_u16(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static inline void store_u32(uint8_t *p, uint32_t value)
{
    store_u16(p, (uint16_t)(value >> 16));
    store_u16(p + 2, (uint16_t)value);
}

static inline void store_u64(uint8_t *p, uint64_t value)
{
    store_u32(p, (uint32_t)(value >> 32));
    store_u32(p + 4, (uint32_t)value);
}

#endif
