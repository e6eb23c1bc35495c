/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/bypass.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "daemon/sockaddr.h"
#include "tun/route.h"

static int open_raw(uint8_t family, const struct log *log)
{
    int on = 1, mark = ROUTE_MARK;
    int fd = socket(sockaddr_family(family), SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_RAW);
    int made = fd;
    if (made >= 0)
        made = family == 4 ? setsockopt(fd, IPPROTO_IP, IP_HDRINCL, &on, sizeof on)
                           : setsockopt(fd, IPPROTO_IPV6, IPV6_HDRINCL, &on, sizeof on);
    /* Without the mark a packet could come straight back. */
    if (made >= 0)
        made = setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark);
    if (made >= 0)
        return fd;
    log_write(log, LOG_WARNING, "bypass rules of IPv%u cannot send: %s; it needs CAP_NET_RAW and CAP_NET_ADMIN", family,
              strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

void bypass_open(struct bypass *bypass, const struct log *log)
{
    bypass->fd4 = open_raw(4, log);
    bypass->fd6 = open_raw(6, log);
}

void bypass_close(struct bypass *bypass)
{
    if (bypass->fd4 >= 0)
        close(bypass->fd4);
    if (bypass->fd6 >= 0)
        close(bypass->fd6);
    bypass->fd4 = bypass->fd6 = -1;
}

/* The kernel fills in the IPv4 header checksum of what a raw socket sends. */
static bool take_hop(struct packet *packet, uint8_t version)
{
    uint8_t *hops = packet_data(packet) + (version == 4 ? 8 : 7);
    if (*hops <= 1)
        return false;
    (*hops)--;
    return true;
}

enum bypass_result bypass_send(const struct bypass *bypass, const struct flow *flow, struct packet *packet)
{
    if (!take_hop(packet, flow->destination.family))
        return BYPASS_FAILED;
    return bypass_send_piece(bypass, flow, packet);
}

enum bypass_result bypass_send_piece(const struct bypass *bypass, const struct flow *flow, const struct packet *piece)
{
    int fd = flow->destination.family == 4 ? bypass->fd4 : bypass->fd6;
    struct sockaddr_storage to;
    socklen_t len = sockaddr_of(&flow->destination, 0, &to);
    if (fd < 0)
        return BYPASS_FAILED;
    if (sendto(fd, packet_data(piece), piece->len, MSG_DONTWAIT, (struct sockaddr *)&to, len) >= 0)
        return BYPASS_SENT;
    return errno == EMSGSIZE ? BYPASS_TOO_BIG : BYPASS_FAILED;
}
