/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/guard.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tun/guard_text.h"
#include "tun/netlink.h"
#include "tun/route.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#ifdef ESPTUN_NFTABLES
#include <nftables/libnftables.h>
#endif

enum { GUARD_NAME = sizeof GUARD_TABLE - 1 + DEVICE_NAME };

static const char *table_name(const char *device, char out[GUARD_NAME])
{
    (void)snprintf(out, GUARD_NAME, GUARD_TABLE "%s", device);
    return out;
}

/* --- the kernel's side, asked directly --- */

static struct nlmsghdr *nft_request(char *buffer, uint16_t what, uint8_t family)
{
    void *extra;
    uint16_t type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | what);
    struct nlmsghdr *request = netlink_request(buffer, type, 0, sizeof(struct nfgenmsg), &extra);
    ((struct nfgenmsg *)extra)->nfgen_family = family;
    return request;
}

/* 0, or a negative errno. libnftables would end the process where there is no netfilter at all. */
static int probe(void)
{
    char buffer[NETLINK_REQUEST];
    struct netlink netlink;
    if (netlink_open_bus(&netlink, NETLINK_NETFILTER) != OK)
        return -errno;
    int error = netlink_ask(&netlink, nft_request(buffer, NFT_MSG_GETGEN, NFPROTO_UNSPEC));
    netlink_close(&netlink);
    return error;
}

static int look_at_counter(const struct nlattr *attribute, void *arg)
{
    if (mnl_attr_get_type(attribute) == NFTA_COUNTER_PACKETS && mnl_attr_validate(attribute, MNL_TYPE_U64) == 0)
        *(uint64_t *)arg = be64toh(mnl_attr_get_u64(attribute));
    return MNL_CB_OK;
}

static int look_at_object_attribute(const struct nlattr *attribute, void *arg)
{
    if (mnl_attr_get_type(attribute) == NFTA_OBJ_DATA && mnl_attr_validate(attribute, MNL_TYPE_NESTED) == 0)
        (void)mnl_attr_parse_nested(attribute, look_at_counter, arg);
    return MNL_CB_OK;
}

static int look_at_object(const struct nlmsghdr *message, void *arg)
{
    (void)mnl_attr_parse(message, sizeof(struct nfgenmsg), look_at_object_attribute, arg);
    return MNL_CB_OK;
}

static bool read_counter(struct netlink *netlink, const char *device, const char *name, uint64_t *packets)
{
    char buffer[NETLINK_REQUEST], table[GUARD_NAME];
    struct nlmsghdr *request = nft_request(buffer, NFT_MSG_GETOBJ, NFPROTO_INET);
    mnl_attr_put_strz(request, NFTA_OBJ_TABLE, table_name(device, table));
    mnl_attr_put_strz(request, NFTA_OBJ_NAME, name);
    mnl_attr_put_u32(request, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
    *packets = 0;
    return netlink_ask_for(netlink, request, look_at_object, packets) == 0;
}

bool guard_count(const struct guard *guard, struct guard_counts *out)
{
    struct netlink netlink;
    if (guard->device[0] == '\0' || netlink_open_bus(&netlink, NETLINK_NETFILTER) != OK)
        return false;
    bool known = read_counter(&netlink, guard->device, GUARD_IN_CLEAR, &out->in_clear) &&
                 read_counter(&netlink, guard->device, GUARD_OUT_CLEAR, &out->out_clear);
    netlink_close(&netlink);
    return known;
}

/* --- commands of nft --- */

#ifdef ESPTUN_NFTABLES

static const bool can_execute = true;

/* False with the first line of what nft said. */
static bool execute(const char *commands, char *said, size_t said_len)
{
    struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
    (void)snprintf(said, said_len, "out of memory");
    if (nft == NULL)
        return false;
    bool done = false;
    if (nft_ctx_buffer_error(nft) == 0 && nft_ctx_buffer_output(nft) == 0) {
        done = nft_run_cmd_from_buffer(nft, commands) == 0;
        const char *text = nft_ctx_get_error_buffer(nft);
        (void)snprintf(said, said_len, "%.*s", (int)strcspn(text, "\n"), text);
    }
    nft_ctx_free(nft);
    return done;
}

#else

static const bool can_execute = false;

static bool execute(const char *commands, char *said, size_t said_len)
{
    (void)commands;
    (void)snprintf(said, said_len, "this esptun was built without libnftables");
    return false;
}

#endif

static enum status explain(int error, char *why, size_t why_len)
{
    const char *remedy = "this kernel has no nf_tables: load the module (modprobe nf_tables), or use 'guard = no' in "
                         "[gateway]";
    if (error == -EPERM)
        remedy = "it needs CAP_NET_ADMIN, or 'guard = no' in [gateway]";
    (void)snprintf(why, why_len, "cannot install the guard: %s; %s", strerror(-error), remedy);
    return ERR_IO;
}

static enum status install(const char *device, const struct spd *spd, char *why, size_t why_len)
{
    char said[256];
    int error = probe();
    if (error != 0)
        return explain(error, why, why_len);
    char *text = guard_text(spd, device, ROUTE_MARK);
    if (text == NULL)
        return ERR_MEMORY;
    bool done = execute(text, said, sizeof said);
    free(text);
    if (done)
        return OK;
    (void)snprintf(why, why_len,
                   "cannot install the guard: nft said \"%s\"; it needs CAP_NET_ADMIN and a kernel with "
                   "CONFIG_NF_TABLES_INET, or 'guard = no' in [gateway]",
                   said);
    return ERR_IO;
}

static void remove_left_over(const char *device, const struct log *log)
{
    char command[64 + GUARD_NAME], said[256], table[GUARD_NAME];
    struct guard_counts counts;
    struct guard left = {0};
    (void)snprintf(left.device, sizeof left.device, "%s", device);
    if (!guard_count(&left, &counts)) /* none is there, or it is not for us to see */
        return;
    (void)snprintf(command, sizeof command, "delete table inet %s", table_name(device, table));
    if (execute(command, said, sizeof said))
        log_write(log, LOG_INFO, "guard = no: table inet %s of an earlier run is removed", table);
    else
        log_write(log, LOG_WARNING, "table inet %s of an earlier run cannot be removed: %s", table, said);
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
    bool fits = guard_name_fits(name);
    if (!wanted) {
        if (here && fits)
            remove_left_over(name, log);
        return OK;
    }
    if (!can_execute) {
        (void)snprintf(why, why_len,
                       "cannot install the guard: this esptun was built without libnftables, as static ones are; take "
                       "another, or 'guard = no' in [gateway]");
        return ERR_UNSUPPORTED;
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
