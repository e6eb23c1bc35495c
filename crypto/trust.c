/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/trust.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/cert_x509.h"
#include "crypto/suites.h"

enum { SECURITY_BITS_MIN = 112, SECURITY_BITS_LEGACY = 80 }; /* RSA of 2048 and of 1024 bits (SP 800-57) */

struct trust {
    X509_STORE *store;    /* owned */
    struct cert_list cas; /* owned; the store has references of its own */
    uint32_t allow;
    bool has_crl;
};

enum status trust_new(uint32_t allow, struct trust **out)
{
    struct trust *trust = calloc(1, sizeof *trust);
    *out = NULL;
    if (trust == NULL)
        return ERR_MEMORY;
    trust->allow = allow;
    trust->store = X509_STORE_new();
    if (trust->store == NULL) {
        free(trust);
        return ERR_MEMORY;
    }
    *out = trust;
    return OK;
}

void trust_free(struct trust *trust)
{
    if (trust == NULL)
        return;
    X509_STORE_free(trust->store);
    cert_list_free(&trust->cas);
    free(trust);
}

enum status trust_add_ca(struct trust *trust, struct bytes file, const struct why *why)
{
    size_t before = trust->cas.count;
    enum status status = cert_list_read(file, TRUST_CAS_MAX, &trust->cas, why);
    for (size_t i = before; i < trust->cas.count && status == OK; i++)
        if (X509_STORE_add_cert(trust->store, trust->cas.items[i]->x509) != 1)
            status = why_refuse(why, ERR_CRYPTO, "certificate number %zu cannot be used", i - before + 1);
    ERR_clear_error();
    return status;
}

const struct cert_list *trust_cas(const struct trust *trust)
{
    return &trust->cas;
}

/* --- revocation lists --- */

static const char *print_name(const X509_NAME *name, char out[DN_TEXT])
{
    const unsigned char *der;
    size_t len;
    bool ok = name != NULL && X509_NAME_get0_der(name, &der, &len) == 1;
    return dn_print(ok ? bytes_of(der, len) : (struct bytes){0}, out, DN_TEXT);
}

static bool sha1_is_fine(const struct trust *trust, int digest)
{
    return digest == NID_sha1 && (trust->allow & LEGACY_SHA1_CERT) != 0;
}

/* A whole list, whose signature's hash is none of those that can be forged. */
static enum status add_crl(struct trust *trust, X509_CRL *crl, const struct why *why)
{
    char issuer[DN_TEXT];
    int digest = NID_undef, key;
    print_name(X509_CRL_get_issuer(crl), issuer);
    (void)OBJ_find_sigid_algs(X509_CRL_get_signature_nid(crl), &digest, &key);
    bool weak = digest == NID_sha1 || digest == NID_md5 || digest == NID_md2 || digest == NID_md4;
    if (weak && !sha1_is_fine(trust, digest))
        return why_refuse(why, ERR_UNSUPPORTED, "the CRL of %s is signed with %s, which can be forged: %s", issuer,
                          OBJ_nid2sn(digest),
                          digest == NID_sha1 ? "get one with SHA-256, or say allow = sha1_cert for this connection"
                                             : "get one with SHA-256");
    /* OpenSSL would take it for the whole list. */
    if (X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0)
        return why_refuse(why, ERR_UNSUPPORTED, "the CRL of %s has only what is new (a delta CRL): get the whole list",
                          issuer);
    if (X509_STORE_add_crl(trust->store, crl) != 1)
        return why_refuse(why, ERR_CRYPTO, "the CRL of %s cannot be used", issuer);
    trust->has_crl = true;
    return OK;
}

static enum status add_pem_crls(struct trust *trust, BIO *bio, const struct why *why)
{
    enum status status = ERR_NOT_FOUND;
    X509_CRL *crl;
    while ((status == OK || status == ERR_NOT_FOUND) && (crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) != NULL) {
        status = add_crl(trust, crl, why);
        X509_CRL_free(crl);
    }
    return status;
}

enum status trust_add_crl(struct trust *trust, struct bytes file, const struct why *why)
{
    enum status status = ERR_NOT_FOUND;
    if (file.len > 2 && file.data[0] == 0x30) {
        const unsigned char *at = file.data;
        X509_CRL *crl = d2i_X509_CRL(NULL, &at, (long)file.len);
        if (crl != NULL && at == file.data + file.len)
            status = add_crl(trust, crl, why);
        X509_CRL_free(crl);
    } else {
        BIO *bio = BIO_new_mem_buf(file.data, (int)file.len);
        if (bio != NULL)
            status = add_pem_crls(trust, bio, why);
        BIO_free(bio);
    }
    ERR_clear_error();
    if (status == ERR_NOT_FOUND)
        return why_refuse(why, ERR_MALFORMED, "there is no CRL: write PEM (-----BEGIN X509 CRL-----) or DER");
    return status;
}

/* --- why a chain was refused --- */

