/* SPDX-License-Identifier: Apache-2.0 */
/* Phase 1 of either mode: who is it, and can it prove that? (RFC 2409 5.1, 5.4) */
#include <stdio.h>
#include <string.h>

#include "ike/auth.h"
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

enum status phase1_add_proof(struct ike *ike, const struct ike_sa *sa, struct bytes id_body, struct v1_message *m)
{
    const struct v1_phase1_values values = phase1_values(sa);
    return m->w.failed ? ERR_LIMIT : auth_write(ike, sa, &values, id_body, &m->chain, &m->w);
}

enum status phase1_check_proof(struct ike *ike, struct ike_sa *sa, const struct payloads *p, struct bytes id_body,
                               struct claim *claim)
{
    const struct v1_phase1_values values = phase1_values(sa);
    const struct why why = {claim->why, sizeof claim->why};
    return auth_check(ike, sa, claim->connection, &values, p, id_body, &claim->id, &why);
}

enum status phase1_refuse_unread(const struct ike *ike, const struct ike_sa *sa, struct claim *claim)
{
    const struct connection *c = connection_of(ike, sa->connection);
    const struct why why = {claim->why, sizeof claim->why};
    if (!auth_is_signed(c))
        return why_refuse(&why, ERR_AUTHENTICATION,
                          "most likely the pre-shared keys differ (psk of this connection and the peer's)");
    return why_refuse(&why, ERR_AUTHENTICATION, "the message does not decrypt, or is not what %s with signatures sends",
                      phase1_mode_name(c->mode));
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

struct identity phase1_expected_id(const struct connection *c, const struct address *peer)
{
    if (c->remote_id.type != ID_NONE)
        return c->remote_id;
    return identity_of_address(c->remote_name != NULL ? peer : &c->remote);
}

bool phase1_id_is_expected(const struct connection *c, const struct address *peer, const struct identity *id)
{
    if (c->remote_id.type == ID_NONE && connection_is_any(c))
        return true;
    struct identity expected = phase1_expected_id(c, peer);
    return identity_equal(&expected, id);
}

bool phase1_identity_fits(struct ike *ike, uint32_t connection, const struct address *peer, struct claim *claim)
{
    const struct connection *c = connection_of(ike, connection);
    if (phase1_id_is_expected(c, peer, &claim->id))
        return true;
    struct identity expected = phase1_expected_id(c, peer);
    char got[IDENTITY_TEXT], want[IDENTITY_TEXT];
    identity_print(&claim->id, got);
    snprintf(claim->why, sizeof claim->why,
             "the peer calls itself %s, but remote_id expects %s; if that is the right peer, write remote_id = %s", got,
             identity_print(&expected, want), got);
    ike_say_event(ike, LOG_ERROR, (struct log_subject){.connection = connection, .reason = claim->why},
                  "INVALID_ID_INFORMATION");
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
                         enum status status, const struct claim *claim)
{
    const struct connection *c = connection_of(ike, sa->connection);
    const char *mode = phase1_mode_name(c->mode);
    const char *said = claim->why[0] != '\0' ? claim->why : "something in it was changed on the way";
    if (status == ERR_AUTHENTICATION)
        ike_drop(ike, IKE_DROP_AUTHENTICATION, path, "%s: AUTHENTICATION_FAILED in %s: %s", c->name, mode, said);
    else if (status == ERR_MISMATCH)
        ike_drop(ike, IKE_DROP_AUTHENTICATION, path,
                 "%s: INVALID_ID_INFORMATION in %s: the identity of the peer is not remote_id", c->name, mode);
    else
        ike_drop(ike, status == ERR_LIMIT ? IKE_DROP_LIMIT : IKE_DROP_AUTHENTICATION, path,
                 "%s: what should authenticate the peer in %s: %s", c->name, mode,
                 claim->why[0] != '\0' ? claim->why : status_text(status));
    if (sa->initiator) {
        if (status == ERR_AUTHENTICATION)
            snprintf(sa->hint, sizeof sa->hint, "AUTHENTICATION_FAILED: the peer's answer does not verify: %.400s",
                     said);
        else if (status == ERR_MISMATCH)
            snprintf(sa->hint, sizeof sa->hint, "INVALID_ID_INFORMATION: %.480s",
                     claim->why[0] != '\0' ? claim->why : "the peer's identity is not the configured remote_id");
        ike_sa_hurry(sa);
        return;
    }
    if (sa->phase1->refused)
        return;
    sa->phase1->refused = true;
    v1_info_notify_clear(ike, header, path,
                         status == ERR_AUTHENTICATION ? NOTIFY_AUTHENTICATION_FAILED : NOTIFY_INVALID_ID_INFORMATION);
}

void phase1_complete(struct ike *ike, struct ike_sa *sa, const struct path *path, const struct identity *id)
{
    enum status status = v1_phase1_done(ike, sa, id);
    if (status == OK && sa->state == SA_ESTABLISHED)
        peer_pursue(ike, sa->peer);
    if (status == OK)
        return;
    ike_drop(ike, status == ERR_LIMIT ? IKE_DROP_LIMIT : IKE_DROP_INTERNAL, path, "phase 1 cannot be completed: %s",
             status_text(status));
    ike_sa_fail(ike, sa, status_text(status));
}
