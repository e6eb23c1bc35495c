/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outer sockets: UDP 500 (IKE), UDP 4500 (IKE and ESP, RFC 3948) and raw ESP (protocol 50), per local address of
 * the connections. All carry ROUTE_MARK, so that they never meet the routes to the TUN. Never UDP_ENCAP: the kernel
 * would take the packets.
 *
 * Path MTU: the kernel's own cache is fed by messages that nobody has authenticated, so IPv4 does without it. With DF:
 * IP_PMTUDISC_PROBE, the packet must fit the interface, else EMSGSIZE. Without: IP_PMTUDISC_OMIT, the kernel fragments
 * what exceeds the interface, and routers fragment the rest. IKE leaves without DF: a message may be long, and must
 * arrive. IPv6 has no DF, and no router fragments it: "without" is IPV6_PMTUDISC_DONT, the kernel fragments to what it
 * knows of the path.
 */
#ifndef DAEMON_UDP_H
#define DAEMON_UDP_H

#include "base/log.h"
#include "base/packet.h"
#include "esp/drop.h"
#include "policy/connection.h"

enum {
    UDP_BATCH = 64,
    UDP_BATCH_GRO = 8, /* received at a time where each may be 64 KiB: more would leave the cache before it is opened */
    UDP_SOCKETS_MAX = 64,
    UDP_MESSAGE_MAX = 65507,    /* bytes of payload: the longest of IPv4 */
    UDP_BUFFER_BYTES = 8 << 20, /* of each socket, each way */
};

enum udp_kind { UDP_IKE, UDP_NATT, UDP_RAW_ESP };

struct udp_socket {
    int fd; /* non-blocking */
    enum udp_kind kind;
    uint8_t family;       /* 4 or 6 */
    struct address local; /* family 0: all addresses of this host */
    bool df;              /* how it sends at the moment */
    bool gro;             /* receives several datagrams of one size as one */
    bool gso;             /* may send several packets of one size as one message (UDP_SEGMENT) */
};

/* One received datagram; a packet of raw ESP starts at the SPI, its ports are 0. */
struct datagram {
    struct packet packet;
    struct path path;
    uint8_t tos;      /* of the outer header: DSCP and ECN */
    bool fragmented;  /* the kernel put it together */
    uint32_t segment; /* UDP GRO: several datagrams of this size, the last may be shorter; 0: it is one */
};

/* What the outer header of one packet is to say. */
struct outer {
    uint8_t tos;
    bool df; /* IPv6: not to be fragmented */
};

struct udp;

/*
 * The sockets for several threads: a set for the control thread (500, and 4500 for IKE), opened first, then one
 * for each shard, in their order (4500 and raw ESP). udp_steer, when all are open, leads each packet to its thread.
 * Nobody else can have the ports; once they are shared, a process of the same user that asks for it could join.
 */
struct udp_share {
    bool control;
    uint8_t shard;
    size_t shards; /* at most SHARDS_MAX */
};

/* share: NULL, one set for one thread. On failure `why` says what is wrong and what would be right. */
MUST_USE enum status udp_open(const struct connection *connections, size_t count, const struct udp_share *share,
                              const struct log *log, struct udp **out, char *why, size_t why_len);
/* control: the set of the control thread. Where the kernel cannot, it is said in the log, and packets find their thread
 * by a detour. */
void udp_steer(const struct udp *control, size_t shards, const struct log *log);
void udp_close(struct udp *udp); /* NULL is fine */

/* Several datagrams of one size in one call, out (UDP_SEGMENT) and in (UDP_GRO), where the kernel can and `gso`, `gro`
 * allow it. Without this call it is neither. */
void udp_offload(struct udp *udp, bool gso, bool gro);

/*
 * Other connections, with the share that the set was opened with. udp_extend opens what they need and is not there, in
 * use at once; on failure the set is as before. udp_trim closes what no connection needs. Sockets that stay are not
 * touched, and keep their place in memory.
 */
struct udp_watcher {
    void *arg;
    enum status (*opened)(void *arg, const struct udp_socket *socket);
    void (*closing)(void *arg, const struct udp_socket *socket); /* also after `opened` has failed */
};
MUST_USE enum status udp_extend(struct udp *udp, const struct connection *connections, size_t count,
                                const struct udp_share *share, const struct log *log, const struct udp_watcher *watcher,
                                char *why, size_t why_len);
void udp_trim(struct udp *udp, const struct connection *connections, size_t count, const struct udp_watcher *watcher);

/* Places; where udp_trim has closed one, fd is -1. */
size_t udp_count(const struct udp *udp);
const struct udp_socket *udp_at(const struct udp *udp, size_t i);

/* Up to n (at most UDP_BATCH) datagrams into the buffers of `datagrams`, behind PACKET_HEADROOM; returns how many. */
size_t udp_receive(struct udp *udp, const struct udp_socket *socket, struct datagram *datagrams, size_t n);

/* One message from path->local.port. With `marker`, behind four bytes of zero. False, with errno set, when it did not
 * leave. */
bool udp_send(struct udp *udp, const struct path *path, bool marker, struct bytes message);

/* How the packets of one SA travel. */
struct esp_path {
    struct path path;
    bool in_udp; /* UDP 4500, else protocol 50 */
    bool gso;    /* in: several in one call are wanted. Becomes false when the way to this peer cannot */
};

/* n sealed packets (at most UDP_BATCH) of one SA, in order. Counts what did not leave. Returns the size from the outer
 * IP header on of the smallest that was too big for the interface to the peer; 0: none was. */
uint32_t udp_send_esp(struct udp *udp, struct esp_path *path, struct packet *const *packets, const struct outer *outer,
                      size_t n, struct drops *drops);

#endif
