/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_TRIES = 100, LOCK_PAUSE_MS = 10 };

static enum status explain(const char *path, int error, char *why, size_t why_len)
{
    const char *remedy = "choose another 'control' in [gateway]";
    if (error == ENOENT)
        remedy = "its folder does not exist; create it, or choose another 'control' in [gateway]";
    else if (error == EACCES || error == EPERM || error == EROFS)
        remedy = "this user may not write there; choose another 'control' in [gateway]";
    (void)snprintf(why, why_len, "cannot make the control socket '%s': %s; %s", path, strerror(error), remedy);
    return ERR_IO;
}

bool control_path_name(const char *path, struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof out->sun_path)
        return false;
    memcpy(out->sun_path, path, strlen(path));
    return true;
}

static int open_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* What connect says: 0 or EAGAIN (a full backlog) is a sign of life, ECONNREFUSED means that nobody listens any more.
 * All else tells nothing: it may be the living socket of another user. */
static int try_to_connect(const struct sockaddr_un *name)
{
    int fd = open_socket();
    if (fd < 0)
        return errno;
    int error = connect(fd, (const struct sockaddr *)name, sizeof *name) == 0 ? 0 : errno;
    close(fd);
    return error;
}

static enum status clear_path(const struct sockaddr_un *name, char *why, size_t why_len)
{
    struct stat file;
    const char *path = name->sun_path;
    if (lstat(path, &file) < 0)
        return errno == ENOENT ? OK : explain(path, errno, why, why_len);
    if (!S_ISSOCK(file.st_mode)) {
        (void)snprintf(why, why_len, "%s exists and is not a socket; choose another 'control' in [gateway]", path);
        return ERR_STATE;
    }
    int error = try_to_connect(name);
    if (error == ENOENT)
        return OK;
    if (error != 0 && error != EAGAIN && error != ECONNREFUSED) {
        (void)snprintf(
            why, why_len,
            "it cannot be told whether a process answers on the control socket %s: %s; stop it and remove the "
            "socket, or choose another 'control' in [gateway]",
            path, strerror(error));
        return ERR_STATE;
    }
    if (error != ECONNREFUSED) {
        (void)snprintf(why, why_len,
                       "another process answers on the control socket %s; stop it, or choose another 'control' in "
                       "[gateway]",
                       path);
        return ERR_STATE;
    }
    return unlink(path) == 0 || errno == ENOENT ? OK : explain(path, errno, why, why_len);
}

/* While one looks whether somebody listens, and takes the place of a socket that is dead, others wait: a lock on the
 * folder, which leaves nothing behind and ends with the process. Returns a descriptor to close; -1 where the folder
 * cannot be locked, or somebody sits on it: then it goes without. */
static int lock_folder(const struct sockaddr_un *name)
{
    const char *path = name->sun_path, *slash = strrchr(path, '/');
    char folder[sizeof name->sun_path] = ".";
    if (slash != NULL)
        (void)snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int tries = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0; tries++) {
        if (errno != EWOULDBLOCK || tries == LOCK_TRIES) {
            close(fd);
            return -1;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_MS * 1000000L}, NULL);
    }
    return fd;
}

static enum status take(const struct sockaddr_un *name, int backlog, int *fd, struct stat *file, char *why,
                        size_t why_len)
{
    const char *path = name->sun_path;
    enum status status = clear_path(name, why, why_len);
    if (status != OK)
        return status;
    *fd = open_socket();
    if (*fd < 0)
        return explain(path, errno, why, why_len);
    /* The mode is right from the first moment: nobody else can connect in between. */
    mode_t before = umask(0177);
    int result = bind(*fd, (const struct sockaddr *)name, sizeof *name);
    int error = errno;
    (void)umask(before);
    if (result == 0 && lstat(path, file) == 0 && listen(*fd, backlog) == 0)
        return OK;
    if (result == 0) {
        error = errno;
        (void)unlink(path);
    }
    close(*fd);
    *fd = -1;
    return explain(path, error, why, why_len);
}

enum status control_path_listen(const char *path, int backlog, int *fd, struct stat *file, char *why, size_t why_len)
{
    struct sockaddr_un name;
    *fd = -1;
    if (strlen(path) == 0)
        return explain(path, EINVAL, why, why_len);
    if (!control_path_name(path, &name))
        return explain(path, ENAMETOOLONG, why, why_len);
    int lock = lock_folder(&name);
    enum status status = take(&name, backlog, fd, file, why, why_len);
    if (lock >= 0)
        close(lock);
    return status;
}

bool control_path_answers(const char *path)
{
    struct sockaddr_un name;
    int error = control_path_name(path, &name) ? try_to_connect(&name) : ENAMETOOLONG;
    return error == 0 || error == EAGAIN;
}

int control_path_remove(const char *path, const struct stat *file)
{
    struct stat now;
    /* The number of an inode may come again; the time at which a socket was made stays, whoever owns it now. */
    bool ours = lstat(path, &now) == 0 && now.st_ino == file->st_ino && now.st_dev == file->st_dev &&
                now.st_mtim.tv_sec == file->st_mtim.tv_sec && now.st_mtim.tv_nsec == file->st_mtim.tv_nsec;
    return !ours || unlink(path) == 0 || errno == ENOENT ? 0 : errno;
}
