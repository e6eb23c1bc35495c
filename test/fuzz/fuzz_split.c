/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any vnet header (10 bytes) and limit (2) before any packet: what is split is, to its receiver, the stream that it
 * was; a checksum that is completed changes its field alone. Behind the packet's own bytes the payload goes on with
 * counting ones up to its total length, so that small inputs make big packets.
 */
#include "test/offload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRONT = VNET_HEADER + 2, COUNT_MAX = 2000 };

/* One byte at a time would take a second. */
static bool is_too_many(const struct flow *flow, const struct vnet *vnet, uint32_t limit)
{
    uint32_t segment = vnet->gso_size, overhead = flow->upper + 20u;
    if (flow->protocol == PROTOCOL_TCP && limit > overhead && limit - overhead < segment)
        segment = limit - overhead;
    return segment > 0 && flow->upper_len / segment > COUNT_MAX;
}

static void complete(uint8_t *packet, size_t len, const struct flow *flow, const struct vnet *vnet)
{
    uint8_t *before = malloc(len);
    REQUIRE(before != NULL);
    memcpy(before, packet, len);
    size_t start = vnet->checksum_start, field = start + vnet->checksum_offset;
    if (split_complete(packet, len, flow, vnet) == OK && vnet->needs_checksum) {
        REQUIRE(start >= flow->upper && field + 2 <= len);
        REQUIRE((naive_sum(0, packet + start, len - start) + load_u16(before + field)) % 0xffff == 0);
        memcpy(before + field, packet + field, 2);
    }
    REQUIRE(memcmp(before, packet, len) == 0);
    free(before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t room[OFFLOAD_ROOM];
    struct vnet vnet;
    struct flow flow;
    size_t total = 0;
    enum status status;
    if (size < FRONT || size - FRONT > sizeof room || vnet_read(bytes_of(data, VNET_HEADER), &vnet) != OK)
        return 0;
    uint32_t limit = load_u16(data + VNET_HEADER);
    memcpy(room, data + FRONT, size - FRONT);
    for (size_t i = size - FRONT; i < sizeof room; i++)
        room[i] = (uint8_t)(i ^ i >> 8);
    if (flow_read(bytes_of(room, sizeof room), &flow, &total) != OK || is_too_many(&flow, &vnet, limit))
        return 0;
    uint8_t *packet = malloc(total); /* of the exact size, so that a sanitizer sees the first byte too far */
    REQUIRE(packet != NULL);
    memcpy(packet, room, total);
    uint32_t count = check_split(bytes_of(packet, total), &flow, &vnet, limit, &status);
    REQUIRE((count > 0) == (status == OK));
    REQUIRE(status == ERR_UNSUPPORTED ? vnet.gso == VNET_GSO_NONE : vnet.gso != VNET_GSO_NONE);
    complete(packet, total, &flow, &vnet);
    free(packet);
    return 0;
}
