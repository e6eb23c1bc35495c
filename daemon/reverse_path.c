/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/reverse_path.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

static int by_address(const void *a, const void *b)
{
    return address_compare(a, b);
}

/* IPv6 has no such check in the kernel. */
static size_t sort_peers(const struct connection *connections, size_t count, struct address *out)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        if (connections[i].remote.family == 4)
            out[found++] = connections[i].remote;
    qsort(out, found, sizeof *out, by_address);
    return found;
}

/* The first address that is not before the range decides. */
static bool has_one(const struct address *sorted, size_t count, const struct address_range *range)
{
    size_t from = 0, to = count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (address_compare(&sorted[middle], &range->first) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from < count && range_has(range, &sorted[from]);
}

bool reverse_path_at_risk(const struct spd *spd, const struct connection *connections, size_t count)
{
    struct address *peers = calloc(count + 1, sizeof *peers);
    if (peers == NULL)
        return false; /* nobody is warned */
    size_t sorted = sort_peers(connections, count, peers);
    bool found = false;
    for (size_t i = 0; i < spd->count && !found; i++)
        found = spd->rules[i].action == ACTION_PROTECT && has_one(peers, sorted, &spd->rules[i].selector.remote);
    free(peers);
    return found;
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
