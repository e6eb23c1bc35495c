/* SPDX-License-Identifier: Apache-2.0 */
/* Private keys as other programs wrote them: the files of python3-cryptography-vectors. */
#include "test/vectors/vectors.h"

#include "crypto/key_file.h"

static char text[512];
static const struct why why = {text, sizeof text};

static const struct {
    const char *path, *password;
    enum status status;
    enum sign_method method;
    size_t certs;
} files[] = {
    {"asymmetric/PKCS8/unenc-rsa-pkcs8.pem", NULL, OK, SIGN_RSA, 0},
    {"asymmetric/PKCS8/enc-rsa-pkcs8.pem", "foobar", OK, SIGN_RSA, 0},
    {"asymmetric/PKCS8/enc-rsa-pkcs8.pem", NULL, ERR_AUTHENTICATION, SIGN_NONE, 0},
    {"asymmetric/PKCS8/enc-rsa-pkcs8.pem", "foobaz", ERR_AUTHENTICATION, SIGN_NONE, 0},
    {"asymmetric/PKCS8/enc2-rsa-pkcs8.pem", "baz", OK, SIGN_RSA, 0},
    {"asymmetric/PKCS8/ec_private_key.pem", NULL, OK, SIGN_ECDSA_256, 0},
    {"asymmetric/PKCS8/ec_private_key_encrypted.pem", "123456", OK, SIGN_ECDSA_256, 0},
    {"asymmetric/PKCS8/unenc-dsa-pkcs8.pem", NULL, ERR_UNSUPPORTED, SIGN_NONE, 0},
    {"asymmetric/PKCS8/rsa_pss_2048.pem", NULL, ERR_UNSUPPORTED, SIGN_NONE, 0},
    {"asymmetric/PKCS8/bad-encryption-oid.pem", "password", ERR_AUTHENTICATION, SIGN_NONE, 0},
    {"asymmetric/Traditional_OpenSSL_Serialization/testrsa.pem", NULL, ERR_UNSUPPORTED, SIGN_NONE, 0}, /* 512 bits */
    {"asymmetric/Traditional_OpenSSL_Serialization/testrsa-encrypted.pem", "password", ERR_UNSUPPORTED, SIGN_NONE, 0},
    {"asymmetric/Traditional_OpenSSL_Serialization/key1.pem", "123456", ERR_UNSUPPORTED, SIGN_NONE, 0},
    {"pkcs12/cert-key-aes256cbc.p12", "cryptography", OK, SIGN_ECDSA_256, 1},
    {"pkcs12/cert-key-aes256cbc.p12", "wrong", ERR_AUTHENTICATION, SIGN_NONE, 0},
    {"pkcs12/cert-none-key-none.p12", "cryptography", OK, SIGN_ECDSA_256, 1},
    {"pkcs12/cert-aes256cbc-no-key.p12", "cryptography", ERR_MALFORMED, SIGN_NONE, 0},
    {"pkcs12/cert-rc2-key-3des.p12", "cryptography", ERR_UNSUPPORTED, SIGN_NONE, 0},
};

static void test_files(void **state)
{
    (void)state;
    static struct blob file;
    size_t ran = 0, wrong = 0;
    for (size_t i = 0; i < COUNT(files); i++) {
        char path[512];
        struct sign_key *key;
        struct cert_list certs = {0};
        const char *password = files[i].password;
        (void)snprintf(path, sizeof path, DEBIAN_VECTORS "%s", files[i].path);
        FILE *in = fopen(path, "rb");
        if (in == NULL) {
            print_message("absent: %s\n", path);
            continue;
        }
        file.len = fread(file.data, 1, sizeof file.data, in);
        (void)fclose(in);
        enum status status = key_file_read(blob_bytes(&file),
                                           password != NULL ? bytes_of(password, strlen(password)) : (struct bytes){0},
                                           LEGACY_RSA1024, &key, &certs, &why);
        bool right = status == files[i].status &&
                     (status != OK || (sign_key_method(key) == files[i].method && certs.count == files[i].certs));
        if (!right)
            print_message("%s with %s: %s, %zu certificates\n", files[i].path,
                          password != NULL ? password : "no password", status == OK ? "taken" : text, certs.count);
        wrong += !right;
        sign_key_free(key);
        cert_list_free(&certs);
        ran++;
    }
    if (ran == 0)
        skip();
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
