/* SPDX-License-Identifier: Apache-2.0 */
/* From the network to TUN: what is it, whose SA, opened in a batch, then out of the tunnel. */
#include "daemon/worker_state.h"
#include "esp/encap.h"
#include "esp/header.h"
#include "esp/open.h"

/* The peer is followed only where an authentic packet shows the way (B42). */
static void note_moved(struct worker *w, const struct sa *sa, const struct path *path)
{
    if (sa->udp && path->remote.port != 0 && !endpoint_equal(&path->remote, &sa->path.remote))
        worker_note(w, &(struct note){.kind = NOTE_MOVED, .child_id = sa->child_id, .remote = path->remote});
}

/* The end of the tunnel: what the outer header has to say to the inner one (RFC 6040), then the packet is the host's.
 * Its hop limit is taken down where the kernel forwards it, once (RFC 4301 5.1.2). */
static enum drop deliver(struct worker *w, const struct sa *sa, const struct datagram *datagram,
                         const struct packet *packet, const struct flow *flow)
{
    if (!header_merge_ecn(packet_data(packet), datagram->tos))
        return DROP_IN_ECN;
    worker_clamp(sa, packet, flow);
    return device_write(w->setup.device, packet_bytes(packet)) ? DROP_NONE : DROP_IN_DEVICE;
}

static void open_batch(struct worker *w)
{
    struct batch *b = &w->batch;
    const struct path *last = NULL;
    if (b->count == 0)
        return;
    const struct esp_inbound inbound = {.fragments = w->fragments, .now_ms = w->now_ms};
    esp_open(b->sa, &inbound, b->packets, w->flows, w->why, b->count);
    for (size_t i = 0; i < b->count; i++) {
        if (w->why[i] == DROP_NONE) {
            last = &b->datagrams[i]->path;
            w->why[i] = deliver(w, b->sa, b->datagrams[i], b->packets[i], &w->flows[i]);
        }
        if (w->why[i] != DROP_NONE)
            worker_drop(w, w->why[i]);
    }
    if (last != NULL)
        note_moved(w, b->sa, last);
    worker_note_limits(w, b->sa);
    b->count = 0;
}

static void take_esp(struct worker *w, struct datagram *datagram)
{
    struct batch *b = &w->batch;
    uint32_t spi;
    if (!esp_peek_spi(packet_bytes(&datagram->packet), &spi)) {
        worker_drop(w, DROP_IN_SHORT);
        return;
    }
    struct sa *sa = sad_inbound(w->setup.sad, spi);
    if (sa == NULL) {
        worker_drop(w, DROP_IN_NO_SA);
        return;
    }
    if (datagram->fragmented && !sa->tunnel.outer_fragments) {
        worker_drop(w, DROP_IN_OUTER_FRAGMENT);
        return;
    }
    if (b->count > 0 && b->sa != sa)
        open_batch(w);
    b->sa = sa;
    b->datagrams[b->count] = datagram;
    b->packets[b->count++] = &datagram->packet;
}

static void give_ike(struct worker *w, const struct path *path, struct bytes message)
{
    /* IKE may remove SAs: none is held meanwhile. */
    open_batch(w);
    w->setup.ops.ike_message(w->setup.ops.arg, path, message);
}

static void take_datagram(struct worker *w, enum udp_kind kind, struct datagram *datagram)
{
    struct bytes content = packet_bytes(&datagram->packet);
    if (kind == UDP_IKE) {
        give_ike(w, &datagram->path, content);
        return;
    }
    if (kind == UDP_RAW_ESP) {
        take_esp(w, datagram);
        return;
    }
    switch (encap_classify(content, &content)) {
    case ENCAP_ESP: take_esp(w, datagram); break;
    case ENCAP_IKE: give_ike(w, &datagram->path, content); break;
    case ENCAP_KEEPALIVE: break;
    case ENCAP_MALFORMED: worker_drop(w, DROP_ENCAP); break;
    }
}

void worker_socket_readable(struct worker *w, const struct udp_socket *socket, uint64_t now_ms)
{
    size_t count = WORKER_BATCH;
    w->now_ms = now_ms;
    for (unsigned round = 0; round < WORKER_ROUNDS && count == WORKER_BATCH; round++) {
        count = udp_receive(w->setup.udp, socket, w->datagrams, WORKER_BATCH);
        for (size_t i = 0; i < count; i++)
            take_datagram(w, socket->kind, &w->datagrams[i]);
        open_batch(w);
        worker_tell_notes(w);
    }
}
