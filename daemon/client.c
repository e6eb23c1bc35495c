/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "daemon/control_path.h"

static const char *remedy_of(int error)
{
    switch (error) {
    case ENOENT:
    case ECONNREFUSED: return "no daemon listens there: start `esptun run`, or name its socket with -s SOCKET";
    case EACCES:
    case EPERM: return "run this command as the user of the daemon, usually root";
    case EAGAIN: return "the daemon did not answer in time: see its log";
    case ENAMETOOLONG: return "name a shorter path with -s SOCKET";
    default: return "see the log of the daemon";
    }
}

static enum status complain(const char *path, int error, char why[CLIENT_WHY])
{
    snprintf(why, CLIENT_WHY, "%.200s: %s: %s", path, strerror(error), remedy_of(error));
    return ERR_IO;
}

static int connect_to(const char *path, unsigned seconds)
{
    struct sockaddr_un address;
    struct timeval limit = {.tv_sec = (time_t)seconds};
    if (!control_path_name(path, &address)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0 &&
        connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static enum status send_line(int fd, const char *request)
{
    char line[256];
    int len = snprintf(line, sizeof line, "%s\n", request);
    if (len < 0 || (size_t)len >= sizeof line) {
        errno = EMSGSIZE;
        return ERR_LIMIT;
    }
    for (size_t sent = 0; sent < (size_t)len;) {
        ssize_t n = send(fd, line + sent, (size_t)len - sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return ERR_IO;
        sent += n > 0 ? (size_t)n : 0;
    }
    return OK;
}

static bool grow(struct answer *answer, size_t *capacity)
{
    if (answer->len + 1 < *capacity)
        return true;
    size_t wanted = *capacity > 0 ? *capacity * 2 : 16384;
    char *grown = wanted <= CLIENT_ANSWER_MAX ? realloc(answer->text, wanted) : NULL;
    if (grown == NULL) {
        errno = ENOBUFS;
        return false;
    }
    answer->text = grown;
    *capacity = wanted;
    return true;
}

/* To the end of the stream, with a terminator. */
static enum status receive_all(int fd, struct answer *answer)
{
    size_t capacity = 0;
    for (;;) {
        if (!grow(answer, &capacity))
            return ERR_LIMIT;
        ssize_t n = recv(fd, answer->text + answer->len, capacity - answer->len - 1, 0);
        if (n < 0 && errno != EINTR)
            return ERR_IO;
        if (n == 0)
            break;
        answer->len += n > 0 ? (size_t)n : 0;
    }
    answer->text[answer->len] = '\0';
    return OK;
}

static void drop_front(struct answer *answer, size_t count)
{
    memmove(answer->text, answer->text + count, answer->len - count + 1);
    answer->len -= count;
}

static enum status judge(struct answer *answer, const char *path, char why[CLIENT_WHY])
{
    if (answer->len >= 3 && memcmp(answer->text, "ok\n", 3) == 0) {
        drop_front(answer, 3);
        return OK;
    }
    if (answer->len >= 6 && memcmp(answer->text, "error ", 6) == 0) {
        drop_front(answer, 6);
        return ERR_STATE;
    }
    snprintf(why, CLIENT_WHY, "%.200s: %s", path,
             answer->len == 0 ? "the daemon hung up without an answer: see its log"
                              : "this is no answer of esptun: name its control socket with -s SOCKET");
    return ERR_MALFORMED;
}

static enum status reach(const char *path, unsigned seconds, int *fd, char why[CLIENT_WHY])
{
    *fd = connect_to(path, seconds);
    if (*fd >= 0)
        return OK;
    bool nobody = errno == ENOENT || errno == ECONNREFUSED;
    enum status failed = complain(path, errno, why);
    return nobody ? ERR_NOT_FOUND : failed;
}

/* Right after the last call on the socket, for errno tells why one failed. */
static enum status conclude(enum status received, const char *path, struct answer *out, char why[CLIENT_WHY])
{
    enum status status = received == OK ? judge(out, path, why) : complain(path, errno, why);
    if (status != OK && status != ERR_STATE)
        answer_free(out);
    return status;
}

enum status client_ask(const char *path, const char *request, unsigned seconds, struct answer *out,
                       char why[CLIENT_WHY])
{
    int fd;
    *out = (struct answer){0};
    enum status status = reach(path, seconds, &fd, why);
    if (status != OK)
        return status;
    status = send_line(fd, request);
    if (status == OK)
        status = receive_all(fd, out);
    status = conclude(status, path, out, why);
    close(fd);
    return status;
}

/* Patience is for the first line; after that nothing may happen for days. */
static enum status follow(FILE *in, bool (*line)(void *arg, const char *text, size_t len), void *arg,
                          struct answer *out)
{
    const struct timeval forever = {0};
    size_t capacity = 0;
    ssize_t len = getline(&out->text, &capacity, in);
    out->len = len > 0 ? (size_t)len : 0;
    if (len < 0)
        return ferror(in) ? ERR_IO : OK;
    if (strcmp(out->text, "ok\n") != 0 ||
        setsockopt(fileno(in), SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof forever) != 0)
        return OK;
    char *text = NULL;
    capacity = 0;
    while ((len = getline(&text, &capacity, in)) > 0)
        if (!line(arg, text, (size_t)len - (text[len - 1] == '\n')))
            break;
    free(text);
    return OK;
}

enum status client_follow(const char *path, const char *request, unsigned seconds,
                          bool (*line)(void *arg, const char *text, size_t len), void *arg, struct answer *out,
                          char why[CLIENT_WHY])
{
    int fd;
    *out = (struct answer){0};
    enum status status = reach(path, seconds, &fd, why);
    if (status != OK)
        return status;
    status = send_line(fd, request);
    FILE *in = status == OK ? fdopen(fd, "r") : NULL;
    if (in != NULL)
        status = follow(in, line, arg, out);
    status = conclude(in != NULL ? status : ERR_IO, path, out, why);
    if (in != NULL)
        fclose(in);
    else
        close(fd);
    return status;
}

void answer_free(struct answer *answer)
{
    free(answer->text);
    *answer = (struct answer){0};
}
