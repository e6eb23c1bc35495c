/* SPDX-License-Identifier: Apache-2.0 */
/* Private to crypto/dh*.c: the three kinds of group behind the one face. */
#ifndef CRYPTO_DH_KIND_H
#define CRYPTO_DH_KIND_H

#include <stdint.h>

#include "base/status.h"
#include "base/wire.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "crypto/suites.h"

struct dh_kind {
    /* A fresh private value. */
    enum status (*draw)(enum group group, const struct random *random, struct vault *vault, struct secret *out);
    /* Our public value, public_len bytes. ERR_MALFORMED: the private value is not one of this group. */
    enum status (*derive)(enum group group, struct bytes private_value, uint8_t *out);
    /* Checks the peer's value (its length is right already) and writes shared_len bytes. */
    enum status (*agree)(enum group group, struct bytes private_value, struct bytes peer, uint8_t *out);
};

extern const struct dh_kind dh_kind_modp;
extern const struct dh_kind dh_kind_ecp;
extern const struct dh_kind dh_kind_x25519;

#endif
