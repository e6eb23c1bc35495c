/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/passwd.h"

#include "crypto/password.h"
#include "daemon_test.h"
#include "policy/users.h"

struct result {
    enum status status;
    char *line;
    char why[PASSWD_WHY];
};

static struct result run(const char *name, const char *input)
{
    struct result r = {.why = ""};
    size_t len = 0;
    char path[] = "/tmp/esptun-passwd-XXXXXX";
    int fd = mkstemp(path);
    FILE *in = fdopen(fd, "w+"), *out = open_memstream(&r.line, &len), *terminal = fopen("/dev/null", "w");
    assert_true(in != NULL && out != NULL && terminal != NULL);
    assert_int_equal(remove(path), 0);
    fputs(input, in);
    rewind(in);
    r.status = passwd(name, in, out, terminal, r.why);
    fclose(in);
    fclose(out);
    fclose(terminal);
    return r;
}

static void refusals(void **state)
{
    (void)state;
    char longer[PASSWORD_MAX + 3];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    const struct {
        const char *name, *input, *word;
    } rows[] = {
        {"", "x\n", "the name of a user"}, {"a b", "x\n", "the name of a user"}, {"a:b", "x\n", "the name of a user"},
        {"alice", "", "no password"},      {"alice", "\n", "no password"},       {"alice", longer, "longer than 256"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct result r = run(rows[i].name, rows[i].input);
        assert_int_not_equal(r.status, OK);
        assert_string_equal(r.line, "");
        assert_has(r.why, rows[i].word);
        free(r.line);
    }
}

static void the_line_is_one_that_users_takes(void **state)
{
    (void)state;
    static const char *const inputs[] = {"open sesame\n", "open sesame\r\n", "open sesame", "open sesame\nmore\n"};
    for (size_t i = 0; i < COUNT(inputs); i++) {
        struct result r = run("alice", inputs[i]);
        struct users *users;
        unsigned line;
        char why[128];
        assert_int_equal(r.status, OK);
        assert_int_equal(users_read(bytes_of(r.line, strlen(r.line)), &users, &line, why, sizeof why), OK);
        const char *hash = users_find(users, bytes_of("alice", 5));
        assert_non_null(hash);
        assert_true(password_verify(hash, bytes_of("open sesame", 11)));
        users_free(users);
        free(r.line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals),
        cmocka_unit_test(the_line_is_one_that_users_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
