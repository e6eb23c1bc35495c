/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Main mode with a pre-shared key (RFC 2409 5.4), or with signatures (5.1):
 *
 *   1  SA, VID               ->                          clear
 *   2                        <-  SA, VID                 clear: the one proposal chosen
 *   3  KE, Ni, NAT-D         ->                          clear; signatures: CERTREQ too
 *   4                        <-  KE, Nr, NAT-D           clear: keys are known from here on
 *   5  ID, HASH_I            ->                          encrypted, on port 4500 where there is NAT
 *   6                        <-  ID, HASH_R              encrypted
 *
 *   5  ID, CERT..., SIG_I    ->                          with signatures
 *   6                        <-  ID, CERT..., SIG_R
 *
 * Until 5 and 6 have verified, nothing is authenticated: messages 1 to 4 advance this one half-open SA and nothing
 * else.
 */
#include <string.h>

#include "ike/auth.h"
#include "ike/sa.h"
#include "ike/v1_body.h"
#include "ike/v1_phase1.h"

/* --- messages 1 and 2 --- */

enum status v1_main_initiate(struct ike *ike, struct peer *peer)
{
    struct ike_sa *sa;
    struct v1_message m;
    enum status status = phase1_begin(ike, peer, &sa, &m);
    if (status != OK)
        return status;
    sa->state = SA_SENT_SA;
    return phase1_send_first(ike, sa, &m);
}

static void on_first(struct ike *ike, const struct ike_header *header, const struct path *path, uint64_t digest,
                     const struct payloads *p)
{
    struct v1_transform chosen;
    const struct first_message first = {.header = header, .path = path, .payloads = p, .mode = MODE_MAIN};
    struct ike_sa *sa = phase1_open(ike, &first, &chosen);
    if (sa == NULL)
        return;
    sa->state = SA_WAIT_KE;
    struct v1_message m = phase1_begin_answer(ike, sa, &chosen);
    phase1_add_common_vendors(ike, sa, p, &m);
    enum status status = v1_message_finish(&m);
    if (status == OK)
        status = ike_sa_send(ike, sa, writer_bytes(&m.w), false);
    if (status == OK) {
        exchange_answers(&sa->exchange, digest);
        return;
    }
    ike_drop(ike, IKE_DROP_INTERNAL, path, "%s", status_text(status));
    ike_sa_free(ike, sa);
}

/* --- messages 3 and 4 --- */

/* Key exchange, nonce and NAT-D: the same in both. most: bytes that the message may have on account of what we ask for.
 */
static enum status send_key_exchange(struct ike *ike, struct ike_sa *sa, size_t most, bool waits)
{
    struct v1_message m = v1_message_begin(ike, sa, EXCHANGE_MAIN, 0, false);
    phase1_add_values(sa, &m);
    enum status status = phase1_add_natd(ike, sa, &m);
    auth_write_request(connection_of(ike, sa->connection), &m.chain, &m.w, most);
    if (status == OK)
        status = v1_message_finish(&m);
    return status == OK ? ike_sa_send(ike, sa, writer_bytes(&m.w), waits) : status;
}

/* Initiator, message 2. */
static enum status on_answer(struct ike *ike, struct ike_sa *sa, const struct ike_header *header,
                             const struct path *path, const struct payloads *p)
{
    enum status status = phase1_take_answer(ike, sa, header, path, p);
    if (status != OK)
        return status;
    phase1_say_selected(ike, sa);
    status = phase1_make_values(ike, sa);
    if (status == OK)
        status = send_key_exchange(ike, sa, IKE_SEND_MAX, true);
    if (status == OK)
        sa->state = SA_SENT_KE;
    return status;
}

/* Responder, message 3. */
static enum status on_key_exchange(struct ike *ike, struct ike_sa *sa, const struct path *path,
                                   const struct payloads *p)
{
    enum status status = phase1_keep_peer_values(sa, p);
    if (status == OK)
        status = phase1_afford_keys(sa, p);
    if (status == OK)
        status = phase1_make_values(ike, sa);
    if (status == OK)
        status = phase1_make_keys(ike, sa);
    if (status == OK)
        status = phase1_detect_nat(ike, sa, path, p); /* last: a message that is refused must not switch it off */
    if (status == OK)
        status = send_key_exchange(ike, sa, ANSWER_TIMES * (IKE_HEADER_LEN + p->whole.len), false);
    if (status == OK)
        auth_heed_request(ike, sa, p);
    if (status == OK)
        sa->state = SA_WAIT_AUTH;
    return status;
}

