/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aggressive mode with a pre-shared key (RFC 2409 5.4), or with signatures (5.1):
 *
 *   1  SA, KE, Ni, IDii, VID                ->          clear; signatures: CERTREQ too
 *   2                 <-  SA, KE, Nr, IDir, HASH_R, NAT-D, VID   clear
 *   3  NAT-D, HASH_I                        ->          encrypted, on port 4500 where there is NAT; also taken in clear
 *
 *   2                 <-  SA, KE, Nr, IDir, CERTREQ, CERT..., SIG_R, NAT-D, VID      with signatures
 *   3  NAT-D, CERT..., SIG_I                ->
 *
 * Half as many messages as main mode, and the responder knows from the first one who calls, so that peers without a
 * fixed address can have a key each. The price: identities go in clear, the group is not negotiated, a first message
 * costs the responder a key exchange (and a signature, and its certificates to whoever asks), and with HASH_R anyone
 * who asks can try pre-shared keys offline.
 */
#include <stdlib.h>
#include <string.h>

#include "ike/auth.h"
#include "ike/sa.h"
#include "ike/v1_body.h"
#include "ike/v1_phase1.h"

enum { ID_BODY_MAX = 4 + IDENTITY_MAX };

/* --- message 1 --- */

enum status v1_aggressive_initiate(struct ike *ike, struct peer *peer)
{
    struct ike_sa *sa;
    struct v1_message m;
    enum status status = phase1_begin(ike, peer, &sa, &m);
    if (status != OK)
        return status;
    sa->state = SA_SENT_ID;
    sa->suite.group = connection_of(ike, peer->connection)->ike.items[0].group; /* all have this one: config */
    status = phase1_make_values(ike, sa);
    if (status != OK) {
        ike_sa_free(ike, sa);
        return status;
    }
    phase1_add_values(sa, &m);
    phase1_add_id(sa, &m);
    auth_write_request(connection_of(ike, peer->connection), &m.chain, &m.w, IKE_SEND_MAX);
    return phase1_send_first(ike, sa, &m);
}

/* --- message 2 --- */

static enum status send_reply(struct ike *ike, struct ike_sa *sa, const struct v1_transform *chosen,
                              const struct payloads *p)
{
    struct v1_message m = phase1_begin_answer(ike, sa, chosen);
    phase1_add_values(sa, &m);
    struct bytes id = phase1_add_id(sa, &m);
    auth_write_request(connection_of(ike, sa->connection), &m.chain, &m.w,
                       ANSWER_TIMES * (IKE_HEADER_LEN + p->whole.len));
    enum status status = phase1_add_proof(ike, sa, id, &m);
    if (status == OK)
        status = phase1_add_natd(ike, sa, &m);
    phase1_add_common_vendors(ike, sa, p, &m);
    if (status == OK)
        status = v1_message_finish(&m);
    return status == OK ? ike_sa_send(ike, sa, writer_bytes(&m.w), false) : status;
}

static enum status answer(struct ike *ike, struct ike_sa *sa, const struct v1_transform *chosen,
                          const struct payloads *p)
{
    enum status status = phase1_keep_peer_values(sa, p);
    if (status == OK)
        status = phase1_keep(payload_body(p, PAYLOAD_ID), &sa->phase1->peer_id, &sa->phase1->peer_id_len);
    if (status == OK)
        status = phase1_afford_keys(sa, p);
    if (status == OK)
        status = phase1_make_values(ike, sa);
    if (status == OK)
        status = phase1_make_keys(ike, sa);
    if (status == OK)
        auth_heed_request(ike, sa, p);
    return status == OK ? send_reply(ike, sa, chosen, p) : status;
}

/* Responder, message 1. */
static void on_first(struct ike *ike, const struct ike_header *header, const struct path *path, uint64_t digest,
                     const struct payloads *p)
{
    struct identity id;
    struct v1_transform chosen;
    const struct first_message first = {.header = header,
                                        .path = path,
                                        .payloads = p,
                                        .mode = MODE_AGGRESSIVE,
                                        .id = &id,
                                        .ke_len = payload_body(p, PAYLOAD_KE).len};
    enum status status = v1_id_read(payload_body(p, PAYLOAD_ID), &id);
    if (status != OK) {
        phase1_refuse(ike, path, MODE_AGGRESSIVE, status);
        return;
    }
    struct ike_sa *sa = phase1_open(ike, &first, &chosen);
    if (sa == NULL)
        return;
    sa->state = SA_WAIT_HASH;
    status = answer(ike, sa, &chosen, p);
    if (status == OK) {
        exchange_answers(&sa->exchange, digest);
        return;
    }
    phase1_refuse(ike, path, MODE_AGGRESSIVE, status);
    ike_sa_free(ike, sa);
}

