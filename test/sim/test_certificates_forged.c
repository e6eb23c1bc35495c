/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages 3 to 6 of main mode with signatures, changed on the way by one who has the keys: what is wrong changes
 * nothing and is counted, and the right one succeeds afterwards (B17, B19).
 */
#include "test/sim/certificates.h"

#include "ike/v1_message.h"

/* --- messages 5 and 6, changed by one who has the keys --- */

typedef void change_payloads(struct payloads *p);

/* Opens the held message with the keys of the end that waits for it, changes its payloads, and seals it again. */
static size_t forge(struct bench *b, change_payloads *change, uint8_t out[CRAFT_MAX + 64])
{
    static struct craft c;
    static struct payloads p;
    static uint8_t text[CRAFT_MAX + 1];
    uint8_t iv[IV_MAX];
    const struct ike_sa *sa = craft_sa(end(b, 1 - b->hold.from)->ike);
    memcpy(iv, sa->iv, sizeof iv);
    assert_true(craft_open(sa, iv, bytes_of(b->hold.datagram.data, b->hold.datagram.len), &c));
    assert_int_equal(payloads_read(c.header.next_payload, bytes_of(c.text, c.len), true, &p), OK);
    change(&p);
    struct writer w = writer_of(text, sizeof text); /* one byte before it is the type of the first payload */
    write_u8(&w, 0);
    struct chain chain = chain_begin(0);
    for (size_t i = 0; i < p.count; i++)
        chain_add(&chain, &w, p.items[i].type, p.items[i].body);
    assert_false(w.failed);
    c.header.next_payload = text[0];
    c.len = w.len - 1;
    memcpy(c.text, text + 1, c.len);
    memcpy(iv, sa->iv, sizeof iv);
    return craft_seal(sa, iv, &c, out);
}

static size_t index_of(const struct payloads *p, uint8_t type)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->items[i].type == type)
            return i;
    fail_msg("there is no payload %u", type);
    return 0;
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
    copy_body(&p->items[index_of(p, PAYLOAD_SIG)])[7] ^= 1;
}

static void zero_signature(struct payloads *p)
{
    struct payload *item = &p->items[index_of(p, PAYLOAD_SIG)];
    memset(copy_body(item), 0, item->body.len);
}

static void empty_signature(struct payloads *p)
{
    p->items[index_of(p, PAYLOAD_SIG)].body.len = 0;
}

static void short_signature(struct payloads *p)
{
    p->items[index_of(p, PAYLOAD_SIG)].body.len--;
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
    p->items[index_of(p, PAYLOAD_SIG)].type = PAYLOAD_HASH;
}

static void two_signatures(struct payloads *p)
{
    p->items[p->count++] = p->items[index_of(p, PAYLOAD_SIG)];
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
    struct payload *item = &p->items[index_of(p, PAYLOAD_CERT)];
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
    p->items[index_of(p, PAYLOAD_CERT)].body.len = 0;
}

static void bare_encoding(struct payloads *p)
{
    p->items[index_of(p, PAYLOAD_CERT)].body.len = 1;
}

static void flip_certificate(struct payloads *p)
{
    struct payload *item = &p->items[index_of(p, PAYLOAD_CERT)];
    copy_body(item)[item->body.len - 5] ^= 1; /* its signature */
}

static void twenty_certificates(struct payloads *p)
{
    const struct payload own = p->items[index_of(p, PAYLOAD_CERT)];
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
    struct payload *item = &p->items[index_of(p, PAYLOAD_CERT)];
    memset(scratch, 0x30, sizeof scratch);
    scratch[0] = 4;
    item->body = bytes_of(scratch, CERT_SIZE_MAX + 2);
}

static void rubbish_certificate(struct payloads *p)
{
    struct payload *item = &p->items[index_of(p, PAYLOAD_CERT)];
    memset(copy_body(item) + 1, 0xff, item->body.len - 1);
}

static void another_name(struct payloads *p)
{
    copy_body(&p->items[index_of(p, PAYLOAD_ID)])[4] ^= 1;
}

static void swapped_certificates(struct payloads *p)
{
    size_t at = index_of(p, PAYLOAD_CERT);
    struct payload first = p->items[at];
    p->items[at] = p->items[at + 1];
    p->items[at + 1] = first;
}

static change_payloads *const changes[] = {
    flip_signature,   zero_signature,      empty_signature,         short_signature,  no_signature,
    a_hash_instead,   two_signatures,      no_certificate,          no_intermediate,  as_pkcs7,
    as_crl,           empty_certificate,   bare_encoding,           flip_certificate, twenty_certificates,
    huge_certificate, rubbish_certificate, forty_four_certificates, another_name,     swapped_certificates,
};

static struct bench *held_with(int from, unsigned nth)
{
    struct bench *b = bench_until(from, nth);
    equip_both(b->rig, PKI_EC256);
    bench_go(b);
    return b;
}

