/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `mtu = auto`: the TUN carries what every connection can take in one outer packet: those that are up by their suite
 * and path MTU, the others by the worst that their configuration allows. It is set again whenever one of these changes.
 */
#ifndef DAEMON_MTU_H
#define DAEMON_MTU_H

#include "policy/connection.h"

enum {
    MTU_OUTER_DEFAULT = 1500,
    MTU_OUTER_MAX = 9216,
    MTU_TUN_MIN = 576,
    MTU_TUN_MIN_IPV6 = 1280, /* below, the kernel takes IPv6 off the interface, and its routes with it */
};

/* The smallest inner packet that fits, over all suites of the connection, over an outer MTU. */
uint32_t mtu_inner(const struct connection *connection, uint32_t outer_mtu);

/*
 * The MTU of the TUN. worst: per connection, what mtu_inner says; live: the smallest inner MTU of its SAs, 0 where it
 * has none. ipv6: some protect rule is IPv6.
 */
uint32_t mtu_of_tun(const uint32_t *worst, const uint32_t *live, size_t count, bool ipv6);

#endif
