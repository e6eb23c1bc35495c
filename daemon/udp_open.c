/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/udp_open.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/sockaddr.h"
#include "daemon/steer.h"
#include "ike/ike.h"
#include "tun/route.h"

/* The set under construction. */
struct opening {
    const struct udp_share *share;
    const struct log *log;
    struct udp_socket *sockets;
    size_t capacity, count;
    bool unmarked; /* said that sockets have no mark */
    char *why;
    size_t why_len;
};

static const char *const kind_text[] = {"UDP port 500", "UDP port 4500", "raw ESP"};

static int open_fd(enum udp_kind kind, uint8_t family)
{
    int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
    if (kind == UDP_RAW_ESP)
        return socket(sockaddr_family(family), SOCK_RAW | flags, IPPROTO_ESP);
    return socket(sockaddr_family(family), SOCK_DGRAM | flags, 0);
}

static void set_option(const struct opening *o, int fd, int level, int option, int value, const char *name)
{
    if (setsockopt(fd, level, option, &value, sizeof value) < 0)
        log_write(o->log, LOG_DEBUG, "socket option %s: %s", name, strerror(errno));
}

/* Without CAP_NET_ADMIN the plain variant takes what net.core.*mem_max allows. */
static void set_buffer(const struct opening *o, int fd, int force, int plain, const char *name)
{
    int value = UDP_BUFFER_BYTES;
    if (setsockopt(fd, SOL_SOCKET, force, &value, sizeof value) < 0)
        set_option(o, fd, SOL_SOCKET, plain, value, name);
}

/* Said once: what keeps one socket from it keeps all. */
static void set_mark(struct opening *o, int fd)
{
    int mark = ROUTE_MARK;
    if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) == 0 || o->unmarked)
        return;
    o->unmarked = true;
    log_write(
        o->log, LOG_WARNING,
        "packets to the peers carry no mark (SO_MARK: %s): where a route to a peer leads to the TUN, they come back "
        "in through it, over and over; give CAP_NET_ADMIN, or CAP_NET_RAW with Linux 5.17 and later, or see to it "
        "that no route to a peer leads there",
        strerror(errno));
}

bool udp_set_df(int fd, uint8_t family, bool df)
{
    int ipv4 = df ? IP_PMTUDISC_PROBE : IP_PMTUDISC_OMIT, ipv6 = df ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_DONT;
    if (family == 4)
        return setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &ipv4, sizeof ipv4) == 0;
    return setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &ipv6, sizeof ipv6) == 0;
}

static bool set_options(struct opening *o, int fd, enum udp_kind kind, uint8_t family)
{
    int on = 1;
    if (family == 6) {
        /* Without IPV6_V6ONLY an IPv6 wildcard would take the IPv4 port as well; raw sockets do not know it. */
        if ((kind != UDP_RAW_ESP && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0) ||
            setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on) < 0)
            return false;
        set_option(o, fd, IPPROTO_IPV6, IPV6_RECVTCLASS, on, "IPV6_RECVTCLASS");
        set_option(o, fd, IPPROTO_IPV6, IPV6_RECVFRAGSIZE, on, "IPV6_RECVFRAGSIZE");
        /* A peer may leave out the checksum of UDP (RFC 6935, RFC 3948 2.1): ESP authenticates more than it does. */
        if (kind == UDP_NATT)
            set_option(o, fd, IPPROTO_UDP, UDP_NO_CHECK6_RX, on, "UDP_NO_CHECK6_RX");
    } else {
        if (setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on) < 0)
            return false;
        set_option(o, fd, IPPROTO_IP, IP_RECVTOS, on, "IP_RECVTOS");
        set_option(o, fd, IPPROTO_IP, IP_RECVFRAGSIZE, on, "IP_RECVFRAGSIZE");
    }
    if (!udp_set_df(fd, family, false))
        log_write(o->log, LOG_DEBUG, "socket option %s: %s", family == 4 ? "IP_MTU_DISCOVER" : "IPV6_MTU_DISCOVER",
                  strerror(errno));
    set_mark(o, fd);
    set_buffer(o, fd, SO_RCVBUFFORCE, SO_RCVBUF, "SO_RCVBUF");
    set_buffer(o, fd, SO_SNDBUFFORCE, SO_SNDBUF, "SO_SNDBUF");
    return true;
}

/* The first set of a shared port binds alone, so that a port which another daemon has is found; only then may others of
 * ours join. */
static bool share_port(const struct opening *o, int fd, enum udp_kind kind, bool bound)
{
    int on = 1;
    if (o->share == NULL || kind != UDP_NATT || o->share->control != bound)
        return true;
    return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0;
}

static bool keep_own(const struct opening *o, int fd, enum udp_kind kind, uint8_t family)
{
    return o->share == NULL || kind != UDP_RAW_ESP || steer_raw(fd, family, o->share->shard, o->share->shards);
}

static bool wanted(const struct opening *o, enum udp_kind kind)
{
    return o->share == NULL || (o->share->control ? kind != UDP_RAW_ESP : kind != UDP_IKE);
}

