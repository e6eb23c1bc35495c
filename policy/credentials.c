/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/credentials.h"

#include <stdlib.h>

enum { EMPTY_DN = 2 }; /* bytes of a SEQUENCE of nothing: it names nobody, and many certificates have it */

enum status credentials_new(uint32_t allow, struct credentials **out)
{
    struct credentials *c = calloc(1, sizeof *c);
    *out = NULL;
    if (c == NULL)
        return ERR_MEMORY;
    c->allow = allow;
    c->owners = 1;
    enum status status = trust_new(allow, &c->trust);
    if (status != OK) {
        free(c);
        return status;
    }
    *out = c;
    return OK;
}

struct credentials *credentials_share(struct credentials *c)
{
    c->owners++;
    return c;
}

void credentials_free(struct credentials *c)
{
    if (c == NULL || --c->owners > 0)
        return;
    sign_key_free(c->key);
    cert_list_free(&c->chain);
    trust_free(c->trust);
    free(c);
}

bool credentials_name_fits(const struct cert *cert, const struct identity *id)
{
    struct bytes name = bytes_of(id->data, id->len);
    switch (id->type) {
    case ID_IPV4_ADDR:
    case ID_IPV6_ADDR: return cert_has_name(cert, CERT_ADDRESS, name);
    case ID_FQDN: return cert_has_name(cert, CERT_DNS, name);
    case ID_USER_FQDN: return cert_has_name(cert, CERT_EMAIL, name);
    case ID_DER_ASN1_DN: return id->len > EMPTY_DN && cert_has_name(cert, CERT_SUBJECT, name);
    default: return false;
    }
}

enum status credentials_check(const struct credentials *c, const struct cert_list *certs, const struct identity *id,
                              int64_t unix_time, struct sign_key **key, const struct why *why)
{
    *key = NULL;
    enum status status = trust_check(c->trust, certs, unix_time, why);
    if (status != OK)
        return ERR_AUTHENTICATION;
    char name[IDENTITY_TEXT], names[CERT_NAMES_TEXT];
    if (!credentials_name_fits(certs->items[0], id))
        return why_refuse(
            why, ERR_AUTHENTICATION,
            "the peer calls itself %s, and its certificate does not bear that name: it is for %s; the peer "
            "should use one of these as its identity, or get a certificate with that name",
            identity_print(id, name), cert_names_print(certs->items[0], names));
    return cert_key(certs->items[0], c->allow, key, why) == OK ? OK : ERR_AUTHENTICATION;
}
