/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The algorithms, as const tables. The numbers are IANA's IKEv2 transform identifiers (the registry
 * "Internet Key Exchange Version 2 (IKEv2) Parameters"), used as the one name space of the whole house;
 * IKEv1's attribute values are translated at its wire format (ike/v1_proposal).
 */
#ifndef CRYPTO_SUITES_H
#define CRYPTO_SUITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum encr {
    ENCR_NONE = 0,
    ENCR_3DES = 3,
    ENCR_NULL = 11,
    ENCR_AES_CBC = 12,
    ENCR_AES_CTR = 13,
    ENCR_AES_CCM_8 = 14,
    ENCR_AES_CCM_12 = 15,
    ENCR_AES_CCM_16 = 16,
    ENCR_AES_GCM_8 = 18,
    ENCR_AES_GCM_12 = 19,
    ENCR_AES_GCM_16 = 20,
    ENCR_NULL_AUTH_AES_GMAC = 21,
    ENCR_CHACHA20_POLY1305 = 28,
};

enum integ {
    INTEG_NONE = 0,
    INTEG_HMAC_MD5_96 = 1,
    INTEG_HMAC_SHA1_96 = 2,
    INTEG_HMAC_SHA2_256_128 = 12,
    INTEG_HMAC_SHA2_384_192 = 13,
    INTEG_HMAC_SHA2_512_256 = 14,
    /* The truncation of the first drafts, which old peers still use. No registry has a number for it (this one is of
     * IKEv2's private range, 1024 and above), and it never stands on the wire: there it is SHA2-256. */
    INTEG_HMAC_SHA2_256_96 = 0xff0c,
};

enum prf {
    PRF_NONE = 0,
    PRF_HMAC_MD5 = 1,
    PRF_HMAC_SHA1 = 2,
    PRF_HMAC_SHA2_256 = 5,
    PRF_HMAC_SHA2_384 = 6,
    PRF_HMAC_SHA2_512 = 7,
};

enum group {
    GROUP_NONE = 0,
    GROUP_MODP768 = 1, /* known so that it can be refused by name */
    GROUP_MODP1024 = 2,
    GROUP_MODP1536 = 5,
    GROUP_MODP2048 = 14,
    GROUP_MODP3072 = 15,
    GROUP_MODP4096 = 16,
    GROUP_MODP6144 = 17,
    GROUP_MODP8192 = 18,
    GROUP_ECP256 = 19,
    GROUP_ECP384 = 20,
    GROUP_ECP521 = 21,
    GROUP_CURVE25519 = 31,
};

/* Legacy algorithms, each usable only where a connection says `allow = NAME`. Bits of a mask. */
enum legacy {
    LEGACY_MODP1024 = 1 << 0,
    LEGACY_MODP1536 = 1 << 1,
    LEGACY_SHA1 = 1 << 2,
    LEGACY_MD5 = 1 << 3,
    LEGACY_3DES = 1 << 4,
    LEGACY_NULL = 1 << 5,
    LEGACY_SHA256_96 = 1 << 6,
    LEGACY_RSA1024 = 1 << 7,   /* RSA keys of 1024 to 2047 bits */
    LEGACY_SHA1_CERT = 1 << 8, /* certificates and CRLs signed with SHA-1 */
};

struct encr_info {
    enum encr id;
    const char *name;     /* as proposals spell it, without key bits: "aes", "aes%dgcm16" is built from it */
    const char *suffix;   /* behind the key bits: "", "gcm16" */
    uint16_t key_bits[3]; /* allowed sizes, 0 ends; one entry of a fixed-size cipher */
    bool fixed_key;       /* the size is not named on the wire and not in proposals */
    uint8_t block;        /* padding boundary of ESP: 16 for AES-CBC, 8 for 3DES, 4 for what has no blocks */
    uint8_t salt;         /* bytes of salt or nonce behind the key in KEYMAT (RFC 3686 5.1, RFC 4106 8.1, ...) */
    uint8_t iv;           /* bytes of IV on the wire */
    uint8_t icv;          /* of an AEAD; 0: needs an integ */
    bool aead;
    bool counter;    /* the IV must be unique, and is the sequence number; else it is random */
    bool clear;      /* authenticates only: everyone on the way can read */
    uint32_t legacy; /* enum legacy bit that allows it, or 0 */
};

struct integ_info {
    enum integ id;
    const char *name; /* "sha256" */
    uint8_t key;      /* bytes */
    uint8_t icv;      /* bytes on the wire, truncated */
    uint32_t legacy;
};

struct prf_info {
    enum prf id;
    const char *name; /* "sha256": in a proposal integ and prf share the word */
    uint8_t len;      /* output bytes, also the preferred key size */
    uint32_t legacy;
};

struct group_info {
    enum group id;
    const char *name;    /* "modp2048" */
    uint16_t public_len; /* bytes of the KE payload body */
    uint16_t shared_len; /* bytes of g^xy, left-padded (RFC 2409 5, RFC 5903 7) */
    uint32_t legacy;
    bool never; /* refused whatever `allow` says */
};

/* NULL when unknown. */
const struct encr_info *encr_info(unsigned id);
const struct integ_info *integ_info(unsigned id);
const struct prf_info *prf_info(unsigned id);
const struct group_info *group_info(unsigned id);

/* The tables themselves, to walk: at(i) is NULL past the end. */
const struct encr_info *encr_at(size_t i);
const struct integ_info *integ_at(size_t i);
const struct prf_info *prf_at(size_t i);
const struct group_info *group_at(size_t i);

bool encr_allows_key(const struct encr_info *info, unsigned key_bits);

/* Bytes of KEYMAT for one direction of an ESP SA: cipher key, salt, then integrity key (RFC 4303, RFC 2409 5.5).
 * 0 for a combination that cannot be (unknown, cipher without integrity, AEAD with integ). */
size_t esp_keymat_len(unsigned encr, unsigned key_bits, unsigned integ);

/* The log and proposals: "modp1024", ... for one legacy bit; the bit of a word, or 0. */
const char *legacy_name(uint32_t bit);
uint32_t legacy_bit(const char *name);

/* The bits themselves, to walk: 0 past the end. */
uint32_t legacy_at(size_t i);

/* The names of the bits in mask, with `between` between them. Returns out, always terminated; what does not fit is left
 * out. */
const char *legacy_list(uint32_t mask, const char *between, char *out, size_t out_len);

/* "OpenSSL 3.0.x ..., libsodium 1.0.x": for --version and status. */
const char *crypto_versions(void);

#endif
