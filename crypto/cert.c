/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/cert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "crypto/cert_x509.h"
#include "crypto/sign_key.h"

/* --- reading --- */

/* Seconds since 1970 without the C library's idea of a time zone. */
static bool unix_time_of(const ASN1_TIME *time, int64_t *out)
{
    int days, seconds;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    bool ok = epoch != NULL && time != NULL && ASN1_TIME_diff(&days, &seconds, epoch, time) == 1;
    if (ok)
        *out = (int64_t)days * 86400 + seconds;
    ASN1_TIME_free(epoch);
    return ok;
}

static bool name_der(const X509_NAME *name, struct bytes *out)
{
    const unsigned char *der;
    size_t len;
    if (name == NULL || X509_NAME_get0_der(name, &der, &len) != 1)
        return false;
    *out = bytes_of(der, len);
    return true;
}

enum status cert_of(X509 *x509, struct cert **out)
{
    struct cert *cert = x509 != NULL ? calloc(1, sizeof *cert) : NULL;
    *out = NULL;
    if (cert == NULL) {
        X509_free(x509);
        return ERR_MEMORY;
    }
    cert->x509 = x509;
    unsigned char *der = NULL;
    int len = i2d_X509(x509, &der);
    cert->der = len > 0 ? malloc((size_t)len) : NULL;
    if (cert->der != NULL) {
        memcpy(cert->der, der, (size_t)len);
        cert->der_len = (size_t)len;
    }
    OPENSSL_free(der);
    bool ok = cert->der != NULL && name_der(X509_get_subject_name(x509), &cert->subject) &&
              name_der(X509_get_issuer_name(x509), &cert->issuer) &&
              unix_time_of(X509_get0_notBefore(x509), &cert->not_before) &&
              unix_time_of(X509_get0_notAfter(x509), &cert->not_after);
    ERR_clear_error();
    if (!ok) {
        cert_free(cert);
        return ERR_MALFORMED;
    }
    *out = cert;
    return OK;
}

enum status cert_read(struct bytes der, struct cert **out)
{
    *out = NULL;
    if (der.len > CERT_SIZE_MAX)
        return ERR_LIMIT;
    const unsigned char *at = der.data;
    X509 *x509 = der.len > 0 ? d2i_X509(NULL, &at, (long)der.len) : NULL;
    ERR_clear_error();
    if (x509 == NULL || at != der.data + der.len) {
        X509_free(x509);
        return ERR_MALFORMED;
    }
    return cert_of(x509, out);
}

void cert_free(struct cert *cert)
{
    if (cert == NULL)
        return;
    X509_free(cert->x509);
    free(cert->der);
    free(cert);
}

enum status cert_list_add(struct cert_list *list, struct cert *cert)
{
    struct cert **more = realloc(list->items, (list->count + 1) * sizeof *more);
    if (more == NULL) {
        cert_free(cert);
        return ERR_MEMORY;
    }
    list->items = more;
    list->items[list->count++] = cert;
    return OK;
}

void cert_list_free(struct cert_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        cert_free(list->items[i]);
    free(list->items);
    *list = (struct cert_list){0};
}

static bool is_certificate(const char *block)
{
    return strcmp(block, PEM_STRING_X509) == 0 || strcmp(block, PEM_STRING_X509_OLD) == 0;
}

/* One certificate of a file, in DER. */
static enum status add_der(struct bytes der, size_t most, struct cert_list *list, const struct why *why)
{
    struct cert *cert;
    if (list->count == most)
        return why_refuse(why, ERR_LIMIT, "there are more than %zu certificates: leave out what is not needed", most);
    enum status status = cert_read(der, &cert);
    if (status == ERR_LIMIT)
        return why_refuse(why, status, "certificate number %zu is larger than %d bytes", list->count + 1,
                          CERT_SIZE_MAX);
    if (status == OK)
        status = cert_list_add(list, cert);
    return status == OK ? OK
                        : why_refuse(why, status, "certificate number %zu makes no sense: is the file damaged?",
                                     list->count + 1);
}

static enum status read_pem(BIO *bio, size_t most, struct cert_list *list, const struct why *why)
{
    enum status status = OK;
    char *block, *header;
    unsigned char *der;
    long len;
    while (status == OK && PEM_read_bio(bio, &block, &header, &der, &len) == 1) {
        if (is_certificate(block))
            status = add_der(bytes_of(der, (size_t)len), most, list, why);
        OPENSSL_free(block);
        OPENSSL_free(header);
        OPENSSL_clear_free(der, (size_t)len); /* it may be the key */
    }
    ERR_clear_error();
    return status;
}

enum status cert_list_read(struct bytes file, size_t most, struct cert_list *list, const struct why *why)
{
    size_t before = list->count;
    if (file.len > 2 && file.data[0] == 0x30) /* a SEQUENCE in DER */
        return add_der(file, most, list, why);
    BIO *bio = BIO_new_mem_buf(file.len > 0 ? file.data : (const uint8_t *)"", (int)file.len);
    if (bio == NULL)
        return why_refuse(why, ERR_MEMORY, "out of memory");
    enum status status = read_pem(bio, most, list, why);
    BIO_free(bio);
    if (status == OK && list->count == before)
        return why_refuse(why, ERR_MALFORMED,
                          "there is no certificate: write PEM (-----BEGIN CERTIFICATE-----) or DER");
    return status;
}

