/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/auth.h"

#include <stdio.h>

#include "ike/remote.h"
#include "ike/v1_cert.h"

/* --- methods --- */

static const struct {
    uint16_t number;
    enum { PLAIN, XAUTH, UNUSED } use; /* alone, before XAUTH, or known to be named only */
    enum sign_method sign;
    const char *name;
} methods[] = {
    {V1_AUTH_PSK, PLAIN, SIGN_NONE, "a pre-shared key"},
    {V1_AUTH_RSA, PLAIN, SIGN_RSA, "RSA signatures"},
    {V1_AUTH_ECDSA_256, PLAIN, SIGN_ECDSA_256, "ECDSA signatures on P-256"},
    {V1_AUTH_ECDSA_384, PLAIN, SIGN_ECDSA_384, "ECDSA signatures on P-384"},
    {V1_AUTH_ECDSA_521, PLAIN, SIGN_ECDSA_521, "ECDSA signatures on P-521"},
    /* XAUTH has a number for each direction. It is the initiator who logs in: a server only ever responds. */
    {V1_AUTH_XAUTH_INIT_PSK, XAUTH, SIGN_NONE, "XAUTH with a pre-shared key"},
    {V1_AUTH_XAUTH_INIT_RSA, XAUTH, SIGN_RSA, "XAUTH with RSA signatures"},
    {2, UNUSED, SIGN_NONE, "DSS signatures"},
    {4, UNUSED, SIGN_NONE, "RSA encryption"},
    {5, UNUSED, SIGN_NONE, "revised RSA encryption"},
    {64221, UNUSED, SIGN_NONE, "hybrid authentication"},
    {65002, UNUSED, SIGN_NONE, "XAUTH of the responder with a pre-shared key"},
    {65003, UNUSED, SIGN_NONE, "XAUTH with DSS signatures"},
    {65006, UNUSED, SIGN_NONE, "XAUTH of the responder with RSA signatures"},
};

enum { METHODS = sizeof methods / sizeof *methods };

bool auth_is_signed(const struct connection *c)
{
    return c->auth == AUTH_PUBKEY;
}

/* Both ends sign by one method (RFC 2409 4): the one of our key. */
static enum sign_method sign_method_of(const struct connection *c)
{
    return auth_is_signed(c) ? sign_key_method(c->credentials->key) : SIGN_NONE;
}

uint16_t auth_number(const struct connection *c)
{
    enum sign_method method = sign_method_of(c);
    for (size_t i = 0; i < METHODS; i++)
        if (methods[i].sign == method && methods[i].use == (c->access != NULL ? XAUTH : PLAIN))
            return methods[i].number;
    return 0; /* reserved: XAUTH after ECDSA, which the configuration refuses */
}

const char *auth_print(uint16_t number, char out[AUTH_TEXT])
{
    for (size_t i = 0; i < METHODS; i++)
        if (methods[i].number == number) {
            snprintf(out, AUTH_TEXT, "%s (%u)", methods[i].name, number);
            return out;
        }
    snprintf(out, AUTH_TEXT, "an unknown method (%u)", number);
    return out;
}

const char *auth_remedy(const struct connection *c)
{
    return auth_is_signed(c) ? "most likely it does not trust our certificate (its CA, the dates, our local_id)"
                             : "most likely the pre-shared keys differ (psk)";
}

/* --- keys, and our own proof --- */

enum status auth_derive(struct ike *ike, struct ike_sa *sa, const struct v1_phase1_values *values, struct bytes shared)
{
    const struct connection *c = connection_of(ike, sa->connection);
    if (auth_is_signed(c))
        return v1_keys_derive_signed(ike->setup.vault, &sa->suite, values, shared, &sa->keys);
    return v1_keys_derive(ike->setup.vault, &sa->suite, secret_bytes(&c->psk), values, shared, &sa->keys);
}

void auth_write_request(const struct connection *c, struct chain *chain, struct writer *w, size_t most)
{
    if (auth_is_signed(c))
        v1_certreq_write(chain, w, trust_cas(c->credentials->trust), most > w->len ? most - w->len : 0);
}

void auth_heed_request(struct ike *ike, const struct ike_sa *sa, const struct payloads *p)
{
    const struct connection *c = connection_of(ike, sa->connection);
    char names[CERT_NAMES_TEXT], more[LOG_RATE_TEXT];
    uint32_t suppressed;
    if (!auth_is_signed(c) || !v1_certreq_unmet(p, &c->credentials->chain) ||
        !log_rate_allow(&ike->log_rate, ike->now_ms, &suppressed))
        return;
    ike_say(ike, LOG_INFO, sa->connection,
            "the peer asks for a certificate of another CA than ours comes from; it gets the one of %s all the same%s",
            cert_names_print(c->credentials->chain.items[0], names), log_rate_note(more, suppressed));
}

/* HASH_I or HASH_R, by the hash that the method wants. */
static enum status hash_for(enum sign_method method, const struct ike_sa *sa, const struct v1_phase1_values *values,
                            bool of_initiator, struct bytes id_body, uint8_t hash[HASH_MAX], size_t *len)
{
    enum prf bound = sign_method_prf(method), prf = bound != PRF_NONE ? bound : sa->keys.prf;
    *len = prf_info(prf)->len;
    return v1_auth_hash_of(prf, &sa->keys, values, of_initiator, id_body, hash);
}

