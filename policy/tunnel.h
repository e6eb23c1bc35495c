/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How inner packets of one connection travel in outer ones: the choices of RFC 4301 5.1.2 and 8. Plain values, set by
 * the configuration, copied into the child and from there into its SA.
 */
#ifndef POLICY_TUNNEL_H
#define POLICY_TUNNEL_H

#include <stdbool.h>
#include <stdint.h>

/* The DF bit of an outer IPv4 header (RFC 4301 8.1). */
enum df_choice {
    DF_COPY,  /* from an inner IPv4 packet; set for an inner IPv6 packet, which no router may fragment either */
    DF_SET,   /* never fragmented on the way */
    DF_CLEAR, /* may be fragmented on the way: the path MTU then binds nobody */
};

/* Where an inner IPv4 packet without DF that does not fit is cut (RFC 4301 8.2, RFC 4303 3.3.4). */
enum cut_choice {
    CUT_BEFORE_SEALING, /* before sealing: the peer gets whole ESP packets */
    CUT_AFTER_SEALING,  /* after sealing, by the kernel and by routers: the peer must reassemble */
};

enum { DSCP_COPY = 64 }; /* else 0 to 63: the one value of all outer headers */

enum { MSS_AUTO = 0, MSS_OFF = 1 }; /* else the upper limit itself, in bytes */

struct tunnel {
    enum df_choice df;
    enum cut_choice fragment;
    uint32_t dscp;        /* 0 to 63, or DSCP_COPY */
    bool ecn;             /* RFC 6040: "normal mode", else "compatibility mode" (outer Not-ECT) */
    bool outer_fragments; /* ESP that arrived in fragments, reassembled by the kernel, is taken */
    uint32_t mss;         /* of TCP SYNs both ways: MSS_AUTO (what fits into the inner MTU), MSS_OFF, or a limit */
};

#endif
