/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/path_errors.h"

#include <errno.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/sockaddr.h"

/* Nothing but the type that can be a claim reaches us. */
static int filter(int fd, uint8_t family)
{
    if (family == 4) {
        struct icmp_filter wanted = {.data = ~(1u << ICMP_DEST_UNREACH)};
        return setsockopt(fd, SOL_RAW, ICMP_FILTER, &wanted, sizeof wanted);
    }
    struct icmp6_filter wanted;
    ICMP6_FILTER_SETBLOCKALL(&wanted);
    ICMP6_FILTER_SETPASS(ICMP6_PACKET_TOO_BIG, &wanted);
    return setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &wanted, sizeof wanted);
}

static int open_raw(uint8_t family, const struct log *log)
{
    int protocol = family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
    int fd = socket(sockaddr_family(family), SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (fd >= 0 && filter(fd, family) == 0)
        return fd;
    /* A host without IPv6 has no such paths. */
    if (errno != EAFNOSUPPORT)
        log_write(log, LOG_WARNING,
                  "the path MTU of IPv%u is not learned from the network: %s; it needs CAP_NET_RAW, or set mtu in "
                  "[gateway] to what the path carries",
                  family, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

void path_errors_open(struct path_errors *errors, const struct log *log)
{
    errors->fd4 = open_raw(4, log);
    errors->fd6 = open_raw(6, log);
}

void path_errors_close(struct path_errors *errors)
{
    if (errors->fd4 >= 0)
        close(errors->fd4);
    if (errors->fd6 >= 0)
        close(errors->fd6);
    errors->fd4 = errors->fd6 = -1;
}

/* A raw IPv4 socket gives the IP header, a raw IPv6 socket does not. */
static struct bytes message_of(uint8_t family, struct bytes datagram)
{
    struct reader r = reader_of_bytes(datagram);
    if (family == 4) {
        size_t header = (size_t)(read_u8(&r) & 15) * 4;
        (void)read_bytes(&r, header > 0 ? header - 1 : 0);
    }
    return read_rest(&r);
}

size_t path_errors_read(const struct path_errors *errors, uint8_t family,
                        void (*claim)(void *arg, const struct icmp_claim *claim), void *arg)
{
    uint8_t buffer[PATH_ERROR_BYTES];
    size_t refused = 0;
    for (unsigned i = 0; i < PATH_ERRORS_BATCH; i++) {
        ssize_t len = recv(family == 4 ? errors->fd4 : errors->fd6, buffer, sizeof buffer, 0);
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0)
            break;
        struct icmp_claim found;
        enum status status = icmp_read_claim(family, message_of(family, bytes_of(buffer, (size_t)len)), &found);
        if (status == OK)
            claim(arg, &found);
        else
            refused += status == ERR_MALFORMED;
    }
    return refused;
}
