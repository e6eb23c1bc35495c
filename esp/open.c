/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/open.h"

#include <string.h>

enum { TRAILER = 2, NEXT_IPV4 = 4, NEXT_IPV6 = 41, NEXT_NONE = 59 };

/* What has passed the checks that need no key, to be verified in one go. */
struct batch {
    struct aead_job jobs[AEAD_BATCH_MAX];
    size_t place[AEAD_BATCH_MAX]; /* of the job's packet among the caller's */
    uint64_t sequence[AEAD_BATCH_MAX];
    size_t count;
};

bool esp_peek_spi(struct bytes esp, uint32_t *spi)
{
    struct reader r = reader_of_bytes(esp);
    *spi = read_u32(&r);
    (void)read_u32(&r); /* the sequence number */
    return !r.failed;
}

/* RFC 4303 3.4.2 and the first half of 3.4.3: what can be told before the ICV. */
static enum drop prepare(struct sa *sa, const struct packet *p, struct batch *batch)
{
    uint32_t fixed = (uint32_t)AEAD_HEADER + sa->shape.iv + sa->shape.icv;
    if (sa->dead)
        return DROP_IN_EXPIRED;
    if (p->len < fixed + TRAILER || (p->len - fixed) % sa->shape.block != 0)
        return DROP_IN_SHORT;
    uint8_t *esp = packet_data(p);
    uint64_t sequence = replay_infer(&sa->replay, load_u32(esp + 4));
    if (replay_check(&sa->replay, sequence) != OK)
        return DROP_IN_REPLAY;

    batch->sequence[batch->count] = sequence;
    batch->jobs[batch->count++] = (struct aead_job){
        .esp = esp,
        .text_len = p->len - fixed,
        .sequence_high = (uint32_t)(sequence >> 32),
    };
    return DROP_NONE;
}

/* RFC 4303 2.4: pad bytes are 1, 2, 3, ... On DROP_NONE body_len is what lies before them. */
static enum drop check_padding(const uint8_t *text, uint32_t text_len, uint32_t *body_len, uint8_t *next_header)
{
    uint32_t pad = text[text_len - TRAILER];
    *next_header = text[text_len - 1];
    if (pad > text_len - TRAILER)
        return DROP_IN_PADDING;
    *body_len = text_len - TRAILER - pad;
    uint8_t wrong = 0;
    for (uint32_t i = 0; i < pad; i++)
        wrong |= (uint8_t)(text[*body_len + i] ^ (i + 1));
    return wrong ? DROP_IN_PADDING : DROP_NONE;
}

/* Tunnel mode only: an IP packet of the version that the next header names, no longer than what arrived. */
static enum drop read_inner(const uint8_t *body, uint32_t body_len, uint8_t next_header, struct flow *flow,
                            size_t *inner_len)
{
    if (next_header == NEXT_NONE)
        return DROP_IN_DUMMY;
    if (next_header != NEXT_IPV4 && next_header != NEXT_IPV6)
        return DROP_IN_INNER;
    if (flow_read(bytes_of(body, body_len), flow, inner_len) != OK || *inner_len > body_len)
        return DROP_IN_INNER;
    return flow->source.family == (next_header == NEXT_IPV4 ? 4 : 6) ? DROP_NONE : DROP_IN_INNER;
}

static bool may_receive(struct sa *sa, size_t len)
{
    uint64_t bytes = counter_get(&sa->in.bytes);
    if (sa->dead)
        return false;
    if ((sa->hard_bytes != 0 && (bytes >= sa->hard_bytes || len > sa->hard_bytes - bytes)) ||
        (sa->hard_packets != 0 && counter_get(&sa->in.packets) >= sa->hard_packets))
        sa->dead = true;
    return !sa->dead;
}

/* RFC 4301 5.2 step 4, 6.2 and 7: the packet is what the SA was negotiated for, an ICMP error about what was sent
 * through it, or a later fragment of what its first fragment showed to be so. */
static enum drop admit(const struct sa *sa, const struct esp_inbound *inbound, struct bytes packet, struct flow *flow)
{
    struct flow quoted;
    if (flow_read_quoted(packet, flow, &quoted))
        return selector_admits_error(&sa->selector, flow, &quoted) ? DROP_NONE : DROP_IN_SELECTOR;
    if (flow->is_fragment && sa->ports &&
        (inbound == NULL ||
         fragments_see_of(inbound->fragments, sa->rule, sa->child_id, flow, inbound->now_ms) != FRAGMENT_KNOWN))
        return DROP_IN_FRAGMENT;
    return selector_matches_inbound(&sa->selector, flow) ? DROP_NONE : DROP_IN_SELECTOR;
}

