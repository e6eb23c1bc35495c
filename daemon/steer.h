/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which socket a packet comes in by, where several workers have one each. A few instructions in the kernel look at the
 * SPI, whose last bits tell the shard (esp/sad.h).
 */
#ifndef DAEMON_STEER_H
#define DAEMON_STEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * UDP 4500: sockets that share the port by SO_REUSEPORT were bound in this order: the control thread's, then those of
 * shards 0 to shards - 1. ESP goes to its shard, all else (IKE, keepalives) to the control thread. fd: any of them.
 * False, with errno: the kernel does not know this, and chooses by addresses and ports.
 */
bool steer_datagrams(int fd, size_t shards);

/* Raw ESP: every such socket gets a copy of every packet; this one then keeps those of its shard. Shard 0 keeps also
 * those of no shard. False, with errno. */
bool steer_raw(int fd, uint8_t family, uint8_t shard, size_t shards);

#endif
