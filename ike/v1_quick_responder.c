/* SPDX-License-Identifier: Apache-2.0 */
/* Quick mode as responder: messages 1 and 3 in, message 2 out. */
#include <stdio.h>
#include <string.h>

#include "ike/child.h"
#include "ike/net.h"
#include "ike/sa.h"
#include "ike/v1_quick.h"

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
    enum { SHOWN = 8 };
    char text[SELECTOR_TEXT], rule[RULE_TEXT], why[SELECTOR_TEXT + 128 + SHOWN * (RULE_TEXT + 16)];
    const struct peer *peer = q->sa->peer;
    int used = snprintf(why, sizeof why,
                        "the peer asks for %s (seen from here), which no protect rule of this connection covers",
                        selector_print(&q->selector, text));
    for (size_t i = 0; used > 0 && i < peer->rule_count && i < SHOWN; i++)
        used += snprintf(why + used, sizeof why - (size_t)used, "\n  accepted: %s",
                         rule_print(&ike->setup.spd->rules[peer->rules[i]], rule));
    ike_say_event(ike, LOG_ERROR, quick_subject(q, why), "INVALID_ID_INFORMATION");
}

static void say_not_its_address(const struct ike *ike, const struct quick *q)
{
    char text[SELECTOR_TEXT], why[SELECTOR_TEXT + 160];
    snprintf(why, sizeof why, "the peer asks for %s (seen from here), but may use its virtual address alone%s",
             selector_print(&q->selector, text),
             q->sa->peer->net == NULL ? "; it has none: it must ask for one by mode-config" : "");
    ike_say_event(ike, LOG_ERROR, quick_subject(q, why), "INVALID_ID_INFORMATION");
}

static void say_no_proposal(struct ike *ike, const struct quick *q, const struct v1_offer *offer)
{
    struct proposal_list offered;
    char text[EXPLAIN_TEXT];
    const struct v1_terms terms = quick_terms(ike, q->sa, 0);
    v1_offer_list(offer, &offered);
    proposal_explain(&connection_of(ike, q->sa->connection)->esp, &offered, text, sizeof text);
    bool encap_differs = offered.count > 0;
    for (size_t i = 0; i < offer->count; i++)
        encap_differs &= !offer->items[i].usable || offer->items[i].encap != terms.encap;
    ike_say_event(ike, LOG_ERROR, quick_subject(q, text), "NO_PROPOSAL_CHOSEN for phase 2");
    if (encap_differs)
        ike_say(ike, LOG_ERROR, q->sa->connection,
                "the peer asks for another encapsulation (ESP in UDP or not) than NAT detection gave; see encap");
}

/* Some peers float to 4500 without NAT (Juniper) or ask for UDP all the same: as they like, where both ways can work.
 */
static bool may_differ_in_encap(const struct ike_sa *sa)
{
    return sa->peer_natt && !(sa->udp && (sa->nat_local || sa->nat_remote));
}

/* The rule that covers what the peer asks for, which may become less. */
static int find_rule(const struct ike *ike, struct quick *q)
{
    char text[SELECTOR_TEXT];
    int rule = spd_find_protect(ike->setup.spd, q->sa->connection, &q->selector);
    if (rule != SPD_RULE_NONE)
        return rule;
    rule = net_give_all(ike, q->sa->peer, &q->selector);
    if (rule != SPD_RULE_NONE)
        ike_say_event(ike, LOG_INFO, quick_subject(q, NULL),
                      "the client asks for everything, and gets %s; the rest is dropped",
                      selector_print(&q->selector, text));
    return rule;
}

