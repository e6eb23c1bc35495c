/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/nexthop.h"

#include <errno.h>

#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

static struct nlmsghdr *request_of(void *buffer, uint16_t type, uint16_t flags, uint32_t id, struct nhmsg **header)
{
    void *extra;
    struct nlmsghdr *request = netlink_request(buffer, type, flags, sizeof(struct nhmsg), &extra);
    *header = extra;
    mnl_attr_put_u32(request, NHA_ID, id);
    return request;
}

struct look {
    uint8_t protocol;
    bool blackhole;
};

static int look_at_attribute(const struct nlattr *attribute, void *arg)
{
    struct look *look = arg;
    look->blackhole |= mnl_attr_get_type(attribute) == NHA_BLACKHOLE;
    return MNL_CB_OK;
}

static int look_at(const struct nlmsghdr *message, void *arg)
{
    const struct nhmsg *header = mnl_nlmsg_get_payload(message);
    struct look *look = arg;
    look->protocol = header->nh_protocol;
    (void)mnl_attr_parse(message, sizeof *header, look_at_attribute, look);
    return MNL_CB_OK;
}

static bool is_ours(struct netlink *netlink, uint32_t id, uint8_t protocol)
{
    char buffer[NETLINK_REQUEST];
    struct nhmsg *header;
    struct look look = {0};
    struct nlmsghdr *request = request_of(buffer, RTM_GETNEXTHOP, 0, id, &header);
    return netlink_ask_for(netlink, request, look_at, &look) == 0 && look.protocol == protocol && look.blackhole;
}

int nexthop_add_blackhole(struct netlink *netlink, uint32_t id, uint8_t protocol)
{
    char buffer[NETLINK_REQUEST];
    struct nhmsg *header;
    struct nlmsghdr *request = request_of(buffer, RTM_NEWNEXTHOP, NLM_F_CREATE | NLM_F_EXCL, id, &header);
    header->nh_family = AF_INET6;
    header->nh_protocol = protocol;
    mnl_attr_put(request, NHA_BLACKHOLE, 0, NULL);
    int error = netlink_ask(netlink, request);
    return error == -EEXIST && is_ours(netlink, id, protocol) ? 0 : error;
}

void nexthop_delete(struct netlink *netlink, uint32_t id, uint8_t protocol)
{
    char buffer[NETLINK_REQUEST];
    struct nhmsg *header;
    struct nlmsghdr *request = request_of(buffer, RTM_DELNEXTHOP, 0, id, &header);
    if (is_ours(netlink, id, protocol))
        (void)netlink_ask(netlink, request);
}
