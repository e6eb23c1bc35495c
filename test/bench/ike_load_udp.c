/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ike/ike.h"
#include "test/bench/ike_load.h"

enum { BUFFER_BYTES = 8 << 20, TAKEN_AT_ONCE = 256, MARKER = 4 };

static const uint16_t ports[2] = {IKE_PORT, IKE_NATT_PORT};

static int open_one(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, size = BUFFER_BYTES;
    const struct sockaddr_in all = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0 ||
        bind(fd, (const struct sockaddr *)(const void *)&all, sizeof all) != 0)
        die("cannot open UDP 500 and 4500", strerror(errno));
    return fd;
}

void load_udp_open(struct load_udp *udp)
{
    for (int i = 0; i < 2; i++)
        udp->fds[i] = open_one(ports[i]);
}

void load_udp_send(struct load_udp *udp, const struct path *path, struct bytes message)
{
    union {
        struct cmsghdr align;
        uint8_t room[CMSG_SPACE(sizeof(struct in_pktinfo))];
    } control = {.room = {0}};
    bool natt = path->local.port == IKE_NATT_PORT;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(path->remote.port)};
    struct in_pktinfo info = {0};
    memcpy(&to.sin_addr, path->remote.address.bytes, sizeof to.sin_addr);
    memcpy(&info.ipi_spec_dst, path->local.address.bytes, sizeof info.ipi_spec_dst);
    static uint8_t marker[MARKER]; /* RFC 3948 2.2 */
    struct iovec parts[2] = {{marker, natt ? MARKER : 0}, {(void *)(uintptr_t)message.data, message.len}};
    struct msghdr m = {.msg_name = &to,
                       .msg_namelen = sizeof to,
                       .msg_iov = parts,
                       .msg_iovlen = 2,
                       .msg_control = &control,
                       .msg_controllen = sizeof control.room};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = IPPROTO_IP;
    c->cmsg_type = IP_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof info);
    memcpy(CMSG_DATA(c), &info, sizeof info);
    udp->sent++;
    if (sendmsg(udp->fds[natt], &m, 0) < 0)
        udp->refused++; /* lost, as on any network: the engine repeats it */
}

static bool receive_one(struct load_udp *udp, int i, struct path *path, struct bytes *message)
{
    union {
        struct cmsghdr align;
        uint8_t room[CMSG_SPACE(sizeof(struct in_pktinfo))];
    } control;
    struct sockaddr_in from;
    struct iovec part = {udp->marked, sizeof udp->marked};
    struct msghdr m = {.msg_name = &from,
                       .msg_namelen = sizeof from,
                       .msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control.room};
    ssize_t len = recvmsg(udp->fds[i], &m, 0);
    if (len < 0)
        return false;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    struct in_pktinfo info = {0};
    if (c != NULL && c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
        memcpy(&info, CMSG_DATA(c), sizeof info);
    path->local = (struct endpoint){address_of(4, &info.ipi_addr), ports[i]};
    path->remote = (struct endpoint){address_of(4, &from.sin_addr), ntohs(from.sin_port)};
    size_t skip = i == 1 ? MARKER : 0;
    bool is_ike = (size_t)len > skip && (skip == 0 || load_u32(udp->marked) == 0);
    *message = is_ike ? bytes_of(udp->marked + skip, (size_t)len - skip) : (struct bytes){0};
    return true;
}

void load_udp_receive(struct load_udp *udp, int wait_ms,
                      void (*take)(void *arg, const struct path *path, struct bytes message), void *arg)
{
    struct pollfd polled[2] = {{udp->fds[0], POLLIN, 0}, {udp->fds[1], POLLIN, 0}};
    if (poll(polled, 2, wait_ms) <= 0)
        return;
    for (int i = 0; i < 2; i++) {
        struct path path;
        struct bytes message;
        for (int n = 0; n < TAKEN_AT_ONCE && receive_one(udp, i, &path, &message); n++)
            if (message.len > 0)
                take(arg, &path, message);
    }
}
