/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "privilege_test.h"

struct folders {
    char mine[64], other[64], control[64]; /* each with a file f and a socket s */
};

static void fill(char folder[64])
{
    char path[80];
    strcpy(folder, "/tmp/esptun-unit-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/f", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s/s", folder);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&name, sizeof name), 0);
    close(fd);
}

static void empty(const char folder[64])
{
    static const char *const names[] = {"f", "s", "new"};
    char path[80];
    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
}

/* What opening, or unlinking, fails with. */
static int open_error(const char *folder, const char *name, int flags)
{
    char path[80];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, flags | O_CLOEXEC, 0600);
    int error = fd < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return error;
}

static int unlink_error(const char *folder, const char *name)
{
    char path[80];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return unlink(path) == 0 ? 0 : errno;
}

static int bind_error(const char *folder)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s/new", folder);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return bind(fd, (const struct sockaddr *)&name, sizeof name) == 0 ? 0 : errno;
}

static int connect_error(uint16_t port)
{
    const struct sockaddr_in name = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = connect(fd, (const struct sockaddr *)&name, sizeof name) == 0 ? 0 : errno;
    close(fd);
    return error;
}

static void only_mine(const void *arg)
{
    const struct folders *f = arg;
    char *list[] = {(char *)f->mine, (char *)"/tmp/esptun-unit-none"};
    const struct privilege p = {.folders = list, .folder_count = 2, .control_folder = f->control};
    expect(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    int version = privilege_files(&p);
    expect(version > 0);
    expect((connect_error(22) == EACCES) == (version >= 4) && connect_error(53) != EACCES);
    expect(version < 6 || (kill(getppid(), 0) < 0 && errno == EPERM));
    expect(open_error(f->mine, "f", O_RDONLY) == 0);
    expect(open_error(f->mine, "f", O_RDWR) == EACCES);
    expect(open_error(f->mine, "new", O_WRONLY | O_CREAT) == EACCES);
    expect(unlink_error(f->mine, "s") == EACCES);
    expect(bind_error(f->mine) == EACCES);
    expect(open_error(f->other, "f", O_RDONLY) == EACCES);
    expect(open_error("/root", "", O_RDONLY | O_DIRECTORY) == EACCES);
    expect(unlink_error(f->other, "s") == EACCES);
    expect(unlink_error(f->control, "s") == 0);
    expect(bind_error(f->control) == 0);
    expect(open_error(f->control, "f", O_RDONLY) == EACCES);
    expect(open_error("/etc", "passwd", O_RDONLY) == 0);
    expect(open_error("/etc", "esptun-never", O_WRONLY | O_CREAT) == EACCES);
    expect(open_error("/proc/sys/net/ipv4/conf/all", "rp_filter", O_RDONLY) == 0);
    expect(execl("/bin/true", "true", (char *)NULL) < 0 && errno == EACCES);
}

static bool kernel_has_landlock(void)
{
    return syscall(444, NULL, 0, 1) > 0;
}

static void test_files(void **state)
{
    struct folders f;
    (void)state;
    if (!kernel_has_landlock()) {
        print_message("SKIPPED: this kernel has no Landlock\n");
        skip();
    }
    fill(f.mine);
    fill(f.other);
    fill(f.control);
    int status = status_of(only_mine, &f);
    empty(f.mine);
    empty(f.other);
    empty(f.control);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
