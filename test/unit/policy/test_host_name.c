/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/host_name.h"

#include "test/unit/unit_test.h"

#define A63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"

static void test_what_is_no_name(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "write an address or a name"},
        {".", "write an address or a name"},
        {"1.2.3.4", "write four numbers"},
        {"192.0.2.256", "write four numbers"},
        {"192.0.2", "write four numbers"},
        {"12345", "write four numbers"},
        {"gw.example.1", "the last part of a name is no number"},
        {"gw.example.1.", "the last part of a name is no number"},
        {"2001:db8::g", "2001:db8::1"},
        {"gw.example.org:500", "without a port"},
        {"192.0.2.0/24", "without a prefix"},
        {"gw.example.org/24", "without a prefix"},
        {"any", "write %any"},
        {"ANY", "write %any"},
        {"a..b", "empty"},
        {".a", "empty"},
        {"a..", "empty"},
        {"-a.example.org", "begins or ends with '-'"},
        {"a-.example.org", "begins or ends with '-'"},
        {"gw.example.org-", "begins or ends with '-'"},
        {"gw_1.example.org", "letters, digits"},
        {"gw.example.org,gw2", "letters, digits"},
        {"gw example", "letters, digits"},
        {"*.example.org", "letters, digits"},
        {"gw@example.org", "letters, digits"},
        {"b\xc3\xbc"
         "ro.example.org",
         "xn--"},
        {"gw\n", "letters, digits"},
        {A63 "x.org", "63 characters"},
        {A63 "." A63 "." A63 "." A63, "253 characters"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *why = host_name_refusal(rows[i].text);
        if (why == NULL)
            fail_msg("'%s' is taken for a name", rows[i].text);
        else
            assert_has(why, rows[i].why);
    }
}

static void test_what_is_a_name(void **state)
{
    (void)state;
    static const char *const good[] = {
        "gw",
        "gw.example.org",
        "GW.Example.ORG",
        "gw.example.org.",
        "3com.com",
        "1.2.3.in-addr.arpa",
        "a--b.example.org",
        "xn--bro-hoa.example.org",
        "any.org",
        "eth0",
        A63 "." A63 "." A63 "." A63 "." /* the dot at the end does not count, but one character is too much */,
    };
    for (size_t i = 0; i + 1 < COUNT(good); i++)
        if (host_name_refusal(good[i]) != NULL)
            fail_msg("'%s': %s", good[i], host_name_refusal(good[i]));
    char longest[HOST_NAME_MAX_LEN + 3];
    snprintf(longest, sizeof longest, "%.63s.%.63s.%.63s.%.61s.", A63, A63, A63, A63);
    assert_null(host_name_refusal(longest));
    assert_non_null(host_name_refusal(good[COUNT(good) - 1]));
}

/* Every character alone, and inside. */
static void test_every_character(void **state)
{
    (void)state;
    for (unsigned c = 1; c < 256; c++) {
        char text[] = {'a', (char)c, 'b', '\0'};
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
        assert_int_equal(host_name_refusal(text) == NULL, good);
    }
}

static void test_names_are_compared(void **state)
{
    (void)state;
    assert_true(host_name_equal("gw.example.org", "GW.example.ORG."));
    assert_false(host_name_equal("gw.example.org", "gw.example.or"));
    assert_false(host_name_equal("gw.example.org", "gw2.example.org"));
    assert_true(host_name_compare("a", "b") < 0);
    assert_true(host_name_compare("b", "a") > 0);
    assert_true(host_name_compare("a", "ab") < 0);
    assert_int_equal(host_name_compare("a.", "A"), 0);
}

static void test_folded(void **state)
{
    (void)state;
    char one[HOST_NAME_MAX_LEN + 2], other[HOST_NAME_MAX_LEN + 2], longest[HOST_NAME_MAX_LEN + 20];
    host_name_fold("GW-7.example.ORG.", one);
    host_name_fold("gw-7.EXAMPLE.org", other);
    assert_string_equal(one, "gw-7.example.org");
    assert_memory_equal(one, other, sizeof one);
    memset(longest, 'A', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    host_name_fold(longest, one);
    assert_int_equal(one[HOST_NAME_MAX_LEN + 1], '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_no_name), cmocka_unit_test(test_what_is_a_name),
        cmocka_unit_test(test_every_character), cmocka_unit_test(test_names_are_compared),
        cmocka_unit_test(test_folded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
