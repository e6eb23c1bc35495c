/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/rule.h"

#include <stdio.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

int ip_rule_add(struct netlink *netlink, const struct ip_rule *rule)
{
    char buffer[NETLINK_REQUEST];
    void *extra;
    struct nlmsghdr *request =
        netlink_request(buffer, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct fib_rule_hdr), &extra);
    struct fib_rule_hdr *header = extra;
    header->family = (unsigned char)rule->family;
    header->action = FR_ACT_TO_TBL;
    mnl_attr_put_u32(request, FRA_PRIORITY, rule->priority);
    mnl_attr_put_u32(request, FRA_TABLE, rule->table);
    mnl_attr_put_u8(request, FRA_PROTOCOL, rule->protocol);
    if (rule->from_device != NULL)
        mnl_attr_put_strz(request, FRA_IIFNAME, rule->from_device);
    if (rule->unless_mark != 0) {
        header->flags |= FIB_RULE_INVERT;
        mnl_attr_put_u32(request, FRA_FWMARK, rule->unless_mark);
        mnl_attr_put_u32(request, FRA_FWMASK, UINT32_MAX);
    }
    return netlink_ask(netlink, request);
}

int ip_rule_delete(struct netlink *netlink, int family, uint32_t priority)
{
    char buffer[NETLINK_REQUEST];
    void *extra;
    struct nlmsghdr *request = netlink_request(buffer, RTM_DELRULE, 0, sizeof(struct fib_rule_hdr), &extra);
    ((struct fib_rule_hdr *)extra)->family = (unsigned char)family;
    mnl_attr_put_u32(request, FRA_PRIORITY, priority);
    return netlink_ask(netlink, request);
}

struct slot_search {
    uint32_t first, count;
    uint8_t protocol;
    enum slot found;
    char *owner;
};

struct rule_fields {
    uint32_t priority;
    uint8_t protocol;
    const char *from_device;
};

static int look_at_attribute(const struct nlattr *attribute, void *arg)
{
    struct rule_fields *fields = arg;
    if (mnl_attr_get_type(attribute) == FRA_PRIORITY)
        fields->priority = mnl_attr_get_u32(attribute);
    else if (mnl_attr_get_type(attribute) == FRA_PROTOCOL)
        fields->protocol = mnl_attr_get_u8(attribute);
    else if (mnl_attr_get_type(attribute) == FRA_IIFNAME && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0)
        fields->from_device = mnl_attr_get_str(attribute);
    return MNL_CB_OK;
}

static int look_at_rule(const struct nlmsghdr *message, void *arg)
{
    struct slot_search *search = arg;
    struct rule_fields fields = {0};
    (void)mnl_attr_parse(message, sizeof(struct fib_rule_hdr), look_at_attribute, &fields);
    if (fields.priority < search->first || fields.priority - search->first >= search->count)
        return MNL_CB_OK;
    enum slot state = fields.protocol == search->protocol ? SLOT_OURS : SLOT_TAKEN;
    if (state > search->found)
        search->found = state;
    if (state == SLOT_OURS && fields.from_device != NULL)
        (void)snprintf(search->owner, RULE_OWNER, "%s", fields.from_device);
    return MNL_CB_OK;
}

enum slot ip_rule_slot(struct netlink *netlink, int family, uint32_t first, uint32_t count, uint8_t protocol,
                       char owner[RULE_OWNER])
{
    char buffer[NETLINK_REQUEST];
    void *extra;
    struct slot_search search = {.first = first, .count = count, .protocol = protocol, .owner = owner};
    struct nlmsghdr *request = netlink_request(buffer, RTM_GETRULE, 0, sizeof(struct fib_rule_hdr), &extra);
    ((struct fib_rule_hdr *)extra)->family = (unsigned char)family;
    /* A family that the kernel does not have has no rules either. */
    (void)netlink_dump(netlink, request, look_at_rule, &search);
    return search.found;
}
