/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to udp*.c:
 *   udp_open.c   which sockets, and opening them
 *   udp.c        their life, and receiving
 *   udp_send.c   sending
 *   udp_probe.c  what the kernel keeps of its promises
 */
#ifndef DAEMON_UDP_STATE_H
#define DAEMON_UDP_STATE_H

#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/udp.h"

/* Room for the larger of in_pktinfo and in6_pktinfo, TOS or traffic class, the size of fragments, and of segments. */
#define CONTROL_BYTES (CMSG_SPACE(sizeof(struct in6_pktinfo)) + 3 * CMSG_SPACE(sizeof(int)))

struct control {
    _Alignas(struct cmsghdr) uint8_t bytes[CONTROL_BYTES];
};

struct udp {
    struct udp_socket sockets[UDP_SOCKETS_MAX];
    size_t count;
    bool gso, gro; /* what udp_offload was told */
    /* Of one batch, reused by the next. */
    struct mmsghdr messages[UDP_BATCH];
    struct iovec vectors[UDP_BATCH];
    struct sockaddr_storage names[UDP_BATCH];
    struct control controls[UDP_BATCH];
};

/* --- UDP GSO and GRO, for the sockets and for their probe --- */

/* A kernel without UDP GSO does not know the option; 0 leaves it off but where a message asks for it. False, with
 * errno. */
bool udp_can_segment(int fd);

/* The message is datagrams of this size. Returns the room that this takes. */
static inline size_t udp_put_segment(uint32_t size, struct cmsghdr *c)
{
    uint16_t value = (uint16_t)size;
    *c = (struct cmsghdr){CMSG_LEN(sizeof value), IPPROTO_UDP, UDP_SEGMENT};
    memcpy(CMSG_DATA(c), &value, sizeof value);
    return CMSG_SPACE(sizeof value);
}

/* What has come is datagrams of this size, the last may be shorter. 0: it is one, or `c` says something else. */
static inline uint32_t udp_segment_of(const struct cmsghdr *c)
{
    int size = 0;
    if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO && c->cmsg_len >= CMSG_LEN(sizeof size))
        memcpy(&size, CMSG_DATA(c), sizeof size);
    return size > 0 ? (uint32_t)size : 0;
}

#endif
