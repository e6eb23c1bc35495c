/* SPDX-License-Identifier: Apache-2.0 */
/* From TUN to the network: flow, SPD, SA, size, then a batch is sealed and sent. */
#include "daemon/worker_state.h"
#include "esp/fragment.h"
#include "esp/header.h"
#include "esp/seal.h"

/* Outbound fragments are tracked apart from those of every SA: child ids start at 1. */
enum { OUTBOUND_SCOPE = 0 };

/* --- the batch --- */

static void seal_batch(struct worker *w)
{
    struct batch *b = &w->batch;
    if (b->count == 0)
        return;
    esp_seal(b->sa, b->packets, w->why, b->count);
    size_t ready = 0;
    for (size_t i = 0; i < b->count; i++) {
        if (w->why[i] == DROP_NONE) {
            b->packets[ready] = b->packets[i];
            b->outer[ready++] = b->outer[i];
        } else {
            worker_drop(w, w->why[i]);
        }
    }
    if (ready > 0 && udp_send_esp(w->setup.udp, &b->sa->path, b->sa->udp, b->packets, b->outer, ready, &w->drops))
        worker_note(w, &(struct note){.kind = NOTE_NARROW, .child_id = b->sa->child_id});
    worker_note_limits(w, b->sa);
    b->count = 0;
    w->piece_count = 0;
}

static void make_room(struct worker *w, const struct sa *sa)
{
    if (w->batch.count == WORKER_BATCH || (w->batch.count > 0 && w->batch.sa != sa))
        seal_batch(w);
}

static void add(struct worker *w, struct sa *sa, struct packet *packet, bool df)
{
    make_room(w, sa);
    struct batch *b = &w->batch;
    b->sa = sa;
    b->outer[b->count] = (struct outer){.tos = header_outer_tos(&sa->tunnel, packet_data(packet)), .df = df};
    b->packets[b->count++] = packet;
}

/* --- size (RFC 4301 8) --- */

static bool take_error_token(struct worker *w)
{
    uint64_t fresh = (w->now_ms - w->errors_ms) * ERRORS_PER_SECOND / 1000;
    if (fresh > 0) {
        w->errors_ms = w->now_ms;
        w->error_tokens = fresh >= ERRORS_BURST - w->error_tokens ? ERRORS_BURST : w->error_tokens + (uint32_t)fresh;
    }
    if (w->error_tokens == 0)
        return false;
    w->error_tokens--;
    return true;
}

/* The sender is told; the packet goes. */
static void refuse_size(struct worker *w, const struct packet *packet, uint32_t mtu)
{
    uint8_t message[ICMP_TOO_BIG_MAX];
    struct flow flow; /* of the packet itself, which can differ from the flow that chose the SA */
    worker_drop(w, DROP_OUT_TOO_BIG);
    if (!take_error_token(w) || flow_read(packet_bytes(packet), &flow, NULL) != OK)
        return;
    size_t len = icmp_too_big(packet_bytes(packet), &flow, mtu, message);
    if (len > 0)
        (void)device_write(w->setup.device, bytes_of(message, len));
}

/* Cuts the packet, and hands each piece on. False: it cannot be cut so small. */
static bool cut(struct worker *w, struct sa *sa, const struct packet *packet, bool df)
{
    struct fragmenter f;
    if (fragment_begin(&f, packet_bytes(packet), sa->inner_mtu) != OK)
        return false;
    for (;;) {
        make_room(w, sa);
        struct packet *piece = &w->pieces[w->piece_count];
        piece->offset = PACKET_HEADROOM;
        if (!fragment_next(&f, piece))
            return true;
        w->piece_count++;
        add(w, sa, piece, df);
    }
}

/* IPv6 promises 1280 bytes on every link: where less fits, outer packets are fragmented (RFC 8200 5, RFC 2473 7.1). */
enum { IPV6_PROMISE = 1280 };

/* A packet that does not fit into the path MTU when it is sealed. */
static void fit(struct worker *w, struct sa *sa, struct packet *packet)
{
    const struct tunnel *tunnel = &sa->tunnel;
    const uint8_t *inner = packet_data(packet);
    bool ipv6 = inner[0] >> 4 == 6, may_cut = header_may_fragment(inner);
    bool outer_may = (may_cut ? tunnel->fragment == FRAGMENT_AFTER && tunnel->df != DF_SET : tunnel->df == DF_CLEAR) ||
                     (ipv6 && packet->len <= IPV6_PROMISE);
    if (outer_may && packet->len <= sa->inner_max)
        add(w, sa, packet, false);
    else if (!may_cut || !cut(w, sa, packet, header_outer_df(tunnel, inner)))
        refuse_size(w, packet, ipv6 && sa->inner_mtu < IPV6_PROMISE ? (uint32_t)IPV6_PROMISE : sa->inner_mtu);
}

static void send_through(struct worker *w, struct sa *sa, const struct flow *flow, struct packet *packet)
{
    worker_clamp(sa, packet, flow);
    if (packet->len <= sa->inner_mtu)
        add(w, sa, packet, header_outer_df(&sa->tunnel, packet_data(packet)));
    else
        fit(w, sa, packet);
}

/* --- the SPD --- */

