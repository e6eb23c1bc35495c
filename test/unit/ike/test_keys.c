/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/ike/ike_test.h"

#include "ike/keys.h"
#include "ike/limits.h"

/* The values of one phase 1, as `known` was computed from: by Python's hmac, from the formulas of RFC 2409 5 and App.
 * B. */
static uint8_t nonce_i[32], nonce_r[16], public_i[64], public_r[64], shared[64];
static const char psk[] = "a pre-shared key", sai[] = "the body of the SA payload", id_body[] = "\x02\0\0\0gw";

struct known {
    enum prf prf;
    enum encr encr;
    uint16_t key_bits;
    const char *skeyid, *skeyid_d, *skeyid_a, *cipher, *hash_i, *hash_r, *iv1, *iv2;
    const char *keymat, *keymat_pfs; /* 72 bytes each */
};

static const struct known known[] = {
    {PRF_HMAC_MD5, ENCR_3DES, 0, "108ca80a73de85baefee067fbd4f0b9f", "aadfea74bef9b5a4a3baf8cf7d6e755b",
     "dc2b9a91e2525db71307f1563c99e230", "25928751a6cdd6443fdb7df2bb58fb6f3500c1c798e21a35",
     "eb74980476823ef5434fcbd825525962", "5a619a839632548449c2c011cb3c9563", "1901358764fbd575", "215680d8157b4178",
     "9f670a59320074e3bc9a5e358e10a72d186ced0002e56a2aee922966a9ec8d5e7316a68cf42321d272d54a1db93477d933b78bc1e29cd36cc"
     "3c8aa29e54d2b6526bf6064f44c4f13",
     "c16e603d3b8af4a90f6dd757745e4c30a0d1a1487558b5feb5c88ded2648c61313d72c8d1727495835d4e7037d37a3c61ded1ebd4680dcfe3"
     "4a0e4c4e786630d63a82850d1a77f8f"},
    {PRF_HMAC_SHA1, ENCR_AES_CBC, 128, "e02dcfe8fde58e92e402f261e9fcc02e18d817c0",
     "11585df8b4d9a22516cb0c740c39210e03832093", "15ca970f54d4ae9976bf39511986150fd2aa7386",
     "2539dbcffef92baf625f28db12fcad7c", "20d2a5b76beb1b01bb7ccdac96e771735ab050e5",
     "2ab6de5611478a1e4c859754a8caebc6757ec7fc", "e12d0a3a64e033f3a2aa59ed2f69b290", "e5222bb9a3e65fc633543a94b948d5b7",
     "eb2091ae4c741a2321b2a627322cf3290b98ce3596d7bb0358619b854b9e7e9f30e5cebfcaba0970eac1d118a22bf8055fca234c14faca3be"
     "76662ba1ced4da9324096e02b5e7d15",
     "481c835557f9edbfcd3940f09ae70e8ca58e2a88ec81ddca656c16c90ef54f892939c3102fa7f769a19bbd2572ba6c925986930b7cd5e74d4"
     "390c10b43ca35a0804481c3c3a25e38"},
    {PRF_HMAC_SHA1, ENCR_AES_CBC, 256, "e02dcfe8fde58e92e402f261e9fcc02e18d817c0",
     "11585df8b4d9a22516cb0c740c39210e03832093", "15ca970f54d4ae9976bf39511986150fd2aa7386",
     "3a96b59711d9a60b4ad78b07a08eef3352f6e19753ea852233259485f4abbfee", "20d2a5b76beb1b01bb7ccdac96e771735ab050e5",
     "2ab6de5611478a1e4c859754a8caebc6757ec7fc", "e12d0a3a64e033f3a2aa59ed2f69b290", "e5222bb9a3e65fc633543a94b948d5b7",
     "eb2091ae4c741a2321b2a627322cf3290b98ce3596d7bb0358619b854b9e7e9f30e5cebfcaba0970eac1d118a22bf8055fca234c14faca3be"
     "76662ba1ced4da9324096e02b5e7d15",
     "481c835557f9edbfcd3940f09ae70e8ca58e2a88ec81ddca656c16c90ef54f892939c3102fa7f769a19bbd2572ba6c925986930b7cd5e74d4"
     "390c10b43ca35a0804481c3c3a25e38"},
    {PRF_HMAC_MD5, ENCR_AES_CBC, 256, "108ca80a73de85baefee067fbd4f0b9f", "aadfea74bef9b5a4a3baf8cf7d6e755b",
     "dc2b9a91e2525db71307f1563c99e230", "25928751a6cdd6443fdb7df2bb58fb6f3500c1c798e21a3534d1264e5c9c5521",
     "eb74980476823ef5434fcbd825525962", "5a619a839632548449c2c011cb3c9563", "1901358764fbd575309ca8cade3d5a50",
     "e534619b1c33c2acae30d288ab815cf2",
     "9f670a59320074e3bc9a5e358e10a72d186ced0002e56a2aee922966a9ec8d5e7316a68cf42321d272d54a1db93477d933b78bc1e29cd36cc"
     "3c8aa29e54d2b6526bf6064f44c4f13",
     "c16e603d3b8af4a90f6dd757745e4c30a0d1a1487558b5feb5c88ded2648c61313d72c8d1727495835d4e7037d37a3c61ded1ebd4680dcfe3"
     "4a0e4c4e786630d63a82850d1a77f8f"},
    {PRF_HMAC_SHA2_256, ENCR_AES_CBC, 256, "6a0466914d6e82afabcd479d956bff1ba0728fbe97d6bddc23f6b655a0665893",
     "8db8b04eab10170258b376f6f1bef275f22d2205345d01ad2484aaf727336b8b",
     "c21160fcfde1a537891be4e1f588b9e4f562480b6f4516525d515979fd833164",
     "ca9c69cccfe9b2dff4ed0d54bad30b60b9d10aa6d77ab1f544ac24bd2d99706f",
     "6332b2e7c9f604f522d1f8c8082ea9bb062aabbca471e050a51bea87587c91d5",
     "2d6883369f326bd40950e7e6f849ac02390148dac88bccea46e65caf135dff24", "50fa9927cb71a9e04b339f6be6668fcc",
     "b49dc2a198bfb0667950fdad2d52392e",
     "f383b9a4056777d2f5630c9f7e88a1593c9788ffd8a06739facde11d3f9c579b05f4e528dcad48c3cbc24aa684f535bd9a3b486860d5c24aa"
     "ad742d14eaa71456ba803fc8e6c60e4",
     "b690d361d61e8a4888fabc185ec444f1286be4c8bac1ee0502c65063b3273df00baf0f391de290929c3337d168e2ff446d4eeecf830f424bd"
     "60797e9b890d7fc865c5f3b0cb69638"},
    {PRF_HMAC_SHA2_384, ENCR_AES_CBC, 192,
     "22b11aa2f690c9e125e782fa4943b548d762eacb06e34ca55c225093f64916c4ea0938b201b6182918442a9dfc64720c",
     "af8144825b379813606ac522924862428031f484d8261625b0983fc942ac28cb309dcc773c4dc660e6e3ec9cf35a5ea8",
     "8f4c95a8fe8bd3c5304a8be0ec5e6c8e217ebc9497da7887f8789e9e856d128c6c42d47f29296637fc065192ad685e96",
     "e8509fb511360b550924b991cb94fcad94c030e2d3bebe6e",
     "9eecdcb8a9cdbdebb1f4560d4bdc953090cfce1fc96cabfff8657234965baba654f30d740c0bc03d4a4c2bb97b3bf0a5",
     "134ad09f1bbb4196bd0ff218018cf1f75deee5baec2fc878d74abe239bce40e0c4b19d6812706eef33646288f41bc9b6",
     "82b7fbdbf3b8376980da06ef1d343392", "385c52ec59a916201fd2fb21cfa2bcfa",
     "96b91a755d670f870f3b0980de79fd036bc2d155441d0adb2f68a0895c6bfa90c1120f397a06f959b982e751018ca0b09f90ea3cec8634f8d"
     "5de77e8ca0fa4653cd1e37c93d1ba6e",
     "6cb21e8cccf6ad89a669a9b6ba3e5fbec2e3e83956d60e1579d45a55de3aa46aa0e9ec58767cfc704160c55d3283155cbc887937f517a6578"
     "e9e123270d77591088c0352b53657bd"},
    {PRF_HMAC_SHA2_512, ENCR_AES_CBC, 256,
     "2069b975fe431ae01a41d06f797539e3c39dad56b62cf658864bdeb36b3c7fb32c31e833d9497c8ae07cc39b30d701e36e9f140a0d1a89977"
     "02e3945bbf39f96",
     "f30e93b7d0ccd765d120ece02bedfd6fbceef0f15bc1977d1f354fbfc0f7453b5d311e3d0b3f5e7d47d793346f041a8dc5c85b7d3e8bbc5f3"
     "61ce6b65ed7c4ab",
     "4133c2c2229651af870c3813026ddf87f9b1aa2d1984805c6596c936aa725cc03dac82f09ac6ee0b74e2893d9a63275f11b8d4deba05ab1a9"
     "7e77811f073e0b5",
     "ace0284b5b42a7565cf0de660aabcc6320838172f80f665a1c68ca319780b939",
     "9315bb8f378108fb598db2a7fea6427cdfa20725afdd28f38ccc032107f769874fe8af1f86117ec0b239cf9659565513eed8d6b699ace107e"
     "0b8f22e2e634e25",
     "9fcf8fab02d5dd09b80802b3a8eaa420871a8413ae4ec7fdb1d6907107ecf712ee94fd44b1727bd3b856ea8b5fa2555d63e125d0b87d663b6"
     "c6a258928e12b63",
     "bbb66c8339e8b3ac30fdc65d3356dbf6", "b129597c5fbb3c653df77e591bd741e7",
     "eff15ab3ed21402fa832be10a20be17d7040261e5e290c601efc488bb686b45170de53da5598d91a5b4a86d16a950e431c8f972bc2b5f8f5b"
     "f0cb3ae57e0893161098c55ff085380",
     "831c8facd14c4367fafbbfb104e498cc1953a13294845ff22b6ac2518c9bf4c69e233c9148594385ee7f1aa6089382796d910c90dfcf4da64"
     "f8d320de7dc24e9591006912699a404"},
    {PRF_HMAC_SHA1, ENCR_3DES, 0, "e02dcfe8fde58e92e402f261e9fcc02e18d817c0",
     "11585df8b4d9a22516cb0c740c39210e03832093", "15ca970f54d4ae9976bf39511986150fd2aa7386",
     "3a96b59711d9a60b4ad78b07a08eef3352f6e19753ea8522", "20d2a5b76beb1b01bb7ccdac96e771735ab050e5",
     "2ab6de5611478a1e4c859754a8caebc6757ec7fc", "e12d0a3a64e033f3", "7a62e0b95a4b4b7c",
     "eb2091ae4c741a2321b2a627322cf3290b98ce3596d7bb0358619b854b9e7e9f30e5cebfcaba0970eac1d118a22bf8055fca234c14faca3be"
     "76662ba1ced4da9324096e02b5e7d15",
     "481c835557f9edbfcd3940f09ae70e8ca58e2a88ec81ddca656c16c90ef54f892939c3102fa7f769a19bbd2572ba6c925986930b7cd5e74d4"
     "390c10b43ca35a0804481c3c3a25e38"}};

