/* SPDX-License-Identifier: Apache-2.0 */
/* What is given up cannot be had again: so every case is tried in a child process. */
#include "daemon/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "crypto/secret.h"
#include "test/unit/log_test.h"
#include "test/unit/refusing_kernel.h"

static const struct privilege plain = {.user = "", .sandbox = true};

/* In a child, where a failed assertion would go on with the next test. */
#define expect(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s is not so, errno %d\n", __FILE__, __LINE__, #condition, errno);                 \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

static void try_filter(const void *arg)
{
    (void)arg;
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    _exit(privilege_filter(&plain) == 0 ? 0 : 1);
}

/* The status of a child that does this. */
static int status_of(void (*act)(const void *), const void *arg)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        act(arg);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* Emulators have no seccomp. */
static void skip_without_filter(void)
{
    const char *why = PRIVILEGE_TEST_BUILD               ? "sanitizers need what the sandbox forbids"
                      : status_of(try_filter, NULL) != 0 ? "the kernel, or an emulator, has no filters of system calls"
                                                         : NULL;
    if (why != NULL) {
        print_message("SKIPPED: %s\n", why);
        skip();
    }
}

/* --- system calls --- */

struct attempt {
    const char *name;
    long number;
    long arguments[5];
    int error; /* what it fails with; 0: it does not; DEADLY: it does not come back */
};

enum { DEADLY = -1, FLAG_ANONYMOUS = MAP_PRIVATE | MAP_ANONYMOUS, RWX = PROT_READ | PROT_WRITE | PROT_EXEC };
enum { UNHEARD_OF = 500, CALL_CLONE3 = 435, CALL_OPENAT2 = 437, CALL_IO_URING = 425, TIOCSTI_ = 0x5412 };

#define TEXT(text) (long)(uintptr_t)(text)

