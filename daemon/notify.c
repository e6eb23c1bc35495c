/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A path, or with an at sign the name of an abstract socket. False: neither. */
static bool address_of(const char *name, struct sockaddr_un *to, socklen_t *len)
{
    size_t n = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || n < 2 || n >= sizeof to->sun_path)
        return false;
    *to = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(to->sun_path, name, n);
    if (name[0] == '@')
        to->sun_path[0] = '\0';
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    return true;
}

static bool tell(const struct sockaddr_un *to, socklen_t len, const char *text)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool sent = sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)to, len) >= 0;
    int error = errno;
    close(fd);
    errno = error;
    return sent;
}

void notify_service(const char *assignments, const struct log *log)
{
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to;
    socklen_t len;
    if (name == NULL)
        return;
    if (!address_of(name, &to, &len))
        log_write(log, LOG_WARNING,
                  "NOTIFY_SOCKET is neither a path nor an abstract name: the service manager is not told");
    else if (!tell(&to, len, assignments))
        log_write(log, LOG_WARNING, "the service manager cannot be told: %s", strerror(errno));
}
