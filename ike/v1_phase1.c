/* SPDX-License-Identifier: Apache-2.0 */
/* Phase 1 of either mode: the door, and the SA payload of the initiator. */
#include "ike/v1_phase1.h"

#include <stdlib.h>
#include <string.h>

#include "ike/auth.h"
#include "ike/remote.h"
#include "ike/sa.h"
#include "ike/v1_body.h"
#include "ike/v1_vendor.h"

const char *phase1_mode_name(enum ike_mode mode)
{
    return mode == MODE_AGGRESSIVE ? "aggressive mode" : "main mode";
}

struct v1_terms phase1_terms(const struct connection *c)
{
    return (struct v1_terms){.kind = PROPOSAL_IKE,
                             .auth = auth_number(c),
                             .life_seconds = c->ike_lifetime_s,
                             .life_kilobytes = v1_kilobytes(c->ike_lifetime_bytes)};
}

unsigned phase1_vendors(const struct connection *c)
{
    return VENDOR_DPD | (c->fragmentation ? (unsigned)VENDOR_FRAGMENTATION : 0u) |
           (c->encap != ENCAP_NO ? (unsigned)VENDOR_NATT_ANY : 0u) |
           (c->access != NULL ? (unsigned)(VENDOR_XAUTH | VENDOR_UNITY) : 0u);
}

unsigned phase1_common_vendors(const struct connection *c, const struct payloads *p)
{
    return vendor_newest_natt(phase1_vendors(c) & vendor_read(p));
}

void phase1_note_vendors(struct ike *ike, struct ike_sa *sa, const struct payloads *p)
{
    unsigned common = phase1_common_vendors(connection_of(ike, sa->connection), p);
    sa->peer_natt = common & VENDOR_NATT_ANY;
    sa->natt_draft = common & VENDOR_NATT_DRAFTS;
    sa->peer_dpd = common & VENDOR_DPD;
    sa->peer_fragments = common & VENDOR_FRAGMENTATION;
}

enum exchange_type phase1_exchange(enum ike_mode mode)
{
    return mode == MODE_AGGRESSIVE ? EXCHANGE_AGGRESSIVE : EXCHANGE_MAIN;
}

enum status phase1_keep(struct bytes body, uint8_t **out, size_t *len)
{
    *out = malloc(body.len);
    if (*out == NULL)
        return ERR_MEMORY;
    memcpy(*out, body.data, body.len);
    *len = body.len;
    return OK;
}

/* --- the initiator's SA payload --- */

enum status phase1_begin(struct ike *ike, struct peer *peer, struct ike_sa **out, struct v1_message *m)
{
    const struct connection *c = connection_of(ike, peer->connection);
    const struct ike_remote ends = remote_take(ike, peer);
    const struct path path = {.local = {ends.local, IKE_PORT}, .remote = {ends.remote, IKE_PORT}};
    const struct v1_terms terms = phase1_terms(c);
    struct ike_sa *sa;
    enum status status = ike_sa_new(ike, &ike_version1, peer, peer->connection, &path, &sa);
    if (status != OK)
        return status;
    *m = v1_message_begin(ike, sa, phase1_exchange(c->mode), 0, false);
    chain_open(&m->chain, &m->w, PAYLOAD_SA);
    size_t body_at = m->w.len;
    v1_offer_write(&m->w, &terms, &c->ike);
    const struct bytes sai_b = bytes_of(m->w.data + body_at, m->w.len - body_at);
    status = m->w.failed ? ERR_LIMIT : phase1_keep(sai_b, &sa->phase1->sai_b, &sa->phase1->sai_b_len);
    chain_close(&m->chain, &m->w);
    if (status != OK) {
        ike_sa_free(ike, sa);
        return status;
    }
    char end[ENDPOINT_TEXT], suites[SUITES_TEXT];
    ike_say(ike, LOG_INFO, peer->connection, "initiating phase 1 (%s) with %s, offering %s", phase1_mode_name(c->mode),
            endpoint_print(&path.remote, end), ike_list_suites(&c->ike, suites));
    *out = sa;
    return OK;
}

enum status phase1_send_first(struct ike *ike, struct ike_sa *sa, struct v1_message *m)
{
    vendor_write(&m->chain, &m->w, phase1_vendors(connection_of(ike, sa->connection)));
    enum status status = v1_message_finish(m);
    if (status == OK)
        status = ike_sa_send(ike, sa, writer_bytes(&m->w), true);
    if (status != OK)
        ike_sa_free(ike, sa);
    return status;
}

enum status phase1_take_answer(struct ike *ike, struct ike_sa *sa, const struct ike_header *header,
                               const struct path *path, const struct payloads *p)
{
    const struct connection *c = connection_of(ike, sa->connection);
    const struct v1_terms terms = phase1_terms(c);
    struct v1_offer answer;
    size_t index;
    enum status status = v1_offer_read(PROPOSAL_IKE, payload_body(p, PAYLOAD_SA), &answer);
    if (status == OK)
        status = v1_answer_check(&answer, &terms, &c->ike, &index);
    if (status != OK || header->spi_r == 0)
        return status != OK ? status : ERR_MALFORMED;
    if (sa->path.local.address.family == 0) { /* local = %any: now we know which one the system took */
        sa->path.local.address = path->local.address;
        if (c->local_id.type == ID_NONE)
            sa->local_id = identity_of_address(&path->local.address);
    }
    sa->spi_r = header->spi_r;
    sa->suite = c->ike.items[index];
    phase1_note_vendors(ike, sa, p);
    return OK;
}

