/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quick mode (RFC 2409 5.5), all encrypted under phase 1:
 *
 *   1  HASH(1), SA, Ni [, KE] [, IDci, IDcr]  ->
 *   2                                         <-  HASH(2), SA, Nr [, KE] [, IDci, IDcr]
 *   3  HASH(3)                                ->
 *
 * The responder's pair opens from message 2 on and seals from message 3 on. The initiator's opens from message 2 on and
 * seals a moment after message 3 (CONFIRM_GRACE). So no packet meets an end that does not know its SA. A finished
 * exchange lingers, to answer repeats with the same bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ike/child.h"
#include "ike/keylog.h"
#include "ike/peer.h"
#include "ike/sa.h"
#include "ike/v1_quick.h"

struct bytes quick_nonce_i(const struct quick *q)
{
    return bytes_of(q->nonce_i, q->nonce_i_len);
}

struct bytes quick_nonce_r(const struct quick *q)
{
    return bytes_of(q->nonce_r, q->nonce_r_len);
}

uint16_t quick_encap(const struct ike_sa *sa, bool udp)
{
    if (!udp)
        return V1_ENCAP_TUNNEL;
    return sa->natt_draft ? V1_ENCAP_UDP_TUNNEL_DRAFT : V1_ENCAP_UDP_TUNNEL;
}

struct v1_terms quick_terms(const struct ike *ike, const struct ike_sa *sa, uint32_t spi)
{
    const struct connection *c = connection_of(ike, sa->connection);
    return (struct v1_terms){.kind = PROPOSAL_ESP,
                             .encap = quick_encap(sa, sa->udp),
                             .spi = spi,
                             .life_seconds = c->lifetime_s,
                             .life_kilobytes = v1_kilobytes(c->lifetime_bytes)};
}

void quick_free(struct ike *ike, struct quick *q)
{
    timer_stop(ike, &q->timer);
    DL_DELETE(q->sa->quicks, q);
    --*(q->state == QUICK_DONE ? &q->sa->quick_lingering : &q->sa->quick_count);
    exchange_clear(&q->exchange);
    dh_free(q->dh);
    wipe(q, sizeof *q);
    free(q);
}

static void forget_oldest(struct ike *ike, struct ike_sa *sa)
{
    struct quick *q, *next;
    DL_FOREACH_SAFE (sa->quicks, q, next)
        if (q->state == QUICK_DONE && sa->quick_lingering >= QUICK_LINGERING_MAX)
            quick_free(ike, q);
}

enum status quick_new(struct ike *ike, struct ike_sa *sa, uint32_t message_id, bool initiator, struct quick **out)
{
    if (sa->quick_count >= QUICK_PER_SA_MAX)
        return ERR_LIMIT;
    forget_oldest(ike, sa);
    struct quick *q = calloc(1, sizeof *q);
    if (q == NULL)
        return ERR_MEMORY;
    enum status status = v1_phase2_iv(&sa->keys, sa->iv, message_id, q->iv);
    if (status == OK)
        status = ike_sa_remember(ike, sa, &sa->quick_ids, message_id, QUICK_IDS_MAX);
    if (status != OK) {
        free(q);
        return status;
    }
    q->sa = sa;
    q->message_id = message_id;
    q->started_ms = ike->now_ms;
    q->initiator = initiator;
    timer_init(&q->timer, TIMER_QUICK, q);
    DL_APPEND(sa->quicks, q);
    sa->quick_count++;
    *out = q;
    return OK;
}

void quick_done(struct ike *ike, struct quick *q)
{
    if (q->state != QUICK_DONE) {
        q->sa->quick_count--;
        q->sa->quick_lingering++;
    }
    q->state = QUICK_DONE;
    dh_free(q->dh);
    q->dh = NULL;
    timer_in(ike, &q->timer, LINGER);
}

enum status quick_send(struct ike *ike, struct quick *q, struct bytes datagram, bool waits)
{
    enum status status = exchange_keep(&q->exchange, datagram);
    if (status != OK)
        return status;
    timer_in(ike, &q->timer, waits ? exchange_wait_ms(&q->exchange) : LINGER);
    q->sa->version->send(ike, q->sa, datagram, 0);
    ike_sa_count(ike, q->sa, datagram.len);
    return OK;
}

struct log_subject quick_subject(const struct quick *q, const char *why)
{
    return (struct log_subject){
        .connection = q->sa->connection, .spi_in = q->spi_in, .spi_out = q->spi_out, .reason = why};
}

