/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files with a private key: PKCS#8 in PEM or DER, encrypted or not; the traditional PEM of RSA and EC; PKCS#12, which
 * brings certificates along. The bytes of the file are the caller's to wipe.
 */
#ifndef CRYPTO_KEY_FILE_H
#define CRYPTO_KEY_FILE_H

#include "crypto/cert.h"

/*
 * password: data NULL when there is none. On OK *key is the caller's, and to *certs are added those of a PKCS#12 file,
 * that of the key first. ERR_AUTHENTICATION: encrypted, and the password is missing or wrong; ERR_UNSUPPORTED: a kind
 * of key or cipher that is not used; ERR_MALFORMED: no key. why: what to do.
 */
MUST_USE enum status key_file_read(struct bytes file, struct bytes password, uint32_t allow, struct sign_key **key,
                                   struct cert_list *certs, const struct why *why);

#endif