static void hold_back(struct worker *w, uint32_t rule, const struct flow *flow, const struct packet *packet)
{
    if (waiting_push(w->waiting, rule, flow, packet_bytes(packet), w->now_ms) != OK)
        worker_drop(w, DROP_OUT_QUEUE_FULL);
    if (waiting_should_ask(w->waiting, rule, w->now_ms))
        worker_note(w, &(struct note){.kind = NOTE_ACQUIRE, .rule = rule});
}

static void protect(struct worker *w, uint32_t rule, const struct flow *flow, struct packet *packet)
{
    bool rule_has_sa = false;
    struct sa *sa = sad_outbound(w->setup.sad, rule, flow, &rule_has_sa);
    if (sa != NULL)
        send_through(w, sa, flow, packet);
    else if (rule_has_sa)
        worker_drop(w, DROP_OUT_SELECTOR);
    else
        hold_back(w, rule, flow, packet);
}

/* In clear, by the host's other routes; what does not fit there is cut or refused as a router would. */
static void bypass(struct worker *w, const struct flow *flow, struct packet *packet)
{
    const struct worker_ops *ops = &w->setup.ops;
    enum bypass_result result = bypass_send(w->setup.bypass, flow, packet);
    if (result == BYPASS_SENT)
        return;
    uint32_t mtu = result == BYPASS_TOO_BIG ? ops->way_mtu(ops->arg, &flow->destination) : 0;
    struct fragmenter f;
    if (mtu == 0) {
        worker_drop(w, DROP_OUT_BYPASS);
        return;
    }
    if (!header_may_fragment(packet_data(packet)) || fragment_begin(&f, packet_bytes(packet), mtu) != OK) {
        refuse_size(w, packet, mtu);
        return;
    }
    struct packet piece = packet_of(w->pieces[WORKER_BATCH - 1].buffer, PACKET_BUFFER, PACKET_HEADROOM);
    seal_batch(w); /* its pieces may be there */
    while (fragment_next(&f, &piece))
        if (bypass_send_piece(w->setup.bypass, flow, &piece) != BYPASS_SENT)
            worker_drop(w, DROP_OUT_BYPASS);
}

/*
 * The rule of a packet, with the flow by which it finds its SA: its own; for a later fragment, with the ports that the
 * first one showed; for an ICMP error that no protect rule takes, that of the packet which it quotes (RFC 4301 6).
 */
static int look_up(struct worker *w, const struct packet *packet, struct flow *flow)
{
    int index = spd_lookup(w->setup.spd, flow);
    struct flow quoted;
    bool protected = index != SPD_RULE_NONE && w->setup.spd->rules[index].action == ACTION_PROTECT;
    if (protected || !flow_read_quoted(packet_bytes(packet), flow, &quoted) || quoted.source.family == 0)
        return index;
    int by_quotation = spd_lookup_error(w->setup.spd, &quoted);
    if (by_quotation == SPD_RULE_NONE)
        return index;
    *flow = flow_reversed(&quoted);
    flow->upper = 0; /* that is a place in the quoted packet, not in this one */
    return by_quotation;
}

static void classify(struct worker *w, struct packet *packet)
{
    struct flow flow;
    size_t len;
    if (flow_read(packet_bytes(packet), &flow, &len) != OK) {
        worker_drop(w, DROP_OUT_MALFORMED);
        return;
    }
    packet->len = (uint32_t)len;
    if (flow.is_fragment && fragments_see(w->fragments, OUTBOUND_SCOPE, &flow, w->now_ms) == FRAGMENT_BAD) {
        worker_drop(w, DROP_OUT_FRAGMENT);
        return;
    }
    int index = look_up(w, packet, &flow);
    if (index == SPD_RULE_NONE) {
        worker_drop(w, DROP_OUT_NO_RULE);
        return;
    }
    w->rules[index].packets++;
    w->rules[index].bytes += packet->len;
    switch (w->setup.spd->rules[index].action) {
    case ACTION_PROTECT: protect(w, (uint32_t)index, &flow, packet); break;
    case ACTION_DISCARD: worker_drop(w, DROP_OUT_DISCARD); break;
    case ACTION_BYPASS: bypass(w, &flow, packet); break;
    }
}

bool worker_device_readable(struct worker *w, uint64_t now_ms)
{
    bool gone = false;
    size_t count = WORKER_BATCH;
    w->now_ms = now_ms;
    for (unsigned round = 0; round < WORKER_ROUNDS && count == WORKER_BATCH && !gone; round++) {
        count = device_read(w->setup.device, w->packets, WORKER_BATCH, &gone);
        for (size_t i = 0; i < count; i++)
            classify(w, &w->packets[i]);
        seal_batch(w);
        worker_tell_notes(w);
    }
    return !gone;
}

_Static_assert((int)WAITING_PER_RULE <= (int)WORKER_BATCH, "one release empties the queue of a rule");

void worker_release(struct worker *w, uint32_t rule, uint64_t now_ms)
{
    size_t count = 0;
    w->now_ms = now_ms;
    while (count < WORKER_BATCH && waiting_pop(w->waiting, rule, &w->flows[count], &w->packets[count]))
        count++;
    for (size_t i = 0; i < count; i++)
        protect(w, rule, &w->flows[i], &w->packets[i]);
    seal_batch(w);
    worker_tell_notes(w);
}
