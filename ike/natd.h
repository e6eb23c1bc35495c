/* SPDX-License-Identifier: Apache-2.0 */
/* NAT detection: RFC 3947 3.2 (and, with SHA-1 fixed, RFC 7296 2.23). */
#ifndef IKE_NATD_H
#define IKE_NATD_H

#include "base/wire.h"
#include "crypto/hash.h"
#include "policy/address.h"

/* HASH(spi_i | spi_r | address | port). out: prf_info(hash)->len bytes. */
MUST_USE enum status natd_hash(enum prf hash, uint64_t spi_i, uint64_t spi_r, const struct endpoint *end,
                               uint8_t out[HASH_MAX]);

#endif
