/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile input at the door: headers, chains of payloads and first offers, against whole gateways. What is malformed is
 * dropped, counted once and answered by nobody; afterwards the right message is welcome. bNN names the bad input,
 * hYYYY_N the bug of other daemons that it would have met.
 */
#include "test/sim/forge.h"
#include "test/sim/spoil.h"

/* Which datagrams may be spoiled before anything is encrypted. */
static const struct step {
    int from;
    unsigned nth;
} clear_steps[] = {{I, MAIN1}, {R, MAIN2}, {I, MAIN3}, {R, MAIN4}};

struct quiet {
    uint64_t drops;
    unsigned sent, events;
    size_t sas;
    int to;
};

static struct quiet before(struct bench *b)
{
    int to = 1 - b->hold.from;
    const struct rig_end *e = end(b, to);
    return (struct quiet){all_drops(e), e->sent, all_events(e), rig_sas(e, NULL), to};
}

static void dropped_once(struct bench *b, const struct quiet *was, size_t at)
{
    const struct rig_end *e = end(b, was->to);
    if (all_drops(e) != was->drops + 1 || e->sent != was->sent || all_events(e) != was->events ||
        rig_sas(e, NULL) != was->sas)
        fail_msg("case %zu from %d: %u drops, %u sent", at, b->hold.from, (unsigned)(all_drops(e) - was->drops),
                 e->sent - was->sent);
}

static void b01_header_lengths_that_lie(void **state)
{
    (void)state;
    for (size_t s = 0; s < COUNT(clear_steps); s++) {
        struct bench *b = held_at(clear_steps[s].from, clear_steps[s].nth);
        const uint32_t len = (uint32_t)b->hold.datagram.len;
        const uint32_t lengths[] = {0, 1, 27, 28, len - 1, len + 1, 16384, 65536, 0x7fffffff, 0xffffffff};
        for (size_t i = 0; i < COUNT(lengths); i++) {
            struct rig_datagram d = b->hold.datagram;
            struct quiet was = before(b);
            store_u32(d.data + IKE_HEADER_LENGTH_AT, lengths[i]);
            deliver(b, d.data, d.len);
            dropped_once(b, &was, i);
        }
        for (size_t short_of = 0; short_of < IKE_HEADER_LEN; short_of++) {
            struct quiet was = before(b);
            deliver(b, b->hold.datagram.data, short_of);
            dropped_once(b, &was, short_of);
        }
        the_right_one_succeeds(b);
    }
}

/* 2004-0218: a payload of length 0 to 3 was an endless loop. Every payload of every clear message. */
static void h2004_0218_b02_b03_payload_lengths_that_lie(void **state)
{
    (void)state;
    for (size_t s = 0; s < COUNT(clear_steps); s++) {
        struct bench *b = held_at(clear_steps[s].from, clear_steps[s].nth);
        struct rig_datagram d = b->hold.datagram;
        static struct payloads p;
        assert_int_equal(payloads_read(d.data[IKE_HEADER_NEXT_AT],
                                       bytes_of(d.data + IKE_HEADER_LEN, d.len - IKE_HEADER_LEN), false, &p),
                         OK);
        for (size_t k = 0; k < p.count; k++) {
            size_t at = (size_t)(p.items[k].whole.data - d.data), rest = d.len - at;
            const uint16_t lengths[] = {0, 1, 2, 3, (uint16_t)(rest + 1), (uint16_t)(rest + 4), 0x7fff, 0xffff};
            uint16_t right = load_u16(d.data + at + 2);
            for (size_t i = 0; i < COUNT(lengths); i++) {
                struct quiet was = before(b);
                store_u16(d.data + at + 2, lengths[i]);
                deliver(b, d.data, d.len);
                dropped_once(b, &was, 100 * k + i);
            }
            store_u16(d.data + at + 2, right);
        }
        the_right_one_succeeds(b);
    }
}

static void add_payload(struct rig_datagram *d, uint8_t type, const void *body, size_t len)
{
    static struct payloads p;
    assert_int_equal(payloads_read(d->data[IKE_HEADER_NEXT_AT],
                                   bytes_of(d->data + IKE_HEADER_LEN, d->len - IKE_HEADER_LEN), false, &p),
                     OK);
    d->data[(size_t)(p.items[p.count - 1].whole.data - d->data)] = type;
    struct writer w = writer_of(d->data, sizeof d->data);
    w.len = d->len;
    write_u16(&w, 0);
    write_u16(&w, (uint16_t)(PAYLOAD_HEADER + len));
    write_bytes(&w, body, len);
    assert_false(w.failed);
    d->len = w.len;
    store_u32(d->data + IKE_HEADER_LENGTH_AT, (uint32_t)d->len);
}

/* A request for a certificate that has no body underflowed elsewhere. Here, with keys, it is ignored. */
static void h2004_0220_b03_a_certificate_request_of_length_4(void **state)
{
    (void)state;
    for (int from = I; from <= R; from++) {
        struct bench *b = held_at(from, from == I ? MAIN3 : MAIN4);
        add_payload(&b->hold.datagram, PAYLOAD_CERTREQ, "", 0);
        the_right_one_succeeds(b);
    }
}