static const struct attempt attempts[] = {
    {"a packet socket", SYS_socket, {AF_PACKET, SOCK_RAW, 0}, EPERM},
    {"the kernel's ciphers", SYS_socket, {AF_ALG, SOCK_SEQPACKET, 0}, EPERM},
    {"netfilter", SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER}, EPERM},
    {"audit", SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_AUDIT}, EPERM},
    {"routes", SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_ROUTE}, 0},
    {"UDP", SYS_socket, {AF_INET, SOCK_DGRAM, 0}, 0},
    {"UDP over IPv6", SYS_socket, {AF_INET6, SOCK_DGRAM, 0}, 0},
    {"a local socket", SYS_socket, {AF_UNIX, SOCK_STREAM, 0}, 0},
    {"a UDP socket with rubbish above the int", SYS_socket, {AF_INET | (1L << 32), SOCK_DGRAM, 0}, 0},
    {"a packet socket with rubbish above the int", SYS_socket, {AF_PACKET | (1L << 32), SOCK_RAW, 0}, EPERM},
    {"a file to read", SYS_openat, {AT_FDCWD, TEXT("/etc/passwd"), O_RDONLY | O_CLOEXEC}, 0},
    {"a file to write", SYS_openat, {AT_FDCWD, TEXT("/dev/null"), O_WRONLY}, EPERM},
    {"a file to read and write", SYS_openat, {AT_FDCWD, TEXT("/dev/null"), O_RDWR}, EPERM},
    {"a file to make", SYS_openat, {AT_FDCWD, TEXT("/tmp/esptun-never"), O_CREAT, 0600}, EPERM},
    {"a file to empty", SYS_openat, {AT_FDCWD, TEXT("/dev/null"), O_TRUNC}, EPERM},
    {"a file without name", SYS_openat, {AT_FDCWD, TEXT("/tmp"), O_TMPFILE | O_RDWR, 0600}, EPERM},
    {"memory as a file", SYS_memfd_create, {TEXT("x"), 0}, EPERM},
    {"a new name", SYS_renameat2, {AT_FDCWD, TEXT("/none"), AT_FDCWD, TEXT("/none2"), 0}, EPERM},
    {"a mode", SYS_fchmodat, {AT_FDCWD, TEXT("/none"), 0777}, EPERM},
    {"an owner", SYS_fchownat, {AT_FDCWD, TEXT("/none"), 0, 0, 0}, EPERM},
    {"memory", SYS_mmap, {0, 4096, PROT_READ | PROT_WRITE, FLAG_ANONYMOUS, -1}, 0},
    {"memory to write and run", SYS_mmap, {0, 4096, RWX, FLAG_ANONYMOUS, -1}, EPERM},
    {"memory to run", SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, FLAG_ANONYMOUS, -1}, EPERM},
    {"running what was written", SYS_mprotect, {0, 0, PROT_READ | PROT_EXEC}, EPERM},
    {"a child process", SYS_clone, {SIGCHLD, 0, 0, 0, 0}, EPERM},
    {"a hidden clone", CALL_CLONE3, {0, 0}, ENOSYS},
    {"a hidden open", CALL_OPENAT2, {AT_FDCWD, TEXT("/etc/passwd"), 0, 0}, ENOSYS},
    {"io_uring", CALL_IO_URING, {1, 0}, ENOSYS},
    {"a call of the future", UNHEARD_OF, {0}, ENOSYS},
    {"another user", SYS_setresuid, {-1, -1, -1}, EPERM},
    {"another group", SYS_setresgid, {-1, -1, -1}, EPERM},
    {"a signal", SYS_kill, {1, 0}, EPERM},
    {"a signal to a thread", SYS_tgkill, {1, 1, 0}, EPERM},
    {"typing into the terminal", SYS_ioctl, {0, TIOCSTI_, TEXT("x")}, EPERM},
    {"core files", SYS_prctl, {PR_SET_DUMPABLE, 1, 0, 0, 0}, EPERM},
    {"a name of a thread", SYS_prctl, {PR_SET_NAME, TEXT("worker"), 0, 0, 0}, 0},
    {"a limit", SYS_prlimit64, {0, RLIMIT_CORE, TEXT("limit of all"), 0}, EPERM},
    {"another program", SYS_execve, {TEXT("/bin/true"), 0, 0}, DEADLY},
    {"another program by descriptor", SYS_execveat, {AT_FDCWD, TEXT("/bin/true"), 0, 0, 0}, DEADLY},
    {"a debugger", SYS_ptrace, {0, 0, 0, 0}, DEADLY},
    {"memory of others", SYS_process_vm_readv, {1, 0, 0, 0, 0}, DEADLY},
    {"a namespace", SYS_unshare, {CLONE_NEWUSER}, DEADLY},
    {"a namespace of others", SYS_setns, {-1, 0}, DEADLY},
    {"a mount", SYS_mount, {0, 0, 0, 0, 0}, DEADLY},
    {"another root", SYS_chroot, {TEXT("/none")}, DEADLY},
    {"a file by its handle", SYS_open_by_handle_at, {-1, 0, 0}, DEADLY},
    {"a module of the kernel", SYS_finit_module, {-1, 0, 0}, DEADLY},
    {"a program in the kernel", SYS_bpf, {0, 0, 0}, DEADLY},
    {"a key ring", SYS_keyctl, {0, 0, 0, 0, 0}, DEADLY},
};

static void try_one(const void *arg)
{
    const struct attempt *a = arg;
    errno = 0;
    long result =
        syscall(a->number, a->arguments[0], a->arguments[1], a->arguments[2], a->arguments[3], a->arguments[4], 0);
    if (a->number == SYS_clone && result == 0)
        _exit(0);
    int error = result < 0 ? errno : 0;
    if (error != a->error)
        fprintf(stderr, "%s: error %d, not %d\n", a->name, error, a->error);
    _exit(error != a->error);
}

