/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and certificates for tests, made when the test runs: nothing secret lies in the repository. Aborts where the
 * library fails.
 */
#ifndef TEST_PKI_H
#define TEST_PKI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"

/* The time at which certificates of the tests are looked at: 2027-01-15 08:00 UTC. */
#define PKI_NOW INT64_C(1800000000)
#define PKI_DAY INT64_C(86400)

enum pki_kind { PKI_EC256, PKI_EC384, PKI_EC521, PKI_RSA2048, PKI_RSA4096, PKI_RSA1024, PKI_EC224, PKI_ED25519 };

struct pki_spec {
    const char *subject; /* text of crypto/dn.h; NULL: empty */
    const char *alt;     /* "DNS:gw.example.org,IP:192.0.2.1" */
    const char *basic;   /* "critical,CA:TRUE"; NULL: not there */
    const char *usage;   /* "critical,digitalSignature" */
    const char *purpose; /* "serverAuth" */
    const char *digest;  /* NULL: SHA256 */
    enum pki_kind kind;
    int64_t from, until; /* 0: a year around PKI_NOW */
};

struct pki; /* a certificate with its key */

/* issuer NULL: self-signed. key_of: whose key it has; NULL: a new one. */
struct pki *pki_issue(const struct pki_spec *spec, const struct pki *issuer, const struct pki *key_of);
void pki_free(struct pki *pki);

/* An authority, and an end of a tunnel, as they should be. */
struct pki *pki_ca(const char *subject, enum pki_kind kind, const struct pki *issuer);
struct pki *pki_end(const char *subject, const char *alt, enum pki_kind kind, const struct pki *issuer);

/* Borrowed until the next call for the same struct pki. */
struct bytes pki_cert_der(struct pki *pki);
struct bytes pki_cert_pem(struct pki *pki);
struct bytes pki_public_der(struct pki *pki);
/* password NULL: in clear. */
struct bytes pki_key_pem(struct pki *pki, const char *password); /* PKCS#8 */
struct bytes pki_key_der(struct pki *pki, const char *password); /* PKCS#8 */
struct bytes pki_key_traditional(struct pki *pki, const char *password);
struct bytes pki_pkcs12(struct pki *pki, struct pki *const *others, size_t count, const char *password);

/* Its CRL. digest NULL: SHA256; from and until 0: a month around PKI_NOW. */
struct bytes pki_crl_pem(struct pki *ca, struct pki *const *revoked, size_t count, const char *digest, int64_t from,
                         int64_t until);

#endif
