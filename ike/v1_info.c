/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Informational exchanges (RFC 2409 5.7): deletes, notifications, dead-peer detection. One message, no answer. Nothing
 * is done before the hash has verified; a clear message is a hint to the log at most (B12, B30).
 */
#include <stdio.h>
#include <string.h>

#include "ike/auth.h"
#include "ike/child.h"
#include "ike/peer.h"
#include "ike/rules.h"
#include "ike/sa.h"
#include "ike/v1.h"
#include "ike/v1_body.h"
#include "ike/v1_message.h"

/* --- sending --- */

static struct v1_message begin(struct ike *ike, const struct ike_sa *sa, uint32_t *id)
{
    struct v1_message m;
    if (v1_message_id(ike, id) != OK) {
        m = v1_message_begin(ike, sa, EXCHANGE_INFORMATIONAL, 0, true);
        m.w.failed = true;
        return m;
    }
    return v1_message_begin_hashed(ike, sa, EXCHANGE_INFORMATIONAL, *id);
}

/*
 * What is remembered of an informational message, so that it cannot be played again: not its id alone. Ids should be
 * unique and not zero (RFC 2408 3.1), but vpnc says goodbye with ids of one byte: one in 256 is zero, and as often its
 * two deletes have the same one. The hash covers the id and all that is said, and nobody else can make one that fits.
 */
static uint32_t mark_of(uint32_t id, const uint8_t hash[HASH_MAX])
{
    return id ^ load_u32(hash);
}

static struct bytes seal_and_send(struct ike *ike, struct ike_sa *sa, uint32_t id, struct v1_message *m)
{
    uint8_t iv[IV_MAX];
    enum status status = m->w.failed ? ERR_CRYPTO : v1_phase2_iv(&sa->keys, sa->iv, id, iv);
    if (status == OK)
        status = v1_message_seal_hashed(&sa->keys, iv, id, (struct bytes){0}, m);
    if (status != OK) {
        ike_say(ike, LOG_ERROR, sa->connection, "an informational message could not be sent: %s", status_text(status));
        return (struct bytes){0};
    }
    /* Our own too: the hash is the same in both directions, and a message thrown back at us must not count as the
     * peer's. */
    if (ike_sa_remember(ike, sa, &sa->info_ids, mark_of(id, m->hash), INFO_IDS_MAX) != OK)
        return (struct bytes){0};
    sa->version->send(ike, sa, writer_bytes(&m->w), 0);
    ike_sa_count(ike, sa, m->w.len);
    return writer_bytes(&m->w);
}

void v1_info_delete_child(struct ike *ike, struct ike_sa *sa, const struct child_sa *child)
{
    uint32_t id;
    struct v1_message m = begin(ike, sa, &id);
    chain_open(&m.chain, &m.w, PAYLOAD_DELETE);
    v1_delete_write_esp(&m.w, child->child.spi_in); /* ours: the peer knows it as its outbound SPI */
    chain_close(&m.chain, &m.w);
    seal_and_send(ike, sa, id, &m);
}

void v1_info_delete_sa(struct ike *ike, struct ike_sa *sa)
{
    uint32_t id;
    struct v1_message m = begin(ike, sa, &id);
    chain_open(&m.chain, &m.w, PAYLOAD_DELETE);
    v1_delete_write_ike(&m.w, sa->spi_i, sa->spi_r);
    chain_close(&m.chain, &m.w);
    seal_and_send(ike, sa, id, &m);
}

/* About the IKE SA itself. */
static void send_about_sa(struct ike *ike, struct ike_sa *sa, uint16_t type, struct bytes data)
{
    uint32_t id;
    uint8_t spi[16];
    store_u64(spi, sa->spi_i);
    store_u64(spi + 8, sa->spi_r);
    struct v1_message m = begin(ike, sa, &id);
    chain_open(&m.chain, &m.w, PAYLOAD_NOTIFY);
    v1_notify_write(&m.w,
                    &(struct v1_notify){
                        .type = type, .protocol = V1_PROTOCOL_ISAKMP, .spi = bytes_of(spi, sizeof spi), .data = data});
    chain_close(&m.chain, &m.w);
    seal_and_send(ike, sa, id, &m);
}

