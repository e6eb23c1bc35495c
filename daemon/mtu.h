/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `mtu = auto`: the largest inner packet that every configured suite and encapsulation can carry in one outer packet.
 * The outer MTU is that of the interface towards the peer (1500 where it cannot be told); the path beyond it is not
 * looked at.
 */
#ifndef DAEMON_MTU_H
#define DAEMON_MTU_H

#include "policy/connection.h"

enum { MTU_OUTER_DEFAULT = 1500, MTU_OUTER_MAX = 9216, MTU_INNER_MIN = 576 };

/* The smallest over all suites of the connection, over an outer MTU. */
uint32_t mtu_inner(const struct connection *connection, uint32_t outer_mtu);

/* The smallest over all connections, each with the MTU of its interface. */
uint32_t mtu_auto(const struct connection *connections, size_t count);

#endif