enum status auth_write(struct ike *ike, const struct ike_sa *sa, const struct v1_phase1_values *values,
                       struct bytes id_body, struct chain *chain, struct writer *w)
{
    const struct connection *c = connection_of(ike, sa->connection);
    uint8_t hash[HASH_MAX], signature[SIGNATURE_MAX];
    size_t len;
    enum status status = hash_for(sign_method_of(c), sa, values, sa->initiator, id_body, hash, &len);
    if (status != OK)
        return status;
    if (!auth_is_signed(c)) {
        chain_add(chain, w, PAYLOAD_HASH, bytes_of(hash, len));
        return OK;
    }
    status = sign_make(c->credentials->key, bytes_of(hash, len), signature, &len);
    if (status != OK)
        return status;
    v1_certs_write(chain, w, &c->credentials->chain);
    chain_add(chain, w, PAYLOAD_SIG, bytes_of(signature, len));
    return OK;
}

/* --- the peer's proof --- */

static bool same_ends(const struct ike *ike, uint32_t connection, const struct path *path)
{
    const struct connection *c = connection_of(ike, connection);
    return (c->local.family == 0 || address_equal(&c->local, &path->local.address)) &&
           remote_may_be(ike, connection, &path->remote.address);
}

/* Whether all that has happened in this phase 1 would have happened with the other connection too. */
static bool could_be(const struct connection *now, const struct connection *other, const struct proposal *suite)
{
    bool has_suite = false;
    for (size_t i = 0; i < other->ike.count; i++)
        has_suite |= proposal_fits(&other->ike.items[i], suite);
    if (!has_suite || other->ike_version != now->ike_version || other->mode != now->mode || other->auth != now->auth ||
        other->encap != now->encap || auth_number(other) != auth_number(now))
        return false;
    return auth_is_signed(now) || secret_equal(&now->psk, &other->psk);
}

uint32_t auth_connection(const struct ike *ike, const struct ike_sa *sa, const struct path *from,
                         const struct identity *id)
{
    const struct connection *now = connection_of(ike, sa->connection);
    if (sa->initiator || (now->remote_id.type != ID_NONE && identity_equal(&now->remote_id, id)))
        return sa->connection;
    for (uint32_t i = 0; i < ike->setup.connection_count; i++) {
        const struct connection *c = connection_of(ike, i);
        if (c->remote_id.type != ID_NONE && identity_equal(&c->remote_id, id) && same_ends(ike, i, from) &&
            could_be(now, c, &sa->suite))
            return i;
    }
    return sa->connection;
}

static enum status check_hash(const struct ike_sa *sa, const struct v1_phase1_values *values, const struct payloads *p,
                              struct bytes id_body, const struct why *why)
{
    uint8_t expected[HASH_MAX];
    struct bytes got = payload_body(p, PAYLOAD_HASH);
    enum status status = v1_auth_hash(&sa->keys, values, !sa->initiator, id_body, expected);
    if (status != OK)
        return status;
    if (got.len == v1_hash_len(&sa->keys) && equal_constant_time(got.data, expected, got.len))
        return OK;
    return why_refuse(why, ERR_AUTHENTICATION,
                      "most likely the pre-shared keys differ (psk of this connection and the peer's)");
}

static void tell(const struct ike *ike, uint32_t connection, const struct cert *cert)
{
    char names[CERT_NAMES_TEXT], issuer[DN_TEXT], date[CERT_DATE_TEXT];
    ike_say(ike, LOG_INFO, connection,
            "the peer has proven itself with the certificate of %s, issued by %s, good until %s",
            cert_names_print(cert, names), dn_print(cert_issuer(cert), issuer, sizeof issuer),
            cert_date_print(cert_not_after(cert), date));
}

/* The certificates are believed first, then what they name, then the signature of the key in them. */
static enum status check_signature(struct ike *ike, const struct ike_sa *sa, uint32_t connection,
                                   const struct v1_phase1_values *values, const struct payloads *p,
                                   struct bytes id_body, const struct identity *id, const struct why *why)
{
    const struct connection *c = connection_of(ike, connection);
    struct cert_list certs;
    struct sign_key *key = NULL;
    uint8_t hash[HASH_MAX];
    size_t len;
    int64_t now = ike->setup.ops.unix_time != NULL ? ike->setup.ops.unix_time(ike->setup.ops.arg) : 0;
    enum sign_method method = sign_method_of(c);
    enum status status = v1_certs_read(p, &certs, why);
    if (status != OK)
        return ERR_AUTHENTICATION;
    status = credentials_check(c->credentials, &certs, id, now, &key, why);
    if (status == OK && sign_key_method(key) != method)
        status = why_refuse(why, ERR_AUTHENTICATION,
                            "the peer's certificate has a key for %s and ours one for %s: IKEv1 wants the same kind at "
                            "both ends",
                            sign_method_name(sign_key_method(key)), sign_method_name(method));
    if (status == OK)
        status = hash_for(method, sa, values, !sa->initiator, id_body, hash, &len);
    if (status == OK && sign_check(key, bytes_of(hash, len), payload_body(p, PAYLOAD_SIG)) != OK)
        status =
            why_refuse(why, ERR_AUTHENTICATION,
                       "the certificate is good, but the signature was not made with its key: look at key and cert "
                       "of the peer");
    if (status == OK)
        tell(ike, connection, certs.items[0]);
    sign_key_free(key);
    cert_list_free(&certs);
    return status;
}

enum status auth_check(struct ike *ike, struct ike_sa *sa, uint32_t connection, const struct v1_phase1_values *values,
                       const struct payloads *p, struct bytes id_body, const struct identity *id, const struct why *why)
{
    if (!auth_is_signed(connection_of(ike, connection)))
        return check_hash(sa, values, p, id_body, why);
    if (sa->phase1->checks++ >= SIGNATURE_ATTEMPTS)
        return why_refuse(why, ERR_LIMIT, "too many signatures that were wrong");
    return check_signature(ike, sa, connection, values, p, id_body, id, why);
}