/* --- messages 5 and 6 --- */

static enum status send_auth(struct ike *ike, struct ike_sa *sa, bool waits)
{
    struct v1_message m = v1_message_begin(ike, sa, EXCHANGE_MAIN, 0, true);
    struct bytes id = phase1_add_id(sa, &m);
    enum status status = phase1_add_proof(ike, sa, id, &m);
    phase1_add_initial_contact(sa, &m);
    if (status == OK)
        status = v1_message_encrypt(&sa->keys, sa->iv, &m);
    return status == OK ? ike_sa_send(ike, sa, writer_bytes(&m.w), waits) : status;
}

/* Initiator, message 4. With NAT between, everything from message 5 on goes by port 4500 (RFC 3947 4). */
static enum status on_key_answer(struct ike *ike, struct ike_sa *sa, const struct path *path, const struct payloads *p)
{
    enum status status = phase1_keep_peer_values(sa, p);
    if (status == OK)
        status = phase1_afford_keys(sa, p);
    if (status == OK)
        status = phase1_make_keys(ike, sa);
    if (status == OK)
        status = phase1_detect_nat(ike, sa, path, p);
    if (status != OK)
        return status;
    phase1_float(sa);
    auth_heed_request(ike, sa, p);
    sa->state = SA_SENT_AUTH;
    return send_auth(ike, sa, true);
}

/* With another key it decrypts to rubbish. */
static enum status read_claim(struct ike *ike, const struct ike_sa *sa, const struct ike_header *header,
                              struct bytes message, struct claim *claim)
{
    bool is_signed = auth_is_signed(connection_of(ike, sa->connection));
    enum status status = v1_message_decrypt(ike, &sa->keys, header, sa->iv, message, &claim->p, claim->next_iv);
    if (status == OK)
        status = rules_check(is_signed ? MESSAGE_MAIN_SIGNED : MESSAGE_MAIN_AUTH, &claim->p);
    return status == OK ? OK : phase1_refuse_unread(ike, sa, claim);
}

/* Decrypts and verifies 5 or 6. State (also the IV) changes only on OK; a corrupt one leaves room for the right one
 * (B19). */
static enum status verify_auth(struct ike *ike, struct ike_sa *sa, const struct ike_header *header,
                               const struct path *path, struct bytes message, struct claim *claim)
{
    claim->why[0] = '\0';
    enum status status = read_claim(ike, sa, header, message, claim);
    if (status != OK)
        return status;
    struct bytes id_body = payload_body(&claim->p, PAYLOAD_ID);
    enum status id_status = v1_id_read(id_body, &claim->id);
    claim->connection = id_status == OK ? auth_connection(ike, sa, path, &claim->id) : sa->connection;
    /* A signature is bound to the name, so the name must make sense; of a hash the key alone decides. */
    if (auth_is_signed(connection_of(ike, claim->connection)) && id_status != OK)
        return id_status;
    status = phase1_check_proof(ike, sa, &claim->p, id_body, claim);
    if (status == OK)
        status = phase1_read_notifications(sa, &claim->p, &claim->initial_contact);
    if (status == OK)
        status = id_status;
    if (status == OK && !phase1_identity_fits(ike, claim->connection, &sa->path.remote.address, claim))
        status = ERR_MISMATCH;
    return status;
}

/* What has been verified becomes state. */
static void believe(struct ike *ike, struct ike_sa *sa, const struct claim *claim)
{
    sa->initial_contact = claim->initial_contact;
    memcpy(sa->iv, claim->next_iv, sizeof claim->next_iv);
    if (claim->connection == sa->connection)
        return;
    const struct connection *c = connection_of(ike, claim->connection);
    sa->connection = claim->connection;
    if (c->ike_lifetime_s < sa->lifetime_s) {
        sa->lifetime_s = c->ike_lifetime_s;
        sa->lifetime_cut = true;
    }
    sa->lifetime_bytes = v1_smaller_limit(sa->lifetime_bytes, c->ike_lifetime_bytes);
    sa->peer_fragments = sa->peer_fragments && c->fragmentation;
    sa->local_id = c->local_id.type != ID_NONE ? c->local_id : identity_of_address(&sa->path.local.address);
}

