/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile input against quick mode. Every test first lets two gateways talk, then speaks for one
 * of them, or as a stranger on the path; and at the end the right message must still be welcome. bNN names the bad
 * input.
 */
#include "test/sim/bench.h"

/* --- B23, B28, B29: quick mode --- */

static void b23_quick_mode_before_phase_1_is_complete(void **state)
{
    (void)state;
    static const unsigned stops[] = {MAIN3, MAIN5};
    for (size_t s = 0; s < COUNT(stops); s++) {
        struct bench *b = held_at(I, stops[s]);
        const struct ike_sa *sa = craft_sa(end(b, R)->ike);
        uint8_t message[IKE_HEADER_LEN + 64] = {0};
        struct writer w = writer_of(message, sizeof message);
        header_write(&w, &(struct ike_header){.spi_i = sa->spi_i,
                                              .spi_r = sa->spi_r,
                                              .next_payload = PAYLOAD_HASH,
                                              .major = 1,
                                              .exchange = EXCHANGE_QUICK,
                                              .flags = FLAG_ENCRYPTION,
                                              .message_id = 99});
        write_zeros(&w, 64);
        header_finish(&w);
        struct snapshot was = snapshot(b, R);
        rig_inject(b->rig, R, 500, writer_bytes(&w));
        assert_int_equal(rig_drops(end(b, R), IKE_DROP_STATE), 1);
        unchanged(b, R, &was);
        the_right_one_succeeds(b);
    }
}

static void b28_quick_mode_replayed(void **state)
{
    (void)state;
    struct bench *b = established();
    struct rig_datagram quick3 = *rig_sent(b->rig, I, 0), quick1 = *rig_sent(b->rig, I, 1);
    assert_int_equal(quick1.data[18], EXCHANGE_QUICK);
    /* At once, while the exchange lingers, and long after it was forgotten. */
    for (unsigned wait = 0; wait < 3; wait++) {
        size_t children = rig_children(end(b, R));
        uint32_t up = end(b, R)->events[IKE_EVENT_CHILD_UP];
        rig_inject(b->rig, R, 500, bytes_of(quick1.data, quick1.len));
        rig_inject(b->rig, R, 500, bytes_of(quick3.data, quick3.len));
        rig_run(b->rig, 1);
        assert_int_equal(rig_children(end(b, R)), children);
        assert_int_equal(end(b, R)->events[IKE_EVENT_CHILD_UP], up);
        assert_int_equal(end(b, R)->events[IKE_EVENT_CHILD_REKEYED], 0);
        rig_run(b->rig, wait == 0 ? 30 * SECOND : 2 * LINGER);
    }
    assert_true(rig_drops(end(b, R), IKE_DROP_REPLAY) >= 2);
    assert_true(rig_both_carry(b->rig));
    bench_free(b);
}

static void b28_message_id_reused_for_another_offer(void **state)
{
    (void)state;
    struct bench *b = established();
    const struct ike_sa *sa = craft_sa(end(b, I)->ike);
    struct rig_datagram quick1 = *rig_sent(b->rig, I, 1);
    struct craft c;
    uint8_t iv[IV_MAX], message[CRAFT_MAX + 64];
    uint32_t id = load_u32(quick1.data + 20);
    rig_run(b->rig, 2 * LINGER); /* the exchange itself is forgotten, its id is not */
    craft_first_iv(sa, id, iv);
    assert_true(craft_open(sa, iv, bytes_of(quick1.data, quick1.len), &c));
    struct bytes nonce = craft_body(&c, PAYLOAD_NONCE);
    c.text[nonce.data - c.text] ^= 1;
    craft_rehash(sa, (struct bytes){0}, &c);
    craft_first_iv(sa, id, iv);
    size_t len = craft_seal(sa, iv, &c, message);
    rig_inject(b->rig, R, 500, bytes_of(message, len));
    assert_int_equal(rig_children(end(b, R)), 1);
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_REPLAY), 1);
    /* With an id of its own the same offer is an honest one (that its SPI is taken is said with authentication). */
    c.header.message_id = id + 1;
    craft_rehash(sa, (struct bytes){0}, &c);
    craft_first_iv(sa, id + 1, iv);
    len = craft_seal(sa, iv, &c, message);
    unsigned sent = end(b, R)->sent;
    rig_inject(b->rig, R, 500, bytes_of(message, len));
    assert_int_equal(end(b, R)->sent, sent + 1);
    assert_int_equal(rig_children(end(b, R)), 1);
    bench_free(b);
}

