/* SPDX-License-Identifier: Apache-2.0 */
/* The file of the control socket: made so that only the owner can use it, and never taken from a living process. */
#ifndef DAEMON_CONTROL_PATH_H
#define DAEMON_CONTROL_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/status.h"

/* The address of the socket with that path; false: the path is too long for one. */
bool control_path_name(const char *path, struct sockaddr_un *out);

/* A listening socket, non-blocking, the caller's to close, and what its file is. Of several processes that ask for one
 * path at the same moment, one gets it: they wait for each other, up to a second (where the folder cannot be locked
 * they do not). ERR_STATE: somebody answers there, or may, or it is no socket; ERR_IO: it cannot be made. Then *fd is
 * -1, and `why` says what is wrong and what would be right. */
MUST_USE enum status control_path_listen(const char *path, int backlog, int *fd, struct stat *file, char *why,
                                         size_t why_len);

/* Whether a process listens there. */
bool control_path_answers(const char *path);

/* Removes the file if it is still that one. 0, or an errno. */
int control_path_remove(const char *path, const struct stat *file);

#endif
