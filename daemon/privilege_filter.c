/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which system calls are left, as a list: what is not on it fails with EPERM. It does not kill, because a library that
 * learns a new call would then end all tunnels. Calls that only an intruder makes here do kill; those that a library
 * tries first, with a way round for older kernels, are said not to be there (ENOSYS).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/privilege.h"

#define CALLS(name) static const int name[]

/* clang-format off */
CALLS(allowed) = {
    /* packets, and what waits for them */
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg),
    SCMP_SYS(recvfrom), SCMP_SYS(recv), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg), SCMP_SYS(sendto), SCMP_SYS(send),
    SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_create1),
    SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(_newselect), SCMP_SYS(eventfd2),
    SCMP_SYS(pipe2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_gettime),
    /* sockets; which ones is below */
    SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(connect), SCMP_SYS(shutdown),
    SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
    /* files; which ones may be opened is below */
    SCMP_SYS(close), SCMP_SYS(close_range), SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(fcntl),
    SCMP_SYS(fcntl64), SCMP_SYS(fstat), SCMP_SYS(fstat64), SCMP_SYS(newfstatat), SCMP_SYS(fstatat64), SCMP_SYS(stat),
    SCMP_SYS(stat64), SCMP_SYS(lstat), SCMP_SYS(lstat64), SCMP_SYS(statx), SCMP_SYS(fstatfs), SCMP_SYS(access),
    SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd),
    SCMP_SYS(getdents64), SCMP_SYS(lseek), SCMP_SYS(_llseek), SCMP_SYS(pread64), SCMP_SYS(preadv),
    /* the control socket, which is bound and removed */
    SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(umask),
    /* memory that is not executable; for that see below */
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(mlock), SCMP_SYS(mlock2),
    SCMP_SYS(munlock), SCMP_SYS(membarrier),
    /* threads and signals */
    SCMP_SYS(futex), SCMP_SYS(futex_time64), SCMP_SYS(set_robust_list), SCMP_SYS(get_robust_list), SCMP_SYS(rseq),
    SCMP_SYS(set_tid_address), SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity), SCMP_SYS(getcpu), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn), SCMP_SYS(sigreturn), SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall), SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    /* what time it is, who we are, what the machine has */
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep),
    SCMP_SYS(clock_nanosleep_time64), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom),
    SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getgroups), SCMP_SYS(getresuid),
    SCMP_SYS(getresgid), SCMP_SYS(capget), SCMP_SYS(getrusage), SCMP_SYS(getrlimit), SCMP_SYS(sysinfo), SCMP_SYS(uname),
    SCMP_SYS(times),
    /* what some of these are called on 32 bits */
    SCMP_SYS(ppoll_time64), SCMP_SYS(pselect6_time64), SCMP_SYS(recvmmsg_time64), SCMP_SYS(timerfd_settime64),
    SCMP_SYS(timerfd_gettime64), SCMP_SYS(clock_getres_time64), SCMP_SYS(getuid32), SCMP_SYS(geteuid32),
    SCMP_SYS(getgid32), SCMP_SYS(getegid32), SCMP_SYS(getgroups32), SCMP_SYS(ugetrlimit),
};

/* Tried first by libraries that know another way. clone3 and openat2 hide in memory what the filter has to see. */
CALLS(not_there) = {
    SCMP_SYS(clone3), SCMP_SYS(openat2), SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
};

/* From this number on, the same on every machine, calls came with Linux 5.16 or later; and so many of them. */
enum { UNKNOWN_CALLS = 449, UNKNOWN_CALLS_COUNT = 100 };

CALLS(deadly) = {
    /* other programs, other processes */
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
    SCMP_SYS(pidfd_getfd), SCMP_SYS(kcmp),
    /* other roots, namespaces, mounts */
    SCMP_SYS(unshare), SCMP_SYS(setns), SCMP_SYS(chroot), SCMP_SYS(pivot_root), SCMP_SYS(mount), SCMP_SYS(umount2),
    SCMP_SYS(fsopen), SCMP_SYS(fsmount), SCMP_SYS(move_mount), SCMP_SYS(open_tree), SCMP_SYS(open_by_handle_at),
    /* the kernel itself */
    SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load), SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(reboot),
    SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(acct), SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(syslog),
    SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(keyctl),
};
/* clang-format on */

/* Of the TUN and of interfaces; those of libuv and of stdio. None that types into a terminal. */
static const unsigned ioctls[] = {
    TUNSETIFF,  TUNGETIFF,    TUNSETOFFLOAD, TUNSETVNETHDRSZ, TUNGETVNETHDRSZ, TUNGETFEATURES, SIOCGIFMTU,
    SIOCSIFMTU, SIOCGIFFLAGS, SIOCSIFFLAGS,  SIOCGIFTXQLEN,   SIOCSIFTXQLEN,   SIOCGIFINDEX,   SIOCGIFNAME,
    FIONREAD,   FIONBIO,      FIOCLEX,       FIONCLEX,        TCGETS,
};

static const unsigned families[] = {AF_INET, AF_INET6, AF_UNIX};

static const unsigned prctls[] = {PR_SET_NAME,    PR_GET_NAME,     PR_GET_DUMPABLE, PR_GET_NO_NEW_PRIVS,
                                  PR_GET_SECCOMP, PR_CAPBSET_READ, 0x53564d41 /* PR_SET_VMA: names of memory */};

/* Of 64 bits the kernel looks at the lower half where an argument is an int. */
#define IS(argument, value)      SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, value)
#define HAS(argument, mask, set) SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, mask, set)

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* The first error stays. */
struct filter {
    scmp_filter_ctx context;
    int error;
};

