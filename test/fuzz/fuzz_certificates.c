/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates of a peer. The first byte says what the rest is: a chain of payloads as message 5 has them (decoded, and
 * checked against an authority), one certificate, or a distinguished name. Whatever can be read is asked for
 * everything, and what is printed is printable.
 */
#include <stdlib.h>
#include <string.h>

#include "ike/v1_cert.h"
#include "policy/credentials.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW = 1800000000 };

static void must(bool condition)
{
    if (!condition)
        abort();
}

static void must_be_printable(const char *text)
{
    for (; *text != '\0'; text++)
        must(*text >= 0x20 && *text < 0x7f);
}

static void ask(const struct cert *cert)
{
    char text[CERT_NAMES_TEXT], reason[512] = "", date[CERT_DATE_TEXT];
    const struct why why = {reason, sizeof reason};
    struct sign_key *key;
    struct cert *again;
    uint8_t value[32] = {1};
    must_be_printable(cert_names_print(cert, text));
    must_be_printable(cert_date_print(cert_not_after(cert), date));
    (void)cert_has_name(cert, CERT_DNS, bytes_of("gw.example.org", 14));
    (void)cert_has_name(cert, CERT_SUBJECT, cert_issuer(cert));
    if (cert_key(cert, ~0u, &key, &why) == OK) {
        must(sign_check(key, bytes_of(value, 32), bytes_of(value, 32)) == ERR_AUTHENTICATION);
        sign_key_free(key);
    }
    must_be_printable(reason);
    if (cert_read(cert_der(cert), &again) == OK)
        cert_free(again);
}

static void name(struct bytes der)
{
    char text[DN_TEXT];
    uint8_t again[2048];
    struct writer w = writer_of(again, sizeof again);
    must_be_printable(dn_print(der, text, sizeof text));
    bool sound = dn_is_sound(der);
    must(dn_equal(der, der) == sound);
    size_t len = strlen(text);
    bool cut = len >= 3 && strcmp(text + len - 3, "...") == 0;
    if (sound && !cut && dn_parse(text, &w) == OK)
        must(dn_is_sound(writer_bytes(&w)));
}

/* What stands behind the first certificate is the authority, so that the whole check runs. */
static void payloads(struct bytes chain)
{
    char text[768] = "";
    const struct why why = {text, sizeof text};
    struct payloads p;
    struct cert_list certs;
    struct credentials *c;
    struct sign_key *key;
    if (payloads_read(PAYLOAD_CERT, chain, true, &p) != OK)
        return;
    enum status status = v1_certs_read(&p, &certs, &why);
    must_be_printable(text);
    must((status == OK) == (certs.count > 0));
    if (credentials_new(~0u, &c) != OK)
        abort();
    for (size_t i = 0; i < certs.count; i++) {
        ask(certs.items[i]);
        if (i > 0 && trust_add_ca(c->trust, cert_der(certs.items[i]), &why) != OK)
            must_be_printable(text);
    }
    (void)v1_certreq_unmet(&p, &certs);
    struct identity id;
    if (certs.count > 0 && identity_of_dn(cert_subject(certs.items[0]), &id) == OK &&
        credentials_check(c, &certs, &id, NOW, &key, &why) == OK)
        sign_key_free(key);
    must_be_printable(text);
    credentials_free(c);
    cert_list_free(&certs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cert *cert;
    if (size < 1)
        return 0;
    struct bytes rest = bytes_of(data + 1, size - 1);
    switch (data[0] % 3) {
    case 0: payloads(rest); break;
    case 1:
        if (cert_read(rest, &cert) == OK) {
            ask(cert);
            cert_free(cert);
        }
        break;
    default: name(rest); break;
    }
    return 0;
}
