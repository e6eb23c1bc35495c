/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/base/base_test.h"

#include "base/log.h"

struct heard {
    int lines;
    enum log_level level;
    char line[2 * LOG_LINE_MAX];
    char all[8 * LOG_LINE_MAX]; /* each line with its end */
    struct log_subject subject;
};

static void hear(void *arg, enum log_level level, const char *line)
{
    struct heard *h = arg;
    h->lines++;
    h->level = level;
    assert_true(strlen(line) < sizeof h->line);
    memcpy(h->line, line, strlen(line) + 1);
    size_t used = strlen(h->all);
    assert_true(used + strlen(line) + 2 <= sizeof h->all);
    snprintf(h->all + used, sizeof h->all - used, "%s\n", line);
}

static void test_nobody_listening_is_fine(void **state)
{
    (void)state;
    log_write(NULL, LOG_ERROR, "unheard %d", 1);
    struct log log = {.level = LOG_DEBUG};
    log_write(&log, LOG_ERROR, "unheard %d", 1);
}

static void test_levels_truth_table(void **state)
{
    (void)state;
    for (int threshold = LOG_ERROR; threshold <= LOG_DEBUG; threshold++) {
        for (int level = LOG_ERROR; level <= LOG_DEBUG; level++) {
            struct heard h = {0};
            struct log log = {.level = (enum log_level)threshold, .sink = hear, .arg = &h};
            log_write(&log, (enum log_level)level, "value %d", 42);
            assert_int_equal(h.lines, level <= threshold ? 1 : 0);
            if (h.lines > 0) {
                assert_string_equal(h.line, "value 42");
                assert_int_equal(h.level, level);
            }
        }
    }
}

static void hear_about(void *arg, enum log_level level, const struct log_subject *subject, const char *line)
{
    struct heard *h = arg;
    assert_string_equal(subject->name, "branch");
    h->subject = *subject;
    hear(h, level, line);
}

/* A connection has a level of its own, above or below that of all else; one without follows all else. */
static void test_levels_of_connections_truth_table(void **state)
{
    (void)state;
    for (int own = LOG_ERROR; own <= LOG_DEBUG; own++) {
        const enum log_level levels[] = {(enum log_level)own};
        for (int level = LOG_ERROR; level <= LOG_DEBUG; level++) {
            for (uint32_t connection = 0; connection < 2; connection++) {
                struct heard h = {0};
                struct log log = {.level = LOG_WARNING,
                                  .sink = hear,
                                  .arg = &h,
                                  .connection_levels = levels,
                                  .connection_level_count = 1};
                int threshold = connection == 0 ? own : LOG_WARNING;
                log_about(&log, (enum log_level)level, connection, "branch", "value %d", 42);
                assert_int_equal(h.lines, level <= threshold ? 1 : 0);
                assert_int_equal(log_wants(&log, (enum log_level)level, connection), level <= threshold);
                if (h.lines > 0)
                    assert_string_equal(h.line, "branch: value 42");
            }
        }
    }
}

static void test_connection_is_a_field_where_the_sink_has_one(void **state)
{
    (void)state;
    struct heard h = {0};
    struct log log = {.level = LOG_INFO, .sink = hear, .about = hear_about, .arg = &h};
    log_about(&log, LOG_INFO, 7, "branch", "up");
    assert_string_equal(h.line, "up");
    log_about(&log, LOG_DEBUG, 7, "branch", "up");
    assert_int_equal(h.lines, 1);
    log_about(NULL, LOG_ERROR, 0, "branch", "unheard");
    log_about(&(struct log){.level = LOG_DEBUG, .about = hear_about}, LOG_ERROR, 0, "branch", "unheard");
    assert_int_equal(h.lines, 1);
}

static struct heard tell(bool as_field, const char *head, const char *reason)
{
    struct heard h = {0};
    struct log log = {.level = LOG_INFO, .sink = hear, .about = as_field ? hear_about : NULL, .arg = &h};
    const struct log_subject subject = {
        .connection = 7, .name = "branch", .spi_in = 0xbeef, .spi_out = 0xcafe, .reason = reason};
    log_event(&log, LOG_DEBUG, &subject, "unheard");
    assert_int_equal(h.lines, 0);
    log_event(&log, LOG_WARNING, &subject, "%s", head);
    assert_int_equal(h.level, LOG_WARNING);
    return h;
}

