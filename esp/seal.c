/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/seal.h"

enum { TRAILER = 2, NEXT_IPV4 = 4, NEXT_IPV6 = 41 };

/* What has passed the checks, to be sealed in one go. */
struct batch {
    struct aead_job jobs[AEAD_BATCH_MAX];
    size_t place[AEAD_BATCH_MAX]; /* of the job's packet among the caller's */
    uint32_t inner_len[AEAD_BATCH_MAX];
    size_t count;
    uint64_t bytes;
};

/* A limit that is reached ends the SA: it never sends clear text, it sends nothing (RFC 4303 3.3.3, B41). */
static bool may_send(struct sa *sa, const struct batch *batch, uint32_t len)
{
    uint64_t used = counter_get(&sa->out.bytes) + batch->bytes;
    bool bytes_used_up = sa->hard_bytes != 0 && (used >= sa->hard_bytes || len > sa->hard_bytes - used);
    bool packets_used_up = sa->hard_packets != 0 && counter_get(&sa->out.packets) + batch->count >= sa->hard_packets;
    if (sa->dead)
        return false;
    if (bytes_used_up || packets_used_up || sa->sequence >= sa->sequence_hard)
        sa->dead = true;
    return !sa->dead;
}

/* By the inner version, as tunnel mode asks; 0: not an IP packet. */
static uint8_t next_header_of(const struct packet *p)
{
    unsigned version = p->len == 0 ? 0 : packet_data(p)[0] >> 4;
    return version == 4 ? NEXT_IPV4 : version == 6 ? NEXT_IPV6 : 0;
}

/* Padding 1, 2, 3, ... up to the block, pad length, next header, and room for the ICV. */
static void put_trailer(uint8_t *at, uint32_t pad, uint8_t next_header)
{
    for (uint32_t i = 0; i < pad; i++)
        at[i] = (uint8_t)(i + 1);
    at[pad] = (uint8_t)pad;
    at[pad + 1] = next_header;
}

static enum drop frame(struct sa *sa, struct packet *p, uint8_t next_header, struct aead_job *job)
{
    uint32_t front = AEAD_HEADER + sa->shape.iv;
    uint32_t behind = sa_overhead(sa, p->len) - front; /* padding, trailer, ICV */
    uint32_t text_len = p->len + behind - sa->shape.icv;
    uint8_t *trailer = p->offset < front ? NULL : packet_append(p, behind);
    uint8_t *header = trailer == NULL ? NULL : packet_push(p, front);
    if (header == NULL)
        return DROP_OUT_TOO_BIG;

    put_trailer(trailer, behind - sa->shape.icv - TRAILER, next_header);
    uint64_t sequence = ++sa->sequence;
    store_u32(header, sa->spi_out);
    store_u32(header + 4, (uint32_t)sequence);
    *job = (struct aead_job){
        .esp = header,
        .text_len = text_len,
        .sequence_high = sa->esn ? (uint32_t)(sequence >> 32) : 0,
    };
    return DROP_NONE;
}

static enum drop prepare(struct sa *sa, struct packet *p, struct batch *batch)
{
    uint32_t len = p->len;
    uint8_t next_header = next_header_of(p);
    if (next_header == 0)
        return DROP_OUT_MALFORMED;
    if (!may_send(sa, batch, len))
        return DROP_OUT_EXPIRED;
    enum drop drop = frame(sa, p, next_header, &batch->jobs[batch->count]);
    if (drop == DROP_NONE) {
        batch->inner_len[batch->count++] = len;
        batch->bytes += len;
    }
    return drop;
}

void esp_seal(struct sa *sa, struct packet *const *packets, enum drop *why, size_t n)
{
    struct batch batch;
    batch.count = 0;
    batch.bytes = 0;
    for (size_t i = 0; i < n; i++) {
        batch.place[batch.count] = i;
        why[i] = prepare(sa, packets[i], &batch);
    }
    aead_seal(sa->seal, batch.jobs, batch.count);
    for (size_t i = 0; i < batch.count; i++) {
        if (!batch.jobs[i].ok) {
            why[batch.place[i]] = DROP_OUT_CRYPTO;
            continue;
        }
        counter_add(&sa->out.packets, 1);
        counter_add(&sa->out.bytes, batch.inner_len[i]);
    }
}
