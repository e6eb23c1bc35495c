/* SPDX-License-Identifier: Apache-2.0 */
#include "test/pki.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/dn.h"
#include "crypto/openssl.h"

#include <openssl/rand.h>

struct pki {
    EVP_PKEY *key;
    X509 *cert;
    BIO *out; /* what was written last */
};

static void *must(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

static void must_be(bool good)
{
    if (!good)
        abort();
}

static EVP_PKEY *new_key(enum pki_kind kind)
{
    switch (kind) {
    case PKI_EC256: return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    case PKI_EC384: return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
    case PKI_EC521: return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-521");
    case PKI_EC224: return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-224");
    case PKI_RSA2048: return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    case PKI_RSA4096: return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)4096);
    case PKI_RSA1024: return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
    case PKI_ED25519: return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    }
    return NULL;
}

static X509_NAME *name_of(const char *subject)
{
    uint8_t der[1024];
    struct writer w = writer_of(der, sizeof der);
    if (subject == NULL)
        return must(X509_NAME_new());
    must_be(dn_parse(subject, &w) == OK);
    const unsigned char *at = der;
    return must(d2i_X509_NAME(NULL, &at, (long)w.len));
}

static void add_extension(X509 *cert, const X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    if (value == NULL)
        return;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, (X509 *)(uintptr_t)issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = must(X509V3_EXT_conf_nid(NULL, &ctx, nid, value));
    must_be(X509_add_ext(cert, ext, -1) == 1);
    X509_EXTENSION_free(ext);
}

static const EVP_MD *digest_for(const EVP_PKEY *key, const char *name)
{
    if (EVP_PKEY_is_a(key, "ED25519"))
        return NULL;
    return must((void *)(uintptr_t)EVP_get_digestbyname(name != NULL ? name : "SHA256"));
}

struct pki *pki_issue(const struct pki_spec *spec, const struct pki *issuer, const struct pki *key_of)
{
    struct pki *pki = must(calloc(1, sizeof *pki));
    uint32_t serial = 0;
    if (key_of != NULL) {
        pki->key = key_of->key;
        must_be(EVP_PKEY_up_ref(pki->key) == 1);
    } else {
        pki->key = must(new_key(spec->kind));
    }
    X509 *cert = pki->cert = must(X509_new());
    const EVP_PKEY *signer = issuer != NULL ? issuer->key : pki->key;
    const X509 *above = issuer != NULL ? issuer->cert : cert;
    X509_NAME *name = name_of(spec->subject);
    must_be(RAND_bytes((unsigned char *)&serial, 3) == 1);
    must_be(X509_set_version(cert, X509_VERSION_3) == 1 &&
            ASN1_INTEGER_set(X509_get_serialNumber(cert), (long)serial + 1) == 1 &&
            X509_set_subject_name(cert, name) == 1 &&
            X509_set_issuer_name(cert, issuer != NULL ? X509_get_subject_name(above) : name) == 1 &&
            X509_set_pubkey(cert, pki->key) == 1);
    X509_NAME_free(name);
    must(ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)(spec->from != 0 ? spec->from : PKI_NOW - 180 * PKI_DAY)));
    must(ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(spec->until != 0 ? spec->until : PKI_NOW + 185 * PKI_DAY)));
    add_extension(cert, above, NID_basic_constraints, spec->basic);
    add_extension(cert, above, NID_key_usage, spec->usage);
    add_extension(cert, above, NID_ext_key_usage, spec->purpose);
    add_extension(cert, above, NID_subject_alt_name, spec->alt);
    must_be(X509_sign(cert, (EVP_PKEY *)(uintptr_t)signer, digest_for(signer, spec->digest)) > 0);
    return pki;
}

void pki_free(struct pki *pki)
{
    if (pki == NULL)
        return;
    EVP_PKEY_free(pki->key);
    X509_free(pki->cert);
    BIO_free(pki->out);
    free(pki);
}

struct pki *pki_ca(const char *subject, enum pki_kind kind, const struct pki *issuer)
{
    const struct pki_spec spec = {
        .subject = subject, .basic = "critical,CA:TRUE", .usage = "critical,keyCertSign,cRLSign", .kind = kind};
    return pki_issue(&spec, issuer, NULL);
}

