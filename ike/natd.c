/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/natd.h"

enum status natd_hash(enum prf hash, uint64_t spi_i, uint64_t spi_r, const struct endpoint *end, uint8_t out[HASH_MAX])
{
    uint8_t buffer[8 + 8 + 16 + 2];
    struct writer w = writer_of(buffer, sizeof buffer);
    write_u64(&w, spi_i);
    write_u64(&w, spi_r);
    write_bytes(&w, end->address.bytes, address_len(&end->address));
    write_u16(&w, end->port);
    struct bytes part = writer_bytes(&w);
    return hash_parts(hash, &part, 1, out);
}
