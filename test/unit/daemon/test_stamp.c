/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/stamp.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon_test.h"

static const struct timespec noon = {.tv_sec = 1767323045, .tv_nsec = 678999999}; /* 2026-01-02 03:04:05 UTC */

struct kept {
    FILE *file;
    char *text;
    size_t len;
};

static void keep(struct kept *k)
{
    *k = (struct kept){0};
    k->file = open_memstream(&k->text, &k->len);
    assert_non_null(k->file);
}

static void test_text(void **state)
{
    (void)state;
    struct kept k;
    keep(&k);
    stamp_write(k.file, &noon, LOG_WARNING, "one\ntwo");
    fclose(k.file);
    assert_string_equal(k.text, "2026-01-02T03:04:05.678Z warning one\n2026-01-02T03:04:05.678Z warning two\n");
    free(k.text);
}

static void check_subject(const struct log_subject *subject, const char *line, const char *wanted)
{
    struct kept k;
    keep(&k);
    stamp_json(k.file, &noon, LOG_INFO, subject, line);
    fclose(k.file);
    assert_string_equal(k.text, wanted);
    json_t *parsed = json_loads(k.text, 0, NULL);
    assert_true(json_is_object(parsed));
    json_decref(parsed);
    free(k.text);
}

static void check_json(const char *connection, const char *line, const char *wanted)
{
    check_subject(connection != NULL ? &(struct log_subject){.name = connection} : NULL, line, wanted);
}

#define HEAD "{\"ts\":\"2026-01-02T03:04:05.678Z\",\"level\":\"info\","

static void test_json(void **state)
{
    (void)state;
    check_json(NULL, "stopped", HEAD "\"msg\":\"stopped\"}\n");
    check_json("branch", "initiating", HEAD "\"connection\":\"branch\",\"msg\":\"initiating\"}\n");
    check_json(NULL, "", HEAD "\"msg\":\"\"}\n");
}

static void test_json_has_spis_and_reason_as_fields(void **state)
{
    (void)state;
    check_subject(&(struct log_subject){.name = "b", .spi_in = 0xbeef, .spi_out = 0xfedcba98, .reason = "why\nmore"},
                  "x",
                  HEAD "\"connection\":\"b\",\"spi_in\":\"0000beef\",\"spi_out\":\"fedcba98\",\"msg\":\"x\","
                       "\"reason\":\"why\\nmore\"}\n");
    check_subject(&(struct log_subject){.name = "b", .spi_in = 1, .reason = ""}, "x",
                  HEAD "\"connection\":\"b\",\"spi_in\":\"00000001\",\"msg\":\"x\"}\n");
    check_subject(&(struct log_subject){.name = "b", .reason = "\x9b\"\xff"}, "x", /* not UTF-8 */
                  HEAD "\"connection\":\"b\",\"msg\":\"x\",\"reason\":\"\\\\x9b\\\\x22\\\\xff\"}\n");
}

static void test_json_is_one_line_of_ascii_whatever_the_text_b43(void **state)
{
    (void)state;
    check_json(NULL, "a\nb", HEAD "\"msg\":\"a\\nb\"}\n");
    check_json(NULL, "\x1b[31m\"\\", HEAD "\"msg\":\"\\u001B[31m\\\"\\\\\"}\n");
    check_json(NULL, "\xc2\x9b", HEAD "\"msg\":\"\\u009B\"}\n");       /* CSI in one character */
    check_json(NULL, "/tmp/\xff", HEAD "\"msg\":\"/tmp/\\\\xff\"}\n"); /* not UTF-8 */
}

static void test_json_holds_the_longest_line(void **state)
{
    (void)state;
    static char line[LOG_LINE_MAX];
    struct kept k;
    memset(line, '\xff', sizeof line - 1); /* fourfold once escaped */
    keep(&k);
    stamp_json(k.file, &noon, LOG_ERROR, NULL, line);
    fclose(k.file);
    json_t *parsed = json_loads(k.text, 0, NULL);
    assert_int_equal(json_string_length(json_object_get(parsed, "msg")), 4 * (LOG_LINE_MAX - 1));
    json_decref(parsed);
    free(k.text);
}

static FILE *small_pipe(int *reader)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_true(fcntl(fds[1], F_SETPIPE_SZ, 8192) >= 4096);
    FILE *out = fdopen(fds[1], "w");
    assert_non_null(out);
    setvbuf(out, NULL, _IONBF, 0);
    *reader = fds[0];
    return out;
}

/* A pipe that nobody reads: what does not fit is lost, nobody waits, and the loss is told. */
static void lines_that_nobody_reads(void **state)
{
    static const struct log_subject about = {.name = "branch"};
    static char text[1 << 16];
    int reader;
    (void)state;
    for (int json = 0; json <= 1; json++) {
        FILE *out = small_pipe(&reader);
        for (int i = 0; i < 1000; i++) {
            if (json)
                stamp_json(out, &noon, LOG_INFO, &about, "a line like any other");
            else
                stamp_write(out, &noon, LOG_INFO, "a line like any other");
        }
        ssize_t first = read(reader, text, sizeof text);
        assert_true(first > 0);
        assert_int_equal(text[first - 1], '\n'); /* no line is torn */
        size_t kept = 0;
        for (ssize_t i = 0; i < first; i++)
            kept += text[i] == '\n';
        assert_true(kept > 10 && kept < 1000);
        stamp_write(out, &noon, LOG_INFO, "again");
        fclose(out);
        ssize_t then = read(reader, text, sizeof text - 1);
        assert_true(then > 0);
        text[then] = '\0';
        char wanted[64];
        snprintf(wanted, sizeof wanted, "warning %zu log lines were lost", 1000 - kept);
        assert_non_null(strstr(text, wanted));
        assert_non_null(strstr(text, "again\n"));
        close(reader);
    }
}

/* A line longer than a pipe has room for is cut there, and the next one begins on a line of its own. */
static void a_torn_line(void **state)
{
    static char text[1 << 16], longest[12000];
    int reader;
    (void)state;
    memset(longest, 'x', sizeof longest - 1);
    FILE *out = small_pipe(&reader);
    stamp_json(out, &noon, LOG_INFO, NULL, longest);
    assert_true(read(reader, text, sizeof text) >= 4096);
    stamp_json(out, &noon, LOG_INFO, NULL, "next");
    fclose(out);
    ssize_t len = read(reader, text, sizeof text - 1);
    assert_true(len > 0);
    text[len] = '\0';
    assert_int_equal(text[0], '\n');
    assert_non_null(strstr(text, "\"msg\":\"1 log lines were lost"));
    assert_non_null(strstr(text, "\"msg\":\"next\"}\n"));
    close(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_has_spis_and_reason_as_fields),
        cmocka_unit_test(test_json_is_one_line_of_ascii_whatever_the_text_b43),
        cmocka_unit_test(test_json_holds_the_longest_line),
        cmocka_unit_test(lines_that_nobody_reads),
        cmocka_unit_test(a_torn_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
