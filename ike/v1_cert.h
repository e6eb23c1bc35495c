/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates on the wire: the bodies of CERT and CERTREQ payloads (RFC 2408 3.9, 3.10; RFC 4945 3.3). */
#ifndef IKE_V1_CERT_H
#define IKE_V1_CERT_H

#include "crypto/trust.h"
#include "ike/payload.h"

enum v1_cert_encoding { V1_CERT_X509_SIGNATURE = 4 };

/*
 * The X.509 certificates of a message, in their order: the first is the sender's own. Other kinds (CRLs, PKCS#7) are
 * passed over: nothing is believed for them. ERR_NOT_FOUND: there is none; ERR_LIMIT: more than CERTS_MAX, or one
 * over CERT_SIZE_MAX; ERR_MALFORMED: one that makes no sense. On failure *out is empty. why: the reason.
 */
MUST_USE enum status v1_certs_read(const struct payloads *p, struct cert_list *out, const struct why *why);

/* One CERT payload for each certificate. */
void v1_certs_write(struct chain *chain, struct writer *w, const struct cert_list *certs);

/* One CERTREQ for each authority; where they take more than `most` bytes or CERTREQ_MAX, one for any. */
void v1_certreq_write(struct chain *chain, struct writer *w, const struct cert_list *authorities, size_t most);

/* Whether the message asks for certificates, and none of the authorities it names issued what certs leads to. */
bool v1_certreq_unmet(const struct payloads *p, const struct cert_list *certs);

#endif
