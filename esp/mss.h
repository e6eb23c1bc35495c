/* SPDX-License-Identifier: Apache-2.0 */
/* The maximum segment size in TCP SYNs, so that no segment needs fragmenting (RFC 9293 3.7.1, RFC 4459 3.2). */
#ifndef ESP_MSS_H
#define ESP_MSS_H

#include "policy/flow.h"
#include "policy/protocol.h"

/* The largest segment of an inner packet of inner_mtu bytes, without options (RFC 6691): mtu - 40, or - 60. At least 1:
 * an MTU that small does not exist (RFC 791 3.2: 68). */
uint32_t mss_of_mtu(uint8_t family, uint32_t inner_mtu);

/* The rest of mss_clamp, for who knows that the packet is a SYN. */
bool mss_clamp_syn(uint8_t *packet, size_t len, const struct flow *flow, uint32_t limit);

/* True for a TCP SYN or SYN-ACK, all or the first fragment of it. */
static inline bool mss_is_syn(const uint8_t *packet, size_t len, const struct flow *flow)
{
    enum { FLAGS = 13, FIN = 1, SYN = 2, RST = 4 };
    return flow->protocol == PROTOCOL_TCP && flow->upper != 0 && len > (size_t)flow->upper + FLAGS &&
           (packet[flow->upper + FLAGS] & (FIN | SYN | RST)) == SYN;
}

/*
 * Lowers the MSS option of a TCP SYN or SYN-ACK to `limit` where it is larger; the TCP checksum follows: it stays
 * right, or as wrong as it was. packet: whole, accepted by flow_read, with its fields in flow. Never raises, never adds
 * an option (without one the peer must assume 536 or 1220). Left alone: a broken option list, and what an AH in front
 * of it signs. limit: at least 1. True when it changed something.
 */
static inline bool mss_clamp(uint8_t *packet, size_t len, const struct flow *flow, uint32_t limit)
{
    return mss_is_syn(packet, len, flow) && mss_clamp_syn(packet, len, flow, limit);
}

#endif
