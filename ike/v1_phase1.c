/* SPDX-License-Identifier: Apache-2.0 */
/* Phase 1 of either mode: the door, the SA payload, which connection it is, and how many half-open SAs we hold. */
#include "ike/v1_phase1.h"

#include <stdlib.h>
#include <string.h>

#include "ike/sa.h"
#include "ike/v1_body.h"
#include "ike/v1_vendor.h"

const char *phase1_mode_name(enum ike_mode mode)
{
    return mode == MODE_AGGRESSIVE ? "aggressive mode" : "main mode";
}

static struct v1_terms terms_of(const struct connection *c)
{
    return (struct v1_terms){.kind = PROPOSAL_IKE, .auth = V1_AUTH_PSK, .life_seconds = c->ike_lifetime_s};
}

static unsigned our_vendors(const struct connection *c)
{
    return VENDOR_DPD | (c->encap != ENCAP_NO ? VENDOR_NATT : 0u);
}

static enum exchange_type exchange_of(enum ike_mode mode)
{
    return mode == MODE_AGGRESSIVE ? EXCHANGE_AGGRESSIVE : EXCHANGE_MAIN;
}

static enum status keep_sai(struct phase1 *p, struct bytes body)
{
    p->sai_b = malloc(body.len);
    if (p->sai_b == NULL)
        return ERR_MEMORY;
    memcpy(p->sai_b, body.data, body.len);
    p->sai_b_len = body.len;
    return OK;
}

/* --- the initiator's SA payload --- */

enum status phase1_begin(struct ike *ike, struct peer *peer, struct ike_sa **out, struct v1_message *m)
{
    const struct connection *c = connection_of(ike, peer->connection);
    const struct path path = {.local = {c->local, IKE_PORT}, .remote = {c->remote, IKE_PORT}};
    const struct v1_terms terms = terms_of(c);
    struct ike_sa *sa;
    enum status status = ike_sa_new(ike, &ike_version1, peer, peer->connection, &path, &sa);
    if (status != OK)
        return status;
    *m = v1_message_begin(ike, sa, exchange_of(c->mode), 0, false);
    chain_open(&m->chain, &m->w, PAYLOAD_SA);
    size_t body_at = m->w.len;
    v1_offer_write(&m->w, &terms, &c->ike);
    status = m->w.failed ? ERR_LIMIT : keep_sai(sa->phase1, bytes_of(m->w.data + body_at, m->w.len - body_at));
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
    vendor_write(&m->chain, &m->w, our_vendors(connection_of(ike, sa->connection)));
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
    const struct v1_terms terms = terms_of(c);
    struct v1_offer answer;
    size_t index;
    enum status status = v1_offer_read(PROPOSAL_IKE, payload_body(p, PAYLOAD_SA), &answer);
    if (status == OK)
        status = v1_answer_check(&answer, &terms, &c->ike, &index);
    if (status != OK || header->spi_r == 0)
        return status != OK ? status : ERR_MALFORMED;
    unsigned vendors = vendor_read(p);
    if (sa->path.local.address.family == 0) { /* local = %any: now we know which one the system took */
        sa->path.local.address = path->local.address;
        if (c->local_id.type == ID_NONE)
            sa->local_id = identity_of_address(&path->local.address);
    }
    sa->spi_r = header->spi_r;
    sa->suite = c->ike.items[index];
    sa->peer_natt = vendors & our_vendors(c) & VENDOR_NATT;
    sa->peer_dpd = vendors & VENDOR_DPD;
    char suite[PROPOSAL_TEXT];
    ike_say(ike, LOG_INFO, sa->connection, "selected proposal %s for phase 1", proposal_print(&sa->suite, suite));
    return OK;
}

/* --- the responder: which connection? --- */

/* Every configured peer that this datagram may come from: by its addresses, those with a fixed remote first. */
static bool is_candidate(const struct connection *c, const struct path *path, bool any_remote)
{
    bool local_fits = c->local.family == 0 || address_equal(&c->local, &path->local.address);
    bool remote_fits = any_remote ? c->remote.family == 0 : address_equal(&c->remote, &path->remote.address);
    return c->ike_version == 1 && local_fits && remote_fits;
}

