/* SPDX-License-Identifier: Apache-2.0 */
/* Private to crypto/: what a struct cert is made of. */
#ifndef CRYPTO_CERT_X509_H
#define CRYPTO_CERT_X509_H

#include "crypto/cert.h"
#include "crypto/openssl.h"

struct cert {
    X509 *x509;   /* owned */
    uint8_t *der; /* owned */
    size_t der_len;
    struct bytes subject, issuer; /* inside der or the library's copy; live as long as the certificate */
    int64_t not_before, not_after;
};

/* Takes x509 over, on failure too. */
MUST_USE enum status cert_of(X509 *x509, struct cert **out);

#endif
