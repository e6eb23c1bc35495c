/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates of a connection: the files behind key, cert, ca and crl, and whether they fit together. */
#include <string.h>

#include "crypto/key_file.h"
#include "daemon/config_apply.h"
#include "daemon/config_errors.h"
#include "ike/limits.h"

enum {
    KEY_FILE_MAX = 1 << 17,
    CA_FILE_MAX = 1 << 20,
    CRL_FILE_MAX = 1 << 24,
    WHY_TEXT = 640,
    DAY_S = 86400,
    EXPIRY_DAYS = 30, /* so long before the end `check` warns */
};

/* Those of the connection, made when the first of its keys comes. */
static struct credentials *credentials_of(struct config_load *load, const struct config_item *item)
{
    struct connection *c = item->target;
    if (c->credentials == NULL && credentials_new(c->allow, &c->credentials) != OK)
        config_error(load->errors, item->line, "%s: out of memory", item->key->name);
    return c->credentials;
}

/* Reads a file and hands it to `take`. */
typedef enum status take_file(struct config_load *load, struct credentials *into, struct bytes file,
                              const struct why *why);

static bool with_file(struct config_load *load, const struct config_item *item, bool secret, size_t most,
                      take_file *take)
{
    char text[WHY_TEXT] = "", shown[QUOTE_TEXT];
    const struct why why = {text, sizeof text};
    if (load->same_certificates)
        return true;
    struct credentials *into = credentials_of(load, item);
    struct config_file file;
    if (into == NULL || !config_file_read(load, item, secret, most + 1, "", &file))
        return false;
    enum status status = file.len > most ? why_refuse(&why, ERR_LIMIT, "the file has more than %zu bytes", most)
                                         : take(load, into, bytes_of(file.data, file.len), &why);
    config_file_free(&file);
    if (status != OK)
        config_error(load->errors, item->line, "%s %s: %s", item->key->name, quote(item->text, shown),
                     text[0] != '\0' ? text : status_text(status));
    return status == OK;
}

static enum status take_key(struct config_load *load, struct credentials *into, struct bytes file,
                            const struct why *why)
{
    return key_file_read(file, secret_bytes(&load->key_password), into->allow, &into->key, &into->chain, why);
}

/* What cert names counts, whatever PKCS#12 has brought along. */
static enum status take_cert(struct config_load *load, struct credentials *into, struct bytes file,
                             const struct why *why)
{
    (void)load;
    cert_list_free(&into->chain);
    return cert_list_read(file, CERTS_MAX, &into->chain, why);
}

static enum status take_ca(struct config_load *load, struct credentials *into, struct bytes file, const struct why *why)
{
    (void)load;
    return trust_add_ca(into->trust, file, why);
}

static enum status take_crl(struct config_load *load, struct credentials *into, struct bytes file,
                            const struct why *why)
{
    (void)load;
    return trust_add_crl(into->trust, file, why);
}

bool apply_key(struct config_load *load, const struct config_item *item)
{
    return with_file(load, item, true, KEY_FILE_MAX, take_key);
}

bool apply_cert(struct config_load *load, const struct config_item *item)
{
    return with_file(load, item, false, KEY_FILE_MAX, take_cert);
}

bool apply_ca(struct config_load *load, const struct config_item *item)
{
    return with_file(load, item, false, CA_FILE_MAX, take_ca);
}

bool apply_crl(struct config_load *load, const struct config_item *item)
{
    return with_file(load, item, false, CRL_FILE_MAX, take_crl);
}

/* --- all of them together --- */

static void warn_of_dates(struct config_load *load, unsigned line, const char *what, const struct cert *cert)
{
    char names[CERT_NAMES_TEXT], date[CERT_DATE_TEXT];
    int64_t left = cert_not_after(cert) - load->now;
    cert_names_print(cert, names);
    if (left < 0)
        config_warning(load->errors, line, "the %s of %s expired on %s: peers refuse it; renew it", what, names,
                       cert_date_print(cert_not_after(cert), date));
    else if (left < (int64_t)EXPIRY_DAYS * DAY_S)
        config_warning(load->errors, line, "the %s of %s expires on %s, in %d day%s: renew it", what, names,
                       cert_date_print(cert_not_after(cert), date), (int)(left / DAY_S), left / DAY_S == 1 ? "" : "s");
    else if (cert_not_before(cert) > load->now)
        config_warning(load->errors, line, "the %s of %s is valid from %s on only: is the clock of this host right?",
                       what, names, cert_date_print(cert_not_before(cert), date));
}

