/* SPDX-License-Identifier: Apache-2.0 */
/* Any inner packet as an answer to our echo requests: what is taken for one has our token, an identifier, a checksum
 * that is right, and is of the one length. */
#include <stdlib.h>
#include <string.h>

#include "esp/echo.h"
#include "test/inner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct echo_mark mark = {.identifier = 77,
                                          .token = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
    struct flow flow;
    struct echo echo;
    uint8_t again[ECHO_MAX];
    size_t len = 0;
    if (flow_read(bytes_of(data, size), &flow, &len) != OK)
        return 0;
    uint8_t *exact = malloc(len);
    if (exact == NULL)
        return 0;
    memcpy(exact, data, len);
    if (echo_answer(&mark, bytes_of(exact, len), &flow, &echo)) {
        size_t whole = echo_request(&mark, &echo, again);
        require(flow.upper_len == ECHO_MESSAGE && flow.upper + (size_t)ECHO_MESSAGE == len);
        require(memcmp(exact + flow.upper + 4, again + whole - ECHO_MESSAGE + 4, ECHO_MESSAGE - 4) == 0);
        uint32_t sum = flow.source.family == 6 ? naive_upper_sum(exact, len, &flow)
                                               : naive_sum(0, exact + flow.upper, ECHO_MESSAGE);
        require(sum % 0xffff == 0);
    }
    free(exact);
    return 0;
}
