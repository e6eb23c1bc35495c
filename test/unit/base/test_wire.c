/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/base/base_test.h"

#include "base/wire.h"

static const uint8_t counted[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

/* Exactly len bytes on the heap, so that a sanitizer sees the first byte too far. */
static uint8_t *exact(size_t len)
{
    uint8_t *data = malloc(len > 0 ? len : 1);
    assert_non_null(data);
    memcpy(data, counted, len);
    return data;
}

enum read_kind { READ_U8, READ_U16, READ_U32, READ_U64, READ_KINDS };
static const size_t read_sizes[READ_KINDS] = {1, 2, 4, 8};

static uint64_t read_one(struct reader *r, enum read_kind kind)
{
    switch (kind) {
    case READ_U8: return read_u8(r);
    case READ_U16: return read_u16(r);
    case READ_U32: return read_u32(r);
    default: return read_u64(r);
    }
}

static void test_a_read_past_the_end_fails_and_gives_zero(void **state)
{
    (void)state;
    for (int kind = 0; kind < READ_KINDS; kind++) {
        for (size_t len = 0; len < read_sizes[kind]; len++) {
            uint8_t *data = exact(len);
            struct reader r = reader_of(data, len);
            assert_int_equal(read_one(&r, (enum read_kind)kind), 0);
            assert_true(r.failed);
            assert_int_equal(reader_finish(&r), ERR_MALFORMED);
            free(data);
        }
    }
}

static void test_a_failed_reader_stays_failed(void **state)
{
    (void)state;
    struct reader r = reader_of(counted, sizeof counted);
    assert_null(read_bytes(&r, sizeof counted + 1).data);
    assert_true(r.failed);
    /* What would have fitted before does not any more. */
    for (int kind = 0; kind < READ_KINDS; kind++)
        assert_int_equal(read_one(&r, (enum read_kind)kind), 0);
    struct bytes none = read_bytes(&r, 1);
    assert_null(none.data);
    assert_int_equal(none.len, 0);
    assert_null(read_rest(&r).data);
    struct reader sub = read_sub(&r, 0);
    assert_true(sub.failed);
    assert_int_equal(reader_finish(&sub), ERR_MALFORMED);
    assert_int_equal(reader_finish(&r), ERR_MALFORMED);
}

static void test_a_huge_length_does_not_wrap(void **state)
{
    (void)state;
    static const size_t lengths[] = {17, UINT32_MAX, SIZE_MAX, SIZE_MAX - 15, SIZE_MAX / 2 + 1};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        struct reader r = reader_of(counted, sizeof counted);
        read_u8(&r);
        assert_null(read_bytes(&r, lengths[i]).data);
        assert_true(r.failed);
        r = reader_of(counted, sizeof counted);
        struct reader sub = read_sub(&r, lengths[i]);
        assert_true(sub.failed && r.failed);
        assert_int_equal(sub.left, 0);
    }
}

static void test_integers_are_big_endian(void **state)
{
    (void)state;
    struct reader r = reader_of(counted, sizeof counted);
    assert_int_equal(read_u8(&r), 1);
    assert_int_equal(read_u16(&r), 0x0203);
    assert_int_equal(read_u32(&r), 0x04050607);
    assert_true(read_u64(&r) == UINT64_C(0x08090a0b0c0d0e0f));
    assert_int_equal(reader_finish(&r), ERR_MALFORMED); /* a byte is left over */
    assert_int_equal(read_u8(&r), 16);
    assert_int_equal(reader_finish(&r), OK);
}

static void test_left_over_bytes_are_an_error(void **state)
{
    (void)state;
    for (size_t taken = 0; taken <= sizeof counted; taken++) {
        struct reader r = reader_of(counted, sizeof counted);
        struct bytes b = read_bytes(&r, taken);
        assert_int_equal(b.len, taken);
        assert_ptr_equal(b.data, counted);
        assert_int_equal(reader_finish(&r), taken == sizeof counted ? OK : ERR_MALFORMED);
        assert_int_equal(read_rest(&r).len, sizeof counted - taken);
        assert_int_equal(reader_finish(&r), OK);
    }
}

