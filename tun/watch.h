/* SPDX-License-Identifier: Apache-2.0 */
/* Tells that something about the links, routes or ip rules of this host has changed; not what. */
#ifndef TUN_WATCH_H
#define TUN_WATCH_H

#include "tun/netlink.h"

struct watch_routes {
    struct mnl_socket *socket;
    int fd; /* for an event loop; -1: not open */
    /* What is ours does not count: tables from own_table on, and an interface; 0: none. */
    uint32_t own_table, own_table_count;
    unsigned own_device;
};

/* 0, or a negative errno; the own_ fields are the caller's, before or after. */
int watch_open(struct watch_routes *watch);
void watch_close(struct watch_routes *watch); /* a zeroed one is fine */

/* Reads what has come, without waiting. True when something has changed, also when the kernel had to throw away what it
 * wanted to tell. After a flood some may be left: then the descriptor is still readable. */
bool watch_drain(struct watch_routes *watch);

#endif
