/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wire.h"

#include <string.h>

struct bytes read_bytes(struct reader *r, size_t len)
{
    /* Remaining lengths are compared, pointers never summed: no overflow to think about. */
    if (r->failed || len > r->left) {
        r->failed = true;
        return (struct bytes){0};
    }
    struct bytes out = {.data = r->at, .len = len};
    if (len > 0)
        r->at += len;
    r->left -= len;
    return out;
}

struct bytes read_rest(struct reader *r)
{
    return read_bytes(r, r->left);
}

uint8_t read_u8(struct reader *r)
{
    struct bytes b = read_bytes(r, 1);
    return b.data != NULL ? b.data[0] : 0;
}

uint16_t read_u16(struct reader *r)
{
    struct bytes b = read_bytes(r, 2);
    return b.data != NULL ? load_u16(b.data) : 0;
}

uint32_t read_u32(struct reader *r)
{
    struct bytes b = read_bytes(r, 4);
    return b.data != NULL ? load_u32(b.data) : 0;
}

uint64_t read_u64(struct reader *r)
{
    struct bytes b = read_bytes(r, 8);
    return b.data != NULL ? (uint64_t)load_u32(b.data) << 32 | load_u32(b.data + 4) : 0;
}

struct reader read_sub(struct reader *r, size_t len)
{
    struct reader sub = reader_of_bytes(read_bytes(r, len));
    sub.failed = r->failed;
    return sub;
}

enum status reader_finish(const struct reader *r)
{
    return r->failed || r->left > 0 ? ERR_MALFORMED : OK;
}

uint8_t *write_space(struct writer *w, size_t len)
{
    if (w->failed || len > w->capacity - w->len) {
        w->failed = true;
        return NULL;
    }
    uint8_t *space = w->data + w->len;
    w->len += len;
    return space;
}

void write_u8(struct writer *w, uint8_t value)
{
    write_bytes(w, &value, 1);
}

void write_u16(struct writer *w, uint16_t value)
{
    uint8_t *space = write_space(w, 2);
    if (space != NULL)
        store_u16(space, value);
}

void write_u32(struct writer *w, uint32_t value)
{
    uint8_t *space = write_space(w, 4);
    if (space != NULL)
        store_u32(space, value);
}

void write_u64(struct writer *w, uint64_t value)
{
    uint8_t *space = write_space(w, 8);
    if (space != NULL)
        store_u64(space, value);
}

void write_bytes(struct writer *w, const void *data, size_t len)
{
    uint8_t *space = write_space(w, len);
    if (space != NULL && len > 0)
        memcpy(space, data, len);
}

void write_zeros(struct writer *w, size_t len)
{
    uint8_t *space = write_space(w, len);
    if (space != NULL)
        memset(space, 0, len);
}

void write_u16_at(struct writer *w, size_t at, size_t value)
{
    if (w->failed || value > UINT16_MAX || w->len < 2 || at > w->len - 2) {
        w->failed = true;
        return;
    }
    store_u16(w->data + at, (uint16_t)value);
}

void write_u32_at(struct writer *w, size_t at, size_t value)
{
    if (w->failed || value > UINT32_MAX || w->len < 4 || at > w->len - 4) {
        w->failed = true;
        return;
    }
    store_u32(w->data + at, (uint32_t)value);
}

enum status writer_finish(const struct writer *w)
{
    return w->failed ? ERR_LIMIT : OK;
}
