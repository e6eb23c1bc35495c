/* SPDX-License-Identifier: Apache-2.0 */
/* From TUN to the network: flow, SPD, SA, size, then a batch is sealed and sent. */
#include <string.h>

#include "daemon/worker_state.h"
#include "esp/fragment.h"
#include "esp/header.h"
#include "esp/open.h"
#include "esp/seal.h"
#include "ike/ike.h"
#include "policy/ip.h"
#include "tun/split.h"

/* Outbound fragments are tracked apart from those of every SA: child ids start at 1. */
enum { OUTBOUND_SCOPE = 0 };

/* --- the batch --- */

void worker_seal_batch(struct worker *w)
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
    struct esp_path path = {.path = b->sa->path, .in_udp = b->sa->udp, .gso = !b->sa->no_gso};
    uint32_t too_big = ready > 0 ? udp_send_esp(w->setup.udp, &path, b->packets, b->outer, ready, &w->drops) : 0;
    b->sa->no_gso = !path.gso;
    if (too_big > 0)
        worker_note(w, &(struct note){.kind = NOTE_TOO_BIG, .child_id = b->sa->child_id, .size = too_big});
    worker_note_limits(w, b->sa);
    b->count = b->bytes = 0;
    w->piece_count = 0;
    slab_reset(&w->cuts);
}

/* Where a batch is to be one message (UDP_SEGMENT), it ends before it is too long for that: else each second message
 * would be what the first one left over. */
static bool ends_message(const struct batch *b, const struct sa *sa, uint32_t len)
{
    return sa->udp && !sa->no_gso && b->bytes + len + sa_overhead(sa, len) > UDP_MESSAGE_MAX;
}

/* For one more packet of this SA. */
static void make_room(struct worker *w, const struct sa *sa, uint32_t len)
{
    const struct batch *b = &w->batch;
    if (b->count == WORKER_BATCH || (b->count > 0 && b->sa != sa) || ends_message(b, sa, len))
        worker_seal_batch(w);
}

static void add(struct worker *w, struct sa *sa, struct packet *packet, bool df)
{
    make_room(w, sa, packet->len);
    struct batch *b = &w->batch;
    b->sa = sa;
    b->bytes += packet->len + sa_overhead(sa, packet->len);
    b->outer[b->count] = (struct outer){.tos = header_outer_tos(&sa->tunnel, packet_data(packet)), .df = df};
    b->packets[b->count++] = packet;
}

/* --- size (RFC 4301 8) --- */

/* Who does not listen uses up his own tokens first; a share of a bucket is the worst that a neighbour can take. */
static bool may_tell(struct worker *w, const struct address *sender)
{
    struct tokens *own = &w->sender_errors[address_sum(0, sender) % ERROR_BUCKETS];
    return worker_take_token(own, SENDER_ERRORS_PER_SECOND, SENDER_ERRORS_BURST, w->now_ms) &&
           worker_take_token(&w->errors, ERRORS_PER_SECOND, ERRORS_BURST, w->now_ms);
}

/* The sender is told; the packet goes. */
static void refuse_size(struct worker *w, const struct packet *packet, uint32_t mtu)
{
    uint8_t message[ICMP_TOO_BIG_MAX];
    struct flow flow; /* of the packet itself, which can differ from the flow that chose the SA */
    worker_drop(w, DROP_OUT_TOO_BIG);
    if (flow_read(packet_bytes(packet), &flow, NULL) != OK || !may_tell(w, &flow.source))
        return;
    size_t len = icmp_too_big(packet_bytes(packet), &flow, mtu, message);
    if (len > 0)
        (void)device_write(w->setup.device, bytes_of(message, len));
}

/* The place of the next piece, with `room` for it (at most PACKET_PAYLOAD_MAX), in a batch of this SA. */
static struct packet *next_piece(struct worker *w, const struct sa *sa, uint32_t room)
{
    make_room(w, sa, room);
    struct packet *piece = &w->pieces[w->piece_count];
    if (slab_next(&w->cuts, room, piece))
        return piece;
    worker_seal_batch(w);
    piece = &w->pieces[0];
    return slab_next(&w->cuts, room, piece) ? piece : NULL;
}

static void add_piece(struct worker *w, struct sa *sa, struct packet *piece, bool df)
{
    slab_keep(&w->cuts, piece);
    w->piece_count++;
    add(w, sa, piece, df);
}

/* Cuts the packet, and hands each piece on. False: it cannot be cut so small. */
static bool cut(struct worker *w, struct sa *sa, const struct packet *packet, bool df)
{
    struct fragmenter f;
    if (fragment_begin(&f, packet_bytes(packet), sa->inner_mtu) != OK)
        return false;
    for (;;) {
        struct packet *piece = next_piece(w, sa, sa->inner_mtu);
        if (piece == NULL || !fragment_next(&f, piece))
            return true;
        add_piece(w, sa, piece, df);
    }
}