static struct v1_phase1_values values(void)
{
    for (size_t i = 0; i < 64; i++) {
        public_i[i] = (uint8_t)(i * 3);
        public_r[i] = (uint8_t)(i * 5 + 1);
        shared[i] = (uint8_t)(i * 7 + 2);
        if (i < 32)
            nonce_i[i] = (uint8_t)i;
        if (i < 16)
            nonce_r[i] = (uint8_t)(0x80 + i);
    }
    return (struct v1_phase1_values){
        .spi_i = 0x0123456789abcdef,
        .spi_r = 0xfedcba9876543210,
        .nonce_i = bytes_of(nonce_i, sizeof nonce_i),
        .nonce_r = bytes_of(nonce_r, sizeof nonce_r),
        .public_i = bytes_of(public_i, sizeof public_i),
        .public_r = bytes_of(public_r, sizeof public_r),
        .sai_b = bytes_of(sai, sizeof sai - 1),
    };
}

static struct proposal suite_of(const struct known *k)
{
    return (struct proposal){.encr = (uint16_t)k->encr, .key_bits = k->key_bits, .prf = (uint16_t)k->prf};
}

static void derive(struct vault *vault, const struct known *k, struct v1_keys *keys)
{
    const struct v1_phase1_values v = values();
    const struct proposal suite = suite_of(k);
    assert_int_equal(
        v1_keys_derive(vault, &suite, bytes_of(psk, sizeof psk - 1), &v, bytes_of(shared, sizeof shared), keys), OK);
}