/* It did not come about: whoever waits for it is told. Frees q. */
void quick_fail(struct ike *ike, struct quick *q, const char *why)
{
    struct peer *peer = q->sa->peer;
    uint32_t rule = q->rule;
    uint64_t replaces = q->replaces, child_id = q->child_id;
    bool initiator = q->initiator;
    const struct log_subject failed = quick_subject(q, why);
    quick_free(ike, q);
    struct child_sa *half = child_id != 0 ? child_by_id(ike, child_id) : NULL;
    if (half != NULL && half->state == CHILD_INSTALLED)
        child_end(ike, half, !initiator, true, why); /* the initiator may be sealing on it already */
    ike_say_event(ike, initiator ? LOG_ERROR : LOG_WARNING, failed, "phase 2 failed");
    if (!initiator)
        return;
    if (replaces != 0)
        child_renew_failed(ike, replaces);
    peer_unwant(peer, rule);
    ike_tell(ike, (struct ike_event){
                      .kind = IKE_EVENT_CHILD_FAILED, .connection = peer->connection, .rule = rule, .why = why});
    if (child_of_rule(peer, rule) == NULL)
        peer_lost(ike, peer);
}

void v1_quick_forget_all(struct ike *ike, struct ike_sa *sa, const char *why)
{
    struct quick *q, *next;
    DL_FOREACH_SAFE (sa->quicks, q, next) {
        if (why != NULL && q->state != QUICK_DONE)
            quick_fail(ike, q, why);
        else
            quick_free(ike, q);
    }
}

void v1_quick_forget_gone(struct ike *ike, struct ike_sa *sa, const struct renumber *numbers, const char *why)
{
    struct quick *q, *next;
    DL_FOREACH_SAFE (sa->quicks, q, next) {
        if (renumber_rule(numbers, q->rule) != RENUMBER_GONE)
            continue;
        if (q->state != QUICK_DONE)
            quick_fail(ike, q, why);
        else
            quick_free(ike, q);
    }
}

void v1_quick_renumber(struct ike_sa *sa, const struct renumber *numbers)
{
    struct quick *q;
    DL_FOREACH (sa->quicks, q)
        q->rule = renumber_rule(numbers, q->rule);
}

bool v1_quick_is_creating(const struct ike_sa *sa, uint32_t rule)
{
    const struct quick *q;
    DL_FOREACH (sa->quicks, q)
        if (q->initiator && q->state == QUICK_SENT_OFFER && q->rule == rule)
            return true;
    return false;
}

bool v1_quick_has_room(const struct ike_sa *sa)
{
    return sa->quick_count < QUICK_PER_SA_MAX;
}

/* Nothing answers message 3: while the old child stays (child.c says how long) and the peer has not sent on the new
 * one, it may have to ask for it again. */
static bool may_be_unconfirmed(const struct ike *ike, const struct quick *q)
{
    const struct child_sa *old = child_by_id(ike, q->replaces);
    return q->initiator && ike->now_ms < q->started_ms + CONFIRM_PATIENCE && old != NULL && old->told == 0 &&
           child_by_id(ike, q->child_id) != NULL &&
           ike->setup.ops.child_packets_in(ike->setup.ops.arg, q->child_id) == 0;
}

bool v1_quick_is_creating_any(const struct ike *ike, const struct ike_sa *sa)
{
    const struct quick *q;
    DL_FOREACH (sa->quicks, q)
        if (q->state != QUICK_DONE || may_be_unconfirmed(ike, q))
            return true;
    return false;
}

void v1_quick_timer(struct ike *ike, struct quick *q)
{
    if (q->state == QUICK_DONE) {
        struct peer *peer = q->sa->peer;
        quick_free(ike, q);
        peer_pursue(ike, peer); /* rules may have waited for the place (QUICK_PER_SA_MAX) */
        return;
    }
    if (exchange_try_again(&q->exchange)) {
        q->sa->version->send(ike, q->sa, bytes_of(q->exchange.sent, q->exchange.sent_len), q->exchange.tries);
        timer_in(ike, &q->timer, exchange_wait_ms(&q->exchange));
        return;
    }
    if (!q->initiator) {
        quick_fail(ike, q, "the peer never confirmed phase 2");
        return;
    }
    struct ike_sa *sa = q->sa;
    bool silent = sa->heard_ms < q->started_ms;
    quick_fail(ike, q, "peer not responding in phase 2");
    /* Some peers drop what they do not like without a word: only silence in everything is death. */
    if (silent && sa->probe.deadline.armed)
        timer_in(ike, &sa->probe, 0);
    else if (silent)
        ike_sa_peer_dead(ike, sa, "no answer in phase 2");
}

