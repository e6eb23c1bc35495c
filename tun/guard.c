/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/guard.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tun/guard_rules.h"
#include "tun/nft.h"
#include "tun/route.h"

enum { GUARD_NAME = sizeof GUARD_TABLE - 1 + DEVICE_NAME };

static const char *table_name(const char *device, char out[GUARD_NAME])
{
    (void)snprintf(out, GUARD_NAME, GUARD_TABLE "%s", device);
    return out;
}

/* A name that nft takes as it is, since the log tells how to delete the table with it. */
static bool name_fits(const char *device)
{
    for (const char *c = device; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && strchr("._-", *c) == NULL)
            return false;
    return device[0] != '\0';
}

/* --- its counters --- */

bool guard_count(const struct guard *guard, struct guard_counts *out)
{
    struct netlink netlink;
    char table[GUARD_NAME];
    if (guard->device[0] == '\0' || netlink_open_bus(&netlink, NETLINK_NETFILTER) != OK)
        return false;
    table_name(guard->device, table);
    bool known = nft_counter_read(&netlink, table, GUARD_IN_CLEAR, &out->in_clear) &&
                 nft_counter_read(&netlink, table, GUARD_OUT_CLEAR, &out->out_clear);
    netlink_close(&netlink);
    return known;
}

/* --- its rules --- */

static enum status explain(int error, char *why, size_t why_len)
{
    const char *remedy = "this kernel lacks nf_tables or a part of it: load its modules (modprobe -a nf_tables "
                         "nft_objref), or use 'guard = no' in [gateway]";
    if (error == -EPERM)
        remedy = "it needs CAP_NET_ADMIN, or 'guard = no' in [gateway]";
    if (error == -ENOMEM || error == -ENOBUFS || error == -EMSGSIZE)
        remedy =
            "memory is short, or the ACL is too long for one transaction of nf_tables: use 'guard = no' in [gateway]";
    (void)snprintf(why, why_len, "cannot install the guard: %s; %s", strerror(-error), remedy);
    return ERR_IO;
}

/* 0, or a negative errno: then what was there is there. spd: NULL to remove it. */
static int exchange(const char *device, const struct spd *spd)
{
    char table[GUARD_NAME];
    struct nft_batch batch;
    struct netlink netlink;
    if (netlink_open_bus(&netlink, NETLINK_NETFILTER) != OK)
        return -errno;
    nft_batch_begin(&batch, table_name(device, table));
    if (spd == NULL)
        nft_table_delete(&batch);
    else
        guard_rules(&batch, spd, device, ROUTE_MARK);
    int error = nft_commit(&batch, &netlink);
    nft_batch_free(&batch);
    netlink_close(&netlink);
    return error;
}

static enum status install(const char *device, const struct spd *spd, char *why, size_t why_len)
{
    int error = exchange(device, spd);
    return error == 0 ? OK : explain(error, why, why_len);
}

static bool has_rules(const char *device)
{
    struct guard_counts counts;
    struct guard there = {0};
    (void)snprintf(there.device, sizeof there.device, "%s", device);
    return guard_count(&there, &counts);
}

bool guard_is_there(const char *tun)
{
    char name[DEVICE_NAME], why[256];
    bool here;
    return device_identify(tun, name, &here, why, sizeof why) == OK && here && has_rules(name);
}

static void remove_left_over(const char *device, const struct log *log)
{
    char table[GUARD_NAME];
    if (!has_rules(device)) /* none is there, or it is not for us to see */
        return;
    int error = exchange(device, NULL);
    table_name(device, table);
    if (error == 0)
        log_write(log, LOG_INFO, "guard = no: table inet %s of an earlier run is removed", table);
    else
        log_write(log, LOG_WARNING, "table inet %s of an earlier run cannot be removed: %s", table, strerror(-error));
}

static enum status refuse(const char *name, const char *what, char *why, size_t why_len)
{
    (void)snprintf(why, why_len, "cannot install the guard: the TUN %s %s; use 'guard = no' in [gateway]", name, what);
    return ERR_UNSUPPORTED;
}

enum status guard_start(struct guard *guard, const char *tun, bool wanted, const struct spd *spd, const struct log *log,
                        char *why, size_t why_len)
{
    char name[DEVICE_NAME];
    bool here;
    *guard = (struct guard){0};
    enum status status = device_identify(tun, name, &here, why, why_len);
    if (status != OK)
        return status;
    bool fits = name_fits(name);
    if (!wanted) {
        if (here && fits)
            remove_left_over(name, log);
        return OK;
    }
    if (!here)
        return refuse(name, "lies in another network namespace", why, why_len);
    if (!fits)
        return refuse(name, "has a name with other characters than letters, digits, '.', '_' and '-'", why, why_len);
    status = install(name, spd, why, why_len);
    if (status == OK)
        memcpy(guard->device, name, sizeof guard->device);
    return status;
}

enum status guard_replace(const struct guard *guard, const struct spd *spd, char *why, size_t why_len)
{
    return guard->device[0] != '\0' ? install(guard->device, spd, why, why_len) : OK;
}

void guard_farewell(const struct guard *guard, const struct log *log)
{
    char table[GUARD_NAME];
    if (guard->device[0] == '\0')
        return;
    log_write(log, LOG_INFO,
              "the guard stays and keeps protected traffic from leaving in clear: 'nft delete table inet %s', or a "
              "start with 'guard = no', lifts it",
              table_name(guard->device, table));
}
