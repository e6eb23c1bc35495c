/* SPDX-License-Identifier: Apache-2.0 */
/* Phase 1 of either mode: who is it, and does it have the key? (RFC 2409 5.4) */
#include <stdio.h>
#include <string.h>

#include "ike/peer.h"
#include "ike/sa.h"
#include "ike/v1_body.h"
#include "ike/v1_phase1.h"

struct bytes phase1_add_id(const struct ike_sa *sa, struct v1_message *m)
{
    chain_open(&m->chain, &m->w, PAYLOAD_ID);
    size_t at = m->w.len;
    v1_id_write(&m->w, &sa->local_id);
    struct bytes body = bytes_of(m->w.data + at, m->w.len - at);
    chain_close(&m->chain, &m->w);
    return body;
}

enum status phase1_add_proof(const struct ike_sa *sa, struct bytes id_body, struct v1_message *m)
{
    uint8_t hash[HASH_MAX];
    const struct v1_phase1_values values = phase1_values(sa);
    enum status status = m->w.failed ? ERR_LIMIT : v1_auth_hash(&sa->keys, &values, sa->initiator, id_body, hash);
    if (status == OK)
        chain_add(&m->chain, &m->w, PAYLOAD_HASH, bytes_of(hash, v1_hash_len(&sa->keys)));
    return status;
}

enum status phase1_check_proof(const struct ike_sa *sa, const struct payloads *p, struct bytes id_body)
{
    uint8_t expected[HASH_MAX];
    const struct v1_phase1_values values = phase1_values(sa);
    enum status status = v1_auth_hash(&sa->keys, &values, !sa->initiator, id_body, expected);
    if (status == OK && !v1_hash_equal(&sa->keys, p, expected))
        status = ERR_AUTHENTICATION;
    return status;
}

void phase1_add_initial_contact(const struct ike_sa *sa, struct v1_message *m)
{
    uint8_t spi[16];
    if (!sa->initiator || sa->peer->sa_count != 1 || sa->peer->child_count != 0)
        return;
    store_u64(spi, sa->spi_i);
    store_u64(spi + 8, sa->spi_r);
    chain_open(&m->chain, &m->w, PAYLOAD_NOTIFY);
    v1_notify_write(&m->w, &(struct v1_notify){.type = NOTIFY_INITIAL_CONTACT,
                                               .protocol = V1_PROTOCOL_ISAKMP,
                                               .spi = bytes_of(spi, sizeof spi)});
    chain_close(&m->chain, &m->w);
}

static struct identity expected_id(const struct connection *c)
{
    return c->remote_id.type != ID_NONE ? c->remote_id : identity_of_address(&c->remote);
}

bool phase1_id_is_expected(const struct connection *c, const struct identity *id)
{
    if (c->remote_id.type == ID_NONE && c->remote.family == 0)
        return true;
    struct identity expected = expected_id(c);
    return identity_equal(&expected, id);
}

bool phase1_identity_fits(struct ike *ike, const struct ike_sa *sa, const struct identity *id)
{
    const struct connection *c = connection_of(ike, sa->connection);
    if (phase1_id_is_expected(c, id))
        return true;
    struct identity expected = expected_id(c);
    char got[IDENTITY_TEXT], want[IDENTITY_TEXT];
    ike_say(ike, LOG_ERROR, sa->connection,
            "INVALID_ID_INFORMATION: the peer calls itself %s, but remote_id expects %s; if that is the right peer, "
            "write remote_id = %s",
            identity_print(id, got), identity_print(&expected, want), identity_print(id, got));
    return false;
}

enum status phase1_read_notifications(const struct ike_sa *sa, const struct payloads *p, bool *initial_contact)
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

void phase1_refuse_proof(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                         enum status why)
{
    const struct connection *c = connection_of(ike, sa->connection);
    ike_drop(ike, IKE_DROP_AUTHENTICATION, path,
             why == ERR_AUTHENTICATION
                 ? "%s: AUTHENTICATION_FAILED in %s: most likely the pre-shared keys differ (psk of "
                   "this connection and the peer's)"
             : why == ERR_MISMATCH ? "%s: INVALID_ID_INFORMATION in %s: the identity of the peer is not remote_id"
                                   : "%s: what should authenticate the peer in %s makes no sense",
             c->name, phase1_mode_name(c->mode));
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

void phase1_complete(struct ike *ike, struct ike_sa *sa, const struct path *path, const struct identity *id)
{
    enum status status = ike_sa_establish(ike, sa, id);
    if (status == OK) {
        if (sa->lifetime_cut)
            v1_info_lifetime(ike, sa);
        peer_pursue(ike, sa->peer);
        return;
    }
    ike_drop(ike, IKE_DROP_INTERNAL, path, "phase 1 cannot be completed: %s", status_text(status));
    ike_sa_fail(ike, sa, status_text(status));
}