enum status quick_new_nonce(struct ike *ike, struct quick *q)
{
    const struct access *access = connection_of(ike, q->sa->connection)->access;
    /* vpnc takes another one for granted when a server renews, and would make other keys of ours. */
    size_t len = q->initiator && access != NULL && access->server ? NONCE_TO_CLIENT : NONCE_OURS;
    *(q->initiator ? &q->nonce_i_len : &q->nonce_r_len) = len;
    return random_fill(&ike->setup.random, q->initiator ? q->nonce_i : q->nonce_r, len);
}

/* RFC 2409 5.5: of what makes KEYMAT, the SPI alone tells the directions apart. With one SPI for both they would have
 * one key, and ciphers with counters would use each IV twice. */
bool quick_spis_differ(const struct quick *q)
{
    return q->spi_in != q->spi_out;
}

enum status quick_new_spi(struct ike *ike, struct quick *q)
{
    for (unsigned i = 0; i < QUICK_SPI_DRAWS; i++) {
        q->spi_in = ike->setup.ops.new_spi(ike->setup.ops.arg, q->sa->connection, &q->sa->path.remote.address);
        if (q->spi_in == 0)
            break;
        if (quick_spis_differ(q))
            return OK;
    }
    return ERR_CRYPTO;
}

enum status quick_new_dh(struct ike *ike, struct quick *q, uint16_t group)
{
    if (group == GROUP_NONE)
        return OK;
    return dh_new((enum group)group, &ike->setup.random, ike->setup.vault, &q->dh);
}

static enum status make_keys(struct ike *ike, const struct quick *q, struct bytes peer_public, struct child *child)
{
    const struct v1_keys *keys = &q->sa->keys;
    size_t len = esp_keymat_len(q->suite.encr, q->suite.key_bits, q->suite.integ);
    struct secret shared = {0};
    enum status status = len != 0 ? OK : ERR_UNSUPPORTED;
    if (status == OK && q->dh != NULL)
        status = dh_shared(q->dh, peer_public, &shared);
    if (status == OK)
        status = v1_keymat(ike->setup.vault, keys, secret_bytes(&shared), q->spi_in, quick_nonce_i(q), quick_nonce_r(q),
                           len, &child->key_in);
    if (status == OK)
        status = v1_keymat(ike->setup.vault, keys, secret_bytes(&shared), q->spi_out, quick_nonce_i(q),
                           quick_nonce_r(q), len, &child->key_out);
    secret_free(&shared);
    if (status != OK) {
        secret_free(&child->key_in);
        secret_free(&child->key_out);
    }
    return status;
}

static void set_byte_limits(struct ike *ike, struct child *child, const struct quick *q)
{
    child->hard_bytes = v1_bytes(q->lifetime_kb);
    child->soft_bytes = ike_soft_limit(ike, child->hard_bytes, q->initiator);
}

/* Ours alone: IKE has no word for packets. */
static void set_packet_limits(struct ike *ike, struct child *child, const struct connection *c, bool initiator)
{
    child->hard_packets = c->lifetime_packets;
    child->soft_packets = ike_soft_limit(ike, c->lifetime_packets, initiator);
}

enum status quick_install(struct ike *ike, struct quick *q, struct bytes peer_public, struct child_sa **out)
{
    const struct ike_sa *sa = q->sa;
    const struct connection *c = connection_of(ike, sa->connection);
    struct child child = {.connection = c->name,
                          .rule = q->rule,
                          .spi_in = q->spi_in,
                          .spi_out = q->spi_out,
                          .suite = q->suite,
                          .esn = q->suite.esn,
                          .udp = q->udp,
                          .path = sa->path,
                          .selector = q->selector,
                          .replay_window = c->replay_window,
                          .tunnel = c->tunnel};
    set_byte_limits(ike, &child, q);
    set_packet_limits(ike, &child, c, q->initiator);
    enum status status = make_keys(ike, q, peer_public, &child);
    if (status == OK) {
        keylog_child(ike, &child);
        status = child_install(ike, sa->peer, &child, q->initiator, q->replaces, q->lifetime_s, out);
    }
    if (status == OK)
        q->child_id = (*out)->child.id;
    return status;
}

void quick_agree_lifetimes(const struct ike *ike, struct quick *q, uint64_t seconds, uint64_t kilobytes)
{
    const struct v1_terms ours = quick_terms(ike, q->sa, 0);
    q->lifetime_s = v1_smaller_limit(ours.life_seconds, seconds);
    q->lifetime_kb = v1_smaller_limit(ours.life_kilobytes, kilobytes);
}

