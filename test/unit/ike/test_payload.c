/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/ike/ike_test.h"

#include "ike/payload.h"

static enum status walk(uint8_t first, const void *data, size_t len, bool may_pad, struct payloads *out)
{
    return payloads_read(first, bytes_of(data, len), may_pad, out);
}

/* `count` empty payloads of type VENDOR in a row. */
static size_t vendors(uint8_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        memset(out + i * 4, 0, 4);
        out[i * 4] = i + 1 < count ? PAYLOAD_VENDOR : PAYLOAD_NONE;
        out[i * 4 + 3] = 4;
    }
    return count * 4;
}

static void b02_payload_length_0_to_3(void **state)
{
    (void)state;
    struct payloads p;
    for (uint8_t length = 0; length < 4; length++) {
        const uint8_t single[] = {0, 0, 0, length, 0xaa, 0xbb, 0xcc, 0xdd};
        /* A next payload that would be read again and again, were the length believed. */
        const uint8_t looping[] = {PAYLOAD_VENDOR, 0, 0, length, PAYLOAD_VENDOR, 0, 0, length};
        assert_int_equal(walk(PAYLOAD_VENDOR, single, sizeof single, false, &p), ERR_MALFORMED);
        assert_int_equal(walk(PAYLOAD_VENDOR, single, sizeof single, true, &p), ERR_MALFORMED);
        assert_int_equal(walk(PAYLOAD_VENDOR, looping, sizeof looping, false, &p), ERR_MALFORMED);
    }
}

static void b03_length_beyond_the_rest(void **state)
{
    (void)state;
    struct payloads p;
    static const uint16_t lengths[] = {9, 10, 255, 256, 0x7fff, 0x8000, 0xfffc, 0xffff};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        uint8_t data[8] = {0};
        store_u16(data + 2, lengths[i]);
        uint8_t *exact = exact_copy(data, sizeof data);
        assert_int_equal(walk(PAYLOAD_KE, exact, sizeof data, true, &p), ERR_MALFORMED);
        free(exact);
    }
}

static void b03_certreq_of_length_4_has_an_empty_body(void **state)
{
    (void)state;
    struct payloads p;
    const uint8_t data[] = {0, 0, 0, 4};
    assert_int_equal(walk(PAYLOAD_CERTREQ, data, sizeof data, false, &p), OK);
    assert_int_equal(p.count, 1);
    assert_int_equal(p.items[0].body.len, 0);
}

static void b04_trailing_bytes(void **state)
{
    (void)state;
    struct payloads p;
    for (size_t extra = 0; extra < 40; extra++) {
        uint8_t data[8 + 40] = {0, 0, 0, 8, 1, 2, 3, 4};
        assert_int_equal(walk(PAYLOAD_KE, data, 8 + extra, false, &p), extra == 0 ? OK : ERR_MALFORMED);
        assert_int_equal(walk(PAYLOAD_KE, data, 8 + extra, true, &p), OK);
        assert_int_equal(p.whole.len, 8); /* without the padding */
    }
    assert_int_equal(walk(PAYLOAD_NONE, "x", 1, false, &p), ERR_MALFORMED);
    assert_int_equal(walk(PAYLOAD_NONE, "", 0, false, &p), OK);
    assert_int_equal(p.count, 0);
}

static void b04_next_payload_names_one_that_is_not_there(void **state)
{
    (void)state;
    struct payloads p;
    const uint8_t data[] = {PAYLOAD_NONCE, 0, 0, 8, 1, 2, 3, 4};
    assert_int_equal(walk(PAYLOAD_KE, data, sizeof data, false, &p), ERR_MALFORMED);
    assert_int_equal(walk(PAYLOAD_KE, "", 0, false, &p), ERR_MALFORMED);
}

static void b04_every_truncation_of_a_chain(void **state)
{
    (void)state;
    struct payloads p;
    uint8_t data[64];
    struct writer w = writer_of(data, sizeof data);
    struct chain c = chain_begin(0);
    write_u8(&w, 0); /* stands for the header's next payload */
    chain_add(&c, &w, PAYLOAD_KE, bytes_of("0123456789", 10));
    chain_add(&c, &w, PAYLOAD_NONCE, bytes_of("abcdefgh", 8));
    chain_add(&c, &w, PAYLOAD_VENDOR, bytes_of("", 0));
    assert_int_equal(writer_finish(&w), OK);
    size_t len = w.len - 1;
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *exact = exact_copy(data + 1, cut);
        assert_int_equal(walk(data[0], exact, cut, false, &p), ERR_MALFORMED);
        assert_int_equal(walk(data[0], exact, cut, true, &p), ERR_MALFORMED);
        free(exact);
    }
    assert_int_equal(walk(data[0], data + 1, len, false, &p), OK);
    assert_int_equal(p.count, 3);
}

