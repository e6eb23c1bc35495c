/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aggressive mode with signatures: messages 2 and 3 changed on the way, by anyone (2 is in clear) or by one who has the
 * keys; methods that are swapped; and what the other end may learn. What is wrong changes nothing, and the right one
 * succeeds afterwards. That it comes about, and with whom it must not, is in test_certificates.c, for both modes.
 */
#include "test/sim/forge_signed.h"

#include "ike/auth.h"
#include "test/sim/spoil.h"

static struct bench *held_with(int from, unsigned nth)
{
    struct bench *b = bench_until(from, nth);
    equip_both(b->rig, PKI_EC256);
    bench_go(b);
    return b;
}

/* The held message, which is in clear, with its payloads changed. */
static size_t forge_clear(const struct rig_datagram *d, change_signed *change, uint8_t out[CRAFT_MAX + 64])
{
    static struct payloads p;
    assert_int_equal(payloads_read(d->data[IKE_HEADER_NEXT_AT],
                                   bytes_of(d->data + IKE_HEADER_LEN, d->len - IKE_HEADER_LEN), false, &p),
                     OK);
    change(&p);
    struct writer w = writer_of(out, CRAFT_MAX + 64);
    write_bytes(&w, d->data, IKE_HEADER_LEN);
    struct chain chain = chain_begin(IKE_HEADER_NEXT_AT);
    for (size_t i = 0; i < p.count; i++)
        chain_add(&chain, &w, p.items[i].type, p.items[i].body);
    header_finish(&w);
    assert_false(w.failed);
    return w.len;
}

/* Nothing of a message 2 stays. */
static void still_asks(struct bench *b)
{
    const struct ike_sa *sa = craft_sa(end(b, I)->ike);
    assert_int_equal(sa->state, SA_SENT_ID);
    assert_int_equal(sa->spi_r, 0);
    assert_int_equal(sa->suite.encr, ENCR_NONE);
    assert_null(sa->keys.skeyid_a.data);
    assert_null(sa->remote_id);
    assert_int_equal(end(b, I)->events[IKE_EVENT_PHASE1_UP], 0);
}

static void forged_replies(void **state)
{
    (void)state;
    static uint8_t out[CRAFT_MAX + 64];
    for (size_t i = 0; i < COUNT(changes); i++) {
        struct bench *b = held_with(R, REPLY);
        size_t len = forge_clear(&b->hold.datagram, changes[i], out);
        uint64_t dropped = all_drops(end(b, I));
        deliver(b, out, len);
        if (all_drops(end(b, I)) != dropped + 1)
            fail_msg("change %zu was not refused", i);
        still_asks(b);
        the_right_one_succeeds(b);
    }
}

static void forged_proofs_of_the_initiator(void **state)
{
    (void)state;
    static uint8_t out[CRAFT_MAX + 64];
    for (size_t i = 0; i < COUNT(changes); i++) {
        if (changes[i] == another_name) /* there is none in message 3 */
            continue;
        struct bench *b = held_with(I, THIRD);
        struct snapshot was = snapshot(b, R);
        size_t len = forge(b, changes[i], out);
        uint64_t dropped = rig_drops(end(b, R), IKE_DROP_AUTHENTICATION);
        deliver(b, out, len);
        if (rig_drops(end(b, R), IKE_DROP_AUTHENTICATION) != dropped + 1)
            fail_msg("change %zu was not refused", i);
        unchanged(b, R, &was);
        the_right_one_succeeds(b);
    }
}

static void the_forger_can_tell_the_truth(void **state)
{
    (void)state;
    static uint8_t out[CRAFT_MAX + 64];
    struct bench *b = held_with(I, THIRD);
    assert_int_equal(forge(b, same, out), b->hold.datagram.len);
    assert_memory_equal(out, b->hold.datagram.data, b->hold.datagram.len);
    the_right_one_succeeds(b);
    b = held_with(R, REPLY);
    assert_int_equal(forge_clear(&b->hold.datagram, same, out), b->hold.datagram.len);
    assert_memory_equal(out, b->hold.datagram.data, b->hold.datagram.len);
    the_right_one_succeeds(b);
}

