/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/json_line.h"

#include <stdlib.h>

#include "daemon_test.h"

static void test_what_is_left_out(void **state)
{
    (void)state;
    json_t *line = json_object();
    bool whole = json_line_add_text(line, "none", NULL) && json_line_add_text(line, "empty", "") &&
                 json_line_add_spi(line, "spi", 0) && json_line_add_text(line, "text", "a\nb") &&
                 json_line_add_spi(line, "other", 0xbeef) && json_line_add(line, "count", json_integer(3)) &&
                 json_line_add(line, "said", json_line_text(""));
    char *text = json_line_print(line, whole);
    assert_string_equal(text, "{\"text\":\"a\\nb\",\"other\":\"0000beef\",\"count\":3,\"said\":\"\"}\n");
    free(text);
}

static void test_what_is_no_utf8_is_escaped(void **state)
{
    (void)state;
    json_t *line = json_object();
    char *text = json_line_print(line, json_line_add_text(line, "text",
                                                          "a\xff"
                                                          "b"));
    assert_string_equal(text, "{\"text\":\"a\\\\xffb\"}\n");
    free(text);
}

static void test_a_line_that_is_not_whole(void **state)
{
    (void)state;
    json_t *line = json_object();
    assert_false(json_line_add(line, "none", NULL));
    assert_null(json_line_print(line, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_left_out),
        cmocka_unit_test(test_what_is_no_utf8_is_escaped),
        cmocka_unit_test(test_a_line_that_is_not_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
