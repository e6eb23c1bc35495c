/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hook_runner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/hook_env.h"
#include "daemon/hook_message.h"
#include "daemon/hook_output.h"

static const char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

enum {
    READ_BYTES = 4096,  /* at once; */
    READ_PAUSE_MS = 10, /* then not before: who floods waits for us */
    USUAL_FILES = 1024,
    FDS_MOST = 1 << 20,
    POLLS = HOOKS_RUNNING_MAX + 2
};

struct runner;

struct running {
    struct runner *runner;
    uint8_t slot;
    pid_t pid;        /* and process group; 0: none */
    int out;          /* what it writes; -1: closed */
    uint64_t kill_ms; /* the next signal */
    bool timed_out;   /* it has had the first */
    uint64_t read_ms; /* not before */
    struct hook_output output;
    bool ended; /* news waits to be sent */
    struct hook_news news;
};

struct runner {
    char *const *programs;
    size_t program_count;
    int signals;
    struct running hooks[HOOKS_RUNNING_MAX];
};

static uint64_t now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- news --- */

/* False: there is no room now. A gateway that is gone is found by reading. */
static bool tell(const struct hook_news *news)
{
    uint8_t message[HOOK_MESSAGE_MAX];
    struct writer w = writer_of(message, sizeof message);
    hook_news_write(&w, news);
    return writer_finish(&w) != OK || send(HOOK_RUNNER_FD, message, w.len, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 ||
           (errno != EAGAIN && errno != ENOBUFS);
}

static void say_line(void *arg, struct bytes line)
{
    struct running *h = arg;
    if (!tell(&(struct hook_news){.kind = HOOK_NEWS_LINE, .slot = h->slot, .text = line}))
        h->output.suppressed++;
}

static void tell_end(struct running *h)
{
    if (h->ended)
        h->ended = !tell(&h->news);
}

static void end(struct running *h, enum hook_end how, uint32_t value)
{
    h->news = (struct hook_news){
        .kind = HOOK_NEWS_ENDED, .slot = h->slot, .how = how, .value = value, .suppressed = h->output.suppressed};
    h->ended = true;
    h->pid = 0;
    tell_end(h);
}

/* --- start --- */

static char **make_environment(struct bytes variables, size_t count)
{
    char **environment = calloc(count + 2, sizeof *environment), *at = (char *)(uintptr_t)variables.data;
    if (environment == NULL)
        return NULL;
    environment[0] = (char *)(uintptr_t)path;
    for (size_t i = 0; i < count; i++, at += strlen(at) + 1)
        environment[i + 1] = at;
    return environment;
}

/* All other descriptors close by themselves. */
static _Noreturn void become_hook(const char *program, int out, char *const environment[])
{
    char *const argv[] = {(char *)(uintptr_t)program, NULL};
    sigset_t none;
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL);
    if (dup2(out, STDOUT_FILENO) >= 0 && dup2(out, STDERR_FILENO) >= 0)
        (void)execve(program, argv, environment);
    (void)dprintf(out, "%s cannot be executed: %s\n", program, strerror(errno));
    _exit(127);
}

static int start_process(struct running *h, const struct hook_order *order, char *const environment[])
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    pid_t pid = fork();
    if (pid == 0)
        become_hook(h->runner->programs[order->program], ends[1], environment);
    int error = errno;
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return error;
    }
    (void)setpgid(pid, pid);
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    h->pid = pid;
    h->out = ends[0];
    h->kill_ms = now() + order->timeout_ms;
    return 0;
}

static void obey(struct runner *r, const struct hook_order *order)
{
    struct running *h = &r->hooks[order->slot];
    size_t count;
    if (h->pid != 0 || h->ended)
        return; /* not what our gateway would ask */
    *h = (struct running){.runner = r, .slot = order->slot, .out = -1};
    h->output = (struct hook_output){.say = say_line, .arg = h};
    char **environment = order->program < r->program_count && hook_env_good(order->environment, &count)
                             ? make_environment(order->environment, count)
                             : NULL;
    int error = environment != NULL ? start_process(h, order, environment) : EINVAL;
    free(environment);
    if (error != 0)
        end(h, HOOK_NOT_RUN, (uint32_t)error);
}

