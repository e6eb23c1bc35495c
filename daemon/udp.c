/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/udp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/sockaddr.h"
#include "daemon/steer.h"
#include "daemon/udp_open.h"
#include "daemon/udp_state.h"
#include "ike/ike.h"

enum status udp_open(const struct connection *connections, size_t count, const struct udp_share *share,
                     const struct log *log, struct udp **out, char *why, size_t why_len)
{
    *out = NULL;
    struct udp *udp = calloc(1, sizeof *udp);
    if (udp == NULL)
        return ERR_MEMORY;
    enum status status =
        udp_open_sockets(connections, count, share, log, udp->sockets, UDP_SOCKETS_MAX, &udp->count, why, why_len);
    if (status != OK) {
        udp_close(udp);
        return status;
    }
    *out = udp;
    return OK;
}

void udp_steer(const struct udp *control, size_t shards, const struct log *log)
{
    for (size_t i = 0; i < control->count; i++)
        if (control->sockets[i].fd >= 0 && control->sockets[i].kind == UDP_NATT &&
            !steer_datagrams(control->sockets[i].fd, shards))
            log_write(
                log, LOG_WARNING,
                "the kernel cannot lead ESP in UDP to its worker by the SPI: %s; packets take a detour, so use a newer "
                "kernel (4.5 or later), or workers = 1",
                strerror(errno));
}

void udp_close(struct udp *udp)
{
    for (size_t i = 0; udp != NULL && i < udp->count; i++)
        if (udp->sockets[i].fd >= 0)
            close(udp->sockets[i].fd);
    free(udp);
}

bool udp_can_segment(int fd)
{
    int none = 0;
    return setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &none, sizeof none) == 0;
}

static void offload(const struct udp *udp, struct udp_socket *s)
{
    int on = udp->gro;
    if (s->fd < 0 || s->kind != UDP_NATT)
        return;
    s->gso = udp->gso && udp_can_segment(s->fd);
    s->gro = setsockopt(s->fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on) == 0 && udp->gro;
}

void udp_offload(struct udp *udp, bool gso, bool gro)
{
    udp->gso = gso;
    udp->gro = gro;
    for (size_t i = 0; i < udp->count; i++)
        offload(udp, &udp->sockets[i]);
}

/* --- other connections --- */

static void close_socket(struct udp_socket *s, const struct udp_watcher *watcher)
{
    watcher->closing(watcher->arg, s);
    close(s->fd);
    *s = (struct udp_socket){.fd = -1}; /* of no family: nothing finds it */
}

static struct udp_socket *free_place(struct udp *udp)
{
    for (size_t i = 0; i < udp->count; i++)
        if (udp->sockets[i].fd < 0)
            return &udp->sockets[i];
    return udp->count < UDP_SOCKETS_MAX ? &udp->sockets[udp->count++] : NULL;
}

enum status udp_extend(struct udp *udp, const struct connection *connections, size_t count,
                       const struct udp_share *share, const struct log *log, const struct udp_watcher *watcher,
                       char *why, size_t why_len)
{
    struct udp_socket all[UDP_SOCKETS_MAX], *added[UDP_SOCKETS_MAX];
    size_t had = 0, total, placed = 0;
    for (size_t i = 0; i < udp->count; i++)
        if (udp->sockets[i].fd >= 0)
            all[had++] = udp->sockets[i];
    total = had;
    enum status status = udp_open_sockets(connections, count, share, log, all, UDP_SOCKETS_MAX, &total, why, why_len);
    for (size_t i = had; i < total; i++) {
        struct udp_socket *place = free_place(udp); /* there is one: all fit into UDP_SOCKETS_MAX */
        *place = all[i];
        offload(udp, place);
        added[placed++] = place;
        if (status == OK)
            status = watcher->opened(watcher->arg, place);
    }
    while (status != OK && placed > 0)
        close_socket(added[--placed], watcher);
    return status;
}

void udp_trim(struct udp *udp, const struct connection *connections, size_t count, const struct udp_watcher *watcher)
{
    for (size_t i = 0; i < udp->count; i++)
        if (udp->sockets[i].fd >= 0 && !udp_socket_needed(&udp->sockets[i], connections, count))
            close_socket(&udp->sockets[i], watcher);
}

size_t udp_count(const struct udp *udp)
{
    return udp->count;
}

const struct udp_socket *udp_at(const struct udp *udp, size_t i)
{
    return &udp->sockets[i];
}

/* --- receiving --- */

