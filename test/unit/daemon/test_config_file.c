/* SPDX-License-Identifier: Apache-2.0 */
/* Files that a configuration is, or names: those that cannot be read, secrets that others can, folders (B47). */
#include <sys/stat.h>
#include <unistd.h>

#include "config_test.h"
#include "daemon/config_apply.h"

#define CONN   "[connection a]\n"
#define REMOTE "remote = 198.51.100.2\n"
#define ACL    "[acl]\nprotect = 10.1.0.0/24 -> 10.2.0.0/24 via a\n"

struct folder {
    char path[64], ini[96], psk[96];
};

static void write_file(const char *path, const void *data, size_t len, mode_t mode)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static struct folder folder_new(void)
{
    struct folder f = {.path = "/tmp/esptun-test-XXXXXX"};
    assert_non_null(mkdtemp(f.path));
    snprintf(f.ini, sizeof f.ini, "%s/esptun.ini", f.path);
    snprintf(f.psk, sizeof f.psk, "%s/a.psk", f.path);
    static const char text[] = CONN REMOTE "psk_file = a.psk\n" ACL;
    write_file(f.ini, text, sizeof text - 1, 0644);
    return f;
}

static void folder_free(const struct folder *f)
{
    unlink(f->ini);
    unlink(f->psk);
    rmdir(f->psk);
    assert_int_equal(rmdir(f->path), 0);
}

static struct loaded load_file(const char *path)
{
    struct loaded l = {.vault = vault_new()};
    l.status = config_load(path, l.vault, &l.config, &l.errors);
    return l;
}

static void expect_psk_file_error(const struct folder *f, const char *word, const char *remedy)
{
    char prefix[128];
    struct loaded l = load_file(f->ini);
    char *text = messages(&l);
    snprintf(prefix, sizeof prefix, "%s:3: ", f->ini);
    if (l.status != ERR_MALFORMED || !has_line(text, prefix, word, remedy))
        fail_msg("no '%s %s %s' in:\n%s", prefix, word, remedy, text);
    free(text);
    unload(&l);
}

static void test_psk_file_is_refused_b47(void **state)
{
    (void)state;
    struct folder f = folder_new();
    char big[SECRET_MAX + 1];
    memset(big, 'k', sizeof big);
    expect_psk_file_error(&f, "No such file", "genpsk");
    static const mode_t modes[] = {0640, 0604, 0644, 0620, 0602, 0666};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        write_file(f.psk, "key", 3, modes[i]);
        expect_psk_file_error(&f, "open to others", "chmod 600");
    }
    write_file(f.psk, "", 0, 0600);
    expect_psk_file_error(&f, "is empty", "genpsk");
    write_file(f.psk, "\n", 1, 0600);
    expect_psk_file_error(&f, "is empty", "genpsk");
    write_file(f.psk, big, sizeof big, 0600);
    expect_psk_file_error(&f, "more than 4096 bytes", "genpsk");
    unlink(f.psk);
    assert_int_equal(mkdir(f.psk, 0700), 0);
    expect_psk_file_error(&f, "not a plain file", "path");
    rmdir(f.psk);
    assert_int_equal(mkfifo(f.psk, 0600), 0);
    expect_psk_file_error(&f, "not a plain file", "path");
    folder_free(&f);
}

static void expect_psk(const struct folder *f, const void *file, size_t file_len, const char *psk, size_t len)
{
    write_file(f->psk, file, file_len, 0600);
    struct loaded l = load_file(f->ini);
    assert_int_equal(l.status, OK);
    assert_int_equal(l.errors.warnings, len < 16 ? 1 : 0); /* of its length */
    assert_int_equal(l.config->connections[0].psk.len, len);
    assert_memory_equal(l.config->connections[0].psk.data, psk, len);
    unload(&l);
}

static void test_psk_file_loses_one_line_end(void **state)
{
    (void)state;
    struct folder f = folder_new();
    char big[SECRET_MAX + 2];
    memset(big, 'k', SECRET_MAX);
    memcpy(big + SECRET_MAX, "\r\n", 2);
    expect_psk(&f, "key", 3, "key", 3);
    expect_psk(&f, "key\n", 4, "key", 3);
    expect_psk(&f, "key\r\n", 5, "key", 3);
    expect_psk(&f, "key\n\n", 5, "key\n", 4);
    expect_psk(&f, "\0k", 2, "\0k", 2);
    expect_psk(&f, big, sizeof big, big, SECRET_MAX);
    folder_free(&f);
}

static void test_unreadable_file_b47(void **state)
{
    (void)state;
    struct loaded l = load_file("/nonexistent/esptun.ini");
    char *text = messages(&l);
    assert_int_equal(l.status, ERR_IO);
    assert_true(has_line(text, "/nonexistent/esptun.ini: ", "No such file", "-c FILE"));
    free(text);
    unload(&l);
    l = load_file("/");
    assert_int_equal(l.status, ERR_IO);
    unload(&l);
}

static void test_control_path_alone(void **state)
{
    (void)state;
    char path[CONFIG_CONTROL_MAX];
    struct folder f = folder_new(); /* its psk_file is missing: not looked at */
    assert_int_equal(config_control_path("/nonexistent/esptun.ini", path), ERR_IO);
    assert_string_equal(path, CONFIG_CONTROL_DEFAULT);
    assert_int_equal(config_control_path(f.ini, path), OK);
    assert_string_equal(path, CONFIG_CONTROL_DEFAULT);
    static const char text[] = "[gateway]\ncontrol = /run/${ESPTUN_TEST_NAME}.sock\nxyz = 3\n";
    write_file(f.ini, text, sizeof text - 1, 0644);
    setenv("ESPTUN_TEST_NAME", "other", 1);
    assert_int_equal(config_control_path(f.ini, path), OK);
    assert_string_equal(path, "/run/other.sock");
    unsetenv("ESPTUN_TEST_NAME");
    folder_free(&f);
}

/* What may be read again later: each folder once, and where a symbolic link leads. */
static void test_folders(void **state)
{
    struct config config = {.path = NULL};
    char folder[] = "/tmp/esptun-unit-XXXXXX", path[64], link[64];
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/deep", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/deep/psk", folder);
    fclose(fopen(path, "w"));
    snprintf(link, sizeof link, "%s/psk", folder);
    assert_int_equal(symlink("deep/psk", link), 0);
    static const char *const names[] = {"/none/a", "/none/b", "none.psk", "other.psk", "/c"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(config_note_folder(&config, names[i]), OK);
    assert_int_equal(config_note_folder(&config, link), OK);
    assert_int_equal(config.folders.count, 5);
    assert_string_equal(config.folders.items[0], "/none/");
    assert_string_equal(config.folders.items[1], "./");
    assert_string_equal(config.folders.items[2], "/");
    assert_memory_equal(config.folders.items[3], folder, strlen(folder));
    assert_int_equal(strlen(config.folders.items[3]), strlen(folder) + 1);
    assert_memory_equal(config.folders.items[4] + strlen(config.folders.items[4]) - 6, "/deep/", 6);
    config_folders_free(&config.folders);
    assert_int_equal(config.folders.count, 0);
    unlink(link);
    unlink(path);
    *strrchr(path, '/') = '\0';
    rmdir(path);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_psk_file_is_refused_b47), cmocka_unit_test(test_psk_file_loses_one_line_end),
        cmocka_unit_test(test_unreadable_file_b47),     cmocka_unit_test(test_folders),
        cmocka_unit_test(test_control_path_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
