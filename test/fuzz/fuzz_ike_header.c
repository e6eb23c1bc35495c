/* SPDX-License-Identifier: Apache-2.0 */
/* The header of an IKE message: what is accepted is written back byte for byte. */
#include <stdlib.h>
#include <string.h>

#include "ike/header.h"
#include "ike/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ike_header header;
    uint8_t again[IKE_HEADER_LEN];
    if (header_read(bytes_of(data, size), &header) != OK)
        return 0;
    if (size < IKE_HEADER_LEN || size > IKE_MESSAGE_MAX || header.spi_i == 0)
        abort();
    struct writer w = writer_of(again, sizeof again);
    header_write(&w, &header);
    write_u32_at(&w, IKE_HEADER_LENGTH_AT, size);
    if (w.failed || memcmp(again, data, sizeof again) != 0)
        abort();
    return 0;
}