/* What is wrong changes nothing, and the right one succeeds afterwards (B17, B19). */
static void test_forged_messages(void **state)
{
    (void)state;
    static uint8_t out[CRAFT_MAX + 64];
    for (int from = I; from <= R; from++)
        for (size_t i = 0; i < COUNT(changes); i++) {
            struct bench *b = held_with(from, from == I ? MAIN5 : MAIN6);
            struct snapshot was = snapshot(b, 1 - from);
            size_t len = forge(b, changes[i], out);
            uint64_t dropped = rig_drops(end(b, 1 - from), IKE_DROP_AUTHENTICATION);
            deliver(b, out, len);
            if (rig_drops(end(b, 1 - from), IKE_DROP_AUTHENTICATION) != dropped + 1)
                fail_msg("change %zu from %d was not refused", i, from);
            unchanged(b, 1 - from, &was);
            the_right_one_succeeds(b);
        }
}

/* The forger itself: an unchanged message succeeds. */
static void test_the_forger_can_tell_the_truth(void **state)
{
    (void)state;
    static uint8_t out[CRAFT_MAX + 64];
    for (int from = I; from <= R; from++) {
        struct bench *b = held_with(from, from == I ? MAIN5 : MAIN6);
        size_t len = forge(b, same, out);
        assert_int_equal(len, b->hold.datagram.len);
        assert_memory_equal(out, b->hold.datagram.data, len);
        the_right_one_succeeds(b);
    }
}

/* Each costs several verifications: a half-open SA affords sixteen, then no more. */
static void test_signatures_are_rationed(void **state)
{
    (void)state;
    static uint8_t out[CRAFT_MAX + 64];
    struct bench *b = held_with(I, MAIN5);
    for (unsigned i = 0; i < SIGNATURE_ATTEMPTS; i++)
        deliver(b, out, forge(b, flip_signature, out));
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_AUTHENTICATION), SIGNATURE_ATTEMPTS);
    deliver_right(b);
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_LIMIT), 1);
    assert_int_equal(end(b, R)->events[IKE_EVENT_PHASE1_UP], 0);
    bench_free(b);
}

/* CERTREQ: empty, of other encodings, of many authorities: in the clear message 4, then all goes on. */
static void test_certificate_requests_in_clear(void **state)
{
    (void)state;
    static const uint8_t any[1] = {4}, pgp[1] = {2}, other[5] = {4, 0x30, 0x03, 0x31, 0x01};
    static const struct bytes bodies[] = {{NULL, 0}, {any, 1}, {pgp, 1}, {other, sizeof other}};
    for (size_t i = 0; i < COUNT(bodies); i++) {
        struct bench *b = held_with(R, MAIN4);
        static struct payloads p;
        static uint8_t out[RIG_DATAGRAM_MAX];
        struct rig_datagram *d = &b->hold.datagram;
        assert_int_equal(payloads_read(d->data[IKE_HEADER_NEXT_AT],
                                       bytes_of(d->data + IKE_HEADER_LEN, d->len - IKE_HEADER_LEN), false, &p),
                         OK);
        p.items[index_of(&p, PAYLOAD_CERTREQ)].body = bodies[i];
        struct writer w = writer_of(out, sizeof out);
        write_bytes(&w, d->data, IKE_HEADER_LEN);
        struct chain chain = chain_begin(IKE_HEADER_NEXT_AT);
        for (size_t k = 0; k < p.count; k++)
            chain_add(&chain, &w, p.items[k].type, p.items[k].body);
        header_finish(&w);
        memcpy(d->data, out, w.len);
        d->len = w.len;
        the_right_one_succeeds(b);
    }
}

/* Message 4 names the authorities, but is never longer than three times what asked for it (B15). */
static void test_answers_stay_small(void **state)
{
    (void)state;
    const struct family *f = &families[PKI_EC256];
    char name[120] = "CN=";
    memset(name + 3, 'x', 100);
    struct pki *verbose = pki_ca(name, PKI_EC256, NULL);
    for (size_t cas = 1; cas <= 8; cas++) {
        struct bench *b = bench_until(R, MAIN4);
        char text[256];
        const struct why why = {text, sizeof text};
        equip_both(b->rig, PKI_EC256);
        for (size_t i = 1; i < cas; i++)
            assert_int_equal(
                trust_add_ca(end(b, R)->connection.credentials->trust, pki_cert_pem(i % 2 ? verbose : f->middle), &why),
                OK);
        bench_go(b);
        assert_true(b->hold.datagram.len <= ANSWER_TIMES * rig_sent(b->rig, I, 0)->len);
        the_right_one_succeeds(b);
    }
    pki_free(verbose);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_forger_can_tell_the_truth),
        cmocka_unit_test(test_forged_messages),
        cmocka_unit_test(test_signatures_are_rationed),
        cmocka_unit_test(test_certificate_requests_in_clear),
        cmocka_unit_test(test_answers_stay_small),
    };
    return cmocka_run_group_tests(tests, make, drop);
}
