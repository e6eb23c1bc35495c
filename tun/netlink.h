/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to the kernel over netlink, one at a time, each with its answer. */
#ifndef TUN_NETLINK_H
#define TUN_NETLINK_H

#include <libmnl/libmnl.h>

#include "base/status.h"

/* Room for any request of ours: a header, a family header and a dozen attributes. */
enum { NETLINK_REQUEST = 512 };

struct netlink {
    struct mnl_socket *socket;
    uint32_t sequence;
};

/* To the routing family, or to another bus (NETLINK_). ERR_IO, with errno. */
MUST_USE enum status netlink_open(struct netlink *out);
MUST_USE enum status netlink_open_bus(struct netlink *out, int bus);
void netlink_close(struct netlink *netlink);

/* A request of `type` in buffer (NETLINK_REQUEST bytes), with a zeroed family header of `extra` bytes at *header. */
struct nlmsghdr *netlink_request(void *buffer, uint16_t type, uint16_t flags, size_t extra, void **header);

/* Sends and waits for the kernel's word: 0, or a negative errno. */
int netlink_ask(struct netlink *netlink, struct nlmsghdr *request);

/* The same, handing what comes before that word to `each`. */
int netlink_ask_for(struct netlink *netlink, struct nlmsghdr *request, mnl_cb_t each, void *arg);

/* Sends a dump request and hands each message to `each`. 0, or a negative errno. */
int netlink_dump(struct netlink *netlink, struct nlmsghdr *request, mnl_cb_t each, void *arg);

#endif
