/* SPDX-License-Identifier: Apache-2.0 */
/*
 * X.509 certificates (RFC 5280): read from untrusted bytes or from files, and asked for what they say. Whether one may
 * be believed is another question: crypto/trust.h.
 */
#ifndef CRYPTO_CERT_H
#define CRYPTO_CERT_H

#include "crypto/dn.h"
#include "crypto/sign.h"

enum {
    CERT_SIZE_MAX = 8192, /* of one certificate, DER */
    CERTS_MAX = 8,        /* of one peer, or our own chain */
    CERT_DATE_TEXT = 20,
};

struct cert;

struct cert_list {
    struct cert **items; /* owned, as are the certificates */
    size_t count;
};

/* One certificate that fills der. ERR_MALFORMED, ERR_LIMIT. */
MUST_USE enum status cert_read(struct bytes der, struct cert **out);
void cert_free(struct cert *cert);

/* All certificates of a file: PEM (other kinds of blocks are passed over), or one in DER. At least one, at most `most`.
 * Appends to *list. */
MUST_USE enum status cert_list_read(struct bytes file, size_t most, struct cert_list *list, const struct why *why);
void cert_list_free(struct cert_list *list);

/* Takes cert over, on failure too. */
MUST_USE enum status cert_list_add(struct cert_list *list, struct cert *cert);

/* Borrowed DER: of the whole, and of the names. */
struct bytes cert_der(const struct cert *cert);
struct bytes cert_subject(const struct cert *cert);
struct bytes cert_issuer(const struct cert *cert);

/* Seconds since 1970; before the one and after the other it is not valid. */
int64_t cert_not_before(const struct cert *cert);
int64_t cert_not_after(const struct cert *cert);

/* "2027-01-31" (UTC). Returns out. */
const char *cert_date_print(int64_t unix_time, char out[CERT_DATE_TEXT]);

/* The key inside, when it is one that IKE signs with; ERR_UNSUPPORTED with a reason otherwise. The caller frees it. */
MUST_USE enum status cert_key(const struct cert *cert, uint32_t allow, struct sign_key **out, const struct why *why);

/* What a certificate may call its owner: the subject, and subjectAltName (RFC 5280 4.2.1.6). */
enum cert_name { CERT_SUBJECT, CERT_ADDRESS, CERT_DNS, CERT_EMAIL };

/* Whether the certificate has that name: addresses by their bytes, names without regard to case, no wildcard. */
bool cert_has_name(const struct cert *cert, enum cert_name kind, struct bytes name);

/* All names, for people, escaped: "CN=gw, O=Example; also gw.example.org, 192.0.2.1". Returns out. */
enum { CERT_NAMES_TEXT = 320 };
const char *cert_names_print(const struct cert *cert, char out[CERT_NAMES_TEXT]);

#endif
