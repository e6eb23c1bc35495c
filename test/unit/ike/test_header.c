/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/ike/ike_test.h"

#include "ike/header.h"
#include "ike/limits.h"

static const struct ike_header sample = {.spi_i = 0x1122334455667788,
                                         .spi_r = 0x99aabbccddeeff00,
                                         .next_payload = 8,
                                         .major = 1,
                                         .minor = 0,
                                         .exchange = EXCHANGE_QUICK,
                                         .flags = FLAG_ENCRYPTION,
                                         .message_id = 0xcafebabe};

/* A whole message of `len` bytes, its length field set to `told`. */
static uint8_t *message(size_t len, uint32_t told)
{
    uint8_t *data = calloc(len > IKE_HEADER_LEN ? len : IKE_HEADER_LEN, 1);
    assert_non_null(data);
    struct writer w = writer_of(data, IKE_HEADER_LEN);
    header_write(&w, &sample);
    write_u32_at(&w, IKE_HEADER_LENGTH_AT, told);
    assert_false(w.failed);
    uint8_t *exact = exact_copy(data, len);
    free(data);
    return exact;
}

static enum status status_of(size_t len, uint32_t told)
{
    struct ike_header h;
    uint8_t *data = message(len, told);
    enum status status = header_read(bytes_of(data, len), &h);
    free(data);
    return status;
}

static void b01_shorter_than_a_header(void **state)
{
    (void)state;
    for (size_t len = 0; len < IKE_HEADER_LEN; len++) {
        assert_int_equal(status_of(len, (uint32_t)len), ERR_MALFORMED);
        assert_int_equal(status_of(len, IKE_HEADER_LEN), ERR_MALFORMED);
    }
}

static void b01_length_is_not_the_datagrams(void **state)
{
    (void)state;
    static const uint32_t wrong[] = {0, 1, 27, 28, 99, 101, 0x64000000, 0x80000000, 0xffffffff};
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(status_of(100, wrong[i]), ERR_MALFORMED);
    assert_int_equal(status_of(100, 100), OK);
}

static void b01_huge_message_at_limit_and_over(void **state)
{
    (void)state;
    assert_int_equal(status_of(IKE_MESSAGE_MAX - 1, IKE_MESSAGE_MAX - 1), OK);
    assert_int_equal(status_of(IKE_MESSAGE_MAX, IKE_MESSAGE_MAX), OK);
    assert_int_equal(status_of(IKE_MESSAGE_MAX + 1, IKE_MESSAGE_MAX + 1), ERR_LIMIT);
    assert_int_equal(status_of(65535, 65535), ERR_LIMIT);
}

static void b01_no_initiator_cookie(void **state)
{
    (void)state;
    struct ike_header h;
    uint8_t data[IKE_HEADER_LEN] = {[17] = 0x10, [27] = IKE_HEADER_LEN};
    assert_int_equal(header_read(bytes_of(data, sizeof data), &h), ERR_MALFORMED);
    data[7] = 1;
    assert_int_equal(header_read(bytes_of(data, sizeof data), &h), OK);
}

static void a_header_is_read_as_it_was_written(void **state)
{
    (void)state;
    uint8_t data[IKE_HEADER_LEN];
    struct ike_header h;
    struct writer w = writer_of(data, sizeof data);
    header_write(&w, &sample);
    header_finish(&w);
    assert_int_equal(writer_finish(&w), OK);
    assert_int_equal(header_read(bytes_of(data, sizeof data), &h), OK);
    assert_true(h.spi_i == sample.spi_i && h.spi_r == sample.spi_r);
    assert_int_equal(h.next_payload, 8);
    assert_int_equal(h.major, 1);
    assert_int_equal(h.minor, 0);
    assert_int_equal(h.exchange, EXCHANGE_QUICK);
    assert_int_equal(h.flags, FLAG_ENCRYPTION);
    assert_int_equal(h.message_id, 0xcafebabe);
}

/* RFC 2408 3.1, byte by byte. */
static void the_bytes_of_a_header(void **state)
{
    (void)state;
    static const uint8_t expected[IKE_HEADER_LEN] = {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa,
                                                     0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x00, 8,    0x10, 32,   1,
                                                     0xca, 0xfe, 0xba, 0xbe, 0,    0,    0,    28};
    uint8_t data[IKE_HEADER_LEN];
    struct writer w = writer_of(data, sizeof data);
    header_write(&w, &sample);
    header_finish(&w);
    assert_memory_equal(data, expected, sizeof data);
}

static void every_version_nibble_is_told_apart(void **state)
{
    (void)state;
    for (unsigned version = 0; version < 256; version++) {
        uint8_t *data = message(IKE_HEADER_LEN, IKE_HEADER_LEN);
        struct ike_header h;
        data[17] = (uint8_t)version;
        assert_int_equal(header_read(bytes_of(data, IKE_HEADER_LEN), &h), OK);
        assert_int_equal(h.major, version / 16);
        assert_int_equal(h.minor, version % 16);
        free(data);
    }
}

static void a_writer_without_room_says_so(void **state)
{
    (void)state;
    for (size_t room = 0; room < IKE_HEADER_LEN; room++) {
        uint8_t data[IKE_HEADER_LEN];
        struct writer w = writer_of(data, room);
        header_write(&w, &sample);
        header_finish(&w);
        assert_int_equal(writer_finish(&w), ERR_LIMIT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b01_shorter_than_a_header),          cmocka_unit_test(b01_length_is_not_the_datagrams),
        cmocka_unit_test(b01_huge_message_at_limit_and_over), cmocka_unit_test(b01_no_initiator_cookie),
        cmocka_unit_test(a_header_is_read_as_it_was_written), cmocka_unit_test(the_bytes_of_a_header),
        cmocka_unit_test(every_version_nibble_is_told_apart), cmocka_unit_test(a_writer_without_room_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