/* A packet that does not fit into the path MTU when it is sealed. IPv6 promises IPV6_MTU_MIN on every link: where less
 * fits, outer packets are fragmented (RFC 8200 5, RFC 2473 7.1). */
static void fit(struct worker *w, struct sa *sa, struct packet *packet)
{
    const struct tunnel *tunnel = &sa->tunnel;
    const uint8_t *inner = packet_data(packet);
    bool ipv6 = inner[0] >> 4 == 6, may_cut = header_may_fragment(inner);
    bool by_choice = may_cut ? tunnel->fragment == CUT_AFTER_SEALING && tunnel->df != DF_SET : tunnel->df == DF_CLEAR;
    bool by_promise = ipv6 && packet->len <= IPV6_MTU_MIN;
    if ((by_choice || by_promise) && packet->len <= sa->inner_max) /* the outer packet is fragmented */
        add(w, sa, packet, false);
    else if (!may_cut || !cut(w, sa, packet, header_outer_df(tunnel, inner)))
        refuse_size(w, packet, ipv6 && sa->inner_mtu < IPV6_MTU_MIN ? (uint32_t)IPV6_MTU_MIN : sa->inner_mtu);
}

static void send_through(struct worker *w, struct sa *sa, const struct flow *flow, struct packet *packet)
{
    worker_clamp(sa, packet, flow);
    if (packet->len <= sa->inner_mtu)
        add(w, sa, packet, header_outer_df(&sa->tunnel, packet_data(packet)));
    else
        fit(w, sa, packet);
}

static bool split_to_scratch(struct worker *w, struct splitter *s)
{
    w->scratch.offset = PACKET_HEADROOM;
    return split_next(s, &w->scratch);
}

/* Datagrams of UDP that do not fit, one by one. */
static void fit_each(struct worker *w, struct sa *sa, struct splitter *s)
{
    while (split_to_scratch(w, s)) {
        send_through(w, sa, &(struct flow){0}, &w->scratch);
        worker_seal_batch(w); /* the scratch packet may be in it */
    }
}

/* It was counted as one packet; on the wire each of its packets has its own headers. */
static void count_rest(struct worker *w, uint32_t rule, const struct splitter *s)
{
    counter_add(&w->rules[rule].packets, s->count - 1);
    counter_add(&w->rules[rule].bytes, (uint64_t)(s->count - 1) * s->headers);
}

/* A super-packet becomes packets that fit: TCP is cut as small as it takes, datagrams of UDP keep their size. False: it
 * makes no sense. */
static bool send_split(struct worker *w, struct sa *sa, const struct flow *flow, const struct packet *packet,
                       const struct vnet *vnet)
{
    struct splitter s;
    if (split_begin(&s, packet_bytes(packet), flow, vnet, sa->inner_mtu) != OK)
        return false;
    count_rest(w, sa->rule, &s);
    if (s.largest > sa->inner_mtu) {
        fit_each(w, sa, &s);
        return true;
    }
    bool df = header_outer_df(&sa->tunnel, packet_data(packet));
    for (;;) {
        struct packet *piece = next_piece(w, sa, s.largest);
        if (piece == NULL || !split_next(&s, piece))
            return true;
        add_piece(w, sa, piece, df);
    }
}

/* --- the SPD --- */

static void hold_back(struct worker *w, uint32_t rule, const struct flow *flow, const struct packet *packet)
{
    if (waiting_push(w->waiting, rule, flow, packet_bytes(packet), w->now_ms) != OK)
        worker_drop(w, DROP_OUT_QUEUE_FULL);
    if (waiting_should_ask(w->waiting, rule, w->now_ms))
        worker_note(w, &(struct note){.kind = NOTE_ACQUIRE, .rule = rule});
}

static void hand_over(struct worker *w, const struct sa *sa, uint32_t rule, const struct flow *flow,
                      const struct packet *packet, const struct vnet *vnet)
{
    const struct stray stray = {.rule = rule, .flow = *flow, .vnet = *vnet};
    worker_hand_over(w, sa, &stray, packet_bytes(packet), DROP_OUT_HANDOVER);
}

static void protect(struct worker *w, uint32_t rule, const struct flow *flow, struct packet *packet)
{
    static const struct vnet whole = {0};
    bool rule_has_sa = false;
    struct sa *sa = sad_outbound(w->setup.sad, rule, flow, &rule_has_sa);
    if (sa != NULL && sa->shard != w->setup.shard)
        hand_over(w, sa, rule, flow, packet, &whole);
    else if (sa != NULL)
        send_through(w, sa, flow, packet);
    else if (rule_has_sa)
        worker_drop(w, DROP_OUT_SELECTOR);
    else
        hold_back(w, rule, flow, packet);
}

