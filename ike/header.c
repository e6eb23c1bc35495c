/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/header.h"

#include "ike/limits.h"

enum status header_read(struct bytes message, struct ike_header *out)
{
    if (message.len > IKE_MESSAGE_MAX)
        return ERR_LIMIT;
    struct reader r = reader_of_bytes(message);
    *out = (struct ike_header){0};
    out->spi_i = read_u64(&r);
    out->spi_r = read_u64(&r);
    out->next_payload = read_u8(&r);
    uint8_t version = read_u8(&r);
    out->major = version >> 4;
    out->minor = version & 15;
    out->exchange = read_u8(&r);
    out->flags = read_u8(&r);
    out->message_id = read_u32(&r);
    uint32_t length = read_u32(&r);
    if (r.failed || length != message.len || out->spi_i == 0)
        return ERR_MALFORMED;
    return OK;
}

void header_write(struct writer *w, const struct ike_header *header)
{
    write_u64(w, header->spi_i);
    write_u64(w, header->spi_r);
    write_u8(w, header->next_payload);
    write_u8(w, (uint8_t)(header->major << 4 | header->minor));
    write_u8(w, header->exchange);
    write_u8(w, header->flags);
    write_u32(w, header->message_id);
    write_u32(w, 0);
}

void header_finish(struct writer *w)
{
    write_u32_at(w, IKE_HEADER_LENGTH_AT, w->len);
}
