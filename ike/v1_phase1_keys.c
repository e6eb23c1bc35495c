/* SPDX-License-Identifier: Apache-2.0 */
/* Phase 1 of either mode: key exchange, nonces and NAT detection. */
#include <string.h>

#include "ike/auth.h"
#include "ike/keylog.h"
#include "ike/natd.h"
#include "ike/v1_phase1.h"

struct v1_phase1_values phase1_values(const struct ike_sa *sa)
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

enum status phase1_make_values(struct ike *ike, struct ike_sa *sa)
{
    struct phase1 *p = sa->phase1;
    if (p->dh != NULL)
        return OK;
    *(sa->initiator ? &p->nonce_i_len : &p->nonce_r_len) = NONCE_OURS;
    enum status status = random_fill(&ike->setup.random, sa->initiator ? p->nonce_i : p->nonce_r, NONCE_OURS);
    return status == OK ? dh_new(sa->suite.group, &ike->setup.random, ike->setup.vault, &p->dh) : status;
}

void phase1_add_values(const struct ike_sa *sa, struct v1_message *m)
{
    const struct phase1 *p = sa->phase1;
    chain_add(&m->chain, &m->w, PAYLOAD_KE, dh_public(p->dh));
    chain_add(&m->chain, &m->w, PAYLOAD_NONCE, bytes_of(sa->initiator ? p->nonce_i : p->nonce_r, NONCE_OURS));
}

static uint8_t natd_type(const struct ike_sa *sa)
{
    return sa->natt_draft ? PAYLOAD_NATD_DRAFT : PAYLOAD_NATD;
}

enum status phase1_add_natd(struct ike *ike, const struct ike_sa *sa, struct v1_message *m)
{
    uint8_t there[HASH_MAX], here[HASH_MAX];
    size_t len = prf_info(sa->suite.prf)->len;
    struct endpoint local = sa->path.local;
    if (!sa->peer_natt)
        return OK;
    /* encap = yes: a source that cannot be right makes the peer see a NAT, and so use UDP (RFC 3947 3.2). */
    if (connection_of(ike, sa->connection)->encap == ENCAP_YES)
        local.port = 0;
    enum status status = natd_hash(sa->suite.prf, sa->spi_i, sa->spi_r, &sa->path.remote, there);
    if (status == OK)
        status = natd_hash(sa->suite.prf, sa->spi_i, sa->spi_r, &local, here);
    if (status != OK)
        return status;
    chain_add(&m->chain, &m->w, natd_type(sa), bytes_of(there, len));
    chain_add(&m->chain, &m->w, natd_type(sa), bytes_of(here, len));
    return OK;
}

bool phase1_natd_is_sound(const struct ike_sa *sa, const struct payloads *p)
{
    size_t len = prf_info(sa->suite.prf)->len;
    for (size_t i = 0; i < p->count; i++)
        if (sa->peer_natt && p->items[i].type == natd_type(sa) && p->items[i].body.len != len)
            return false;
    return true;
}

/* The first NAT-D is about us as the peer sees us, the others about all its own addresses (RFC 3947 3.2). */
enum status phase1_detect_nat(struct ike *ike, struct ike_sa *sa, const struct path *path, const struct payloads *p)
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
        if (p->items[i].type != natd_type(sa))
            continue;
        struct bytes body = p->items[i].body; /* of the right length: phase1_natd_is_sound */
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

enum status phase1_keep_peer_values(struct ike_sa *sa, const struct payloads *p)
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

enum status phase1_make_keys(struct ike *ike, struct ike_sa *sa)
{
    struct secret shared = {0};
    enum status status =
        dh_shared(sa->phase1->dh, bytes_of(sa->phase1->peer_public, sa->phase1->peer_public_len), &shared);
    if (status != OK)
        return status;
    const struct v1_phase1_values values = phase1_values(sa);
    status = auth_derive(ike, sa, &values, secret_bytes(&shared));
    secret_free(&shared);
    if (status == OK)
        status = v1_phase1_iv(&sa->keys, &values, sa->iv);
    if (status == OK)
        keylog_phase1(ike, sa);
    return status;
}

enum status phase1_afford_keys(struct ike_sa *sa, const struct payloads *p)
{
    if (!phase1_natd_is_sound(sa, p))
        return ERR_MALFORMED;
    return sa->phase1->attempts++ < KEY_ATTEMPTS ? OK : ERR_LIMIT;
}

void phase1_float(struct ike_sa *sa)
{
    if (!sa->udp)
        return;
    sa->path.local.port = IKE_NATT_PORT;
    sa->path.remote.port = IKE_NATT_PORT;
}
