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
    assert_int_equal(rates_show(rates, json, strlen(json), ms, out), status);
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
           "a                 in    1.0 KiB/s  out       10 B/s  █\n");
    /* Renewed: the new child counts from 0; the old one adds what it still got; two SAs are one line. */
    expect(rates, STATUS(SA("a", CHILD("01", "2158", "20")) "," SA("a", CHILD("02", "5", "1"))), 1000, OK,
           "a                 in       15 B/s  out        1 B/s  █▁\n");
    /* A restart of the daemon: nothing goes below 0. */
    expect(rates, STATUS(SA("a", CHILD("02", "0", "0"))), 1000, OK,
           "a                 in        0 B/s  out        0 B/s  █▁▁\n");
    rates_free(rates);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_odd_documents),
        cmocka_unit_test(test_rates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