static void on_auth(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                    uint64_t digest, struct bytes message)
{
    struct claim claim;
    enum status status = verify_auth(ike, sa, header, path, message, &claim);
    if (status != OK) {
        phase1_refuse_proof(ike, sa, header, path, status, &claim);
        return;
    }
    believe(ike, sa, &claim);
    if (sa->initiator) {
        exchange_clear(&sa->exchange); /* nothing answers message 6 */
    } else {
        sa->path = *path; /* authentic now: follow the float to 4500 */
        /* NAT-D payloads are not authenticated, the float is: it tells what the initiator has found (RFC 3947 4). */
        sa->udp = sa->peer_natt && path->local.port == IKE_NATT_PORT;
        status = send_auth(ike, sa, false);
        if (status != OK) {
            ike_drop(ike, IKE_DROP_INTERNAL, path, "phase 1 cannot be completed: %s", status_text(status));
            ike_sa_fail(ike, sa, status_text(status));
            return;
        }
        exchange_answers(&sa->exchange, digest);
    }
    phase1_complete(ike, sa, path, &claim.id);
}

/* --- the door --- */

static void on_clear(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                     uint64_t digest, struct bytes message)
{
    struct payloads p;
    bool first = sa->state == SA_SENT_SA;
    if (!phase1_read_clear(ike, header, path, MODE_MAIN, first ? MESSAGE_MAIN_SA : MESSAGE_MAIN_KE, message, &p))
        return;
    enum status status = first                     ? on_answer(ike, sa, header, path, &p)
                         : sa->state == SA_SENT_KE ? on_key_answer(ike, sa, path, &p)
                                                   : on_key_exchange(ike, sa, path, &p);
    if (status != OK)
        phase1_refuse(ike, path, MODE_MAIN, status);
    else
        exchange_answers(&sa->exchange, digest);
}

/* Message 3 once more, though not byte by byte: see phase1_answer_again. Of message 5 the digest tells enough, for it
 * is authentic; and an initiator need not be asked: it repeats its own. */
static bool is_key_exchange_again(const struct ike_sa *sa, const struct ike_header *header)
{
    return sa->state == SA_WAIT_AUTH && header->spi_r != 0 && !(header->flags & FLAG_ENCRYPTION) &&
           header->next_payload != PAYLOAD_ID;
}

void v1_main_input(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                   struct bytes message)
{
    struct payloads p;
    uint64_t digest = v1_message_digest(ike, message);
    if (!phase1_enter(ike, &sa, header, path, digest, MODE_MAIN))
        return;
    if (sa == NULL) {
        if (phase1_read_clear(ike, header, path, MODE_MAIN, MESSAGE_MAIN_SA, message, &p))
            on_first(ike, header, path, digest, &p);
        return;
    }
    if (is_key_exchange_again(sa, header)) {
        if (phase1_read_clear(ike, header, path, MODE_MAIN, MESSAGE_MAIN_KE, message, &p))
            phase1_answer_again(ike, sa, path, MODE_MAIN);
        return;
    }
    switch (sa->state) {
    case SA_SENT_SA:
    case SA_SENT_KE:
    case SA_WAIT_KE: on_clear(ike, sa, header, path, digest, message); break;
    case SA_SENT_AUTH:
    case SA_WAIT_AUTH:
        if (header->flags & FLAG_ENCRYPTION)
            on_auth(ike, sa, header, path, digest, message);
        else /* a late copy of an earlier message says nothing about the keys */
            ike_drop(ike, IKE_DROP_STATE, path,
                     header->next_payload == PAYLOAD_ID
                         ? "the peer sends its identity in clear: message 5 and 6 of main mode must be encrypted (RFC "
                           "2409 5), or anyone on the path may guess the pre-shared key"
                         : "a clear message of main mode where an encrypted one is due");
        break;
    default: ike_drop(ike, IKE_DROP_STATE, path, "main mode where none is due"); break;
    }
}
