/* SPDX-License-Identifier: Apache-2.0 */
/* On the control thread: what workers have posted, and what comes in by its own sockets. */
#include "daemon/demux.h"
#include "daemon/shards_state.h"
#include "esp/open.h"

/* At most a batch, so that one shard's floods leave time for the others and for timers. True: there may be more. */
bool shards_take_posts(const struct worker_ops *ops, struct ring *posts)
{
    size_t len, count = 0;
    for (const struct post *p; count < POSTS_BATCH && (p = ring_next(posts, &len)) != NULL; count++) {
        if (p->is_message)
            (void)ops->ike_message(ops->arg, &p->path, bytes_of(p + 1, p->message_len));
        else
            (void)ops->note(ops->arg, &p->note);
        ring_release(posts);
    }
    return count == POSTS_BATCH;
}

void shards_on_posts(uv_async_t *wake)
{
    struct shards *all = wake->data;
    const struct shards_setup *setup = &all->setup;
    bool more = false;
    for (size_t i = 0; i < all->count; i++) {
        struct shard *s = &all->items[i];
        more |= shards_take_posts(&setup->ops, s->posts);
        if (atomic_exchange(&s->gone, false))
            setup->gone(setup->ops.arg);
    }
    if (more)
        (void)uv_async_send(wake);
    setup->settle(setup->ops.arg);
}

/* ESP that the kernel has joined with IKE, or could not tell apart: its worker takes it. */
static void pass_on(struct shards *all, const struct datagram *datagram, const struct packet *piece)
{
    uint32_t spi;
    const struct bytes bytes = bytes_of(packet_data(piece), piece->len);
    const struct sa *sa = esp_peek_spi(bytes, &spi) ? sad_inbound(all->setup.sad, spi) : NULL;
    if (sa == NULL) {
        drop_count(&all->control, DROP_IN_NO_SA, 1);
        return;
    }
    struct shard *s = &all->items[sa->shard];
    const struct stray stray = {.inbound = true, .datagram = *datagram};
    if (!stray_put(s->from[SHARD_CONTROL], &stray, bytes))
        drop_count(&all->control, DROP_IN_HANDOVER, 1);
    (void)uv_async_send(&s->wake);
}

static void take(struct shards *all, enum udp_kind udp, const struct datagram *datagram)
{
    const struct worker_ops *ops = &all->setup.ops;
    struct demux demux = demux_of(udp, datagram);
    enum encap_kind kind;
    struct packet piece;
    while (demux_next(&demux, &kind, &piece))
        switch (kind) {
        case ENCAP_IKE:
            (void)ops->ike_message(ops->arg, &datagram->path, bytes_of(packet_data(&piece), piece.len));
            break;
        case ENCAP_ESP: pass_on(all, datagram, &piece); break;
        case ENCAP_KEEPALIVE: break;
        case ENCAP_MALFORMED: drop_count(&all->control, DROP_ENCAP, 1); break;
        }
}

void shards_on_socket(void *arg, const void *subject)
{
    struct shards *all = arg;
    const struct udp_socket *socket = subject;
    size_t count = CONTROL_BATCH;
    for (unsigned round = 0; round < WORKER_ROUNDS && count == CONTROL_BATCH; round++) {
        count = udp_receive(all->setup.udp, socket, all->datagrams, CONTROL_BATCH);
        for (size_t i = 0; i < count; i++)
            take(all, socket->kind, &all->datagrams[i]);
    }
    all->setup.settle(all->setup.ops.arg);
}
