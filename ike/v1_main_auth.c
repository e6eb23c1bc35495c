/* SPDX-License-Identifier: Apache-2.0 */
/* Main mode, messages 5 and 6: who is it, and does it have the key? (RFC 2409 5.4) */
#include <stdio.h>
#include <string.h>

#include "ike/peer.h"
#include "ike/rules.h"
#include "ike/sa.h"
#include "ike/v1_body.h"
#include "ike/v1_main.h"
#include "ike/v1_message.h"

struct v1_phase1_values main_values(const struct ike_sa *sa)
{
    const struct phase1 *p = sa->phase1;
    struct bytes ours = dh_public(p->dh), theirs = bytes_of(p->peer_public, p->peer_public_len);
    return (struct v1_phase1_values){
        .spi_i = sa->spi_i,
        .spi_r = sa->spi_r,
        .nonce_i = bytes_of(p->nonce_i, p->nonce_i_len),
        .nonce_r = bytes_of(p->nonce_r, p->nonce_r_len),
        .public_i = sa->initiator ? ours : theirs,
        .public_r = sa->initiator ? theirs : ours,
        .sai_b = bytes_of(p->sai_b, p->sai_b_len),
    };
}

enum status main_send_auth(struct ike *ike, struct ike_sa *sa, bool waits)
{
    const struct v1_phase1_values values = main_values(sa);
    struct v1_message m = v1_message_begin(ike, sa, EXCHANGE_MAIN, 0, true);
    chain_open(&m.chain, &m.w, PAYLOAD_ID);
    size_t id_at = m.w.len;
    v1_id_write(&m.w, &sa->local_id);
    struct bytes id = bytes_of(m.w.data + id_at, m.w.len - id_at);
    chain_close(&m.chain, &m.w);
    uint8_t hash[HASH_MAX];
    enum status status = v1_auth_hash(&sa->keys, &values, sa->initiator, id, hash);
    if (status != OK)
        return status;
    chain_add(&m.chain, &m.w, PAYLOAD_HASH, bytes_of(hash, v1_hash_len(&sa->keys)));
    if (sa->initiator && sa->peer->sa_count == 1 && sa->peer->child_count == 0) {
        uint8_t spi[16];
        store_u64(spi, sa->spi_i);
        store_u64(spi + 8, sa->spi_r);
        chain_open(&m.chain, &m.w, PAYLOAD_NOTIFY);
        v1_notify_write(&m.w, &(struct v1_notify){.type = NOTIFY_INITIAL_CONTACT,
                                                  .protocol = V1_PROTOCOL_ISAKMP,
                                                  .spi = bytes_of(spi, sizeof spi)});
        chain_close(&m.chain, &m.w);
    }
    status = v1_message_encrypt(&sa->keys, sa->iv, &m);
    return status == OK ? ike_sa_send(ike, sa, writer_bytes(&m.w), waits) : status;
}

static bool identity_fits(struct ike *ike, const struct ike_sa *sa, const struct identity *id)
{
    const struct connection *c = connection_of(ike, sa->connection);
    struct identity expected = c->remote_id.type != ID_NONE ? c->remote_id : identity_of_address(&c->remote);
    if (c->remote_id.type == ID_NONE && c->remote.family == 0)
        return true; /* remote = %any without remote_id: whoever has the key */
    if (identity_equal(&expected, id))
        return true;
    char got[IDENTITY_TEXT], want[IDENTITY_TEXT];
    ike_say(ike, LOG_ERROR, sa->connection,
            "INVALID_ID_INFORMATION: the peer calls itself %s, but remote_id expects %s; if that is the right peer, "
            "write remote_id = %s",
            identity_print(id, got), identity_print(&expected, want), identity_print(id, got));
    return false;
}

/*
 * HASH_I and HASH_R do not cover the notifications behind them. One that makes no sense, or an INITIAL_CONTACT for
 * other cookies, therefore means that the message was changed on the way: it is refused whole, because its last block
 * would become the next IV (B19).
 */
static enum status read_notifications(const struct ike_sa *sa, const struct payloads *p, bool *initial_contact)
{
    uint8_t spi[16];
    store_u64(spi, sa->spi_i);
    store_u64(spi + 8, sa->spi_r);
    *initial_contact = false;
    for (size_t i = 0; i < p->count; i++) {
        struct v1_notify n;
        if (p->items[i].type != PAYLOAD_NOTIFY)
            continue;
        if (v1_notify_read(p->items[i].body, &n) != OK)
            return ERR_AUTHENTICATION;
        if (n.type != NOTIFY_INITIAL_CONTACT)
            continue;
        if (n.spi.len == sizeof spi && memcmp(n.spi.data, spi, sizeof spi) != 0)
            return ERR_AUTHENTICATION;
        *initial_contact = true;
    }
    return OK;
}