static void b04_trailing_bytes_and_chains_without_end(void **state)
{
    (void)state;
    for (size_t s = 0; s < COUNT(clear_steps); s++) {
        struct bench *b = held_at(clear_steps[s].from, clear_steps[s].nth);
        for (size_t more = 1; more <= 40; more++) { /* zeros behind the last payload */
            struct rig_datagram d = b->hold.datagram;
            struct quiet was = before(b);
            memset(d.data + d.len, 0, more);
            d.len += more;
            store_u32(d.data + IKE_HEADER_LENGTH_AT, (uint32_t)d.len);
            deliver(b, d.data, d.len);
            dropped_once(b, &was, more);
        }
        /* The last payload names another one; and each names itself, until the end. */
        struct rig_datagram d = b->hold.datagram;
        static struct payloads p;
        assert_int_equal(payloads_read(d.data[IKE_HEADER_NEXT_AT],
                                       bytes_of(d.data + IKE_HEADER_LEN, d.len - IKE_HEADER_LEN), false, &p),
                         OK);
        struct quiet was = before(b);
        d.data[(size_t)(p.items[p.count - 1].whole.data - d.data)] = PAYLOAD_VENDOR;
        deliver(b, d.data, d.len);
        dropped_once(b, &was, 41);
        for (size_t k = 0; k < p.count; k++)
            d.data[(size_t)(p.items[k].whole.data - d.data)] = d.data[IKE_HEADER_NEXT_AT];
        was = before(b);
        deliver(b, d.data, d.len);
        dropped_once(b, &was, 42);
        the_right_one_succeeds(b);
    }
}

/* A version-2 message with version-1 payloads; version-2 payloads in a version-1 message; other versions. */
static void h2015_3991_b05_payloads_of_the_other_version(void **state)
{
    (void)state;
    static const uint8_t versions[] = {0x00, 0x01, 0x20, 0x21, 0x30, 0xf0};
    static const uint8_t exchanges[] = {2, 4, 34, 35, 36, 37};
    for (size_t s = 0; s < COUNT(clear_steps); s++) {
        struct bench *b = held_at(clear_steps[s].from, clear_steps[s].nth);
        for (size_t v = 0; v < COUNT(versions); v++)
            for (size_t x = 0; x < COUNT(exchanges); x++) {
                struct rig_datagram d = b->hold.datagram;
                struct quiet was = before(b);
                d.data[17] = versions[v];
                d.data[18] = exchanges[x];
                deliver(b, d.data, d.len);
                dropped_once(b, &was, 10 * v + x);
            }
        for (uint8_t type = 33; type <= 54; type++) {
            struct rig_datagram d = b->hold.datagram;
            struct quiet was = before(b);
            add_payload(&d, type, "abcd", 4);
            deliver(b, d.data, d.len);
            dropped_once(b, &was, type);
        }
        the_right_one_succeeds(b);
    }
}

/* The count of payloads at the end of the array. */
static void h2026_12413_b06_payloads_up_to_the_limit(void **state)
{
    (void)state;
    for (int more = -1; more <= 1; more++) {
        struct bench *b = held_at(I, MAIN1);
        static struct payloads p;
        struct rig_datagram *d = &b->hold.datagram;
        assert_int_equal(payloads_read(PAYLOAD_SA, bytes_of(d->data + 28, d->len - 28), false, &p), OK);
        for (size_t i = p.count; i < (size_t)(PAYLOADS_MAX + more); i++)
            add_payload(d, PAYLOAD_VENDOR, "abcd", 4);
        deliver(b, d->data, d->len);
        assert_int_equal(rig_sas(end(b, R), NULL), more <= 0);
        assert_int_equal(end(b, R)->sent, more <= 0);
        assert_int_equal(rig_drops(end(b, R), IKE_DROP_LIMIT), more > 0);
        bench_free(b);
    }
}

/* As many as a datagram that is read at all can hold: proposals that are empty, and transforms that say nothing. */
static void b07_a_datagram_full_of_proposals_or_transforms(void **state)
{
    (void)state;
    for (int transforms = 0; transforms <= 1; transforms++) {
        struct bench *b = held_at(I, MAIN1);
        static uint8_t data[IKE_MESSAGE_MAX];
        struct writer w = writer_of(data, sizeof data);
        write_bytes(&w, b->hold.datagram.data, IKE_HEADER_LEN);
        write_u16(&w, 0);
        write_u16(&w, IKE_MESSAGE_MAX - IKE_HEADER_LEN);
        write_u32(&w, 1);
        write_u32(&w, 1);
        if (transforms) {
            write_u16(&w, 0);
            write_u16(&w, IKE_MESSAGE_MAX - IKE_HEADER_LEN - 12);
            write_u32(&w, 0x010100ff);
        }
        while (sizeof data - w.len >= 8) {
            write_u8(&w, sizeof data - w.len < 16 ? 0 : transforms ? 3 : 2);
            write_u8(&w, 0);
            write_u16(&w, 8);
            write_u32(&w, 0x01010000);
        }
        memset(data + w.len, 0, sizeof data - w.len);
        store_u32(data + IKE_HEADER_LENGTH_AT, sizeof data);
        struct quiet was = before(b);
        deliver(b, data, sizeof data);
        dropped_once(b, &was, (size_t)transforms);
        the_right_one_succeeds(b);
    }
}

