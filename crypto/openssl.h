/* SPDX-License-Identifier: Apache-2.0 */
/* Private to crypto/: the only door to OpenSSL's headers, whose types.h names a type ERR_STATE, as enum status names a
 * value. */
#ifndef CRYPTO_OPENSSL_H
#define CRYPTO_OPENSSL_H

#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/params.h>
#undef ERR_STATE

#endif