/* The kernel hands the TOS over as one byte, the other numbers as an int. */
static int control_number(const struct cmsghdr *c)
{
    int number = 0;
    uint8_t byte = 0;
    if (c->cmsg_len == CMSG_LEN(sizeof byte)) {
        memcpy(&byte, CMSG_DATA(c), sizeof byte);
        return byte;
    }
    if (c->cmsg_len >= CMSG_LEN(sizeof number))
        memcpy(&number, CMSG_DATA(c), sizeof number);
    return number;
}

static void take_control_ipv4(const struct cmsghdr *c, struct datagram *datagram)
{
    struct in_pktinfo info;
    switch (c->cmsg_type) {
    case IP_PKTINFO:
        memcpy(&info, CMSG_DATA(c), sizeof info);
        datagram->path.local.address = address_of(4, &info.ipi_addr);
        break;
    case IP_TOS: datagram->tos = (uint8_t)control_number(c); break;
    case IP_RECVFRAGSIZE: datagram->fragmented = control_number(c) > 0; break;
    default: break;
    }
}

static void take_control_ipv6(const struct cmsghdr *c, struct datagram *datagram)
{
    struct in6_pktinfo info;
    switch (c->cmsg_type) {
    case IPV6_PKTINFO:
        memcpy(&info, CMSG_DATA(c), sizeof info);
        datagram->path.local.address = address_of(6, &info.ipi6_addr);
        break;
    case IPV6_TCLASS: datagram->tos = (uint8_t)control_number(c); break;
    case IPV6_RECVFRAGSIZE: datagram->fragmented = control_number(c) > 0; break;
    default: break;
    }
}

/* UDP GRO: the kernel has joined datagrams of this size, the last may be shorter. */
static void take_control_udp(const struct cmsghdr *c, struct datagram *datagram)
{
    uint32_t size = udp_segment_of(c);
    if (size > 0 && size < datagram->packet.len)
        datagram->segment = size;
}

static void take_control(struct msghdr *message, struct datagram *datagram)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == IPPROTO_IP)
            take_control_ipv4(c, datagram);
        else if (c->cmsg_level == IPPROTO_IPV6)
            take_control_ipv6(c, datagram);
        else
            take_control_udp(c, datagram);
    }
}

/* A raw IPv4 socket gives the IP header, a raw IPv6 socket does not. */
static void strip_ip_header(struct packet *packet)
{
    uint32_t header = packet->len > 0 ? (packet_data(packet)[0] & 15u) * 4u : 0;
    if (header < 20 || packet_pull(packet, header) == NULL)
        packet->len = 0;
}

static void take_datagram(const struct udp_socket *socket, struct mmsghdr *message, struct datagram *datagram)
{
    bool cut = (message->msg_hdr.msg_flags & MSG_TRUNC) != 0;
    datagram->packet.len = cut ? 0 : message->msg_len;
    datagram->path.remote = endpoint_of_sockaddr(message->msg_hdr.msg_name);
    datagram->path.local = (struct endpoint){socket->local, socket->kind == UDP_IKE ? IKE_PORT : IKE_NATT_PORT};
    datagram->tos = 0;
    datagram->fragmented = false;
    datagram->segment = 0;
    take_control(&message->msg_hdr, datagram);
    if (socket->kind != UDP_RAW_ESP)
        return;
    datagram->path.remote.port = datagram->path.local.port = 0;
    if (socket->family == 4)
        strip_ip_header(&datagram->packet);
}

size_t udp_receive(struct udp *udp, const struct udp_socket *socket, struct datagram *datagrams, size_t n)
{
    size_t most = socket->gro ? UDP_BATCH_GRO : UDP_BATCH;
    if (n > most)
        n = most;
    for (size_t i = 0; i < n; i++) {
        struct packet *p = &datagrams[i].packet;
        p->offset = PACKET_HEADROOM;
        udp->vectors[i] = (struct iovec){p->buffer + p->offset, p->capacity - p->offset};
        udp->messages[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &udp->names[i],
                                                        .msg_namelen = sizeof udp->names[i],
                                                        .msg_iov = &udp->vectors[i],
                                                        .msg_iovlen = 1,
                                                        .msg_control = udp->controls[i].bytes,
                                                        .msg_controllen = sizeof udp->controls[i].bytes}};
    }
    int count = recvmmsg(socket->fd, udp->messages, (unsigned)n, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++)
        take_datagram(socket, &udp->messages[i], &datagrams[i]);
    return count > 0 ? (size_t)count : 0;
}
