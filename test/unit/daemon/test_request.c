/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/request.h"

#include "daemon_test.h"

static enum status parse(const char *text, struct request *out, const char **why)
{
    *why = NULL;
    return request_parse(bytes_of(text, strlen(text)), out, why);
}

static void test_garbage_is_refused_b48(void **state)
{
    (void)state;
    const struct {
        const char *line, *why;
    } rows[] = {
        {"", "unknown command"},
        {" ", "unknown command"},
        {" status", "unknown command"},
        {"STATUS", "unknown command"},
        {"statu", "unknown command"},
        {"status2", "unknown command"},
        {"\x01\xff\xfe", "unknown command"},
        {"GET / HTTP/1.1", "unknown command"},
        {"reload now", "no argument"},
        {"status now", "no argument"},
        {"status ", "no argument"},
        {"monitor all", "no argument"},
        {"up", "missing"},
        {"up ", "missing"},
        {"up a b", "not the name"},
        {"up  a", "not the name"},
        {"up a\tb", "not the name"},
        {"up \x1b[31m", "not the name"},
        {"up \xc3\xa4", "not the name"},
        {"down ", "missing"},
        {"rekey", "missing"},
        {"explain", "packet to explain is missing"},
        {"explain ", "packet to explain is missing"},
        {"explain 10.1.0.1\t10.2.0.1", "not a packet"},
        {"explain 10.1.0.1 \x7f", "not a packet"},
        {"explain \xc3\xa4", "not a packet"},
        {"log", "log level is missing"},
        {"log ", "log level is missing"},
        {"log loud", "log level is missing"},
        {"log  debug", "log level is missing"},
        {"log debugdebugdebugdebug", "log level is missing"},
        {"log debug ", "missing"},
        {"log debug a b", "not the name"},
        {"log debug \x1b[31m", "not the name"},
        {"explainx 10.1.0.1 10.2.0.1", "unknown command"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct request request;
        const char *why;
        if (parse(rows[i].line, &request, &why) != ERR_MALFORMED)
            fail_msg("'%s' should be refused", rows[i].line);
        assert_has(why, rows[i].why);
    }
}

static void test_embedded_nul_is_refused_b48(void **state)
{
    (void)state;
    struct request request;
    const char *why;
    assert_int_equal(request_parse(bytes_of("up a\0b", 6), &request, &why), ERR_MALFORMED);
    assert_int_equal(request_parse(bytes_of("status\0", 7), &request, &why), ERR_MALFORMED);
    assert_int_equal(request_parse(bytes_of("explain a\0b", 11), &request, &why), ERR_MALFORMED);
    assert_int_equal(request_parse(bytes_of(NULL, 0), &request, &why), ERR_MALFORMED);
}

static void test_names_up_to_the_limit(void **state)
{
    (void)state;
    char line[3 + CONNECTION_NAME_MAX + 2] = "up ";
    struct request request;
    const char *why;
    memset(line + 3, 'n', CONNECTION_NAME_MAX);
    assert_int_equal(parse(line, &request, &why), OK);
    assert_int_equal(strlen(request.name), CONNECTION_NAME_MAX);
    line[3 + CONNECTION_NAME_MAX] = 'n';
    assert_int_equal(parse(line, &request, &why), ERR_MALFORMED);
}

static void test_requests(void **state)
{
    (void)state;
    const struct {
        const char *line;
        enum request_verb verb;
        const char *name;
    } rows[] = {
        {"status", REQUEST_STATUS, ""}, {"status\r", REQUEST_STATUS, ""},          {"up branch", REQUEST_UP, "branch"},
        {"up b\r", REQUEST_UP, "b"},    {"down a.b-c_d", REQUEST_DOWN, "a.b-c_d"}, {"rekey x", REQUEST_REKEY, "x"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct request request;
        const char *why;
        assert_int_equal(parse(rows[i].line, &request, &why), OK);
        assert_int_equal(request.verb, rows[i].verb);
        assert_string_equal(request.name, rows[i].name);
    }
}

static void test_log_levels(void **state)
{
    (void)state;
    struct request request;
    const char *why;
    assert_int_equal(parse("log error", &request, &why), OK);
    assert_int_equal(request.verb, REQUEST_LOG);
    assert_int_equal(request.level, LOG_ERROR);
    assert_string_equal(request.name, "");
    assert_int_equal(parse("log debug branch\r", &request, &why), OK);
    assert_int_equal(request.level, LOG_DEBUG);
    assert_string_equal(request.name, "branch");
}

static void test_text_up_to_the_limit(void **state)
{
    (void)state;
    struct request request;
    const char *why;
    char line[8 + REQUEST_TEXT_MAX + 2] = "explain ";
    assert_int_equal(parse("explain tcp a  b\r", &request, &why), OK);
    assert_int_equal(request.verb, REQUEST_EXPLAIN);
    assert_string_equal(request.text, "tcp a  b");
    assert_string_equal(request.name, "");
    memset(line + 8, 'x', REQUEST_TEXT_MAX);
    assert_int_equal(parse(line, &request, &why), OK);
    assert_int_equal(strlen(request.text), REQUEST_TEXT_MAX);
    line[8 + REQUEST_TEXT_MAX] = 'x';
    assert_int_equal(parse(line, &request, &why), ERR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_garbage_is_refused_b48), cmocka_unit_test(test_embedded_nul_is_refused_b48),
        cmocka_unit_test(test_names_up_to_the_limit),  cmocka_unit_test(test_requests),
        cmocka_unit_test(test_text_up_to_the_limit),   cmocka_unit_test(test_log_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
