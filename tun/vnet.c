/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/vnet.h"

#include <string.h>

enum {
    FLAG_NEEDS_CHECKSUM = 1,
    GSO_ECN = 0x80,
};

/* TUN's own order is that of the machine, unless it was told otherwise (TUNSETVNETLE, TUNSETVNETBE). */
static uint16_t read_native(struct reader *r)
{
    uint16_t value = 0;
    struct bytes two = read_bytes(r, sizeof value);
    if (!r->failed)
        memcpy(&value, two.data, sizeof value);
    return value;
}

static enum status check_gso(const struct vnet *v, bool ecn)
{
    switch (v->gso) {
    case VNET_GSO_NONE: return ecn ? ERR_MALFORMED : OK;
    case VNET_GSO_UDP_L4:
        if (ecn)
            return ERR_MALFORMED;
        break;
    case VNET_GSO_TCPV4:
    case VNET_GSO_TCPV6: break;
    default: return ERR_UNSUPPORTED;
    }
    return v->gso_size > 0 && v->needs_checksum ? OK : ERR_MALFORMED;
}

/* Flags that we do not know are passed over, as virtio asks of a driver. */
enum status vnet_read(struct bytes header, struct vnet *out)
{
    struct reader r = reader_of_bytes(header);
    uint8_t flags = read_u8(&r), type = read_u8(&r);
    *out = (struct vnet){
        .gso = (enum vnet_gso)(type & ~GSO_ECN),
        .needs_checksum = (flags & FLAG_NEEDS_CHECKSUM) != 0,
    };
    out->headers = read_native(&r);
    out->gso_size = read_native(&r);
    out->checksum_start = read_native(&r);
    out->checksum_offset = read_native(&r);
    if (out->gso == VNET_GSO_NONE)
        out->gso_size = 0;
    enum status status = reader_finish(&r);
    return status == OK ? check_gso(out, (type & GSO_ECN) != 0) : status;
}

void vnet_write(const struct vnet *vnet, uint8_t out[VNET_HEADER])
{
    const uint16_t fields[] = {vnet->headers, vnet->gso_size, vnet->checksum_start, vnet->checksum_offset};
    out[0] = vnet->needs_checksum ? FLAG_NEEDS_CHECKSUM : 0;
    out[1] = (uint8_t)vnet->gso;
    memcpy(out + 2, fields, sizeof fields);
}
