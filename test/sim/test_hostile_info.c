/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile informational messages. Every test first lets two gateways talk, then speaks for one
 * of them, or as a stranger on the path; and at the end the right message must still be welcome. bNN names the bad
 * input.
 */
#include "test/sim/bench.h"

/* --- B12, B13, B14, B30: informational messages --- */

/* A clear informational message with one payload. */
static size_t clear_info(const struct ike_sa *sa, uint8_t type, struct bytes body, uint8_t out[512])
{
    struct writer w = writer_of(out, 512);
    const struct ike_header h = {
        .spi_i = sa->spi_i, .spi_r = sa->spi_r, .major = 1, .exchange = EXCHANGE_INFORMATIONAL, .message_id = 77};
    header_write(&w, &h);
    struct chain c = chain_begin(IKE_HEADER_NEXT_AT);
    chain_add(&c, &w, type, body);
    header_finish(&w);
    assert_false(w.failed);
    return w.len;
}

static struct bytes delete_of(struct bench *b, int peer, bool ike, uint8_t out[32])
{
    const struct ike_sa *sa = craft_sa(end(b, peer)->ike);
    struct writer w = writer_of(out, 32);
    if (ike)
        v1_delete_write_ike(&w, sa->spi_i, sa->spi_r);
    else
        v1_delete_write_esp(&w, sa->peer->children->child.spi_in);
    return writer_bytes(&w);
}

static struct bytes notify_of(struct bench *b, uint16_t type, uint8_t out[64])
{
    const struct ike_sa *sa = craft_sa(end(b, I)->ike);
    uint8_t spi[16], data[4] = {0, 0, 0, 9};
    store_u64(spi, sa->spi_i);
    store_u64(spi + 8, sa->spi_r);
    struct writer w = writer_of(out, 64);
    v1_notify_write(
        &w, &(struct v1_notify){
                .type = type, .protocol = 1, .spi = bytes_of(spi, sizeof spi), .data = bytes_of(data, sizeof data)});
    return writer_bytes(&w);
}

static void h2004_0164_b12_clear_delete_or_notify(void **state)
{
    (void)state;
    struct bench *b = established();
    uint8_t body[64], message[512];
    struct bytes bodies[3];
    for (int to = I; to <= R; to++) {
        const struct ike_sa *sa = craft_sa(end(b, to)->ike);
        struct snapshot was = snapshot(b, to);
        unsigned sent = end(b, to)->sent;
        bodies[0] = delete_of(b, 1 - to, true, body);
        rig_inject(b->rig, to, 500, bytes_of(message, clear_info(sa, PAYLOAD_DELETE, bodies[0], message)));
        bodies[1] = delete_of(b, 1 - to, false, body);
        rig_inject(b->rig, to, 500, bytes_of(message, clear_info(sa, PAYLOAD_DELETE, bodies[1], message)));
        static const uint16_t types[] = {NOTIFY_INITIAL_CONTACT, NOTIFY_R_U_THERE, NOTIFY_AUTHENTICATION_FAILED,
                                         NOTIFY_INVALID_COOKIE};
        for (size_t i = 0; i < COUNT(types); i++) {
            bodies[2] = notify_of(b, types[i], body);
            rig_inject(b->rig, to, 500, bytes_of(message, clear_info(sa, PAYLOAD_NOTIFY, bodies[2], message)));
        }
        unchanged(b, to, &was);
        assert_int_equal(end(b, to)->sent, sent);
    }
    assert_true(rig_both_carry(b->rig));
    bench_free(b);
}