static void test_sub_readers_are_bounded_and_leave_the_parent(void **state)
{
    (void)state;
    struct reader r = reader_of(counted, sizeof counted);
    struct reader sub = read_sub(&r, 4);
    assert_int_equal(r.left, 12);
    assert_int_equal(read_u32(&sub), 0x01020304);
    assert_int_equal(reader_finish(&sub), OK);
    assert_int_equal(read_u8(&sub), 0); /* its own end, though the parent has more */
    assert_true(sub.failed);
    assert_false(r.failed); /* a fault in the sub-reader is its user's to see */
    assert_int_equal(read_u8(&r), 5);
    struct reader empty = read_sub(&r, 0);
    assert_int_equal(reader_finish(&empty), OK);
}

static void test_an_empty_reader_without_memory(void **state)
{
    (void)state;
    struct reader r = reader_of(NULL, 0);
    assert_int_equal(reader_finish(&r), OK);
    assert_int_equal(read_rest(&r).len, 0);
    assert_int_equal(read_u8(&r), 0);
    assert_int_equal(reader_finish(&r), ERR_MALFORMED);
}

/* --- writer --- */

enum write_kind { WRITE_U8, WRITE_U16, WRITE_U32, WRITE_U64, WRITE_BYTES, WRITE_ZEROS, WRITE_SPACE, WRITE_KINDS };
static const size_t write_sizes[WRITE_KINDS] = {1, 2, 4, 8, 5, 6, 7};

static void write_one(struct writer *w, enum write_kind kind)
{
    switch (kind) {
    case WRITE_U8: write_u8(w, 0xa1); break;
    case WRITE_U16: write_u16(w, 0xa1a2); break;
    case WRITE_U32: write_u32(w, 0xa1a2a3a4); break;
    case WRITE_U64: write_u64(w, UINT64_C(0xa1a2a3a4a5a6a7a8)); break;
    case WRITE_BYTES: write_bytes(w, counted, 5); break;
    case WRITE_ZEROS: write_zeros(w, 6); break;
    default: {
        uint8_t *space = write_space(w, 7);
        assert_true((space == NULL) == w->failed);
        if (space != NULL)
            memset(space, 7, 7);
    }
    }
}

/* Each kind into room for one byte less, the same, and one more. */
static void test_writes_at_the_limit(void **state)
{
    (void)state;
    for (int kind = 0; kind < WRITE_KINDS; kind++) {
        size_t size = write_sizes[kind];
        for (size_t capacity = size - 1; capacity <= size + 1; capacity++) {
            uint8_t *data = exact(capacity);
            struct writer w = writer_of(data, capacity);
            write_one(&w, (enum write_kind)kind);
            bool fits = capacity >= size;
            assert_int_equal(writer_finish(&w), fits ? OK : ERR_LIMIT);
            assert_int_equal(w.len, fits ? size : 0);
            if (!fits)
                assert_memory_equal(data, counted, capacity); /* nothing is written in part */
            free(data);
        }
    }
}

static void test_a_failed_writer_stays_failed(void **state)
{
    (void)state;
    uint8_t data[8] = {0};
    struct writer w = writer_of(data, sizeof data);
    write_u32(&w, 1);
    write_bytes(&w, counted, 5);
    assert_true(w.failed);
    for (int kind = 0; kind < WRITE_KINDS; kind++)
        write_one(&w, (enum write_kind)kind);
    write_u16_at(&w, 0, 0xffff);
    write_u32_at(&w, 0, 0xffff);
    assert_int_equal(w.len, 4);
    assert_memory_equal(data, "\0\0\0\1\0\0\0\0", 8);
    assert_int_equal(writer_finish(&w), ERR_LIMIT);
    assert_null(write_space(&w, 0));
}

static void test_a_huge_write_does_not_wrap(void **state)
{
    (void)state;
    static const size_t lengths[] = {9, UINT32_MAX, SIZE_MAX, SIZE_MAX - 3};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        uint8_t data[8];
        struct writer w = writer_of(data, sizeof data);
        write_u32(&w, 1);
        assert_null(write_space(&w, lengths[i]));
        assert_true(w.failed);
    }
}