static void test_an_event_with_its_reason(void **state)
{
    (void)state;
    static const struct {
        const char *reason, *text, *line;
    } table[] = {
        {NULL, "branch: it failed\n", "it failed"},
        {"", "branch: it failed\n", "it failed"},
        {"no answer", "branch: it failed: no answer\n", "it failed: no answer"},
        {"one\ntwo", "branch: it failed: one\nbranch: two\n", "it failed: one; two"},
        {"one\ntwo\n", "branch: it failed: one\nbranch: two\n", "it failed: one; two"},
        {"we accept:\n  one\n  two\nso no",
         "branch: it failed: we accept:\nbranch:   one\nbranch:   two\nbranch: so no\n",
         "it failed: we accept: one; two; so no"},
        {"one\n\n  \ntwo", "branch: it failed: one\nbranch: \nbranch:   \nbranch: two\n", "it failed: one; two"},
        {"\n", "branch: it failed: \n", "it failed"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct heard lines = tell(false, "it failed", table[i].reason);
        assert_string_equal(lines.all, table[i].text);
        struct heard one = tell(true, "it failed", table[i].reason);
        assert_int_equal(one.lines, 1);
        assert_string_equal(one.line, table[i].line);
        assert_int_equal(one.subject.connection, 7);
        assert_int_equal(one.subject.spi_in, 0xbeef);
        assert_int_equal(one.subject.spi_out, 0xcafe);
        assert_ptr_equal(one.subject.reason, table[i].reason);
    }
}

/* Whatever is too long, head or reason, the line is cut where it ends, and the reason stays whole in its field. */
static void test_long_events_are_cut_visibly(void **state)
{
    (void)state;
    static char text[3 * LOG_LINE_MAX];
    memset(text, 'x', sizeof text - 1);
    for (size_t head = LOG_LINE_MAX - 12; head < LOG_LINE_MAX + 4; head++) {
        for (int as_field = 0; as_field < 2; as_field++) {
            struct heard h = tell(as_field, text + sizeof text - 1 - head, text);
            assert_int_equal(h.lines, 1);
            assert_int_equal(strlen(h.line), LOG_LINE_MAX - 1);
            assert_string_equal(h.line + LOG_LINE_MAX - 4, "...");
        }
    }
    struct heard h = tell(true, "it failed", text);
    assert_string_equal(h.line + LOG_LINE_MAX - 4, "...");
    assert_int_equal(strlen(h.subject.reason), sizeof text - 1);
}

static void test_names_of_levels(void **state)
{
    (void)state;
    enum log_level level = LOG_INFO;
    static const char *const wrong[] = {"", "INFO", "inf", "infos", "4"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(log_level_parse(wrong[i], &level));
    assert_int_equal(level, LOG_INFO);
    for (int i = LOG_ERROR; i <= LOG_DEBUG; i++) {
        assert_true(log_level_parse(log_level_name((enum log_level)i), &level));
        assert_int_equal(level, i);
    }
}

static void test_long_lines_are_cut_visibly(void **state)
{
    (void)state;
    static char text[LOG_LINE_MAX + 8];
    for (size_t len = LOG_LINE_MAX - 2; len <= LOG_LINE_MAX + 1; len++) {
        struct heard h = {0};
        struct log log = {.level = LOG_INFO, .sink = hear, .arg = &h};
        memset(text, 'x', len);
        text[len] = '\0';
        log_write(&log, LOG_INFO, "%s", text);
        bool cut = len > LOG_LINE_MAX - 1;
        assert_int_equal(strlen(h.line), cut ? LOG_LINE_MAX - 1 : len);
        assert_int_equal(strcmp(h.line + strlen(h.line) - 3, cut ? "..." : "xxx"), 0);
    }
}

static void test_hostile_text_is_escaped_b43(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
        const char *shown;
    } cases[] = {
        {"plain name", 10, "plain name"},
        {"", 0, ""},
        {"line\nbreak\r", 11, "line\\x0abreak\\x0d"},
        {"\x1b[31mred\x1b[0m", 12, "\\x1b[31mred\\x1b[0m"},
        {"a\0b", 3, "a\\x00b"},
        {"$(reboot); `id` | sh", 20, "$(reboot); `id` | sh"}, /* text, and never given to a shell */
        {"\"quoted\" and 'so'", 17, "\\x22quoted\\x22 and \\x27so\\x27"},
        {"back\\x0aslash", 13, "back\\x5cx0aslash"},
        {"\x7f\x80\xff", 3, "\\x7f\\x80\\xff"},
        {"caf\xc3\xa9", 5, "caf\\xc3\\xa9"},
        {"%s%n%d", 6, "%s%n%d"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[128];
        assert_ptr_equal(log_escape(out, sizeof out, cases[i].text, cases[i].len), out);
        assert_string_equal(out, cases[i].shown);
    }
}

/* Every byte alone: what comes out is printable, and only printable ASCII comes out as itself. */
static void test_every_byte_b43(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char out[16];
        uint8_t byte = (uint8_t)c;
        log_escape(out, sizeof out, &byte, 1);
        bool plain = c >= 0x20 && c < 0x7f && c != '\\' && c != '"' && c != '\'';
        assert_int_equal(strlen(out), plain ? 1 : 4);
        for (const char *at = out; *at != '\0'; at++)
            assert_true(*at >= 0x20 && *at < 0x7f);
    }
}

/* Each capacity with bytes that need 1 and 4: always terminated inside, never a piece of an escape, cut with "...". */
static void test_escape_in_every_capacity(void **state)
{
    (void)state;
    static const char text[] = "a\nbc\n\nde\xff"
                               "f";
    for (size_t capacity = 0; capacity < 40; capacity++) {
        char *out = malloc(capacity > 0 ? capacity : 1);
        assert_non_null(out);
        const char *shown = log_escape(out, capacity, text, sizeof text - 1);
        size_t len = strlen(shown);
        if (capacity > 0) {
            assert_ptr_equal(shown, out);
            assert_true(len < capacity);
        }
        static const char whole[] = "a\\x0abc\\x0a\\x0ade\\xfff";
        if (strcmp(shown, whole) != 0 && capacity >= 4) {
            assert_true(len >= 3);
            assert_string_equal(shown + len - 3, "...");
            assert_memory_equal(shown, whole, len - 3);
            assert_true(whole[len - 3] != 'x' && (len < 5 || whole[len - 5] != '\\' || whole[len - 4] != 'x'));
        }
        free(out);
    }
}

static void test_rate_is_full_at_first_then_suppresses_and_counts(void **state)
{
    (void)state;
    struct log_rate rate = {0};
    uint32_t suppressed = 99;
    uint64_t now = 123456789;
    for (int i = 0; i < LOG_RATE_BURST; i++) {
        assert_true(log_rate_allow(&rate, now, &suppressed));
        assert_int_equal(suppressed, 0);
    }
    for (int i = 0; i < 1000; i++)
        assert_false(log_rate_allow(&rate, now, &suppressed));
    assert_false(log_rate_allow(&rate, now + LOG_RATE_EVERY_MS - 1, &suppressed));
    assert_true(log_rate_allow(&rate, now + LOG_RATE_EVERY_MS, &suppressed));
    assert_int_equal(suppressed, 1001);
    assert_false(log_rate_allow(&rate, now + LOG_RATE_EVERY_MS, &suppressed));
}

/* Asked every 1.9 intervals, the remainders add up: over 1000 intervals about 1000 lines may go out, had they been
 * asked for. */
static void test_rate_keeps_the_remainder(void **state)
{
    (void)state;
    struct log_rate rate = {0};
    uint32_t suppressed;
    uint64_t now = 0, allowed = 0;
    for (; now < 1000 * (uint64_t)LOG_RATE_EVERY_MS; now += LOG_RATE_EVERY_MS * 19 / 10)
        for (int i = 0; i < 3; i++)
            allowed += log_rate_allow(&rate, now, &suppressed);
    assert_in_range(allowed, 1000 - 2, 1000 + LOG_RATE_BURST + 2);
}

static void test_rate_and_a_clock_that_jumps_back_b45(void **state)
{
    (void)state;
    struct log_rate rate = {0};
    uint32_t suppressed;
    for (int i = 0; i < 2 * LOG_RATE_BURST; i++)
        (void)log_rate_allow(&rate, 1000000, &suppressed);
    assert_false(log_rate_allow(&rate, 5, &suppressed));
    assert_true(log_rate_allow(&rate, 1000000 + LOG_RATE_EVERY_MS, &suppressed));
    assert_true(log_rate_allow(&rate, UINT64_MAX, &suppressed));
    rate.used = LOG_RATE_BURST;
    rate.suppressed = UINT32_MAX;
    assert_false(log_rate_allow(&rate, UINT64_MAX, &suppressed));
    assert_true(rate.suppressed == UINT32_MAX); /* "many", not "none" */
}

static void test_what_was_held_back(void **state)
{
    (void)state;
    char out[LOG_RATE_TEXT];
    assert_string_equal(log_rate_note(out, 0), "");
    assert_string_equal(log_rate_note(out, 1), " (1 more line like this was held back)");
    assert_string_equal(log_rate_note(out, UINT32_MAX), " (4294967295 more lines like this were held back)");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_listening_is_fine),
        cmocka_unit_test(test_levels_truth_table),
        cmocka_unit_test(test_levels_of_connections_truth_table),
        cmocka_unit_test(test_connection_is_a_field_where_the_sink_has_one),
        cmocka_unit_test(test_an_event_with_its_reason),
        cmocka_unit_test(test_long_events_are_cut_visibly),
        cmocka_unit_test(test_names_of_levels),
        cmocka_unit_test(test_long_lines_are_cut_visibly),
        cmocka_unit_test(test_hostile_text_is_escaped_b43),
        cmocka_unit_test(test_every_byte_b43),
        cmocka_unit_test(test_escape_in_every_capacity),
        cmocka_unit_test(test_rate_is_full_at_first_then_suppresses_and_counts),
        cmocka_unit_test(test_rate_keeps_the_remainder),
        cmocka_unit_test(test_rate_and_a_clock_that_jumps_back_b45),
        cmocka_unit_test(test_what_was_held_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