static void h2019_10155_b12_delete_with_a_wrong_hash(void **state)
{
    (void)state;
    struct bench *b = established();
    for (int to = I; to <= R; to++) {
        const struct ike_sa *sa = craft_sa(end(b, 1 - to)->ike);
        uint8_t body[32], message[CRAFT_MAX + 64];
        size_t len =
            craft_phase2(sa, EXCHANGE_INFORMATIONAL, 0x5000, PAYLOAD_DELETE, delete_of(b, 1 - to, true, body), message);
        struct snapshot was = snapshot(b, to);
        for (size_t bit = IKE_HEADER_LEN * 8; bit < len * 8; bit += 3) {
            message[bit / 8] ^= (uint8_t)(1 << bit % 8);
            rig_inject(b->rig, to, 500, bytes_of(message, len));
            message[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        unchanged(b, to, &was);
        assert_true(rig_both_carry(b->rig));
    }
    /* That it was the hash: unharmed, the same message ends the SA. */
    uint8_t body[32], message[CRAFT_MAX + 64];
    size_t len = craft_phase2(craft_sa(end(b, I)->ike), EXCHANGE_INFORMATIONAL, 0x5001, PAYLOAD_DELETE,
                              delete_of(b, I, true, body), message);
    rig_inject(b->rig, R, 500, bytes_of(message, len));
    assert_int_equal(rig_sas(end(b, R), "established"), 0);
    bench_free(b);
}

static void h2004_0221_b13_deletes_that_lie_and_deletes_twice(void **state)
{
    (void)state;
    struct bench *b = established();
    const struct ike_sa *sa = craft_sa(end(b, I)->ike);
    uint8_t body[64], message[CRAFT_MAX + 64];
    struct bytes right = delete_of(b, I, false, body);
    static const struct {
        size_t at;
        uint8_t value;
    } lies[] = {{6, 0xff}, {7, 0xff}, {5, 0}, {5, 16}, {5, 3}, {4, 1}, {3, 9}, {7, 0}};
    for (size_t i = 0; i < COUNT(lies); i++) {
        uint8_t was = body[lies[i].at];
        body[lies[i].at] = lies[i].value;
        size_t len = craft_phase2(sa, EXCHANGE_INFORMATIONAL, (uint32_t)(0x6000 + i), PAYLOAD_DELETE, right, message);
        rig_inject(b->rig, R, 500, bytes_of(message, len));
        body[lies[i].at] = was;
        assert_int_equal(rig_children(end(b, R)), 1);
    }
    /* An SPI that is not the peer's: ours. */
    uint8_t other[16];
    struct writer o = writer_of(other, sizeof other);
    v1_delete_write_esp(&o, sa->peer->children->child.spi_out);
    size_t len = craft_phase2(sa, EXCHANGE_INFORMATIONAL, 0x6100, PAYLOAD_DELETE, writer_bytes(&o), message);
    rig_inject(b->rig, R, 500, bytes_of(message, len));
    assert_int_equal(rig_children(end(b, R)), 1);
    for (uint32_t id = 0x6200; id < 0x6203; id++) { /* once only */
        len = craft_phase2(sa, EXCHANGE_INFORMATIONAL, id, PAYLOAD_DELETE, right, message);
        rig_inject(b->rig, R, 500, bytes_of(message, len));
        assert_int_equal(rig_children(end(b, R)), 0);
        assert_int_equal(end(b, R)->events[IKE_EVENT_CHILD_DOWN], 1);
    }
    bench_free(b);
}

static void h2023_38712_b13_delete_then_notify_in_one_message(void **state)
{
    (void)state;
    struct bench *b = established();
    const struct ike_sa *sa = craft_sa(end(b, I)->ike);
    uint8_t body[64], message[CRAFT_MAX + 64], iv[IV_MAX];
    size_t len = craft_phase2(sa, EXCHANGE_INFORMATIONAL, 0x6300, PAYLOAD_DELETE, delete_of(b, I, true, body), message);
    struct craft c;
    craft_first_iv(sa, 0x6300, iv);
    assert_true(craft_open(sa, iv, bytes_of(message, len), &c));
    struct bytes notify = notify_of(b, NOTIFY_R_U_THERE, body);
    size_t second = 36; /* where the delete begins, behind a HASH of SHA-256 */
    c.text[second] = PAYLOAD_NOTIFY;
    struct writer w = writer_of(c.text, sizeof c.text);
    w.len = c.len;
    write_u16(&w, 0);
    write_u16(&w, (uint16_t)(PAYLOAD_HEADER + notify.len));
    write_bytes(&w, notify.data, notify.len);
    c.len = w.len;
    craft_rehash(sa, (struct bytes){0}, &c);
    craft_first_iv(sa, 0x6300, iv);
    len = craft_seal(sa, iv, &c, message);
    unsigned sent = end(b, R)->sent;
    rig_inject(b->rig, R, 500, bytes_of(message, len));
    assert_int_equal(rig_sas(end(b, R), "established"), 0);
    assert_int_equal(end(b, R)->sent, sent + 1); /* the probe was answered before the SA went */
    bench_free(b);
}

static void h2009_0790_b14_probe_without_state_or_half_open(void **state)
{
    (void)state;
    uint8_t body[64], message[512];
    struct bench *b = held_at(I, MAIN5); /* the responder waits for message 5 */
    const struct ike_sa *sa = craft_sa(end(b, R)->ike);
    struct ike_sa stranger = {.spi_i = 0x1234, .spi_r = 0x5678}, late = {.spi_i = sa->spi_i, .spi_r = sa->spi_r};
    struct snapshot was = snapshot(b, R);
    unsigned sent = end(b, R)->sent;
    for (unsigned flags = 0; flags <= FLAG_ENCRYPTION; flags++) {
        size_t len = clear_info(&stranger, PAYLOAD_NOTIFY, notify_of(b, NOTIFY_R_U_THERE, body), message);
        message[19] = (uint8_t)flags;
        rig_inject(b->rig, R, 500, bytes_of(message, len));
        len = clear_info(&late, PAYLOAD_NOTIFY, notify_of(b, NOTIFY_R_U_THERE, body), message);
        message[19] = (uint8_t)flags;
        rig_inject(b->rig, R, 500, bytes_of(message, len));
    }
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_UNKNOWN_SA), 2);
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_STATE), 2);
    unchanged(b, R, &was);
    assert_int_equal(end(b, R)->sent, sent);
    the_right_one_succeeds(b);
}

