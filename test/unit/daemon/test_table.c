/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/table.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "daemon_test.h"

static const struct table_column columns[] = {
    {"NAME", .least = 4},
    {"N", .right = true, .room = 3, .leaves = 1},
    {"FAR", .least = 6, .leaves = 2},
    {"M", .right = true, .leaves = 1},
};

static char *printed(size_t width, const char *const rows[][4], size_t count)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    struct table *table = table_new(columns, COUNT(columns));
    for (size_t i = 0; i < count; i++)
        table_add(table, rows[i]);
    table_print(table, width, out);
    assert_true(table_whole(table));
    table_free(table);
    fclose(out);
    return text;
}

static void test_widths(void **state)
{
    (void)state;
    static const char *const rows[][4] = {{"longname", "1", "faraway", "22"}, {"b", "4444", "x", "-"}};
    static const struct {
        size_t width;
        const char *wanted;
    } golden[] = {
        {99, "NAME         N  FAR       M\n"
             "longname     1  faraway  22\n"
             "b         4444  x         -\n"},
        {27, "NAME         N  FAR       M\n"
             "longname     1  faraway  22\n"
             "b         4444  x         -\n"},
        {26, "NAME        N  FAR       M\n"
             "longn..     1  faraway  22\n"
             "b        4444  x         -\n"},
        {25, "NAME        N  FAR      M\n" /* of two columns of the same width the last is cut */
             "longn..     1  fara..  22\n"
             "b        4444  x        -\n"},
        {22, "NAME     N  FAR      M\n"
             "lo..     1  fara..  22\n"
             "b     4444  x        -\n"},
        {21, "NAME         N   M\n" /* FAR has left, and the name has its room again */
             "longname     1  22\n"
             "b         4444   -\n"},
        {14, "NAME     N   M\n"
             "lo..     1  22\n"
             "b     4444   -\n"},
        {13, "NAME\n" /* both numbers leave together */
             "longname\n"
             "b\n"},
        {4, "NAME\n"
            "lo..\n"
            "b\n"},
    };
    for (size_t i = 0; i < COUNT(golden); i++) {
        char *text = printed(golden[i].width, rows, COUNT(rows));
        assert_string_equal(text, golden[i].wanted);
        free(text);
    }
    char *text = printed(80, NULL, 0);
    assert_string_equal(text, "NAME    N  FAR  M\n");
    free(text);
    table_free(NULL);
}

static void test_more_rows_than_the_first_room(void **state)
{
    (void)state;
    struct table *table = table_new(columns, COUNT(columns));
    char *text = NULL;
    size_t len, lines = 0;
    FILE *out = open_memstream(&text, &len);
    for (size_t i = 0; i < 1000; i++)
        table_add(table, (const char *const[]){"a", "1", "b", "2"});
    table_print(table, 80, out);
    fclose(out);
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_int_equal(lines, 1001);
    table_free(table);
    free(text);
}

static void test_cut(void **state)
{
    (void)state;
    char out[TABLE_CELL], most[TABLE_CELL + 2];
    static const struct {
        const char *text;
        size_t width;
        const char *wanted;
    } rows[] = {{"abc", 3, "abc"}, {"abcd", 3, "a.."}, {"abcd", 2, ".."}, {"abcd", 1, "."},
                {"abcd", 0, ""},   {"", 0, ""},        {"", 5, ""},       {"abcd", 4, "abcd"}};
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(text_cut(out, rows[i].text, rows[i].width), rows[i].wanted);
    memset(most, 'x', sizeof most);
    most[sizeof most - 1] = '\0';
    assert_int_equal(strlen(text_cut(out, most, 1000)), TABLE_CELL - 1);
    assert_string_equal(out + TABLE_CELL - 4, "x..");
}

static void expect_wrapped(const char *text, size_t indent, size_t width, const char *wanted)
{
    char *got = NULL;
    size_t len;
    FILE *out = open_memstream(&got, &len);
    text_wrap(text, indent, width, out);
    fclose(out);
    assert_string_equal(got, wanted);
    free(got);
}

static void test_wrap(void **state)
{
    (void)state;
    expect_wrapped("", 2, 10, "\n");
    expect_wrapped("one two", 2, 7, "one two\n");
    expect_wrapped("one two", 2, 6, "one\n  two\n");
    expect_wrapped("  one   two three ", 2, 9, "one two\n  three\n");
    expect_wrapped("a verylongword b", 2, 8, "a\n  very..\n  b\n");
    expect_wrapped("verylongword", 2, 8, "verylo..\n");
}

static void test_width_of_no_terminal(void **state)
{
    (void)state;
    static const struct {
        const char *columns;
        size_t width;
    } rows[] = {{"100", 100},
                {"40", 40},
                {"39", 40},
                {"1", 40},
                {"0", 80},
                {"", 80},
                {"x", 80},
                {"9x", 80},
                {"-9", 80},
                {" 9", 80},
                {"99999999999999999999999", 1000}};
    FILE *out = fopen("/dev/null", "w");
    unsetenv("COLUMNS");
    assert_int_equal(width_of(out), 80);
    for (size_t i = 0; i < COUNT(rows); i++) {
        setenv("COLUMNS", rows[i].columns, 1);
        assert_int_equal(width_of(out), rows[i].width);
    }
    unsetenv("COLUMNS");
    fclose(out);
}

/* A terminal tells its own width, whatever COLUMNS says; one of width 0 does not know. */
static void test_width_of_a_terminal(void **state)
{
    (void)state;
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    FILE *out = fopen(ptsname(master), "w");
    assert_non_null(out);
    struct winsize size = {.ws_row = 24, .ws_col = 132};
    setenv("COLUMNS", "60", 1);
    assert_int_equal(ioctl(fileno(out), TIOCSWINSZ, &size), 0);
    assert_int_equal(width_of(out), 132);
    size.ws_col = 10;
    assert_int_equal(ioctl(fileno(out), TIOCSWINSZ, &size), 0);
    assert_int_equal(width_of(out), 40);
    size.ws_col = 0;
    assert_int_equal(ioctl(fileno(out), TIOCSWINSZ, &size), 0);
    assert_int_equal(width_of(out), 60);
    unsetenv("COLUMNS");
    fclose(out);
    close(master);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_widths),
        cmocka_unit_test(test_more_rows_than_the_first_room),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_wrap),
        cmocka_unit_test(test_width_of_no_terminal),
        cmocka_unit_test(test_width_of_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
