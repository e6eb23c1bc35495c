/* SPDX-License-Identifier: Apache-2.0 */
/* From the network to TUN: what is it, whose SA, opened in a batch, then out of the tunnel. */
#include <errno.h>

#include "daemon/demux.h"
#include "daemon/worker_state.h"
#include "esp/header.h"
#include "esp/open.h"

/* The peer is followed only where an authentic packet shows the way (B42), and only the newest: one that somebody has
 * held back shows where the peer was. */
static void note_moved(struct worker *w, const struct sa *sa, const struct path *path)
{
    if (sa->udp && path->remote.port != 0 && !endpoint_equal(&path->remote, &sa->path.remote))
        worker_note(w, &(struct note){.kind = NOTE_MOVED, .child_id = sa->child_id, .remote = path->remote});
}

/* The TUN has not taken a super-packet, for what it is or for want of so much memory in one piece: its packets may fare
 * better one by one. Where they do and want of memory was not the reason, more of that kind are not tried. */
static void write_apart(struct worker *w, bool udp, int error)
{
    struct bytes packet;
    bool taken = false;
    while (coalesce_apart(&w->coalesce, &packet)) {
        if (device_write(w->setup.device, packet))
            taken = true;
        else
            worker_drop(w, DROP_IN_DEVICE);
    }
    if (!taken || error == ENOMEM || error == ENOBUFS || w->note_count == NOTES_MAX)
        return; /* without room for a note: what cannot be told yet is tried again */
    if (udp)
        w->coalesce.udp = false;
    else
        w->merges = false;
    worker_note(w, &(struct note){.kind = NOTE_REFUSED, .udp = udp, .error = error});
}

static bool may_fare_better(int error)
{
    return error == EINVAL || error == EMSGSIZE || error == EOPNOTSUPP || error == ENOMEM || error == ENOBUFS;
}

/* The packets lie in the datagrams until then. */
void worker_write_coalesced(struct worker *w)
{
    struct coalesced out;
    while (coalesce_next(&w->coalesce, &out)) {
        if (device_write_coalesced(w->setup.device, &out))
            continue;
        if (out.packets > 1 && may_fare_better(errno))
            write_apart(w, out.udp, errno);
        else
            drop_count(&w->drops, DROP_IN_DEVICE, out.packets);
    }
}

/* An answer to our own request goes no further. */
static bool take_answer(struct worker *w, const struct sa *sa, const struct packet *packet, const struct flow *flow)
{
    struct note note = {.kind = NOTE_ANSWER, .child_id = sa->child_id};
    if (!echo_answer(w->setup.mark, packet_bytes(packet), flow, &note.echo))
        return false;
    if (worker_take_token(&w->answers, ANSWERS_PER_SECOND, ANSWERS_BURST, w->now_ms))
        worker_note(w, &note);
    return true;
}

/* The end of the tunnel: what the outer header has to say to the inner one (RFC 6040), then the packet is the host's.
 * Its hop limit is taken down where the kernel forwards it, once (RFC 4301 5.1.2). */
static void deliver(struct worker *w, const struct sa *sa, const struct datagram *datagram, const struct packet *packet,
                    const struct flow *flow)
{
    if (!header_merge_ecn(packet_data(packet), datagram->tos)) {
        worker_drop(w, DROP_IN_ECN);
        return;
    }
    if (sa->probed && take_answer(w, sa, packet, flow))
        return;
    worker_clamp(sa, packet, flow);
    if (w->merges && coalesce_add(&w->coalesce, packet_data(packet), packet->len, flow))
        return;
    if (w->merges)
        worker_write_coalesced(w); /* it was full, and is empty now */
    if (w->merges && coalesce_add(&w->coalesce, packet_data(packet), packet->len, flow))
        return;
    if (!device_write(w->setup.device, packet_bytes(packet)))
        worker_drop(w, DROP_IN_DEVICE);
}

void worker_open_batch(struct worker *w)
{
    struct batch *b = &w->batch;
    if (b->count == 0)
        return;
    const struct esp_inbound inbound = {.fragments = w->fragments_in, .now_ms = w->now_ms};
    size_t newest = esp_open(b->sa, &inbound, b->packets, w->flows, w->why, b->count);
    for (size_t i = 0; i < b->count; i++) {
        if (w->why[i] != DROP_NONE) {
            worker_drop(w, w->why[i]);
            continue;
        }
        deliver(w, b->sa, b->datagrams[i], b->packets[i], &w->flows[i]);
    }
    if (newest < b->count)
        note_moved(w, b->sa, &b->datagrams[newest]->path);
    worker_note_limits(w, b->sa);
    b->count = 0;
}

void worker_take_esp(struct worker *w, const struct datagram *datagram, const struct packet *piece)
{
    struct batch *b = &w->batch;
    uint32_t spi;
    if (!esp_peek_spi(packet_bytes(piece), &spi)) {
        worker_drop(w, DROP_IN_SHORT);
        return;
    }
    /* Most often that of the packet before. */
    struct sa *sa = b->count > 0 && b->sa->spi_in == spi ? b->sa : sad_inbound(w->setup.sad, spi);
    if (sa == NULL) {
        worker_drop(w, DROP_IN_NO_SA);
        return;
    }
    if (datagram->fragmented && !sa->tunnel.outer_fragments) {
        worker_drop(w, DROP_IN_OUTER_FRAGMENT);
        return;
    }
    /* The kernel has joined it with packets of another SA, or cannot tell SPIs apart. */
    if (sa->shard != w->setup.shard) {
        worker_hand_over(w, sa, &(struct stray){.inbound = true, .datagram = *datagram}, packet_bytes(piece),
                         DROP_IN_HANDOVER);
        return;
    }
    if (b->count == WORKER_BATCH || (b->count > 0 && b->sa != sa))
        worker_open_batch(w);
    b->sa = sa;
    b->datagrams[b->count] = datagram;
    w->segments[b->count] = *piece;
    b->packets[b->count] = &w->segments[b->count];
    b->count++;
}

static void give_ike(struct worker *w, const struct path *path, struct bytes message)
{
    /* IKE may remove SAs: none is held meanwhile. */
    worker_open_batch(w);
    if (!w->setup.ops.ike_message(w->setup.ops.arg, path, message))
        worker_drop(w, DROP_IN_HANDOVER);
}

static void take_datagram(struct worker *w, enum udp_kind udp, const struct datagram *datagram)
{
    struct demux demux = demux_of(udp, datagram);
    enum encap_kind kind;
    struct packet piece;
    while (demux_next(&demux, &kind, &piece))
        switch (kind) {
        case ENCAP_ESP: worker_take_esp(w, datagram, &piece); break;
        case ENCAP_IKE: give_ike(w, &datagram->path, packet_bytes(&piece)); break;
        case ENCAP_KEEPALIVE: break;
        case ENCAP_MALFORMED: worker_drop(w, DROP_ENCAP); break;
        }
}

void worker_socket_readable(struct worker *w, const struct udp_socket *socket, uint64_t now_ms)
{
    size_t full = socket->gro ? UDP_BATCH_GRO : WORKER_BATCH, count = full;
    worker_set_time(w, now_ms);
    for (unsigned round = 0; round < WORKER_ROUNDS && count == full && !worker_must_rest(w); round++) {
        count = udp_receive(w->setup.udp, socket, w->datagrams, WORKER_BATCH);
        for (size_t i = 0; i < count; i++)
            take_datagram(w, socket->kind, &w->datagrams[i]);
        worker_open_batch(w);
        worker_write_coalesced(w);
        worker_tell_notes(w);
    }
}
