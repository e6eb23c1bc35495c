/* SPDX-License-Identifier: Apache-2.0 */
/* Private to crypto/: what a struct sign_key is made of. */
#ifndef CRYPTO_SIGN_KEY_H
#define CRYPTO_SIGN_KEY_H

#include "crypto/openssl.h"
#include "crypto/sign.h"

struct sign_key {
    EVP_PKEY *pkey; /* owned */
    enum sign_method method;
    unsigned bits;
    bool has_private;
};

/* Takes pkey over, on failure too. ERR_UNSUPPORTED: not an algorithm, curve or size that we use; why says which. */
MUST_USE enum status sign_key_of(EVP_PKEY *pkey, bool has_private, uint32_t allow, struct sign_key **out,
                                 const struct why *why);

#endif
