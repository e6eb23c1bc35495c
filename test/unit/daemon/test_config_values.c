/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/config_values.h"

struct row {
    const char *text;
    uint64_t value; /* UINT64_MAX: refused */
};

static const uint64_t NO = UINT64_MAX;

static void check_rows(const struct row *rows, size_t count, bool (*parse)(const char *, uint64_t *))
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = 4711;
        bool good = parse(rows[i].text, &value);
        if (good != (rows[i].value != NO) || value != (good ? rows[i].value : 4711))
            fail_msg("'%s' gave %d, %llu", rows[i].text, good, (unsigned long long)value);
    }
}

static void test_durations(void **state)
{
    (void)state;
    const struct row rows[] = {
        {"", NO},
        {"s", NO},
        {"-1", NO},
        {"+1", NO},
        {"1.5h", NO},
        {"8hours", NO},
        {"1h30m", NO},
        {"0x10", NO},
        {" 5", NO},
        {"18446744073709551616", NO},
        {"18446744073709551615d", NO},
        {"5w", NO},
        {"5S", NO},
        {"0", 0},
        {"90", 90},
        {"90s", 90},
        {"5m", 300},
        {"8h", 28800},
        {"1d", 86400},
        {"2 h", 7200},
        {"0008", 8},
    };
    check_rows(rows, sizeof rows / sizeof *rows, value_duration);
}

static void test_bytes(void **state)
{
    (void)state;
    const struct row rows[] = {
        {"", NO},
        {"GiB", NO},
        {"4G", NO},
        {"4gib", NO},
        {"1TiB", NO},
        {"-4KiB", NO},
        {"17179869184GiB", NO},
        {"0", 0},
        {"512", 512},
        {"512B", 512},
        {"64KiB", 65536},
        {"1MiB", 1048576},
        {"4GiB", 4294967296},
        {"10KB", 10000},
        {"10MB", 10000000},
        {"2 GB", 2000000000},
    };
    check_rows(rows, sizeof rows / sizeof *rows, value_bytes);
}

static void test_numbers(void **state)
{
    (void)state;
    const struct row rows[] = {
        {"", NO},   {" 1", NO},
        {"1 ", NO}, {"1a", NO},
        {"-1", NO}, {"18446744073709551616", NO},
        {"0", 0},   {"18446744073709551614", UINT64_MAX - 1},
    };
    check_rows(rows, sizeof rows / sizeof *rows, value_number);
}

static void test_words(void **state)
{
    char text[VALUE_TEXT];
    (void)state;
    assert_int_equal(value_word("", "trap|start|none"), -1);
    assert_int_equal(value_word("tra", "trap|start|none"), -1);
    assert_int_equal(value_word("trap|start", "trap|start|none"), -1);
    assert_int_equal(value_word("TRAP", "trap|start|none"), -1);
    assert_int_equal(value_word("trap", "trap|start|none"), 0);
    assert_int_equal(value_word("none", "trap|start|none"), 2);
    assert_string_equal(value_word_print(1, "trap|start|none", text), "start");
    assert_string_equal(value_word_print(7, "trap|start|none", text), "");
}

static void test_printing_uses_the_largest_unit(void **state)
{
    char text[VALUE_TEXT];
    (void)state;
    assert_string_equal(value_duration_print(0, text), "0s");
    assert_string_equal(value_duration_print(90, text), "90s");
    assert_string_equal(value_duration_print(28800, text), "8h");
    assert_string_equal(value_duration_print(86400, text), "1d");
    assert_string_equal(value_bytes_print(0, text), "0B");
    assert_string_equal(value_bytes_print(1025, text), "1025B");
    assert_string_equal(value_bytes_print(UINT64_C(4) << 30, text), "4GiB");
}

/* What is printed must read back as the same number. */
static void test_printing_reads_back(void **state)
{
    char text[VALUE_TEXT];
    (void)state;
    for (uint64_t value = 1; value < UINT64_C(1) << 40; value = value * 3 + 7) {
        uint64_t back = 0;
        assert_true(value_duration(value_duration_print(value, text), &back));
        assert_int_equal(back, value);
        assert_true(value_bytes(value_bytes_print(value, text), &back));
        assert_int_equal(back, value);
    }
}

/* Each of the 64 numbers, and no other: what has a name reads back, and the 21 names of RFCs are all there. */
static void test_names_of_dscp(void **state)
{
    static const char *const wrong[] = {"",    "cs",   "cs8",  "CS1",  "cs01", "af",    "af1",
                                        "af4", "af01", "af14", "af51", "aff1", "af111", "64"};
    char name[8];
    unsigned named = 0;
    (void)state;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t back = 99;
        if (value_dscp_name(i, name) == NULL)
            continue;
        named++;
        assert_true(i < 64);
        assert_true(value_dscp(name, &back));
        assert_int_equal(back, i);
    }
    assert_int_equal(named, 3 + 8 + 12); /* le va ef; cs0 (as be) to cs7; af11 to af43 */
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint32_t value = 4711;
        if (value_dscp(wrong[i], &value) || value != 4711)
            fail_msg("'%s' is no DSCP", wrong[i]);
    }
    static const struct {
        const char *name;
        uint32_t value;
    } rows[] = {{"be", 0},    {"cs0", 0},  {"le", 1},  {"cs1", 8}, {"af11", 10}, {"af21", 18},
                {"af43", 38}, {"cs6", 48}, {"va", 44}, {"ef", 46}, {"63", 63}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t value = 99;
        assert_true(value_dscp(rows[i].name, &value));
        assert_int_equal(value, rows[i].value);
    }
}

static void test_word_distance(void **state)
{
    (void)state;
    assert_int_equal(word_distance("", ""), 0);
    assert_int_equal(word_distance("", "abc"), 3);
    assert_int_equal(word_distance("abc", ""), 3);
    assert_int_equal(word_distance("kitten", "sitting"), 3);
    assert_int_equal(word_distance("remote", "REMTOE"), 2);
    assert_int_equal(word_distance("lifetime", "lifetme"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_printing_uses_the_largest_unit),
        cmocka_unit_test(test_printing_reads_back),
        cmocka_unit_test(test_names_of_dscp),
        cmocka_unit_test(test_word_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
