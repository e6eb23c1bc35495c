/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to udp*.c:
 *   udp_open.c   which sockets, and opening them
 *   udp.c        their life, and receiving
 *   udp_send.c   sending
 */
#ifndef DAEMON_UDP_STATE_H
#define DAEMON_UDP_STATE_H

#include <netinet/in.h>
#include <netinet/udp.h>
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
    /* Of one batch, reused by the next. */
    struct mmsghdr messages[UDP_BATCH];
    struct iovec vectors[UDP_BATCH];
    struct sockaddr_storage names[UDP_BATCH];
    struct control controls[UDP_BATCH];
};

#endif