/* Returns out. */
static const char *date_of(const ASN1_TIME *time, char out[CERT_DATE_TEXT])
{
    int days, seconds;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    bool ok = epoch != NULL && time != NULL && ASN1_TIME_diff(&days, &seconds, epoch, time) == 1;
    ASN1_TIME_free(epoch);
    if (ok)
        return cert_date_print((int64_t)days * 86400 + seconds, out);
    memcpy(out, "an unknown date", sizeof "an unknown date");
    return out;
}

/* OpenSSL forgets the CRL before it returns, so the callback notes its dates. */
struct crl_dates {
    char from[CERT_DATE_TEXT], until[CERT_DATE_TEXT];
};

static enum status explain_crl(int error, const struct crl_dates *dates, const char *subject, const char *issuer,
                               const struct why *why)
{
    switch (error) {
    case X509_V_ERR_UNABLE_TO_GET_CRL:
        return why_refuse(why, ERR_AUTHENTICATION,
                          "whether the certificate of %s is revoked cannot be told: crl has no list of %s; add it",
                          subject, issuer);
    case X509_V_ERR_CRL_HAS_EXPIRED:
        return why_refuse(why, ERR_AUTHENTICATION, "the CRL of %s was good until %s: get a new one", issuer,
                          dates->until);
    case X509_V_ERR_CRL_NOT_YET_VALID:
        return why_refuse(why, ERR_AUTHENTICATION, "the CRL of %s begins on %s only: is the clock of this host right?",
                          issuer, dates->from);
    default:
        return why_refuse(why, ERR_AUTHENTICATION, "the CRL of %s is not usable: %s", issuer,
                          X509_verify_cert_error_string(error));
    }
}

static enum status explain(X509_STORE_CTX *ctx, const struct why *why)
{
    char subject[DN_TEXT], issuer[DN_TEXT], date[CERT_DATE_TEXT];
    int error = X509_STORE_CTX_get_error(ctx);
    const X509 *at = X509_STORE_CTX_get_current_cert(ctx);
    const char *what = X509_STORE_CTX_get_error_depth(ctx) > 0 ? "the CA certificate" : "the certificate";
    print_name(at != NULL ? X509_get_subject_name(at) : NULL, subject);
    print_name(at != NULL ? X509_get_issuer_name(at) : NULL, issuer);
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return why_refuse(why, ERR_AUTHENTICATION, "%s of %s expired on %s; renew it", what, subject,
                          date_of(X509_get0_notAfter(at), date));
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return why_refuse(why, ERR_AUTHENTICATION,
                          "%s of %s is valid from %s on only; is the clock of this host right?", what, subject,
                          date_of(X509_get0_notBefore(at), date));
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return why_refuse(
            why, ERR_AUTHENTICATION,
            "%s of %s was issued by %s, which ca does not lead to: if that is the right authority, add its "
            "certificate to ca, or let the peer send the intermediate ones",
            what, subject, issuer);
    case X509_V_ERR_CERT_REVOKED:
        return why_refuse(why, ERR_AUTHENTICATION, "%s of %s has been revoked by %s; the peer needs a new one", what,
                          subject, issuer);
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return why_refuse(why, ERR_AUTHENTICATION,
                          "%s of %s was not signed by the %s that ca holds: two authorities of one name?", what,
                          subject, issuer);
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE:
        return explain_crl(error, X509_STORE_CTX_get_app_data(ctx), subject, issuer, why);
    default:
        return why_refuse(why, ERR_AUTHENTICATION, "%s of %s, issued by %s, is refused: %s", what, subject, issuer,
                          X509_verify_cert_error_string(error));
    }
}

/* --- what OpenSSL leaves to us --- */

static enum status check_strength(const struct trust *trust, X509 *cert, bool is_anchor, const struct why *why)
{
    char subject[DN_TEXT];
    const EVP_PKEY *key = X509_get0_pubkey(cert);
    int bits = key != NULL ? EVP_PKEY_get_security_bits(key) : 0, digest = NID_undef, signature = 0;
    int least = trust->allow & LEGACY_RSA1024 ? SECURITY_BITS_LEGACY : SECURITY_BITS_MIN;
    print_name(X509_get_subject_name(cert), subject);
    if (bits < least)
        return why_refuse(
            why, ERR_AUTHENTICATION,
            "the key in the certificate of %s is too weak (%d bits): use RSA of 2048 bits or more, or ECDSA", subject,
            key != NULL ? EVP_PKEY_get_bits(key) : 0);
    if (is_anchor) /* believed because it is in ca, not for its signature */
        return OK;
    bool known = X509_get_signature_info(cert, &digest, NULL, &signature, NULL) == 1;
    if (!known || (signature < SECURITY_BITS_MIN && !sha1_is_fine(trust, digest)))
        return why_refuse(why, ERR_AUTHENTICATION,
                          "the certificate of %s is signed with %s, which can be forged: renew it with SHA-256%s",
                          subject, digest != NID_undef ? OBJ_nid2sn(digest) : "an unknown hash",
                          digest == NID_sha1 ? ", or say allow = sha1_cert for this connection" : "");
    return OK;
}

