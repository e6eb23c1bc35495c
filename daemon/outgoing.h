/* SPDX-License-Identifier: Apache-2.0 */
/* Which way the host would reach a peer. Asked with ROUTE_MARK, so that our own routes do not answer. */
#ifndef DAEMON_OUTGOING_H
#define DAEMON_OUTGOING_H

#include "policy/address.h"

/* The local address that packets to `remote` leave from; family 0 when there is no route. */
struct address outgoing_source(const struct address *remote);

/* The MTU of the way that packets of the path take, in UDP or as raw ESP (tun/host.h); 0: unknown. */
uint32_t outgoing_mtu(const struct path *path, bool udp);

#endif
