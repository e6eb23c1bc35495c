/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/key_file.h"

#include <string.h>

#include "crypto/cert_x509.h"
#include "crypto/secret.h"
#include "crypto/sign_key.h"

enum { PASSWORD_MAX = 1024 };

struct asked {
    struct bytes password;
    bool asked; /* the file wants one */
};

static int give_password(char *out, int capacity, int writes, void *arg)
{
    struct asked *asked = arg;
    (void)writes;
    asked->asked = true;
    if (asked->password.data == NULL || capacity < 0 || asked->password.len > (size_t)capacity)
        return -1;
    memcpy(out, asked->password.data, asked->password.len);
    return (int)asked->password.len;
}

static enum status refuse_encrypted(bool has_password, const struct why *why)
{
    if (has_password)
        return why_refuse(why, ERR_AUTHENTICATION,
                          "the key is encrypted, and the password of key_password_file does not open it");
    return why_refuse(why, ERR_AUTHENTICATION,
                      "the key is encrypted: write key_password_file = FILE, or decrypt it (openssl pkey -in FILE -out "
                      "FILE)");
}

/* PKCS#8 and the traditional forms, PEM or DER. */
static enum status read_key(struct bytes file, struct bytes password, EVP_PKEY **out, const struct why *why)
{
    struct asked asked = {.password = password};
    EVP_PKEY *pkey = NULL;
    const unsigned char *at = file.data;
    size_t left = file.len;
    OSSL_DECODER_CTX *ctx =
        OSSL_DECODER_CTX_new_for_pkey(&pkey, NULL, NULL, NULL, OSSL_KEYMGMT_SELECT_PRIVATE_KEY, NULL, NULL);
    bool ok = ctx != NULL && OSSL_DECODER_CTX_set_pem_password_cb(ctx, give_password, &asked) == 1 &&
              OSSL_DECODER_from_data(ctx, &at, &left) == 1;
    OSSL_DECODER_CTX_free(ctx);
    ERR_clear_error();
    if (ok && pkey != NULL) {
        *out = pkey;
        return OK;
    }
    EVP_PKEY_free(pkey);
    if (asked.asked)
        return refuse_encrypted(password.data != NULL, why);
    return why_refuse(why, ERR_MALFORMED, "there is no private key: write PEM or DER of PKCS#8, or PKCS#12");
}

/* --- PKCS#12 --- */

static PKCS12 *pkcs12_of(struct bytes file)
{
    const unsigned char *at = file.data;
    PKCS12 *p12 = file.len > 0 && file.data[0] == 0x30 ? d2i_PKCS12(NULL, &at, (long)file.len) : NULL;
    ERR_clear_error();
    return p12;
}

/* No password and an empty one are two things in PKCS#12, and one to people. Returns the text that opens it. */
static bool find_password(PKCS12 *p12, const char *given, const char **right)
{
    static const char empty[] = "";
    const char *const tries[] = {given, given == NULL ? empty : NULL};
    for (size_t i = 0; i < 2; i++) {
        if (i > 0 && tries[i] == NULL)
            continue;
        if (PKCS12_verify_mac(p12, tries[i], tries[i] != NULL ? (int)strlen(tries[i]) : 0) == 1) {
            *right = tries[i];
            return true;
        }
    }
    return false;
}

/* The certificate of the key first, then the others in the order of the file. */
static enum status take_certs(X509 *own, STACK_OF(X509) * others, struct cert_list *certs, const struct why *why)
{
    struct cert *cert;
    enum status status = OK;
    int count = others != NULL ? sk_X509_num(others) : 0;
    for (int i = -1; i < count && status == OK; i++) {
        X509 *x509 = i < 0 ? own : sk_X509_value(others, i);
        if (x509 == NULL)
            continue;
        if (certs->count == CERTS_MAX || X509_up_ref(x509) != 1)
            return why_refuse(why, ERR_LIMIT, "there are more than %d certificates: leave out what is not needed",
                              CERTS_MAX);
        status = cert_of(x509, &cert);
        if (status == OK)
            status = cert_list_add(certs, cert);
    }
    return status == OK ? OK : why_refuse(why, status, "a certificate in it makes no sense");
}

static enum status read_pkcs12(PKCS12 *p12, const char *given, EVP_PKEY **out, struct cert_list *certs,
                               const struct why *why)
{
    const char *password = given;
    EVP_PKEY *pkey = NULL;
    X509 *own = NULL;
    STACK_OF(X509) *others = NULL;
    if (PKCS12_mac_present(p12) && !find_password(p12, given, &password))
        return refuse_encrypted(given != NULL, why);
    enum status status = OK;
    if (PKCS12_parse(p12, password, &pkey, &own, &others) != 1)
        status =
            why_refuse(why, ERR_UNSUPPORTED,
                       "the PKCS#12 file cannot be opened: most likely it is encrypted with an old cipher (RC2, "
                       "3DES); write it anew with openssl pkcs12 -legacy -in FILE -nodes | openssl pkcs12 -export");
    else if (pkey == NULL)
        status = why_refuse(why, ERR_MALFORMED, "there is no private key in the PKCS#12 file");
    else
        status = take_certs(own, others, certs, why);
    X509_free(own);
    sk_X509_pop_free(others, X509_free);
    if (status == OK)
        *out = pkey;
    else
        EVP_PKEY_free(pkey);
    return status;
}

enum status key_file_read(struct bytes file, struct bytes password, uint32_t allow, struct sign_key **key,
                          struct cert_list *certs, const struct why *why)
{
    char text[PASSWORD_MAX + 1] = "";
    EVP_PKEY *pkey = NULL;
    *key = NULL;
    if (password.len > PASSWORD_MAX)
        return why_refuse(why, ERR_LIMIT, "the password is longer than %d bytes", PASSWORD_MAX);
    if (password.len > 0)
        memcpy(text, password.data, password.len);
    PKCS12 *p12 = pkcs12_of(file);
    enum status status = p12 != NULL ? read_pkcs12(p12, password.data != NULL ? text : NULL, &pkey, certs, why)
                                     : read_key(file, password, &pkey, why);
    PKCS12_free(p12);
    wipe(text, sizeof text);
    ERR_clear_error();
    return status == OK ? sign_key_of(pkey, true, allow, key, why) : status;
}