/* Decrypts and verifies 5 or 6. State (also the IV) changes only on OK; a corrupt one leaves room for the right one
 * (B19). */
static enum status verify_auth(struct ike *ike, struct ike_sa *sa, const struct ike_header *header,
                               struct bytes message, struct payloads *p, struct identity *id)
{
    uint8_t next_iv[IV_MAX], expected[HASH_MAX];
    enum status status = v1_message_decrypt(ike, &sa->keys, header, sa->iv, message, p, next_iv);
    if (status == OK)
        status = rules_check(MESSAGE_MAIN_AUTH, p);
    if (status != OK)
        return ERR_AUTHENTICATION; /* with another key it decrypts to rubbish */
    const struct v1_phase1_values values = main_values(sa);
    struct bytes id_body = payload_body(p, PAYLOAD_ID);
    status = v1_auth_hash(&sa->keys, &values, !sa->initiator, id_body, expected);
    if (status != OK)
        return status;
    if (!v1_hash_equal(&sa->keys, p, expected))
        return ERR_AUTHENTICATION;
    bool initial_contact;
    status = read_notifications(sa, p, &initial_contact);
    if (status == OK)
        status = v1_id_read(id_body, id);
    if (status == OK && !identity_fits(ike, sa, id))
        status = ERR_MISMATCH;
    if (status != OK)
        return status;
    sa->initial_contact = initial_contact;
    memcpy(sa->iv, next_iv, sizeof next_iv);
    return OK;
}

static void refuse_auth(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                        enum status why)
{
    ike_drop(ike, IKE_DROP_AUTHENTICATION, path,
             why == ERR_AUTHENTICATION ? "%s: AUTHENTICATION_FAILED in main mode: most likely the pre-shared keys "
                                         "differ (psk of this connection and the peer's)"
             : why == ERR_MISMATCH     ? "%s: INVALID_ID_INFORMATION: the identity of the peer is not remote_id"
                                       : "%s: message 5 or 6 of main mode makes no sense",
             connection_of(ike, sa->connection)->name);
    if (sa->initiator) {
        if (why == ERR_AUTHENTICATION)
            snprintf(sa->hint, sizeof sa->hint,
                     "AUTHENTICATION_FAILED: the peer's answer does not verify: most likely the pre-shared keys differ "
                     "(psk)");
        else if (why == ERR_MISMATCH)
            snprintf(sa->hint, sizeof sa->hint,
                     "INVALID_ID_INFORMATION: the peer's identity is not the configured remote_id");
        exchange_hurry(&sa->exchange);
        return;
    }
    if (sa->phase1->refused)
        return;
    sa->phase1->refused = true;
    v1_info_notify_clear(ike, header, path,
                         why == ERR_AUTHENTICATION ? NOTIFY_AUTHENTICATION_FAILED : NOTIFY_INVALID_ID_INFORMATION);
}

void main_on_auth(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                  uint64_t digest, struct bytes message)
{
    struct payloads p;
    struct identity id;
    enum status status = verify_auth(ike, sa, header, message, &p, &id);
    if (status != OK) {
        refuse_auth(ike, sa, header, path, status);
        return;
    }
    if (!sa->initiator) {
        sa->path = *path; /* authentic now: follow the float to 4500 */
        /* NAT-D payloads are not authenticated, the float is: it tells what the initiator has found (RFC 3947 4). */
        sa->udp = sa->peer_natt && path->local.port == IKE_NATT_PORT;
        status = main_send_auth(ike, sa, false);
        if (status == OK)
            exchange_answers(&sa->exchange, digest);
    }
    if (status == OK)
        status = ike_sa_establish(ike, sa, &id);
    if (status != OK) {
        ike_drop(ike, IKE_DROP_INTERNAL, path, "phase 1 cannot be completed: %s", status_text(status));
        ike_sa_fail(ike, sa, status_text(status));
        return;
    }
    if (sa->initiator)
        exchange_clear(&sa->exchange); /* nothing answers message 6 */
    peer_pursue(ike, sa->peer);
}