/* RFC 4945 5.1.3.2: where it is said what the key is for, signatures must be among it. */
static enum status check_usage(X509 *cert, const char *subject, const struct why *why)
{
    if ((X509_get_key_usage(cert) & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)) == 0)
        return why_refuse(why, ERR_AUTHENTICATION,
                          "the certificate of %s is not for signing: its key usage needs digitalSignature; renew it so",
                          subject);
    return OK;
}

static bool is_our_purpose(const ASN1_OBJECT *purpose)
{
    char oid[64];
    switch (OBJ_obj2nid(purpose)) {
    case NID_server_auth:
    case NID_client_auth:
    case NID_ipsec_IKE:
    case NID_anyExtendedKeyUsage: return true;
    default: /* what appliances wrote before RFC 4945: iKEIntermediate */
        return OBJ_obj2txt(oid, sizeof oid, purpose, 1) > 0 && strcmp(oid, "1.3.6.1.5.5.8.2.2") == 0;
    }
}

static enum status check_extended_usage(X509 *cert, const char *subject, const struct why *why)
{
    int state = -1;
    EXTENDED_KEY_USAGE *purposes = X509_get_ext_d2i(cert, NID_ext_key_usage, &state, NULL);
    bool ok = purposes == NULL && state == -1; /* there is none */
    for (int i = 0; i < sk_ASN1_OBJECT_num(purposes) && !ok; i++)
        ok = is_our_purpose(sk_ASN1_OBJECT_value(purposes, i));
    EXTENDED_KEY_USAGE_free(purposes);
    if (!ok)
        return why_refuse(why, ERR_AUTHENTICATION,
                          "the certificate of %s is for something else: its extended key usage needs serverAuth, "
                          "clientAuth or ipsecIKE; renew it so",
                          subject);
    return OK;
}

static enum status review(const struct trust *trust, STACK_OF(X509) * chain, const struct why *why)
{
    char subject[DN_TEXT];
    int count = sk_X509_num(chain);
    X509 *leaf = sk_X509_value(chain, 0);
    enum status status = count > 0 ? OK : ERR_AUTHENTICATION;
    for (int i = 0; i < count && status == OK; i++)
        status = check_strength(trust, sk_X509_value(chain, i), i + 1 == count, why);
    if (status != OK)
        return status;
    print_name(X509_get_subject_name(leaf), subject);
    status = check_usage(leaf, subject, why);
    return status == OK ? check_extended_usage(leaf, subject, why) : status;
}

/* For CAs above the peer's own a CRL counts where there is one. */
static int on_verified(int ok, X509_STORE_CTX *ctx)
{
    struct crl_dates *dates = X509_STORE_CTX_get_app_data(ctx);
    const X509_CRL *crl = X509_STORE_CTX_get0_current_crl(ctx);
    if (!ok && crl != NULL) {
        date_of(X509_CRL_get0_lastUpdate(crl), dates->from);
        date_of(X509_CRL_get0_nextUpdate(crl), dates->until);
    }
    return ok ||
           (X509_STORE_CTX_get_error(ctx) == X509_V_ERR_UNABLE_TO_GET_CRL && X509_STORE_CTX_get_error_depth(ctx) > 0);
}

static enum status verify(const struct trust *trust, X509_STORE_CTX *ctx, X509 *leaf, STACK_OF(X509) * others,
                          int64_t unix_time, const struct why *why)
{
    struct crl_dates dates = {"an unknown date", "an unknown date"};
    if (X509_STORE_CTX_init(ctx, trust->store, leaf, others) != 1 || X509_STORE_CTX_set_app_data(ctx, &dates) != 1)
        return why_refuse(why, ERR_CRYPTO, "the crypto library failed");
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST;
    if (trust->has_crl)
        flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
    X509_VERIFY_PARAM_set_time(param, (time_t)unix_time);
    X509_VERIFY_PARAM_set_depth(param, TRUST_DEPTH_MAX);
    X509_VERIFY_PARAM_set_auth_level(param, 0); /* review() is stricter, and says why */
    if (X509_VERIFY_PARAM_set_flags(param, flags) != 1)
        return why_refuse(why, ERR_CRYPTO, "the crypto library failed");
    X509_STORE_CTX_set_verify_cb(ctx, on_verified);
    int verified = X509_verify_cert(ctx);
    if (verified == 1)
        return review(trust, X509_STORE_CTX_get0_chain(ctx), why);
    return explain(ctx, why);
}

enum status trust_check(const struct trust *trust, const struct cert_list *certs, int64_t unix_time,
                        const struct why *why)
{
    if (certs->count == 0 || certs->count > CERTS_MAX)
        return why_refuse(why, ERR_AUTHENTICATION, "there are %zu certificates: 1 to %d are taken", certs->count,
                          CERTS_MAX);
    enum status status = ERR_MEMORY;
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *others = sk_X509_new_null();
    bool ready = ctx != NULL && others != NULL;
    for (size_t i = 1; i < certs->count && ready; i++)
        ready = sk_X509_push(others, certs->items[i]->x509) > 0;
    if (ready)
        status = verify(trust, ctx, certs->items[0]->x509, others, unix_time, why);
    X509_STORE_CTX_free(ctx);
    sk_X509_free(others);
    ERR_clear_error();
    return status;
}
