/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock, by system call, since no library is needed for it. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/privilege.h"

/* Of linux/landlock.h, whose age differs from that of the kernel; numbers and layout never change. */
enum access {
    EXECUTE = 1 << 0,
    READ_FILE = 1 << 2,
    READ_DIR = 1 << 3,
    REMOVE_FILE = 1 << 5,
    MAKE_SOCK = 1 << 9,
    ALL_OF_1 = (1 << 13) - 1, /* everything that the first version knows */
    REFER = 1 << 13,
    TRUNCATE = 1 << 14,
    IOCTL_DEV = 1 << 15,
};
enum { NET_CONNECT_TCP = 1 << 1, SCOPE_ABSTRACT_UNIX = 1 << 0, SCOPE_SIGNAL = 1 << 1 };
enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446 }; /* the same on every architecture */
enum { RULE_PATH = 1, RULE_PORT = 2, FLAG_VERSION = 1, PORT_DNS = 53 };

struct ruleset {
    uint64_t fs, net, scoped;
};

struct path_rule {
    uint64_t access;
    int32_t fd;
} __attribute__((packed));

struct port_rule {
    uint64_t access, port;
};

/*
 * What is read after the start: the configuration and what it names; the resolver's files and the libraries that it
 * loads; settings of the kernel. Whole folders, for such files are replaced by new ones.
 */
static const char *const readable[] = {"/etc", "/usr",      "/lib",       "/lib64",
                                       "/run", "/proc/sys", "/proc/self", "/sys/devices/system/cpu"};

/* A later version can do what an earlier one can, and takes a longer struct. */
static struct ruleset ruleset_of(int version, size_t *size)
{
    struct ruleset all = {.fs = ALL_OF_1};
    *size = sizeof all.fs;
    if (version >= 2)
        all.fs |= REFER;
    if (version >= 3)
        all.fs |= TRUNCATE;
    if (version >= 4) {
        all.net = NET_CONNECT_TCP;
        *size = offsetof(struct ruleset, scoped);
    }
    if (version >= 5)
        all.fs |= IOCTL_DEV;
    if (version >= 6) {
        all.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
        *size = sizeof all;
    }
    return all;
}

/* What is not there needs no rule. */
static int allow(int ruleset, const char *path, uint64_t access)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : -errno;
    const struct path_rule rule = {.access = access, .fd = fd};
    int error = syscall(ADD_RULE, ruleset, RULE_PATH, &rule, 0) == 0 ? 0 : -errno;
    close(fd);
    return error;
}

static int allow_reading(int ruleset, const struct privilege *p)
{
    int error = 0;
    for (size_t i = 0; i < sizeof readable / sizeof *readable && error == 0; i++)
        error = allow(ruleset, readable[i], READ_FILE | READ_DIR);
    for (size_t i = 0; i < p->folder_count && error == 0; i++)
        error = allow(ruleset, p->folders[i], READ_FILE | READ_DIR);
    return error;
}

/* The resolver falls back to TCP for long answers. */
static int allow_dns(int ruleset)
{
    const struct port_rule rule = {.access = NET_CONNECT_TCP, .port = PORT_DNS};
    return syscall(ADD_RULE, ruleset, RULE_PORT, &rule, 0) == 0 ? 0 : -errno;
}

int privilege_files(const struct privilege *p)
{
    size_t size;
    int version = (int)syscall(CREATE_RULESET, NULL, 0, FLAG_VERSION);
    if (version < 0)
        return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
    const struct ruleset all = ruleset_of(version, &size);
    int ruleset = (int)syscall(CREATE_RULESET, &all, size, 0);
    if (ruleset < 0)
        return -errno;
    int error = allow_reading(ruleset, p);
    if (error == 0 && p->control_folder != NULL)
        error = allow(ruleset, p->control_folder, MAKE_SOCK | REMOVE_FILE);
    if (error == 0 && all.net != 0)
        error = allow_dns(ruleset);
    if (error == 0 && syscall(RESTRICT_SELF, ruleset, 0) != 0)
        error = -errno;
    close(ruleset);
    return error == 0 ? version : error;
}
