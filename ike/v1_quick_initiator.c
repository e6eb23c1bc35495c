/* SPDX-License-Identifier: Apache-2.0 */
/* Quick mode as initiator: messages 1 and 3 out, message 2 in. */
#include <stdio.h>

#include "ike/child.h"
#include "ike/net.h"
#include "ike/peer.h"
#include "ike/refusal.h"
#include "ike/sa.h"
#include "ike/v1_quick.h"

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

/* RFC 2409 5.5: the group is one for the whole offer, for the KE payload belongs to one group. The first suite decides
 * which. */
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
    const struct v1_terms terms = quick_terms(ike, sa, q->spi_in);
    const struct proposal_list list = same_group(&c->esp);
    struct v1_message m = v1_message_begin_hashed(ike, sa, EXCHANGE_QUICK, q->message_id);
    chain_open(&m.chain, &m.w, PAYLOAD_SA);
    v1_offer_write(&m.w, &terms, &list);
    chain_close(&m.chain, &m.w);
    chain_add(&m.chain, &m.w, PAYLOAD_NONCE, quick_nonce_i(q));
    if (q->dh != NULL)
        chain_add(&m.chain, &m.w, PAYLOAD_KE, dh_public(q->dh));
    enum status status = write_ids(&m, &q->selector, true);
    if (status == OK)
        status = v1_message_seal_hashed(&sa->keys, q->iv, q->message_id, (struct bytes){0}, &m);
    return status == OK ? quick_send(ike, q, writer_bytes(&m.w), true) : status;
}

enum status v1_quick_initiate(struct ike *ike, struct ike_sa *sa, uint32_t rule, struct child_sa *replaces)
{
    uint32_t id;
    enum status status = v1_message_id(ike, &id);
    if (status == OK && id_set_has(&sa->quick_ids, id))
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
    status = net_narrow(ike, sa->peer, &q->selector);
    if (status == OK)
        status = quick_new_nonce(ike, q);
    if (status == OK)
        status = quick_new_spi(ike, q);
    if (status == OK)
        status = quick_new_dh(ike, q, connection_of(ike, sa->connection)->esp.items[0].group);
    if (status == OK)
        status = send_offer(ike, q);
    if (status != OK) {
        quick_free(ike, q);
        return status;
    }
    char text[SELECTOR_TEXT], suites[SUITES_TEXT];
    const struct proposal_list offered = same_group(&connection_of(ike, sa->connection)->esp);
    ike_say_event(ike, LOG_INFO, quick_subject(q, NULL), "initiating phase 2 (quick mode) for %s, offering %s",
                  selector_print(&q->selector, text), ike_list_suites(&offered, suites));
    return OK;
}

/* Concentrators narrow what a client asks for, although IKEv1 has no word for it: what falls out of the SA is then not
 * carried, but never sent in clear. */
static bool may_narrow_to(const struct ike *ike, const struct quick *q, const struct selector *answer)
{
    if (selector_equal(answer, &q->selector))
        return true;
    return connection_of(ike, q->sa->connection)->access != NULL && selector_contains(&q->selector, answer) &&
           net_admits(ike, q->sa->peer, answer);
}

static enum status check_answer(struct ike *ike, struct quick *q, const struct payloads *p)
{
    const struct connection *c = connection_of(ike, q->sa->connection);
    const struct proposal_list list = same_group(&c->esp);
    const struct v1_terms terms = quick_terms(ike, q->sa, q->spi_in);
    struct v1_offer answer;
    struct selector selector;
    size_t index;
    enum status status = v1_offer_read(PROPOSAL_ESP, payload_body(p, PAYLOAD_SA), &answer);
    if (status == OK)
        status = v1_answer_check(&answer, &terms, &list, &index);
    if (status == OK)
        status = quick_read_nonce(q, p);
    if (status == OK && (payload_find(p, PAYLOAD_KE, 0) != NULL) != (q->dh != NULL))
        status = ERR_MALFORMED;
    if (status == OK && payload_find(p, PAYLOAD_ID, 0) != NULL) {
        status = quick_read_selector(q->sa, p, false, &selector);
        if (status == OK && !may_narrow_to(ike, q, &selector))
            status = ERR_MISMATCH;
        if (status == OK)
            q->selector = selector;
    }
    if (status != OK)
        return status;
    q->spi_out = load_u32(answer.items[0].spi.data);
    q->suite = list.items[index];
    if (!quick_spis_differ(q) || child_by_spi_out(q->sa->peer, q->spi_out) != NULL)
        return ERR_MISMATCH;
    quick_agree_lifetimes(ike, q, 0, 0);
    return OK;
}

