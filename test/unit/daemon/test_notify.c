/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/notify.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon_test.h"

static char lines[2048];

static void keep(void *arg, enum log_level level, const char *line)
{
    (void)arg;
    (void)level;
    strncat(lines, line, sizeof lines - strlen(lines) - 1);
}

static const struct log log_kept = {.level = LOG_DEBUG, .sink = keep};

/* A manager at `name`; returns its socket. */
static int manager(const char *name)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t len = strlen(name);
    memcpy(at.sun_path, name, len);
    if (name[0] == '@')
        at.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)), 0);
    return fd;
}

static void assert_told(const char *name)
{
    char got[64] = "";
    int fd = manager(name);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    notify_service("READY=1\nSTATUS=up", &log_kept);
    ssize_t n = recv(fd, got, sizeof got - 1, 0);
    assert_int_equal(n, strlen("READY=1\nSTATUS=up"));
    assert_string_equal(got, "READY=1\nSTATUS=up");
    close(fd);
}

static void the_manager_is_told(void **state)
{
    (void)state;
    char folder[] = "/tmp/notify-test-XXXXXX", path[64], name[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/notify", folder);
    snprintf(name, sizeof name, "@%s", folder);
    lines[0] = '\0';
    assert_told(path);
    assert_told(name);
    assert_string_equal(lines, "");
    /* It is gone: the gateway goes on, and says so. */
    notify_service("STOPPING=1", &log_kept);
    assert_has(lines, "cannot be told");
    unlink(path);
    rmdir(folder);
}

static void nobody_asks(void **state)
{
    (void)state;
    lines[0] = '\0';
    unsetenv("NOTIFY_SOCKET");
    notify_service("READY=1", &log_kept);
    assert_string_equal(lines, "");
}

static void names_that_are_none(void **state)
{
    (void)state;
    char longest[200];
    memset(longest, 'x', sizeof longest - 1);
    longest[0] = '/';
    longest[sizeof longest - 1] = '\0';
    const char *const names[] = {"", "@", "/", "relative", "vsock:2:1234", longest};
    for (size_t i = 0; i < COUNT(names); i++) {
        lines[0] = '\0';
        assert_int_equal(setenv("NOTIFY_SOCKET", names[i], 1), 0);
        notify_service("READY=1", &log_kept);
        assert_has(lines, "NOTIFY_SOCKET");
    }
    unsetenv("NOTIFY_SOCKET");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manager_is_told),
        cmocka_unit_test(nobody_asks),
        cmocka_unit_test(names_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
