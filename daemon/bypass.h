/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets that a bypass rule sends in clear text: out through raw sockets that carry ROUTE_MARK, by the host's other
 * routes. One hop is taken off, as a router does, so that a route of the operator that leads back into the TUN cannot
 * make a packet circle for ever. All workers share the two sockets: each packet is one call, which the kernel orders.
 */
#ifndef DAEMON_BYPASS_H
#define DAEMON_BYPASS_H

#include "base/log.h"
#include "base/packet.h"
#include "policy/selector.h"

struct bypass {
    int fd4, fd6; /* -1: not available */
};

/* What cannot be opened is said in the log; bypass packets of that family are then dropped and counted. */
void bypass_open(struct bypass *bypass, const struct log *log);
void bypass_close(struct bypass *bypass);

enum bypass_result { BYPASS_SENT, BYPASS_TOO_BIG, BYPASS_FAILED };

/* A whole IP packet that flow_read has accepted; its hop limit is changed. Too big: for the interface. */
enum bypass_result bypass_send(const struct bypass *bypass, const struct flow *flow, struct packet *packet);

/* A piece of a packet that was too big, after its hop was taken. */
enum bypass_result bypass_send_piece(const struct bypass *bypass, const struct flow *flow, const struct packet *piece);

#endif
