/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quick mode (RFC 2409 5.5), all encrypted under phase 1:
 *
 *   1  HASH(1), SA, Ni [, KE] [, IDci, IDcr]  ->
 *   2                                         <-  HASH(2), SA, Nr [, KE] [, IDci, IDcr]
 *   3  HASH(3)                                ->
 *
 * The responder's pair opens from message 2 on and seals from message 3 on; the initiator's does both after message 2. So no packet meets an end
 * that does not know its SA. A finished exchange lingers, to answer repeats with the same bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ike/child.h"
#include "ike/keylog.h"
#include "ike/peer.h"
#include "ike/rules.h"
#include "ike/sa.h"
#include "ike/v1.h"
#include "ike/v1_body.h"
#include "ike/v1_message.h"

enum quick_state {
    QUICK_SENT_OFFER,  /* initiator, waits for message 2 */
    QUICK_SENT_ANSWER, /* responder, waits for message 3 */
    QUICK_DONE,        /* lingers */
};

struct quick {
    struct ike_sa *sa;
    enum quick_state state;
    bool initiator;
    uint32_t message_id;
    uint8_t iv[IV_MAX];
    struct exchange exchange;
    struct timer timer;
    uint32_t rule;
    uint64_t replaces;   /* child id, or 0 */
    uint64_t child_id;   /* once installed */
    uint32_t spi_in, spi_out;
    struct proposal suite;
    struct selector selector;
    bool udp;            /* encapsulation that was agreed */
    uint64_t lifetime_s, lifetime_kb;
    struct dh *dh;       /* with PFS */
    uint8_t nonce_i[NONCE_MAX], nonce_r[NONCE_MAX];
    size_t nonce_i_len, nonce_r_len;
    struct quick *prev, *next;
};

static struct bytes nonce_i(const struct quick *q)
{
    return bytes_of(q->nonce_i, q->nonce_i_len);
}

static struct bytes nonce_r(const struct quick *q)
{
    return bytes_of(q->nonce_r, q->nonce_r_len);
}

static struct v1_terms terms_of(const struct ike *ike, const struct ike_sa *sa, uint32_t spi)
{
    const struct connection *c = connection_of(ike, sa->connection);
    uint64_t kb = c->lifetime_bytes / 1024;
    return (struct v1_terms){.kind = PROPOSAL_ESP,
                             .encap = sa->udp ? V1_ENCAP_UDP_TUNNEL : V1_ENCAP_TUNNEL,
                             .spi = spi,
                             .life_seconds = c->lifetime_s,
                             .life_kilobytes = kb > UINT32_MAX ? UINT32_MAX : kb};
}

/* --- life of one exchange --- */

/* Message ids are never used twice under one phase 1 (B28). */
static enum status remember_id(struct ike_sa *sa, uint32_t id)
{
    if (sa->quick_id_count >= QUICK_IDS_MAX)
        return ERR_LIMIT;
    if (sa->quick_id_count == sa->quick_id_capacity) {
        size_t capacity = sa->quick_id_capacity == 0 ? 16 : sa->quick_id_capacity * 2;
        uint32_t *grown = realloc(sa->quick_ids, capacity * sizeof *grown);
        if (grown == NULL)
            return ERR_MEMORY;
        sa->quick_ids = grown;
        sa->quick_id_capacity = capacity;
    }
    sa->quick_ids[sa->quick_id_count++] = id;
    return OK;
}

static bool id_was_used(const struct ike_sa *sa, uint32_t id)
{
    for (size_t i = 0; i < sa->quick_id_count; i++)
        if (sa->quick_ids[i] == id)
            return true;
    return false;
}

static enum status quick_new(struct ike *ike, struct ike_sa *sa, uint32_t message_id, bool initiator, struct quick **out)
{
    if (sa->quick_count >= QUICK_PER_SA_MAX)
        return ERR_LIMIT;
    struct quick *q = calloc(1, sizeof *q);
    if (q == NULL)
        return ERR_MEMORY;
    enum status status = v1_phase2_iv(&sa->keys, sa->iv, message_id, q->iv);
    if (status == OK)
        status = remember_id(sa, message_id);
    if (status != OK) {
        free(q);
        return status;
    }
    q->sa = sa;
    q->message_id = message_id;
    q->initiator = initiator;
    timer_init(&q->timer, TIMER_QUICK, q);
    DL_APPEND(sa->quicks, q);
    sa->quick_count++;
    (void)ike;
    *out = q;
    return OK;
}