/* Everything that the offer says, on the locals of this exchange. 0: fine; else the notification that refuses it. */
static unsigned read_offer(struct ike *ike, struct quick *q, const struct payloads *p, struct v1_terms *terms,
                           struct v1_offer *offer, const struct v1_transform **chosen)
{
    const struct connection *c = connection_of(ike, q->sa->connection);
    if (v1_offer_read(PROPOSAL_ESP, payload_body(p, PAYLOAD_SA), offer) != OK || quick_read_nonce(q, p) != OK)
        return NOTIFY_PAYLOAD_MALFORMED;
    if (offer->count > 0 && offer->items[0].spi.len == 4)
        q->spi_out = load_u32(offer->items[0].spi.data);
    if (quick_read_selector(q->sa, p, true, &q->selector) != OK)
        return NOTIFY_INVALID_ID_INFORMATION;
    if (!net_admits(ike, q->sa->peer, &q->selector)) {
        say_not_its_address(ike, q);
        return NOTIFY_INVALID_ID_INFORMATION;
    }
    int rule = find_rule(ike, q);
    if (rule == SPD_RULE_NONE) {
        say_no_rule(ike, q);
        return NOTIFY_INVALID_ID_INFORMATION;
    }
    q->rule = (uint32_t)rule;
    *terms = quick_terms(ike, q->sa, 0);
    *chosen = v1_offer_choose(offer, terms, &c->esp);
    if (*chosen == NULL && may_differ_in_encap(q->sa)) {
        terms->encap = quick_encap(q->sa, !q->sa->udp);
        *chosen = v1_offer_choose(offer, terms, &c->esp);
    }
    q->udp = terms->encap != V1_ENCAP_TUNNEL;
    if (*chosen == NULL) {
        say_no_proposal(ike, q, offer);
        return NOTIFY_NO_PROPOSAL_CHOSEN;
    }
    q->spi_out = load_u32((*chosen)->spi.data);
    q->suite = *v1_suite_of(&c->esp, *chosen); /* never NULL: v1_offer_choose has found one */
    bool has_ke = payload_find(p, PAYLOAD_KE, 0) != NULL;
    if (has_ke != (q->suite.group != GROUP_NONE))
        return NOTIFY_INVALID_KEY_INFORMATION;
    if (child_by_spi_out(q->sa->peer, q->spi_out) != NULL)
        return NOTIFY_INVALID_SPI;
    quick_agree_lifetimes(ike, q, (*chosen)->life_seconds, (*chosen)->life_kilobytes);
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

static enum status send_answer(struct ike *ike, struct quick *q, const struct payloads *p,
                               const struct v1_transform *chosen)
{
    struct v1_terms terms = quick_terms(ike, q->sa, q->spi_in);
    struct v1_message m = v1_message_begin_hashed(ike, q->sa, EXCHANGE_QUICK, q->message_id);
    chain_open(&m.chain, &m.w, PAYLOAD_SA);
    v1_answer_write(&m.w, &terms, chosen);
    chain_close(&m.chain, &m.w);
    chain_add(&m.chain, &m.w, PAYLOAD_NONCE, quick_nonce_r(q));
    if (q->dh != NULL)
        chain_add(&m.chain, &m.w, PAYLOAD_KE, dh_public(q->dh));
    for (size_t i = 0; i < p->count; i++) /* the identities go back as they came */
        if (p->items[i].type == PAYLOAD_ID)
            chain_add(&m.chain, &m.w, PAYLOAD_ID, p->items[i].body);
    write_shorter_lifetime(&m, q, chosen);
    enum status status = v1_message_seal_hashed(&q->sa->keys, q->iv, q->message_id, quick_nonce_i(q), &m);
    return status == OK ? quick_send(ike, q, writer_bytes(&m.w), true) : status;
}

static enum status accept(struct ike *ike, struct quick *q, const struct payloads *p, const struct v1_transform *chosen)
{
    struct child_sa *child;
    enum status status = quick_new_nonce(ike, q);
    if (status == OK)
        status = quick_new_spi(ike, q);
    if (status == OK)
        status = quick_new_dh(ike, q, q->suite.group);
    if (status == OK)
        status = quick_install(ike, q, payload_body(p, PAYLOAD_KE), &child);
    if (status == OK)
        status = send_answer(ike, q, p, chosen);
    return status;
}

void quick_on_offer(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                    struct bytes message, uint64_t digest)
{
    struct payloads p;
    struct v1_offer offer;
    struct v1_terms terms;
    const struct v1_transform *chosen = NULL;
    /* A trial on the stack first: a message that does not verify leaves no trace, not even its message id. */
    struct quick trial = {.sa = sa, .message_id = header->message_id};
    enum status status = v1_phase2_iv(&sa->keys, sa->iv, header->message_id, trial.iv);
    if (status == OK)
        status = quick_open(ike, &trial, header, message, MESSAGE_QUICK_SA, (struct bytes){0}, &p);
    struct quick *q = NULL;
    if (status == OK)
        status = quick_new(ike, sa, header->message_id, false, &q);
    if (status != OK) {
        quick_drop(ike, path, status);
        return;
    }
    memcpy(q->iv, trial.iv, sizeof q->iv);
    ike_sa_heard(ike, sa, path);
    unsigned refusal = read_offer(ike, q, &p, &terms, &offer, &chosen);
    if (refusal != 0) {
        ike_say_event(ike, LOG_WARNING, quick_subject(q, v1_notify_name(refusal)), "phase 2 refused");
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
        ike_say_event(ike, LOG_INFO, quick_subject(q, NULL), "phase 2 (quick mode) asked for %s, selected proposal %s",
                      selector_print(&q->selector, text), proposal_print(&q->suite, suite));
    }
}

void quick_on_confirmation(struct ike *ike, struct quick *q, const struct ike_header *header, const struct path *path,
                           struct bytes message)
{
    struct payloads p;
    enum status status = quick_open(ike, q, header, message, MESSAGE_QUICK_HASH, (struct bytes){0}, &p);
    if (status != OK) {
        quick_drop(ike, path, status);
        return;
    }
    ike_sa_heard(ike, q->sa, path);
    struct child_sa *child = child_by_id(ike, q->child_id);
    quick_done(ike, q);
    if (child != NULL)
        child_activate(ike, child);
}
