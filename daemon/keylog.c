/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/keylog.h"

#ifdef ESPTUN_KEYLOG

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void keylog_line(void *arg, const char *table, const char *line)
{
    char path[PATH_MAX];
    const char *folder = getenv("ESPTUN_KEYLOG_DIR");
    (void)arg;
    if (folder == NULL || (size_t)snprintf(path, sizeof path, "%s/%s", folder, table) >= sizeof path)
        return;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    (void)dprintf(fd, "%s\n", line);
    close(fd);
}

#endif
