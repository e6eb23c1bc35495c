/* SPDX-License-Identifier: Apache-2.0 */
/* On the control thread: what workers have posted, and what comes in by its own sockets. */
#include "daemon/demux.h"
#include "daemon/shards_state.h"
#include "esp/open.h"

static void tell(const struct worker_ops *ops, const struct post *p)
{
    switch (p->kind) {
    case POST_IKE: ops->ike_message(ops->arg, &p->path, bytes_of(p + 1, p->message_len)); break;
    case POST_ACQUIRE: ops->acquire(ops->arg, p->rule); break;
    case POST_SOFT: ops->soft(ops->arg, p->child_id); break;
    case POST_HARD: ops->hard(ops->arg, p->child_id); break;
    case POST_MOVED: ops->moved(ops->arg, p->child_id, &p->remote); break;
    case POST_REFUSED: ops->refused(ops->arg, p->udp, p->error); break;
    case POST_TOO_BIG: ops->too_big(ops->arg, p->child_id, p->size); break;
    }
}

void shards_on_posts(uv_async_t *wake)
{
    struct shards *all = wake->data;
    const struct shards_setup *setup = &all->setup;
    size_t len;
    for (size_t i = 0; i < all->count; i++) {
        struct shard *s = &all->items[i];
        for (const struct post *p; (p = ring_next(s->posts, &len)) != NULL; ring_release(s->posts))
            tell(&setup->ops, p);
        if (atomic_exchange(&s->gone, false))
            setup->gone(setup->ops.arg);
    }
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
        case ENCAP_IKE: ops->ike_message(ops->arg, &datagram->path, bytes_of(packet_data(&piece), piece.len)); break;
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