static void quick_free(struct ike *ike, struct quick *q)
{
    timer_stop(ike, &q->timer);
    DL_DELETE(q->sa->quicks, q);
    q->sa->quick_count--;
    exchange_clear(&q->exchange);
    dh_free(q->dh);
    wipe(q, sizeof *q);
    free(q);
}

static void quick_done(struct ike *ike, struct quick *q)
{
    q->state = QUICK_DONE;
    dh_free(q->dh);
    q->dh = NULL;
    timer_in(ike, &q->timer, LINGER);
}

static enum status quick_send(struct ike *ike, struct quick *q, struct bytes datagram, bool waits)
{
    enum status status = exchange_keep(&q->exchange, datagram);
    if (status != OK)
        return status;
    timer_in(ike, &q->timer, waits ? exchange_wait_ms(&q->exchange) : LINGER);
    ike_send(ike, &q->sa->path, datagram);
    return OK;
}

/* It did not come about: whoever waits for it is told. Frees q. */
static void quick_fail(struct ike *ike, struct quick *q, const char *why)
{
    struct peer *peer = q->sa->peer;
    uint32_t rule = q->rule;
    uint64_t replaces = q->replaces, child_id = q->child_id;
    bool initiator = q->initiator;
    quick_free(ike, q);
    struct child_sa *half = child_id != 0 ? child_by_id(ike, child_id) : NULL;
    if (half != NULL && half->state == CHILD_INSTALLED)
        child_end(ike, half, false, true, why);
    if (!initiator)
        return;
    ike_say(ike, LOG_ERROR, peer->connection, "phase 2 failed: %s", why);
    if (replaces != 0)
        child_renew_failed(ike, replaces);
    peer_unwant(peer, rule);
    ike_tell(ike,
             (struct ike_event){.kind = IKE_EVENT_CHILD_FAILED, .connection = peer->connection, .rule = rule, .why = why});
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

bool v1_quick_is_creating(const struct ike_sa *sa, uint32_t rule)
{
    const struct quick *q;
    DL_FOREACH (sa->quicks, q)
        if (q->initiator && q->state == QUICK_SENT_OFFER && q->rule == rule)
            return true;
    return false;
}

void v1_quick_timer(struct ike *ike, struct quick *q)
{
    if (q->state == QUICK_DONE) {
        quick_free(ike, q);
        return;
    }
    if (exchange_try_again(&q->exchange)) {
        ike_send(ike, &q->sa->path, bytes_of(q->exchange.sent, q->exchange.sent_len));
        timer_in(ike, &q->timer, exchange_wait_ms(&q->exchange));
        return;
    }
    if (!q->initiator) {
        quick_fail(ike, q, "the peer never confirmed phase 2");
        return;
    }
    struct ike_sa *sa = q->sa;
    quick_fail(ike, q, "peer not responding in phase 2");
    ike_sa_peer_dead(ike, sa, "no answer in phase 2");
}

/* --- writing --- */

static enum status write_ids(struct v1_message *m, const struct selector *s, bool initiator)
{
    /* IDci is the initiator's side, IDcr the responder's. */
    for (int i = 0; i < 2; i++) {
        chain_open(&m->chain, &m->w, PAYLOAD_ID);
        enum status status = v1_side_write(&m->w, s, (i == 0) == initiator);
        if (status != OK)
            return status;
        chain_close(&m->chain, &m->w);
    }
    return OK;
}

static enum status new_nonce(struct ike *ike, struct quick *q)
{
    *(q->initiator ? &q->nonce_i_len : &q->nonce_r_len) = NONCE_OURS;
    return random_fill(&ike->setup.random, q->initiator ? q->nonce_i : q->nonce_r, NONCE_OURS);
}

static enum status new_spi(struct ike *ike, struct quick *q)
{
    q->spi_in = ike->setup.ops.new_spi(ike->setup.ops.arg);
    return q->spi_in != 0 ? OK : ERR_CRYPTO;
}

static enum status new_dh(struct ike *ike, struct quick *q, uint16_t group)
{
    if (group == GROUP_NONE)
        return OK;
    return dh_new((enum group)group, &ike->setup.random, ike->setup.vault, &q->dh);
}

/* RFC 2409 5.5: the group is one for the whole offer, for the KE payload belongs to one group. The first suite decides which. */
static struct proposal_list same_group(const struct proposal_list *all)
{
    struct proposal_list list = {0};
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i].group == all->items[0].group)
            list.items[list.count++] = all->items[i];
    return list;
}

