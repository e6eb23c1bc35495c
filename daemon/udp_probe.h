/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do UDP GSO and GRO of this kernel do what they promise? At the start, before any traffic, a message of several
 * datagrams goes over the loopback interface, between two sockets of our own that know only each other: their number,
 * sizes, order and contents must be right, received with GRO and without. So the segmentation that the kernel does by
 * itself is tested, and how its pieces are handed over. What a network card does, or a driver for it, no loopback
 * shows; for one such fault that is known the version of the kernel has to do.
 *
 * Where the test cannot run (no loopback interface up, a packet filter on it) nothing is known, and nothing is turned
 * off: the faults are rare, and a send that the kernel refuses is sent again packet by packet (daemon/udp_send.c).
 */
#ifndef DAEMON_UDP_PROBE_H
#define DAEMON_UDP_PROBE_H

#include <stdbool.h>

#include "base/log.h"
#include "base/wire.h"

enum {
    UDP_PROBE_SEGMENTS = 8,
    UDP_PROBE_SIZE = 500, /* of each; any loopback carries it */
    UDP_PROBE_TAIL = 7,   /* of one more */
    UDP_PROBE_BYTES = UDP_PROBE_SEGMENTS * UDP_PROBE_SIZE + UDP_PROBE_TAIL,
    UDP_PROBE_WHY = 128,
};

enum udp_verdict { UDP_UNKNOWN, UDP_RIGHT, UDP_WRONG };

struct udp_finding {
    enum udp_verdict verdict;
    char why[UDP_PROBE_WHY]; /* unless it is right */
};

struct udp_findings {
    struct udp_finding gso, gro;
};

/* Clears *gso and *gro where they are on and wrong, with a warning. */
void udp_probe(const struct log *log, bool *gso, bool *gro);

/* --- its parts --- */

/* Asks the kernel, over IPv4 or IPv6. */
void udp_probe_ask(uint8_t family, struct udp_findings *out);

/* What follows from it. */
void udp_probe_judge(const struct udp_findings *findings, uint8_t family, const struct log *log, bool *gso, bool *gro);

/* Linux 7.0 to 7.1.4 write wrong lengths and checksums into UDP segments for some network cards. `release` as uname has
 * it: "7.0.2-6-pve". */
bool udp_probe_doubts(const char *release);

/* The datagrams of the message as they arrive. */
struct udp_arrivals {
    uint8_t number; /* of the message: each has contents of its own */
    size_t bytes;   /* that have arrived */
    char why[UDP_PROBE_WHY];
};

void udp_probe_message(uint8_t number, uint8_t out[UDP_PROBE_BYTES]);

/* False, with `why`, when it is not the next one. */
MUST_USE bool udp_probe_take(struct udp_arrivals *arrivals, struct bytes datagram);

/* True when all have been taken, else `why` says what is missing. */
MUST_USE bool udp_probe_whole(struct udp_arrivals *arrivals);

#endif