static void is(const void *got, size_t len, const char *hex)
{
    uint8_t want[128];
    assert_int_equal(unhex(hex, want, sizeof want), len);
    assert_memory_equal(got, want, len);
}

static void lengths_that_cannot_be_give_no_secret(void **state)
{
    struct vault *vault = *state;
    size_t before = vault_live(vault);
    struct secret out = {0};
    struct v1_keys keys = {0};
    derive(vault, &known[0], &keys);
    assert_int_equal(vault_live(vault), before + 4);
    assert_int_not_equal(v1_keymat(vault, &keys, (struct bytes){0}, 1, bytes_of("n", 1), bytes_of("n", 1), 0, &out),
                         OK);
    assert_null(out.data);
    assert_int_not_equal(
        v1_keymat(vault, &keys, (struct bytes){0}, 1, bytes_of("n", 1), bytes_of("n", 1), SECRET_MAX + 1, &out), OK);
    assert_null(out.data);
    v1_keys_free(&keys);
    v1_keys_free(&keys);
    assert_int_equal(vault_live(vault), before);
}

static void phase_1_keys(void **state)
{
    for (size_t i = 0; i < COUNT(known); i++) {
        struct v1_keys keys = {0};
        derive(*state, &known[i], &keys);
        is(keys.skeyid.data, keys.skeyid.len, known[i].skeyid);
        is(keys.skeyid_d.data, keys.skeyid_d.len, known[i].skeyid_d);
        is(keys.skeyid_a.data, keys.skeyid_a.len, known[i].skeyid_a);
        is(keys.cipher.data, keys.cipher.len,
           known[i].cipher); /* also the expansion of App. B: MD5, SHA-1 with AES-256 */
        v1_keys_free(&keys);
    }
}

