/* SPDX-License-Identifier: Apache-2.0 */
/* The files behind key, cert, ca and crl: what is wrong with each, and what they are together. */
#include "daemon_test.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/config.h"
#include "test/pki.h"

/* A folder with a configuration, and what lies in it. */
static struct {
    char path[64];
    struct pki *root, *middle, *gw, *rsa, *other;
} f;

static void save(const char *name, struct bytes data, mode_t mode)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", f.path, name);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(data.data, 1, data.len, out), data.len);
    fclose(out);
    assert_int_equal(chmod(path, mode), 0);
}

static void save_text(const char *name, const char *text, mode_t mode)
{
    save(name, bytes_of(text, strlen(text)), mode);
}

/* Several certificates in one file. */
static void save_certs(const char *name, struct pki *const *certs, size_t count)
{
    char text[65536];
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        struct bytes pem = pki_cert_pem(certs[i]);
        assert_true(len + pem.len < sizeof text);
        memcpy(text + len, pem.data, pem.len);
        len += pem.len;
    }
    save(name, bytes_of(text, len), 0644);
}

/* An end that is valid between the two, in days from now, and half a day longer: no second decides. */
static struct pki *end_between(int64_t from, int64_t until, const char *alt, struct pki *issuer)
{
    int64_t now = (int64_t)time(NULL);
    const struct pki_spec spec = {.subject = "C=CH, CN=gw",
                                  .alt = alt,
                                  .usage = "digitalSignature",
                                  .kind = PKI_EC256,
                                  .from = now + from * PKI_DAY,
                                  .until = now + until * PKI_DAY + PKI_DAY / 2};
    return pki_issue(&spec, issuer, f.gw);
}

static struct pki *ca_for(const char *subject, enum pki_kind kind, struct pki *issuer)
{
    int64_t now = (int64_t)time(NULL);
    const struct pki_spec spec = {.subject = subject,
                                  .basic = "critical,CA:TRUE",
                                  .usage = "digitalSignature,keyCertSign,cRLSign",
                                  .kind = kind,
                                  .from = now - PKI_DAY,
                                  .until = now + 1000 * PKI_DAY};
    return pki_issue(&spec, issuer, NULL);
}

static int make(void **state)
{
    (void)state;
    snprintf(f.path, sizeof f.path, "/tmp/esptun-credentials-XXXXXX");
    assert_non_null(mkdtemp(f.path));
    f.root = ca_for("CN=Root", PKI_EC256, NULL);
    f.middle = ca_for("CN=Middle", PKI_EC256, f.root);
    f.gw = pki_ca("CN=key", PKI_EC256, NULL); /* its key */
    struct pki *gw = end_between(-1, 300, "DNS:gw.example.org", f.middle);
    pki_free(f.gw);
    f.gw = gw;
    f.other = pki_end("CN=other", NULL, PKI_EC256, f.middle);
    f.rsa = ca_for("CN=weak", PKI_RSA1024, NULL);
    save("gw.key", pki_key_pem(f.gw, NULL), 0600);
    save("open.key", pki_key_pem(f.gw, NULL), 0640);
    save("locked.key", pki_key_pem(f.gw, "sesame"), 0600);
    save("weak.key", pki_key_pem(f.rsa, NULL), 0600);
    save("other.key", pki_key_pem(f.other, NULL), 0600);
    save("gw.p12", pki_pkcs12(f.gw, &f.middle, 1, "sesame"), 0600);
    save("bare.p12", pki_pkcs12(f.gw, NULL, 0, ""), 0600);
    save_text("sesame", "sesame\n", 0600);
    save_text("wrong", "wrong\n", 0600);
    save_text("open.password", "sesame\n", 0644);
    save_text("nothing", "", 0600);
    save_certs("gw.pem", (struct pki *[]){f.gw, f.middle, f.root}, 3);
    save_certs("alone.pem", (struct pki *[]){f.gw}, 1);
    save_certs("ca.pem", (struct pki *[]){f.root, f.middle}, 2);
    save_certs("weak.pem", (struct pki *[]){f.rsa}, 1);
    struct pki *rsa = pki_end("CN=rsa", "DNS:rsa.example.org", PKI_RSA2048, f.middle);
    save("rsa.key", pki_key_pem(rsa, NULL), 0600);
    save_certs("rsa.pem", &rsa, 1);
    pki_free(rsa);
    save_text(
        "users",
        "alice:$argon2id$v=19$m=65536,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
        0600);
    struct pki *many[CERTS_MAX + 1];
    for (size_t i = 0; i < COUNT(many); i++)
        many[i] = f.gw;
    save_certs("many.pem", many, COUNT(many));
    int64_t now = (int64_t)time(NULL);
    save("ca.crl", pki_crl_pem(f.middle, &f.other, 1, NULL, now - PKI_DAY, now + PKI_DAY), 0644);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", f.path);
    assert_int_equal(system(command), 0);
    struct pki *all[] = {f.root, f.middle, f.gw, f.rsa, f.other};
    for (size_t i = 0; i < COUNT(all); i++)
        pki_free(all[i]);
    return 0;
}

