/* SPDX-License-Identifier: Apache-2.0 */
/* The command line, and its conversation with a daemon that a child process plays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/cli.h"
#include "daemon/client.h"
#include "daemon/show.h"
#include "daemon/stamp.h"

enum { WORDS = 10 };

/* Cuts the line into an argv, behind the name of the program. */
static int split(char *line, char *argv[WORDS + 1])
{
    int argc = 1;
    char *save = NULL;
    for (char *word = strtok_r(line, " ", &save); word != NULL && argc < WORDS; word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    argv[argc] = NULL;
    return argc;
}

struct ran {
    int code;
    char *out, *err;
};

static struct ran run(const char *line)
{
    char copy[256], program[] = "esptun", *argv[WORDS + 1];
    size_t out_len, err_len;
    struct ran r = {0};
    snprintf(copy, sizeof copy, "%s", line);
    argv[0] = program;
    int argc = split(copy, argv);
    FILE *out = open_memstream(&r.out, &out_len), *err = open_memstream(&r.err, &err_len);
    r.code = cli_main(argc, argv, out, err);
    fclose(out);
    fclose(err);
    return r;
}

static void expect_run(const char *line, int code, const char *out, const char *err)
{
    struct ran r = run(line);
    if (r.code != code || strstr(r.out, out) == NULL || strstr(r.err, err) == NULL)
        fail_msg("'%s' gave %d\nout: %s\nerr: %s", line, r.code, r.out, r.err);
    if (code != 0)
        assert_true(r.out[0] == '\0' && r.err[0] != '\0');
    free(r.out);
    free(r.err);
}

static void test_wrong_arguments(void **state)
{
    (void)state;
    static const char *const lines[][2] = {
        {"", "a command is missing"},
        {"runn", "did you mean 'run'?"},
        {"xyzzy", "unknown command 'xyzzy'"},
        {"--verbose", "unknown command"},
        {"-c x check", "the command comes first"},
        {"--config=x check", "the command comes first"},
        {"--json status", "the command comes first"},
        {"run -x", "unknown option '-x'"},
        {"run -c", "a value is missing behind '-c'"},
        {"run --config=", "a value is missing"},
        {"run -c a -c b", "given twice"},
        {"run -s x", "unknown option '-s'"},
        {"status --watch=0", "from 1 to 3600"},
        {"status --watch=", "from 1 to 3600"},
        {"status --watch=3601", "from 1 to 3600"},
        {"status --watch=2s", "from 1 to 3600"},
        {"status --watch --json", "--watch is for people"},
        {"check --watch", "unknown option '--watch'"},
        {"check --verbose", "unknown option '--verbose'"},
        {"status -vv", "unknown option '-vv'"},
        {"status --verbose=1", "unknown option '--verbose=1'"},
        {"status -v --json", "--json tells everything"},
        {"log", "a level (error, warning, info or debug) is missing behind 'log'"},
        {"log loud", "not 'loud'"},
        {"log branch debug", "not 'branch'"},
        {"log debug a b", "one word too many: 'b'"},
        {"log debug --json", "unknown option '--json'"},
        {"run branch", "one word too many: 'branch'"},
        {"check --json", "unknown option '--json'"},
        {"check --explain=x", "unknown option '--explain=x'"},
        {"--explain check", "the command comes first"},
        {"run --explain", "unknown option '--explain'"},
        {"status branch", "one word too many"},
        {"up", "name of a connection is missing"},
        {"up a b", "one word too many: 'b'"},
        {"down --json a", "unknown option '--json'"},
        {"genpsk -c x", "unknown option"},
        {"passwd", "the name of a user is missing"},
        {"passwd alice bob", "one word too many"},
        {"passwd -c x", "unknown option"},
        {"explain", "the source is missing: write [PROTOCOL] SRC[:PORT] DST[:PORT]"},
        {"explain -s x", "the source is missing"},
        {"explain tcp 10.1.0.1", "the destination is missing"},
        {"explain --json 10.1.0.1 10.2.0.1", "unknown option '--json'"},
        {"explain tpc 10.1.0.1 10.2.0.1", "'tpc' is neither an address nor a protocol"},
        {"explain 10.1.0.0/24 10.2.0.1", "no address of a packet"},
        {"explain 10.1.0.1 10.2.0.1 10.3.0.1", "'10.3.0.1' is one word too many"},
        {"explain 10.1.0.1 2001:db8::1", "10.1.0.1 is IPv4 and 2001:db8::1 is IPv6"},
        {"explain icmp 10.1.0.1:7 10.2.0.1", "icmp has no ports"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        expect_run(lines[i][0], EXIT_USAGE, "", lines[i][1]);
        expect_run(lines[i][0], EXIT_USAGE, "", "\nusage: esptun ");
    }
}

static void test_parse(void **state)
{
    (void)state;
    char argv0[] = "esptun", c[] = "-cx.ini", s[] = "--socket=/run/y", json[] = "--json", status[] = "status";
    char *argv[] = {argv0, status, c, json, s, NULL};
    char why[CLI_WHY];
    struct cli cli;
    assert_int_equal(cli_parse(5, argv, &cli, why), OK);
    assert_int_equal(cli.verb, VERB_STATUS);
    assert_string_equal(cli.config, "x.ini");
    assert_string_equal(cli.socket, "/run/y");
    assert_true(cli.json);
    assert_false(cli.verbose);
    char v[] = "-v", verbose[] = "--verbose", watch[] = "--watch=2", *details[] = {argv0, status, v, watch, NULL};
    assert_int_equal(cli_parse(4, details, &cli, why), OK);
    assert_true(cli.verbose && cli.watch_s == 2);
    details[2] = verbose;
    assert_int_equal(cli_parse(3, details, &cli, why), OK);
    assert_true(cli.verbose && cli.watch_s == 0);
}

static void test_help_and_version(void **state)
{
    (void)state;
    expect_run("--help", EXIT_OK, "esptun run [-c FILE]", "");
    expect_run("explain --help", EXIT_OK, "esptun explain [PROTOCOL] SRC[:PORT] DST[:PORT]", "");
    expect_run("run --help", EXIT_OK, "esptun run [-c FILE]", "");
    expect_run("--version", EXIT_OK, "OpenSSL", "");
    expect_run("--version", EXIT_OK, "libuv 1.", "");
}

static void test_genpsk_is_fresh_and_256_bits(void **state)
{
    (void)state;
    struct ran a = run("genpsk"), b = run("genpsk");
    assert_int_equal(a.code, EXIT_OK);
    assert_int_equal(strlen(a.out), 65);
    assert_int_equal(strspn(a.out, "0123456789abcdef"), 64);
    assert_string_not_equal(a.out, b.out);
    free(a.out), free(a.err), free(b.out), free(b.err);
}

static void test_check_of_a_missing_file(void **state)
{
    (void)state;
    expect_run("check -c /nonexistent/esptun.ini", EXIT_FAILED, "", "/nonexistent/esptun.ini: cannot read");
    expect_run("check --explain -c /nonexistent/esptun.ini", EXIT_FAILED, "", "/nonexistent/esptun.ini: cannot read");
    expect_run("status -c /nonexistent/esptun.ini", EXIT_FAILED, "", "/nonexistent/esptun.ini");
}

/* --- the control socket --- */

struct daemon {
    char path[64];
    pid_t pid;
};

/* A daemon that expects one request and gives one answer, byte by byte when slow. */
static struct daemon daemon_start(const char *request, const char *answer, size_t len)
{
    struct daemon d = {.path = "/tmp/esptun-cli-XXXXXX"};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_non_null(mkdtemp(d.path));
    strcat(d.path, "/s");
    memcpy(address.sun_path, d.path, strlen(d.path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    d.pid = fork();
    if (d.pid == 0) {
        char got[256] = "";
        int client = accept(fd, NULL, NULL);
        for (size_t used = 0; used + 1 < sizeof got && strchr(got, '\n') == NULL; used++) {
            if (recv(client, got + used, 1, 0) != 1)
                _exit(2);
        }
        size_t half = len / 2;
        send(client, answer, half, MSG_NOSIGNAL);
        usleep(10000);
        send(client, answer + half, len - half, MSG_NOSIGNAL);
        _exit(strcmp(got, request) == 0 ? 0 : 1);
    }
    close(fd);
    return d;
}

static void daemon_end(struct daemon *d)
{
    int status;
    assert_int_equal(waitpid(d->pid, &status, 0), d->pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0); /* it got the request that it expected */
    unlink(d->path);
    *strrchr(d->path, '/') = '\0';
    rmdir(d->path);
}

static void expect_talk(const char *command, const char *request, const char *answer, int code, const char *out,
                        const char *err)
{
    char line[256];
    struct daemon d = daemon_start(request, answer, strlen(answer));
    snprintf(line, sizeof line, "%s -s %s", command, d.path);
    expect_run(line, code, out, err);
    daemon_end(&d);
}

static void test_answers(void **state)
{
    (void)state;
    expect_talk("up branch", "up branch\n", "ok\n", EXIT_OK, "", "");
    expect_talk("up branch", "up branch\n", "ok\nestablished\n", EXIT_OK, "established\n", "");
    expect_talk("down branch", "down branch\n", "ok\n", EXIT_OK, "", "");
    expect_talk("rekey branch", "rekey branch\n", "error no such connection\n", EXIT_FAILED, "",
                "esptun: no such connection\n");
    expect_talk("up a", "up a\n", "error peer says:\nNO_PROPOSAL_CHOSEN\x1b[2J\n", EXIT_FAILED, "",
                "esptun: peer says:\nNO_PROPOSAL_CHOSEN?[2J\n");
    expect_talk("up a", "up a\n", "", EXIT_FAILED, "", "hung up without an answer");
    expect_talk("up a", "up a\n", "HTTP/1.1 400\n", EXIT_FAILED, "", "no answer of esptun");
    expect_talk("status", "status\n", "ok\nnot json", EXIT_FAILED, "", "not JSON");
    expect_talk("status --json", "status\n", "ok\n{\"version\":\"1\"}", EXIT_OK, "{\"version\":\"1\"}\n", "");
}

/* A daemon is asked in one form, however the packet was written. */
static void test_explain_asks_the_daemon(void **state)
{
    (void)state;
    expect_talk("explain 10.1.0.1 10.2.0.1", "explain 10.1.0.1 10.2.0.1\n", "ok\nrule 1\n", EXIT_OK, "rule 1\n", "");
    expect_talk("explain tcp 10.1.0.1 -> 10.2.0.1 port 443", "explain tcp 10.1.0.1 10.2.0.1:443\n", "ok\nx\n", EXIT_OK,
                "x\n", "");
    expect_talk("explain [2001:db8::1]:1 - 2001:DB8:0::2", "explain [2001:db8::1]:1 2001:db8::2\n", "ok\nx\n", EXIT_OK,
                "x\n", "");
    expect_talk("explain 10.1.0.1 10.2.0.1", "explain 10.1.0.1 10.2.0.1\n", "error no\n", EXIT_FAILED, "",
                "esptun: no\n");
}

/* Without a daemon the rules are still known, when the configuration can be read. */
static void test_explain_without_a_daemon(void **state)
{
    (void)state;
    static const char text[] = "[gateway]\ncontrol = /nonexistent/sock\n"
                               "[connection c]\nlocal = 192.0.2.1\nremote = 192.0.2.2\npsk = 0123456789abcdef0123\n"
                               "[acl]\nprotect = 10.1.0.0/24 -> 10.2.0.0/24 via c\n";
    char path[] = "/tmp/esptun-cli-XXXXXX", line[128];
    int fd = mkstemp(path);
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    snprintf(line, sizeof line, "explain -c %s 10.1.0.1 10.2.0.1", path);
    expect_run(line, EXIT_OK, "esptun is not running, so SAs are unknown; this is told from /tmp/esptun-cli-", "");
    expect_run(line, EXIT_OK, "rule 1 (line 8) decides: protect\nconnection c\n", "");
    snprintf(line, sizeof line, "status -c %s", path);
    expect_run(line, EXIT_FAILED, "", "/nonexistent/sock");
    unlink(path);
    expect_run("explain -c /nonexistent/esptun.ini 10.1.0.1 10.2.0.1", EXIT_FAILED, "", "/nonexistent/esptun.ini");
}

static void test_nobody_listens(void **state)
{
    (void)state;
    expect_run("status -s /nonexistent/sock", EXIT_FAILED, "", "start `esptun run`");
    expect_run("up a -s /nonexistent/a/very/long/path/indeed/that/no/socket/can/have/since/its/room/is/one/hundred/and/"
               "eight/bytes/with/the/end",
               EXIT_FAILED, "", "at most 107 bytes");
}

static void test_stamp(void **state)
{
    (void)state;
    const struct timespec when = {.tv_sec = 1767323045, .tv_nsec = 678999999};
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    stamp_write(out, &when, LOG_INFO, "one");
    stamp_write(out, &when, LOG_WARNING, "two\nthree\n");
    fclose(out);
    assert_string_equal(text, "2026-01-02T03:04:05.678Z info    one\n"
                              "2026-01-02T03:04:05.678Z warning two\n"
                              "2026-01-02T03:04:05.678Z warning three\n");
    free(text);
}

/* Every command of --help has its row in doc/esptun.md, of which the manual page is made. */
static void test_every_command_stands_on_the_page(void **state)
{
    static char page[32768];
    (void)state;
    FILE *file = fopen(ESPTUN_SOURCE "/doc/esptun.md", "r");
    assert_non_null(file);
    page[fread(page, 1, sizeof page - 1, file)] = '\0';
    fclose(file);
    struct ran r = run("--help");
    unsigned commands = 0;
    for (const char *at = r.out; (at = strstr(at, "\n  esptun ")) != NULL; at++) {
        char word[32], row[40];
        if (sscanf(at, "\n  esptun %31[a-z]", word) != 1)
            continue; /* --help itself */
        snprintf(row, sizeof row, "\n| `%s", word);
        if (strstr(page, row) == NULL)
            fail_msg("doc/esptun.md has no row for %s", word);
        commands++;
    }
    assert_in_range(commands, 10, 40);
    free(r.out);
    free(r.err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_arguments),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_help_and_version),
        cmocka_unit_test(test_genpsk_is_fresh_and_256_bits),
        cmocka_unit_test(test_check_of_a_missing_file),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_explain_asks_the_daemon),
        cmocka_unit_test(test_explain_without_a_daemon),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_stamp),
        cmocka_unit_test(test_every_command_stands_on_the_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