enum status quick_read_nonce(struct quick *q, const struct payloads *p)
{
    struct bytes nonce = payload_body(p, PAYLOAD_NONCE);
    if (nonce.len < NONCE_MIN || nonce.len > NONCE_MAX)
        return ERR_MALFORMED;
    memcpy(q->initiator ? q->nonce_r : q->nonce_i, nonce.data, nonce.len);
    *(q->initiator ? &q->nonce_r_len : &q->nonce_i_len) = nonce.len;
    return OK;
}

/* What the peer wants to protect, seen from us. Without identities: the two hosts themselves (RFC 2409 5.5). */
enum status quick_read_selector(const struct ike_sa *sa, const struct payloads *p, bool peer_is_initiator,
                                struct selector *out)
{
    struct v1_side side[2];
    const struct payload *first = payload_find(p, PAYLOAD_ID, 0);
    if (first == NULL) {
        side[0] = (struct v1_side){.range = range_of_address(&sa->path.remote.address)};
        side[1] = (struct v1_side){.range = range_of_address(&sa->path.local.address)};
        return v1_selector(&side[1], &side[0], out);
    }
    size_t at = (size_t)(first - p->items);
    enum status status = v1_side_read(first->body, &side[0]);
    if (status == OK)
        status = v1_side_read(payload_find(p, PAYLOAD_ID, at + 1)->body, &side[1]);
    if (status != OK)
        return status;
    return peer_is_initiator ? v1_selector(&side[1], &side[0], out) : v1_selector(&side[0], &side[1], out);
}

/* Decrypts one message and verifies its hash. Only then the IV of the exchange moves on. */
enum status quick_open(struct ike *ike, struct quick *q, const struct ike_header *header, struct bytes message,
                       enum message_kind kind, struct bytes hashed_nonce, struct payloads *p)
{
    uint8_t next_iv[IV_MAX], expected[HASH_MAX];
    const struct v1_keys *keys = &q->sa->keys;
    enum status status = v1_message_decrypt(ike, keys, header, q->iv, message, p, next_iv);
    if (status == OK)
        status = rules_check(kind, p);
    if (status != OK)
        return status == ERR_LIMIT ? status : ERR_AUTHENTICATION;
    status = kind == MESSAGE_QUICK_HASH ? v1_hash3(keys, q->message_id, quick_nonce_i(q), quick_nonce_r(q), expected)
                                        : v1_hash12(keys, q->message_id, hashed_nonce, v1_behind_hash(p), expected);
    if (status == OK && !v1_hash_equal(keys, p, expected))
        status = ERR_AUTHENTICATION;
    if (status == OK)
        memcpy(q->iv, next_iv, sizeof next_iv);
    return status;
}

void quick_drop(struct ike *ike, const struct path *path, enum status status)
{
    enum ike_drop why = status == ERR_AUTHENTICATION                           ? IKE_DROP_AUTHENTICATION
                        : status == ERR_LIMIT                                  ? IKE_DROP_LIMIT
                        : status == ERR_MALFORMED || status == ERR_UNSUPPORTED ? IKE_DROP_MALFORMED
                        : status == ERR_STATE                                  ? IKE_DROP_STATE
                                                                               : IKE_DROP_INTERNAL;
    ike_drop(ike, why, path, "quick mode: %s", status_text(status));
}

static struct quick *find(const struct ike_sa *sa, uint32_t message_id)
{
    struct quick *q;
    DL_FOREACH (sa->quicks, q)
        if (q->message_id == message_id)
            return q;
    return NULL;
}

void v1_quick_input(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                    struct bytes message)
{
    if (sa->state < SA_ESTABLISHED || header->message_id == 0) {
        ike_drop(ike, IKE_DROP_STATE, path, "quick mode before phase 1 is complete");
        return;
    }
    uint64_t digest = v1_message_digest(ike, message);
    struct quick *q = find(sa, header->message_id);
    if (q == NULL && id_set_has(&sa->quick_ids, header->message_id)) {
        ike_drop(ike, IKE_DROP_REPLAY, path, "quick mode with a message id used before");
        return;
    }
    if (q == NULL) {
        quick_on_offer(ike, sa, header, path, message, digest);
        return;
    }
    if (exchange_is_repeat(&q->exchange, digest)) {
        ike_answer_repeat(ike, sa, &q->exchange, path);
        return;
    }
    switch (q->state) {
    case QUICK_SENT_OFFER: quick_on_answer(ike, q, header, path, message, digest); break;
    case QUICK_SENT_ANSWER: quick_on_confirmation(ike, q, header, path, message); break;
    default: ike_drop(ike, IKE_DROP_STATE, path, "quick mode after it was complete"); break;
    }
}
