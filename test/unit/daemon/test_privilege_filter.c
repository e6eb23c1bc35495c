/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <linux/netlink.h>
#include <netdb.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "crypto/secret.h"
#include "privilege_test.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_netfilter_where_it_is_wanted),
        cmocka_unit_test(test_the_daemon_lives_on),
        cmocka_unit_test(test_abort_is_an_abort),
        cmocka_unit_test(test_threads_that_are_there_get_it_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
