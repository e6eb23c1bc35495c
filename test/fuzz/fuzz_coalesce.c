/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch of packets, put together: what leaves is what came, split again byte for byte, or unchanged where a checksum
 * is wrong or anything is odd; no flow changes its order. The first byte asks for UDP (bit 0). Then come records:
 *   KIND below 0x80: a segment of one of eight streams, see struct step
 *   KIND above: a packet as it stands, if flow_read takes it; its length is in the other 7 bits and the next byte
 */
#include "test/offload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SLOT = 2048, FLOWS = 8 };

static uint8_t *buffers[COALESCE_BATCH], copies[COALESCE_BATCH][SLOT];
static struct original batch[COALESCE_BATCH];
static uint32_t sequences[FLOWS];
static uint16_t ids[FLOWS];

/* KIND: bits 0 to 2 the stream (bit 0: IPv6; bit 1: UDP), bit 3 without DF, bit 4 with a timestamp. */
struct step {
    uint8_t kind, flags, skip; /* skip: what is lost before it, signed */
    uint8_t odd;               /* 0x80: the byte at `place` is xored with the low 7 bits */
    uint16_t payload, place;
};

static size_t put_ip(uint8_t *out, const struct step *s, size_t upper_len)
{
    unsigned flow = s->kind & 7;
    uint8_t protocol = (flow & 2) != 0 ? PROTOCOL_UDP : PROTOCOL_TCP;
    size_t header = (flow & 1) != 0 ? 40 : 20;
    memset(out, 0, header);
    out[header - 1] = 9; /* the last byte of an address */
    if (header == 40) {
        out[0] = 0x60;
        out[6] = protocol;
        out[7] = 64;
        store_u16(out + 4, (uint16_t)upper_len);
        return header;
    }
    out[0] = 0x45;
    out[6] = (s->kind & 8) != 0 ? 0 : 0x40;
    out[8] = 64;
    out[9] = protocol;
    store_u16(out + 2, (uint16_t)(header + upper_len));
    store_u16(out + 4, ids[flow]++);
    store_u16(out + 10, (uint16_t)(0xffff - naive_sum(0, out, header)));
    return header;
}

static size_t put_step(uint8_t *out, const struct step *s)
{
    unsigned flow = s->kind & 7;
    bool udp = (flow & 2) != 0, timestamp = !udp && (s->kind & 16) != 0;
    size_t header = udp ? 8 : timestamp ? 32 : 20, payload = s->payload % 1501;
    size_t upper = put_ip(out, s, header + payload), len = upper + header + payload, field = upper + (udp ? 6 : 16);
    uint8_t *at = out + upper;
    memset(at, 0, header);
    store_u16(at, (uint16_t)(flow >> 2)); /* the port */
    sequences[flow] += (uint32_t)s->skip - (s->skip >= 128 ? 256 : 0);
    if (udp) {
        store_u16(at + 4, (uint16_t)(header + payload));
    } else {
        store_u32(at + 4, sequences[flow]);
        at[12] = (uint8_t)(header / 4 << 4);
        at[13] = s->flags;
    }
    for (size_t i = 0; i < payload; i++)
        at[header + i] = (uint8_t)(sequences[flow] + i);
    sequences[flow] += (uint32_t)payload;
    struct flow read;
    if (flow_read(bytes_of(out, len), &read, NULL) != OK)
        return len;
    store_u16(out + field, (uint16_t)(0xffff - naive_upper_sum(out, len, &read)));
    if ((s->odd & 0x80) != 0)
        out[s->place % len] ^= s->odd & 0x7f;
    return len;
}

/* The length of the next packet, made of one record; 0: there is none, or no packet. */
static size_t next_packet(struct reader *r, uint8_t *out)
{
    uint8_t kind = read_u8(r);
    if (kind < 0x80) {
        struct step s = {.kind = kind};
        s.flags = read_u8(r);
        s.skip = read_u8(r);
        s.odd = read_u8(r);
        s.payload = read_u16(r);
        s.place = read_u8(r);
        return r->failed ? 0 : put_step(out, &s);
    }
    size_t len = (size_t)(kind & 0x7f) << 8 | read_u8(r);
    struct bytes raw = read_bytes(r, len);
    if (r->failed || len == 0 || len > SLOT)
        return 0;
    memcpy(out, raw.data, len);
    return len;
}

static void free_batch(size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(buffers[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct coalesce c;
    struct reader r = reader_of(data, size);
    size_t count = 0;
    memset(sequences, 0, sizeof sequences);
    memset(ids, 0, sizeof ids);
    coalesce_begin(&c, (read_u8(&r) & 1) != 0);
    while (!r.failed && r.left > 0 && count < COALESCE_BATCH) {
        struct original *o = &batch[count];
        size_t len = next_packet(&r, copies[count]);
        if (flow_read(bytes_of(copies[count], len), &o->flow, NULL) != OK)
            continue;
        buffers[count] = malloc(len); /* of the exact size, so that a sanitizer sees the first byte too far */
        REQUIRE(buffers[count] != NULL);
        memcpy(buffers[count], copies[count], len);
        o->data = buffers[count];
        o->copy = copies[count];
        o->len = len;
        REQUIRE(coalesce_add(&c, o->data, len, &o->flow));
        count++;
    }
    REQUIRE(check_drain(&c, batch, count) <= count);
    free_batch(count);
    return 0;
}