/* Signatures: SKEYID = prf(Ni_b | Nr_b, g^xy), the rest as ever. The prf is a known one (test_hash.c). */
static void keys_of_signatures(void **state)
{
    struct vault *vault = *state;
    const struct v1_phase1_values v = values();
    for (size_t i = 0; i < COUNT(known); i++) {
        const struct proposal suite = suite_of(&known[i]);
        struct v1_keys keys = {0}, same = {0};
        uint8_t nonces[sizeof nonce_i + sizeof nonce_r], skeyid[HASH_MAX];
        memcpy(nonces, nonce_i, sizeof nonce_i);
        memcpy(nonces + sizeof nonce_i, nonce_r, sizeof nonce_r);
        const struct bytes secret = bytes_of(shared, sizeof shared);
        assert_int_equal(v1_keys_derive_signed(vault, &suite, &v, secret, &keys), OK);
        assert_int_equal(prf_parts(known[i].prf, bytes_of(nonces, sizeof nonces), &secret, 1, skeyid), OK);
        assert_memory_equal(keys.skeyid.data, skeyid, keys.skeyid.len);
        derive(vault, &known[i], &same);
        assert_memory_not_equal(keys.skeyid_a.data, same.skeyid_a.data, keys.skeyid_a.len);
        v1_keys_free(&keys);
        v1_keys_free(&same);
    }
    struct v1_phase1_values v2 = v;
    uint8_t huge[2 * NONCE_MAX + 1] = {0};
    v2.nonce_i = bytes_of(huge, sizeof huge);
    const struct proposal suite = suite_of(&known[0]);
    struct v1_keys keys = {0};
    assert_int_equal(v1_keys_derive_signed(vault, &suite, &v2, bytes_of(shared, sizeof shared), &keys), ERR_LIMIT);
    assert_null(keys.skeyid.data);
}