static enum status send_offer(struct ike *ike, struct quick *q)
{
    const struct ike_sa *sa = q->sa;
    const struct connection *c = connection_of(ike, sa->connection);
    const struct v1_terms terms = terms_of(ike, sa, q->spi_in);
    const struct proposal_list list = same_group(&c->esp);
    struct v1_message m = v1_message_begin_hashed(ike, sa, EXCHANGE_QUICK, q->message_id);
    chain_open(&m.chain, &m.w, PAYLOAD_SA);
    v1_offer_write(&m.w, &terms, &list);
    chain_close(&m.chain, &m.w);
    chain_add(&m.chain, &m.w, PAYLOAD_NONCE, nonce_i(q));
    if (q->dh != NULL)
        chain_add(&m.chain, &m.w, PAYLOAD_KE, dh_public(q->dh));
    enum status status = write_ids(&m, &q->selector, true);
    if (status == OK)
        status = v1_message_seal_hashed(&sa->keys, q->iv, q->message_id, (struct bytes){0}, &m);
    return status == OK ? quick_send(ike, q, writer_bytes(&m.w), true) : status;
}

enum status v1_message_id(struct ike *ike, uint32_t *out)
{
    do {
        enum status status = random_u32(&ike->setup.random, out);
        if (status != OK)
            return status;
    } while (*out == 0);
    return OK;
}

enum status v1_quick_initiate(struct ike *ike, struct ike_sa *sa, uint32_t rule, struct child_sa *replaces)
{
    uint32_t id;
    enum status status = v1_message_id(ike, &id);
    if (status == OK && id_was_used(sa, id))
        status = ERR_STATE;
    if (status != OK)
        return status;
    struct quick *q;
    status = quick_new(ike, sa, id, true, &q);
    if (status != OK)
        return status;
    q->rule = rule;
    q->replaces = replaces != NULL ? replaces->child.id : 0;
    q->udp = sa->udp;
    q->selector = replaces != NULL ? replaces->child.selector : ike->setup.spd->rules[rule].selector;
    status = new_nonce(ike, q);
    if (status == OK)
        status = new_spi(ike, q);
    if (status == OK)
        status = new_dh(ike, q, connection_of(ike, sa->connection)->esp.items[0].group);
    if (status == OK)
        status = send_offer(ike, q);
    if (status != OK) {
        quick_free(ike, q);
        return status;
    }
    char text[SELECTOR_TEXT], suites[SUITES_TEXT];
    ike_say(ike, LOG_INFO, sa->connection, "initiating phase 2 (quick mode) for %s, offering %s",
            selector_print(&q->selector, text), ike_list_suites(&connection_of(ike, sa->connection)->esp, suites));
    return OK;
}

/* --- keys and installation, the same at both ends --- */

static enum status make_keys(struct ike *ike, const struct quick *q, struct bytes peer_public, struct child *child)
{
    const struct v1_keys *keys = &q->sa->keys;
    size_t len = esp_keymat_len(q->suite.encr, q->suite.key_bits, q->suite.integ);
    struct secret shared = {0};
    enum status status = len != 0 ? OK : ERR_UNSUPPORTED;
    if (status == OK && q->dh != NULL)
        status = dh_shared(q->dh, peer_public, &shared);
    if (status == OK)
        status = v1_keymat(ike->setup.vault, keys, secret_bytes(&shared), q->spi_in, nonce_i(q), nonce_r(q), len, &child->key_in);
    if (status == OK)
        status =
            v1_keymat(ike->setup.vault, keys, secret_bytes(&shared), q->spi_out, nonce_i(q), nonce_r(q), len, &child->key_out);
    secret_free(&shared);
    if (status != OK) {
        secret_free(&child->key_in);
        secret_free(&child->key_out);
    }
    return status;
}

