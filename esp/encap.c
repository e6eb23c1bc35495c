/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/encap.h"

enum { KEEPALIVE = 0xff, ESP_HEADER = 8 };

enum encap_kind encap_classify(struct bytes datagram, struct bytes *content)
{
    *content = bytes_of(datagram.data, 0);
    if (datagram.len == 1 && datagram.data[0] == KEEPALIVE)
        return ENCAP_KEEPALIVE;

    struct reader r = reader_of_bytes(datagram);
    uint32_t first = read_u32(&r);
    if (r.failed)
        return ENCAP_MALFORMED;
    if (first == 0) { /* no SPI is zero on the wire: RFC 3948 2.2 */
        *content = read_rest(&r);
        return ENCAP_IKE;
    }
    if (datagram.len < ESP_HEADER)
        return ENCAP_MALFORMED;
    *content = datagram;
    return ENCAP_ESP;
}