static void filter_and_try(const void *arg)
{
    expect(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    expect(privilege_filter(&plain) == 0);
    try_one(arg);
}

static void test_calls(void **state)
{
    (void)state;
    skip_without_filter();
    for (size_t i = 0; i < COUNT(attempts); i++) {
        const struct attempt *a = &attempts[i];
        int status = status_of(filter_and_try, a);
        bool good = a->error == DEADLY ? WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS
                                       : WIFEXITED(status) && WEXITSTATUS(status) == 0;
        if (!good)
            fail_msg("%s: status 0x%x", a->name, (unsigned)status);
    }
}

static void with_netfilter(const void *arg)
{
    const struct privilege p = {.user = "", .netfilter = true};
    (void)arg;
    expect(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    expect(privilege_filter(&p) == 0);
    expect(socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER) >= 0);
    expect(socket(AF_NETLINK, SOCK_RAW, NETLINK_XFRM) < 0 && errno == EPERM);
}

static void test_netfilter_where_it_is_wanted(void **state)
{
    (void)state;
    skip_without_filter();
    in_a_child(with_netfilter, NULL);
}

/* Theirs are no real processes: threads of their own, no filters, flags of memory that lead elsewhere. */
static void skip_in_emulators(void)
{
    if (!PRIVILEGE_TEST_BUILD)
        skip_without_filter();
}

static void *nothing(void *arg)
{
    return arg;
}

/* What the daemon does afterwards: threads, names, memory in all sizes, files, time. */
static void live_on(const void *arg)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
    struct addrinfo *found = NULL;
    pthread_t thread;
    (void)arg;
    expect(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    expect(privilege_filter(&plain) == 0);
    expect(pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
    expect(getaddrinfo("localhost", "500", &hints, &found) == 0);
    freeaddrinfo(found);
    for (size_t size = 16; size <= 64U << 20; size *= 8) {
        char *memory = malloc(size);
        expect(memory != NULL);
        memory[size - 1] = 1;
        free(memory);
    }
    struct vault *vault = vault_new();
    struct secret secret;
    expect(vault != NULL && secret_copy(vault, "0123456789", 10, &secret) == OK);
    secret_free(&secret);
    vault_free(vault);
    expect(getpwnam("root") != NULL);
}

static void test_the_daemon_lives_on(void **state)
{
    (void)state;
    skip_without_filter();
    in_a_child(live_on, NULL);
}

static void abort_in_the_end(const void *arg)
{
    (void)arg;
    expect(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0);
    expect(privilege_filter(&plain) == 0);
    abort();
}

static void test_abort_is_an_abort(void **state)
{
    (void)state;
    skip_without_filter();
    int status = status_of(abort_in_the_end, NULL);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* A thread that was there before. */
struct early {
    sem_t go;
    int error;
};

static void *try_later(void *arg)
{
    struct early *early = arg;
    (void)sem_wait(&early->go);
    early->error = socket(AF_PACKET, SOCK_RAW, 0) < 0 ? errno : 0;
    return NULL;
}

static void filter_over_a_thread(const void *arg)
{
    struct early early = {.error = -1};
    pthread_t thread;
    (void)arg;
    expect(sem_init(&early.go, 0, 0) == 0 && pthread_create(&thread, NULL, try_later, &early) == 0);
    expect(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    expect(privilege_filter(&plain) == 0);
    expect(sem_post(&early.go) == 0 && pthread_join(thread, NULL) == 0);
    expect(early.error == EPERM);
}

static void test_threads_that_are_there_get_it_too(void **state)
{
    (void)state;
    skip_without_filter();
    in_a_child(filter_over_a_thread, NULL);
}

/* --- files --- */

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

/* --- all of it --- */

static char lines[LINES_KEPT];
static const struct log kept_log = {.level = LOG_DEBUG, .sink = keep_line, .arg = lines};

static uint64_t number_in_status(const char *key, int base)
{
    char line[256];
    uint64_t value = UINT64_MAX;
    FILE *file = fopen("/proc/self/status", "re");
    expect(file != NULL);
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, key, strlen(key)) == 0)
            value = strtoull(line + strlen(key), NULL, base);
    fclose(file);
    return value;
}

static void as_nobody(const void *arg)
{
    const struct privilege *p = arg;
    const struct passwd *nobody = getpwnam("nobody");
    const uint64_t net = 1U << CAP_NET_ADMIN | 1U << CAP_NET_RAW | 1U << CAP_NET_BIND_SERVICE;
    char why[256] = "";
    expect(nobody != NULL);
    const uid_t uid = nobody->pw_uid;
    const gid_t gid = nobody->pw_gid;
    privilege_begin(&kept_log);
    expect(privilege_drop(p, &kept_log, why, sizeof why) == OK);
    expect(getuid() == uid && geteuid() == uid && getgid() == gid && getegid() == gid);
    expect(getgroups(0, NULL) <= 1);
    expect((number_in_status("CapEff:", 16) & ~net) == 0 && (number_in_status("CapPrm:", 16) & ~net) == 0);
    expect(number_in_status("CapBnd:", 16) == number_in_status("CapEff:", 16));
    expect(number_in_status("CapInh:", 16) == 0 && number_in_status("CapAmb:", 16) == 0);
    expect(number_in_status("NoNewPrivs:", 10) == 1);
    expect(number_in_status("Seccomp:", 10) == (p->sandbox && !PRIVILEGE_TEST_BUILD ? 2 : 0));
    expect(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
    expect(strstr(lines, "cannot read /etc/shadow") != NULL);
    expect(strstr(lines, " privileges: user ") != NULL);
    expect(open("/etc/shadow", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES);
    if (!p->sandbox)
        expect(strstr(lines, "sandbox = no") != NULL);
}

static void skip_unless_root(void)
{
    if (getuid() != 0) {
        print_message("SKIPPED: only root can become another user\n");
        skip();
    }
}

static void test_another_user(void **state)
{
    struct privilege p = {.user = "nobody", .sandbox = true, .config_path = "/etc/shadow"};
    (void)state;
    skip_unless_root();
    skip_in_emulators();
    in_a_child(as_nobody, &p);
    p.sandbox = false;
    in_a_child(as_nobody, &p);
}

static void as_before(const void *arg)
{
    char why[256] = "";
    (void)arg;
    const uid_t uid = getuid();
    expect(privilege_drop(&plain, &kept_log, why, sizeof why) == OK);
    expect(getuid() == uid && number_in_status("NoNewPrivs:", 10) == 1);
    expect(strstr(lines, "cannot read") == NULL);
    expect(strstr(lines, "threads ran") == NULL);
}

static void test_nobody_else(void **state)
{
    (void)state;
    skip_in_emulators();
    in_a_child(as_before, NULL);
}

static void no_such_user(const void *arg)
{
    const struct privilege p = {.user = "esptun-never", .sandbox = true};
    char why[256] = "";
    (void)arg;
    expect(privilege_drop(&p, &kept_log, why, sizeof why) == ERR_NOT_FOUND);
    expect(strstr(why, "no user 'esptun-never'") != NULL && strstr(why, "[gateway]") != NULL);
    expect(number_in_status("NoNewPrivs:", 10) == 0); /* nothing is given up by halves */
}

static void not_allowed(const void *arg)
{
    const struct privilege p = {.user = "nobody", .sandbox = true};
    char why[256] = "";
    (void)arg;
    expect(refuse_call(SYS_setresuid, 0, UINT32_MAX, EPERM));
    expect(privilege_drop(&p, &kept_log, why, sizeof why) == ERR_STATE);
    expect(strstr(why, "cannot become the user 'nobody'") != NULL && strstr(why, "SETUID") != NULL);
}

static void test_a_user_that_cannot_be(void **state)
{
    (void)state;
    in_a_child(no_such_user, NULL);
    skip_unless_root();
    skip_in_emulators();
    in_a_child(not_allowed, NULL);
}

/* A container whose own filter forbids what we would use. */
static void refused(const void *arg)
{
    char why[256] = "";
    (void)arg;
    expect(refuse_call(SYS_seccomp, 0, UINT32_MAX, EPERM));
    expect(refuse_call(444, 0, UINT32_MAX, EPERM));
    expect(refuse_call(SYS_capset, 0, UINT32_MAX, EPERM));
    expect(privilege_drop(&plain, &kept_log, why, sizeof why) == OK);
    if (!PRIVILEGE_TEST_BUILD) {
        expect(strstr(lines, "warning Landlock was refused: Operation not permitted") != NULL);
        expect(strstr(lines, "warning system calls are not filtered") != NULL);
        expect(strstr(lines, "no filter of system calls, no Landlock (refused)") != NULL);
    }
    expect(strstr(lines, "warning capabilities could not be given up") != NULL);
}

static void without_landlock(const void *arg)
{
    char why[256] = "";
    (void)arg;
    expect(refuse_call(444, 0, UINT32_MAX, ENOSYS));
    expect(privilege_drop(&plain, &kept_log, why, sizeof why) == OK);
    expect(strstr(lines, "Landlock was refused") == NULL);
    expect(strstr(lines, "system calls filtered, no Landlock in this kernel") != NULL);
}

static void test_what_is_refused_is_said(void **state)
{
    (void)state;
    skip_in_emulators();
    in_a_child(refused, NULL);
    skip_without_filter();
    in_a_child(without_landlock, NULL);
}

static void say_the_thread(const void *arg)
{
    struct early early = {.error = -1};
    pthread_t thread;
    char why[256] = "";
    (void)arg;
    expect(sem_init(&early.go, 0, 0) == 0 && pthread_create(&thread, NULL, try_later, &early) == 0);
    expect(privilege_drop(&plain, &kept_log, why, sizeof why) == OK);
    expect(strstr(lines, "warning 1 threads ran already") != NULL);
    expect(sem_post(&early.go) == 0 && pthread_join(thread, NULL) == 0);
}

static void test_threads_that_were_there_are_named(void **state)
{
    (void)state;
    skip_without_filter(); /* sanitizers and emulators have threads of their own */
    in_a_child(say_the_thread, NULL);
}

/* --- core files --- */

/* The flags of the mapping that holds this address. */
static bool mapping_flags(const void *address, char flags[256])
{
    unsigned long from, to;
    bool here = false, found = false;
    FILE *file = fopen("/proc/self/smaps", "re");
    assert_non_null(file);
    while (!found && fgets(flags, 256, file) != NULL) {
        if (sscanf(flags, "%lx-%lx ", &from, &to) == 2)
            here = (uintptr_t)address >= from && (uintptr_t)address < to;
        found = here && strncmp(flags, "VmFlags:", 8) == 0;
    }
    fclose(file);
    return found;
}

static void test_secrets_stay_out_of_core_files(void **state)
{
    struct secret secret;
    char flags[256];
    (void)state;
    skip_in_emulators();
    struct vault *vault = vault_new();
    assert_non_null(vault);
    assert_int_equal(secret_copy(vault, "0123456789", 10, &secret), OK);
    if (mapping_flags(secret.data, flags))
        assert_has(flags, " dd"); /* MADV_DONTDUMP */
    else
        print_message("SKIPPED: this kernel does not show flags of memory\n");
    secret_free(&secret);
    vault_free(vault);
}

static void begin(const void *arg)
{
    struct rlimit limit;
    (void)arg;
    privilege_begin(&kept_log);
    expect(lines[0] == '\0');
    expect(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0 && limit.rlim_max == 0);
    expect(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
    expect(getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == limit.rlim_max);
}

static void test_begin(void **state)
{
    (void)state;
    in_a_child(begin, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_netfilter_where_it_is_wanted),
        cmocka_unit_test(test_the_daemon_lives_on),
        cmocka_unit_test(test_abort_is_an_abort),
        cmocka_unit_test(test_threads_that_are_there_get_it_too),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_another_user),
        cmocka_unit_test(test_nobody_else),
        cmocka_unit_test(test_a_user_that_cannot_be),
        cmocka_unit_test(test_what_is_refused_is_said),
        cmocka_unit_test(test_threads_that_were_there_are_named),
        cmocka_unit_test(test_secrets_stay_out_of_core_files),
        cmocka_unit_test(test_begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