static void set_byte_limits(struct child *child, const struct quick *q, bool initiator)
{
    if (q->lifetime_kb == 0)
        return;
    uint64_t bytes = q->lifetime_kb > UINT64_MAX / 1024 ? UINT64_MAX : q->lifetime_kb * 1024;
    child->hard_bytes = bytes;
    child->soft_bytes = bytes / 100 * (initiator ? SOFT_INITIATOR : SOFT_RESPONDER);
}

static enum status install(struct ike *ike, struct quick *q, struct bytes peer_public, struct child_sa **out)
{
    const struct ike_sa *sa = q->sa;
    const struct connection *c = connection_of(ike, sa->connection);
    struct child child = {.connection = c->name,
                          .rule = q->rule,
                          .spi_in = q->spi_in,
                          .spi_out = q->spi_out,
                          .suite = q->suite,
                          .udp = q->udp,
                          .path = sa->path,
                          .selector = q->selector,
                          .replay_window = c->replay_window};
    set_byte_limits(&child, q, q->initiator);
    enum status status = make_keys(ike, q, peer_public, &child);
    if (status == OK) {
        keylog_child(ike, &child);
        status = child_install(ike, sa->peer, &child, q->initiator, q->replaces, q->lifetime_s, out);
    }
    if (status == OK)
        q->child_id = (*out)->child.id;
    return status;
}

static uint64_t smaller_limit(uint64_t ours, uint64_t theirs)
{
    return theirs != 0 && (ours == 0 || theirs < ours) ? theirs : ours;
}

/* RFC 2407 4.5.4: the minimum counts. */
static void agree_lifetimes(const struct ike *ike, struct quick *q, uint64_t seconds, uint64_t kilobytes)
{
    const struct v1_terms ours = terms_of(ike, q->sa, 0);
    q->lifetime_s = smaller_limit(ours.life_seconds, seconds);
    q->lifetime_kb = smaller_limit(ours.life_kilobytes, kilobytes);
}

/* --- reading --- */

static enum status read_nonce(struct quick *q, const struct payloads *p)
{
    struct bytes nonce = payload_body(p, PAYLOAD_NONCE);
    if (nonce.len < NONCE_MIN || nonce.len > NONCE_MAX)
        return ERR_MALFORMED;
    memcpy(q->initiator ? q->nonce_r : q->nonce_i, nonce.data, nonce.len);
    *(q->initiator ? &q->nonce_r_len : &q->nonce_i_len) = nonce.len;
    return OK;
}

/* What the peer wants to protect, seen from us. Without identities: the two hosts themselves (RFC 2409 5.5). */
static enum status read_selector(const struct ike_sa *sa, const struct payloads *p, bool peer_is_initiator, struct selector *out)
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
static enum status open_message(struct ike *ike, struct quick *q, const struct ike_header *header, struct bytes message,
                                enum message_kind kind, struct bytes hashed_nonce, struct payloads *p)
{
    uint8_t next_iv[IV_MAX], expected[HASH_MAX];
    const struct v1_keys *keys = &q->sa->keys;
    enum status status = v1_message_decrypt(ike, keys, header, q->iv, message, p, next_iv);
    if (status == OK)
        status = rules_check(kind, p);
    if (status != OK)
        return status == ERR_LIMIT ? status : ERR_AUTHENTICATION;
    status = kind == MESSAGE_QUICK_HASH ? v1_hash3(keys, q->message_id, nonce_i(q), nonce_r(q), expected)
                                        : v1_hash12(keys, q->message_id, hashed_nonce, v1_behind_hash(p), expected);
    if (status == OK && !v1_hash_equal(keys, p, expected))
        status = ERR_AUTHENTICATION;
    if (status == OK)
        memcpy(q->iv, next_iv, sizeof next_iv);
    return status;
}