/* The hash of a signature that is bound to it: the same over SKEYID and the values, by another HMAC. */
static void hashes_bound_to_a_method(void **state)
{
    const struct v1_phase1_values v = values();
    const struct bytes id = bytes_of(id_body, sizeof id_body - 1);
    struct v1_keys keys = {0};
    uint8_t plain[HASH_MAX], bound[HASH_MAX];
    derive(*state, &known[4], &keys);
    assert_int_equal(v1_auth_hash(&keys, &v, true, id, plain), OK);
    assert_int_equal(v1_auth_hash_of(keys.prf, &keys, &v, true, id, bound), OK);
    assert_memory_equal(plain, bound, v1_hash_len(&keys));
    enum prf other = keys.prf == PRF_HMAC_SHA2_512 ? PRF_HMAC_SHA2_256 : PRF_HMAC_SHA2_512;
    assert_int_equal(v1_auth_hash_of(other, &keys, &v, true, id, bound), OK);
    assert_memory_not_equal(plain, bound, 16);
    v1_keys_free(&keys);
}

/* A second derivation (of the right message after a spoiled one) leaves nothing of the first behind. */
static void deriving_again_replaces_the_keys(void **state)
{
    struct vault *vault = *state;
    size_t before = vault_live(vault);
    struct v1_keys keys = {0};
    derive(vault, &known[0], &keys);
    derive(vault, &known[4], &keys);
    is(keys.skeyid_a.data, keys.skeyid_a.len, known[4].skeyid_a);
    v1_keys_free(&keys);
    assert_int_equal(vault_live(vault), before);
}

static void hashes_of_both_ends(void **state)
{
    const struct v1_phase1_values v = values();
    for (size_t i = 0; i < COUNT(known); i++) {
        struct v1_keys keys = {0};
        uint8_t hash[HASH_MAX];
        derive(*state, &known[i], &keys);
        assert_int_equal(v1_auth_hash(&keys, &v, true, bytes_of(id_body, sizeof id_body - 1), hash), OK);
        is(hash, v1_hash_len(&keys), known[i].hash_i);
        assert_int_equal(v1_auth_hash(&keys, &v, false, bytes_of(id_body, sizeof id_body - 1), hash), OK);
        is(hash, v1_hash_len(&keys), known[i].hash_r);
        v1_keys_free(&keys);
    }
}

/* Whatever goes into HASH_I counts: a change of one bit anywhere changes it. */
static void every_value_counts_in_the_hash(void **state)
{
    struct v1_phase1_values v = values();
    uint8_t base[HASH_MAX], other[HASH_MAX], changed_id[] = "\x02\0\0\0gx", changed_sai[sizeof sai];
    struct v1_keys keys = {0};
    derive(*state, &known[4], &keys);
    struct bytes id = bytes_of(id_body, sizeof id_body - 1);
    assert_int_equal(v1_auth_hash(&keys, &v, true, id, base), OK);
    assert_int_equal(v1_auth_hash(&keys, &v, true, bytes_of(changed_id, sizeof changed_id - 1), other), OK);
    assert_memory_not_equal(base, other, 32);
    memcpy(changed_sai, sai, sizeof sai);
    changed_sai[0] ^= 1;
    struct v1_phase1_values w = v;
    w.sai_b.data = changed_sai;
    assert_int_equal(v1_auth_hash(&keys, &w, true, id, other), OK);
    assert_memory_not_equal(base, other, 32);
    w = v;
    w.spi_r ^= 1;
    assert_int_equal(v1_auth_hash(&keys, &w, true, id, other), OK);
    assert_memory_not_equal(base, other, 32);
    w = v;
    w.public_r = v.public_i;
    assert_int_equal(v1_auth_hash(&keys, &w, true, id, other), OK);
    assert_memory_not_equal(base, other, 32);
    v1_keys_free(&keys);
}

