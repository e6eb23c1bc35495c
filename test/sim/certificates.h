/* SPDX-License-Identifier: Apache-2.0 */
/* What the simulations of phase 1 with signatures share: a family for each kind of key, and ends that use it. */
#ifndef TEST_SIM_CERTIFICATES_H
#define TEST_SIM_CERTIFICATES_H

#include "test/sim/bench.h"

#include "crypto/key_file.h"
#include "test/pki.h"

/* Made once: a root, an intermediate authority, and an end for each side, of each kind of key. */
static struct family {
    struct pki *root, *middle, *end[2];
} families[PKI_RSA2048 + 1];

static struct pki *stranger;

static enum ike_mode mode; /* of all that is equipped from now on */

static inline int make(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < COUNT(families); kind++) {
        struct family *f = &families[kind];
        f->root = pki_ca("CN=Root", (enum pki_kind)kind, NULL);
        f->middle = pki_ca("CN=Middle", (enum pki_kind)kind, f->root);
        f->end[0] = pki_end("CN=end0", "DNS:end0.example.org", (enum pki_kind)kind, f->middle);
        f->end[1] = pki_end("CN=end1", "DNS:end1.example.org", (enum pki_kind)kind, f->middle);
    }
    stranger = pki_ca("CN=Stranger", PKI_EC256, NULL);
    return 0;
}

static inline int make_aggressive(void **state)
{
    mode = MODE_AGGRESSIVE;
    return make(state);
}

static inline int drop(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < COUNT(families); kind++) {
        pki_free(families[kind].root);
        pki_free(families[kind].middle);
        pki_free(families[kind].end[0]);
        pki_free(families[kind].end[1]);
    }
    pki_free(stranger);
    return 0;
}

static inline struct identity an_identity(const char *text)
{
    struct identity id;
    assert_int_equal(identity_parse(text, &id), OK);
    return id;
}

static inline struct credentials *credentials_from(struct pki *key, struct pki *cert, struct pki *between,
                                                   struct pki *ca)
{
    struct credentials *c;
    char text[512] = "";
    const struct why why = {text, sizeof text};
    assert_int_equal(credentials_new(0, &c), OK);
    assert_int_equal(key_file_read(pki_key_pem(key, NULL), (struct bytes){0}, 0, &c->key, &c->chain, &why), OK);
    assert_int_equal(cert_list_read(pki_cert_pem(cert), CERTS_MAX, &c->chain, &why), OK);
    if (between != NULL)
        assert_int_equal(cert_list_read(pki_cert_pem(between), CERTS_MAX, &c->chain, &why), OK);
    assert_int_equal(trust_add_ca(c->trust, pki_cert_pem(ca), &why), OK);
    return c;
}

static inline void equip(struct rig *rig, int i, struct credentials *credentials, const char *local, const char *remote)
{
    struct connection *c = &rig->ends[i].connection;
    credentials_free(c->credentials);
    for (int k = 0; k < RIG_ENDS; k++)
        rig->ends[k].connection.mode = mode;
    c->auth = AUTH_PUBKEY;
    secret_free(&c->psk);
    c->credentials = credentials;
    c->local_id = an_identity(local);
    c->remote_id = an_identity(remote);
}

static const char *const names[] = {"end0.example.org", "end1.example.org"};

static inline void equip_both(struct rig *rig, enum pki_kind kind)
{
    const struct family *f = &families[kind];
    for (int i = 0; i < RIG_ENDS; i++)
        equip(rig, i, credentials_from(f->end[i], f->end[i], f->middle, f->root), names[i], names[1 - i]);
}

#endif