struct choice {
    const struct v1_transform *transform;
    uint32_t connection;
    bool has_candidate;
};

static struct choice choose_connection(const struct ike *ike, const struct path *path, const struct v1_offer *offer)
{
    struct choice choice = {0};
    for (int any_remote = 0; any_remote <= 1; any_remote++)
        for (uint32_t i = 0; i < ike->setup.connection_count; i++) {
            const struct connection *c = connection_of(ike, i);
            if (!is_candidate(c, path, any_remote))
                continue;
            const struct v1_terms terms = terms_of(c);
            const struct v1_transform *t = v1_offer_choose(offer, &terms, &c->ike);
            if (t != NULL || !choice.has_candidate)
                choice.connection = i;
            choice.has_candidate = true;
            choice.transform = t;
            if (t != NULL)
                return choice;
        }
    return choice;
}

/* The oldest half-open SA whose peer has not come back with message 3: with a forged source it never does, a real peer
 * needs one round trip. */
static struct ike_sa *oldest_unproven(const struct ike *ike, const struct path *site)
{
    struct ike_sa *sa;
    DL_FOREACH (ike->strangers, sa)
        if (sa->state == SA_WAIT_KE && (site == NULL || ike_same_site(&sa->path.remote.address, &site->remote.address)))
            return sa;
    return NULL;
}

/* Half-open SAs are what a stranger can make us hold: capped in all, per site, with places kept for configured
 * addresses. Who floods pushes out its own forgeries, not the peer whose address it forges. */
static bool may_open(struct ike *ike, const struct path *path, size_t from_address, uint32_t connection)
{
    bool configured = connection_of(ike, connection)->remote.family != 0;
    size_t most = configured ? HALF_OPEN_MAX : HALF_OPEN_MAX - HALF_OPEN_RESERVED;
    bool site_full = from_address >= HALF_OPEN_PER_ADDRESS;
    if (!site_full && ike->stranger_count < most)
        return true;
    struct ike_sa *oldest = oldest_unproven(ike, site_full ? path : NULL);
    ike_drop(ike, IKE_DROP_LIMIT, path, "too many phase 1 negotiations are half-open (%zu, %zu of this address)",
             ike->stranger_count, from_address);
    if (oldest == NULL)
        return false;
    ike_sa_free(ike, oldest);
    return true;
}

static void explain_mismatch(struct ike *ike, uint32_t connection, const struct path *path,
                             const struct v1_offer *offer)
{
    uint32_t suppressed;
    if (!log_rate_allow(&ike->log_rate, ike->now_ms, &suppressed))
        return;
    struct proposal_list offered;
    char text[EXPLAIN_TEXT], end[ENDPOINT_TEXT];
    v1_offer_list(offer, &offered);
    proposal_explain(&connection_of(ike, connection)->ike, &offered, text, sizeof text);
    ike_say(ike, LOG_ERROR, connection,
            "NO_PROPOSAL_CHOSEN for phase 1 offered by %s:", endpoint_print(&path->remote, end));
    ike_say_lines(ike, LOG_ERROR, connection, text);
}

static struct ike_sa *open_sa(struct ike *ike, const struct first_message *first, const struct choice *choice)
{
    const struct connection *c = connection_of(ike, choice->connection);
    struct ike_sa *sa;
    enum status status = ike_sa_new(ike, &ike_version1, NULL, choice->connection, first->path, &sa);
    if (status != OK) {
        ike_drop(ike, IKE_DROP_INTERNAL, first->path, "%s", status_text(status));
        return NULL;
    }
    unsigned vendors = vendor_read(first->payloads);
    sa->spi_i = first->header->spi_i;
    sa->suite = choice->transform->suite;
    sa->lifetime_s = v1_smaller_limit(c->ike_lifetime_s, choice->transform->life_seconds);
    sa->peer_natt = vendors & our_vendors(c) & VENDOR_NATT;
    sa->peer_dpd = vendors & VENDOR_DPD;
    status = keep_sai(sa->phase1, payload_body(first->payloads, PAYLOAD_SA));
    if (status != OK) {
        ike_drop(ike, IKE_DROP_INTERNAL, first->path, "%s", status_text(status));
        ike_sa_free(ike, sa);
        return NULL;
    }
    char end[ENDPOINT_TEXT], suite[PROPOSAL_TEXT];
    ike_say(ike, LOG_INFO, sa->connection, "phase 1 (%s) asked for by %s, selected proposal %s",
            phase1_mode_name(first->mode), endpoint_print(&first->path->remote, end),
            proposal_print(&sa->suite, suite));
    return sa;
}

