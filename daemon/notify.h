/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a service manager wants to know, where there is one: the protocol of sd_notify(3), one datagram to the socket
 * that NOTIFY_SOCKET names.
 */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

#include "base/log.h"

/* "READY=1", "STOPPING=1", "STATUS=...": lines of assignments. Does nothing where nobody asks; what cannot be told is
 * logged. */
void notify_service(const char *assignments, const struct log *log);

#endif