void phase1_say_selected(struct ike *ike, const struct ike_sa *sa)
{
    char suite[PROPOSAL_TEXT];
    ike_say(ike, LOG_INFO, sa->connection, "selected proposal %s for phase 1", proposal_print(&sa->suite, suite));
}

/* --- the door --- */

/* Until message 3 its address may be forged, and the answer, with our certificates, is many times as long as the
 * question. */
static bool may_ask_again(const struct ike_sa *sa)
{
    return sa->state != SA_WAIT_HASH || sa->exchange.repeats < AGGRESSIVE_REPEATS;
}

void phase1_answer_again(struct ike *ike, struct ike_sa *sa, const struct path *path, enum ike_mode mode)
{
    if (sa->exchange.sent == NULL) {
        ike_drop(ike, IKE_DROP_STATE, path, "%s where none is due", phase1_mode_name(mode));
    } else if (may_ask_again(sa)) {
        ike_answer_repeat(ike, sa, &sa->exchange, path);
        ike_sa_tell_again(sa);
    } else {
        ike_drop(ike, IKE_DROP_RATE, path, "message 1 of %s, repeated too often", phase1_mode_name(mode));
    }
}

/*
 * The half-open SA that a first message belongs to. NULL: it gets one of its own, even if there is one of this cookie
 * and address: for another first message, so either was changed on the way, and nobody knows which. The initiator goes
 * on with the one whose answer it likes. Once it has, no more are opened.
 */
static struct ike_sa *find_opened(const struct ike *ike, const struct ike_header *header, const struct path *path,
                                  uint64_t digest)
{
    struct ike_sa *sa, *last = NULL;
    unsigned count = 0;
    bool goes_on = false;
    DL_FOREACH (ike->strangers, sa) {
        if (sa->spi_i != header->spi_i || !endpoint_equal(&sa->path.remote, &path->remote))
            continue;
        if (exchange_is_repeat(&sa->exchange, digest))
            return sa;
        goes_on |= sa->state != SA_WAIT_KE && sa->state != SA_WAIT_HASH;
        last = sa;
        count++;
    }
    return goes_on || count >= HALF_OPEN_PER_COOKIE ? last : NULL;
}

bool phase1_enter(struct ike *ike, struct ike_sa **sa, const struct ike_header *header, const struct path *path,
                  uint64_t digest, enum ike_mode mode)
{
    const char *name = phase1_mode_name(mode);
    if (header->message_id != 0) {
        ike_drop(ike, IKE_DROP_MALFORMED, path, "%s with a message id", name);
        return false;
    }
    if (*sa == NULL && header->spi_r == 0) {
        *sa = find_opened(ike, header, path, digest);
        if (*sa == NULL)
            return true;
    }
    if (*sa == NULL) {
        ike_drop(ike, IKE_DROP_UNKNOWN_SA, path, "%s for cookies that are not ours", name);
        return false;
    }
    if (exchange_is_repeat(&(*sa)->exchange, digest)) {
        phase1_answer_again(ike, *sa, path, mode);
        return false;
    }
    if (address_equal(&(*sa)->path.remote.address, &path->remote.address))
        return true;
    ike_drop(ike, IKE_DROP_STATE, path, "%s from another address than it began with", name);
    return false;
}

bool phase1_read_clear(struct ike *ike, const struct ike_header *header, const struct path *path, enum ike_mode mode,
                       enum message_kind kind, struct bytes message, struct payloads *p)
{
    struct bytes chain = bytes_of(message.data + IKE_HEADER_LEN, message.len - IKE_HEADER_LEN);
    enum status status =
        header->flags & FLAG_ENCRYPTION ? ERR_MALFORMED : payloads_read(header->next_payload, chain, false, p);
    if (status == OK)
        status = rules_check(kind, p);
    if (status != OK)
        ike_drop(ike, status == ERR_LIMIT ? IKE_DROP_LIMIT : IKE_DROP_MALFORMED, path, "%s: %s", phase1_mode_name(mode),
                 status_text(status));
    return status == OK;
}

void phase1_refuse(struct ike *ike, const struct path *path, enum ike_mode mode, enum status why)
{
    bool is_malformed = why == ERR_MALFORMED || why == ERR_MISMATCH || why == ERR_UNSUPPORTED;
    ike_drop(ike,
             is_malformed       ? IKE_DROP_MALFORMED
             : why == ERR_LIMIT ? IKE_DROP_LIMIT
                                : IKE_DROP_INTERNAL,
             path, "%s: %s", phase1_mode_name(mode),
             why == ERR_MISMATCH ? "the peer chose a proposal that was not offered" : status_text(why));
}
