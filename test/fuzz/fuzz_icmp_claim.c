/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "Too big", both ways. First byte: bit 0 IPv6, bit 1 makes the checksum of an ICMP message right (no fuzzer finds it),
 * bit 2 takes what follows for an inner packet that does not fit instead, behind two bytes of MTU.
 */
#include <stdlib.h>
#include <string.h>

#include "esp/icmp.h"
#include "test/inner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void read_claim(uint8_t family, const uint8_t *message, size_t len)
{
    static const struct icmp_claim none;
    struct icmp_claim claim;
    enum status status = icmp_read_claim(family, bytes_of(message, len), &claim);
    if (status != OK) {
        require(status == ERR_UNSUPPORTED || status == ERR_MALFORMED);
        require(memcmp(&claim, &none, sizeof none) == 0);
        return;
    }
    require(claim.path.local.address.family == family && claim.path.remote.address.family == family);
    require(claim.spi != 0);
    require(claim.udp || (claim.path.local.port == 0 && claim.path.remote.port == 0));
    require(family == 6 || (claim.mtu <= 0xffff && naive_sum(0, message, len) == 0xffff));
    require(len >= (family == 4 ? 8U + 20 + 4 : 8U + 40 + 4));
}

static void say_too_big(const uint8_t *packet, size_t size, uint32_t mtu)
{
    struct flow flow, answer;
    size_t len = 0, answer_len = 0;
    uint8_t out[ICMP_TOO_BIG_MAX];
    if (flow_read(bytes_of(packet, size), &flow, &len) != OK)
        return;
    size_t written = icmp_too_big(bytes_of(packet, len), &flow, mtu, out);
    if (written == 0)
        return;
    uint8_t family = flow.source.family;
    require(written <= (family == 4 ? 576 : 1280));
    require(flow_read(bytes_of(out, written), &answer, &answer_len) == OK && answer_len == written);
    require(address_equal(&answer.source, &flow.destination) && address_equal(&answer.destination, &flow.source));
    require(family == 6 || naive_sum(0, out, 20) == 0xffff);
    require((family == 4 ? naive_sum(0, out + 20, written - 20) : naive_upper_sum(out, written, &answer)) == 0xffff);
    size_t quoted = written - answer.upper - 8;
    require(quoted <= len && memcmp(out + answer.upper + 8, packet, quoted) == 0);
    require(icmp_too_big(bytes_of(out, written), &answer, mtu, out) == 0); /* never about an error */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    if ((data[0] & 4) != 0) {
        say_too_big(data + 3, size - 3, load_u16(data + 1));
        return 0;
    }
    uint8_t *message = malloc(size - 1);
    if (message == NULL)
        return 0;
    memcpy(message, data + 1, size - 1);
    if ((data[0] & 2) != 0 && size - 1 >= 4) {
        store_u16(message + 2, 0);
        store_u16(message + 2, (uint16_t)(0xffff - naive_sum(0, message, size - 1)));
    }
    read_claim(data[0] & 1 ? 6 : 4, message, size - 1);
    free(message);
    return 0;
}