static void every_byte_of_message_3(void **state)
{
    (void)state;
    struct bench *b = bench_until(I, THIRD);
    equip_both(b->rig, PKI_EC256);
    for (int i = 0; i < RIG_ENDS; i++) /* without the intermediate certificate it is short enough for a sweep */
        equip(
            b->rig, i,
            credentials_from(families[PKI_EC256].end[i], families[PKI_EC256].end[i], NULL, families[PKI_EC256].middle),
            names[i], names[1 - i]);
    end(b, I)->connection.encap = end(b, R)->connection.encap = ENCAP_NO; /* no NAT-D, which no proof covers */
    bench_go(b);
    struct snapshot was = snapshot(b, R);
    for (size_t at = IKE_HEADER_LEN; at < b->hold.datagram.len; at += 16) { /* one in each block */
        struct rig_datagram spoiled = b->hold.datagram;
        spoiled.data[at] ^= 0x55;
        deliver(b, spoiled.data, spoiled.len);
        unchanged(b, R, &was);
        if (at / 16 % (SIGNATURE_ATTEMPTS / 2) == 0) /* in the test, not for an attacker */
            craft_sa(end(b, R)->ike)->phase1->checks = 0;
    }
    craft_sa(end(b, R)->ike)->phase1->checks = 0;
    the_right_one_succeeds(b);
}

/* RFC 2409 5.1: HDR without a star: message 3 may come in clear, and is believed for its signature alone. */
static void message_3_in_clear(void **state)
{
    (void)state;
    for (int forged = 0; forged <= 1; forged++) {
        struct bench *b = held_with(I, THIRD);
        struct craft c;
        struct payloads p;
        uint8_t iv[IV_MAX];
        static struct rig_datagram clear;
        const struct ike_sa *sa = craft_sa(end(b, R)->ike);
        memcpy(iv, sa->iv, sizeof iv);
        assert_true(craft_open(sa, iv, bytes_of(b->hold.datagram.data, b->hold.datagram.len), &c));
        assert_int_equal(payloads_read(c.header.next_payload, bytes_of(c.text, c.len), true, &p), OK);
        if (forged)
            flip_signature(&p);
        clear = b->hold.datagram;
        c.header.flags = 0;
        struct writer w = writer_of(clear.data, sizeof clear.data);
        header_write(&w, &c.header);
        struct chain chain = chain_begin(IKE_HEADER_NEXT_AT);
        for (size_t i = 0; i < p.count; i++)
            chain_add(&chain, &w, p.items[i].type, p.items[i].body);
        header_finish(&w);
        assert_false(w.failed);
        deliver(b, clear.data, w.len);
        assert_int_equal(craft_sa(end(b, R)->ike)->state, forged ? SA_WAIT_HASH : SA_ESTABLISHED);
        bench_free(b);
    }
}

static void signatures_are_rationed(void **state)
{
    (void)state;
    signatures_of_one_sa_are_rationed(held_with(I, THIRD));
}

/* An initiator that cannot prove itself: the responder does not believe it, whatever it has told itself. */
static void an_initiator_with_a_bad_certificate(void **state)
{
    (void)state;
    const struct family *f = &families[PKI_EC256];
    struct pki *mallory = pki_end("CN=mallory", "DNS:mallory.example.org", PKI_EC256, f->middle);
    struct pki *forged = pki_end("CN=end0", "DNS:end0.example.org", PKI_EC256, stranger);
    struct pki_spec late = {.subject = "CN=end0", .alt = "DNS:end0.example.org", .until = PKI_NOW - PKI_DAY};
    struct pki *expired = pki_issue(&late, f->middle, NULL);
    struct {
        struct pki *key, *cert;
    } rows[] = {{mallory, mallory}, {mallory, f->end[I]}, {forged, forged}, {expired, expired}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct rig *rig = rig_new(i + 1);
        equip_both(rig, PKI_EC256);
        equip(rig, I, credentials_from(rows[i].key, rows[i].cert, f->middle, f->root), names[I], names[R]);
        rig_start(rig);
        rig_run(rig, 200 * SECOND);
        assert_int_equal(rig->ends[R].events[IKE_EVENT_PHASE1_UP], 0);
        assert_int_equal(rig_sas(&rig->ends[R], "established"), 0);
        assert_true(rig_drops(&rig->ends[R], IKE_DROP_AUTHENTICATION) > 0);
        for (int k = 0; k < RIG_ENDS; k++)
            assert_int_equal(rig_children(&rig->ends[k]), 0);
        assert_int_equal(rig_free(rig), 0);
    }
    pki_free(mallory);
    pki_free(forged);
    pki_free(expired);
}

/* Both are called what the certificate does not say. */
static void a_name_that_no_certificate_bears(void **state)
{
    (void)state;
    for (int who = I; who <= R; who++) {
        struct rig *rig = rig_new(1);
        equip_both(rig, PKI_EC256);
        rig->ends[who].connection.local_id = rig->ends[1 - who].connection.remote_id = an_identity("root@example.org");
        rig_start(rig);
        rig_run(rig, 100 * SECOND);
        assert_int_equal(rig->ends[1 - who].events[IKE_EVENT_PHASE1_UP], 0);
        assert_int_equal(rig_children(&rig->ends[I]) + rig_children(&rig->ends[R]), 0);
        assert_true(rig_drops(&rig->ends[1 - who], IKE_DROP_AUTHENTICATION) > 0);
        assert_int_equal(rig_free(rig), 0);
    }
}

