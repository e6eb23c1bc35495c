/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/sockaddr.h"
#include "daemon/udp_open.h"
#include "esp/encap.h"
#include "ike/ike.h"

/* Room for the larger of in_pktinfo and in6_pktinfo, TOS or traffic class, and the size of fragments. */
#define CONTROL_BYTES (CMSG_SPACE(sizeof(struct in6_pktinfo)) + 2 * CMSG_SPACE(sizeof(int)))

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

enum status udp_open(const struct connection *connections, size_t count, const struct log *log, struct udp **out,
                     char *why, size_t why_len)
{
    *out = NULL;
    struct udp *udp = calloc(1, sizeof *udp);
    if (udp == NULL)
        return ERR_MEMORY;
    enum status status =
        udp_open_sockets(connections, count, log, udp->sockets, UDP_SOCKETS_MAX, &udp->count, why, why_len);
    if (status != OK) {
        udp_close(udp);
        return status;
    }
    *out = udp;
    return OK;
}

void udp_close(struct udp *udp)
{
    for (size_t i = 0; udp != NULL && i < udp->count; i++)
        close(udp->sockets[i].fd);
    free(udp);
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

static void take_control(struct msghdr *message, struct datagram *datagram)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == IPPROTO_IP)
            take_control_ipv4(c, datagram);
        else if (c->cmsg_level == IPPROTO_IPV6)
            take_control_ipv6(c, datagram);
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
    take_control(&message->msg_hdr, datagram);
    if (socket->kind != UDP_RAW_ESP)
        return;
    datagram->path.remote.port = datagram->path.local.port = 0;
    if (socket->family == 4)
        strip_ip_header(&datagram->packet);
}

size_t udp_receive(struct udp *udp, const struct udp_socket *socket, struct datagram *datagrams, size_t n)
{
    if (n > UDP_BATCH)
        n = UDP_BATCH;
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

/* --- sending --- */

static struct udp_socket *find_socket(struct udp *udp, enum udp_kind kind, const struct path *path)
{
    struct udp_socket *wildcard = NULL;
    for (size_t i = 0; i < udp->count; i++) {
        struct udp_socket *s = &udp->sockets[i];
        if (s->kind != kind || s->family != path->remote.address.family)
            continue;
        if (s->local.family == 0 || path->local.address.family == 0)
            wildcard = s;
        else if (address_equal(&s->local, &path->local.address))
            return s;
    }
    return wildcard;
}

/* DF belongs to the socket, not to the packet. Traffic seldom changes its mind, so this is seldom a call. */
static void set_df(struct udp_socket *socket, bool df)
{
    if (socket->df == df)
        return;
    int value = udp_pmtudisc(socket->family, df);
    if (setsockopt(socket->fd, socket->family == 4 ? IPPROTO_IP : IPPROTO_IPV6,
                   socket->family == 4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, &value, sizeof value) == 0)
        socket->df = df;
}

/* Leaves from the address that was addressed. Returns the length of the control data, 0 where the kernel chooses. */
static size_t put_source(const struct address *local, struct cmsghdr *c)
{
    if (local->family == 4) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, local->bytes, 4);
        *c = (struct cmsghdr){CMSG_LEN(sizeof info), IPPROTO_IP, IP_PKTINFO};
        memcpy(CMSG_DATA(c), &info, sizeof info);
        return CMSG_SPACE(sizeof info);
    }
    if (local->family == 6) {
        struct in6_pktinfo info = {0};
        memcpy(&info.ipi6_addr, local->bytes, 16);
        *c = (struct cmsghdr){CMSG_LEN(sizeof info), IPPROTO_IPV6, IPV6_PKTINFO};
        memcpy(CMSG_DATA(c), &info, sizeof info);
        return CMSG_SPACE(sizeof info);
    }
    return 0;
}

static size_t put_tos(uint8_t family, uint8_t tos, struct cmsghdr *c)
{
    int value = tos;
    *c = (struct cmsghdr){CMSG_LEN(sizeof value), family == 4 ? IPPROTO_IP : IPPROTO_IPV6,
                          family == 4 ? IP_TOS : IPV6_TCLASS};
    memcpy(CMSG_DATA(c), &value, sizeof value);
    return CMSG_SPACE(sizeof value);
}

