/* SPDX-License-Identifier: Apache-2.0 */
/* What one who has the keys does to the payloads of a message with a signature. */
#ifndef TEST_SIM_FORGE_SIGNED_H
#define TEST_SIM_FORGE_SIGNED_H

#include "test/sim/certificates.h"
#include "test/sim/forge.h"

typedef void change_signed(struct payloads *p);

static size_t index_of(struct payloads *p, uint8_t type)
{
    return (size_t)(payload_in(p, type) - p->items);
}

static void same(struct payloads *p)
{
    (void)p;
}

static uint8_t scratch[16384];

static uint8_t *copy_body(struct payload *item)
{
    memcpy(scratch, item->body.data, item->body.len);
    item->body.data = scratch;
    return scratch;
}

static void flip_signature(struct payloads *p)
{
    copy_body(payload_in(p, PAYLOAD_SIG))[7] ^= 1;
}

static void zero_signature(struct payloads *p)
{
    struct payload *item = payload_in(p, PAYLOAD_SIG);
    memset(copy_body(item), 0, item->body.len);
}

static void empty_signature(struct payloads *p)
{
    payload_in(p, PAYLOAD_SIG)->body.len = 0;
}

static void short_signature(struct payloads *p)
{
    payload_in(p, PAYLOAD_SIG)->body.len--;
}

static void remove_at(struct payloads *p, size_t at)
{
    memmove(&p->items[at], &p->items[at + 1], (p->count - at - 1) * sizeof p->items[0]);
    p->count--;
}

static void no_signature(struct payloads *p)
{
    remove_at(p, index_of(p, PAYLOAD_SIG));
}

static void a_hash_instead(struct payloads *p)
{
    payload_in(p, PAYLOAD_SIG)->type = PAYLOAD_HASH;
}

static void two_signatures(struct payloads *p)
{
    p->items[p->count++] = *payload_in(p, PAYLOAD_SIG);
}

static void no_certificate(struct payloads *p)
{
    while (payload_count(p, PAYLOAD_CERT) > 0)
        remove_at(p, index_of(p, PAYLOAD_CERT));
}

static void no_intermediate(struct payloads *p)
{
    remove_at(p, index_of(p, PAYLOAD_CERT) + 1);
}

static void encode_as(struct payloads *p, uint8_t encoding)
{
    struct payload *item = payload_in(p, PAYLOAD_CERT);
    copy_body(item)[0] = encoding;
    p->count = index_of(p, PAYLOAD_CERT) + 1; /* the intermediate one would be taken for the peer's own */
    p->items[p->count++] = (struct payload){.type = PAYLOAD_SIG, .body = bytes_of(scratch, 64)};
}

static void as_pkcs7(struct payloads *p)
{
    encode_as(p, 1);
}

static void as_crl(struct payloads *p)
{
    encode_as(p, 7);
}

static void empty_certificate(struct payloads *p)
{
    payload_in(p, PAYLOAD_CERT)->body.len = 0;
}

static void bare_encoding(struct payloads *p)
{
    payload_in(p, PAYLOAD_CERT)->body.len = 1;
}

static void flip_certificate(struct payloads *p)
{
    struct payload *item = payload_in(p, PAYLOAD_CERT);
    copy_body(item)[item->body.len - 5] ^= 1; /* its signature */
}

static void twenty_certificates(struct payloads *p)
{
    const struct payload own = *payload_in(p, PAYLOAD_CERT);
    while (payload_count(p, PAYLOAD_CERT) < 20)
        p->items[p->count++] = own;
}

static void forty_four_certificates(struct payloads *p)
{
    static const uint8_t rubbish[2] = {4, 0x30};
    while (p->count < PAYLOADS_MAX)
        p->items[p->count++] = (struct payload){.type = PAYLOAD_CERT, .body = bytes_of(rubbish, 2)};
}

static void huge_certificate(struct payloads *p)
{
    struct payload *item = payload_in(p, PAYLOAD_CERT);
    memset(scratch, 0x30, sizeof scratch);
    scratch[0] = 4;
    item->body = bytes_of(scratch, CERT_SIZE_MAX + 2);
}

static void rubbish_certificate(struct payloads *p)
{
    struct payload *item = payload_in(p, PAYLOAD_CERT);
    memset(copy_body(item) + 1, 0xff, item->body.len - 1);
}

static void another_name(struct payloads *p)
{
    copy_body(payload_in(p, PAYLOAD_ID))[4] ^= 1;
}

static void swapped_certificates(struct payloads *p)
{
    size_t at = index_of(p, PAYLOAD_CERT);
    struct payload first = p->items[at];
    p->items[at] = p->items[at + 1];
    p->items[at + 1] = first;
}

static change_signed *const changes[] = {
    flip_signature,   zero_signature,      empty_signature,         short_signature,  no_signature,
    a_hash_instead,   two_signatures,      no_certificate,          no_intermediate,  as_pkcs7,
    as_crl,           empty_certificate,   bare_encoding,           flip_certificate, twenty_certificates,
    huge_certificate, rubbish_certificate, forty_four_certificates, another_name,     swapped_certificates,
};

static void by_itself(struct payloads *p, const void *arg)
{
    (*(change_signed *const *)arg)(p);
}

static size_t forge(struct bench *b, change_signed *change, uint8_t out[CRAFT_MAX + 64])
{
    return forge_held(b, by_itself, &change, false, out);
}

/* Each costs several verifications: a half-open SA affords sixteen, then no more. b holds a proof of the initiator. */
static void signatures_of_one_sa_are_rationed(struct bench *b)
{
    static uint8_t out[CRAFT_MAX + 64];
    for (unsigned i = 0; i < SIGNATURE_ATTEMPTS; i++)
        deliver(b, out, forge(b, flip_signature, out));
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_AUTHENTICATION), SIGNATURE_ATTEMPTS);
    deliver_right(b);
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_LIMIT), 1);
    assert_int_equal(end(b, R)->events[IKE_EVENT_PHASE1_UP], 0);
    bench_free(b);
}

#endif
