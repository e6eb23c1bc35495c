/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/worker.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "esp/encap.h"
#include "esp/open.h"
#include "esp/seal.h"

/* What one batch wants IKE to know; told when no SA is held any more. */
struct note {
    enum { NOTE_SOFT, NOTE_HARD, NOTE_MOVED, NOTE_ACQUIRE } kind;
    uint64_t child_id;
    uint32_t rule;
    struct endpoint remote;
};

/* Each batch makes at most two notes, each packet at most one more. */
enum { NOTES_MAX = 3 * WORKER_BATCH };

/* Consecutive packets of one SA. */
struct batch {
    struct sa *sa;
    struct packet *packets[WORKER_BATCH];
    const struct path *paths[WORKER_BATCH]; /* inbound */
    size_t count;
};

struct worker {
    struct worker_setup setup;
    struct waiting *waiting;
    uint8_t *slab; /* WORKER_BATCH buffers */
    struct packet packets[WORKER_BATCH];
    struct datagram datagrams[WORKER_BATCH];
    struct flow flows[WORKER_BATCH];
    enum drop why[WORKER_BATCH];
    struct batch batch;
    struct note notes[NOTES_MAX];
    size_t note_count;
    struct drops drops;
    struct rule_counters *rules;
};

/* The outbound and the inbound path share the buffers: one is done before the other begins. */
static enum status make_buffers(struct worker *w)
{
    size_t size = (size_t)WORKER_BATCH * PACKET_BUFFER;
    void *slab = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (slab == MAP_FAILED)
        return ERR_MEMORY;
    w->slab = slab;
    for (size_t i = 0; i < WORKER_BATCH; i++) {
        w->packets[i] = packet_of(w->slab + i * PACKET_BUFFER, PACKET_BUFFER, PACKET_HEADROOM);
        w->datagrams[i].packet = w->packets[i];
    }
    return OK;
}

enum status worker_new(const struct worker_setup *setup, struct worker **out)
{
    *out = NULL;
    struct worker *w = calloc(1, sizeof *w);
    if (w == NULL)
        return ERR_MEMORY;
    w->setup = *setup;
    size_t rules = setup->spd->count;
    w->rules = calloc(rules > 0 ? rules : 1, sizeof *w->rules);
    enum status status = w->rules != NULL ? make_buffers(w) : ERR_MEMORY;
    if (status == OK)
        status = waiting_new(rules, setup->device->mtu, &w->waiting);
    if (status != OK) {
        worker_free(w);
        return status;
    }
    *out = w;
    return OK;
}

void worker_free(struct worker *w)
{
    if (w == NULL)
        return;
    if (w->slab != NULL)
        munmap(w->slab, (size_t)WORKER_BATCH * PACKET_BUFFER);
    waiting_free(w->waiting);
    free(w->rules);
    free(w);
}

static void drop(struct worker *w, enum drop why)
{
    w->drops.count[why]++;
}

/* --- notes --- */

static void note(struct worker *w, const struct note *n)
{
    if (w->note_count < NOTES_MAX)
        w->notes[w->note_count++] = *n;
}

static void note_limits(struct worker *w, struct sa *sa)
{
    if (sa->dead)
        note(w, &(struct note){.kind = NOTE_HARD, .child_id = sa->child_id});
    else if (sa_take_soft(sa))
        note(w, &(struct note){.kind = NOTE_SOFT, .child_id = sa->child_id});
}

static void tell_notes(struct worker *w)
{
    const struct worker_ops *ops = &w->setup.ops;
    for (size_t i = 0; i < w->note_count; i++) {
        const struct note *n = &w->notes[i];
        switch (n->kind) {
        case NOTE_SOFT: ops->soft(ops->arg, n->child_id); break;
        case NOTE_HARD: ops->hard(ops->arg, n->child_id); break;
        case NOTE_MOVED: ops->moved(ops->arg, n->child_id, &n->remote); break;
        case NOTE_ACQUIRE: ops->acquire(ops->arg, n->rule); break;
        }
    }
    w->note_count = 0;
}

/* --- outbound: TUN to network --- */

static void seal_group(struct worker *w)
{
    struct batch *b = &w->batch;
    if (b->count == 0)
        return;
    esp_seal(b->sa, b->packets, w->why, b->count);
    size_t ready = 0;
    for (size_t i = 0; i < b->count; i++) {
        if (w->why[i] == DROP_NONE)
            b->packets[ready++] = b->packets[i];
        else
            drop(w, w->why[i]);
    }
    if (ready > 0)
        udp_send_esp(w->setup.udp, &b->sa->path, b->sa->udp, b->packets, ready, &w->drops);
    note_limits(w, b->sa);
    b->count = 0;
}

static void hold_back(struct worker *w, uint32_t rule, const struct packet *packet, uint64_t now_ms)
{
    if (waiting_push(w->waiting, rule, bytes_of(packet_data(packet), packet->len), now_ms) != OK)
        drop(w, DROP_OUT_QUEUE_FULL);
    if (waiting_should_ask(w->waiting, rule, now_ms))
        note(w, &(struct note){.kind = NOTE_ACQUIRE, .rule = rule});
}

static void protect(struct worker *w, uint32_t rule, const struct flow *flow, struct packet *packet, uint64_t now_ms)
{
    bool rule_has_sa = false;
    struct batch *b = &w->batch;
    struct sa *sa = sad_outbound(w->setup.sad, rule, flow, &rule_has_sa);
    if (sa == NULL && rule_has_sa) {
        drop(w, DROP_OUT_SELECTOR);
        return;
    }
    if (sa == NULL) {
        hold_back(w, rule, packet, now_ms);
        return;
    }
    if (b->count > 0 && b->sa != sa)
        seal_group(w);
    b->sa = sa;
    b->packets[b->count++] = packet;
}

