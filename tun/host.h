/* SPDX-License-Identifier: Apache-2.0 */
/* What the host has: its addresses and the content of a route table. */
#ifndef TUN_HOST_H
#define TUN_HOST_H

#include "tun/netlink.h"
#include "tun/plan.h"

/* All addresses but loopback and link-local ones. Nothing counts as attached to interface `device`, the TUN. *out is
 * the caller's to free(). 0, or a negative errno. */
int host_addresses(struct netlink *netlink, unsigned device, struct host_place **out, size_t *count);

/* True when a route that is not a default route leads packets with this mark to the address, over another interface
 * than `device`. False also when the kernel does not tell. */
bool host_has_route(struct netlink *netlink, const struct address *to, uint32_t mark, unsigned device);

/* The MTU of the route that packets of this path and mark take: the route's own where the administrator gave it one,
 * else its interface's. ip rules may look at all of it: the local address counts where it is known and this host's, the
 * ports count with `udp`. What the kernel has learned from ICMP is left out: nobody has authenticated it. 0: no way, or
 * the kernel does not tell. */
uint32_t host_route_mtu(struct netlink *netlink, const struct path *path, bool udp, uint32_t mark);

/* Adds (or removes) one address, /32 or /128, of an interface. 0, or a negative errno. */
int host_address(struct netlink *netlink, bool add, const struct address *address, unsigned index);

/* True when the table has a route to another interface than `own` to which a process is attached: it belongs to a
 * running instance. */
bool host_table_in_use(struct netlink *netlink, uint32_t table, unsigned own);

/* A route as the kernel tells it. */
struct host_route {
    struct prefix to;
    uint8_t type; /* RTN_ */
    unsigned interface;
};

/* Deletes the routes of this protocol from the table, both families, but for those that `keep` wants. */
void host_table_sweep(struct netlink *netlink, uint32_t table, uint8_t protocol,
                      bool (*keep)(void *arg, const struct host_route *route), void *arg);

/* True while the interface exists and is running: a TUN runs while a process is attached to it. */
bool host_interface_runs(unsigned index);

#endif
