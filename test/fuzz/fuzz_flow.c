/* SPDX-License-Identifier: Apache-2.0 */
/* Any inner packet: what classification reads of it. */
#include <stdlib.h>
#include <string.h>

#include "policy/selector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void match(const struct flow *flow)
{
    struct selector any = {
        .local = range_any(flow->source.family),
        .remote = range_any(flow->source.family),
        .local_port = port_any(),
        .remote_port = port_any(),
    };
    require(selector_matches(&any, flow));
    require(selector_matches_inbound(&any, flow));
    any.protocol = flow->protocol;
    require(selector_matches(&any, flow));
    any.remote_port = (struct port_range){flow->destination_port, flow->destination_port};
    if (protocol_has_ports(flow->protocol)) /* one port only, unless that is "any": unknown ports never match (B38) */
        require(selector_matches(&any, flow) == flow->has_ports);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct flow flow, again;
    size_t len = 0, len_again = 0;
    if (flow_read(bytes_of(data, size), &flow, &len) != OK)
        return 0;
    require(size > 0 && len > 0 && len <= size);
    require(flow.source.family == data[0] >> 4 && flow.destination.family == flow.source.family);
    require(!flow.has_ports || protocol_has_ports(flow.protocol));
    match(&flow);

    /* Without what lies behind the packet: the same answer, and nothing beyond its end is read. */
    uint8_t *exact = malloc(len);
    if (exact == NULL)
        return 0;
    memcpy(exact, data, len);
    require(flow_read(bytes_of(exact, len), &again, &len_again) == OK && len_again == len);
    require(memcmp(&flow, &again, sizeof flow) == 0);
    free(exact);
    return 0;
}