static struct cmsghdr *control_at(struct control *control, size_t len)
{
    return (struct cmsghdr *)(void *)(control->bytes + len);
}

static struct msghdr message_to(const struct path *path, uint16_t port, struct sockaddr_storage *name,
                                struct control *control)
{
    struct msghdr message = {.msg_name = name};
    *control = (struct control){0};
    message.msg_namelen = sockaddr_of(&path->remote.address, port, name);
    message.msg_controllen = put_source(&path->local.address, control_at(control, 0));
    message.msg_control = message.msg_controllen > 0 ? control->bytes : NULL;
    return message;
}

bool udp_send(struct udp *udp, const struct path *path, bool marker, struct bytes bytes)
{
    static const uint8_t zeros[ENCAP_MARKER];
    struct udp_socket *socket = find_socket(udp, path->local.port == IKE_PORT ? UDP_IKE : UDP_NATT, path);
    if (socket == NULL) {
        errno = EADDRNOTAVAIL;
        return false;
    }
    set_df(socket, false);
    struct sockaddr_storage name;
    struct control control;
    struct iovec parts[2] = {{(void *)(uintptr_t)zeros, sizeof zeros}, {(void *)(uintptr_t)bytes.data, bytes.len}};
    struct msghdr message = message_to(path, path->remote.port, &name, &control);
    message.msg_iov = marker ? parts : parts + 1;
    message.msg_iovlen = marker ? 2 : 1;
    return sendmsg(socket->fd, &message, MSG_DONTWAIT) >= 0;
}

/* True when it says that the packet is too big for the interface. */
static bool count_error(struct drops *drops, int error)
{
    drops->count[error == EMSGSIZE ? DROP_OUT_TOO_BIG : DROP_OUT_SOCKET]++;
    return error == EMSGSIZE;
}

static bool send_all(const struct udp_socket *socket, struct mmsghdr *messages, size_t n, struct drops *drops)
{
    bool too_big = false;
    for (size_t sent = 0; sent < n;) {
        int count = sendmmsg(socket->fd, messages + sent, (unsigned)(n - sent), MSG_DONTWAIT);
        if (count > 0) {
            sent += (size_t)count;
            continue;
        }
        if (count < 0 && errno == EINTR)
            continue;
        /* An error is always that of the first one left: it is lost, the others may fare better. */
        too_big |= count_error(drops, count < 0 ? errno : EIO);
        sent++;
    }
    return too_big;
}

static void fill_messages(struct udp *udp, const struct path *path, uint16_t port, struct packet *const *packets,
                          const struct outer *outer, size_t n)
{
    struct msghdr message = message_to(path, port, &udp->names[0], &udp->controls[0]);
    size_t source_len = message.msg_controllen;
    for (size_t i = 0; i < n; i++) {
        struct msghdr *m = &udp->messages[i].msg_hdr;
        udp->vectors[i] = (struct iovec){packet_data(packets[i]), packets[i]->len};
        *m = message;
        m->msg_iov = &udp->vectors[i];
        m->msg_iovlen = 1;
        if (outer[i].tos == 0)
            continue; /* what a socket sends anyway */
        struct control *control = &udp->controls[i];
        if (i > 0)
            memcpy(control->bytes, udp->controls[0].bytes, source_len);
        m->msg_control = control->bytes;
        m->msg_controllen =
            source_len + put_tos(path->remote.address.family, outer[i].tos, control_at(control, source_len));
    }
}

bool udp_send_esp(struct udp *udp, const struct path *path, bool in_udp, struct packet *const *packets,
                  const struct outer *outer, size_t n, struct drops *drops)
{
    struct udp_socket *socket = find_socket(udp, in_udp ? UDP_NATT : UDP_RAW_ESP, path);
    if (socket == NULL || n > UDP_BATCH) {
        drops->count[DROP_OUT_SOCKET] += n;
        return false;
    }
    fill_messages(udp, path, in_udp ? path->remote.port : 0, packets, outer, n);
    bool too_big = false;
    for (size_t first = 0, end; first < n; first = end) {
        for (end = first + 1; end < n && outer[end].df == outer[first].df;)
            end++;
        set_df(socket, outer[first].df);
        too_big |= send_all(socket, udp->messages + first, end - first, drops);
    }
    return too_big;
}