static void read_responder_lifetime(const struct ike *ike, struct quick *q, const struct payloads *p)
{
    for (size_t i = 0; i < p->count; i++) {
        struct v1_notify n;
        uint64_t seconds, kilobytes;
        if (p->items[i].type == PAYLOAD_NOTIFY && v1_notify_read(p->items[i].body, &n) == OK &&
            n.type == NOTIFY_RESPONDER_LIFETIME && v1_lifetime_read(n.data, &seconds, &kilobytes) == OK)
            quick_agree_lifetimes(ike, q, seconds, kilobytes);
    }
}

static enum status send_confirmation(struct ike *ike, struct quick *q)
{
    uint8_t hash[HASH_MAX];
    enum status status = v1_hash3(&q->sa->keys, q->message_id, quick_nonce_i(q), quick_nonce_r(q), hash);
    if (status != OK)
        return status;
    struct v1_message m = v1_message_begin(ike, q->sa, EXCHANGE_QUICK, q->message_id, true);
    chain_add(&m.chain, &m.w, PAYLOAD_HASH, bytes_of(hash, v1_hash_len(&q->sa->keys)));
    status = v1_message_encrypt(&q->sa->keys, q->iv, &m);
    return status == OK ? quick_send(ike, q, writer_bytes(&m.w), false) : status;
}

/* Why there is no SA after an answer that was authentic. */
static const char *say_unacceptable(const struct quick *q, enum status status)
{
    if (status != ERR_MISMATCH)
        return status_text(status);
    return quick_spis_differ(q) ? "it differs from what was offered"
                                : "it has our own SPI, with which both directions would have the same key; the peer "
                                  "must choose an SPI of its own";
}

void quick_on_answer(struct ike *ike, struct quick *q, const struct ike_header *header, const struct path *path,
                     struct bytes message, uint64_t digest)
{
    struct payloads p;
    enum status status = quick_open(ike, q, header, message, MESSAGE_QUICK_SA, quick_nonce_i(q), &p);
    if (status != OK) {
        quick_drop(ike, path, status);
        return;
    }
    ike_sa_heard(ike, q->sa, path);
    struct peer *peer = q->sa->peer;
    struct child_sa *child = NULL;
    status = check_answer(ike, q, &p);
    if (status == OK) {
        read_responder_lifetime(ike, q, &p);
        status = quick_install(ike, q, payload_body(&p, PAYLOAD_KE), &child);
    }
    if (status == OK)
        status = send_confirmation(ike, q);
    if (status != OK) {
        char why[192];
        snprintf(why, sizeof why, "the answer of the peer is not acceptable: %s", say_unacceptable(q, status));
        quick_fail(ike, q, why);
        return;
    }
    exchange_answers(&q->exchange, digest);
    quick_done(ike, q);
    child_activate_soon(ike, child, header->flags & FLAG_COMMIT);
    peer_pursue(ike, peer);
}

void v1_quick_refused(struct ike *ike, struct ike_sa *sa, uint32_t spi, unsigned notify)
{
    struct quick *q, *found = NULL;
    size_t waiting = 0;
    DL_FOREACH (sa->quicks, q) {
        if (!q->initiator || q->state != QUICK_SENT_OFFER)
            continue;
        waiting++;
        if (q->spi_in == spi || spi == 0)
            found = q;
    }
    if (found == NULL || (spi == 0 && waiting > 1))
        return;
    struct peer *peer = sa->peer;
    const struct proposal_list offered = same_group(&connection_of(ike, sa->connection)->esp);
    char why[REFUSAL_TEXT];
    quick_fail(ike, found, refusal_of_phase2(&offered, &found->selector, notify, why));
    peer_pursue(ike, peer);
}
