/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/rates.h"

#include <stdlib.h>

#include "daemon_test.h"

#define CHILD(spi, in, out) "{\"spi_in\":\"" spi "\",\"in\":{\"bytes\":" in "},\"out\":{\"bytes\":" out "}}"
#define SA(name, children)  "{\"connection\":\"" name "\",\"children\":[" children "]}"
#define STATUS(sas)         "{\"ike_sas\":[" sas "]}"

static void expect(struct rates *rates, const char *json, uint64_t ms, enum status status, const char *wanted)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_int_equal(rates_show(rates, json, strlen(json), ms, 80, out), status);
    fclose(out);
    assert_string_equal(text, wanted);
    free(text);
}

static void test_odd_documents(void **state)
{
    (void)state;
    struct rates *rates = rates_new();
    static const char *const odd[] = {"{}", STATUS("3,null,{}"), STATUS("{\"connection\":\"a\",\"children\":[4,{}]}")};
    expect(rates, "", 1000, ERR_MALFORMED, "");
    expect(rates, "[]", 1000, ERR_MALFORMED, "");
    for (size_t i = 0; i < COUNT(odd); i++)
        expect(rates, odd[i], 0, OK, "");
    rates_free(rates);
    rates_free(NULL);
}

static void test_rates(void **state)
{
    (void)state;
    struct rates *rates = rates_new();
    expect(rates, STATUS(SA("a", CHILD("01", "100", "0"))), 0, OK, "");
    /* 2 KiB in 2 s. */
    expect(rates, STATUS(SA("a", CHILD("01", "2148", "20"))), 2000, OK,
           "a                 in  1.0 KiB/s  out     10 B/s  █\n");
    /* Renewed: the new child counts from 0; the old one adds what it still got; two SAs are one line. */
    expect(rates, STATUS(SA("a", CHILD("01", "2158", "20")) "," SA("a", CHILD("02", "5", "1"))), 1000, OK,
           "a                 in     15 B/s  out      1 B/s  █▁\n");
    /* A restart of the daemon: nothing goes below 0. */
    expect(rates, STATUS(SA("a", CHILD("02", "0", "0"))), 1000, OK,
           "a                 in      0 B/s  out      0 B/s  █▁▁\n");
    rates_free(rates);
}

/* Columns of a terminal, not bytes: a bar has three bytes. */
static size_t columns_of(const char *text)
{
    size_t count = 0;
    for (; *text != '\0' && *text != '\n'; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static void test_every_width(void **state)
{
    (void)state;
    for (size_t width = 40; width <= 200; width++) {
        struct rates *rates = rates_new();
        for (size_t round = 0; round < RATES_HISTORY + 3; round++) {
            char json[512], *text = NULL;
            size_t len;
            FILE *out = open_memstream(&text, &len);
            snprintf(json, sizeof json,
                     STATUS(SA("a-connection-with-a-name-longer-than-its-column", CHILD("01", "%zu", "%zu"))),
                     round * 9999999999, round * round * 1023);
            assert_int_equal(rates_show(rates, json, strlen(json), 1000, width, out), OK);
            fclose(out);
            if (columns_of(text) > width)
                fail_msg("%zu columns at width %zu: %s", columns_of(text), width, text);
            free(text);
        }
        rates_free(rates);
    }
}

/* With no room for all of them the newest bars stay. */
static void test_newest_bars(void **state)
{
    (void)state;
    struct rates *rates = rates_new();
    static const char *const in[] = {"0", "7000", "7000", "14000"};
    char *text = NULL;
    for (size_t i = 0; i < COUNT(in); i++) {
        char json[256];
        size_t len;
        free(text);
        FILE *out = open_memstream(&text, &len);
        snprintf(json, sizeof json, STATUS(SA("a", CHILD("01", "%s", "0"))), in[i]);
        assert_int_equal(rates_show(rates, json, strlen(json), 1000, 43, out), OK);
        fclose(out);
    }
    assert_string_equal(text, "a         in  6.8 KiB/s  out      0 B/s  ▁█\n");
    free(text);
    rates_free(rates);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_odd_documents),
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_every_width),
        cmocka_unit_test(test_newest_bars),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