static void send_dpd(struct ike *ike, struct ike_sa *sa, uint16_t type, uint32_t sequence)
{
    uint8_t data[4];
    store_u32(data, sequence);
    send_about_sa(ike, sa, type, bytes_of(data, sizeof data));
}

void v1_info_lifetime(struct ike *ike, struct ike_sa *sa)
{
    uint8_t data[16];
    struct writer w = writer_of(data, sizeof data);
    v1_lifetime_write_phase1(&w, sa->lifetime_s);
    send_about_sa(ike, sa, NOTIFY_RESPONDER_LIFETIME, writer_bytes(&w));
}

/* RFC 3706 5.3: the sequence number is random at first and then counts up; a repeated probe is a new one. */
void v1_info_probe(struct ike *ike, struct ike_sa *sa)
{
    if (sa->dpd_sent == 0) {
        if (random_u32(&ike->setup.random, &sa->dpd_sent) != OK)
            return;
        sa->dpd_sent &= 0x7fffffff;
    }
    send_dpd(ike, sa, NOTIFY_R_U_THERE, ++sa->dpd_sent);
}

struct bytes v1_info_notify(struct ike *ike, struct ike_sa *sa, unsigned type, uint32_t spi)
{
    uint32_t id;
    uint8_t spi_bytes[4];
    store_u32(spi_bytes, spi);
    struct v1_message m = begin(ike, sa, &id);
    chain_open(&m.chain, &m.w, PAYLOAD_NOTIFY);
    v1_notify_write(&m.w, &(struct v1_notify){.type = (uint16_t)type,
                                              .protocol = V1_PROTOCOL_ESP,
                                              .spi = bytes_of(spi_bytes, spi != 0 ? sizeof spi_bytes : 0)});
    chain_close(&m.chain, &m.w);
    return seal_and_send(ike, sa, id, &m);
}

void v1_info_notify_clear(struct ike *ike, const struct ike_header *about, const struct path *path, unsigned type)
{
    uint32_t suppressed, id;
    if (!log_rate_allow(&ike->error_rate, ike->now_ms, &suppressed) || v1_message_id(ike, &id) != OK)
        return;
    const struct ike_sa shape = {.spi_i = about->spi_i, .spi_r = about->spi_r};
    struct v1_message m = v1_message_begin(ike, &shape, EXCHANGE_INFORMATIONAL, id, false);
    chain_open(&m.chain, &m.w, PAYLOAD_NOTIFY);
    v1_notify_write(&m.w, &(struct v1_notify){.type = (uint16_t)type, .protocol = V1_PROTOCOL_ISAKMP});
    chain_close(&m.chain, &m.w);
    if (v1_message_finish(&m) == OK)
        ike_send(ike, path, writer_bytes(&m.w));
}

/* --- receiving --- */

/* A peer's SPIs: only of this peer, so that nobody ends another's SAs. Returns false when the IKE SA itself was ended.
 */
static bool on_delete(struct ike *ike, struct ike_sa *sa, const struct path *path, struct bytes body)
{
    struct v1_delete d;
    if (v1_delete_read(body, &d) != OK) {
        ike_drop(ike, IKE_DROP_MALFORMED, path, "a delete that makes no sense");
        return true;
    }
    struct reader r = reader_of_bytes(d.spis);
    for (unsigned i = 0; i < d.count; i++) {
        if (d.protocol == V1_PROTOCOL_ESP) {
            struct child_sa *child = child_by_spi_out(sa->peer, read_u32(&r));
            if (child != NULL)
                child_end_one(ike, child, false, "deleted by the peer");
            continue;
        }
        uint64_t spi_i = read_u64(&r), spi_r = read_u64(&r);
        struct ike_sa *target = d.protocol == V1_PROTOCOL_ISAKMP ? ike_sa_find(ike, spi_i, spi_r) : NULL;
        if (target == NULL || target->peer != sa->peer || target->state < SA_ESTABLISHED)
            continue;
        bool self = target == sa;
        ike_sa_end_one(ike, target, false, "deleted by the peer");
        if (self)
            return false;
    }
    return true;
}