static void add_all(struct filter *f, uint32_t action, const int *calls, size_t count)
{
    for (size_t i = 0; i < count && f->error == 0; i++)
        f->error = seccomp_rule_add(f->context, action, calls[i], 0);
}

static void add_if(struct filter *f, int call, struct scmp_arg_cmp one)
{
    if (f->error == 0)
        f->error = seccomp_rule_add_array(f->context, SCMP_ACT_ALLOW, call, 1, &one);
}

static void add_if_both(struct filter *f, int call, struct scmp_arg_cmp one, struct scmp_arg_cmp two)
{
    const struct scmp_arg_cmp both[] = {one, two};
    if (f->error == 0)
        f->error = seccomp_rule_add_array(f->context, SCMP_ACT_ALLOW, call, 2, both);
}

static void add_unknown(struct filter *f)
{
    for (int i = 0; i < UNKNOWN_CALLS_COUNT && f->error == 0; i++)
        f->error = seccomp_rule_add(f->context, SCMP_ACT_ERRNO(ENOSYS), UNKNOWN_CALLS + i, 0);
}

/* With CAP_NET_ADMIN every family of netlink is a large piece of the kernel. */
static void add_sockets(struct filter *f, bool netfilter)
{
    for (size_t i = 0; i < COUNT(families); i++)
        add_if(f, SCMP_SYS(socket), IS(0, families[i]));
    add_if(f, SCMP_SYS(socketpair), IS(0, AF_UNIX));
    add_if_both(f, SCMP_SYS(socket), IS(0, AF_NETLINK), IS(2, NETLINK_ROUTE));
    if (netfilter)
        add_if_both(f, SCMP_SYS(socket), IS(0, AF_NETLINK), IS(2, NETLINK_NETFILTER));
}

/* Nothing is opened for writing, so that also without Landlock, and as root, no file can be changed. */
static void add_files(struct filter *f)
{
    const unsigned writing = O_ACCMODE | O_CREAT | O_TRUNC;
    add_if(f, SCMP_SYS(openat), HAS(2, writing, 0));
    add_if(f, SCMP_SYS(open), HAS(1, writing, 0));
    for (size_t i = 0; i < COUNT(ioctls); i++)
        add_if(f, SCMP_SYS(ioctl), IS(1, ioctls[i]));
}

/* Executable is what a file holds that was not written here: the resolver's libraries. */
static void add_memory(struct filter *f)
{
    const int maps[] = {SCMP_SYS(mmap), SCMP_SYS(mmap2)};
#ifdef __s390__ /* the arguments are in memory, where nobody can look at them */
    const int unseen = SCMP_SYS(mmap);
    add_all(f, SCMP_ACT_ALLOW, &unseen, 1);
#endif
    for (size_t i = 0; i < COUNT(maps); i++) {
        add_if(f, maps[i], HAS(2, PROT_EXEC, 0));
        add_if_both(f, maps[i], HAS(2, PROT_EXEC | PROT_WRITE, PROT_EXEC), HAS(3, MAP_ANONYMOUS, 0));
    }
    add_if(f, SCMP_SYS(mprotect), HAS(2, PROT_EXEC, 0));
}

static void add_process(struct filter *f)
{
#ifdef __s390__
    const unsigned clone_flags = 1;
#else
    const unsigned clone_flags = 0;
#endif
    add_if(f, SCMP_SYS(clone), HAS(clone_flags, CLONE_THREAD, CLONE_THREAD));
    add_if(f, SCMP_SYS(tgkill), IS(0, (uint32_t)getpid()));           /* abort */
    add_if(f, SCMP_SYS(prlimit64), SCMP_CMP64(2, SCMP_CMP_EQ, 0, 0)); /* tells, sets nothing */
    for (size_t i = 0; i < COUNT(prctls); i++)
        add_if(f, SCMP_SYS(prctl), IS(0, prctls[i]));
}

/*
 * TSYNC: threads that are there already get it too. LOG: what it refuses is in the kernel's log, where that is on.
 * SSB: no slower processor for the sake of code from others, of which there is none. A binary tree keeps it short.
 */
static void set_attributes(struct filter *f)
{
    f->error = seccomp_attr_set(f->context, SCMP_FLTATR_CTL_TSYNC, 1);
    (void)seccomp_attr_set(f->context, SCMP_FLTATR_CTL_LOG, 1);
    (void)seccomp_attr_set(f->context, SCMP_FLTATR_CTL_SSB, 1);
    (void)seccomp_attr_set(f->context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    (void)seccomp_attr_set(f->context, SCMP_FLTATR_API_SYSRAWRC, 1);
}

int privilege_filter(const struct privilege *p)
{
    struct filter f = {.context = seccomp_init(SCMP_ACT_ERRNO(EPERM))};
    if (f.context == NULL)
        return -ENOMEM;
    set_attributes(&f);
    add_all(&f, SCMP_ACT_ALLOW, allowed, COUNT(allowed));
    add_all(&f, SCMP_ACT_ERRNO(ENOSYS), not_there, COUNT(not_there));
    add_all(&f, SCMP_ACT_KILL_PROCESS, deadly, COUNT(deadly));
    add_unknown(&f);
    add_sockets(&f, p->netfilter);
    add_files(&f);
    add_memory(&f);
    add_process(&f);
    if (f.error == 0)
        f.error = seccomp_load(f.context);
    seccomp_release(f.context);
    return f.error;
}