struct ike_sa *phase1_open(struct ike *ike, const struct first_message *first, struct v1_transform *chosen)
{
    size_t from_address;
    struct v1_offer offer;
    const struct path *path = first->path;
    if (ike_sa_find_stranger(ike, first->header->spi_i, path, &from_address) != NULL) {
        ike_drop(ike, IKE_DROP_STATE, path, "a second first message for one cookie");
        return NULL;
    }
    enum status status = v1_offer_read(PROPOSAL_IKE, payload_body(first->payloads, PAYLOAD_SA), &offer);
    if (status != OK) {
        ike_drop(ike, status == ERR_LIMIT ? IKE_DROP_LIMIT : IKE_DROP_MALFORMED, path, "SA payload: %s",
                 status_text(status));
        return NULL;
    }
    struct choice choice = choose_connection(ike, path, &offer);
    if (!choice.has_candidate) {
        char local[ENDPOINT_TEXT];
        ike_drop(ike, IKE_DROP_NO_CONNECTION, path,
                 "no connection has this address as remote and %s as local; add one, or use remote = %%any",
                 endpoint_print(&path->local, local));
        return NULL;
    }
    if (choice.transform == NULL) {
        explain_mismatch(ike, choice.connection, path, &offer);
        v1_info_notify_clear(ike, first->header, path, NOTIFY_NO_PROPOSAL_CHOSEN);
        return NULL;
    }
    if (!may_open(ike, path, from_address, choice.connection))
        return NULL;
    *chosen = *choice.transform;
    return open_sa(ike, first, &choice);
}

struct v1_message phase1_begin_answer(struct ike *ike, const struct ike_sa *sa, const struct v1_transform *chosen)
{
    const struct connection *c = connection_of(ike, sa->connection);
    const struct v1_terms terms = terms_of(c);
    struct v1_message m = v1_message_begin(ike, sa, exchange_of(c->mode), 0, false);
    chain_open(&m.chain, &m.w, PAYLOAD_SA);
    v1_answer_write(&m.w, &terms, chosen);
    chain_close(&m.chain, &m.w);
    return m;
}

void phase1_add_common_vendors(struct ike *ike, const struct ike_sa *sa, const struct payloads *first,
                               struct v1_message *m)
{
    vendor_write(&m->chain, &m->w, our_vendors(connection_of(ike, sa->connection)) & vendor_read(first));
}

/* --- the door --- */

bool phase1_enter(struct ike *ike, struct ike_sa **sa, const struct ike_header *header, const struct path *path,
                  uint64_t digest, enum ike_mode mode)
{
    const char *name = phase1_mode_name(mode);
    if (header->message_id != 0) {
        ike_drop(ike, IKE_DROP_MALFORMED, path, "%s with a message id", name);
        return false;
    }
    if (*sa == NULL && header->spi_r == 0) {
        size_t from_address;
        *sa = ike_sa_find_stranger(ike, header->spi_i, path, &from_address);
        if (*sa == NULL)
            return true;
    }
    if (*sa == NULL) {
        ike_drop(ike, IKE_DROP_UNKNOWN_SA, path, "%s for cookies that are not ours", name);
        return false;
    }
    if (exchange_is_repeat(&(*sa)->exchange, digest)) {
        ike_answer_repeat(ike, &(*sa)->exchange, &(*sa)->path, path);
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
