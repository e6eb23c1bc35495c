/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/watch.h"

#include <errno.h>

#include <linux/rtnetlink.h>

/* Messages of the kernel are at most this long (a page); a drain reads a bounded number of them. */
enum { WATCH_BUFFER = 32768, WATCH_READS = 64 };

static const unsigned groups[] = {RTNLGRP_LINK, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE,
                                  RTNLGRP_IPV6_RULE};

int watch_open(struct watch_routes *watch)
{
    unsigned mask = 0;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        mask |= 1u << (groups[i] - 1);
    watch->fd = -1;
    watch->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (watch->socket == NULL)
        return -errno;
    if (mnl_socket_bind(watch->socket, mask, MNL_SOCKET_AUTOPID) < 0) {
        int error = -errno;
        watch_close(watch);
        return error;
    }
    watch->fd = mnl_socket_get_fd(watch->socket);
    return 0;
}

void watch_close(struct watch_routes *watch)
{
    if (watch->socket != NULL)
        mnl_socket_close(watch->socket);
    watch->socket = NULL;
    watch->fd = -1;
}

static int look_at_attribute(const struct nlattr *attribute, void *arg)
{
    uint32_t *table = arg;
    if (mnl_attr_get_type(attribute) == RTA_TABLE && mnl_attr_validate(attribute, MNL_TYPE_U32) == 0)
        *table = mnl_attr_get_u32(attribute);
    return MNL_CB_OK;
}

static bool is_own(const struct watch_routes *watch, const struct nlmsghdr *message)
{
    uint16_t type = message->nlmsg_type;
    size_t len = mnl_nlmsg_get_payload_len(message);
    if ((type == RTM_NEWLINK || type == RTM_DELLINK) && len >= sizeof(struct ifinfomsg)) {
        const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);
        return watch->own_device != 0 && link->ifi_index == (int)watch->own_device;
    }
    if ((type != RTM_NEWROUTE && type != RTM_DELROUTE) || len < sizeof(struct rtmsg))
        return false;
    const struct rtmsg *route = mnl_nlmsg_get_payload(message);
    uint32_t table = route->rtm_table;
    (void)mnl_attr_parse(message, sizeof *route, look_at_attribute, &table);
    return table >= watch->own_table && table - watch->own_table < watch->own_table_count;
}

struct look {
    const struct watch_routes *watch;
    bool changed;
};

static int look_at(const struct nlmsghdr *message, void *arg)
{
    struct look *look = arg;
    look->changed |= !is_own(look->watch, message);
    return MNL_CB_OK;
}

bool watch_drain(struct watch_routes *watch)
{
    char buffer[WATCH_BUFFER];
    struct look look = {.watch = watch};
    for (int i = 0; i < WATCH_READS; i++) {
        ssize_t len = mnl_socket_recvfrom(watch->socket, buffer, sizeof buffer);
        if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        /* ENOBUFS, and whatever else keeps us from knowing. */
        if (len < 0 || mnl_cb_run(buffer, (size_t)len, 0, 0, look_at, &look) < 0)
            look.changed = true;
    }
    return look.changed;
}
