/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `mtu = auto`: the TUN carries what every connection can take in one outer packet: those that are up by their suite
 * and path MTU, the others by the worst that their configuration allows. It is set again whenever one of these changes.
 */
#ifndef DAEMON_MTU_H
#define DAEMON_MTU_H

#include "policy/connection.h"

/* The smallest inner packet that fits, over all suites of the connection, over an outer MTU. */
uint32_t mtu_inner(const struct connection *connection, uint32_t outer_mtu);

/*
 * The MTU of the TUN. worst: per connection, what mtu_inner says; live: the smallest inner MTU of its SAs, 0 where it
 * has none. ipv6: some protect rule is IPv6; under IPV6_MTU_MIN the kernel takes IPv6 off the interface, and its routes
 * with it.
 */
uint32_t mtu_of_tun(const uint32_t *worst, const uint32_t *live, size_t count, bool ipv6);

#endif
