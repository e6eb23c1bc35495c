/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/hook_message.h"
#include "daemon/hook_runner.h"

/* In the child, between fork and exec: only what is safe there. */
static _Noreturn void become_runner(int fd, char *const argv[])
{
    static char *const environment[] = {NULL};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0 && dup2(fd, HOOK_RUNNER_FD) >= 0 && (fd != HOOK_RUNNER_FD || fcntl(fd, F_SETFD, 0) == 0) &&
        dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0)
        (void)execve("/proc/self/exe", argv, environment);
    _exit(127);
}

static char **make_arguments(const struct hook_programs *programs, const char *user)
{
    const char **argv = calloc(programs->count + 4, sizeof *argv);
    size_t count = 0;
    if (argv == NULL)
        return NULL;
    argv[count++] = "esptun";
    argv[count++] = HOOK_RUNNER_VERB;
    argv[count++] = user;
    for (size_t i = 0; i < programs->count; i++)
        argv[count++] = programs->paths[i];
    return (char **)argv; /* exec changes none of them */
}

/* Its first word: it is ready, or why not. */
static enum status hear(int fd, unsigned *uid, char *why, size_t why_len)
{
    uint8_t message[HOOK_MESSAGE_MAX];
    struct hook_news news = {0};
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    ssize_t got = poll(&wait, 1, HOOK_START_MS) > 0 ? recv(fd, message, sizeof message, MSG_DONTWAIT) : -1;
    bool good = got > 0 && hook_news_read(bytes_of(message, (size_t)got), &news) == OK;
    if (good && news.kind == HOOK_NEWS_READY) {
        *uid = news.value;
        return OK;
    }
    if (good && news.kind == HOOK_NEWS_FAILED)
        (void)snprintf(why, why_len, "the process that runs hooks: %.*s", (int)news.text.len, news.text.data);
    else
        (void)snprintf(why, why_len,
                       "the process that runs hooks did not start; it executes /proc/self/exe: is /proc mounted?");
    return ERR_STATE;
}

enum status hook_runner_start(const struct hook_programs *programs, const char *user, int *fd, unsigned *uid, char *why,
                              size_t why_len)
{
    int ends[2];
    char **argv = make_arguments(programs, user);
    *fd = -1;
    if (argv == NULL)
        return ERR_MEMORY;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        (void)snprintf(why, why_len, "no socket for the process that runs hooks: %s", strerror(errno));
        free(argv);
        return ERR_IO;
    }
    (void)signal(SIGCHLD, SIG_IGN); /* nobody waits for it: its end of the socket tells when it is gone */
    pid_t pid = fork();
    if (pid == 0)
        become_runner(ends[1], argv);
    int error = errno;
    close(ends[1]);
    free(argv);
    if (pid < 0)
        (void)snprintf(why, why_len, "no process to run hooks: %s", strerror(error));
    enum status status = pid < 0 ? ERR_IO : hear(ends[0], uid, why, why_len);
    if (status == OK && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0)
        *fd = ends[0];
    else
        close(ends[0]);
    return status == OK && *fd < 0 ? ERR_IO : status;
}