struct pki *pki_end(const char *subject, const char *alt, enum pki_kind kind, const struct pki *issuer)
{
    const struct pki_spec spec = {.subject = subject,
                                  .alt = alt,
                                  .basic = "critical,CA:FALSE",
                                  .usage = "critical,digitalSignature",
                                  .purpose = "serverAuth,clientAuth",
                                  .kind = kind};
    return pki_issue(&spec, issuer, NULL);
}

/* --- as bytes --- */

static BIO *fresh(struct pki *pki)
{
    BIO_free(pki->out);
    return pki->out = must(BIO_new(BIO_s_mem()));
}

static struct bytes written(struct pki *pki, bool good)
{
    char *data;
    must_be(good);
    long len = BIO_get_mem_data(pki->out, &data);
    return bytes_of(data, (size_t)len);
}

struct bytes pki_cert_der(struct pki *pki)
{
    return written(pki, i2d_X509_bio(fresh(pki), pki->cert) == 1);
}

struct bytes pki_cert_pem(struct pki *pki)
{
    return written(pki, PEM_write_bio_X509(fresh(pki), pki->cert) == 1);
}

struct bytes pki_public_der(struct pki *pki)
{
    return written(pki, i2d_PUBKEY_bio(fresh(pki), pki->key) == 1);
}

static const EVP_CIPHER *cipher_for(const char *password)
{
    return password != NULL ? EVP_aes_128_cbc() : NULL;
}

struct bytes pki_key_pem(struct pki *pki, const char *password)
{
    BIO *out = fresh(pki);
    return written(pki, PEM_write_bio_PKCS8PrivateKey(out, pki->key, cipher_for(password), NULL, 0, NULL,
                                                      (void *)(uintptr_t)password) == 1);
}

struct bytes pki_key_der(struct pki *pki, const char *password)
{
    BIO *out = fresh(pki);
    return written(pki, i2d_PKCS8PrivateKey_bio(out, pki->key, cipher_for(password), NULL, 0, NULL,
                                                (void *)(uintptr_t)password) == 1);
}

struct bytes pki_key_traditional(struct pki *pki, const char *password)
{
    BIO *out = fresh(pki);
    return written(pki, PEM_write_bio_PrivateKey_traditional(out, pki->key, cipher_for(password), NULL, 0, NULL,
                                                             (void *)(uintptr_t)password) == 1);
}

struct bytes pki_pkcs12(struct pki *pki, struct pki *const *others, size_t count, const char *password)
{
    STACK_OF(X509) *more = must(sk_X509_new_null());
    for (size_t i = 0; i < count; i++)
        must_be(sk_X509_push(more, others[i]->cert) > 0);
    PKCS12 *p12 = must(PKCS12_create(password, "test", pki->key, pki->cert, more, 0, 0, 1000, 1, 0));
    bool good = i2d_PKCS12_bio(fresh(pki), p12) == 1;
    PKCS12_free(p12);
    sk_X509_free(more);
    return written(pki, good);
}

struct bytes pki_crl_pem(struct pki *ca, struct pki *const *revoked, size_t count, const char *digest,
                         int64_t from_time, int64_t until)
{
    X509_CRL *crl = must(X509_CRL_new());
    ASN1_TIME *from = must(ASN1_TIME_set(NULL, (time_t)(from_time != 0 ? from_time : PKI_NOW - 15 * PKI_DAY)));
    ASN1_TIME *to = must(ASN1_TIME_set(NULL, (time_t)(until != 0 ? until : PKI_NOW + 15 * PKI_DAY)));
    must_be(X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
            X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->cert)) == 1 &&
            X509_CRL_set1_lastUpdate(crl, from) == 1 && X509_CRL_set1_nextUpdate(crl, to) == 1);
    for (size_t i = 0; i < count; i++) {
        X509_REVOKED *one = must(X509_REVOKED_new());
        must_be(X509_REVOKED_set_serialNumber(one, X509_get_serialNumber(revoked[i]->cert)) == 1 &&
                X509_REVOKED_set_revocationDate(one, from) == 1 && X509_CRL_add0_revoked(crl, one) == 1);
    }
    must_be(X509_CRL_sort(crl) == 1 && X509_CRL_sign(crl, ca->key, digest_for(ca->key, digest)) > 0);
    bool good = PEM_write_bio_X509_CRL(fresh(ca), crl) == 1;
    X509_CRL_free(crl);
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
    return written(ca, good);
}
