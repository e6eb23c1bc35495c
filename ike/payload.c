/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/payload.h"

enum status payloads_read(uint8_t first, struct bytes chain, bool may_pad, struct payloads *out)
{
    struct reader r = reader_of_bytes(chain);
    uint8_t type = first;
    out->count = 0;
    out->whole = (struct bytes){0};
    while (type != PAYLOAD_NONE) {
        if (out->count == PAYLOADS_MAX)
            return ERR_LIMIT;
        struct payload *p = &out->items[out->count++];
        p->type = type;
        p->whole.data = r.at;
        type = read_u8(&r);
        read_u8(&r); /* reserved: some peers leave rubbish here */
        uint16_t length = read_u16(&r);
        if (length < PAYLOAD_HEADER)
            return ERR_MALFORMED;
        p->body = read_bytes(&r, (size_t)length - PAYLOAD_HEADER);
        p->whole.len = length;
        if (r.failed)
            return ERR_MALFORMED;
    }
    if (r.left > 0 && !may_pad)
        return ERR_MALFORMED;
    out->whole = bytes_of(chain.data, chain.len - r.left);
    return OK;
}

const struct payload *payload_find(const struct payloads *p, uint8_t type, size_t from)
{
    for (size_t i = from; i < p->count; i++)
        if (p->items[i].type == type)
            return &p->items[i];
    return NULL;
}

size_t payload_count(const struct payloads *p, uint8_t type)
{
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++)
        n += p->items[i].type == type;
    return n;
}

struct bytes payload_body(const struct payloads *p, uint8_t type)
{
    const struct payload *found = payload_find(p, type, 0);
    return found != NULL ? found->body : (struct bytes){0};
}

struct chain chain_begin(size_t next_at)
{
    return (struct chain){.next_at = next_at};
}

void chain_open(struct chain *c, struct writer *w, uint8_t type)
{
    c->opened_at = w->len;
    write_u32(w, 0); /* next, reserved, length: patched */
    if (w->failed)
        return;
    w->data[c->next_at] = type;
    c->next_at = c->opened_at;
}

void chain_close(struct chain *c, struct writer *w)
{
    write_u16_at(w, c->opened_at + 2, w->len - c->opened_at);
}

void chain_add(struct chain *c, struct writer *w, uint8_t type, struct bytes body)
{
    chain_open(c, w, type);
    write_bytes(w, body.data, body.len);
    chain_close(c, w);
}
