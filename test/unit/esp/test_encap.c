/* SPDX-License-Identifier: Apache-2.0 */
#include "esp_test.h"

#include "esp/encap.h"

struct row {
    size_t len;
    const char *bytes;
    enum encap_kind kind;
    size_t content_at, content_len;
};

/* clang-format off */
static const struct row rows[] = {
    /*  0 */ {0, "", ENCAP_MALFORMED, 0, 0},
    /*  1 */ {1, "\xff", ENCAP_KEEPALIVE, 0, 0},
    /*  2 */ {1, "\x00", ENCAP_MALFORMED, 0, 0},
    /*  3 */ {1, "\xfe", ENCAP_MALFORMED, 0, 0},
    /*  4 */ {2, "\xff\xff", ENCAP_MALFORMED, 0, 0},
    /*  5 */ {2, "\x00\x00", ENCAP_MALFORMED, 0, 0},
    /*  6 */ {3, "\xff\x00\x00", ENCAP_MALFORMED, 0, 0},
    /*  7 */ {3, "\x00\x00\x00", ENCAP_MALFORMED, 0, 0},
    /*  8 */ {4, "\x00\x00\x00\x00", ENCAP_IKE, 4, 0}, /* the IKE path refuses what is empty */
    /*  9 */ {5, "\x00\x00\x00\x00\x00", ENCAP_IKE, 4, 1},
    /* 10 */ {8, "\x00\x00\x00\x00\xde\xad\xbe\xef", ENCAP_IKE, 4, 4},
    /* 11 */ {4, "\x00\x00\x00\x01", ENCAP_MALFORMED, 0, 0},
    /* 12 */ {4, "\xff\xff\xff\xff", ENCAP_MALFORMED, 0, 0},
    /* 13 */ {7, "\x00\x00\x01\x00\x00\x00\x00", ENCAP_MALFORMED, 0, 0},
    /* 14 */ {8, "\x00\x00\x01\x00\x00\x00\x00\x01", ENCAP_ESP, 0, 8},
    /* 15 */ {8, "\xff\xff\xff\xff\x00\x00\x00\x00", ENCAP_ESP, 0, 8},
    /* 16 */ {9, "\x01\x00\x00\x00\x00\x00\x00\x01\x00", ENCAP_ESP, 0, 9},
    /* 17 */ {8, "\x00\x00\x00\x01\x00\x00\x00\x01", ENCAP_ESP, 0, 8}, /* a reserved SPI: no SA has it */
};
/* clang-format on */

static void check(const void *datagram, size_t len, const struct row *expected, size_t number)
{
    struct bytes content = bytes_of("?", 99);
    enum encap_kind kind = encap_classify(bytes_of(datagram, len), &content);
    if (kind != expected->kind || content.len != expected->content_len)
        fail_msg("row %zu: kind %d, %zu bytes of content; expected %d, %zu", number, (int)kind, content.len,
                 (int)expected->kind, expected->content_len);
    if (content.len > 0)
        assert_ptr_equal(content.data, (const uint8_t *)datagram + expected->content_at);
}

static void test_b46_truth_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t *exact = malloc(rows[i].len + 1); /* so that a sanitizer sees a read too far */
        assert_non_null(exact);
        memcpy(exact + 1, rows[i].bytes, rows[i].len);
        check(exact + 1, rows[i].len, &rows[i], i);
        free(exact);
    }
    struct bytes content;
    assert_int_equal(encap_classify(bytes_of(NULL, 0), &content), ENCAP_MALFORMED);
}

/* Any first byte, any length to 64: the kind by the definition, word for word. */
static void test_b46_sweep(void **state)
{
    (void)state;
    uint8_t datagram[64];
    for (size_t len = 0; len <= sizeof datagram; len++) {
        for (unsigned first = 0; first < 256; first++) {
            memset(datagram, 0, sizeof datagram);
            datagram[0] = (uint8_t)first;
            struct row expected = {.kind = ENCAP_MALFORMED};
            if (len == 1 && first == 0xff)
                expected.kind = ENCAP_KEEPALIVE;
            else if (len >= ENCAP_MARKER && first == 0)
                expected = (struct row){.kind = ENCAP_IKE, .content_at = 4, .content_len = len - 4};
            else if (len >= 8 && first != 0)
                expected = (struct row){.kind = ENCAP_ESP, .content_len = len};
            check(datagram, len, &expected, len * 1000 + first);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_b46_truth_table),
        cmocka_unit_test(test_b46_sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