/* --- while it runs, and its end --- */

/* False: nothing is there now. */
static bool read_some(struct running *h)
{
    char data[READ_BYTES];
    ssize_t got = h->out >= 0 ? read(h->out, data, sizeof data) : 0;
    if (got > 0)
        hook_output_add(&h->output, data, (size_t)got, now());
    h->read_ms = now() + READ_PAUSE_MS;
    if (h->out >= 0 && (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))) {
        close(h->out);
        h->out = -1;
    }
    return got > 0;
}

static void signal_late(struct running *h)
{
    if (h->pid == 0 || now() < h->kill_ms)
        return;
    (void)kill(-h->pid, h->timed_out ? SIGKILL : SIGTERM);
    h->timed_out = true;
    h->kill_ms = now() + HOOK_KILL_MS;
}

static struct running *hook_of(struct runner *r, pid_t pid)
{
    for (size_t i = 0; i < HOOKS_RUNNING_MAX; i++)
        if (r->hooks[i].pid == pid)
            return &r->hooks[i];
    return NULL;
}

/* What it has left behind in its group goes with it, as long as the number cannot be another's. What it wrote last is
 * still in the pipe, which holds 64 KiB. */
static void bury(struct runner *r, pid_t pid)
{
    struct running *h = hook_of(r, pid);
    int status = 0;
    if (h != NULL)
        (void)kill(-pid, SIGKILL);
    (void)waitpid(pid, &status, 0);
    if (h == NULL)
        return;
    for (size_t i = 0; i < 16 && read_some(h); i++)
        ;
    hook_output_end(&h->output, now());
    if (h->out >= 0)
        close(h->out);
    h->out = -1;
    if (h->timed_out)
        end(h, HOOK_TIMED_OUT, 0);
    else if (WIFSIGNALED(status))
        end(h, HOOK_SIGNALLED, (uint32_t)WTERMSIG(status));
    else
        end(h, HOOK_EXITED, (uint32_t)WEXITSTATUS(status));
}

static void bury_all(struct runner *r)
{
    struct signalfd_siginfo info;
    siginfo_t who = {0};
    while (read(r->signals, &info, sizeof info) > 0)
        ;
    while (waitid(P_ALL, 0, &who, WEXITED | WNOHANG | WNOWAIT) == 0 && who.si_pid != 0) {
        bury(r, who.si_pid);
        who.si_pid = 0;
    }
}

/* False: the gateway is gone. */
static bool listen_to_gateway(struct runner *r)
{
    uint8_t message[HOOK_MESSAGE_MAX];
    struct hook_order order;
    ssize_t got = recv(HOOK_RUNNER_FD, message, sizeof message, MSG_DONTWAIT);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    if (got > 0 && hook_order_read(bytes_of(message, (size_t)got), &order) == OK)
        obey(r, &order);
    return got > 0;
}

