/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header that stands before each packet of a TUN with IFF_VNET_HDR (struct virtio_net_hdr): what is left to do to
 * the packet behind it. Offsets count from the start of that packet.
 */
#ifndef TUN_VNET_H
#define TUN_VNET_H

#include <stdbool.h>

#include "base/wire.h"

enum { VNET_HEADER = 10 };

/* Own names: the kernel's header of Debian 12 does not know UDP_L4 yet. */
enum vnet_gso {
    VNET_GSO_NONE = 0,
    VNET_GSO_TCPV4 = 1,
    VNET_GSO_TCPV6 = 4,
    VNET_GSO_UDP_L4 = 5, /* many datagrams of one length in a row (USO), not one that wants fragments (UFO) */
};

struct vnet {
    enum vnet_gso gso;
    bool needs_checksum;      /* the field holds the sum of the pseudo-header only */
    uint16_t gso_size;        /* payload of each segment but the last; 0 without gso */
    uint16_t headers;         /* written for the kernel's sake, never believed when read */
    uint16_t checksum_start;  /* the sum runs from here to the end of the packet; with checksum_offset */
    uint16_t checksum_offset; /* of the field, from checksum_start */
};

/*
 * Reads the header, in the machine's byte order. ERR_MALFORMED: not VNET_HEADER bytes, gso without gso_size or with
 * nothing to sum, ECN without TCP. ERR_UNSUPPORTED: a kind of gso that we never ask the kernel for. Whether the offsets
 * lie inside the packet is checked where the packet is known (tun/split.h).
 */
MUST_USE enum status vnet_read(struct bytes header, struct vnet *out);

/* What vnet_read reads. The ECN bit is not written: it tells of a CWR, and none is in what we merge. */
void vnet_write(const struct vnet *vnet, uint8_t out[VNET_HEADER]);

#endif
