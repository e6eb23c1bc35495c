/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom to believe: certificate authorities, their lists of revoked certificates, and the check of a peer's certificate
 * against them (RFC 5280 6, RFC 4945 5.1). OpenSSL builds and verifies the chain. No clock: the time is a parameter.
 */
#ifndef CRYPTO_TRUST_H
#define CRYPTO_TRUST_H

#include "crypto/cert.h"

enum { TRUST_CAS_MAX = 512, TRUST_DEPTH_MAX = 6 };

struct trust;

/* allow: mask of enum legacy (LEGACY_RSA1024, LEGACY_SHA1_CERT). */
MUST_USE enum status trust_new(uint32_t allow, struct trust **out);
void trust_free(struct trust *trust); /* harmless with NULL */

/* Every certificate of a file is an anchor: what stands there is believed, also an intermediate CA or the certificate
 * of one peer. */
MUST_USE enum status trust_add_ca(struct trust *trust, struct bytes file, const struct why *why);
const struct cert_list *trust_cas(const struct trust *trust);

/* Revocation lists, PEM or DER. From then on a peer's certificate is refused unless the list of its issuer is here and
 * current; for the CAs above it a list counts where there is one. */
MUST_USE enum status trust_add_crl(struct trust *trust, struct bytes file, const struct why *why);

/*
 * Whether certs->items[0] may be believed to be who it says, the others being intermediates that its owner sent: chain,
 * dates, revocation, strength of keys and signatures, and use (digitalSignature; TLS or IPsec where it is said). OK or
 * ERR_AUTHENTICATION, with the reason: which certificate, which check, and what to do.
 */
MUST_USE enum status trust_check(const struct trust *trust, const struct cert_list *certs, int64_t unix_time,
                                 const struct why *why);

#endif
