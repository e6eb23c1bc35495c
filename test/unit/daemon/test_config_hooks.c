/* SPDX-License-Identifier: Apache-2.0 */
/* Which programs up and down may name. */
#include <sys/stat.h>
#include <unistd.h>

#include "config_test.h"

#define GOOD "[connection a]\nremote = 198.51.100.2\npsk = correct horse battery\n"

static char folder[64] = "/tmp/esptun-hooks-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

/* Loads a connection whose hook has this mode. */
static struct loaded load_mode(const char *key, unsigned mode)
{
    char path[128], text[512];
    snprintf(path, sizeof path, "%s/hook", folder);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fclose(out);
    assert_int_equal(chmod(path, mode), 0);
    snprintf(text, sizeof text, GOOD "%s = %s\n", key, path);
    struct loaded l = load_text(text);
    unlink(path);
    return l;
}

static void every_mode(void **state)
{
    (void)state;
    for (unsigned mode = 0; mode <= 0777; mode++) {
        struct loaded l = load_mode(mode % 2 != 0 ? "up" : "down", mode);
        char *said = messages(&l);
        const char *wrong = (mode & 0111) == 0   ? "is not executable: chmod 755 it"
                            : (mode & 0022) != 0 ? "can be changed by others than its owner: chmod 755 it"
                                                 : NULL;
        if ((l.config != NULL) != (wrong == NULL))
            fail_msg("mode %04o: %s", mode, said);
        if (wrong != NULL) {
            assert_has(said, ":4: ");
            assert_has(said, wrong);
        }
        free(said);
        unload(&l);
    }
}

static void what_is_no_program(void **state)
{
    static const char *const rows[][2] = {
        {"up =", "up: '': is not an absolute path: write one"},
        {"up = hook", "'hook': is not an absolute path: write one"},
        {"down = ./hook", "is not an absolute path: write one"},
        {"up = /nowhere/hook", "'/nowhere/hook': No such file or directory"},
        {"down = /tmp", "is not a plain file: write the path of a program"},
        {"up = /dev/null", "is not a plain file"},
        {"up = /bin/sh -c true", "No such file or directory"},
        {"hook_timeout = 0", "hook_timeout = 0 is out of range"},
        {"hook_timeout = 61m", "a time from 1s to 1h"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[256];
        snprintf(text, sizeof text, GOOD "%s\n", rows[i][0]);
        struct loaded l = load_text(text);
        char *said = messages(&l);
        assert_null(l.config);
        assert_has(said, ":4: ");
        assert_has(said, rows[i][1]);
        free(said);
        unload(&l);
    }
}

static void what_is_kept(void **state)
{
    (void)state;
    struct loaded l = load_good(GOOD "up = /bin/true\ndown = /bin/false\nhook_timeout = 5m\n");
    assert_string_equal(l.config->connections[0].up, "/bin/true");
    assert_string_equal(l.config->connections[0].down, "/bin/false");
    assert_int_equal(l.config->connections[0].hook_timeout_s, 300);
    unload(&l);
    l = load_good(GOOD);
    assert_null(l.config->connections[0].up);
    assert_null(l.config->connections[0].down);
    assert_int_equal(l.config->connections[0].hook_timeout_s, 30);
    unload(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mode),
        cmocka_unit_test(what_is_no_program),
        cmocka_unit_test(what_is_kept),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