/*
 * RFC 3706 6.2, 7: what is asked is answered at once; numbers that go back are replays. Only probes count as a sign of
 * life and of a new address: of the messages of this exchange they alone have a sequence number, and any other could be
 * an old one replayed (B42).
 */
static void on_dpd(struct ike *ike, struct ike_sa *sa, const struct path *path, const struct v1_notify *n)
{
    if (n->data.len != 4) {
        ike_drop(ike, IKE_DROP_MALFORMED, path, "dead-peer detection without a sequence number");
        return;
    }
    uint32_t sequence = load_u32(n->data.data);
    if (n->type == NOTIFY_R_U_THERE_ACK) {
        uint32_t behind = sa->dpd_sent - sequence;
        if (behind > DPD_SEQUENCE_SLACK)
            ike_drop(ike, IKE_DROP_REPLAY, path, "an answer to a probe that was not sent");
        else
            ike_sa_heard(ike, sa, path);
        return;
    }
    if (sa->dpd_has_received && (int32_t)(sequence - sa->dpd_received) < 0) {
        ike_drop(ike, IKE_DROP_REPLAY, path, "a stale probe");
        return;
    }
    sa->dpd_has_received = true;
    ike_sa_heard(ike, sa, path);
    sa->dpd_received = sequence;
    send_dpd(ike, sa, NOTIFY_R_U_THERE_ACK, sequence);
}

/* racoon and its heirs send INITIAL_CONTACT after phase 1. */
static bool names_this_sa(const struct ike_sa *sa, struct bytes spi)
{
    uint8_t own[16];
    store_u64(own, sa->spi_i);
    store_u64(own + 8, sa->spi_r);
    return spi.len == 0 || (spi.len == sizeof own && memcmp(spi.data, own, sizeof own) == 0);
}

/* What the responder says of lifetimes after phase 1, and that it is ready after a quick mode with the commit bit. */
static void on_status(struct ike *ike, struct ike_sa *sa, const struct v1_notify *n)
{
    uint64_t seconds, kilobytes;
    if (n->type == NOTIFY_INITIAL_CONTACT && names_this_sa(sa, n->spi))
        ike_sa_initial_contact(ike, sa);
    if (n->type == NOTIFY_RESPONDER_LIFETIME && n->protocol == V1_PROTOCOL_ISAKMP && sa->initiator &&
        v1_lifetime_read(n->data, &seconds, &kilobytes) == OK)
        ike_sa_shorten(ike, sa, seconds, v1_bytes(kilobytes));
    if (n->type == NOTIFY_CONNECTED && n->spi.len == 4) {
        struct child_sa *child = child_by_spi_out(sa->peer, load_u32(n->spi.data));
        if (child != NULL && child->initiator)
            child_activate(ike, child);
    }
}

static void on_notify(struct ike *ike, struct ike_sa *sa, const struct path *path, struct bytes body)
{
    struct v1_notify n;
    if (v1_notify_read(body, &n) != OK) {
        ike_drop(ike, IKE_DROP_MALFORMED, path, "a notification that makes no sense");
        return;
    }
    if (n.type == NOTIFY_R_U_THERE || n.type == NOTIFY_R_U_THERE_ACK) {
        on_dpd(ike, sa, path, &n);
        return;
    }
    ike_say(ike, n.type <= NOTIFY_ERROR_LAST ? LOG_WARNING : LOG_DEBUG, sa->connection, "the peer says %s (%u)",
            v1_notify_name(n.type), n.type);
    if (n.type > NOTIFY_ERROR_LAST) {
        on_status(ike, sa, &n);
        return;
    }
    if (n.type == NOTIFY_INVALID_SPI && n.spi.len == 4) {
        struct child_sa *child = child_by_spi_out(sa->peer, load_u32(n.spi.data));
        if (child != NULL && child->state != CHILD_INSTALLED)
            child_end_one(ike, child, false, "the peer does not know it any more (INVALID_SPI)");
        return;
    }
    v1_quick_refused(ike, sa, n.spi.len == 4 ? load_u32(n.spi.data) : 0, n.type);
}

