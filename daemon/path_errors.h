/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What routers say of our outer packets: raw sockets that receive ICMP "fragmentation needed" and ICMPv6 "packet too
 * big". The error queues of the outer sockets are not used: a pending error would make an unrelated send fail, and they
 * tell only of what the kernel found worth telling.
 */
#ifndef DAEMON_PATH_ERRORS_H
#define DAEMON_PATH_ERRORS_H

#include "base/log.h"
#include "esp/icmp.h"

enum { PATH_ERRORS_BATCH = 64, PATH_ERROR_BYTES = 2048 };

struct path_errors {
    int fd4, fd6; /* non-blocking; -1: not available */
};

/* What cannot be opened is said in the log: the path MTU of that family is then not learned from the network. */
void path_errors_open(struct path_errors *errors, const struct log *log);
void path_errors_close(struct path_errors *errors);

/* Takes up to PATH_ERRORS_BATCH messages from one socket (family 4 or 6). `claim` gets what is about ESP,
 * unauthenticated as it is; the result counts those that were broken or about something else of ours. */
size_t path_errors_read(const struct path_errors *errors, uint8_t family,
                        void (*claim)(void *arg, const struct icmp_claim *claim), void *arg);

#endif