static void b30_unauthenticated_initial_contact(void **state)
{
    (void)state;
    struct bench *b = established();
    /* A stranger at the peer's address gets as far as message 4, and says it is new: in clear. */
    uint8_t body[64], message[512];
    for (int to = I; to <= R; to++) {
        struct snapshot was = snapshot(b, to);
        const struct ike_sa *sa = craft_sa(end(b, to)->ike);
        size_t len = clear_info(sa, PAYLOAD_NOTIFY, notify_of(b, NOTIFY_INITIAL_CONTACT, body), message);
        rig_inject(b->rig, to, 500, bytes_of(message, len));
        message[19] = FLAG_ENCRYPTION;
        len = (len - IKE_HEADER_LEN) / 16 * 16 + IKE_HEADER_LEN;
        store_u32(message + IKE_HEADER_LENGTH_AT, (uint32_t)len);
        rig_inject(b->rig, to, 500, bytes_of(message, len));
        unchanged(b, to, &was);
    }
    assert_true(rig_both_carry(b->rig));
    bench_free(b);
}

/* Our own informational messages, thrown back at us: the hash is the same in both directions. */
static void b12_our_own_messages_reflected(void **state)
{
    (void)state;
    struct bench *b = bench_until(I, 999);
    end(b, I)->connection.dpd_delay_s = end(b, R)->connection.dpd_delay_s = 5;
    b->rig->filter = NULL;
    rig_start(b->rig);
    assert_true(rig_run_until(b->rig, 5 * SECOND, rig_both_carry));
    rig_run(b->rig, 12 * SECOND);
    for (int i = I; i <= R; i++) {
        const struct rig_datagram *last = rig_sent(b->rig, i, 0);
        assert_int_equal(last->data[18], EXCHANGE_INFORMATIONAL);
        struct rig_datagram copy = *last;
        struct snapshot was = snapshot(b, i);
        unsigned sent = end(b, i)->sent;
        rig_inject(b->rig, i, 500, bytes_of(copy.data, copy.len));
        unchanged(b, i, &was);
        assert_int_equal(end(b, i)->sent, sent);
        assert_int_equal(rig_drops(end(b, i), IKE_DROP_REPLAY), 1);
    }
    bench_free(b);
}

/* An old probe, replayed from elsewhere after its message id was forgotten: its sequence number is stale, and nobody
 * follows it (B42). */
static void b42_an_old_probe_replayed_from_elsewhere(void **state)
{
    (void)state;
    struct bench *b = established();
    const struct ike_sa *sa = craft_sa(end(b, I)->ike);
    uint8_t body[64], first[CRAFT_MAX + 64], message[CRAFT_MAX + 64];
    struct bytes probe = notify_of(b, NOTIFY_R_U_THERE, body);
    size_t first_len = craft_phase2(sa, EXCHANGE_INFORMATIONAL, 0x7000, PAYLOAD_NOTIFY, probe, first);
    rig_inject(b->rig, R, 4500, bytes_of(first, first_len));
    for (uint32_t i = 1; i <= 100; i++) {
        store_u32(body + probe.len - 4, 9 + i);
        size_t len = craft_phase2(sa, EXCHANGE_INFORMATIONAL, 0x7000 + i, PAYLOAD_NOTIFY, probe, message);
        rig_inject(b->rig, R, 4500, bytes_of(message, len));
    }
    struct snapshot was = snapshot(b, R);
    unsigned sent = end(b, R)->sent;
    const struct path elsewhere = {.local = {end(b, R)->address, 4500},
                                   .remote = {address_of(4, "\xcb\0\x71\x09"), 4500}};
    ike_input(end(b, R)->ike, b->rig->now_ms, &elsewhere, bytes_of(first, first_len));
    unchanged(b, R, &was);
    assert_int_equal(end(b, R)->sent, sent);
    /* A fresh one from there is followed: the peer's NAT has a new mapping. */
    store_u32(body + probe.len - 4, 1000);
    size_t len = craft_phase2(sa, EXCHANGE_INFORMATIONAL, 0x7fff, PAYLOAD_NOTIFY, probe, message);
    ike_input(end(b, R)->ike, b->rig->now_ms, &elsewhere, bytes_of(message, len));
    assert_true(endpoint_equal(&craft_sa(end(b, R)->ike)->path.remote, &elsewhere.remote));
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(h2004_0164_b12_clear_delete_or_notify),
        cmocka_unit_test(h2019_10155_b12_delete_with_a_wrong_hash),
        cmocka_unit_test(h2004_0221_b13_deletes_that_lie_and_deletes_twice),
        cmocka_unit_test(h2023_38712_b13_delete_then_notify_in_one_message),
        cmocka_unit_test(h2009_0790_b14_probe_without_state_or_half_open),
        cmocka_unit_test(b42_an_old_probe_replayed_from_elsewhere),
        cmocka_unit_test(b30_unauthenticated_initial_contact),
        cmocka_unit_test(b12_our_own_messages_reflected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