static void b06_payload_count_at_limit_minus_one_limit_and_plus_one(void **state)
{
    (void)state;
    struct payloads p;
    static uint8_t data[4 * (PAYLOADS_MAX + 1)];
    static const struct {
        size_t count;
        enum status status;
    } rows[] = {{PAYLOADS_MAX - 1, OK}, {PAYLOADS_MAX, OK}, {PAYLOADS_MAX + 1, ERR_LIMIT}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t len = vendors(data, rows[i].count);
        uint8_t *exact = exact_copy(data, len);
        assert_int_equal(walk(PAYLOAD_VENDOR, exact, len, false, &p), rows[i].status);
        assert_true(p.count <= PAYLOADS_MAX);
        if (rows[i].status == OK)
            assert_int_equal(p.count, rows[i].count);
        free(exact);
    }
}

static void bodies_and_wholes_point_at_their_bytes(void **state)
{
    (void)state;
    struct payloads p;
    const uint8_t data[] = {PAYLOAD_NONCE, 0x5a, 0, 6, 0x11, 0x12, PAYLOAD_NONE, 0, 0, 5, 0x21};
    assert_int_equal(walk(PAYLOAD_KE, data, sizeof data, false, &p), OK);
    assert_int_equal(p.count, 2);
    assert_int_equal(p.items[0].type, PAYLOAD_KE);
    assert_ptr_equal(p.items[0].whole.data, data);
    assert_int_equal(p.items[0].whole.len, 6);
    assert_ptr_equal(p.items[0].body.data, data + 4);
    assert_int_equal(p.items[0].body.len, 2);
    assert_int_equal(p.items[1].type, PAYLOAD_NONCE);
    assert_ptr_equal(p.items[1].body.data, data + 10);
    assert_int_equal(p.whole.len, sizeof data);
}

static void payloads_are_found_and_counted(void **state)
{
    (void)state;
    struct payloads p;
    const uint8_t data[] = {PAYLOAD_ID, 0, 0, 5, 1, PAYLOAD_HASH, 0, 0, 5, 2, PAYLOAD_NONE, 0, 0, 5, 3};
    assert_int_equal(walk(PAYLOAD_ID, data, sizeof data, false, &p), OK);
    assert_int_equal(payload_count(&p, PAYLOAD_ID), 2);
    assert_int_equal(payload_count(&p, PAYLOAD_SA), 0);
    assert_null(payload_find(&p, PAYLOAD_SA, 0));
    assert_ptr_equal(payload_find(&p, PAYLOAD_ID, 0), &p.items[0]);
    assert_ptr_equal(payload_find(&p, PAYLOAD_ID, 1), &p.items[1]);
    assert_null(payload_find(&p, PAYLOAD_ID, 2));
    assert_int_equal(payload_body(&p, PAYLOAD_HASH).data[0], 3);
    assert_int_equal(payload_body(&p, PAYLOAD_KE).len, 0);
}

static void a_chain_without_room_fails_and_writes_nothing_outside(void **state)
{
    (void)state;
    for (size_t room = 1; room < 1 + 4 + 10 + 4 + 4; room++) {
        uint8_t *data = exact_copy("................................", room);
        struct writer w = writer_of(data, room);
        write_u8(&w, 0);
        struct chain c = chain_begin(0);
        chain_add(&c, &w, PAYLOAD_KE, bytes_of("0123456789", 10));
        chain_add(&c, &w, PAYLOAD_NONCE, bytes_of("abcd", 4));
        assert_int_equal(writer_finish(&w), ERR_LIMIT);
        free(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b02_payload_length_0_to_3),
        cmocka_unit_test(b03_length_beyond_the_rest),
        cmocka_unit_test(b03_certreq_of_length_4_has_an_empty_body),
        cmocka_unit_test(b04_trailing_bytes),
        cmocka_unit_test(b04_next_payload_names_one_that_is_not_there),
        cmocka_unit_test(b04_every_truncation_of_a_chain),
        cmocka_unit_test(b06_payload_count_at_limit_minus_one_limit_and_plus_one),
        cmocka_unit_test(bodies_and_wholes_point_at_their_bytes),
        cmocka_unit_test(payloads_are_found_and_counted),
        cmocka_unit_test(a_chain_without_room_fails_and_writes_nothing_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
