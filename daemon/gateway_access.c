/* SPDX-License-Identifier: Apache-2.0 */
/* Remote access: who logs in at us, and the virtual address that a concentrator gives us. */
#include <errno.h>
#include <string.h>

#include "daemon/gateway_state.h"
#include "tun/host.h"

/* --- server --- */

static void on_answer(void *arg, uint64_t ticket, bool right)
{
    struct gateway *g = arg;
    ike_xauth_answer(g->ike, gateway_now(g), ticket, right);
    gateway_settle(g);
}

void gateway_open_access(struct gateway *g)
{
    g->logins = (struct logins){.loop = &g->loop.uv, .vault = g->vault, .answer = on_answer, .arg = g};
}

void gateway_close_access(struct gateway *g)
{
    logins_close(&g->logins);
}

enum xauth_verdict gateway_xauth_check(void *arg, uint64_t ticket, uint32_t connection, struct bytes user,
                                       struct bytes password)
{
    struct gateway *g = arg;
    const struct connection *c = &g->tables.connections[connection];
    enum status status = logins_add(&g->logins, ticket, c->access->users, user, password);
    if (status == OK)
        return XAUTH_LATER;
    log_about(g->log, LOG_WARNING, connection, c->name, "a login was refused: %s",
              status == ERR_LIMIT ? "too many wait already" : status_text(status));
    return XAUTH_WRONG;
}

/* --- client --- */

static void change(struct gateway *g, uint32_t connection, const struct address *address, bool add)
{
    const char *name = g->tables.connections[connection].name;
    struct netlink netlink;
    char text[ADDRESS_TEXT];
    if (address->family == 0)
        return;
    address_print(address, text);
    if (g->device.index == 0) {
        if (add)
            log_about(g->log, LOG_WARNING, connection, name,
                      "the TUN lies in another network namespace: put the virtual address %s on it there", text);
        return;
    }
    int error = netlink_open(&netlink) == OK ? 0 : -errno;
    if (error == 0) {
        error = host_address(&netlink, add, address, g->device.index);
        netlink_close(&netlink);
    }
    if (error == 0 || error == -EEXIST || (!add && error == -EADDRNOTAVAIL))
        log_about(g->log, LOG_INFO, connection, name, "virtual address %s %s %s", text, add ? "put on" : "taken from",
                  g->device.name);
    else
        log_about(g->log, LOG_ERROR, connection, name, "the virtual address %s cannot be %s %s: %s%s", text,
                  add ? "put on" : "taken from", g->device.name, strerror(-error),
                  error == -EPERM ? "; it needs the capability NET_ADMIN" : "");
}

void gateway_net_down(void *arg, uint32_t connection)
{
    struct gateway *g = arg;
    for (size_t f = 0; f < FAMILIES; f++) {
        struct address *have = &g->tables.virtual[connection].address[f];
        change(g, connection, have, false);
        *have = (struct address){0};
    }
    routes_repair(g->routes);
}

/* The new one first: sockets that are bound to neither keep a way out. */
void gateway_net_up(void *arg, uint32_t connection, const struct virtual_net *net)
{
    struct gateway *g = arg;
    for (size_t f = 0; f < FAMILIES; f++) {
        struct address *have = &g->tables.virtual[connection].address[f];
        struct address old = *have;
        if (address_equal(have, &net->address[f]))
            continue;
        *have = net->address[f];
        change(g, connection, have, true);
        change(g, connection, &old, false);
    }
}
