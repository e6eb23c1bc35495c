/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/ike/ike_test.h"

#include "ike/v1_cert.h"
#include "test/pki.h"

static char text[512];
static const struct why why = {text, sizeof text};

static struct {
    struct pki *ca, *end;
} pki;

static int make(void **state)
{
    (void)state;
    pki.ca = pki_ca("CN=Root", PKI_EC256, NULL);
    pki.end = pki_end("CN=gw", NULL, PKI_EC256, pki.ca);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    pki_free(pki.ca);
    pki_free(pki.end);
    return 0;
}

/* A body of a CERT payload: encoding, then DER. Static: until the next call. */
static struct bytes body(uint8_t encoding, struct bytes der)
{
    static uint8_t data[CERT_SIZE_MAX + 16];
    data[0] = encoding;
    assert_true(der.len < sizeof data);
    if (der.len > 0)
        memcpy(data + 1, der.data, der.len);
    return bytes_of(data, der.len + 1);
}

static struct payloads one(uint8_t type, struct bytes what)
{
    return (struct payloads){.items = {{.type = type, .body = what}}, .count = 1};
}

static void refused(const struct payloads *p, enum status status, const char *says)
{
    struct cert_list list;
    assert_int_equal(v1_certs_read(p, &list, &why), status);
    assert_int_equal(list.count, 0);
    assert_null(list.items);
    if (strstr(text, says) == NULL)
        fail_msg("'%s' does not say '%s'", text, says);
}

static void what_is_no_certificate(void **state)
{
    (void)state;
    struct payloads p = {.count = 0};
    refused(&p, ERR_NOT_FOUND, "sent no certificate");
    p = one(PAYLOAD_CERTREQ, body(4, pki_cert_der(pki.end)));
    refused(&p, ERR_NOT_FOUND, "sent no certificate");
    p = one(PAYLOAD_CERT, (struct bytes){0});
    refused(&p, ERR_MALFORMED, "empty");
    p = one(PAYLOAD_CERT, body(4, (struct bytes){0}));
    refused(&p, ERR_MALFORMED, "makes no sense (number 1)");
    struct bytes der = pki_cert_der(pki.end);
    p = one(PAYLOAD_CERT, body(4, bytes_of(der.data, der.len - 1)));
    refused(&p, ERR_MALFORMED, "makes no sense");
    for (unsigned encoding = 0; encoding < 256; encoding++) {
        if (encoding == V1_CERT_X509_SIGNATURE)
            continue;
        char says[64];
        snprintf(says, sizeof says, encoding != 0 ? "in encoding %u, and only 4" : "no certificate", encoding);
        p = one(PAYLOAD_CERT, body((uint8_t)encoding, der));
        refused(&p, ERR_NOT_FOUND, says);
    }
}

static void sizes_and_numbers(void **state)
{
    (void)state;
    static uint8_t zeros[CERT_SIZE_MAX + 1] = {0x30};
    struct payloads p = one(PAYLOAD_CERT, body(4, bytes_of(zeros, CERT_SIZE_MAX)));
    refused(&p, ERR_MALFORMED, "makes no sense");
    p = one(PAYLOAD_CERT, body(4, bytes_of(zeros, CERT_SIZE_MAX + 1)));
    refused(&p, ERR_LIMIT, "of 8193 bytes");
    struct bytes good = body(4, pki_cert_der(pki.end));
    for (size_t n = 1; n <= 20; n++) {
        struct cert_list list;
        p.count = n;
        for (size_t i = 0; i < n; i++)
            p.items[i] = (struct payload){.type = PAYLOAD_CERT, .body = good};
        if (n > CERTS_MAX) {
            refused(&p, ERR_LIMIT, "more than 8 certificates");
            continue;
        }
        assert_int_equal(v1_certs_read(&p, &list, &why), OK);
        assert_int_equal(list.count, n);
        cert_list_free(&list);
    }
}

