/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of policy routing ("ip rule"). */
#ifndef TUN_RULE_H
#define TUN_RULE_H

#include "tun/netlink.h"

struct ip_rule {
    int family; /* AF_INET, AF_INET6 */
    uint32_t priority;
    uint32_t table;
    uint8_t protocol;        /* who made it */
    const char *from_device; /* NULL: any */
    uint32_t unless_mark;    /* 0: whatever the mark */
};

/* 0, or a negative errno; -EEXIST when it is there already. */
int ip_rule_add(struct netlink *netlink, const struct ip_rule *rule);
int ip_rule_delete(struct netlink *netlink, int family, uint32_t priority);

enum { RULE_OWNER = 16 }; /* IFNAMSIZ */

enum slot { SLOT_FREE, SLOT_OURS, SLOT_TAKEN };

/* What the rules of `count` priorities from `first` on say: there are none, they are all of our protocol, or somebody
 * else's. `owner` gets the interface that one of them names ("iif"); it is left alone when none does. */
enum slot ip_rule_slot(struct netlink *netlink, int family, uint32_t first, uint32_t count, uint8_t protocol,
                       char owner[RULE_OWNER]);

#endif
