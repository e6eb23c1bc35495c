/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outer header's fields that follow from the inner one, and the way back (RFC 4301 5.1.2, RFC 6040). The kernel
 * writes outer headers; this says what to ask of it. Inner packets given here have passed flow_read.
 *
 * All of it runs for every packet, so what is cheap stands here; the rare part is in header.c.
 */
#ifndef ESP_HEADER_H
#define ESP_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/tunnel.h"

enum { ECN_NOT_ECT = 0, ECN_ECT_1 = 1, ECN_ECT_0 = 2, ECN_CE = 3, ECN_MASK = 3 }; /* RFC 3168 5 */

/* The byte TOS of IPv4; the traffic class of IPv6, which lies across two bytes. */
static inline uint8_t header_tos(const uint8_t *inner)
{
    return (inner[0] >> 4) == 4 ? inner[1] : (uint8_t)((inner[0] & 15) << 4 | inner[1] >> 4);
}

/* DSCP and ECN of the outer header (the byte TOS or traffic class), for an inner packet (RFC 4301 5.1.2, RFC 6040 4.1:
 * ECN is copied in normal mode, else Not-ECT). */
static inline uint8_t header_outer_tos(const struct tunnel *tunnel, const uint8_t *inner)
{
    unsigned tos = header_tos(inner);
    unsigned dscp = tunnel->dscp == DSCP_COPY ? tos : tunnel->dscp << 2;
    return (uint8_t)((dscp & ~(unsigned)ECN_MASK) | (tunnel->ecn ? tos & ECN_MASK : ECN_NOT_ECT));
}

/* True for an IPv4 packet without DF: it may be cut. */
static inline bool header_may_fragment(const uint8_t *inner)
{
    return (inner[0] >> 4) == 4 && (inner[6] & 0x40) == 0;
}

/* True when the outer IPv4 header gets DF: see enum df_choice. */
static inline bool header_outer_df(const struct tunnel *tunnel, const uint8_t *inner)
{
    return tunnel->df == DF_SET || (tunnel->df == DF_COPY && !header_may_fragment(inner));
}

/* header_merge_ecn for any outer ECN field: use that. */
bool header_merge_marked(uint8_t *inner, uint8_t outer_tos);

/* Takes the outer ECN field into the inner packet, by the table of RFC 6040 4.2; the DSCP stays (RFC 4301 5.1.2). An
 * IPv4 header checksum stays right. False: the packet must be dropped (CE over Not-ECT), it is unchanged. */
static inline bool header_merge_ecn(uint8_t *inner, uint8_t outer_tos)
{
    return (outer_tos & ECN_MASK) == ECN_NOT_ECT || header_merge_marked(inner, outer_tos);
}

#endif