/* Message 2 of quick mode as it was held back, and what it answers. iv: what it is sealed with. */
static void open_held_answer(struct bench *b, uint8_t iv[IV_MAX], struct craft *offer, struct craft *answer)
{
    const struct ike_sa *sa = craft_sa(end(b, R)->ike);
    struct rig_datagram quick1 = *rig_sent(b->rig, I, 0);
    uint8_t next[IV_MAX];
    craft_first_iv(sa, load_u32(quick1.data + 20), iv);
    assert_true(craft_open(sa, iv, bytes_of(quick1.data, quick1.len), offer));
    memcpy(next, iv, sizeof next);
    assert_true(craft_open(sa, next, bytes_of(b->hold.datagram.data, b->hold.datagram.len), answer));
}

static void deliver_answer(struct bench *b, uint8_t iv[IV_MAX], const struct craft *offer, struct craft *answer)
{
    const struct ike_sa *sa = craft_sa(end(b, R)->ike);
    uint8_t message[CRAFT_MAX + 64];
    craft_rehash(sa, craft_body(offer, PAYLOAD_NONCE), answer);
    deliver(b, message, craft_seal(sa, iv, answer, message));
}

/* Message 2 of quick mode, altered by the peer itself and sealed rightly. */
static void altered_answer(void (*alter)(struct craft *c), bool accepted)
{
    struct bench *b = held_at(R, QUICK2);
    struct craft offer, answer;
    uint8_t iv[IV_MAX];
    open_held_answer(b, iv, &offer, &answer);
    alter(&answer);
    deliver_answer(b, iv, &offer, &answer);
    if (accepted) {
        b->rig->filter = NULL;
        assert_true(rig_run_until(b->rig, 10 * SECOND, rig_both_carry));
    }
    assert_int_equal(end(b, I)->events[IKE_EVENT_CHILD_UP], accepted ? 1 : 0);
    assert_int_equal(end(b, I)->events[IKE_EVENT_CHILD_FAILED], accepted ? 0 : 1);
    assert_int_equal(rig_children(end(b, I)), accepted ? 1 : 0);
    bench_free(b);
}

static uint8_t *sa_of(struct craft *c)
{
    struct bytes body = craft_body(c, PAYLOAD_SA);
    assert_true(body.len > 0);
    return c->text + (body.data - c->text);
}

static void alter_nothing(struct craft *c)
{
    (void)c;
}

static void alter_transform(struct craft *c)
{
    sa_of(c)[8 + 12 + 5] = 19; /* GCM with an ICV of 12 instead of 16 */
}

/* Finds the short attribute `type` of the answer's transform and gives it another value. */
static void set_attribute(struct craft *c, uint16_t type, uint16_t value)
{
    uint8_t *sa = sa_of(c);
    size_t len = craft_body(c, PAYLOAD_SA).len;
    for (size_t at = 8 + 12 + 8; at + 4 <= len; at += 4)
        if (load_u16(sa + at) == (0x8000 | type)) {
            store_u16(sa + at + 2, value);
            return;
        }
    fail_msg("no attribute %u", type);
}

static void alter_key_length(struct craft *c)
{
    set_attribute(c, 6, 256);
}

static void alter_lifetime(struct craft *c)
{
    set_attribute(c, 2, 3599);
}

static void alter_encapsulation(struct craft *c)
{
    set_attribute(c, 4, 1); /* plain ESP, where NAT detection gave UDP */
}

static void alter_group(struct craft *c)
{
    set_attribute(c, 3, 19);
}

static void alter_selector(struct craft *c)
{
    struct bytes body = craft_body(c, PAYLOAD_ID);
    c->text[body.data - c->text + 4] ^= 1;
}

static void b29_altered_answers_of_quick_mode(void **state)
{
    (void)state;
    altered_answer(alter_nothing, true);
    altered_answer(alter_transform, false);
    altered_answer(alter_key_length, false);
    altered_answer(alter_lifetime, false);
    altered_answer(alter_encapsulation, false);
    altered_answer(alter_group, false);
    altered_answer(alter_selector, false);
}

/* --- one SPI for both directions: one key (RFC 2409 5.5), and ciphers with counters would use each IV twice --- */