static void initialisation_vectors(void **state)
{
    const struct v1_phase1_values v = values();
    for (size_t i = 0; i < COUNT(known); i++) {
        struct v1_keys keys = {0};
        uint8_t iv[IV_MAX], next[IV_MAX];
        derive(*state, &known[i], &keys);
        assert_int_equal(v1_block_len(&keys), known[i].encr == ENCR_3DES ? 8 : 16);
        assert_int_equal(v1_phase1_iv(&keys, &v, iv), OK);
        is(iv, v1_block_len(&keys), known[i].iv1);
        assert_int_equal(v1_phase2_iv(&keys, iv, 0xcafebabe, next), OK);
        is(next, v1_block_len(&keys), known[i].iv2);
        assert_int_equal(v1_phase2_iv(&keys, iv, 0xcafebabf, iv), OK);
        assert_memory_not_equal(iv, next, 8);
        v1_keys_free(&keys);
    }
}

/* Every length: each is the beginning of the longest (RFC 2409 5.5). 20 = AES-128-GCM, 36 = AES-256-GCM,. */
static void keymat_of_every_length(void **state)
{
    for (size_t i = 0; i < COUNT(known); i++) {
        struct v1_keys keys = {0};
        uint8_t plain[72], pfs[72];
        derive(*state, &known[i], &keys);
        unhex(known[i].keymat, plain, sizeof plain);
        unhex(known[i].keymat_pfs, pfs, sizeof pfs);
        for (size_t len = 1; len <= 72; len++) {
            struct secret out = {0};
            assert_int_equal(v1_keymat(*state, &keys, (struct bytes){0}, 0xc0ffee01, bytes_of(nonce_i, 32),
                                       bytes_of(nonce_r, 16), len, &out),
                             OK);
            assert_int_equal(out.len, len);
            assert_memory_equal(out.data, plain, len);
            secret_free(&out);
            assert_int_equal(v1_keymat(*state, &keys, bytes_of(shared, sizeof shared), 0xc0ffee01,
                                       bytes_of(nonce_i, 32), bytes_of(nonce_r, 16), len, &out),
                             OK);
            assert_memory_equal(out.data, pfs, len);
            secret_free(&out);
        }
        v1_keys_free(&keys);
    }
}

static int open_vault(void **state)
{
    return (*state = vault_new()) == NULL;
}

/* No test may leave a key behind. */
static int close_vault(void **state)
{
    size_t live = vault_live(*state);
    vault_free(*state);
    return live != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lengths_that_cannot_be_give_no_secret, open_vault, close_vault),
        cmocka_unit_test_setup_teardown(phase_1_keys, open_vault, close_vault),
        cmocka_unit_test_setup_teardown(keys_of_signatures, open_vault, close_vault),
        cmocka_unit_test_setup_teardown(hashes_bound_to_a_method, open_vault, close_vault),
        cmocka_unit_test_setup_teardown(deriving_again_replaces_the_keys, open_vault, close_vault),
        cmocka_unit_test_setup_teardown(hashes_of_both_ends, open_vault, close_vault),
        cmocka_unit_test_setup_teardown(every_value_counts_in_the_hash, open_vault, close_vault),
        cmocka_unit_test_setup_teardown(initialisation_vectors, open_vault, close_vault),
        cmocka_unit_test_setup_teardown(keymat_of_every_length, open_vault, close_vault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
