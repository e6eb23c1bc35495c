/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Main mode with a pre-shared key (RFC 2409 5.4):
 *
 *   1  SA, VID        ->                     clear
 *   2                 <-  SA, VID            clear: the one proposal chosen
 *   3  KE, Ni, NAT-D  ->                     clear
 *   4                 <-  KE, Nr, NAT-D      clear: keys are known from here on
 *   5  ID, HASH_I     ->                     encrypted, on port 4500 where there is NAT
 *   6                 <-  ID, HASH_R         encrypted
 *
 * Until 5 and 6 have verified, nothing is authenticated: messages 1 to 4 advance this one half-open SA and nothing
 * else.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ike/keylog.h"
#include "ike/natd.h"
#include "ike/peer.h"
#include "ike/rules.h"
#include "ike/sa.h"
#include "ike/v1_body.h"
#include "ike/v1_main.h"
#include "ike/v1_message.h"
#include "ike/v1_vendor.h"

static struct v1_terms terms_of(const struct connection *c)
{
    return (struct v1_terms){.kind = PROPOSAL_IKE, .auth = V1_AUTH_PSK, .life_seconds = c->ike_lifetime_s};
}

static unsigned our_vendors(const struct connection *c)
{
    return VENDOR_DPD | (c->encap != ENCAP_NO ? VENDOR_NATT : 0u);
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

/* --- messages 1 and 2 --- */

enum status v1_main_initiate(struct ike *ike, struct peer *peer)
{
    const struct connection *c = connection_of(ike, peer->connection);
    const struct path path = {.local = {c->local, IKE_PORT}, .remote = {c->remote, IKE_PORT}};
    const struct v1_terms terms = terms_of(c);
    struct ike_sa *sa;
    enum status status = ike_sa_new(ike, &ike_version1, peer, peer->connection, &path, &sa);
    if (status != OK)
        return status;
    sa->state = SA_SENT_SA;
    struct v1_message m = v1_message_begin(ike, sa, EXCHANGE_MAIN, 0, false);
    chain_open(&m.chain, &m.w, PAYLOAD_SA);
    size_t body_at = m.w.len;
    v1_offer_write(&m.w, &terms, &c->ike);
    struct bytes body = bytes_of(m.w.data + body_at, m.w.len - body_at);
    chain_close(&m.chain, &m.w);
    vendor_write(&m.chain, &m.w, our_vendors(c));
    status = v1_message_finish(&m);
    if (status == OK)
        status = keep_sai(sa->phase1, body);
    char end[ENDPOINT_TEXT], suites[SUITES_TEXT];
    ike_say(ike, LOG_INFO, peer->connection, "initiating phase 1 (main mode) with %s, offering %s",
            endpoint_print(&path.remote, end), ike_list_suites(&c->ike, suites));
    if (status == OK)
        status = ike_sa_send(ike, sa, writer_bytes(&m.w), true);
    if (status != OK)
        ike_sa_free(ike, sa);
    return status;
}

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

static enum status answer_first(struct ike *ike, struct ike_sa *sa, const struct v1_transform *chosen, unsigned vendors)
{
    const struct connection *c = connection_of(ike, sa->connection);
    const struct v1_terms terms = terms_of(c);
    struct v1_message m = v1_message_begin(ike, sa, EXCHANGE_MAIN, 0, false);
    chain_open(&m.chain, &m.w, PAYLOAD_SA);
    v1_answer_write(&m.w, &terms, chosen);
    chain_close(&m.chain, &m.w);
    /* Only what the peer knows too: the answer stays smaller than the question. */
    vendor_write(&m.chain, &m.w, our_vendors(c) & vendors);
    enum status status = v1_message_finish(&m);
    return status == OK ? ike_sa_send(ike, sa, writer_bytes(&m.w), false) : status;
}

static void open_sa(struct ike *ike, const struct ike_header *header, const struct path *path, uint64_t digest,
                    const struct payloads *p, const struct choice *choice)
{
    const struct connection *c = connection_of(ike, choice->connection);
    struct ike_sa *sa;
    enum status status = ike_sa_new(ike, &ike_version1, NULL, choice->connection, path, &sa);
    if (status != OK) {
        ike_drop(ike, IKE_DROP_INTERNAL, path, "%s", status_text(status));
        return;
    }
    unsigned vendors = vendor_read(p);
    sa->spi_i = header->spi_i;
    sa->state = SA_WAIT_KE;
    sa->suite = choice->transform->suite;
    sa->lifetime_s = v1_smaller_limit(c->ike_lifetime_s, choice->transform->life_seconds);
    sa->peer_natt = vendors & our_vendors(c) & VENDOR_NATT;
    sa->peer_dpd = vendors & VENDOR_DPD;
    status = keep_sai(sa->phase1, payload_body(p, PAYLOAD_SA));
    if (status == OK)
        status = answer_first(ike, sa, choice->transform, vendors);
    if (status != OK) {
        ike_drop(ike, IKE_DROP_INTERNAL, path, "%s", status_text(status));
        ike_sa_free(ike, sa);
        return;
    }
    exchange_answers(&sa->exchange, digest);
    char end[ENDPOINT_TEXT], suite[PROPOSAL_TEXT];
    ike_say(ike, LOG_INFO, sa->connection, "phase 1 (main mode) asked for by %s, selected proposal %s",
            endpoint_print(&path->remote, end), proposal_print(&sa->suite, suite));
}

static void on_first(struct ike *ike, const struct ike_header *header, const struct path *path, uint64_t digest,
                     const struct payloads *p)
{
    size_t from_address;
    struct v1_offer offer;
    if (ike_sa_find_stranger(ike, header->spi_i, path, &from_address) != NULL) {
        ike_drop(ike, IKE_DROP_STATE, path, "a second first message for one cookie");
        return;
    }
    enum status status = v1_offer_read(PROPOSAL_IKE, payload_body(p, PAYLOAD_SA), &offer);
    if (status != OK) {
        ike_drop(ike, status == ERR_LIMIT ? IKE_DROP_LIMIT : IKE_DROP_MALFORMED, path, "SA payload: %s",
                 status_text(status));
        return;
    }
    struct choice choice = choose_connection(ike, path, &offer);
    if (!choice.has_candidate) {
        char local[ENDPOINT_TEXT];
        ike_drop(ike, IKE_DROP_NO_CONNECTION, path,
                 "no connection has this address as remote and %s as local; add one, or use remote = %%any",
                 endpoint_print(&path->local, local));
        return;
    }
    if (choice.transform == NULL) {
        explain_mismatch(ike, choice.connection, path, &offer);
        v1_info_notify_clear(ike, header, path, NOTIFY_NO_PROPOSAL_CHOSEN);
        return;
    }
    if (!may_open(ike, path, from_address, choice.connection))
        return;
    open_sa(ike, header, path, digest, p, &choice);
}

/* --- messages 3 and 4 --- */

/* Our half of the key exchange, and our nonce. This is the first costly step: once per half-open SA, no more. */
static enum status make_our_values(struct ike *ike, struct ike_sa *sa)
{
    struct phase1 *p = sa->phase1;
    if (p->dh != NULL)
        return OK;
    *(sa->initiator ? &p->nonce_i_len : &p->nonce_r_len) = NONCE_OURS;
    enum status status = random_fill(&ike->setup.random, sa->initiator ? p->nonce_i : p->nonce_r, NONCE_OURS);
    return status == OK ? dh_new(sa->suite.group, &ike->setup.random, ike->setup.vault, &p->dh) : status;
}

/* Key exchange, nonce and NAT-D: the same in both. */
static enum status send_key_exchange(struct ike *ike, struct ike_sa *sa, bool waits)
{
    struct phase1 *p = sa->phase1;
    enum status status;
    struct v1_message m = v1_message_begin(ike, sa, EXCHANGE_MAIN, 0, false);
    chain_add(&m.chain, &m.w, PAYLOAD_KE, dh_public(p->dh));
    chain_add(&m.chain, &m.w, PAYLOAD_NONCE, bytes_of(sa->initiator ? p->nonce_i : p->nonce_r, NONCE_OURS));
    if (sa->peer_natt) {
        uint8_t there[HASH_MAX], here[HASH_MAX];
        size_t len = prf_info(sa->suite.prf)->len;
        struct endpoint local = sa->path.local;
        /* encap = yes: a source that cannot be right makes the peer see a NAT, and so use UDP (RFC 3947 3.2). */
        if (connection_of(ike, sa->connection)->encap == ENCAP_YES)
            local.port = 0;
        status = natd_hash(sa->suite.prf, sa->spi_i, sa->spi_r, &sa->path.remote, there);
        if (status == OK)
            status = natd_hash(sa->suite.prf, sa->spi_i, sa->spi_r, &local, here);
        if (status != OK)
            return status;
        chain_add(&m.chain, &m.w, PAYLOAD_NATD, bytes_of(there, len));
        chain_add(&m.chain, &m.w, PAYLOAD_NATD, bytes_of(here, len));
    }
    status = v1_message_finish(&m);
    return status == OK ? ike_sa_send(ike, sa, writer_bytes(&m.w), waits) : status;
}

/* The first NAT-D is about us as the peer sees us, the others about all its own addresses (RFC 3947 3.2). */
static enum status detect_nat(struct ike *ike, struct ike_sa *sa, const struct path *path, const struct payloads *p)
{
    uint8_t here[HASH_MAX], there[HASH_MAX], forced[HASH_MAX];
    size_t len = prf_info(sa->suite.prf)->len;
    size_t seen = 0;
    bool local_matches = false, remote_matches = false, peer_forces = false;
    const struct endpoint nowhere = {path->remote.address, 0}; /* what an esptun with encap = yes says */
    if (!sa->peer_natt)
        return OK;
    enum status status = natd_hash(sa->suite.prf, sa->spi_i, sa->spi_r, &path->local, here);
    if (status == OK)
        status = natd_hash(sa->suite.prf, sa->spi_i, sa->spi_r, &path->remote, there);
    if (status == OK)
        status = natd_hash(sa->suite.prf, sa->spi_i, sa->spi_r, &nowhere, forced);
    if (status != OK)
        return status;
    for (size_t i = 0; i < p->count; i++) {
        if (p->items[i].type != PAYLOAD_NATD)
            continue;
        struct bytes body = p->items[i].body; /* of the right length: afford_keys */
        if (seen++ == 0) {
            local_matches = memcmp(body.data, here, len) == 0;
            continue;
        }
        remote_matches |= memcmp(body.data, there, len) == 0;
        peer_forces |= memcmp(body.data, forced, len) == 0;
    }
    if (seen == 0)
        sa->peer_natt = false; /* announced, but not done */
    sa->nat_local = seen > 0 && !local_matches;
    sa->nat_remote = seen > 1 && !remote_matches && !peer_forces;
    sa->udp = sa->peer_natt && (sa->nat_local || sa->nat_remote || peer_forces ||
                                connection_of(ike, sa->connection)->encap == ENCAP_YES);
    return OK;
}

/* Sizes are checked before anything is kept (B9, B11). */
static enum status keep_peer_values(struct ike_sa *sa, const struct payloads *p)
{
    struct phase1 *p1 = sa->phase1;
    struct bytes ke = payload_body(p, PAYLOAD_KE), nonce = payload_body(p, PAYLOAD_NONCE);
    if (ke.len != group_info(sa->suite.group)->public_len || nonce.len < NONCE_MIN || nonce.len > NONCE_MAX)
        return ERR_MALFORMED;
    memcpy(p1->peer_public, ke.data, ke.len);
    p1->peer_public_len = ke.len;
    memcpy(sa->initiator ? p1->nonce_r : p1->nonce_i, nonce.data, nonce.len);
    *(sa->initiator ? &p1->nonce_r_len : &p1->nonce_i_len) = nonce.len;
    return OK;
}

static enum status make_keys(struct ike *ike, struct ike_sa *sa)
{
    struct secret shared = {0};
    enum status status =
        dh_shared(sa->phase1->dh, bytes_of(sa->phase1->peer_public, sa->phase1->peer_public_len), &shared);
    if (status != OK)
        return status;
    const struct v1_phase1_values values = main_values(sa);
    const struct secret *psk = &connection_of(ike, sa->connection)->psk;
    status = v1_keys_derive(ike->setup.vault, &sa->suite, secret_bytes(psk), &values, secret_bytes(&shared), &sa->keys);
    secret_free(&shared);
    if (status == OK)
        status = v1_phase1_iv(&sa->keys, &values, sa->iv);
    if (status == OK)
        keylog_phase1(ike, sa);
    return status;
}

/* A key exchange costs milliseconds: what can be seen to be wrong is refused before it, and each half-open SA has few.
 */
static enum status afford_keys(struct ike_sa *sa, const struct payloads *p)
{
    size_t len = prf_info(sa->suite.prf)->len;
    for (size_t i = 0; i < p->count; i++)
        if (sa->peer_natt && p->items[i].type == PAYLOAD_NATD && p->items[i].body.len != len)
            return ERR_MALFORMED;
    return sa->phase1->attempts++ < KEY_ATTEMPTS ? OK : ERR_LIMIT;
}

/* Initiator, message 2: the choice must be one of ours, unchanged (B29). */
static enum status on_answer(struct ike *ike, struct ike_sa *sa, const struct ike_header *header,
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
    status = make_our_values(ike, sa);
    if (status == OK)
        status = send_key_exchange(ike, sa, true);
    if (status == OK)
        sa->state = SA_SENT_KE;
    return status;
}

/* Responder, message 3. */
static enum status on_key_exchange(struct ike *ike, struct ike_sa *sa, const struct path *path,
                                   const struct payloads *p)
{
    enum status status = keep_peer_values(sa, p);
    if (status == OK)
        status = afford_keys(sa, p);
    if (status == OK)
        status = make_our_values(ike, sa);
    if (status == OK)
        status = make_keys(ike, sa);
    if (status == OK)
        status = detect_nat(ike, sa, path, p); /* last: a message that is refused must not switch it off */
    if (status == OK)
        status = send_key_exchange(ike, sa, false);
    if (status == OK)
        sa->state = SA_WAIT_AUTH;
    return status;
}

/* Initiator, message 4. With NAT between, everything from message 5 on goes by port 4500 (RFC 3947 4). */
static enum status on_key_answer(struct ike *ike, struct ike_sa *sa, const struct path *path, const struct payloads *p)
{
    enum status status = keep_peer_values(sa, p);
    if (status == OK)
        status = afford_keys(sa, p);
    if (status == OK)
        status = make_keys(ike, sa);
    if (status == OK)
        status = detect_nat(ike, sa, path, p);
    if (status != OK)
        return status;
    if (sa->udp) {
        sa->path.local.port = IKE_NATT_PORT;
        sa->path.remote.port = IKE_NATT_PORT;
    }
    sa->state = SA_SENT_AUTH;
    return main_send_auth(ike, sa, true);
}

/* --- the door --- */

static bool read_clear(struct ike *ike, const struct ike_header *header, const struct path *path,
                       enum message_kind kind, struct bytes message, struct payloads *p)
{
    struct bytes chain = bytes_of(message.data + IKE_HEADER_LEN, message.len - IKE_HEADER_LEN);
    enum status status =
        header->flags & FLAG_ENCRYPTION ? ERR_MALFORMED : payloads_read(header->next_payload, chain, false, p);
    if (status == OK)
        status = rules_check(kind, p);
    if (status != OK)
        ike_drop(ike, status == ERR_LIMIT ? IKE_DROP_LIMIT : IKE_DROP_MALFORMED, path, "main mode: %s",
                 status_text(status));
    return status == OK;
}

/* What went wrong in a clear message is the sender's fault or an attacker's: the SA waits on for the right one. */
static void complain(struct ike *ike, const struct path *path, enum status status)
{
    if (status == ERR_MALFORMED || status == ERR_MISMATCH || status == ERR_UNSUPPORTED)
        ike_drop(ike, IKE_DROP_MALFORMED, path,
                 status == ERR_MISMATCH ? "main mode: the peer chose a proposal that was not offered" : "main mode: %s",
                 status_text(status));
    else
        ike_drop(ike, status == ERR_LIMIT ? IKE_DROP_LIMIT : IKE_DROP_INTERNAL, path, "main mode: %s",
                 status_text(status));
}

static void on_clear(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                     uint64_t digest, struct bytes message)
{
    struct payloads p;
    bool first = sa->state == SA_SENT_SA;
    if (!read_clear(ike, header, path, first ? MESSAGE_MAIN_SA : MESSAGE_MAIN_KE, message, &p))
        return;
    enum status status = first                     ? on_answer(ike, sa, header, path, &p)
                         : sa->state == SA_SENT_KE ? on_key_answer(ike, sa, path, &p)
                                                   : on_key_exchange(ike, sa, path, &p);
    if (status != OK) {
        complain(ike, path, status);
        return;
    }
    exchange_answers(&sa->exchange, digest);
}

void v1_main_input(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                   struct bytes message)
{
    struct payloads p;
    uint64_t digest = hash_short(ike->seed, message.data, message.len);
    if (header->message_id != 0) {
        ike_drop(ike, IKE_DROP_MALFORMED, path, "main mode with a message id");
        return;
    }
    if (sa == NULL && header->spi_r == 0) {
        size_t from_address;
        sa = ike_sa_find_stranger(ike, header->spi_i, path, &from_address);
        if (sa == NULL) {
            if (read_clear(ike, header, path, MESSAGE_MAIN_SA, message, &p)) /* else it was counted there */
                on_first(ike, header, path, digest, &p);
            return;
        }
    }
    if (sa == NULL) {
        ike_drop(ike, IKE_DROP_UNKNOWN_SA, path, "main mode for cookies that are not ours");
        return;
    }
    if (exchange_is_repeat(&sa->exchange, digest)) {
        ike_answer_repeat(ike, &sa->exchange, &sa->path, path);
        return;
    }
    if (!address_equal(&sa->path.remote.address, &path->remote.address)) {
        ike_drop(ike, IKE_DROP_STATE, path, "main mode from another address than it began with");
        return;
    }
    switch (sa->state) {
    case SA_SENT_SA:
    case SA_SENT_KE:
    case SA_WAIT_KE: on_clear(ike, sa, header, path, digest, message); break;
    case SA_SENT_AUTH:
    case SA_WAIT_AUTH:
        if (header->flags & FLAG_ENCRYPTION)
            main_on_auth(ike, sa, header, path, digest, message);
        else /* a late copy of an earlier message says nothing about the keys */
            ike_drop(ike, IKE_DROP_STATE, path, "a clear message of main mode where an encrypted one is due");
        break;
    default: ike_drop(ike, IKE_DROP_STATE, path, "main mode after phase 1 was complete"); break;
    }
}
