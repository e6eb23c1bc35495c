/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hook_output.h"

#include "daemon_test.h"

struct said {
    char text[8192];
    size_t len, lines;
};

static void say(void *arg, struct bytes line)
{
    struct said *s = arg;
    assert_true(line.len > 0 && line.len <= HOOK_LINE_MAX && s->len + line.len + 1 < sizeof s->text);
    memcpy(s->text + s->len, line.data, line.len);
    s->len += line.len;
    s->text[s->len++] = '|';
    s->text[s->len] = '\0';
    s->lines++;
}

/* However it is cut on its way. */
static void lines(void **state)
{
    static const char text[] = "one\n\n\ntwo\nthree";
    (void)state;
    for (size_t part = 1; part <= sizeof text; part++) {
        struct said s = {0};
        struct hook_output o = {.say = say, .arg = &s};
        for (size_t at = 0; at < sizeof text - 1; at += part)
            hook_output_add(&o, text + at, part < sizeof text - 1 - at ? part : sizeof text - 1 - at, 0);
        assert_string_equal(s.text, "one|two|");
        hook_output_end(&o, 0);
        hook_output_end(&o, 0);
        assert_string_equal(s.text, "one|two|three|");
        assert_int_equal(o.suppressed, 0);
    }
}

static void long_lines_are_several(void **state)
{
    (void)state;
    for (size_t len = HOOK_LINE_MAX - 1; len <= 2 * HOOK_LINE_MAX + 1; len++) {
        char text[2 * HOOK_LINE_MAX + 2];
        struct said s = {0};
        struct hook_output o = {.say = say, .arg = &s};
        memset(text, 'x', len);
        hook_output_add(&o, text, len, 0);
        hook_output_add(&o, "\n", 1, 0);
        assert_int_equal(s.lines, (len + HOOK_LINE_MAX - 1) / HOOK_LINE_MAX);
        assert_int_equal(s.len, len + s.lines);
    }
}

static void a_flood_is_counted(void **state)
{
    struct said s = {0};
    struct hook_output o = {.say = say, .arg = &s};
    (void)state;
    for (int i = 0; i < 1000; i++)
        hook_output_add(&o, "y\n", 2, 0);
    assert_int_equal(s.lines, LOG_RATE_BURST);
    assert_int_equal(o.suppressed, 1000 - LOG_RATE_BURST);
    for (int i = 0; i < 1000; i++)
        hook_output_add(&o, "y\n", 2, 2 * LOG_RATE_EVERY_MS);
    assert_int_equal(s.lines, LOG_RATE_BURST + 2);
    assert_int_equal(o.suppressed, 2000 - LOG_RATE_BURST - 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(long_lines_are_several),
        cmocka_unit_test(a_flood_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
