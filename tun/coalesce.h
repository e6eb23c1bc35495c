/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the packets of a network to the big ones that the kernel likes: segments of one TCP stream that came out of a
 * tunnel in a row leave as one super-packet, in one write to the TUN. Nothing is copied; the packets stay where they
 * are until all are out. Whatever is not plainly such a segment passes as it is, byte for byte, and the packets of one
 * flow never change places.
 *
 * The kernel does not look at the checksums of a super-packet, and splits it later under new ones. So each segment's
 * own are verified before it is merged: a broken one passes alone, for its receiver to see.
 */
#ifndef TUN_COALESCE_H
#define TUN_COALESCE_H

#include <sys/uio.h>

#include "policy/flow.h"
#include "tun/vnet.h"

enum {
    COALESCE_BATCH = 192,       /* packets */
    COALESCE_SEGMENTS = 64,     /* of a super-packet at most */
    COALESCE_FLOWS = 8,         /* that packets may still join; more take the place of the oldest */
    COALESCE_HEADERS = 40 + 60, /* IPv6 and the longest TCP header */
};

/* One packet, in the caller's buffer. */
struct coalesce_piece {
    uint8_t *data;
    uint32_t len;
    uint8_t next; /* piece of the same group, behind the first of a group; else meaningless */
};

/* Packets that leave together; most often one that leaves alone. */
struct coalesce_group {
    uint8_t first, last; /* pieces */
    uint8_t count;
    bool is_tcp, verified; /* the first's checksums: looked at only when there is a second */
    uint16_t upper;        /* offset of the TCP or UDP header */
    uint16_t headers;      /* bytes before the payload */
    uint16_t segment;      /* payload of each but the last */
    uint32_t len;          /* of the super-packet */
    uint32_t sequence;     /* expected of the next */
};

struct coalesce {
    bool udp;
    uint8_t pieces_used, groups_used, groups_given, open_used;
    uint8_t open[COALESCE_FLOWS]; /* groups that may grow, the oldest first */
    struct coalesce_piece pieces[COALESCE_BATCH];
    struct coalesce_group groups[COALESCE_BATCH]; /* in the order in which they leave */
    uint8_t header[VNET_HEADER];
    struct iovec iov[1 + COALESCE_SEGMENTS];
    /* Of the group given last: the headers of its first packet as they came, and what coalesce_apart gives next. */
    uint8_t saved[COALESCE_HEADERS];
    uint8_t saved_len, apart, apart_left;
};

/* udp: datagrams of one flow and one length are merged too; only for a TUN whose kernel takes them (TUN_F_USO4). */
void coalesce_begin(struct coalesce *c, bool udp);

/*
 * packet: an inner packet, whole, in a buffer that stays until coalesce_next has given it out; its headers may be
 * changed by then. flow: what flow_read made of it. False, and nothing taken, when COALESCE_BATCH packets are in or
 * some have been given out already: take all with coalesce_next first.
 */
MUST_USE bool coalesce_add(struct coalesce *c, uint8_t *packet, size_t len, const struct flow *flow);

/* For writev to the TUN: the vnet header, then the bytes of one packet or super-packet. */
struct coalesced {
    const struct iovec *iov;
    int count;
    uint32_t packets;
    bool udp; /* a super-packet of UDP */
};

/* What leaves next; *out is good until the next call. False when all are out: then c is empty and ready for more. */
bool coalesce_next(struct coalesce *c, struct coalesced *out);

/* The packets of what coalesce_next gave last, one by one and byte for byte as they came in: for a TUN that did not
 * take them as one. False when all are out. */
bool coalesce_apart(struct coalesce *c, struct bytes *out);

#endif
