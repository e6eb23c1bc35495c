/* SPDX-License-Identifier: Apache-2.0 */
/* The payload of a fragment. What is sent when, and how fragments come together, is tested in test/sim. */
#include "test/unit/ike/ike_test.h"

#include "ike/payload.h"
#include "ike/v1_fragment.h"

/* The second and last of a message, as strongSwan 5.9 lays it out (test/netns/test_fragments.py), with fewer data. */
static const char received[] = "0102030405060708 1112131415161718 84 10 02 00 00000000 00000030"
                               "00 00 0014 0001 02 01 000102030405060708090a0b";

static enum status read_exact(const void *data, size_t len, struct v1_fragment *out)
{
    static uint8_t *kept;
    struct ike_header h;
    free(kept);
    *out = (struct v1_fragment){0};
    kept = exact_copy(data, len);
    enum status status = header_read(bytes_of(kept, len), &h);
    return status == OK ? v1_fragment_read(&h, bytes_of(kept, len), out) : status;
}

static void a_fragment_is_read(void **state)
{
    (void)state;
    uint8_t data[64];
    struct v1_fragment f;
    size_t len = unhex(received, data, sizeof data);
    assert_int_equal(read_exact(data, len, &f), OK);
    assert_int_equal(f.id, 1);
    assert_int_equal(f.number, 2);
    assert_true(f.last);
    assert_int_equal(f.data.len, 12);
    assert_memory_equal(f.data.data, "\0\1\2\3\4\5\6\7\10\11\12\13", 12);
    data[IKE_HEADER_LEN + 7] = 0;
    assert_int_equal(read_exact(data, len, &f), OK);
    assert_false(f.last);
}

static void b20_too_short_or_too_long(void **state)
{
    (void)state;
    uint8_t data[64];
    struct v1_fragment f;
    size_t len = unhex(received, data, sizeof data);
    for (size_t payload = 0; payload <= 64; payload++) {
        data[IKE_HEADER_LEN + 3] = (uint8_t)payload;
        assert_int_equal(read_exact(data, len, &f), payload == 20 ? OK : ERR_MALFORMED);
    }
    for (size_t cut = 0; cut < 20; cut++) { /* head and lengths say the same */
        data[IKE_HEADER_LENGTH_AT + 3] = (uint8_t)(IKE_HEADER_LEN + cut);
        data[IKE_HEADER_LEN + 3] = (uint8_t)cut;
        assert_int_equal(read_exact(data, IKE_HEADER_LEN + cut, &f), cut > 8 ? OK : ERR_MALFORMED);
    }
}

static void b20_number_0(void **state)
{
    (void)state;
    uint8_t data[64];
    struct v1_fragment f;
    size_t len = unhex(received, data, sizeof data);
    data[IKE_HEADER_LEN + 6] = 0;
    assert_int_equal(read_exact(data, len, &f), ERR_MALFORMED);
}

static void nothing_stands_beside_it(void **state)
{
    (void)state;
    uint8_t data[64];
    struct v1_fragment f;
    size_t len = unhex(received, data, sizeof data);
    data[IKE_HEADER_LEN] = PAYLOAD_FRAGMENT;
    assert_int_equal(read_exact(data, len, &f), ERR_MALFORMED);
    memset(data + len, 0, 4);
    data[len + 3] = 4;
    data[IKE_HEADER_LENGTH_AT + 3] = (uint8_t)(len + 4);
    assert_int_equal(read_exact(data, len + 4, &f), ERR_MALFORMED);
    data[IKE_HEADER_LEN] = 0;
    assert_int_equal(read_exact(data, len + 4, &f), ERR_MALFORMED);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    uint8_t data[1400], body[1200];
    memset(body, 0x5a, sizeof body);
    const struct ike_header h = {
        .spi_i = 1, .spi_r = 2, .major = 1, .exchange = EXCHANGE_QUICK, .flags = FLAG_ENCRYPTION, .message_id = 7};
    for (unsigned i = 1; i < 256; i++) {
        struct v1_fragment f, in = {.id = (uint16_t)(i * 257), .number = (uint8_t)i, .last = i % 2};
        struct ike_header again;
        in.data = bytes_of(body, 1 + i * 4);
        struct writer w = writer_of(data, sizeof data);
        v1_fragment_write(&w, &h, &in);
        assert_int_equal(writer_finish(&w), OK);
        assert_int_equal(read_exact(data, w.len, &f), OK);
        assert_int_equal(header_read(bytes_of(data, w.len), &again), OK);
        assert_int_equal(again.flags, 0);
        assert_int_equal(again.message_id, 7);
        assert_int_equal(again.exchange, EXCHANGE_QUICK);
        assert_true(f.id == in.id && f.number == in.number && f.last == in.last && f.data.len == in.data.len);
    }
    assert_int_equal(read_exact("", 0, &(struct v1_fragment){0}), ERR_MALFORMED); /* frees the last copy */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fragment_is_read),
        cmocka_unit_test(b20_too_short_or_too_long),
        cmocka_unit_test(b20_number_0),
        cmocka_unit_test(nothing_stands_beside_it),
        cmocka_unit_test(what_is_written_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