/* --- message 3 --- */

static struct bytes our_id(const struct ike_sa *sa, uint8_t out[ID_BODY_MAX])
{
    struct writer w = writer_of(out, ID_BODY_MAX);
    v1_id_write(&w, &sa->local_id);
    return writer_bytes(&w);
}

static enum status send_proof(struct ike *ike, struct ike_sa *sa)
{
    uint8_t id[ID_BODY_MAX];
    struct v1_message m = v1_message_begin(ike, sa, EXCHANGE_AGGRESSIVE, 0, true);
    enum status status = phase1_add_natd(ike, sa, &m);
    phase1_add_initial_contact(sa, &m);
    /* Last, because it covers nothing of this message: so a changed last block, which is the next IV, cannot pass. */
    if (status == OK)
        status = phase1_add_proof(ike, sa, our_id(sa, id), &m);
    if (status == OK)
        status = v1_message_encrypt(&sa->keys, sa->iv, &m);
    return status == OK ? ike_sa_send(ike, sa, writer_bytes(&m.w), false) : status;
}

/* What a message 2 has left in an SA that goes on waiting for the right one. */
static void forget_reply(struct ike_sa *sa)
{
    sa->spi_r = 0;
    sa->suite = (struct proposal){.group = sa->suite.group};
    sa->peer_natt = sa->natt_draft = sa->peer_dpd = sa->peer_fragments = false;
    v1_keys_free(&sa->keys);
}

/* ERR_AUTHENTICATION: the proof is wrong. */
static enum status verify_reply(struct ike *ike, struct ike_sa *sa, const struct ike_header *header,
                                const struct path *path, const struct payloads *p, struct claim *claim)
{
    struct bytes id_body = payload_body(p, PAYLOAD_ID);
    claim->connection = sa->connection;
    claim->why[0] = '\0';
    enum status status = phase1_take_answer(ike, sa, header, path, p);
    if (status == OK)
        status = phase1_keep_peer_values(sa, p);
    if (status == OK)
        status = v1_id_read(id_body, &claim->id);
    if (status == OK)
        status = phase1_afford_keys(sa, p);
    if (status == OK)
        status = phase1_make_keys(ike, sa);
    return status == OK ? phase1_check_proof(ike, sa, p, id_body, claim) : status;
}

/* Initiator, message 2. Nothing of it stays before its proof has verified. */
static void on_reply(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                     uint64_t digest, const struct payloads *p)
{
    struct claim claim;
    enum status status = verify_reply(ike, sa, header, path, p, &claim);
    bool is_other = status == OK && !phase1_identity_fits(ike, sa->connection, &sa->path.remote.address, &claim);
    if (status != OK || is_other) {
        if (is_other || status == ERR_AUTHENTICATION)
            phase1_refuse_proof(ike, sa, header, path, is_other ? ERR_MISMATCH : ERR_AUTHENTICATION, &claim);
        else
            phase1_refuse(ike, path, MODE_AGGRESSIVE, status);
        forget_reply(sa);
        return;
    }
    phase1_say_selected(ike, sa);
    auth_heed_request(ike, sa, p);
    status = phase1_detect_nat(ike, sa, path, p);
    phase1_float(sa);
    if (status == OK)
        status = send_proof(ike, sa);
    if (status != OK) {
        ike_drop(ike, IKE_DROP_INTERNAL, path, "phase 1 cannot be completed: %s", status_text(status));
        ike_sa_fail(ike, sa, status_text(status));
        return;
    }
    exchange_answers(&sa->exchange, digest); /* message 2 once more: ours was lost */
    sa->unconfirmed = true;
    phase1_complete(ike, sa, path, &claim.id);
}

/* RFC 2409 5.4: message 3 may come in clear, then no block of phase 1 is encrypted, and its first IV stays the one that
 * phase 2 goes on from. */
static enum status read_proof(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, struct bytes message,
                              struct payloads *p, uint8_t next_iv[IV_MAX])
{
    struct bytes chain = bytes_of(message.data + IKE_HEADER_LEN, message.len - IKE_HEADER_LEN);
    memcpy(next_iv, sa->iv, IV_MAX);
    enum status status = header->flags & FLAG_ENCRYPTION
                             ? v1_message_decrypt(ike, &sa->keys, header, sa->iv, message, p, next_iv)
                             : payloads_read(header->next_payload, chain, false, p);
    bool is_signed = auth_is_signed(connection_of(ike, sa->connection));
    return status == OK ? rules_check(is_signed ? MESSAGE_AGGRESSIVE_SIGNED : MESSAGE_AGGRESSIVE_HASH, p) : status;
}

