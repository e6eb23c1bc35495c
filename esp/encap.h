/* SPDX-License-Identifier: Apache-2.0 */
/* What a datagram on UDP 4500 is (RFC 3948 2). */
#ifndef ESP_ENCAP_H
#define ESP_ENCAP_H

#include "base/wire.h"

enum { ENCAP_MARKER = 4 }; /* bytes of zero before an IKE message on 4500 (the "non-ESP marker") */

enum encap_kind {
    ENCAP_MALFORMED, /* empty, 1 to 3 bytes other than 0xff, or an ESP packet with less than SPI and SN */
    ENCAP_KEEPALIVE, /* the single byte 0xff: ignored */
    ENCAP_IKE,       /* content: behind the marker */
    ENCAP_ESP,       /* content: from the SPI on */
};

enum encap_kind encap_classify(struct bytes datagram, struct bytes *content);

#endif
