/* SPDX-License-Identifier: Apache-2.0 */
/* CBC over a whole IKEv1 message, one shot. (ESP uses crypto/aead.h.) */
#ifndef CRYPTO_CIPHER_H
#define CRYPTO_CIPHER_H

#include "base/status.h"
#include "base/wire.h"
#include "crypto/suites.h"

/*
 * In place over data, whose length must be a multiple of the block (else ERR_MALFORMED). key must have the exact
 * size of (encr, key_bits), iv one block. No padding is added or removed. On failure data is undefined.
 * Only ENCR_AES_CBC and ENCR_3DES.
 */
MUST_USE enum status cbc_encrypt(enum encr encr, struct bytes key, const uint8_t *iv, uint8_t *data, size_t len);
MUST_USE enum status cbc_decrypt(enum encr encr, struct bytes key, const uint8_t *iv, uint8_t *data, size_t len);

#endif