/* Of the host's route past the TUN. Asked for rarely: it takes several calls. */
static uint32_t route_mtu(struct worker *w, const struct address *to)
{
    const struct worker_ops *ops = &w->setup.ops;
    if (w->now_ms >= w->route_until_ms || !address_equal(to, &w->route_to)) {
        /* Many destinations in turn: the one before keeps its answer, and the others wait. */
        if (w->now_ms < w->route_asked_ms + ROUTE_MTU_PAUSE_MS)
            return 0;
        w->route_asked_ms = w->now_ms;
        w->route_to = *to;
        w->route_mtu = ops->route_mtu(ops->arg, to);
        w->route_until_ms = w->now_ms + ROUTE_MTU_LIFE_MS;
    }
    return w->route_mtu;
}

/* In clear, by the host's other routes; what does not fit there is cut or refused as a router would. */
static void bypass(struct worker *w, const struct flow *flow, struct packet *packet)
{
    enum bypass_result result = bypass_send(w->setup.bypass, flow, packet);
    if (result == BYPASS_SENT)
        return;
    uint32_t mtu = result == BYPASS_TOO_BIG ? route_mtu(w, &flow->destination) : 0;
    struct fragmenter f;
    struct packet piece;
    if (mtu == 0) {
        worker_drop(w, DROP_OUT_BYPASS);
        return;
    }
    if (!header_may_fragment(packet_data(packet)) || fragment_begin(&f, packet_bytes(packet), mtu) != OK) {
        refuse_size(w, packet, mtu);
        return;
    }
    worker_seal_batch(w);                                                 /* the slab is free */
    while (slab_next(&w->cuts, mtu, &piece) && fragment_next(&f, &piece)) /* not kept: each leaves before the next */
        if (bypass_send_piece(w->setup.bypass, flow, &piece) != BYPASS_SENT)
            worker_drop(w, DROP_OUT_BYPASS);
}

/*
 * The rule of a packet, with the flow by which it finds its SA: its own; for a later fragment, with the ports that the
 * first one showed; for an ICMP error that no protect rule takes, that of the packet which it quotes (RFC 4301 6).
 */