static void test_lengths_written_later_stay_in_what_was_written(void **state)
{
    (void)state;
    uint8_t data[8] = {0};
    for (size_t at = 0; at < 12; at++) {
        struct writer w = writer_of(data, sizeof data);
        write_zeros(&w, 6); /* two bytes of capacity are not written yet */
        write_u16_at(&w, at, 0x0102);
        assert_int_equal(writer_finish(&w), at <= 4 ? OK : ERR_LIMIT);
        w = writer_of(data, sizeof data);
        write_zeros(&w, 6);
        write_u32_at(&w, at, 0x01020304);
        assert_int_equal(writer_finish(&w), at <= 2 ? OK : ERR_LIMIT);
    }
    struct writer w = writer_of(data, sizeof data);
    write_u16_at(&w, 0, 1);
    assert_true(w.failed);
    w = writer_of(data, sizeof data);
    write_zeros(&w, 4);
    write_u16_at(&w, SIZE_MAX, 1);
    assert_true(w.failed);
}

static void test_a_length_over_its_field_is_an_error(void **state)
{
    (void)state;
    uint8_t data[8] = {0};
    struct writer w = writer_of(data, sizeof data);
    write_zeros(&w, 8);
    write_u16_at(&w, 0, UINT16_MAX);
    write_u32_at(&w, 4, UINT32_MAX);
    assert_int_equal(writer_finish(&w), OK);
    assert_memory_equal(data, "\xff\xff\0\0\xff\xff\xff\xff", 8);
    write_u16_at(&w, 0, (size_t)UINT16_MAX + 1);
    assert_int_equal(writer_finish(&w), ERR_LIMIT);
    w = writer_of(data, sizeof data);
    write_zeros(&w, 8);
    write_u32_at(&w, 0, (size_t)UINT32_MAX + 1);
    assert_int_equal(writer_finish(&w), ERR_LIMIT);
}

static void test_what_is_written_is_read_back(void **state)
{
    (void)state;
    uint8_t data[64];
    struct writer w = writer_of(data, sizeof data);
    write_u8(&w, 0xfe);
    write_u16(&w, 0xfedc);
    write_u32(&w, 0xfedcba98);
    write_u64(&w, UINT64_C(0xfedcba9876543210));
    write_bytes(&w, counted, 3);
    write_bytes(&w, NULL, 0);
    write_zeros(&w, 2);
    assert_int_equal(writer_finish(&w), OK);
    struct reader r = reader_of_bytes(writer_bytes(&w));
    assert_int_equal(r.left, 20);
    assert_int_equal(read_u8(&r), 0xfe);
    assert_int_equal(read_u16(&r), 0xfedc);
    assert_true(read_u32(&r) == 0xfedcba98);
    assert_true(read_u64(&r) == UINT64_C(0xfedcba9876543210));
    struct bytes three = read_bytes(&r, 3);
    assert_non_null(three.data);
    assert_memory_equal(three.data, counted, 3);
    assert_int_equal(read_u16(&r), 0);
    assert_int_equal(reader_finish(&r), OK);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_read_past_the_end_fails_and_gives_zero),
        cmocka_unit_test(test_a_failed_reader_stays_failed),
        cmocka_unit_test(test_a_huge_length_does_not_wrap),
        cmocka_unit_test(test_integers_are_big_endian),
        cmocka_unit_test(test_left_over_bytes_are_an_error),
        cmocka_unit_test(test_sub_readers_are_bounded_and_leave_the_parent),
        cmocka_unit_test(test_an_empty_reader_without_memory),
        cmocka_unit_test(test_writes_at_the_limit),
        cmocka_unit_test(test_a_failed_writer_stays_failed),
        cmocka_unit_test(test_a_huge_write_does_not_wrap),
        cmocka_unit_test(test_lengths_written_later_stay_in_what_was_written),
        cmocka_unit_test(test_a_length_over_its_field_is_an_error),
        cmocka_unit_test(test_what_is_written_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
