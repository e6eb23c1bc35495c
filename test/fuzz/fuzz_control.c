/* SPDX-License-Identifier: Apache-2.0 */
/* Any line of a client of the control socket. */
#include <stdlib.h>
#include <string.h>

#include "daemon/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct request request;
    const char *why = NULL;
    if (request_parse(bytes_of(data, size), &request, &why) != OK) {
        require(why != NULL && *why != '\0');
        return 0;
    }
    size_t len = strnlen(request.name, sizeof request.name);
    require(len < sizeof request.name);
    require((request.verb == REQUEST_STATUS) == (len == 0));
    /* The name goes into answers and the log as it is. */
    for (size_t i = 0; i < len; i++)
        require(request.name[i] > ' ' && request.name[i] < 0x7f);
    return 0;
}