/* --- loading --- */

struct loaded {
    struct vault *vault;
    struct config *config;
    struct config_errors errors;
    enum status status;
    char *text; /* of messages */
};

static struct loaded load(const char *keys)
{
    char text[2048], path[128];
    struct loaded l = {.vault = vault_new()};
    size_t len = 0;
    assert_non_null(l.vault);
    snprintf(path, sizeof path, "%s/esptun.ini", f.path);
    snprintf(text, sizeof text, "[connection a]\nremote = 198.51.100.2\nauth = pubkey\n%s", keys);
    l.status = config_load_text(path, bytes_of(text, strlen(text)), true, l.vault, &l.config, &l.errors);
    FILE *out = open_memstream(&l.text, &len);
    assert_non_null(out);
    config_errors_print(&l.errors, out);
    fclose(out);
    return l;
}

static void unload(struct loaded *l)
{
    config_errors_free(&l->errors);
    config_free(l->config);
    free(l->text);
    assert_int_equal(vault_live(l->vault), 0);
    vault_free(l->vault);
}

#define CERTS "key = gw.key\ncert = gw.pem\nca = ca.pem\nlocal_id = gw.example.org\n"

static void test_what_is_refused_b47(void **state)
{
    (void)state;
    static const struct {
        const char *keys;
        unsigned line;
        const char *says;
    } table[] = {
        {"", 1, "lacks key cert ca: write key = FILE"},
        {"key = gw.key\n", 1, "lacks cert ca:"},
        {"key = gw.key\ncert = gw.pem\n", 1, "lacks ca:"},
        {"cert = gw.pem\nca = ca.pem\n", 1, "lacks key:"},
        {"key = gw.key\nca = ca.pem\n", 1, "lacks cert:"},
        {"key =\ncert = gw.pem\nca = ca.pem\n", 4, "key is not a path"},
        {"key = no.key\ncert = gw.pem\nca = ca.pem\n", 4, "cannot read key "},
        {"key = .\ncert = gw.pem\nca = ca.pem\n", 4, "is not a plain file"},
        {"key = open.key\ncert = gw.pem\nca = ca.pem\n", 4, "is open to others (mode 0640): chmod 600"},
        {"key = nothing\ncert = gw.pem\nca = ca.pem\n", 4, "key nothing: there is no private key"},
        {"key = gw.pem\ncert = gw.pem\nca = ca.pem\n", 4, "open to others"},
        {"key = locked.key\ncert = gw.pem\nca = ca.pem\n", 4, "the key is encrypted: write key_password_file = FILE"},
        {"key = gw.p12\nca = ca.pem\n", 4, "the key is encrypted: write key_password_file = FILE"},
        {"key_password_file = wrong\nkey = locked.key\ncert = gw.pem\nca = ca.pem\n", 5, "does not open it"},
        {"key_password_file = nothing\nkey = gw.key\ncert = gw.pem\nca = ca.pem\n", 4, "key_password_file is empty"},
        {"key_password_file = open.password\nkey = gw.key\ncert = gw.pem\nca = ca.pem\n", 4, "is open to others"},
        {"key_password_file = none\nkey = gw.key\ncert = gw.pem\nca = ca.pem\n", 4, "cannot read key_password_file"},
        {"key = weak.key\ncert = weak.pem\nca = ca.pem\n", 4, "has 1024 bits, and that is too weak"},
        {"key = gw.key\ncert = none.pem\nca = ca.pem\n", 5, "cannot read cert"},
        {"key = gw.key\ncert = gw.key\nca = ca.pem\n", 5, "cert gw.key: there is no certificate"},
        {"key = gw.key\ncert = many.pem\nca = ca.pem\n", 5, "there are more than 8 certificates"},
        {"key = other.key\ncert = gw.pem\nca = ca.pem\n", 5, "cert and key do not belong together"},
        {"key = gw.key\ncert = ca.pem\nca = ca.pem\n", 5,
         "cert and key do not belong together: the first certificate, of CN=Root"},
        {"key = gw.key\ncert = gw.pem\nca = none.pem\n", 6, "cannot read ca"},
        {"key = gw.key\ncert = gw.pem\nca = nothing\n", 6, "ca nothing: there is no certificate"},
        {CERTS "crl = none.crl\n", 8, "cannot read crl"},
        {CERTS "crl = ca.pem\n", 8, "crl ca.pem: there is no CRL"},
        {CERTS "psk = correct horse battery\n", 8, "psk belongs to auth = psk: remove it"},
        {CERTS "psk_file = x\n", 8, "psk_file"},
        {CERTS "mode = aggressive\nike = aes256-sha256-modp2048, aes256-sha256-ecp256\n", 9, "differ in their group"},
        {CERTS "pool = 10.9.0.0/24\n", 8, "pool belongs to remote access: write auth = xauth-psk or xauth-pubkey"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct loaded l = load(table[i].keys);
        char prefix[128];
        snprintf(prefix, sizeof prefix, "%s/esptun.ini:%u: ", f.path, table[i].line);
        if (l.status != ERR_MALFORMED)
            fail_msg("accepted: %s", table[i].keys);
        assert_has(l.text, prefix);
        assert_has(l.text, table[i].says);
        unload(&l);
    }
}

static void test_keys_of_the_other_way(void **state)
{
    (void)state;
    static const char *const keys[] = {"key", "cert", "ca", "crl", "key_password_file"};
    for (size_t i = 0; i < COUNT(keys); i++) {
        char text[256], says[64];
        struct loaded l = {.vault = vault_new()};
        struct config_errors *e = &l.errors;
        snprintf(text, sizeof text, "[connection a]\nremote = 198.51.100.2\npsk = correct horse battery\n%s = %s/%s\n",
                 keys[i], f.path,
                 i == 0   ? "gw.key"
                 : i == 3 ? "ca.crl"
                 : i == 4 ? "sesame"
                          : "gw.pem");
        l.status = config_load_text("x.ini", bytes_of(text, strlen(text)), false, l.vault, &l.config, e);
        assert_int_equal(l.status, ERR_MALFORMED);
        assert_int_equal(e->count, 1);
        assert_int_equal(e->items[0].line, 4);
        snprintf(says, sizeof says, "%s belongs to auth = pubkey", keys[i]);
        assert_has(e->items[0].text, says);
        unload(&l);
    }
}

static void good(const char *keys, unsigned warnings)
{
    struct loaded l = load(keys);
    if (l.status != OK || l.errors.warnings != warnings)
        fail_msg("%s%s", keys, l.text);
    assert_non_null(l.config->connections[0].credentials->key);
    unload(&l);
}

static void test_what_is_taken(void **state)
{
    (void)state;
    good(CERTS, 1); /* warnings: a connection that no rule uses */
    good(CERTS "crl = ca.crl\n", 1);
    good("key_password_file = sesame\nkey = locked.key\ncert = gw.pem\nca = ca.pem\n", 1);
    good("key_password_file = sesame\nkey = gw.p12\nca = ca.pem\n", 1);
    good("key = bare.p12\nca = ca.pem\n", 1);
    good("key = bare.p12\ncert = gw.pem\nca = ca.pem\n", 1);
    good("allow = rsa1024\nkey = weak.key\ncert = weak.pem\nca = ca.pem\n", 2); /* and the weak key */
}

/* The names and our certificates are in clear: its own warning, and not the one about pre-shared keys. */
static void test_aggressive_mode(void **state)
{
    (void)state;
    struct loaded l = load(CERTS "mode = aggressive\n");
    assert_int_equal(l.status, OK);
    assert_has(l.text, "aggressive mode with certificates: the names of both ends and our certificates go in clear");
    assert_null(strstr(l.text, "pre-shared"));
    assert_int_equal(l.config->connections[0].mode, MODE_AGGRESSIVE);
    assert_int_equal(l.config->connections[0].ike.count, 1); /* the default, as far as it has one group */
    unload(&l);
    l = load("key = gw.key\ncert = gw.pem\nca = ca.pem\nmode = aggressive\n"); /* the subject says who we are */
    assert_int_equal(l.status, OK);
    unload(&l);
}

/* auth = xauth-pubkey, as a server and as a client, by kind of key: XAUTH has a number for RSA alone. */
static void test_with_a_login(void **state)
{
    (void)state;
    static const char rsa[] = "key = rsa.key\ncert = rsa.pem\nca = ca.pem\n", ecdsa[] = CERTS;
    static const char *const roles[] = {"remote = %any\nstart = none\nusers = users\n",
                                        "remote = 198.51.100.2\nxauth_user = alice\nxauth_password_file = sesame\n"};
    for (size_t i = 0; i < COUNT(roles); i++)
        for (int good = 0; good <= 1; good++) {
            char text[1024], path[128];
            char *printed = NULL;
            size_t len = 0;
            struct loaded l = {.vault = vault_new()};
            snprintf(path, sizeof path, "%s/esptun.ini", f.path);
            snprintf(text, sizeof text, "[connection a]\nauth = xauth-pubkey\n%s%s", roles[i], good ? rsa : ecdsa);
            l.status = config_load_text(path, bytes_of(text, strlen(text)), false, l.vault, &l.config, &l.errors);
            FILE *out = open_memstream(&l.text, &len);
            config_errors_print(&l.errors, out);
            fclose(out);
            if (l.status != (good ? OK : ERR_MALFORMED))
                fail_msg("%s%s", text, l.text);
            if (!good) {
                assert_has(l.text, "auth = xauth-pubkey wants an RSA key, and ours is for ECDSA P-256");
                unload(&l);
                continue;
            }
            const struct connection *c = &l.config->connections[0];
            assert_int_equal(c->auth, AUTH_PUBKEY);
            assert_non_null(c->credentials->key);
            assert_int_equal(c->access->server, i == 0);
            out = open_memstream(&printed, &len);
            config_print(l.config, out);
            fclose(out);
            assert_has(printed, "auth             = xauth-pubkey");
            assert_has(printed, i == 0 ? "users may log in" : "xauth_user       = alice");
            assert_has(printed, "; cert: CN=rsa");
            assert_null(strstr(printed, "pre-shared"));
            assert_null(strstr(printed, "sesame"));
            free(printed);
            unload(&l);
        }
}

/* What is sent: ours and the intermediate one, never the root. */
static void test_the_chain(void **state)
{
    (void)state;
    struct loaded l = load(CERTS);
    const struct credentials *c = l.config->connections[0].credentials;
    assert_int_equal(c->chain.count, 2);
    assert_int_equal(trust_cas(c->trust)->count, 2);
    unload(&l);
    l = load("key_password_file = sesame\nkey = gw.p12\nca = ca.pem\n");
    assert_int_equal(l.config->connections[0].credentials->chain.count, 2);
    unload(&l);
    l = load("key_password_file = sesame\nkey = gw.p12\ncert = alone.pem\nca = ca.pem\n"); /* cert counts */
    assert_int_equal(l.config->connections[0].credentials->chain.count, 1);
    unload(&l);
}

static void test_local_id(void **state)
{
    (void)state;
    char text[IDENTITY_TEXT];
    struct loaded l = load("key = gw.key\ncert = gw.pem\nca = ca.pem\n");
    assert_string_equal(identity_print(&l.config->connections[0].local_id, text), "C=CH, CN=gw"); /* the subject */
    unload(&l);
    l = load("key = gw.key\ncert = gw.pem\nca = ca.pem\nlocal_id = c=ch, cn=GW\n"); /* in the spelling of the file */
    assert_string_equal(identity_print(&l.config->connections[0].local_id, text), "C=CH, CN=gw");
    unload(&l);
    static const char *const absent[] = {"192.0.2.1", "gw2.example.org", "CN=gw", "keyid:gw"};
    for (size_t i = 0; i < COUNT(absent); i++) {
        char keys[256];
        snprintf(keys, sizeof keys, "key = gw.key\ncert = gw.pem\nca = ca.pem\nlocal_id = %s\n", absent[i]);
        l = load(keys);
        assert_int_equal(l.status, OK);
        assert_has(l.text, "is not in our certificate, so peers refuse it: it has C=CH, CN=gw; also gw.example.org");
        unload(&l);
    }
}

static void test_dates(void **state)
{
    (void)state;
    static const struct {
        int64_t from, until;
        const char *says; /* NULL: nothing */
    } table[] = {
        {-9, -2, "expired on"},           {-9, 0, "in 0 days"}, {-9, 1, "in 1 day: renew it"},
        {-9, 29, "in 29 days: renew it"}, {-9, 30, NULL},       {2, 90, "valid from"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct pki *end = end_between(table[i].from, table[i].until, "DNS:gw.example.org", f.middle);
        save_certs("dated.pem", &end, 1);
        struct loaded l = load("key = gw.key\ncert = dated.pem\nca = ca.pem\nlocal_id = gw.example.org\n");
        assert_int_equal(l.status, OK);
        if (table[i].says != NULL) {
            assert_has(l.text, "esptun.ini:5: warning: the certificate of C=CH, CN=gw; also gw.example.org");
            assert_has(l.text, table[i].says);
        } else {
            assert_null(strstr(l.text, "certificate"));
        }
        unload(&l);
        pki_free(end);
    }
}

/* Chains that do not fit into one message. */
static void test_large_chains(void **state)
{
    (void)state;
    char alt[4096] = "DNS:gw.example.org";
    for (size_t i = 0; i < 60; i++)
        strcat(alt, ",DNS:a-rather-long-name-of-a-host.example.org");
    struct pki *end = end_between(-1, 90, alt, f.middle);
    struct pki *chain[] = {end, end, end};
    save_certs("large.pem", chain, 3);
    struct loaded l = load("key = gw.key\ncert = large.pem\nca = ca.pem\nlocal_id = gw.example.org\n");
    assert_int_equal(l.status, ERR_MALFORMED);
    assert_has(l.text, "one message carries 6144 of them");
    unload(&l);
    pki_free(end);
}

/* `check` shows subject, names, issuer and end of each, and no secret. */
static void test_print(void **state)
{
    (void)state;
    struct loaded l = load(CERTS);
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    config_print(l.config, out);
    fclose(out);
    assert_has(text, "auth             = pubkey\n");
    assert_has(text, "; key: ECDSA P-256, 256 bits, not shown\n");
    assert_has(text, "; cert: C=CH, CN=gw; also gw.example.org; issued by CN=Middle; expires 20");
    assert_has(text, "; cert, intermediate: CN=Middle; issued by CN=Root; expires 20");
    assert_has(text, "; ca: CN=Root; issued by CN=Root; expires 20");
    free(text);
    unload(&l);
}

/* What a name server says proves nothing: the certificate has to have the name that was written. */
static void test_a_peer_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *remote, *more, *expected;
    } rows[] = {
        {"gw.example.org", "", "gw.example.org"},
        {"gw.example.org.", "", "gw.example.org"},
        {"gw.example.org", "remote_id = other.example.org\n", "other.example.org"},
        {"198.51.100.2", "", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[1024], path[128], name[IDENTITY_TEXT];
        struct loaded l = {.vault = vault_new(), .text = NULL};
        snprintf(path, sizeof path, "%s/esptun.ini", f.path);
        snprintf(text, sizeof text, "[connection a]\nremote = %s\nauth = pubkey\n%s%s", rows[i].remote, rows[i].more,
                 CERTS);
        l.status = config_load_text(path, bytes_of(text, strlen(text)), true, l.vault, &l.config, &l.errors);
        assert_int_equal(l.status, OK);
        const struct identity *id = &l.config->connections[0].remote_id;
        assert_int_equal(id->type, rows[i].expected != NULL ? ID_FQDN : ID_NONE);
        if (rows[i].expected != NULL)
            assert_string_equal(identity_print(id, name), rows[i].expected);
        unload(&l);
    }
}

#define RSA_CERTS "key = rsa.key\ncert = rsa.pem\nca = ca.pem\nlocal_id = gw.example.org\n"

static void save_rsa(void)
{
    const int64_t now = (int64_t)time(NULL);
    const struct pki_spec spec = {.subject = "C=CH, CN=gw",
                                  .alt = "DNS:gw.example.org",
                                  .usage = "digitalSignature",
                                  .kind = PKI_RSA2048,
                                  .from = now - PKI_DAY,
                                  .until = now + 300 * PKI_DAY};
    struct pki *end = pki_issue(&spec, f.middle, NULL);
    save("rsa.key", pki_key_pem(end, NULL), 0600);
    save_certs("rsa.pem", &end, 1);
    pki_free(end);
}

/* Peers at %any, with certificates: told apart by their names, and by the kinds of keys that they offer. */
static void test_twins(void **state)
{
    (void)state;
    static const char each[] = "[connection %c]\nremote = %%any\nstart = none\nauth = pubkey\n%s%s\n";
    static const char acl[] = "[acl]\nprotect = 10.1.0.0/24 -> 10.2.0.0/24 via a\n"
                              "protect = 10.1.0.0/24 -> 10.3.0.0/24 via b\n"
                              "protect = 10.1.0.0/24 -> 10.4.0.0/24 via c\n";
    static const char only_a[] = "when the peer calls, only a answers", only_b[] = "only b answers",
                      kinds[] = "another kind of key (RSA", offers[] = "offers both kinds, a answers";
#define A "remote_id = a.example.org"
#define B "remote_id = b.example.org"
#define C "remote_id = c.example.org"
    static const struct {
        const char *keys[3], *names[3];
        const char *says[2]; /* each in a warning of its own */
    } table[] = {
        {{CERTS, CERTS, CERTS}, {A, B, C}, {NULL}},
        {{CERTS, CERTS, CERTS}, {"", B, C}, {NULL}},
        {{CERTS, CERTS, CERTS}, {A, "", C}, {only_a}},
        {{CERTS, CERTS, CERTS}, {A, "remote_id = A.example.org", C}, {only_a}},
        {{CERTS, RSA_CERTS, CERTS}, {A, B, C}, {NULL}},
        {{CERTS, RSA_CERTS, CERTS}, {A, A, C}, {kinds}},
        {{CERTS, RSA_CERTS, CERTS}, {A, "", C}, {offers}},
        {{CERTS, RSA_CERTS, RSA_CERTS}, {A, A, A}, {offers, only_b}},
        {{CERTS, RSA_CERTS, CERTS}, {A, A, A}, {offers, only_a}},
    };
    save_rsa();
    for (size_t i = 0; i < COUNT(table); i++) {
        struct loaded l = {.vault = vault_new()};
        char text[2048], path[128];
        size_t used = 0, says = 0;
        snprintf(path, sizeof path, "%s/esptun.ini", f.path);
        for (int n = 0; n < 3; n++)
            used +=
                (size_t)snprintf(text + used, sizeof text - used, each, 'a' + n, table[i].keys[n], table[i].names[n]);
        snprintf(text + used, sizeof text - used, "%s", acl);
        l.status = config_load_text(path, bytes_of(text, strlen(text)), true, l.vault, &l.config, &l.errors);
        assert_int_equal(l.status, OK);
        for (; says < COUNT(table[i].says) && table[i].says[says] != NULL; says++)
            assert_has(l.errors.items[says].text, table[i].says[says]);
        if (l.errors.warnings != says)
            fail_msg("row %zu: %zu warnings, not %zu", i, (size_t)l.errors.warnings, says);
        unload(&l);
    }
}

/* Connections one after the other with the same files share what is in them; others do not. */
static void test_sharing(void **state)
{
    (void)state;
    static const char *const tables[] = {CERTS,
                                         CERTS,
                                         "allow = rsa1024\n" CERTS,
                                         "allow = rsa1024\n" CERTS "crl = ca.crl\n",
                                         "key = gw.key\ncert = alone.pem\nca = ca.pem\nlocal_id = nobody\n",
                                         "key = gw.key\ncert = alone.pem\nca = ca.pem\nlocal_id = nobody2\n"};
    char text[4096] = "", path[128];
    struct loaded l = {.vault = vault_new()};
    size_t used = 0;
    for (size_t i = 0; i < COUNT(tables); i++)
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "[connection c%zu]\nremote = 198.51.100.%zu\nauth = pubkey\n%s", i, i + 1, tables[i]);
    snprintf(path, sizeof path, "%s/esptun.ini", f.path);
    l.status = config_load_text(path, bytes_of(text, used), true, l.vault, &l.config, &l.errors);
    assert_int_equal(l.status, OK);
    const struct connection *c = l.config->connections;
    assert_ptr_equal(c[0].credentials, c[1].credentials);
    assert_int_equal(c[0].credentials->owners, 2);
    for (size_t i = 1; i < 4; i++)
        assert_ptr_not_equal(c[i].credentials, c[i + 1].credentials);
    assert_ptr_equal(c[4].credentials, c[5].credentials);
    size_t names = 0;
    for (size_t i = 0; i < l.errors.count; i++)
        names += strstr(l.errors.items[i].text, "is not in our certificate") != NULL;
    assert_int_equal(names, 2); /* what is each one's own is looked at */
    unload(&l);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_refused_b47),
        cmocka_unit_test(test_keys_of_the_other_way),
        cmocka_unit_test(test_what_is_taken),
        cmocka_unit_test(test_aggressive_mode),
        cmocka_unit_test(test_with_a_login),
        cmocka_unit_test(test_the_chain),
        cmocka_unit_test(test_local_id),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_large_chains),
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_a_peer_by_name),
        cmocka_unit_test(test_twins),
        cmocka_unit_test(test_sharing),
    };
    return cmocka_run_group_tests(tests, make, drop);
}
