/* SPDX-License-Identifier: Apache-2.0 */
/* Nexthop objects ("ip nexthop"): the one kind of IPv6 route that also stops a look-up that names an interface. */
#ifndef TUN_NEXTHOP_H
#define TUN_NEXTHOP_H

#include "tun/netlink.h"

/* An IPv6 blackhole. One of this number and protocol that is there already is taken as it is. 0, or a negative errno:
 * -EEXIST when the number is somebody else's. */
int nexthop_add_blackhole(struct netlink *netlink, uint32_t id, uint8_t protocol);

/* Also deletes the routes that lead there; nothing where the number is not of this protocol. */
void nexthop_delete(struct netlink *netlink, uint32_t id, uint8_t protocol);

#endif