enum { SPI_AT = 8 + 8 }; /* in the body of an SA payload: behind DOI and situation, and the head of the proposal */

static void hostile_spi_equal_to_ours(void **state)
{
    (void)state;
    struct bench *b = held_at(R, QUICK2);
    struct craft offer, answer;
    uint8_t iv[IV_MAX];
    open_held_answer(b, iv, &offer, &answer);
    assert_memory_not_equal(sa_of(&answer) + SPI_AT, sa_of(&offer) + SPI_AT, 4);
    memcpy(sa_of(&answer) + SPI_AT, sa_of(&offer) + SPI_AT, 4);
    deliver_answer(b, iv, &offer, &answer);
    assert_int_equal(end(b, I)->events[IKE_EVENT_CHILD_UP], 0);
    assert_int_equal(end(b, I)->events[IKE_EVENT_CHILD_FAILED], 1);
    assert_int_equal(rig_children(end(b, I)), 0);
    assert_non_null(strstr(end(b, I)->why, "our own SPI"));
    bench_free(b);
}

/* What new_spi of an end gives: `spi` so many times, then what it would have given. */
struct spi_script {
    struct rig_end *end;
    uint32_t spi;
    unsigned times, asked;
};

static struct spi_script script;

static uint32_t scripted_spi(void *arg, uint32_t connection, const struct address *peer)
{
    (void)arg;
    (void)connection;
    (void)peer;
    return script.asked++ < script.times ? script.spi : sad_new_spi(script.end->sad, 0);
}

/* The peer's SPI is known before ours is drawn: another is drawn, and when that does not help, none is used. */
static void hostile_spi_of_the_offer_is_not_drawn(void **state)
{
    (void)state;
    static const unsigned times[] = {0, 1, 7, 8, UINT32_MAX};
    for (size_t t = 0; t < COUNT(times); t++) {
        struct bench *b = held_at(I, QUICK1);
        const struct ike_sa *sa = craft_sa(end(b, R)->ike);
        struct craft offer;
        uint8_t iv[IV_MAX];
        craft_first_iv(sa, load_u32(b->hold.datagram.data + 20), iv);
        assert_true(craft_open(sa, iv, bytes_of(b->hold.datagram.data, b->hold.datagram.len), &offer));
        script = (struct spi_script){end(b, R), load_u32(sa_of(&offer) + SPI_AT), times[t], 0};
        end(b, R)->ike->setup.ops.new_spi = scripted_spi;
        if (times[t] < 8) {
            the_right_one_succeeds(b);
            assert_int_equal(script.asked, times[t] + 1);
            continue;
        }
        deliver_right(b);
        assert_int_equal(script.asked, 8);
        assert_int_equal(rig_children(end(b, R)), 0);
        assert_int_equal(rig_drops(end(b, R), IKE_DROP_INTERNAL), 1);
        bench_free(b);
    }
}

/* Message 2 of main mode is not authenticated: a wrong one is dropped, and the right one still taken. */
static void b29_altered_answers_of_main_mode(void **state)
{
    (void)state;
    struct bench *b = held_at(R, MAIN2);
    size_t len;
    uint8_t *sa = body_in(&b->hold.datagram, PAYLOAD_SA, &len);
    unsigned altered = 0;
    for (size_t at = 8 + 8 + 8; at + 4 <= len; at += 4) { /* the attributes, short form */
        struct rig_datagram spoiled = b->hold.datagram;
        uint8_t *attribute = spoiled.data + (sa - b->hold.datagram.data) + at;
        attribute[3] ^= 3;
        deliver(b, spoiled.data, spoiled.len);
        assert_int_equal(craft_sa(end(b, I)->ike)->state, SA_SENT_SA);
        altered++;
    }
    assert_true(altered >= 5);
    the_right_one_succeeds(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b23_quick_mode_before_phase_1_is_complete),
        cmocka_unit_test(b28_quick_mode_replayed),
        cmocka_unit_test(b28_message_id_reused_for_another_offer),
        cmocka_unit_test(b29_altered_answers_of_quick_mode),
        cmocka_unit_test(hostile_spi_equal_to_ours),
        cmocka_unit_test(hostile_spi_of_the_offer_is_not_drawn),
        cmocka_unit_test(b29_altered_answers_of_main_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
