/* SPDX-License-Identifier: Apache-2.0 */
/* The running gateway: joins TUN, sockets, packet path, IKE and the control socket on one loop. */
#ifndef DAEMON_GATEWAY_H
#define DAEMON_GATEWAY_H

#include "base/log.h"
#include "crypto/secret.h"
#include "daemon/config.h"

/*
 * Runs until SIGTERM or SIGINT: then deletes are sent, routes and TUN are removed, and 0 is returned. 1 when it could
 * not start, or lost the TUN; the log then says why. config becomes the gateway's, which frees it; the others are
 * borrowed. A reload may change the level of the log.
 */
int gateway_run(struct config *config, struct vault *vault, struct log *log);

#endif
