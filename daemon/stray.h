/* SPDX-License-Identifier: Apache-2.0 */
/* A packet on its way from the worker that has read it to the one whose SA it needs, through a ring. */
#ifndef DAEMON_STRAY_H
#define DAEMON_STRAY_H

#include "base/ring.h"
#include "daemon/udp.h"
#include "policy/flow.h"
#include "tun/vnet.h"

struct stray {
    bool inbound;
    bool own; /* of our own making: only the packet counts, and nothing has looked at it yet */
    /* From the TUN: it has met this rule, and the flow finds its SA. */
    uint32_t rule;
    struct flow flow;
    struct vnet vnet;
    /* From the network: how it came. Its packet is empty. */
    struct datagram datagram;
    /* Set by stray_take: the bytes (from the network: ESP, from the SPI on), in the ring, with the room that sealing
     * needs before and behind them. */
    struct packet packet;
};

/* A copy of both into the ring; the reader still has to be woken. False: there is no room. What comes from the network,
 * and nobody has verified yet, leaves half of the ring to what comes from the TUN. */
bool stray_put(struct ring *ring, const struct stray *stray, struct bytes packet);

/* The next one, which lies in the ring until ring_release; NULL: there is none. */
struct stray *stray_take(struct ring *ring);

#endif
