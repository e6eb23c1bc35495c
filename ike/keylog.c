/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/keylog.h"

#ifdef ESPTUN_KEYLOG

#include <stdio.h>

enum { HEX_MAX = 2 * 128 + 1, LINE_LEN = 1024 };

static const char *hex(char out[HEX_MAX], struct bytes b)
{
    size_t n = b.len < 128 ? b.len : 128;
    for (size_t i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", b.data[i]);
    out[2 * n] = '\0';
    return out;
}

void keylog_phase1(const struct ike *ike, const struct ike_sa *sa)
{
    char line[LINE_LEN], key[HEX_MAX];
    if (ike->setup.ops.keylog == NULL)
        return;
    snprintf(line, sizeof line, "%016llx,%s", (unsigned long long)sa->spi_i, hex(key, secret_bytes(&sa->keys.cipher)));
    ike->setup.ops.keylog(ike->setup.ops.arg, "ikev1_decryption_table", line);
}

static const char *cipher_name(const struct proposal *suite)
{
    switch (suite->encr) {
    case ENCR_AES_CBC: return "AES-CBC [RFC3602]";
    case ENCR_AES_CTR: return "AES-CTR [RFC3686]";
    case ENCR_3DES: return "TripleDES-CBC [RFC2451]";
    case ENCR_NULL: return "NULL";
    case ENCR_AES_GCM_8: return "AES-GCM with 8 octet ICV [RFC4106]";
    case ENCR_AES_GCM_12: return "AES-GCM with 12 octet ICV [RFC4106]";
    case ENCR_AES_GCM_16: return "AES-GCM with 16 octet ICV [RFC4106]";
    case ENCR_CHACHA20_POLY1305: return "ChaCha20 with Poly1305 [RFC7634]";
    default: return "NULL";
    }
}

static const char *integ_name(const struct proposal *suite)
{
    switch (suite->integ) {
    case INTEG_HMAC_MD5_96: return "HMAC-MD5-96 [RFC2403]";
    case INTEG_HMAC_SHA1_96: return "HMAC-SHA-1-96 [RFC2404]";
    case INTEG_HMAC_SHA2_256_96: return "HMAC-SHA-256-96 [draft-ietf-ipsec-ciph-sha-256-00]";
    case INTEG_HMAC_SHA2_256_128: return "HMAC-SHA-256-128 [RFC4868]";
    case INTEG_HMAC_SHA2_384_192: return "HMAC-SHA-384-192 [RFC4868]";
    case INTEG_HMAC_SHA2_512_256: return "HMAC-SHA-512-256 [RFC4868]";
    default: return "NULL";
    }
}

static void one_way(const struct ike *ike, const struct proposal *suite, const struct address *from,
                    const struct address *to, uint32_t spi, const struct secret *key)
{
    char line[LINE_LEN], cipher[HEX_MAX], integ[HEX_MAX], src[ADDRESS_TEXT], dst[ADDRESS_TEXT];
    const struct integ_info *info = integ_info(suite->integ);
    size_t integ_len = info != NULL ? info->key : 0;
    snprintf(line, sizeof line, "\"%s\",\"%s\",\"%s\",\"0x%08x\",\"%s\",\"0x%s\",\"%s\",\"%s%s\"",
             from->family == 4 ? "IPv4" : "IPv6", address_print(from, src), address_print(to, dst), spi,
             cipher_name(suite), hex(cipher, bytes_of(key->data, key->len - integ_len)), integ_name(suite),
             integ_len > 0 ? "0x" : "", hex(integ, bytes_of(key->data + key->len - integ_len, integ_len)));
    ike->setup.ops.keylog(ike->setup.ops.arg, "esp_sa", line);
}

void keylog_child(const struct ike *ike, const struct child *child)
{
    if (ike->setup.ops.keylog == NULL)
        return;
    one_way(ike, &child->suite, &child->path.remote.address, &child->path.local.address, child->spi_in, &child->key_in);
    one_way(ike, &child->suite, &child->path.local.address, &child->path.remote.address, child->spi_out,
            &child->key_out);
}

#else
typedef int keylog_is_not_built; /* ISO C wants a declaration in every file */
#endif
