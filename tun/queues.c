/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/queues.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "tun/netlink.h"

static int look_at_tun(const struct nlattr *attribute, void *arg)
{
    if (mnl_attr_get_type(attribute) == IFLA_TUN_NUM_QUEUES && mnl_attr_validate(attribute, MNL_TYPE_U32) == 0)
        *(int *)arg = (int)mnl_attr_get_u32(attribute);
    return MNL_CB_OK;
}

static int look_at_info(const struct nlattr *attribute, void *arg)
{
    if (mnl_attr_get_type(attribute) == IFLA_INFO_DATA)
        (void)mnl_attr_parse_nested(attribute, look_at_tun, arg);
    return MNL_CB_OK;
}

static int look_at_link(const struct nlattr *attribute, void *arg)
{
    if (mnl_attr_get_type(attribute) == IFLA_LINKINFO)
        (void)mnl_attr_parse_nested(attribute, look_at_info, arg);
    return MNL_CB_OK;
}

static int on_link(const struct nlmsghdr *message, void *arg)
{
    (void)mnl_attr_parse(message, sizeof(struct ifinfomsg), look_at_link, arg);
    return MNL_CB_OK;
}

int queues_attached(const char *name)
{
    struct netlink netlink;
    char buffer[NETLINK_REQUEST];
    void *header;
    int count = -1;
    unsigned index = if_nametoindex(name);
    if (index == 0 || netlink_open(&netlink) != OK)
        return -1;
    struct nlmsghdr *request = netlink_request(buffer, RTM_GETLINK, 0, sizeof(struct ifinfomsg), &header);
    ((struct ifinfomsg *)header)->ifi_index = (int)index;
    if (netlink_ask_for(&netlink, request, on_link, &count) != 0)
        count = -1;
    netlink_close(&netlink);
    return count;
}
