/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/protocol.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* The first name of a number is the one that is printed. */
static const struct {
    unsigned number;
    const char *name;
} names[] = {
    {PROTOCOL_ANY, "any"},
    {PROTOCOL_ICMP, "icmp"},
    {2, "igmp"},
    {4, "ipip"},
    {PROTOCOL_TCP, "tcp"},
    {PROTOCOL_UDP, "udp"},
    {PROTOCOL_DCCP, "dccp"},
    {41, "ipv6"},
    {47, "gre"},
    {PROTOCOL_ESP, "esp"},
    {PROTOCOL_AH, "ah"},
    {PROTOCOL_ICMPV6, "icmpv6"},
    {PROTOCOL_ICMPV6, "ipv6-icmp"},
    {89, "ospf"},
    {103, "pim"},
    {108, "ipcomp"},
    {112, "vrrp"},
    {115, "l2tp"},
    {PROTOCOL_SCTP, "sctp"},
    {PROTOCOL_UDPLITE, "udplite"},
};

bool protocol_parse(const char *text, unsigned *number)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i].name, text) == 0) {
            *number = names[i].number;
            return true;
        }
    }
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 3 || text[digits] != '\0')
        return false;
    unsigned value = 0;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (unsigned)(text[i] - '0');
    *number = value;
    return value <= 255;
}

const char *protocol_print(unsigned number, char out[PROTOCOL_TEXT])
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].number == number) {
            snprintf(out, PROTOCOL_TEXT, "%s", names[i].name);
            return out;
        }
    }
    snprintf(out, PROTOCOL_TEXT, "%u", number);
    return out;
}