static int look_up(struct worker *w, const struct packet *packet, struct flow *flow)
{
    int index = flow_cache_lookup(w->flow_cache, w->setup.spd, flow);
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

/* What we have sealed must not be sealed again: a route to the peer that leads into the TUN, where our mark does not
 * hold it off, would send it round for ever. It is known by SPI and peer, in raw ESP or behind the UDP header. */
static bool is_our_own(const struct worker *w, const struct packet *packet, const struct flow *flow)
{
    uint32_t at = flow->upper + (flow->protocol == PROTOCOL_UDP ? (uint32_t)UDP_HEADER : 0), spi;
    bool carries_esp =
        flow->protocol == PROTOCOL_ESP || (flow->protocol == PROTOCOL_UDP && flow->source_port == IKE_NATT_PORT);
    if (!carries_esp || flow->upper == 0 || at >= packet->len ||
        !esp_peek_spi(bytes_of(packet_data(packet) + at, packet->len - at), &spi))
        return false;
    return sad_by_outbound(w->setup.sad, spi, &flow->destination) != NULL;
}

static void act(struct worker *w, uint32_t index, const struct flow *flow, struct packet *packet)
{
    switch (w->setup.spd->rules[index].action) {
    case ACTION_PROTECT: protect(w, index, flow, packet); break;
    case ACTION_DISCARD: worker_drop(w, DROP_OUT_DISCARD); break;
    case ACTION_BYPASS: bypass(w, flow, packet); break;
    }
}

/* A super-packet met the rule: most often an SA is there, and it is split straight into its batch. Else each packet of
 * it goes its way alone. */
static void act_on_super(struct worker *w, uint32_t index, const struct flow *flow, const struct packet *packet,
                         const struct vnet *vnet)
{
    bool rule_has_sa;
    struct splitter s;
    bool protects = w->setup.spd->rules[index].action == ACTION_PROTECT;
    struct sa *sa = protects ? sad_outbound(w->setup.sad, index, flow, &rule_has_sa) : NULL;
    if (sa != NULL && sa->shard != w->setup.shard) {
        hand_over(w, sa, index, flow, packet, vnet);
        return;
    }
    if (sa != NULL) {
        if (!send_split(w, sa, flow, packet, vnet))
            worker_drop(w, DROP_OUT_MALFORMED);
        return;
    }
    if (split_begin(&s, packet_bytes(packet), flow, vnet, 0) != OK) {
        worker_drop(w, DROP_OUT_MALFORMED);
        return;
    }
    count_rest(w, index, &s);
    while (split_to_scratch(w, &s))
        act(w, index, flow, &w->scratch); /* it waits as a copy, or leaves at once */
}

void worker_send_out(struct worker *w, uint32_t rule, const struct flow *flow, struct packet *packet,
                     const struct vnet *vnet)
{
    if (vnet->gso != VNET_GSO_NONE)
        act_on_super(w, rule, flow, packet, vnet);
    else
        act(w, rule, flow, packet);
}

/* False for what meets the rule and goes nowhere: it is discarded, or no SA of the rule takes it. */
static bool is_taken(const struct worker *w, uint32_t index, const struct flow *flow)
{
    bool rule_has_sa = false;
    switch (w->setup.spd->rules[index].action) {
    case ACTION_PROTECT: return sad_outbound(w->setup.sad, index, flow, &rule_has_sa) != NULL || !rule_has_sa;
    case ACTION_BYPASS: return true;
    case ACTION_DISCARD: break;
    }
    return false;
}

static void classify(struct worker *w, struct packet *packet, const struct vnet *vnet)
{
    struct flow flow;
    size_t len;
    bool super = vnet->gso != VNET_GSO_NONE;
    if (flow_read(packet_bytes(packet), &flow, &len) != OK ||
        (!super && vnet->needs_checksum && split_complete(packet_data(packet), len, &flow, vnet) != OK)) {
        worker_drop(w, DROP_OUT_MALFORMED);
        return;
    }
    packet->len = (uint32_t)len;
    if (is_our_own(w, packet, &flow)) {
        worker_drop(w, DROP_OUT_LOOP);
        return;
    }
    enum fragment_verdict verdict =
        flow.is_fragment ? fragments_see(w->fragments_out, OUTBOUND_SCOPE, &flow, w->now_ms) : FRAGMENT_KNOWN;
    if (verdict == FRAGMENT_BAD) {
        worker_drop(w, DROP_OUT_FRAGMENT);
        return;
    }
    int index = look_up(w, packet, &flow);
    if (index == SPD_RULE_NONE) {
        worker_drop(w, DROP_OUT_NO_RULE);
        return;
    }
    if (verdict == FRAGMENT_UNKNOWN && is_taken(w, (uint32_t)index, &flow))
        fragments_let_through(w->fragments_out, 0, OUTBOUND_SCOPE, &flow, w->now_ms);
    counter_add(&w->rules[index].packets, 1);
    counter_add(&w->rules[index].bytes, packet->len);
    worker_send_out(w, (uint32_t)index, &flow, packet, vnet);
}

void worker_take_own(struct worker *w, struct packet *packet)
{
    static const struct vnet whole = {0};
    classify(w, packet, &whole);
}

void worker_send_own(struct worker *w, struct bytes packet, uint64_t now_ms)
{
    worker_set_time(w, now_ms);
    w->scratch.offset = PACKET_HEADROOM;
    w->scratch.len = (uint32_t)packet.len;
    memcpy(packet_data(&w->scratch), packet.data, packet.len);
    worker_take_own(w, &w->scratch);
    worker_seal_batch(w);
    worker_tell_notes(w);
}

bool worker_device_readable(struct worker *w, uint64_t now_ms)
{
    bool gone = false;
    bool more = true;
    worker_set_time(w, now_ms);
    for (unsigned round = 0; round < WORKER_ROUNDS && more && !gone && !worker_must_rest(w); round++) {
        size_t count = device_read(w->setup.device, &w->reads, w->packets, w->vnets, WORKER_BATCH, &gone);
        for (size_t i = 0; i < count; i++)
            classify(w, &w->packets[i], &w->vnets[i]);
        worker_seal_batch(w);
        worker_tell_notes(w);
        more = count == WORKER_BATCH || w->reads.used >= DEVICE_DRAIN;
    }
    return !gone;
}

_Static_assert((int)WAITING_PER_RULE <= (int)WORKER_BATCH, "one release empties the queue of a rule");

void worker_release(struct worker *w, uint32_t rule, uint64_t now_ms)
{
    struct flow flow;
    worker_set_time(w, now_ms);
    slab_reset(&w->reads);
    for (size_t i = 0; i < WORKER_BATCH; i++) {
        if (!slab_next(&w->reads, w->setup.packet_max, &w->packets[i])) {
            worker_seal_batch(w);
            slab_reset(&w->reads);
            if (!slab_next(&w->reads, w->setup.packet_max, &w->packets[i]))
                break;
        }
        if (!waiting_pop(w->waiting, rule, &flow, &w->packets[i]))
            break;
        slab_keep(&w->reads, &w->packets[i]);
        protect(w, rule, &flow, &w->packets[i]);
    }
    worker_seal_batch(w);
    worker_tell_notes(w);
}