static void drop(struct ike *ike, const struct path *path, enum status status)
{
    enum ike_drop why = status == ERR_AUTHENTICATION                          ? IKE_DROP_AUTHENTICATION
                        : status == ERR_LIMIT                                 ? IKE_DROP_LIMIT
                        : status == ERR_MALFORMED || status == ERR_UNSUPPORTED ? IKE_DROP_MALFORMED
                        : status == ERR_STATE                                 ? IKE_DROP_STATE
                                                                              : IKE_DROP_INTERNAL;
    ike_drop(ike, why, path, "quick mode: %s", status_text(status));
}

/* --- responder --- */

/* An authenticated "no", kept as the answer to repeats of this request. */
static void refuse(struct ike *ike, struct quick *q, uint64_t digest, unsigned type)
{
    struct bytes sent = v1_info_notify(ike, q->sa, type, q->spi_out);
    if (sent.len == 0 || exchange_keep(&q->exchange, sent) != OK) {
        quick_free(ike, q);
        return;
    }
    exchange_answers(&q->exchange, digest);
    quick_done(ike, q);
}

static void say_no_rule(struct ike *ike, const struct quick *q)
{
    char text[SELECTOR_TEXT], rule[RULE_TEXT];
    ike_say(ike, LOG_ERROR, q->sa->connection,
            "INVALID_ID_INFORMATION: the peer asks for %s (seen from here), which no protect rule of this connection covers",
            selector_print(&q->selector, text));
    const struct peer *peer = q->sa->peer;
    for (size_t i = 0; i < peer->rule_count && i < 8; i++)
        ike_say(ike, LOG_ERROR, q->sa->connection, "  accepted: %s", rule_print(&ike->setup.spd->rules[peer->rules[i]], rule));
}

static void say_no_proposal(struct ike *ike, const struct quick *q, const struct v1_offer *offer)
{
    struct proposal_list offered;
    char text[EXPLAIN_TEXT];
    const struct v1_terms terms = terms_of(ike, q->sa, 0);
    v1_offer_list(offer, &offered);
    proposal_explain(&connection_of(ike, q->sa->connection)->esp, &offered, text, sizeof text);
    bool encap_differs = offered.count > 0;
    for (size_t i = 0; i < offer->count; i++)
        encap_differs &= !offer->items[i].usable || offer->items[i].encap != terms.encap;
    ike_say(ike, LOG_ERROR, q->sa->connection, "NO_PROPOSAL_CHOSEN for phase 2:");
    ike_say_lines(ike, LOG_ERROR, q->sa->connection, text);
    if (encap_differs)
        ike_say(ike, LOG_ERROR, q->sa->connection,
                "the peer asks for another encapsulation (ESP in UDP or not) than NAT detection gave; see encap");
}

/* Some peers float to 4500 without NAT (Juniper) or ask for UDP all the same: as they like, where both ways can work. */
static bool may_differ_in_encap(const struct ike_sa *sa)
{
    return sa->peer_natt && !(sa->udp && (sa->nat_local || sa->nat_remote));
}