static void kill_all(struct runner *r)
{
    for (size_t i = 0; i < HOOKS_RUNNING_MAX; i++)
        if (r->hooks[i].pid != 0)
            (void)kill(-r->hooks[i].pid, SIGKILL);
    for (size_t i = 0; i < HOOKS_RUNNING_MAX; i++)
        if (r->hooks[i].pid != 0)
            (void)waitpid(r->hooks[i].pid, NULL, 0);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

/* --- the loop --- */

static void earliest(int *timeout, uint64_t at, uint64_t time)
{
    uint64_t wait = at > time ? at - time : 0;
    if (*timeout < 0 || wait < (uint64_t)*timeout)
        *timeout = wait < INT32_MAX ? (int)wait : INT32_MAX;
}

/* How long to wait for these; -1: for ever. */
static int prepare(const struct runner *r, struct pollfd polls[POLLS])
{
    int timeout = -1;
    uint64_t time = now();
    polls[0] = (struct pollfd){.fd = HOOK_RUNNER_FD, .events = POLLIN};
    polls[1] = (struct pollfd){.fd = r->signals, .events = POLLIN};
    for (size_t i = 0; i < HOOKS_RUNNING_MAX; i++) {
        const struct running *h = &r->hooks[i];
        bool open = h->pid != 0 && h->out >= 0;
        polls[i + 2] = (struct pollfd){.fd = open && h->read_ms <= time ? h->out : -1, .events = POLLIN};
        if (h->ended)
            polls[0].events |= POLLOUT;
        if (h->pid != 0)
            earliest(&timeout, h->kill_ms, time);
        if (open && h->read_ms > time)
            earliest(&timeout, h->read_ms, time);
    }
    return timeout;
}

static void serve(struct runner *r)
{
    struct pollfd polls[POLLS];
    for (;;) {
        int timeout = prepare(r, polls);
        if (poll(polls, POLLS, timeout) < 0 && errno != EINTR)
            return;
        for (size_t i = 0; i < HOOKS_RUNNING_MAX; i++) {
            if (polls[i + 2].revents != 0)
                (void)read_some(&r->hooks[i]);
            signal_late(&r->hooks[i]);
            tell_end(&r->hooks[i]);
        }
        bury_all(r);
        if (polls[0].revents != 0 && !listen_to_gateway(r))
            return;
    }
}

/* --- how it is --- */

/* Ctrl-C and a service manager that signals the whole group mean the gateway, whose end we notice. */
static int watch_signals(void)
{
    sigset_t children;
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGCHLD, SIG_DFL);
    (void)setsid();
    (void)sigemptyset(&children);
    (void)sigaddset(&children, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &children, NULL) != 0)
        return -1;
    return signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* As a fresh process of the system has it; the gateway may have raised its limit. */
static void use_usual_settings(void)
{
    struct rlimit files;
    (void)umask(022);
    if (chdir("/") != 0)
        return;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > USUAL_FILES) {
        files.rlim_cur = USUAL_FILES;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

static bool is_ours(void)
{
    int kind = 0;
    socklen_t len = sizeof kind;
    return getsockopt(HOOK_RUNNER_FD, SOL_SOCKET, SO_TYPE, &kind, &len) == 0 && kind == SOCK_SEQPACKET &&
           fcntl(HOOK_RUNNER_FD, F_SETFD, FD_CLOEXEC) == 0;
}

/* Hooks inherit nothing, a TUN that was handed over least of all. Kernels before 5.9 have no close_range. */
static void close_others(void)
{
    if (close_range(HOOK_RUNNER_FD + 1, ~0U, 0) == 0)
        return;
    struct rlimit limit;
    bool known = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < FDS_MOST;
    int most = known ? (int)limit.rlim_max : FDS_MOST;
    for (int fd = HOOK_RUNNER_FD + 1; fd < most; fd++)
        (void)close(fd);
}

int hook_runner_main(int argc, char *const argv[])
{
    struct runner r = {.programs = argv + 3, .program_count = argc > 3 ? (size_t)argc - 3 : 0};
    if (argc < 3 || !is_ours()) {
        (void)fprintf(stderr, "esptun: %s is for esptun itself; keys up and down start it\n", HOOK_RUNNER_VERB);
        return 2;
    }
    close_others();
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    use_usual_settings();
    r.signals = watch_signals();
    const char *wrong = r.signals < 0 ? "it cannot watch its children" : hook_runner_give_up_rights(argv[2]);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* hooks have the same user */
    if (wrong != NULL) {
        (void)tell(&(struct hook_news){.kind = HOOK_NEWS_FAILED, .text = bytes_of(wrong, strlen(wrong))});
        return 1;
    }
    (void)tell(&(struct hook_news){.kind = HOOK_NEWS_READY, .value = getuid()});
    serve(&r);
    kill_all(&r);
    return 0;
}
