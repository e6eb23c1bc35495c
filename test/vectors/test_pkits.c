/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NIST's Public Key Interoperability Test Suite: chains, each good or bad by its name. Everything of an end
 * certificate's issuers is sent along, as a peer would, with all CRLs. Not asked: policies (trust_check has none) and
 * DSA. Of CRLs of special kinds (indirect, delta, by reasons, by distribution point) we need not understand the good
 * ones, but no bad one may pass.
 */
#include "test/vectors/vectors.h"

#include <dirent.h>

#include "crypto/dn.h"
#include "crypto/trust.h"

#define FOLDER DEBIAN_VECTORS "x509/PKITS_data/"

enum { ALL_MAX = 512, NOW = 1325376000 }; /* 2012-01-01, when they all were valid that are to be */

static struct {
    char name[96];
    struct cert *cert;
} all[ALL_MAX];

static size_t count;

static bool read_file(const char *folder, const char *name, struct blob *out)
{
    char path[512];
    (void)snprintf(path, sizeof path, FOLDER "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return false;
    out->len = fread(out->data, 1, sizeof out->data, file);
    (void)fclose(file);
    return out->len > 0 && out->len < sizeof out->data;
}

static bool is_kind(const char *name, const char *const words[])
{
    for (; *words != NULL; words++)
        if (strstr(name, *words) != NULL)
            return true;
    return false;
}

static bool ends_with(const char *name, const char *end)
{
    size_t len = strlen(name);
    return len >= strlen(end) && strcmp(name + len - strlen(end), end) == 0;
}

static int load_certs(void)
{
    static struct blob file;
    DIR *dir = opendir(FOLDER "certs");
    if (dir == NULL)
        return 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL && count < ALL_MAX;) {
        if (!ends_with(e->d_name, ".crt") || !read_file("certs", e->d_name, &file) ||
            cert_read(blob_bytes(&file), &all[count].cert) != OK)
            continue;
        (void)snprintf(all[count].name, sizeof all[count].name, "%.*s", (int)strlen(e->d_name) - 4, e->d_name);
        count++;
    }
    (void)closedir(dir);
    return count > 0;
}

static struct trust *make_trust(void)
{
    static struct blob file;
    static char text[512];
    static const struct why why = {text, sizeof text};
    struct trust *trust;
    assert_int_equal(trust_new(0, &trust), OK);
    assert_true(read_file("certs", "TrustAnchorRootCertificate.crt", &file));
    assert_int_equal(trust_add_ca(trust, blob_bytes(&file), &why), OK);
    DIR *dir = opendir(FOLDER "crls");
    assert_non_null(dir);
    size_t crls = 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (ends_with(e->d_name, ".crl") && read_file("crls", e->d_name, &file))
            crls += trust_add_crl(trust, blob_bytes(&file), &why) == OK; /* the others are delta CRLs */
    }
    (void)closedir(dir);
    assert_true(crls > 150);
    return trust;
}

/* The end certificate, and breadth-first the issuers of what is there already. */
static enum status check(const struct trust *trust, size_t end, const struct why *why)
{
    struct cert_list list = {0};
    size_t taken[CERTS_MAX] = {end};
    size_t n = 1;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < count && n < CERTS_MAX; k++) {
            bool known = strcmp(all[k].name, "TrustAnchorRootCertificate") == 0;
            for (size_t m = 0; m < n; m++)
                known |= taken[m] == k;
            if (!known && dn_equal(cert_subject(all[k].cert), cert_issuer(all[taken[i]].cert)))
                taken[n++] = k;
        }
    for (size_t i = 0; i < n; i++) {
        struct cert *copy;
        assert_int_equal(cert_read(cert_der(all[taken[i]].cert), &copy), OK);
        assert_int_equal(cert_list_add(&list, copy), OK);
    }
    enum status status = trust_check(trust, &list, NOW, why);
    cert_list_free(&list);
    return status;
}

static void test_chains(void **state)
{
    (void)state;
    static const char *const not_asked[] = {"Policy", "Policies", "Mapping", "DSA", "deltaCRLTest", NULL};
    static const char *const special[] = {"deltaCRL",
                                          "cRLIssuer",
                                          "indirectCRL",
                                          "onlySomeReasons",
                                          "distributionPoint",
                                          "BasicSelfIssued",
                                          "SeparateCertificateandCRLKeys",
                                          NULL};
    if (!load_certs()) {
        print_message("absent: %s\n", FOLDER);
        skip();
    }
    char text[512];
    const struct why why = {text, sizeof text};
    struct trust *trust = make_trust();
    size_t good = 0, bad = 0, cautious = 0, wrong = 0;
    for (size_t i = 0; i < count; i++) {
        bool valid = strncmp(all[i].name, "Valid", 5) == 0, invalid = strncmp(all[i].name, "Invalid", 7) == 0;
        if (!ends_with(all[i].name, "EE") || (!valid && !invalid) || is_kind(all[i].name, not_asked))
            continue;
        enum status status = check(trust, i, &why);
        if (valid && status != OK && is_kind(all[i].name, special)) {
            cautious++;
        } else if ((status == OK) != valid) {
            print_message("%s: %s\n", all[i].name, status == OK ? "believed" : text);
            wrong++;
        }
        good += valid && status == OK;
        bad += invalid && status != OK;
    }
    print_message("PKITS: %zu good, %zu bad, and %zu good ones with special CRLs refused\n", good, bad, cautious);
    trust_free(trust);
    for (size_t i = 0; i < count; i++)
        cert_free(all[i].cert);
    assert_int_equal(wrong, 0);
    assert_true(good > 40 && bad > 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chains)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
