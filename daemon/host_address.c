/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/host_address.h"

#include <stdlib.h>

#include "esp/echo.h"
#include "tun/host.h"
#include "tun/netlink.h"

int host_address_rule(const struct spd *spd, uint32_t connection, const struct address *from, const struct address *to)
{
    const struct flow echo = echo_flow(from, to);
    int rule = from->family == to->family ? spd_lookup(spd, &echo) : SPD_RULE_NONE;
    bool ours =
        rule != SPD_RULE_NONE && spd->rules[rule].action == ACTION_PROTECT && spd->rules[rule].connection == connection;
    return ours ? rule : SPD_RULE_NONE;
}

struct address host_address_for(const struct spd *spd, uint32_t connection, const struct address *to, bool *known)
{
    struct address found = {0};
    struct netlink netlink;
    struct host_place *places = NULL;
    size_t count = 0;
    int error = netlink_open(&netlink) == OK ? 0 : -1;
    if (error == 0) {
        error = host_addresses(&netlink, 0, &places, &count);
        netlink_close(&netlink);
    }
    for (size_t i = 0; i < count && found.family == 0; i++)
        if (host_address_rule(spd, connection, &places[i].address, to) != SPD_RULE_NONE)
            found = places[i].address;
    free(places);
    if (known != NULL)
        *known = error == 0;
    return found;
}