/* Unauthenticated: no state changes, but if the peer never says anything better, this is what `up` and the log will
 * tell. */
static void on_clear(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                     struct bytes message)
{
    struct payloads p;
    struct v1_notify n;
    enum status status = payloads_read(
        header->next_payload, bytes_of(message.data + IKE_HEADER_LEN, message.len - IKE_HEADER_LEN), false, &p);
    if (status == OK)
        status = rules_check(MESSAGE_INFO_CLEAR, &p);
    if (status == OK)
        status = v1_notify_read(payload_body(&p, PAYLOAD_NOTIFY), &n);
    if (status != OK || sa->state >= SA_CONFIGURING || !sa->initiator || n.type == 0 || n.type > NOTIFY_ERROR_LAST) {
        ike_drop(ike, status != OK ? IKE_DROP_MALFORMED : IKE_DROP_STATE, path, "an unauthenticated notification");
        return;
    }
    ike_drop(ike, IKE_DROP_STATE, path, "an unauthenticated %s: noted as a hint", v1_notify_name(n.type));
    if (sa->refusal != 0 || sa->hint[0] != '\0')
        return;
    sa->refusal = n.type;
    if (ike_sa_hurry(sa))
        timer_in(ike, &sa->retransmit, exchange_wait_ms(&sa->exchange));
}

static enum status open_info(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, struct bytes message,
                             struct payloads *p, uint32_t *mark)
{
    uint8_t iv[IV_MAX], next_iv[IV_MAX], expected[HASH_MAX];
    enum status status = v1_phase2_iv(&sa->keys, sa->iv, header->message_id, iv);
    if (status == OK)
        status = v1_message_decrypt(ike, &sa->keys, header, iv, message, p, next_iv);
    if (status == OK)
        status = rules_check(MESSAGE_INFO, p);
    if (status == OK)
        status = v1_hash12(&sa->keys, header->message_id, (struct bytes){0}, v1_behind_hash(p), expected);
    if (status == OK && !v1_hash_equal(&sa->keys, p, expected))
        status = ERR_AUTHENTICATION;
    if (status == OK)
        *mark = mark_of(header->message_id, expected);
    return status;
}

void v1_info_input(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                   struct bytes message)
{
    if (!(header->flags & FLAG_ENCRYPTION)) {
        on_clear(ike, sa, header, path, message);
        return;
    }
    if (sa->state < SA_CONFIGURING) {
        ike_drop(ike, IKE_DROP_STATE, path, "informational before phase 1 is complete");
        return;
    }
    struct payloads p;
    uint32_t mark;
    enum status status = open_info(ike, sa, header, message, &p, &mark);
    if (status != OK) {
        ike_drop(ike, status == ERR_LIMIT ? IKE_DROP_LIMIT : IKE_DROP_AUTHENTICATION, path, "informational: %s",
                 status_text(status));
        return;
    }
    if (id_set_has(&sa->info_ids, mark)) {
        ike_drop(ike, IKE_DROP_REPLAY, path, "informational seen before");
        return;
    }
    status = ike_sa_remember(ike, sa, &sa->info_ids, mark, INFO_IDS_MAX);
    if (status != OK) {
        ike_drop(ike, IKE_DROP_LIMIT, path, "informational: %s", status_text(status));
        return;
    }
    if (sa->state == SA_CONFIGURING) { /* it has no peer yet to speak of */
        v1_config_deleted(ike, sa, &p);
        return;
    }
    /* Notifications first: a delete may end the SA that they speak of. */
    for (size_t i = 0; i < p.count; i++)
        if (p.items[i].type == PAYLOAD_NOTIFY)
            on_notify(ike, sa, path, p.items[i].body);
    for (size_t i = 0; i < p.count; i++)
        if (p.items[i].type == PAYLOAD_DELETE && !on_delete(ike, sa, path, p.items[i].body))
            return;
}
