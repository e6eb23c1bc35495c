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
    /* What the three below compute with: nothing secret, and dear to make (OpenSSL's tables of a curve or a prime), so
     * that one exchange makes it once. NULL: this kind needs nothing, and gets NULL. */
    enum status (*open)(enum group group, void **field);
    void (*close)(void *field);
    /* A fresh private value. */
    enum status (*draw)(void *field, enum group group, const struct random *random, struct vault *vault,
                        struct secret *out);
    /* Our public value, public_len bytes. ERR_MALFORMED: the private value is not one of this group. */
    enum status (*derive)(void *field, enum group group, struct bytes private_value, uint8_t *out);
    /* Checks the peer's value (its length is right already) and writes shared_len bytes. */
    enum status (*agree)(void *field, enum group group, struct bytes private_value, struct bytes peer, uint8_t *out);
};

extern const struct dh_kind dh_kind_modp;
extern const struct dh_kind dh_kind_ecp;
extern const struct dh_kind dh_kind_x25519;

#endif