/* Everything that the offer says, on the locals of this exchange. 0: fine; else the notification that refuses it. */
static unsigned read_offer(struct ike *ike, struct quick *q, const struct payloads *p, struct v1_terms *terms,
                           struct v1_offer *offer, const struct v1_transform **chosen)
{
    const struct connection *c = connection_of(ike, q->sa->connection);
    if (v1_offer_read(PROPOSAL_ESP, payload_body(p, PAYLOAD_SA), offer) != OK || read_nonce(q, p) != OK)
        return NOTIFY_PAYLOAD_MALFORMED;
    if (offer->count > 0 && offer->items[0].spi.len == 4)
        q->spi_out = load_u32(offer->items[0].spi.data);
    if (read_selector(q->sa, p, true, &q->selector) != OK)
        return NOTIFY_INVALID_ID_INFORMATION;
    int rule = spd_find_protect(ike->setup.spd, q->sa->connection, &q->selector);
    if (rule == SPD_RULE_NONE) {
        say_no_rule(ike, q);
        return NOTIFY_INVALID_ID_INFORMATION;
    }
    q->rule = (uint32_t)rule;
    *terms = terms_of(ike, q->sa, 0);
    *chosen = v1_offer_choose(offer, terms, &c->esp);
    if (*chosen == NULL && may_differ_in_encap(q->sa)) {
        terms->encap = q->sa->udp ? V1_ENCAP_TUNNEL : V1_ENCAP_UDP_TUNNEL;
        *chosen = v1_offer_choose(offer, terms, &c->esp);
    }
    q->udp = terms->encap == V1_ENCAP_UDP_TUNNEL;
    if (*chosen == NULL) {
        say_no_proposal(ike, q, offer);
        return NOTIFY_NO_PROPOSAL_CHOSEN;
    }
    q->spi_out = load_u32((*chosen)->spi.data);
    q->suite = (*chosen)->suite;
    bool has_ke = payload_find(p, PAYLOAD_KE, 0) != NULL;
    if (has_ke != (q->suite.group != GROUP_NONE))
        return NOTIFY_INVALID_KEY_INFORMATION;
    if (child_by_spi_out(q->sa->peer, q->spi_out) != NULL)
        return NOTIFY_INVALID_SPI;
    agree_lifetimes(ike, q, (*chosen)->life_seconds, (*chosen)->life_kilobytes);
    return 0;
}

static void write_shorter_lifetime(struct v1_message *m, const struct quick *q, const struct v1_transform *chosen)
{
    bool shorter = chosen->life_seconds > q->lifetime_s;
    bool fewer = q->lifetime_kb != 0 && (chosen->life_kilobytes > q->lifetime_kb || chosen->life_kilobytes == 0);
    if (!shorter && !fewer)
        return;
    uint8_t spi[4], data[32];
    store_u32(spi, q->spi_in);
    struct writer w = writer_of(data, sizeof data);
    v1_lifetime_write(&w, shorter ? q->lifetime_s : 0, fewer ? q->lifetime_kb : 0);
    chain_open(&m->chain, &m->w, PAYLOAD_NOTIFY);
    v1_notify_write(&m->w, &(struct v1_notify){.type = NOTIFY_RESPONDER_LIFETIME,
                                               .protocol = V1_PROTOCOL_ESP,
                                               .spi = bytes_of(spi, sizeof spi),
                                               .data = writer_bytes(&w)});
    chain_close(&m->chain, &m->w);
}

static enum status send_answer(struct ike *ike, struct quick *q, const struct payloads *p, const struct v1_transform *chosen)
{
    struct v1_terms terms = terms_of(ike, q->sa, q->spi_in);
    struct v1_message m = v1_message_begin_hashed(ike, q->sa, EXCHANGE_QUICK, q->message_id);
    chain_open(&m.chain, &m.w, PAYLOAD_SA);
    v1_answer_write(&m.w, &terms, chosen);
    chain_close(&m.chain, &m.w);
    chain_add(&m.chain, &m.w, PAYLOAD_NONCE, nonce_r(q));
    if (q->dh != NULL)
        chain_add(&m.chain, &m.w, PAYLOAD_KE, dh_public(q->dh));
    for (size_t i = 0; i < p->count; i++) /* the identities go back as they came */
        if (p->items[i].type == PAYLOAD_ID)
            chain_add(&m.chain, &m.w, PAYLOAD_ID, p->items[i].body);
    write_shorter_lifetime(&m, q, chosen);
    enum status status = v1_message_seal_hashed(&q->sa->keys, q->iv, q->message_id, nonce_i(q), &m);
    return status == OK ? quick_send(ike, q, writer_bytes(&m.w), true) : status;
}

static enum status accept(struct ike *ike, struct quick *q, const struct payloads *p, const struct v1_transform *chosen)
{
    struct child_sa *child;
    enum status status = new_nonce(ike, q);
    if (status == OK)
        status = new_spi(ike, q);
    if (status == OK)
        status = new_dh(ike, q, q->suite.group);
    if (status == OK)
        status = install(ike, q, payload_body(p, PAYLOAD_KE), &child);
    if (status == OK)
        status = send_answer(ike, q, p, chosen);
    return status;
}

