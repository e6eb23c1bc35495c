/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/v1_cert.h"

static enum status add(struct cert_list *list, struct bytes der, const struct why *why)
{
    struct cert *cert;
    if (list->count == CERTS_MAX)
        return why_refuse(why, ERR_LIMIT,
                          "the peer sent more than %d certificates: it should send its own and those between "
                          "it and the CA",
                          CERTS_MAX);
    enum status status = cert_read(der, &cert);
    if (status == ERR_LIMIT)
        return why_refuse(why, status, "the peer sent a certificate of %zu bytes: at most %d are taken", der.len,
                          CERT_SIZE_MAX);
    if (status != OK)
        return why_refuse(why, status, "the peer sent a certificate that makes no sense (number %zu)", list->count + 1);
    return cert_list_add(list, cert);
}

enum status v1_certs_read(const struct payloads *p, struct cert_list *out, const struct why *why)
{
    enum status status = OK;
    unsigned other = 0;
    *out = (struct cert_list){0};
    for (size_t i = 0; i < p->count && status == OK; i++) {
        if (p->items[i].type != PAYLOAD_CERT)
            continue;
        struct reader r = reader_of_bytes(p->items[i].body);
        uint8_t encoding = read_u8(&r);
        if (r.failed)
            status = why_refuse(why, ERR_MALFORMED, "the peer sent an empty certificate payload");
        else if (encoding == V1_CERT_X509_SIGNATURE)
            status = add(out, read_rest(&r), why);
        else
            other = encoding;
    }
    if (status == OK && out->count == 0 && other != 0)
        status =
            why_refuse(why, ERR_NOT_FOUND,
                       "the peer sent its certificate in encoding %u, and only 4 (X.509, signature) is taken", other);
    else if (status == OK && out->count == 0)
        status = why_refuse(why, ERR_NOT_FOUND, "the peer sent no certificate: set it to send its own");
    if (status != OK)
        cert_list_free(out);
    return status;
}

void v1_certs_write(struct chain *chain, struct writer *w, const struct cert_list *certs)
{
    for (size_t i = 0; i < certs->count; i++) {
        struct bytes der = cert_der(certs->items[i]);
        chain_open(chain, w, PAYLOAD_CERT);
        write_u8(w, V1_CERT_X509_SIGNATURE);
        write_bytes(w, der.data, der.len);
        chain_close(chain, w);
    }
}

void v1_certreq_write(struct chain *chain, struct writer *w, const struct cert_list *authorities, size_t most)
{
    size_t sum = 0;
    for (size_t i = 0; i < authorities->count; i++)
        sum += PAYLOAD_HEADER + 1 + cert_subject(authorities->items[i]).len;
    bool any = sum > most || sum > CERTREQ_MAX; /* RFC 2408 3.10: without an authority, any will do */
    for (size_t i = 0; i < (any ? 1 : authorities->count); i++) {
        struct bytes name = any ? (struct bytes){0} : cert_subject(authorities->items[i]);
        chain_open(chain, w, PAYLOAD_CERTREQ);
        write_u8(w, V1_CERT_X509_SIGNATURE);
        write_bytes(w, name.data, name.len);
        chain_close(chain, w);
    }
}

static bool leads_to(const struct cert_list *certs, struct bytes authority)
{
    for (size_t i = 0; i < certs->count; i++)
        if (dn_equal(cert_issuer(certs->items[i]), authority) || dn_equal(cert_subject(certs->items[i]), authority))
            return true;
    return false;
}

bool v1_certreq_unmet(const struct payloads *p, const struct cert_list *certs)
{
    bool asked = false;
    for (size_t i = 0; i < p->count; i++) {
        if (p->items[i].type != PAYLOAD_CERTREQ)
            continue;
        struct reader r = reader_of_bytes(p->items[i].body);
        bool ours = read_u8(&r) == V1_CERT_X509_SIGNATURE;
        struct bytes authority = read_rest(&r);
        if (r.failed || !ours) /* an empty one asks for nothing (CVE-2004-0220) */
            continue;
        if (authority.len == 0 || leads_to(certs, authority))
            return false;
        asked = true;
    }
    return asked;
}
