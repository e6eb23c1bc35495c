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
#include <string.h>

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

/* Key exchange, nonce and NAT-D: the same in both. */
static enum status send_key_exchange(struct ike *ike, struct ike_sa *sa, bool waits)
{
    struct v1_message m = v1_message_begin(ike, sa, EXCHANGE_MAIN, 0, false);
    phase1_add_values(sa, &m);
    enum status status = phase1_add_natd(ike, sa, &m);
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
        status = send_key_exchange(ike, sa, true);
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
        status = send_key_exchange(ike, sa, false);
    if (status == OK)
        sa->state = SA_WAIT_AUTH;
    return status;
}

/* --- messages 5 and 6 --- */

static enum status send_auth(struct ike *ike, struct ike_sa *sa, bool waits)
{
    struct v1_message m = v1_message_begin(ike, sa, EXCHANGE_MAIN, 0, true);
    struct bytes id = phase1_add_id(sa, &m);
    enum status status = phase1_add_proof(sa, id, &m);
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
    sa->state = SA_SENT_AUTH;
    return send_auth(ike, sa, true);
}

/* Decrypts and verifies 5 or 6. State (also the IV) changes only on OK; a corrupt one leaves room for the right one
 * (B19). */
static enum status verify_auth(struct ike *ike, struct ike_sa *sa, const struct ike_header *header,
                               struct bytes message, struct payloads *p, struct identity *id)
{
    uint8_t next_iv[IV_MAX];
    bool initial_contact;
    enum status status = v1_message_decrypt(ike, &sa->keys, header, sa->iv, message, p, next_iv);
    if (status == OK)
        status = rules_check(MESSAGE_MAIN_AUTH, p);
    if (status != OK)
        return ERR_AUTHENTICATION; /* with another key it decrypts to rubbish */
    struct bytes id_body = payload_body(p, PAYLOAD_ID);
    status = phase1_check_proof(sa, p, id_body);
    if (status == OK)
        status = phase1_read_notifications(sa, p, &initial_contact);
    if (status == OK)
        status = v1_id_read(id_body, id);
    if (status == OK && !phase1_identity_fits(ike, sa, id))
        status = ERR_MISMATCH;
    if (status != OK)
        return status;
    sa->initial_contact = initial_contact;
    memcpy(sa->iv, next_iv, sizeof next_iv);
    return OK;
}

static void on_auth(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                    uint64_t digest, struct bytes message)
{
    struct payloads p;
    struct identity id;
    enum status status = verify_auth(ike, sa, header, message, &p, &id);
    if (status != OK) {
        phase1_refuse_proof(ike, sa, header, path, status);
        return;
    }
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
    phase1_complete(ike, sa, path, &id);
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

void v1_main_input(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                   struct bytes message)
{
    struct payloads p;
    uint64_t digest = hash_short(ike->seed, message.data, message.len);
    if (!phase1_enter(ike, &sa, header, path, digest, MODE_MAIN))
        return;
    if (sa == NULL) {
        if (phase1_read_clear(ike, header, path, MODE_MAIN, MESSAGE_MAIN_SA, message, &p))
            on_first(ike, header, path, digest, &p);
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
            ike_drop(ike, IKE_DROP_STATE, path, "a clear message of main mode where an encrypted one is due");
        break;
    default: ike_drop(ike, IKE_DROP_STATE, path, "main mode where none is due"); break;
    }
}