static void on_offer(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                     struct bytes message, uint64_t digest)
{
    struct payloads p;
    struct v1_offer offer;
    struct v1_terms terms;
    const struct v1_transform *chosen = NULL;
    /* A stack twin first: a message that does not verify leaves no trace, not even its message id. */
    struct quick probe = {.sa = sa, .message_id = header->message_id};
    enum status status = v1_phase2_iv(&sa->keys, sa->iv, header->message_id, probe.iv);
    if (status == OK)
        status = open_message(ike, &probe, header, message, MESSAGE_QUICK_SA, (struct bytes){0}, &p);
    struct quick *q = NULL;
    if (status == OK)
        status = quick_new(ike, sa, header->message_id, false, &q);
    if (status != OK) {
        drop(ike, path, status);
        return;
    }
    memcpy(q->iv, probe.iv, sizeof q->iv);
    ike_sa_heard(ike, sa, path);
    unsigned refusal = read_offer(ike, q, &p, &terms, &offer, &chosen);
    if (refusal != 0) {
        ike_say(ike, LOG_WARNING, sa->connection, "phase 2 refused: %s", v1_notify_name(refusal));
        refuse(ike, q, digest, refusal);
        return;
    }
    status = accept(ike, q, &p, chosen);
    if (status == ERR_MALFORMED) {
        refuse(ike, q, digest, NOTIFY_INVALID_KEY_INFORMATION);
    } else if (status != OK) {
        ike_drop(ike, IKE_DROP_INTERNAL, path, "quick mode: %s", status_text(status));
        quick_fail(ike, q, status_text(status));
    } else {
        char suite[PROPOSAL_TEXT], text[SELECTOR_TEXT];
        q->state = QUICK_SENT_ANSWER;
        exchange_answers(&q->exchange, digest);
        ike_say(ike, LOG_INFO, sa->connection, "phase 2 (quick mode) asked for %s, selected proposal %s",
                selector_print(&q->selector, text), proposal_print(&q->suite, suite));
    }
}

static void on_confirmation(struct ike *ike, struct quick *q, const struct ike_header *header, const struct path *path,
                            struct bytes message)
{
    struct payloads p;
    enum status status = open_message(ike, q, header, message, MESSAGE_QUICK_HASH, (struct bytes){0}, &p);
    if (status != OK) {
        drop(ike, path, status);
        return;
    }
    ike_sa_heard(ike, q->sa, path);
    struct child_sa *child = child_by_id(ike, q->child_id);
    quick_done(ike, q);
    if (child != NULL)
        child_activate(ike, child);
}

/* --- initiator --- */

static enum status check_answer(struct ike *ike, struct quick *q, const struct payloads *p)
{
    const struct connection *c = connection_of(ike, q->sa->connection);
    const struct proposal_list list = same_group(&c->esp);
    const struct v1_terms terms = terms_of(ike, q->sa, q->spi_in);
    struct v1_offer answer;
    struct selector selector;
    size_t index;
    enum status status = v1_offer_read(PROPOSAL_ESP, payload_body(p, PAYLOAD_SA), &answer);
    if (status == OK)
        status = v1_answer_check(&answer, &terms, &list, &index);
    if (status == OK)
        status = read_nonce(q, p);
    if (status == OK && (payload_find(p, PAYLOAD_KE, 0) != NULL) != (q->dh != NULL))
        status = ERR_MALFORMED;
    if (status == OK && payload_find(p, PAYLOAD_ID, 0) != NULL) {
        status = read_selector(q->sa, p, false, &selector);
        if (status == OK && !selector_equal(&selector, &q->selector))
            status = ERR_MISMATCH;
    }
    if (status != OK)
        return status;
    q->spi_out = load_u32(answer.items[0].spi.data);
    q->suite = list.items[index];
    if (child_by_spi_out(q->sa->peer, q->spi_out) != NULL)
        return ERR_MISMATCH;
    agree_lifetimes(ike, q, 0, 0);
    return OK;
}

