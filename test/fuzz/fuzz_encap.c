/* SPDX-License-Identifier: Apache-2.0 */
/* Any datagram on UDP 4500. */
#include <stdlib.h>

#include "esp/encap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes content = {0};
    switch (encap_classify(bytes_of(data, size), &content)) {
    case ENCAP_MALFORMED: require(content.len == 0 && size < 8); break;
    case ENCAP_KEEPALIVE: require(content.len == 0 && size == 1 && data[0] == 0xff); break;
    case ENCAP_IKE: require(content.len == size - ENCAP_MARKER && load_u32(data) == 0); break;
    case ENCAP_ESP: require(content.len == size && content.data == data && size >= 8 && load_u32(data) != 0); break;
    default: abort();
    }
    unsigned sum = 0;
    for (size_t i = 0; i < content.len; i++)
        sum += content.data[i];
    require(sum <= 255 * size);
    return 0;
}
