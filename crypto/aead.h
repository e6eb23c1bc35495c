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
    AEAD_PACKET_MAX = 65535, /* header to ICV: no IP packet carries more */
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
 * text_len must be a multiple of shape.block, and all of it within AEAD_PACKET_MAX (for opening the caller has checked
 * it); else ok = false.
 */
struct aead_job {
    uint8_t *esp;
    uint32_t text_len;
    uint32_t sequence_high; /* high half of the 64-bit sequence number; 0 without ESN */
    bool ok;                /* out */
};

/* Which back ends may serve. */
enum aead_choice {
    AEAD_AUTO,    /* the fastest that this build and this processor have */
    AEAD_OPENSSL, /* the portable ones: OpenSSL, and libsodium for ChaCha20-Poly1305 */
    AEAD_IPSEC_MB /* as AUTO, but without ipsec-mb there is an error */
};

/*
 * The back ends in use, each tested with known answers before it is. A library and what is made with it belong to one
 * thread; another may make and free keys with it meanwhile, but not seal and open. NULL, wherever one is asked for,
 * means the portable back ends, untested.
 */
struct aead_library;

enum { AEAD_WHY = 256 };

/* On failure `why` says what is wrong and what would be right. ERR_CRYPTO: the portable back ends fail, so do not run.
 * ERR_UNSUPPORTED: AEAD_IPSEC_MB, and it is not there, or fails. */
MUST_USE enum status aead_library_new(enum aead_choice choice, struct aead_library **out, char why[AEAD_WHY]);
void aead_library_free(struct aead_library *library); /* after all that was made with it; wipes; NULL is fine */

/* "ipsec-mb 1.3.0 (AVX512)", or why it is not in use. Lives as long as the library. */
const char *aead_library_note(const struct aead_library *library);

/* A back end was left out because it failed its self-test; the note says which. */
bool aead_library_failed(const struct aead_library *library);

/* For --version and status: the back end that serves a kind of suites. Walk from 0 until false. */
struct aead_use {
    const char *suites, *backend; /* "aes-gcm", "ipsec-mb" */
};
bool aead_library_use(const struct aead_library *library, size_t i, struct aead_use *out);

struct aead;

/* library: must outlive the result. keymat: esp_keymat_len() bytes in KEYMAT order. random: for the IVs of CBC; must
 * outlive the result. ERR_MALFORMED: keymat has the wrong length. */
MUST_USE enum status aead_new(const struct aead_library *library, const struct aead_suite *suite, struct bytes keymat,
                              const struct random *random, struct aead **out);
void aead_free(struct aead *aead); /* wipes; NULL is fine */

/*
 * Seals n packets (n <= AEAD_BATCH_MAX): header and text are in place; writes IV, ciphertext and ICV. The IV of a
 * counter mode is the 64-bit sequence number (unique while the key lives), that of CBC is random (RFC 3602 3).
 * A job with ok = false must not be sent, its text is undefined.
 */
void aead_seal(struct aead *aead, struct aead_job *jobs, size_t n);

/* Verifies, then decrypts. ok = false: the ICV did not verify, and the text is undefined and must not be used. */
void aead_open(struct aead *aead, struct aead_job *jobs, size_t n);

/* Why this build must not carry real traffic, to be said loudly at start and by --version; NULL: it may. */
const char *aead_danger(void);

#endif
