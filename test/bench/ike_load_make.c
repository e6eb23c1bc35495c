/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "crypto/openssl.h"
#include "test/bench/ike_load.h"
#include "test/pki.h"

/* --- certificates --- */

static void save(const char *folder, const char *name, struct bytes data)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(data.data, 1, data.len, file) != data.len || fclose(file) != 0 || chmod(path, 0600) != 0)
        die(path, strerror(errno));
}

static struct pki *issue(const char *subject, const char *alt, enum pki_kind kind, const struct pki *issuer,
                         const struct pki *key_of)
{
    int64_t now = (int64_t)time(NULL);
    const struct pki_spec spec = {.kind = kind,
                                  .subject = subject,
                                  .alt = alt,
                                  .basic = issuer == NULL ? "critical,CA:TRUE" : "critical,CA:FALSE",
                                  .usage = issuer == NULL ? "critical,keyCertSign" : "critical,digitalSignature",
                                  .from = now - PKI_DAY,
                                  .until = now + 30 * PKI_DAY};
    return pki_issue(&spec, issuer, key_of);
}

void load_make_certificates(const char *folder, const char *kind_word, unsigned count)
{
    bool rsa = strcmp(kind_word, "rsa2048") == 0;
    if (!rsa && strcmp(kind_word, "ec256") != 0)
        die(kind_word, "is neither ec256 nor rsa2048");
    enum pki_kind kind = rsa ? PKI_RSA2048 : PKI_EC256;
    struct pki *ca = issue("CN=Root", NULL, kind, NULL, NULL);
    struct pki *gw = issue("CN=gw", "DNS:gw.example.org", kind, ca, NULL), *first = NULL;
    save(folder, "ca.pem", pki_cert_pem(ca));
    save(folder, "gw.pem", pki_cert_pem(gw));
    save(folder, "gw.key", pki_key_pem(gw, NULL));
    for (unsigned i = 0; i < count; i++) {
        char subject[32], alt[48], name[32];
        snprintf(subject, sizeof subject, "CN=c%u", i);
        snprintf(alt, sizeof alt, "DNS:c%u.example.org", i);
        snprintf(name, sizeof name, "client-%u.pem", i);
        struct pki *client = issue(subject, alt, kind, ca, first);
        save(folder, name, pki_cert_pem(client));
        if (first == NULL)
            first = client;
        else
            pki_free(client);
    }
    if (first != NULL)
        save(folder, "client.key", pki_key_pem(first, NULL));
    pki_free(first);
    pki_free(gw);
    pki_free(ca);
}

/* --- the floor: the least of some rounds, in microseconds --- */

enum { ROUNDS = 15 };

struct floor {
    EVP_PKEY *own, *peer, *signer;
    EVP_PKEY_CTX *make, *sign, *verify;
    uint8_t digest[32], signature[512];
    size_t signature_len;
};

static void need(bool ok, const char *what)
{
    if (!ok)
        die(what, "the library failed");
}

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static double least(void (*act)(struct floor *f), struct floor *f, int times)
{
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double start = cpu_us();
        for (int i = 0; i < times; i++)
            act(f);
        double each = (cpu_us() - start) / times;
        best = round == 0 || each < best ? each : best;
    }
    return best;
}

/* A fresh key, and the secret that it shares with the peer's. */
static void agree(struct floor *f)
{
    EVP_PKEY *own = NULL;
    uint8_t secret[512];
    size_t len = sizeof secret;
    need(EVP_PKEY_generate(f->make, &own) == 1, "generating a key");
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
    need(ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer_ex(ctx, f->peer, 0) == 1 &&
             EVP_PKEY_derive(ctx, secret, &len) == 1,
         "agreeing on a secret");
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(own);
}

static void sign(struct floor *f)
{
    f->signature_len = sizeof f->signature;
    need(EVP_PKEY_sign(f->sign, f->signature, &f->signature_len, f->digest, sizeof f->digest) == 1, "signing");
}

static void verify(struct floor *f)
{
    need(EVP_PKEY_verify(f->verify, f->signature, f->signature_len, f->digest, sizeof f->digest) == 1, "verifying");
}

static double agreement(const char *type, const char *group, int times)
{
    struct floor f = {.make = EVP_PKEY_CTX_new_from_name(NULL, type, NULL)};
    need(f.make != NULL && EVP_PKEY_keygen_init(f.make) == 1, type);
    if (group != NULL)
        need(EVP_PKEY_CTX_set_group_name(f.make, group) == 1, group);
    need(EVP_PKEY_generate(f.make, &f.peer) == 1, "generating a key");
    double us = least(agree, &f, times);
    EVP_PKEY_free(f.peer);
    EVP_PKEY_CTX_free(f.make);
    return us;
}

static void signatures(EVP_PKEY *key, int times, double *sign_us, double *verify_us)
{
    need(key != NULL, "making a key");
    struct floor f = {.sign = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL),
                      .verify = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL)};
    need(f.sign != NULL && f.verify != NULL && EVP_PKEY_sign_init(f.sign) == 1 && EVP_PKEY_verify_init(f.verify) == 1,
         "preparing a signature");
    *sign_us = least(sign, &f, times);
    *verify_us = least(verify, &f, times);
    EVP_PKEY_CTX_free(f.sign);
    EVP_PKEY_CTX_free(f.verify);
    EVP_PKEY_free(key);
}

void load_print_floor(void)
{
    double rsa_sign, rsa_verify, ec_sign, ec_verify;
    signatures(EVP_RSA_gen(2048), 20, &rsa_sign, &rsa_verify);
    signatures(EVP_EC_gen("P-256"), 100, &ec_sign, &ec_verify);
    printf("{\"modp2048\": %.1f, \"ecp256\": %.1f, \"x25519\": %.1f, \"rsa_sign\": %.1f, \"rsa_verify\": %.1f, "
           "\"ecdsa_sign\": %.1f, \"ecdsa_verify\": %.1f}\n",
           agreement("DH", "modp_2048", 10), agreement("EC", "P-256", 50), agreement("X25519", NULL, 100), rsa_sign,
           rsa_verify, ec_sign, ec_verify);
}
