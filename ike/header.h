/* SPDX-License-Identifier: Apache-2.0 */
/* The header of every IKE message: RFC 2408 3.1, and with other words RFC 7296 3.1. */
#ifndef IKE_HEADER_H
#define IKE_HEADER_H

#include "base/wire.h"

enum {
    IKE_HEADER_LEN = 28,
    IKE_HEADER_NEXT_AT = 16,
    IKE_HEADER_VERSION_AT = 17,
    IKE_HEADER_FLAGS_AT = 19,
    IKE_HEADER_LENGTH_AT = 24
};

enum exchange_type {
    EXCHANGE_MAIN = 2, /* "identity protection" */
    EXCHANGE_AGGRESSIVE = 4,
    EXCHANGE_INFORMATIONAL = 5,
    EXCHANGE_TRANSACTION = 6,
    EXCHANGE_QUICK = 32,
};

enum { FLAG_ENCRYPTION = 1, FLAG_COMMIT = 2 };

struct ike_header {
    uint64_t spi_i, spi_r; /* in version 1 called cookies; as big-endian numbers */
    uint8_t next_payload;
    uint8_t major, minor;
    uint8_t exchange;
    uint8_t flags;
    uint32_t message_id;
};

/* ERR_MALFORMED: under 28 bytes, or the length field is not the datagram's (B1). ERR_LIMIT: over IKE_MESSAGE_MAX. */
MUST_USE enum status header_read(struct bytes message, struct ike_header *out);

/* The length is written as zero; header_finish sets it when the message is complete. */
void header_write(struct writer *w, const struct ike_header *header);
void header_finish(struct writer *w);

#endif
