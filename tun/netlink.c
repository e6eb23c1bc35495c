/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/netlink.h"

#include <errno.h>
#include <string.h>

enum { NETLINK_ANSWER = 32768 };

enum status netlink_open(struct netlink *out)
{
    return netlink_open_bus(out, NETLINK_ROUTE);
}

enum status netlink_open_bus(struct netlink *out, int bus)
{
    *out = (struct netlink){0};
    out->socket = mnl_socket_open2(bus, SOCK_CLOEXEC);
    if (out->socket == NULL)
        return ERR_IO;
    if (mnl_socket_bind(out->socket, 0, MNL_SOCKET_AUTOPID) == 0)
        return OK;
    int saved = errno;
    netlink_close(out);
    errno = saved;
    return ERR_IO;
}

void netlink_close(struct netlink *netlink)
{
    if (netlink->socket != NULL)
        mnl_socket_close(netlink->socket);
    *netlink = (struct netlink){0};
}

struct nlmsghdr *netlink_request(void *buffer, uint16_t type, uint16_t flags, size_t extra, void **header)
{
    struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = type;
    request->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    *header = mnl_nlmsg_put_extra_header(request, extra);
    return request;
}

static int run(struct netlink *netlink, struct nlmsghdr *request, mnl_cb_t each, void *arg)
{
    char answer[NETLINK_ANSWER];
    request->nlmsg_seq = ++netlink->sequence;
    if (mnl_socket_sendto(netlink->socket, request, request->nlmsg_len) < 0)
        return -errno;
    for (;;) {
        ssize_t len = mnl_socket_recvfrom(netlink->socket, answer, sizeof answer);
        if (len < 0)
            return -errno;
        int more =
            mnl_cb_run(answer, (size_t)len, netlink->sequence, mnl_socket_get_portid(netlink->socket), each, arg);
        if (more < 0)
            return -errno;
        if (more == 0)
            return 0;
    }
}

int netlink_ask(struct netlink *netlink, struct nlmsghdr *request)
{
    return netlink_ask_for(netlink, request, NULL, NULL);
}

int netlink_ask_for(struct netlink *netlink, struct nlmsghdr *request, mnl_cb_t each, void *arg)
{
    request->nlmsg_flags |= NLM_F_ACK;
    return run(netlink, request, each, arg);
}

int netlink_dump(struct netlink *netlink, struct nlmsghdr *request, mnl_cb_t each, void *arg)
{
    request->nlmsg_flags |= NLM_F_DUMP;
    return run(netlink, request, each, arg);
}
