/* SPDX-License-Identifier: Apache-2.0 */
/* Any inner packet: what classification reads of it, and of the packet that it quotes when it is an ICMP error. */
#include <stdlib.h>
#include <string.h>

#include "policy/protocol.h"
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

static void check_fragment(const struct flow *flow, size_t len)
{
    require(flow->is_fragment == (flow->fragment_len > 0));
    require(flow->is_fragment == (flow->fragment_offset > 0 || flow->more_fragments));
    require(flow->fragment_offset + flow->fragment_len <= 65535);
    require(!flow->more_fragments || flow->fragment_len % 8 == 0);
    require(flow->fragment_offset > 0 ? flow->upper == 0 : flow->upper + (size_t)flow->upper_len == len);
}

/* A quotation is a run of bytes of the packet: what it tells stands there. */
static void check_quoted(const struct flow *flow, const struct flow *quoted, size_t len)
{
    require(flow->protocol == (flow->source.family == 4 ? 1 : 58) && flow->upper_len > 0);
    if (quoted->source.family == 0) {
        static const struct flow nothing;
        require(memcmp(quoted, &nothing, sizeof nothing) == 0);
        return;
    }
    require(quoted->source.family == flow->source.family && quoted->destination.family == flow->source.family);
    require(flow->upper + 8 + (size_t)quoted->upper + quoted->upper_len <= len);
    require(!quoted->has_ports || (protocol_has_ports(quoted->protocol) && quoted->upper_len >= 4));
    require(quoted->fragment_len == 0 && (quoted->fragment_offset == 0 || quoted->upper == 0));
    struct selector all = {.local = range_any(flow->source.family), .remote = range_any(flow->source.family)};
    all.local_port = all.remote_port = port_any();
    require(selector_admits_error(&all, flow, quoted) ==
            (!flow->is_fragment && address_equal(&flow->destination, &quoted->source)));
    struct flow twice = flow_reversed(quoted);
    twice = flow_reversed(&twice);
    require(memcmp(&twice, quoted, sizeof twice) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct flow quoted, quoted_again;
    struct flow flow, again;
    size_t len = 0, len_again = 0;
    if (flow_read(bytes_of(data, size), &flow, &len) != OK)
        return 0;
    require(size > 0 && len > 0 && len <= size);
    require(flow.source.family == data[0] >> 4 && flow.destination.family == flow.source.family);
    require(!flow.has_ports || protocol_has_ports(flow.protocol));
    match(&flow);
    check_fragment(&flow, len);
    bool is_error = flow_read_quoted(bytes_of(data, size), &flow, &quoted);
    if (is_error)
        check_quoted(&flow, &quoted, len);

    /* Without what lies behind the packet: the same answer, and nothing beyond its end is read. */
    uint8_t *exact = malloc(len);
    if (exact == NULL)
        return 0;
    memcpy(exact, data, len);
    require(flow_read(bytes_of(exact, len), &again, &len_again) == OK && len_again == len);
    require(memcmp(&flow, &again, sizeof flow) == 0);
    require(flow_read_quoted(bytes_of(exact, len), &again, &quoted_again) == is_error);
    require(memcmp(&quoted, &quoted_again, sizeof quoted) == 0);
    free(exact);
    return 0;
}