/* State, the IV too, changes only on OK; a corrupt message leaves room for the right one (B19). */
static enum status verify_proof(struct ike *ike, struct ike_sa *sa, const struct ike_header *header,
                                struct bytes message, struct claim *claim)
{
    bool encrypted = header->flags & FLAG_ENCRYPTION;
    struct bytes id_body = bytes_of(sa->phase1->peer_id, sa->phase1->peer_id_len);
    claim->connection = sa->connection;
    claim->why[0] = '\0';
    enum status status = read_proof(ike, sa, header, message, &claim->p, claim->next_iv);
    if (status != OK && encrypted)
        return phase1_refuse_unread(ike, sa, claim);
    if (status == OK)
        status = v1_id_read(id_body, &claim->id);
    if (status != OK)
        return status;
    status = phase1_check_proof(ike, sa, &claim->p, id_body, claim);
    if (status == OK)
        status = phase1_read_notifications(sa, &claim->p, &claim->initial_contact);
    if (status == OK && !phase1_natd_is_sound(sa, &claim->p))
        status = ERR_AUTHENTICATION; /* changed on the way */
    if (status != OK)
        return status;
    sa->initial_contact = claim->initial_contact && encrypted; /* B30: in clear anyone could add it */
    memcpy(sa->iv, claim->next_iv, sizeof claim->next_iv);
    return OK;
}

/* Responder, message 3. The identity was checked when the connection was chosen. */
static void on_proof(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                     struct bytes message)
{
    struct claim claim;
    enum status status = verify_proof(ike, sa, header, message, &claim);
    if (status != OK && status != ERR_AUTHENTICATION) {
        phase1_refuse(ike, path, MODE_AGGRESSIVE, status);
        return;
    }
    if (status != OK) {
        phase1_refuse_proof(ike, sa, header, path, status, &claim);
        return;
    }
    status = phase1_detect_nat(ike, sa, path, &claim.p);
    if (status != OK) {
        phase1_refuse(ike, path, MODE_AGGRESSIVE, status);
        return;
    }
    sa->path = *path; /* authentic now: follow the float to 4500 */
    /* NAT-D payloads are not authenticated, the float is: it tells what the initiator has found (RFC 3947 4). */
    sa->udp = sa->peer_natt && path->local.port == IKE_NATT_PORT;
    phase1_complete(ike, sa, path, &claim.id);
}

void v1_aggressive_overtaken(struct ike *ike, struct ike_sa *sa, const struct path *path)
{
    if (!address_equal(&sa->path.remote.address, &path->remote.address)) {
        ike_drop(ike, IKE_DROP_STATE, path, "phase 2 before phase 1 is complete");
        return;
    }
    ike_drop(ike, IKE_DROP_STATE, path, "phase 2, while message 3 of aggressive mode is missing: asked for again");
    ike_answer_repeat(ike, sa, &sa->exchange, path);
}

/* --- the door --- */

static enum message_kind reply_kind(const struct ike *ike, const struct ike_sa *sa)
{
    return auth_is_signed(connection_of(ike, sa->connection)) ? MESSAGE_AGGRESSIVE_REPLY_SIGNED
                                                              : MESSAGE_AGGRESSIVE_REPLY;
}

/* Message 2 once more, though not byte by byte: see phase1_answer_again. */
static bool is_reply_again(const struct ike *ike, const struct ike_sa *sa, const struct ike_header *header)
{
    return sa->initiator && sa->state >= SA_CONFIGURING && !(header->flags & FLAG_ENCRYPTION) &&
           connection_of(ike, sa->connection)->mode == MODE_AGGRESSIVE;
}

void v1_aggressive_input(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                         struct bytes message)
{
    struct payloads p;
    uint64_t digest = v1_message_digest(ike, message);
    if (!phase1_enter(ike, &sa, header, path, digest, MODE_AGGRESSIVE))
        return;
    if (sa == NULL) {
        if (!phase1_read_clear(ike, header, path, MODE_AGGRESSIVE, MESSAGE_AGGRESSIVE_SA, message, &p))
            return;
        on_first(ike, header, path, digest, &p);
        return;
    }
    if (is_reply_again(ike, sa, header)) {
        if (phase1_read_clear(ike, header, path, MODE_AGGRESSIVE, reply_kind(ike, sa), message, &p))
            phase1_answer_again(ike, sa, path, MODE_AGGRESSIVE);
        return;
    }
    switch (sa->state) {
    case SA_SENT_ID:
        if (phase1_read_clear(ike, header, path, MODE_AGGRESSIVE, reply_kind(ike, sa), message, &p))
            on_reply(ike, sa, header, path, digest, &p);
        break;
    case SA_WAIT_HASH: on_proof(ike, sa, header, path, message); break;
    default: ike_drop(ike, IKE_DROP_STATE, path, "aggressive mode where none is due"); break;
    }
}
