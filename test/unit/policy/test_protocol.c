/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/unit_test.h"

#include "policy/protocol.h"

static void test_what_is_no_protocol(void **state)
{
    (void)state;
    static const char *const bad[] = {"",     " ",  "TCP", "tcp ", "tcpp", "256",      "999", "1000",
                                      "0006", "-1", "+6",  "6x",   "0x6",  "10.1.0.1", "port"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        unsigned number;
        assert_false(protocol_parse(bad[i], &number));
    }
}

static void test_every_number_and_its_name(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 256; i++) {
        char text[PROTOCOL_TEXT], digits[8];
        unsigned number = 999;
        assert_true(protocol_parse(protocol_print(i, text), &number));
        assert_int_equal(number, i);
        snprintf(digits, sizeof digits, "%u", i);
        assert_true(protocol_parse(digits, &number));
        assert_int_equal(number, i);
    }
    unsigned number;
    assert_true(protocol_parse("ipv6-icmp", &number));
    assert_int_equal(number, 58);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_no_protocol),
        cmocka_unit_test(test_every_number_and_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