/* The root is known to who is to believe it. */
static void leave_roots_out(struct cert_list *chain)
{
    size_t kept = 0;
    for (size_t i = 0; i < chain->count; i++) {
        struct cert *cert = chain->items[i];
        if (i > 0 && dn_equal(cert_subject(cert), cert_issuer(cert)))
            cert_free(cert);
        else
            chain->items[kept++] = cert;
    }
    chain->count = kept;
}

static void check_size(struct config_load *load, unsigned line, const struct cert_list *chain)
{
    size_t sum = 0;
    for (size_t i = 0; i < chain->count; i++)
        sum += cert_der(chain->items[i]).len;
    if (sum > CHAIN_MAX)
        config_error(
            load->errors, line,
            "our certificates have %zu bytes, and one message carries %d of them: leave out those that are not "
            "between ours and the CA, or use smaller keys",
            sum, CHAIN_MAX);
}

/* Whether what we are called stands in our certificate; without local_id we are called as it is. */
static void check_local_id(struct config_load *load, unsigned line, struct connection *c)
{
    const struct cert *own = c->credentials->chain.items[0];
    char names[CERT_NAMES_TEXT], id[IDENTITY_TEXT];
    struct identity subject;
    enum status status = identity_of_dn(cert_subject(own), &subject);
    if (c->local_id.type == ID_NONE && status != OK)
        config_error(
            load->errors, line,
            "[connection %s] has no local_id, and its certificate no usable subject: write local_id = one of its "
            "names (%s)",
            c->name, cert_names_print(own, names));
    else if (c->local_id.type == ID_NONE || (status == OK && identity_equal(&c->local_id, &subject)))
        c->local_id = subject; /* in the spelling of the certificate, for peers that compare bytes */
    else if (!credentials_name_fits(own, &c->local_id))
        config_warning(load->errors, line, "local_id = %s is not in our certificate, so peers refuse it: it has %s",
                       identity_print(&c->local_id, id), cert_names_print(own, names));
}

static bool own_is_a_pair(struct config_load *load, unsigned line, const struct connection *c)
{
    char text[WHY_TEXT] = "", names[CERT_NAMES_TEXT];
    const struct why why = {text, sizeof text};
    const struct cert *own = c->credentials->chain.items[0];
    struct sign_key *public;
    if (cert_key(own, c->credentials->allow, &public, &why) != OK) {
        config_error(load->errors, line, "the certificate of %s cannot be used: %s", cert_names_print(own, names),
                     text);
        return false;
    }
    bool pair = sign_key_equal(public, c->credentials->key);
    sign_key_free(public);
    if (!pair)
        config_error(load->errors, line,
                     "cert and key do not belong together: the first certificate, of %s, was made for another key",
                     cert_names_print(own, names));
    return pair;
}

/* draft-ietf-ipsec-isakmp-xauth-06 7.2 has numbers for XAUTH after a pre-shared key, DSS and RSA, and none was ever
 * registered for ECDSA: with one of our own no other implementation could log in. */
static bool method_exists(struct config_load *load, unsigned line, const struct connection *c)
{
    enum sign_method method = sign_key_method(c->credentials->key);
    if (c->access == NULL || method == SIGN_RSA)
        return true;
    config_error(load->errors, line,
                 "auth = xauth-pubkey wants an RSA key, and ours is for %s: XAUTH has no number for other signatures; "
                 "take a certificate with an RSA key, here and at the peer",
                 sign_method_name(method));
    return false;
}

void credentials_review(struct config_load *load, unsigned line, struct connection *c)
{
    struct credentials *own = c->credentials;
    const struct cert_list *cas = trust_cas(own->trust);
    if (load->same_certificates) { /* all but the name has been said of the one before */
        check_local_id(load, line, c);
        return;
    }
    leave_roots_out(&own->chain);
    if (!own_is_a_pair(load, line, c) || !method_exists(load, line, c))
        return;
    if (sign_key_method(own->key) == SIGN_RSA && sign_key_bits(own->key) < RSA_BITS_MIN)
        config_warning(load->errors, line,
                       "the RSA key has %u bits, which is legacy: keep it only while nothing better is "
                       "there",
                       sign_key_bits(own->key));
    check_size(load, line, &own->chain);
    check_local_id(load, line, c);
    for (size_t i = 0; i < own->chain.count; i++)
        warn_of_dates(load, line, i == 0 ? "certificate" : "intermediate certificate", own->chain.items[i]);
    for (size_t i = 0; i < cas->count; i++)
        warn_of_dates(load, line, "CA certificate", cas->items[i]);
}
