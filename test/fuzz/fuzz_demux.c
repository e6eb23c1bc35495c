/* SPDX-License-Identifier: Apache-2.0 */
/* A datagram as a socket gives it: kind of socket, size of the segments (two bytes), then its bytes. Its pieces lie one
 * behind the other, and none is left out; each is what it is by its own bytes. */
#include <stdlib.h>
#include <string.h>

#include "daemon/demux.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 3 };

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* What a piece of these bytes is to be. */
static void check(enum udp_kind socket, struct bytes bytes, enum encap_kind kind, const struct packet *piece)
{
    struct bytes content = bytes;
    enum encap_kind wanted = socket == UDP_IKE ? ENCAP_IKE : ENCAP_ESP;
    if (socket == UDP_NATT)
        wanted = encap_classify(bytes, &content);
    require(kind == wanted && piece->len == content.len);
    require(content.len == 0 || packet_data(piece) == content.data);
    require(piece->offset + piece->len <= piece->capacity);
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD || size - HEAD > 65535)
        return 0;
    enum udp_kind socket = (enum udp_kind)(data[0] % 3);
    const uint32_t segment = load_u16(data + 1);
    const size_t len = size - HEAD;
    uint8_t *buffer = malloc(len + 1);
    require(buffer != NULL);
    memcpy(buffer, data + HEAD, len);
    struct datagram datagram = {.packet = packet_of(buffer, len, 0), .segment = segment};
    datagram.packet.len = (uint32_t)len;
    struct demux demux = demux_of(socket, &datagram);
    enum encap_kind kind;
    struct packet piece;
    size_t at = 0, pieces = 0;
    for (; demux_next(&demux, &kind, &piece); pieces++) {
        const size_t own = segment == 0 ? len : smaller(segment, len - at);
        require(at < len || pieces == 0);
        check(socket, bytes_of(buffer + at, own), kind, &piece);
        at += own;
    }
    require(at == len && pieces > 0);
    free(buffer);
    return 0;
}