/* One packet from the TUN meets the SPD. */
static void classify(struct worker *w, struct packet *packet, uint64_t now_ms)
{
    struct flow flow;
    size_t len;
    if (flow_read(bytes_of(packet_data(packet), packet->len), &flow, &len) != OK) {
        drop(w, DROP_OUT_MALFORMED);
        return;
    }
    packet->len = (uint32_t)len;
    int index = spd_lookup(w->setup.spd, &flow);
    if (index == SPD_RULE_NONE) {
        drop(w, DROP_OUT_NO_RULE);
        return;
    }
    w->rules[index].packets++;
    w->rules[index].bytes += packet->len;
    switch (w->setup.spd->rules[index].action) {
    case ACTION_PROTECT: protect(w, (uint32_t)index, &flow, packet, now_ms); break;
    case ACTION_DISCARD: drop(w, DROP_OUT_DISCARD); break;
    case ACTION_BYPASS:
        if (!bypass_send(w->setup.bypass, &flow, packet))
            drop(w, DROP_OUT_BYPASS);
        break;
    }
}

bool worker_device_readable(struct worker *w, uint64_t now_ms)
{
    bool gone = false;
    size_t count = WORKER_BATCH;
    for (unsigned round = 0; round < WORKER_ROUNDS && count == WORKER_BATCH && !gone; round++) {
        count = device_read(w->setup.device, w->packets, WORKER_BATCH, &gone);
        for (size_t i = 0; i < count; i++)
            classify(w, &w->packets[i], now_ms);
        seal_group(w);
        tell_notes(w);
    }
    return !gone;
}

void worker_release(struct worker *w, uint32_t rule, uint64_t now_ms)
{
    size_t count = 0;
    while (count < WORKER_BATCH && waiting_pop(w->waiting, rule, &w->packets[count]))
        count++;
    for (size_t i = 0; i < count; i++) {
        struct flow flow;
        if (flow_read(bytes_of(packet_data(&w->packets[i]), w->packets[i].len), &flow, NULL) == OK)
            protect(w, rule, &flow, &w->packets[i], now_ms);
    }
    seal_group(w);
    tell_notes(w);
}

_Static_assert((int)WAITING_PER_RULE <= (int)WORKER_BATCH, "one release empties the queue of a rule");

void worker_expire(struct worker *w, uint64_t now_ms)
{
    uint32_t rule;
    w->drops.count[DROP_OUT_QUEUE_EXPIRED] += waiting_expire(w->waiting, now_ms);
    while (waiting_take_ask(w->waiting, now_ms, &rule))
        w->setup.ops.acquire(w->setup.ops.arg, rule);
}

uint64_t worker_next(const struct worker *w)
{
    return waiting_next(w->waiting);
}

/* --- inbound: network to TUN --- */

/* The peer is followed only where an authentic packet shows the way (B42). */
static void note_moved(struct worker *w, const struct sa *sa, const struct path *path)
{
    if (sa->udp && path->remote.port != 0 && !endpoint_equal(&path->remote, &sa->path.remote))
        note(w, &(struct note){.kind = NOTE_MOVED, .child_id = sa->child_id, .remote = path->remote});
}

static void open_group(struct worker *w)
{
    struct batch *b = &w->batch;
    const struct path *last = NULL;
    if (b->count == 0)
        return;
    esp_open(b->sa, b->packets, w->flows, w->why, b->count);
    for (size_t i = 0; i < b->count; i++) {
        if (w->why[i] != DROP_NONE) {
            drop(w, w->why[i]);
            continue;
        }
        last = b->paths[i];
        if (!device_write(w->setup.device, bytes_of(packet_data(b->packets[i]), b->packets[i]->len)))
            drop(w, DROP_IN_DEVICE);
    }
    if (last != NULL)
        note_moved(w, b->sa, last);
    note_limits(w, b->sa);
    b->count = 0;
}

static void take_esp(struct worker *w, struct datagram *datagram)
{
    struct batch *b = &w->batch;
    uint32_t spi;
    if (!esp_peek_spi(bytes_of(packet_data(&datagram->packet), datagram->packet.len), &spi)) {
        drop(w, DROP_IN_SHORT);
        return;
    }
    struct sa *sa = sad_inbound(w->setup.sad, spi);
    if (sa == NULL) {
        drop(w, DROP_IN_NO_SA);
        return;
    }
    if (b->count > 0 && b->sa != sa)
        open_group(w);
    b->sa = sa;
    b->paths[b->count] = &datagram->path;
    b->packets[b->count++] = &datagram->packet;
}

static void give_ike(struct worker *w, const struct path *path, struct bytes message)
{
    /* IKE may remove SAs: none is held meanwhile. */
    open_group(w);
    w->setup.ops.ike_message(w->setup.ops.arg, path, message);
}

static void take_datagram(struct worker *w, enum udp_kind kind, struct datagram *datagram)
{
    struct bytes content = bytes_of(packet_data(&datagram->packet), datagram->packet.len);
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
    case ENCAP_MALFORMED: drop(w, DROP_ENCAP); break;
    }
}

void worker_socket_readable(struct worker *w, const struct udp_socket *socket)
{
    size_t count = WORKER_BATCH;
    for (unsigned round = 0; round < WORKER_ROUNDS && count == WORKER_BATCH; round++) {
        count = udp_receive(w->setup.udp, socket, w->datagrams, WORKER_BATCH);
        for (size_t i = 0; i < count; i++)
            take_datagram(w, socket->kind, &w->datagrams[i]);
        open_group(w);
        tell_notes(w);
    }
}

const struct drops *worker_drops(const struct worker *w)
{
    return &w->drops;
}

const struct rule_counters *worker_rules(const struct worker *w)
{
    return w->rules;
}
