/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What esptun does to inner packets, for a referee outside: one request a line, one answer a line. Numbers are decimal,
 * packets are hex:
 *     too_big MTU PACKET     the packet that goes back to the sender, or "none"
 *     fragment MTU PACKET    the fragments, separated by blanks, or "none"
 *     mss LIMIT PACKET       the packet, changed or not
 *     ecn TOS PACKET         the packet after a tunnel whose outer byte was TOS, or "none": dropped
 *     claim FAMILY MESSAGE   what a router said: LOCAL REMOTE SPI UDP(0|1) MTU, or "none"
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "esp/fragment.h"
#include "esp/header.h"
#include "esp/icmp.h"
#include "esp/mss.h"
#include "test/inner.h"

enum { LINE_MAX_LEN = 2 * PACKET_PAYLOAD_MAX + 64 };

static uint8_t packet[PACKET_PAYLOAD_MAX], out[PACKET_PAYLOAD_MAX];

static size_t from_hex(const char *hex)
{
    size_t len = 0;
    unsigned byte;
    for (; len < sizeof packet && sscanf(hex, "%2x", &byte) == 1; hex += 2)
        packet[len++] = (uint8_t)byte;
    return len;
}

static void print(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        printf("%02x", data[i]);
}

static bool fragment(size_t len, uint32_t mtu)
{
    struct fragmenter f;
    if (fragment_begin(&f, bytes_of(packet, len), mtu) != OK)
        return false;
    for (struct packet p = packet_of(out, sizeof out, 0); fragment_next(&f, &p); p = packet_of(out, sizeof out, 0)) {
        print(packet_data(&p), p.len);
        printf(" ");
    }
    return true;
}

static bool claim(size_t len, uint8_t family)
{
    struct icmp_claim said;
    char local[ENDPOINT_TEXT], remote[ENDPOINT_TEXT];
    if (icmp_read_claim(family, bytes_of(packet, len), &said) != OK)
        return false;
    printf("%s %s %" PRIu32 " %d %" PRIu32, endpoint_print(&said.path.local, local),
           endpoint_print(&said.path.remote, remote), said.spi, said.udp, said.mtu);
    return true;
}

static bool answer(const char *verb, uint32_t number, size_t len)
{
    struct flow flow;
    if (strcmp(verb, "claim") == 0)
        return claim(len, (uint8_t)number);
    if (flow_read(bytes_of(packet, len), &flow, &len) != OK)
        return false;
    if (strcmp(verb, "fragment") == 0)
        return fragment(len, number);
    if (strcmp(verb, "too_big") == 0) {
        size_t written = icmp_too_big(bytes_of(packet, len), &flow, number, out);
        print(out, written);
        return written > 0;
    }
    if (strcmp(verb, "mss") == 0)
        mss_clamp(packet, len, &flow, number);
    else if (strcmp(verb, "ecn") != 0 || !header_merge_ecn(packet, (uint8_t)number))
        return false;
    print(packet, len);
    return true;
}

int main(void)
{
    char *line = malloc(LINE_MAX_LEN);
    if (line == NULL)
        return 1;
    while (fgets(line, LINE_MAX_LEN, stdin) != NULL) {
        char *rest = line, *verb = strsep(&rest, " "), *number = strsep(&rest, " ");
        bool done = rest != NULL && answer(verb, (uint32_t)strtoul(number, NULL, 10), from_hex(rest));
        printf(done ? "\n" : "none\n");
        fflush(stdout);
    }
    free(line);
    return 0;
}