static void read_responder_lifetime(const struct ike *ike, struct quick *q, const struct payloads *p)
{
    for (size_t i = 0; i < p->count; i++) {
        struct v1_notify n;
        uint64_t seconds, kilobytes;
        if (p->items[i].type == PAYLOAD_NOTIFY && v1_notify_read(p->items[i].body, &n) == OK &&
            n.type == NOTIFY_RESPONDER_LIFETIME && v1_lifetime_read(n.data, &seconds, &kilobytes) == OK)
            agree_lifetimes(ike, q, seconds, kilobytes);
    }
}

static enum status send_confirmation(struct ike *ike, struct quick *q)
{
    uint8_t hash[HASH_MAX];
    enum status status = v1_hash3(&q->sa->keys, q->message_id, nonce_i(q), nonce_r(q), hash);
    if (status != OK)
        return status;
    struct v1_message m = v1_message_begin(ike, q->sa, EXCHANGE_QUICK, q->message_id, true);
    chain_add(&m.chain, &m.w, PAYLOAD_HASH, bytes_of(hash, v1_hash_len(&q->sa->keys)));
    status = v1_message_encrypt(&q->sa->keys, q->iv, &m);
    return status == OK ? quick_send(ike, q, writer_bytes(&m.w), false) : status;
}

static void on_answer(struct ike *ike, struct quick *q, const struct ike_header *header, const struct path *path,
                      struct bytes message, uint64_t digest)
{
    struct payloads p;
    enum status status = open_message(ike, q, header, message, MESSAGE_QUICK_SA, nonce_i(q), &p);
    if (status != OK) {
        drop(ike, path, status);
        return;
    }
    ike_sa_heard(ike, q->sa, path);
    struct peer *peer = q->sa->peer;
    struct child_sa *child = NULL;
    status = check_answer(ike, q, &p);
    if (status == OK) {
        read_responder_lifetime(ike, q, &p);
        status = install(ike, q, payload_body(&p, PAYLOAD_KE), &child);
    }
    if (status == OK)
        status = send_confirmation(ike, q);
    if (status != OK) {
        char why[160];
        snprintf(why, sizeof why, "the answer of the peer is not acceptable (%s): it differs from what was offered",
                 status_text(status));
        quick_fail(ike, q, why);
        return;
    }
    exchange_answers(&q->exchange, digest);
    quick_done(ike, q);
    child_activate_soon(ike, child);
    peer_pursue(ike, peer);
}

void v1_quick_refused(struct ike *ike, struct ike_sa *sa, uint32_t spi, const char *why)
{
    struct quick *q, *found = NULL;
    size_t waiting = 0;
    DL_FOREACH (sa->quicks, q) {
        if (!q->initiator || q->state != QUICK_SENT_OFFER)
            continue;
        waiting++;
        if (q->spi_in == spi || found == NULL)
            found = q;
    }
    if (found == NULL || (found->spi_in != spi && waiting > 1))
        return;
    struct peer *peer = sa->peer;
    quick_fail(ike, found, why);
    peer_pursue(ike, peer);
}

/* --- the door --- */

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
    uint64_t digest = hash_short(ike->seed, message.data, message.len);
    struct quick *q = find(sa, header->message_id);
    if (q == NULL && id_was_used(sa, header->message_id)) {
        ike_drop(ike, IKE_DROP_REPLAY, path, "quick mode with a message id used before");
        return;
    }
    if (q == NULL) {
        on_offer(ike, sa, header, path, message, digest);
        return;
    }
    if (exchange_is_repeat(&q->exchange, digest)) {
        if (exchange_may_repeat(&q->exchange, ike->now_ms))
            ike_send(ike, &sa->path, bytes_of(q->exchange.sent, q->exchange.sent_len));
        else
            ike_drop(ike, IKE_DROP_RATE, path, "a message repeated too fast");
        return;
    }
    switch (q->state) {
    case QUICK_SENT_OFFER: on_answer(ike, q, header, path, message, digest); break;
    case QUICK_SENT_ANSWER: on_confirmation(ike, q, header, path, message); break;
    default: ike_drop(ike, IKE_DROP_STATE, path, "quick mode after it was complete"); break;
    }
}