/* --- B8: attributes of the first offer --- */

/* Every attribute of a type in the offer of message 1. form: 0x8000 for a short one, 0 for a long one, whose length the
 * value then is. */
static void set_offered(struct rig_datagram *d, uint16_t type, uint16_t value, uint16_t form)
{
    size_t len, found = 0;
    uint8_t *sa = body_in(d, PAYLOAD_SA, &len);
    for (size_t at = 8 + 8 + 8; at + 4 <= len; at += 4)
        if (load_u16(sa + at) == (0x8000 | type)) {
            store_u16(sa + at, form | type);
            store_u16(sa + at + 2, value);
            found++;
        }
    assert_true(found > 0);
}

static void refused_offer(uint16_t type, uint16_t value)
{
    struct bench *b = held_at(I, MAIN1);
    struct rig_datagram d = b->hold.datagram;
    set_offered(&d, type, value, 0x8000);
    unsigned sent = end(b, R)->sent;
    deliver(b, d.data, d.len);
    if (end(b, R)->sent != sent + 1 || rig_sas(end(b, R), NULL) != 0)
        fail_msg("attribute %u = %u is not refused", type, value);
    assert_int_equal(last_notification(b, R), NOTIFY_NO_PROPOSAL_CHOSEN);
    assert_int_equal(all_events(end(b, R)), 0);
    the_right_one_succeeds(b);
}

/* Numbers of attributes: RFC 2409 Appendix A. */
static void h2011_3380_h2018_0131_b08_attributes_that_are_refused(void **state)
{
    (void)state;
    enum { ENCRYPTION = 1, HASH = 2, AUTH = 3, GROUP = 4, KEY_LENGTH = 14 };
    static const uint16_t lengths[] = {0, 1, 7, 8, 127, 129, 255, 257, 0x7fff, 0xffff};
    static const uint16_t ciphers[] = {0, 1, 2, 4, 6, 11, 20, 23, 255, 0xffff}; /* DES, GMAC and what nobody knows */
    static const uint16_t methods[] = {0, 2, 4, 5, 8, 64, 0xffff};
    for (size_t i = 0; i < COUNT(lengths); i++)
        refused_offer(KEY_LENGTH, lengths[i]);
    for (size_t i = 0; i < COUNT(ciphers); i++)
        refused_offer(ENCRYPTION, ciphers[i]);
    for (size_t i = 0; i < COUNT(methods); i++)
        refused_offer(AUTH, methods[i]);
    refused_offer(HASH, 0);
    refused_offer(HASH, 0xffff);
}

/* Groups that only have a meaning inside a program, and MODP768. */
static void h2014_9221_b09_groups_that_nobody_may_ask_for(void **state)
{
    (void)state;
    static const uint16_t groups[] = {0, 1, 3, 4, 22, 23, 24, 32, 1023, 1024, 1025, 1031, 0x7fff, 0xffff};
    for (size_t i = 0; i < COUNT(groups); i++)
        refused_offer(4, groups[i]);
}

/* The long form for what has to be short (RFC 2408 3.3): its length leads out of the transform. */
static void b08_the_wrong_form_of_an_attribute(void **state)
{
    (void)state;
    static const uint16_t types[] = {1, 2, 3, 4, 14};
    static const uint16_t lengths[] = {0, 1, 0xffff};
    for (size_t i = 0; i < COUNT(types); i++)
        for (size_t k = 0; k < COUNT(lengths); k++) {
            struct bench *b = held_at(I, MAIN1);
            struct rig_datagram d = b->hold.datagram;
            set_offered(&d, types[i], lengths[k], 0);
            unsigned sent = end(b, R)->sent;
            deliver(b, d.data, d.len);
            assert_int_equal(rig_sas(end(b, R), NULL), 0);
            assert_true(end(b, R)->sent <= sent + 1);
            if (end(b, R)->sent > sent)
                assert_int_equal(last_notification(b, R), NOTIFY_NO_PROPOSAL_CHOSEN);
            the_right_one_succeeds(b);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b01_header_lengths_that_lie),
        cmocka_unit_test(h2004_0218_b02_b03_payload_lengths_that_lie),
        cmocka_unit_test(h2004_0220_b03_a_certificate_request_of_length_4),
        cmocka_unit_test(b04_trailing_bytes_and_chains_without_end),
        cmocka_unit_test(h2015_3991_b05_payloads_of_the_other_version),
        cmocka_unit_test(h2026_12413_b06_payloads_up_to_the_limit),
        cmocka_unit_test(b07_a_datagram_full_of_proposals_or_transforms),
        cmocka_unit_test(h2011_3380_h2018_0131_b08_attributes_that_are_refused),
        cmocka_unit_test(h2014_9221_b09_groups_that_nobody_may_ask_for),
        cmocka_unit_test(b08_the_wrong_form_of_an_attribute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