/* Behind the ICV, in the order of RFC 4303 3.4.3, 3.4.4 and RFC 4301 5.2. */
static enum drop finish(struct sa *sa, const struct esp_inbound *inbound, struct packet *p, const struct aead_job *job,
                        uint64_t sequence, struct flow *flow)
{
    if (!job->ok)
        return DROP_IN_AUTH;
    if (replay_accept(&sa->replay, sequence) != OK)
        return DROP_IN_REPLAY;

    const uint8_t *text = job->esp + AEAD_HEADER + sa->shape.iv;
    uint32_t body_len = 0;
    uint8_t next_header = 0;
    size_t inner_len = 0;
    enum drop drop = check_padding(text, job->text_len, &body_len, &next_header);
    if (drop == DROP_NONE)
        drop = read_inner(text, body_len, next_header, flow, &inner_len);
    if (drop != DROP_NONE)
        return drop;
    drop = admit(sa, inbound, bytes_of(text, inner_len), flow);
    if (drop != DROP_NONE)
        return drop;
    if (!may_receive(sa, inner_len))
        return DROP_IN_EXPIRED;

    p->offset += AEAD_HEADER + sa->shape.iv;
    p->len = (uint32_t)inner_len; /* behind it: TFC padding (RFC 4303 2.7), padding, trailer, ICV */
    counter_add(&sa->in.packets, 1);
    counter_add(&sa->in.bytes, inner_len);
    return DROP_NONE;
}

static void count_drop(struct sa_counters *in, enum drop drop)
{
    switch (drop) {
    case DROP_IN_REPLAY: counter_add(&in->replay, 1); break;
    case DROP_IN_AUTH: counter_add(&in->auth_failed, 1); break;
    case DROP_IN_SELECTOR: counter_add(&in->selector, 1); break;
    case DROP_IN_SHORT:
    case DROP_IN_PADDING:
    case DROP_IN_INNER: counter_add(&in->malformed, 1); break;
    default: break;
    }
}

/* The packets that are tried again, as they came: opening destroys them. */
struct resync {
    size_t count;
    size_t jobs[ESN_RESYNC_PACKETS];
    uint8_t copies[ESN_RESYNC_PACKETS][ESN_RESYNC_PACKET_MAX];
};

static size_t sealed_len(const struct sa *sa, const struct aead_job *job)
{
    return (size_t)AEAD_HEADER + sa->shape.iv + job->text_len + sa->shape.icv;
}

/* Forged packets may come in any rhythm: a fixed place, or a fixed number of packets between trials, could meet none
 * but them. A linear congruential generator of Knuth's suffices, for nothing is secret. */
static uint32_t resync_draw(struct sa *sa, uint32_t below)
{
    sa->resync_state = sa->resync_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(sa->resync_state >> 33) % below;
}

static void resync_arm(struct sa *sa, const struct batch *batch, struct resync *r)
{
    r->count = 0;
    if (!sa->esn || sa->auth_run < ESN_RESYNC_FAILURES || batch->count == 0)
        return;
    size_t at = resync_draw(sa, (uint32_t)batch->count);
    for (size_t i = 0; i < batch->count && r->count < ESN_RESYNC_PACKETS; i++, at = (at + 1) % batch->count) {
        size_t len = sealed_len(sa, &batch->jobs[at]);
        if (len > ESN_RESYNC_PACKET_MAX)
            continue;
        memcpy(r->copies[r->count], batch->jobs[at].esp, len);
        r->jobs[r->count++] = at;
    }
}

/* RFC 4303 A3.2: upwards only, and what verifies tells the high half of all that follows. */
static bool resync_packet(const struct sa *sa, struct batch *batch, size_t at, const uint8_t *copy)
{
    struct aead_job *job = &batch->jobs[at];
    for (unsigned i = 0; !job->ok && i < ESN_RESYNC_TRIES && job->sequence_high < UINT32_MAX; i++) {
        memcpy(job->esp, copy, sealed_len(sa, job));
        job->sequence_high++;
        aead_open(sa->open, job, 1);
    }
    if (job->ok)
        batch->sequence[at] = (uint64_t)job->sequence_high << 32 | (uint32_t)batch->sequence[at];
    return job->ok;
}

static void resync_try(struct sa *sa, struct batch *batch, const struct resync *r)
{
    if (r->count == 0)
        return;
    sa->auth_run = resync_draw(sa, ESN_RESYNC_FAILURES / 2 + 1);
    for (size_t i = 0; i < r->count; i++)
        if (resync_packet(sa, batch, r->jobs[i], r->copies[i]))
            return;
}

/* Before the answers are given: what verifies ends the row of failures. */
static void count_run(struct sa *sa, const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        sa->auth_run = batch->jobs[i].ok ? 0 : sa->auth_run + (sa->auth_run < ESN_RESYNC_FAILURES);
}

size_t esp_open(struct sa *sa, const struct esp_inbound *inbound, struct packet *const *packets, struct flow *flows,
                enum drop *why, size_t n)
{
    struct batch batch;
    struct resync resync;
    batch.count = 0;
    for (size_t i = 0; i < n; i++) {
        batch.place[batch.count] = i;
        why[i] = prepare(sa, packets[i], &batch);
    }
    resync_arm(sa, &batch, &resync);
    aead_open(sa->open, batch.jobs, batch.count);
    resync_try(sa, &batch, &resync);
    count_run(sa, &batch);
    size_t newest = n;
    for (size_t i = 0; i < batch.count; i++) {
        size_t at = batch.place[i];
        uint64_t top = sa->replay.top;
        why[at] = finish(sa, inbound, packets[at], &batch.jobs[i], batch.sequence[i], &flows[at]);
        if (sa->replay.top != top)
            newest = at;
    }
    for (size_t i = 0; i < n; i++)
        count_drop(&sa->in, why[i]);
    return newest;
}