/* A whole chain there and back; other kinds between them are passed over. */
static void round_trip(void **state)
{
    (void)state;
    struct cert_list certs = {0}, read;
    struct cert *cert;
    uint8_t out[4096];
    struct payloads p;
    assert_int_equal(cert_read(pki_cert_der(pki.end), &cert), OK);
    assert_int_equal(cert_list_add(&certs, cert), OK);
    assert_int_equal(cert_read(pki_cert_der(pki.ca), &cert), OK);
    assert_int_equal(cert_list_add(&certs, cert), OK);
    struct writer w = writer_of(out, sizeof out);
    write_u8(&w, 0);
    struct chain chain = chain_begin(0);
    chain_add(&chain, &w, PAYLOAD_CERT, bytes_of("\x07 a CRL", 7));
    v1_certs_write(&chain, &w, &certs);
    assert_false(w.failed);
    assert_int_equal(payloads_read(out[0], bytes_of(out + 1, w.len - 1), false, &p), OK);
    assert_int_equal(p.count, 3);
    assert_int_equal(v1_certs_read(&p, &read, &why), OK);
    assert_int_equal(read.count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(cert_der(read.items[i]).len, cert_der(certs.items[i]).len);
        assert_memory_equal(cert_der(read.items[i]).data, cert_der(certs.items[i]).data, cert_der(read.items[i]).len);
    }
    cert_list_free(&read);
    cert_list_free(&certs);
}

static struct payloads request_for(struct cert_list *authorities, size_t most)
{
    static uint8_t out[8192];
    struct payloads p;
    struct writer w = writer_of(out, sizeof out);
    write_u8(&w, 0);
    struct chain chain = chain_begin(0);
    v1_certreq_write(&chain, &w, authorities, most);
    assert_false(w.failed);
    assert_int_equal(payloads_read(out[0], bytes_of(out + 1, w.len - 1), false, &p), OK);
    return p;
}

static void requests(void **state)
{
    (void)state;
    struct cert_list own = {0}, cas = {0}, strangers = {0}, none = {0};
    struct cert *cert;
    assert_int_equal(cert_read(pki_cert_der(pki.end), &cert), OK);
    assert_int_equal(cert_list_add(&own, cert), OK);
    assert_int_equal(cert_read(pki_cert_der(pki.ca), &cert), OK);
    assert_int_equal(cert_list_add(&cas, cert), OK);
    struct pki *stranger = pki_ca("CN=Stranger", PKI_EC256, NULL);
    struct payloads p = request_for(&none, 8192);
    assert_int_equal(p.count, 0);
    assert_false(v1_certreq_unmet(&p, &own)); /* nobody asked */
    p = request_for(&cas, 8192);
    assert_int_equal(p.count, 1);
    assert_int_equal(p.items[0].type, PAYLOAD_CERTREQ);
    assert_int_equal(p.items[0].body.data[0], V1_CERT_X509_SIGNATURE);
    assert_int_equal(p.items[0].body.len, 1 + cert_subject(cas.items[0]).len);
    assert_false(v1_certreq_unmet(&p, &own));
    size_t exactly = 5 + cert_subject(cas.items[0]).len;
    assert_int_equal(request_for(&cas, exactly).items[0].body.len, exactly - 4);
    assert_int_equal(request_for(&cas, exactly - 1).items[0].body.len, 1);
    assert_int_equal(request_for(&cas, 0).items[0].body.len, 1);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(cert_read(pki_cert_der(stranger), &cert), OK);
        assert_int_equal(cert_list_add(&strangers, cert), OK);
        p = request_for(&strangers, 8192);
        bool any = (i + 1) * (5 + cert_subject(cert).len) > CERTREQ_MAX; /* too many to be named: one for any */
        assert_int_equal(p.count, any ? 1 : i + 1);
        assert_int_equal(v1_certreq_unmet(&p, &own), !any);
        if (p.count == PAYLOADS_MAX)
            break;
    }
    /* Empty, of another encoding, or with rubbish as authority: nothing is read behind them (CVE-2004-0220). */
    p = one(PAYLOAD_CERTREQ, (struct bytes){0});
    assert_false(v1_certreq_unmet(&p, &own));
    p = one(PAYLOAD_CERTREQ, bytes_of("\x02", 1));
    assert_false(v1_certreq_unmet(&p, &own));
    p = one(PAYLOAD_CERTREQ, bytes_of("\x04", 1));
    assert_false(v1_certreq_unmet(&p, &own));
    p = one(PAYLOAD_CERTREQ, bytes_of("\x04\x30\x7f", 3));
    assert_true(v1_certreq_unmet(&p, &own));
    pki_free(stranger);
    cert_list_free(&own);
    cert_list_free(&cas);
    cert_list_free(&strangers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_certificate),
        cmocka_unit_test(sizes_and_numbers),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(requests),
    };
    return cmocka_run_group_tests(tests, make, drop);
}
