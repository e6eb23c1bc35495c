/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "daemon/sockaddr.h"
#include "daemon/udp_open.h"
#include "daemon/udp_state.h"
#include "esp/encap.h"
#include "esp/sa.h"
#include "ike/ike.h"

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
    if (udp_set_df(socket->fd, socket->family, df))
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

/* --- a batch of one SA --- */

/* What one udp_send_esp works on. */
struct sending {
    struct udp *udp;
    struct udp_socket *socket;
    struct esp_path *path;
    struct msghdr like; /* what all messages have in common: where to, and from where */
    struct control source;
    struct packet *const *packets;
    const struct outer *outer;
    struct drops *drops;
    uint32_t too_big; /* for the interface: the smallest, with its outer headers; 0: none */
};

/* How many segments every kernel with UDP GSO takes. */
enum { GSO_SEGMENTS = 64 };

_Static_assert((int)UDP_BATCH <= (int)GSO_SEGMENTS, "a batch is one message at most");

/* How many packets from `first` on can be one message: of one size, but the last may be shorter. */
static size_t run_length(const struct sending *s, size_t first, size_t end)
{
    uint32_t size = s->packets[first]->len, total = size;
    size_t n = 1;
    if (!s->socket->gso || !s->path->gso)
        return 1;
    for (; first + n < end; n++) {
        uint32_t len = s->packets[first + n]->len;
        if (len > size || s->packets[first + n - 1]->len != size || total + len > UDP_MESSAGE_MAX ||
            s->outer[first + n].tos != s->outer[first].tos)
            break;
        total += len;
    }
    return n;
}

/* One message of n packets from `first` on. */
static void fill(struct sending *s, struct msghdr *message, struct control *control, size_t first, size_t n)
{
    size_t len = s->like.msg_controllen;
    *message = s->like;
    *control = s->source;
    if (s->outer[first].tos != 0) /* 0 is what a socket sends anyway */
        len += put_tos(s->path->path.remote.address.family, s->outer[first].tos, control_at(control, len));
    if (n > 1)
        len += udp_put_segment(s->packets[first]->len, control_at(control, len));
    message->msg_control = len > 0 ? control->bytes : NULL;
    message->msg_controllen = len;
    message->msg_iov = &s->udp->vectors[first];
    message->msg_iovlen = n;
}

static void count_error(struct sending *s, size_t which, int error)
{
    drop_count(s->drops, error == EMSGSIZE ? DROP_OUT_TOO_BIG : DROP_OUT_SOCKET, 1);
    if (error != EMSGSIZE)
        return;
    uint32_t size = s->packets[which]->len + outer_headers(s->path->path.remote.address.family, s->path->in_udp);
    if (s->too_big == 0 || size < s->too_big)
        s->too_big = size;
}

/*
 * The kernel did not take the message. Where that may lie in its being several packets, each is sent on its own, so
 * that the error is that of its packet: too big for the interface is EMSGSIZE, with UDP GSO in older kernels EINVAL;
 * EIO says that the way to this peer cannot segment at all (no checksum offload, a transform on the route). A full
 * buffer is full for all of them.
 */
static void message_refused(struct sending *s, size_t first, size_t n, int error)
{
    struct control control;
    struct msghdr message;
    bool singly = n > 1 && (error == EIO || error == EMSGSIZE || error == EINVAL);
    if (error == EIO && n > 1)
        s->path->gso = false;
    for (size_t i = first; i < first + n; i++) {
        if (singly)
            fill(s, &message, &control, i, 1);
        if (!singly || sendmsg(s->socket->fd, &message, MSG_DONTWAIT) < 0)
            count_error(s, i, singly ? errno : error);
    }
}

/* Packets of one DF. */
static void send_alike(struct sending *s, size_t first, size_t end)
{
    size_t starts[UDP_BATCH + 1], count = 0;
    for (size_t at = first; at < end; count++) {
        size_t n = run_length(s, at, end);
        fill(s, &s->udp->messages[count].msg_hdr, &s->udp->controls[count], at, n);
        starts[count] = at;
        at += n;
    }
    starts[count] = end;
    set_df(s->socket, s->outer[first].df);
    for (size_t sent = 0; sent < count;) {
        int done = sendmmsg(s->socket->fd, s->udp->messages + sent, (unsigned)(count - sent), MSG_DONTWAIT);
        if (done > 0) {
            sent += (size_t)done;
            continue;
        }
        if (done < 0 && errno == EINTR)
            continue;
        /* An error is always that of the first one left: the others may fare better. */
        message_refused(s, starts[sent], starts[sent + 1] - starts[sent], done < 0 ? errno : EAGAIN);
        sent++;
    }
}

uint32_t udp_send_esp(struct udp *udp, struct esp_path *path, struct packet *const *packets, const struct outer *outer,
                      size_t n, struct drops *drops)
{
    struct sending s = {.udp = udp,
                        .socket = find_socket(udp, path->in_udp ? UDP_NATT : UDP_RAW_ESP, &path->path),
                        .path = path,
                        .packets = packets,
                        .outer = outer,
                        .drops = drops};
    if (s.socket == NULL || n > UDP_BATCH) {
        drop_count(drops, DROP_OUT_SOCKET, n);
        return 0;
    }
    s.like = message_to(&path->path, path->in_udp ? path->path.remote.port : 0, &udp->names[0], &s.source);
    for (size_t i = 0; i < n; i++)
        udp->vectors[i] = (struct iovec){packet_data(packets[i]), packets[i]->len};
    for (size_t first = 0, end; first < n; first = end) {
        for (end = first + 1; end < n && outer[end].df == outer[first].df;)
            end++;
        send_alike(&s, first, end);
    }
    return s.too_big;
}