/* --- asking --- */

struct bytes cert_der(const struct cert *cert)
{
    return bytes_of(cert->der, cert->der_len);
}

struct bytes cert_subject(const struct cert *cert)
{
    return cert->subject;
}

struct bytes cert_issuer(const struct cert *cert)
{
    return cert->issuer;
}

int64_t cert_not_before(const struct cert *cert)
{
    return cert->not_before;
}

int64_t cert_not_after(const struct cert *cert)
{
    return cert->not_after;
}

/* Days to a civil date, proleptic Gregorian, in UTC. */
const char *cert_date_print(int64_t unix_time, char out[CERT_DATE_TEXT])
{
    int64_t days = unix_time / 86400 - (unix_time % 86400 < 0) + 719468; /* since 0000-03-01 */
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t of_era = days - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t shifted = (5 * of_year + 2) / 153; /* months since March */
    int64_t day = of_year - (153 * shifted + 2) / 5 + 1, month = shifted < 10 ? shifted + 3 : shifted - 9;
    snprintf(out, CERT_DATE_TEXT, "%04d-%02d-%02d", (int)(year + era * 400 + (month <= 2)), (int)month, (int)day);
    return out;
}

enum status cert_key(const struct cert *cert, uint32_t allow, struct sign_key **out, const struct why *why)
{
    EVP_PKEY *pkey = X509_get_pubkey(cert->x509);
    ERR_clear_error();
    *out = NULL;
    if (pkey == NULL)
        return why_refuse(why, ERR_UNSUPPORTED, "its key cannot be read");
    return sign_key_of(pkey, false, allow, out, why);
}

/* --- names --- */

static struct bytes text_of(const ASN1_STRING *s)
{
    return bytes_of(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

static bool same_bytes(struct bytes a, struct bytes b, bool fold_case)
{
    if (a.len != b.len || a.len == 0)
        return false;
    return fold_case ? strncasecmp((const char *)a.data, (const char *)b.data, a.len) == 0
                     : memcmp(a.data, b.data, a.len) == 0;
}

/* An embedded NUL would end the comparison early (CVE-2009-2408): such a name is nobody's. */
static bool has_nul(struct bytes s)
{
    return s.len > 0 && memchr(s.data, 0, s.len) != NULL;
}

/* RFC 5280 7.5: of a mailbox only the host is without case; appliances are less strict, and so are identities here. */
static bool is_name(const GENERAL_NAME *n, enum cert_name kind, struct bytes name)
{
    switch (n->type) {
    case GEN_IPADD: return kind == CERT_ADDRESS && same_bytes(text_of(n->d.iPAddress), name, false);
    case GEN_DNS:
        return kind == CERT_DNS && !has_nul(text_of(n->d.dNSName)) && same_bytes(text_of(n->d.dNSName), name, true);
    case GEN_EMAIL:
        return kind == CERT_EMAIL && !has_nul(text_of(n->d.rfc822Name)) &&
               same_bytes(text_of(n->d.rfc822Name), name, true);
    default: return false;
    }
}

bool cert_has_name(const struct cert *cert, enum cert_name kind, struct bytes name)
{
    if (kind == CERT_SUBJECT)
        return dn_equal(cert->subject, name);
    GENERAL_NAMES *all = X509_get_ext_d2i(cert->x509, NID_subject_alt_name, NULL, NULL);
    bool found = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(all) && !found; i++)
        found = is_name(sk_GENERAL_NAME_value(all, i), kind, name);
    GENERAL_NAMES_free(all);
    ERR_clear_error();
    return found;
}

static void print_address(struct bytes address, char *out, size_t capacity)
{
    if (address.len == 4)
        snprintf(out, capacity, "%u.%u.%u.%u", address.data[0], address.data[1], address.data[2], address.data[3]);
    else if (address.len == 16)
        for (size_t i = 0; i < 8; i++)
            snprintf(out + i * 5, capacity - i * 5, "%02x%02x%s", address.data[2 * i], address.data[2 * i + 1],
                     i < 7 ? ":" : "");
}

static void print_name(const GENERAL_NAME *n, char *out, size_t capacity)
{
    out[0] = '\0';
    if (n->type == GEN_IPADD)
        print_address(text_of(n->d.iPAddress), out, capacity);
    else if (n->type == GEN_DNS || n->type == GEN_EMAIL)
        log_escape(out, capacity, text_of(n->d.ia5).data, text_of(n->d.ia5).len);
}

const char *cert_names_print(const struct cert *cert, char out[CERT_NAMES_TEXT])
{
    char name[96];
    size_t used;
    dn_print(cert->subject, out, CERT_NAMES_TEXT / 2);
    used = strlen(out);
    if (used == 0)
        used = (size_t)snprintf(out, CERT_NAMES_TEXT, "no subject");
    GENERAL_NAMES *all = X509_get_ext_d2i(cert->x509, NID_subject_alt_name, NULL, NULL);
    const char *before = "; also ";
    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
        print_name(sk_GENERAL_NAME_value(all, i), name, sizeof name);
        if (name[0] == '\0' || used + strlen(before) + strlen(name) >= CERT_NAMES_TEXT)
            continue;
        used += (size_t)snprintf(out + used, CERT_NAMES_TEXT - used, "%s%s", before, name);
        before = ", ";
    }
    GENERAL_NAMES_free(all);
    ERR_clear_error();
    return out;
}