/* --- methods that are swapped --- */

/* The attribute "authentication method" of the offer or the answer: 0x8003, value. */
static void swap_method(struct rig_datagram *d, uint8_t from, uint8_t to)
{
    const uint8_t attribute[4] = {0x80, 3, 0, from};
    unsigned found = 0;
    for (size_t i = IKE_HEADER_LEN; i + 4 <= d->len; i++)
        if (memcmp(d->data + i, attribute, 4) == 0) {
            d->data[i + 3] = to;
            found++;
        }
    assert_true(found > 0);
}

static void a_reply_that_has_chosen_another_method(void **state)
{
    (void)state;
    static const uint8_t methods[] = {V1_AUTH_PSK, V1_AUTH_RSA, V1_AUTH_ECDSA_384, 0};
    for (size_t i = 0; i < COUNT(methods); i++) {
        struct bench *b = held_with(R, REPLY);
        struct rig_datagram swapped = b->hold.datagram;
        swap_method(&swapped, V1_AUTH_ECDSA_256, methods[i]);
        deliver(b, swapped.data, swapped.len);
        still_asks(b);
        the_right_one_succeeds(b);
    }
}

/* The responder has a connection for each method. The offer is changed to the weaker one, and answered so: the
 * initiator takes neither the answer as it is, nor with the method put back. */
static void a_downgrade_to_the_pre_shared_key(void **state)
{
    (void)state;
    struct bench *b = bench_until(I, FIRST);
    struct connection both[2];
    equip_both(b->rig, PKI_EC256);
    both[0] = end(b, R)->connection;
    both[1] = end(b, R)->connection;
    both[1].auth = AUTH_PSK;
    both[1].credentials = NULL;
    assert_int_equal(secret_copy(b->rig->vault, "a key of both", 13, &both[1].psk), OK);
    end(b, R)->several = both;
    end(b, R)->several_count = 2;
    bench_go(b);
    struct rig_datagram offer = b->hold.datagram;
    swap_method(&offer, V1_AUTH_ECDSA_256, V1_AUTH_PSK);
    b->hold = (struct hold){.from = R};
    rig_inject(b->rig, R, IKE_PORT, bytes_of(offer.data, offer.len));
    assert_true(b->hold.held);
    assert_int_equal(craft_sa(end(b, R)->ike)->connection, 1);
    struct rig_datagram answer = b->hold.datagram;
    deliver(b, answer.data, answer.len);
    still_asks(b);
    swap_method(&answer, V1_AUTH_PSK, V1_AUTH_ECDSA_256);
    deliver(b, answer.data, answer.len);
    still_asks(b);
    assert_int_equal(end(b, R)->events[IKE_EVENT_PHASE1_UP], 0);
    secret_free(&both[1].psk);
    b->rig->filter = NULL;
    bench_free(b);
}

/* Whoever forges the address of another makes us send it our certificates: as often as an honest peer may ask, no
 * more. */
static void b15_message_2_is_not_repeated_without_end(void **state)
{
    (void)state;
    struct bench *b = held_with(I, FIRST);
    struct rig_datagram first = b->hold.datagram;
    b->hold = (struct hold){.from = R, .held = true};
    for (uint64_t ms = 0; ms < HALF_OPEN_LIFE - SECOND; ms += REPEAT_EVERY) {
        rig_inject(b->rig, R, IKE_PORT, bytes_of(first.data, first.len));
        b->rig->now_ms += REPEAT_EVERY;
    }
    assert_true(rig_sent(b->rig, R, 0)->len > 3 * first.len);
    assert_int_equal(rig_sas(end(b, R), NULL), 1);
    assert_int_equal(end(b, R)->sent, 1 + AGGRESSIVE_REPEATS);
    b->rig->filter = NULL;
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_forger_can_tell_the_truth),
        cmocka_unit_test(forged_replies),
        cmocka_unit_test(forged_proofs_of_the_initiator),
        cmocka_unit_test(every_byte_of_message_3),
        cmocka_unit_test(message_3_in_clear),
        cmocka_unit_test(signatures_are_rationed),
        cmocka_unit_test(an_initiator_with_a_bad_certificate),
        cmocka_unit_test(a_name_that_no_certificate_bears),
        cmocka_unit_test(b15_message_2_is_not_repeated_without_end),
        cmocka_unit_test(a_reply_that_has_chosen_another_method),
        cmocka_unit_test(a_downgrade_to_the_pre_shared_key),
    };
    return cmocka_run_group_tests(tests, make_aggressive, drop);
}
