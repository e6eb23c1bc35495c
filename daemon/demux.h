/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in a datagram. The kernel joins datagrams by address and port (UDP_GRO), not by what they hold: each piece is
 * looked at on its own, IKE and ESP of different SAs can lie side by side.
 */
#ifndef DAEMON_DEMUX_H
#define DAEMON_DEMUX_H

#include "daemon/udp.h"
#include "esp/encap.h"

struct demux {
    enum udp_kind kind;
    struct packet rest;
    uint32_t size; /* of each piece but the last */
    bool begun;
};

static inline struct demux demux_of(enum udp_kind kind, const struct datagram *datagram)
{
    return (struct demux){.kind = kind,
                          .rest = datagram->packet,
                          .size = datagram->segment != 0 ? datagram->segment : datagram->packet.len};
}

/* The next piece, a place in the datagram: ESP from the SPI on, an IKE message without its marker, or what is neither.
 * False: there is no more. An empty datagram is one piece. */
static inline bool demux_next(struct demux *d, enum encap_kind *kind, struct packet *piece)
{
    if (d->begun && d->rest.len == 0)
        return false;
    d->begun = true;
    *piece = d->rest;
    if (piece->len > d->size)
        piece->len = d->size;
    d->rest.offset += piece->len;
    d->rest.len -= piece->len;
    if (d->kind != UDP_NATT) {
        *kind = d->kind == UDP_IKE ? ENCAP_IKE : ENCAP_ESP;
        return true;
    }
    struct bytes content = bytes_of(packet_data(piece), piece->len);
    *kind = encap_classify(content, &content);
    piece->offset += piece->len - (uint32_t)content.len;
    piece->len = (uint32_t)content.len;
    return true;
}

#endif
