/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/reverse_path.h"

#include <net/if.h>
#include <stdio.h>

static bool covered(const struct spd *spd, const struct address *peer)
{
    for (size_t i = 0; i < spd->count; i++)
        if (spd->rules[i].action == ACTION_PROTECT && range_has(&spd->rules[i].selector.remote, peer))
            return true;
    return false;
}

bool reverse_path_at_risk(const struct spd *spd, const struct connection *connections, size_t count)
{
    for (size_t i = 0; i < count; i++)
        /* IPv6 has no such check in the kernel. */
        if (connections[i].remote.family == 4 && covered(spd, &connections[i].remote))
            return true;
    return false;
}

static bool strict(const char *interface)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/sys/net/ipv4/conf/%s/rp_filter", interface);
    FILE *file = fopen(path, "re");
    int value = file != NULL ? fgetc(file) : 0;
    if (file != NULL)
        (void)fclose(file);
    return value == '1';
}

void reverse_path_warn(const struct spd *spd, const struct connection *connections, size_t count, const struct log *log)
{
    if (!reverse_path_at_risk(spd, connections, count))
        return;
    struct if_nameindex *all = if_nameindex();
    bool found = strict("all");
    for (const struct if_nameindex *i = all; i != NULL && i->if_index != 0 && !found; i++)
        found = strict(i->if_name);
    if (all != NULL)
        if_freenameindex(all);
    if (found)
        log_write(log, LOG_WARNING,
                  "a peer lies inside a protected range and this host checks reverse paths strictly (rp_filter = 1), "
                  "which drops what the peer sends: set net.ipv4.conf.all.rp_filter = 2");
}
