/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages 3 to 6 of main mode with signatures, changed on the way by one who has the keys: what is wrong changes
 * nothing and is counted, and the right one succeeds afterwards (B17, B19).
 */
#include "test/sim/forge_signed.h"

#include "ike/v1_message.h"

static struct bench *held_with(int from, unsigned nth)
{
    struct bench *b = bench_until(from, nth);
    equip_both(b->rig, PKI_EC256);
    bench_go(b);
    return b;
}

/* What is wrong changes nothing, and the right one succeeds afterwards (B17, B19). */
static void h2004_0155_b17_forged_messages(void **state)
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

static void test_signatures_are_rationed(void **state)
{
    (void)state;
    signatures_of_one_sa_are_rationed(held_with(I, MAIN5));
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
        cmocka_unit_test(h2004_0155_b17_forged_messages),
        cmocka_unit_test(test_signatures_are_rationed),
        cmocka_unit_test(test_certificate_requests_in_clear),
        cmocka_unit_test(test_answers_stay_small),
    };
    return cmocka_run_group_tests(tests, make, drop);
}
