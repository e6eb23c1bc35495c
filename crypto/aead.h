/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one face of ESP's ciphers: AEADs (GCM, CCM, GMAC, ChaCha20-Poly1305) and a cipher with HMAC look the same, and
 * both work on a batch of packets, so that multi-buffer back ends fit in behind it.
 *
 * One `struct aead` is one key in one direction on one thread. It knows the order of bytes of each construction:
 * what is authenticated, where the IV stands, what the high half of an extended sequence number does.
 */
#ifndef CRYPTO_AEAD_H
#define CRYPTO_AEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/wire.h"
#include "crypto/random.h"
#include "crypto/suites.h"

enum {
    AEAD_HEADER = 8, /* SPI and the low 32 bits of the sequence number */
    AEAD_IV_MAX = 16,
    AEAD_ICV_MAX = 32,
    AEAD_BATCH_MAX = 64,
};

struct aead_suite {
    enum encr encr;
    uint16_t key_bits;
    enum integ integ; /* INTEG_NONE with an AEAD */
    bool esn;         /* 64-bit sequence numbers: the high half is authenticated (RFC 4303 2.2.1) */
};

/* What the packet path needs to know of a suite. */
struct aead_shape {
    uint8_t iv;    /* bytes between header and ciphertext */
    uint8_t icv;   /* bytes behind the ciphertext */
    uint8_t block; /* payload, padding and trailer fill a multiple of this */
};

/* ERR_UNSUPPORTED for a suite that cannot be. */
MUST_USE enum status aead_shape(const struct aead_suite *suite, struct aead_shape *out);

/*
 * One packet, in place. At `esp` lie, contiguous: SPI(4) SN(4) IV(shape.iv) text(text_len) ICV(shape.icv).
 * text_len must be a multiple of shape.block (for opening the caller has checked it; else ok = false).
 */
struct aead_job {
    uint8_t *esp;
    uint32_t text_len;
    uint32_t sequence_high; /* high half of the 64-bit sequence number; 0 without ESN */
    bool ok;                /* out */
};

struct aead;

/* keymat: esp_keymat_len() bytes in KEYMAT order. random: for the IVs of CBC; must outlive the result.
 * ERR_MALFORMED: keymat has the wrong length. */
MUST_USE enum status aead_new(const struct aead_suite *suite, struct bytes keymat, const struct random *random,
                              struct aead **out);
void aead_free(struct aead *aead); /* wipes; NULL is fine */

/*
 * Seals n packets (n <= AEAD_BATCH_MAX): header and text are in place; writes IV, ciphertext and ICV. The IV of a
 * counter mode is the 64-bit sequence number (unique while the key lives), that of CBC is random (RFC 3602 3).
 * A job with ok = false must not be sent, its text is undefined.
 */
void aead_seal(struct aead *aead, struct aead_job *jobs, size_t n);

/* Verifies, then decrypts. ok = false: the ICV did not verify, and the text is undefined and must not be used. */
void aead_open(struct aead *aead, struct aead_job *jobs, size_t n);

/* Seals and opens a known answer with every suite; for the start of the daemon. ERR_CRYPTO: do not run. */
MUST_USE enum status aead_self_test(void);

#endif