static enum status explain(const struct opening *o, enum udp_kind kind, const struct address *local)
{
    char text[ADDRESS_TEXT];
    const char *remedy =
        o->share != NULL ? "write workers = 1, which asks less of the kernel" : "check 'local' of the connections";
    int error = errno;
    if (error == EADDRINUSE)
        remedy = "another IKE daemon has it; stop that one (ss -lunp shows it), or use another 'local' address";
    else if (error == EADDRNOTAVAIL)
        remedy = "this host does not have the address; correct 'local' of the connection, or use %any";
    else if (error == EACCES || error == EPERM)
        remedy = kind == UDP_RAW_ESP
                     ? "raw ESP needs CAP_NET_RAW; give the process that capability, or use 'encap = yes'"
                     : "ports under 1024 need CAP_NET_BIND_SERVICE; give the process that capability, or run "
                       "it as root";
    (void)snprintf(o->why, o->why_len, "cannot open %s on %s: %s; %s", kind_text[kind],
                   local->family == 0 ? "%any" : address_print(local, text), strerror(error), remedy);
    return ERR_IO;
}

static enum status open_one(struct opening *o, enum udp_kind kind, uint8_t family, const struct address *local)
{
    static const uint16_t ports[] = {IKE_PORT, IKE_NATT_PORT, 0};
    if (o->count == o->capacity) {
        (void)snprintf(o->why, o->why_len, "more than %zu outer sockets; use fewer different 'local' addresses",
                       o->capacity);
        return ERR_LIMIT;
    }
    int fd = open_fd(kind, family);
    /* A host without IPv6 has no IPv6 peers: only an explicit address is worth an error. */
    if (fd < 0 && errno == EAFNOSUPPORT && local->family == 0)
        return OK;
    struct address any = {.family = family};
    struct sockaddr_storage name;
    socklen_t len = sockaddr_of(local->family == 0 ? &any : local, ports[kind], &name);
    if (fd < 0 || !set_options(o, fd, kind, family) || !keep_own(o, fd, kind, family) ||
        !share_port(o, fd, kind, false) || bind(fd, (struct sockaddr *)&name, len) < 0 ||
        !share_port(o, fd, kind, true)) {
        enum status status = explain(o, kind, local);
        if (fd >= 0)
            close(fd);
        return status;
    }
    o->sockets[o->count++] = (struct udp_socket){.fd = fd, .kind = kind, .family = family, .local = *local};
    return OK;
}

static bool have(const struct opening *o, enum udp_kind kind, uint8_t family, const struct address *local)
{
    for (size_t i = 0; i < o->count; i++) {
        const struct udp_socket *s = &o->sockets[i];
        if (s->kind == kind && s->family == family && (s->local.family == 0 || address_equal(&s->local, local)))
            return true;
    }
    return false;
}

/* One port cannot be had for all addresses beside single ones. That happens at a reload only: at a start those of all
 * addresses come first. */
static enum status refuse_wildcard(const struct opening *o, const struct connection *c, enum udp_kind kind,
                                   uint8_t family)
{
    if (c->local.family != 0 || kind == UDP_RAW_ESP)
        return OK;
    for (size_t i = 0; i < o->count; i++)
        if (o->sockets[i].kind == kind && o->sockets[i].family == family) {
            (void)snprintf(o->why, o->why_len,
                           "[connection %s] has local = %%any, which needs a restart here: %s is open on single "
                           "addresses; restart esptun, or write one of this host's addresses",
                           c->name, kind_text[kind]);
            return ERR_STATE;
        }
    return OK;
}

static enum status open_for(struct opening *o, const struct connection *c, uint8_t family)
{
    for (enum udp_kind kind = UDP_IKE; kind <= UDP_RAW_ESP; kind++) {
        if (!wanted(o, kind) || (kind == UDP_RAW_ESP && c->encap == ENCAP_YES) || have(o, kind, family, &c->local))
            continue;
        enum status status = refuse_wildcard(o, c, kind, family);
        if (status == OK)
            status = open_one(o, kind, family, &c->local);
        if (status != OK)
            return status;
    }
    return OK;
}

/* The families that a connection may speak on the outside. */
static bool speaks(const struct connection *c, uint8_t family)
{
    uint8_t known = c->local.family != 0 ? c->local.family : c->remote.family;
    return known == 0 || known == family;
}

bool udp_socket_needed(const struct udp_socket *s, const struct connection *connections, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct connection *c = &connections[i];
        bool kind = s->kind != UDP_RAW_ESP || c->encap != ENCAP_YES;
        if (kind && speaks(c, s->family) && (s->local.family == 0 || address_equal(&s->local, &c->local)))
            return true;
    }
    return false;
}

enum status udp_open_sockets(const struct connection *connections, size_t connection_count,
                             const struct udp_share *share, const struct log *log, struct udp_socket *sockets,
                             size_t capacity, size_t *count, char *why, size_t why_len)
{
    struct opening o = {.share = share,
                        .log = log,
                        .sockets = sockets,
                        .capacity = capacity,
                        .count = *count,
                        .why = why,
                        .why_len = why_len};
    enum status status = OK;
    /* Wildcards first: where there is one, it serves the specific addresses too. */
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < connection_count && status == OK; i++)
            for (uint8_t family = 4; family <= 6 && status == OK; family = (uint8_t)(family + 2))
                if ((connections[i].local.family == 0) == (pass == 0) && speaks(&connections[i], family))
                    status = open_for(&o, &connections[i], family);
    *count = o.count;
    return status;
}
