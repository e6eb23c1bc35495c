/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and hashes of IKEv1 that others published. NIST's samples for the key derivation of IKEv1 (CAVS, SP
 * 800-135 4.1), and two exchanges with a router that Ruhr University Bochum recorded and published with their secrets
 * (IPsec-StateMachineExtractor): what the other end hashed and encrypted has to verify here.
 */
#include "test/vectors/vectors.h"

#include "crypto/cipher.h"
#include "crypto/dh.h"
#include "ike/header.h"
#include "ike/keys.h"
#include "ike/payload.h"
#include "ike/v1_message.h"

/* --- NIST --- */

static const struct nist {
    enum prf prf;
    uint16_t key_bits; /* of the cipher that takes the first bytes of SKEYID_e */
    const char *nonce_i, *nonce_r, *cookies, *shared, *skeyid, *skeyid_d, *skeyid_a, *skeyid_e;
} signatures[] = {
    {PRF_HMAC_SHA1, 128, "69a62284195f1680", "80c94ba25c8abda5", "8c3bcd3a69831d7fd2d9a7ff4fbe95a7",
     "8ba4cbc73c0187301dc19a975823854dbd641c597f637f8d053a83b9514673eb", "707197817fb2d90cf54d1842606bdea59b9f4823",
     "384be709a8a5e63c3ed160cfe3921c4b37d5b32d", "48b327575abe3adba0f279849e289022a13e2b47",
     "a4a415c8e0c38c0da847c356cc61c24df8025560"},
    {PRF_HMAC_SHA2_256, 256,
     "b1dee62505b47b223bae14ce7a5b757402ad1587511618d09f94950d47f1d8d4ce86aca12d78db9854d86019ad735757ae79d8932ac0c7db"
     "842c85060150ca875ea5d47e3cfcb2a05922ebb7959d49b9797a2289676ee79a1d9a18b790f87e4771ddaf4be3376057a553162f68fe429a"
     "ca73b07234543801ba2122b1bde82251770d05df813cf556a11ca4dc43ffcb85a97dbed16e2fda6985e07e31be6364899e63c507c7c616e5"
     "eb7765a53560f76772de43918ba07badfe85244dcdcd917cb065afb60e3b7e68b54dd94bfc7c31c8b752892781ed3cc4b7f28fbc0ab9af90"
     "8f5ae1f09f893f80100a7b3135993161b51fbba3bbb24b9f88c6147de82cd6f0",
     "f0acfef2ad1f7add0eaafda78c1cf1097d9fc91cb04a7c145069ac426fd164cbe661b1dd2df0fb84e19512181f0d8ea50b7860845f332757"
     "a8e56d2a3b7be436b5718a2d49baa996a4616684a208c2d611cd65e605dca6e3d3f116859b4410fe13679696bb2e23c08a40c7e1316d54b4"
     "c9c0286701c221151b3642cb4112ca1a53e0e597a7e29c634caed86ca3c31973d37b4c346134fd6784cd99913feedf3d29d89a0a02a5a750"
     "f02f5738109dcc670bb27701fb59f78e83b76860c3fec079a1fc8c937ddb58ae7500422b7e49ce63759c65b6bc439381d56bcc159edede89"
     "4b073841036ebfa050a5b3e7c876a3f18def26b1768a263ac66c9d83b680eb5e",
     "6c6beb72631ddc3db84e24b22cffbd14", "a1ff3dc6cf9b4c04709943cb4ca1f1789bcf360b03f1d027de3ae8ee039e9155",
     "750c5c94b9c2ec20b68033e024dadf0fa87e8b48c6561b21c72478451a06583d",
     "a4f7ca7de913814813e3312099e7c943bd293483f387532330237f1b20957310",
     "1d4b705746c43b0a6fcbb8db33983c0f24ff6f8b6543e3779fed227c6067f004",
     "03e6f16cd9ce9f64b5cdc5b34cca7163483ba5389a30afebef3d14640b0a815e"},
    {PRF_HMAC_SHA2_384, 256, "cec89d845add83ef", "cebd43ab71d17db9", "1c8aba986a00af0fb049d9672f73c920",
     "1724dbd893523764bfef8c6fa927856fccfb77ae254358cce29c2769a32915c1",
     "6e4514610bf82d0ab7bf0260096f6146a153c712071abb633ced813c572156c783e36874a65a64690ca701d40d56ea18",
     "b083234e9ed7745911f93eb31faa66fcf88906266830eb17ef166d295cb1f86a3543b8b8efa5df918533df537e9c809c",
     "938295a374aceb4147a8024c9a007dd313403fd8fd7070dbd0cfbe1ccd308dbfbb7b9e9c64049e4df44ff551016cb7b5",
     "8595b249dc1fa8599729f87eb6b9dd13bfbfdfd4f9ebd78929bab6ecc402539ad32cb6e7ef4ba6a0f53da14e4df07ed4"},
};

static const struct {
    enum prf prf;
    const char *psk, *nonce_i, *nonce_r, *skeyid;
} shared_keys[] = {
    {PRF_HMAC_SHA1, "c0", "03a6f25a83c8c2a3", "9d958a6618f77e7f", "ab3be41bc62f2ef0c41a3076d58768be77fadd2e"},
    {PRF_HMAC_SHA2_256, "a0", "ead9ced494868f41", "f1aff4f425a94f18",
     "558a99b299773d267cf7c8ef073bf3b7af362c206c75a538403c5ef884d4cace"},
    {PRF_HMAC_SHA2_384, "9e", "d6596b7e5b398534", "136fbdfa8d0ceb8e",
     "b54fa27cb4251051e44a659d73591845691d11f1874bf4e4088e5df6462d28e57a3a2af3ab4f9b746a8f5766f8785f2b"},
};

static uint64_t u64_at(const uint8_t *p)
{
    return (uint64_t)load_u32(p) << 32 | load_u32(p + 4);
}

static struct blob blobs[8];

static struct bytes hex(int at, const char *text)
{
    unhex(text, &blobs[at]);
    return blob_bytes(&blobs[at]);
}

static void is(const struct secret *got, const char *text, size_t len)
{
    struct bytes want = hex(7, text);
    assert_int_equal(got->len, len != 0 ? len : want.len);
    assert_memory_equal(got->data, want.data, got->len);
}

static void skeyid_of_signatures(void **state)
{
    (void)state;
    struct vault *vault = vault_new();
    for (size_t i = 0; i < COUNT(signatures); i++) {
        const struct nist *n = &signatures[i];
        const struct proposal suite = {
            .encr = ENCR_AES_CBC, .key_bits = n->key_bits, .prf = (uint16_t)n->prf, .group = GROUP_MODP2048};
        struct bytes cookies = hex(0, n->cookies);
        struct v1_phase1_values values = {.spi_i = u64_at(cookies.data), .spi_r = u64_at(cookies.data + 8)};
        values.nonce_i = hex(1, n->nonce_i);
        values.nonce_r = hex(2, n->nonce_r);
        struct v1_keys keys = {0};
        assert_int_equal(v1_keys_derive_signed(vault, &suite, &values, hex(3, n->shared), &keys), OK);
        is(&keys.skeyid, n->skeyid, 0);
        is(&keys.skeyid_d, n->skeyid_d, 0);
        is(&keys.skeyid_a, n->skeyid_a, 0);
        is(&keys.cipher, n->skeyid_e, n->key_bits / 8);
        v1_keys_free(&keys);
    }
    assert_int_equal(vault_live(vault), 0);
    vault_free(vault);
}

static void skeyid_of_shared_keys(void **state)
{
    (void)state;
    struct vault *vault = vault_new();
    for (size_t i = 0; i < COUNT(shared_keys); i++) {
        const struct proposal suite = {
            .encr = ENCR_AES_CBC, .key_bits = 128, .prf = (uint16_t)shared_keys[i].prf, .group = GROUP_MODP2048};
        struct v1_phase1_values values = {.nonce_i = hex(0, shared_keys[i].nonce_i),
                                          .nonce_r = hex(1, shared_keys[i].nonce_r)};
        struct v1_keys keys = {0};
        assert_int_equal(v1_keys_derive(vault, &suite, hex(2, shared_keys[i].psk), &values, hex(3, "01"), &keys), OK);
        is(&keys.skeyid, shared_keys[i].skeyid, 0);
        v1_keys_free(&keys);
    }
    assert_int_equal(vault_live(vault), 0);
    vault_free(vault);
}

/* --- recorded exchanges: AES-128, SHA-1, modp1024, the pre-shared key "AAAA" --- */

enum { MESSAGES = 8 };

static const char main_private[] =
    "6F583CA64176389AE033076D036EA24BBE93F0D66A2C64A5ECA5E8F38A521CC5F040CEE069794C6DCB69165795060D4DF4C6CC7A6C64806D"
    "E7FA9852151816151E6099533761316FC040476793CF4C2B3A3BB0A96B324549B8FB6519CE22E6F110FC32EB304A155F703EFFE2D9A7082E"
    "910A3F3167F26A5C4A166D1A133CB07F";

static const char *const main_messages[MESSAGES] = {
    /* 1, 3, 4, 5 and 6 of main mode (2 says nothing that goes into a key), 1, 2 and 3 of quick mode */
    "59cedc5dcea558fe00000000000000000110020000000000000000540000003800000001000000010000002c000100010000002400010000"
    "80010007800e0080800200028004000280030001800b0001800c7080",
    "59cedc5dcea558fe9e169842364452570410020000000000000000ac0a000084b5fcea14e2593ee937054b98886ca43b00472167db154ff0"
    "74e158e8b7fcae77ac35cef073698bfe63c99c6dd64ae25a95d55800a845a5db0640d1c3ea5bb8596cb0ffa5d4db0fd01e1875941b14ad4a"
    "c492fb5f6381db934664ad8493fe95aab7f1ff8976f329b5ea0f9ede244e906fb419353e878f2fa92ccd533ba33d79ee0000000c32ae9db3"
    "6e7418a7",
    "59cedc5dcea558fe9e169842364452570410020000000000000000c40a00008424bb23e799283854458c53d6d735ee8c099008c743c89900"
    "b312264d3d372e4ff3986d5890d43e5aa7f2c6adb910b302cddcdf773b74921f8ce0376a338a28d7569fb8d4dab85a799cc753bd7d2fd9a6"
    "5d4e4b016ea9742349c0d8cb6271061e21f5d6af924fddf05fa3a0c83ce7a22074e779c4fee154a728a4c0d6488adbb300000024ce2b9ff5"
    "f8519260b6c8f153529bc5a43121e3aa57a3de7d0d63baba86679e57",
    "59cedc5dcea558fe9e1698423644525705100201000000000000004cfabd2d66f56237c7810b25e185b0186559632459fde4ebb654970a62"
    "e83cdd47c9201aad89e40e9500d264aeaa968647",
    "59cedc5dcea558fe9e1698423644525705100201000000000000004c56e985c35cd53530527480fcf20a9faa5a3d45465a20f67d48d3e9c5"
    "5b09b72253d9030fe2f2cf3a3fa1eae37e3fccaa",
    "59cedc5dcea558fe9e1698423644525708102001259cf1330000009ce47a7db59b674dbad6139dd85fa848ed708f401a6d3a5f51cb2c7a53"
    "6f5d66423c8f836ac940ae79ac8de022830196d280c0552a11d68afaceb75855fa45195c35332ffaef8e2bf2d43361b1d6e560927b67651e"
    "a2cab184dc27cb20c138e76529b62655bc127f196969fe16cb3229f049b07af51d3bf0c000747cd944c32e12",
    "59cedc5dcea558fe9e1698423644525708102001259cf133000000ac65d4e7d4b983b417b1e567e10fdec60810585f0954817b8192d95011"
    "41c458567ac84c42360176d59e7591ac45c4de7dad738657d49bbca9034247f7ab96dac4f43c3d6cccdeeeae62742cb5c79b5a4db4949504"
    "f21e96d38a0f75342b421688a1b62b7157ee7a154f2a0a7eef69138db52361827b50a3b62ce53347aee835bcea1a1ef0b1cc04ec7a167cce"
    "c3b4cd36",
    "59cedc5dcea558fe9e1698423644525708102001259cf1330000003cf0fa3ae90bfec0179ffa8592af60cf2febe9f682f629e83e497b8644"
    "ae726c1c"};

static const char aggressive_private[] =
    "1445CC10B6FB0AB024B73A55CE8C8CB8689F5473862B337C176B8D976EB04A14F55269413FDE7F88752CD53AA9A4C8CC1ED8282BE43DB4EF"
    "6854AE45ED22CFAC2213666DA6D5E7323A934A19455E9D8E53076D15A1C5C36259989717270E2720AE65F34881F0C8417AFC4C7C984882D9"
    "864D3BC14B94C26A23B0B76E1F9D7360";

static const char *const aggressive_messages[] = {
    "75cc633d664fd55600000000000000000110040000000000000000f00400003800000001000000010000002c000100010000002400010000"
    "80010007800e0080800200028004000280030001800b0001800c70800a000084375427d76a58cf3db4ab3cf2da9dd44dfef6233affc1d34d"
    "75c3aec9d93353a29fc3d6ec1fc4c343e49439302cacca1a52d19877a0fa72a1ee023d67015ffc690361606ec24115655228b50d328636f4"
    "fce68253d7fbd1eae905cfc6dc93194e147184279556d86ceeeb33a78b612aabdd6590ca4e609cc88906457787f13ff70500000ca3a34f45"
    "3de42c670000000c010000000a000301",
    "75cc633d664fd5560534fc1813e089e10110040000000000000001400400003800000001000000010000002c000100010000002401010000"
    "80010007800e0080800200028004000280030001800b0001800c70800a0000843af9e9bbff0c40ca81e538ccaca7dab906ae2f48f68b3f03"
    "e8c81f361b5cf514ef20d46d46b2c513a342dd3ca210dd069ff995c53f363b4e05c5c4534fe566441343333b615d87efa9d55400c44d5b5a"
    "02e41872790749df8aff964cf937fc3e349ec31f3b1cab032202389f87784f44ec4878adec2b974bc17156238937133f050000240f03492d"
    "4761a688f493d24424e9a7d19f1a64c4cd697dc900862aa1163f06450d00000c010000000a00030a0d00000c09002689dfd6b71208000014"
    "afcad71368a1f1c96b8696fc775701000000001891b7a7f96ea7a07c12ae03af0bc32e9f347685bb",
    "75cc633d664fd5560534fc1813e089e108100400000000000000003400000018cd7dbe09500affbe969fadb342d021acd65740cf"};

static struct blob message[MESSAGES];
static struct payloads parts[MESSAGES];

static struct bytes body(int i, uint8_t type)
{
    struct bytes found = payload_body(&parts[i], type);
    assert_true(found.len > 0);
    return found;
}

static void read_message(int i, const char *text, bool clear)
{
    struct ike_header h;
    unhex(text, &message[i]);
    assert_int_equal(header_read(blob_bytes(&message[i]), &h), OK);
    if (clear)
        assert_int_equal(payloads_read(h.next_payload,
                                       bytes_of(message[i].data + IKE_HEADER_LEN, message[i].len - IKE_HEADER_LEN),
                                       false, &parts[i]),
                         OK);
}

/* In place; iv becomes that of the next message. */
static void decipher(const struct v1_keys *keys, uint8_t iv[IV_MAX], int i)
{
    struct blob *m = &message[i];
    uint8_t next[IV_MAX];
    memcpy(next, m->data + m->len - IV_MAX, IV_MAX);
    assert_int_equal(
        cbc_decrypt(keys->encr, secret_bytes(&keys->cipher), iv, m->data + IKE_HEADER_LEN, m->len - IKE_HEADER_LEN),
        OK);
    assert_int_equal(payloads_read(m->data[IKE_HEADER_NEXT_AT],
                                   bytes_of(m->data + IKE_HEADER_LEN, m->len - IKE_HEADER_LEN), true, &parts[i]),
                     OK);
    memcpy(iv, next, IV_MAX);
}

static void derive(struct vault *vault, const char *private, const struct v1_phase1_values *values, struct bytes peer,
                   struct v1_keys *keys)
{
    const struct proposal suite = {
        .encr = ENCR_AES_CBC, .key_bits = 128, .prf = PRF_HMAC_SHA1, .group = GROUP_MODP1024};
    struct dh *dh;
    struct secret shared;
    assert_int_equal(dh_new_from_private(GROUP_MODP1024, hex(0, private), vault, &dh), OK);
    assert_int_equal(dh_public(dh).len, values->public_i.len);
    assert_memory_equal(dh_public(dh).data, values->public_i.data, values->public_i.len);
    assert_int_equal(dh_shared(dh, peer, &shared), OK);
    assert_int_equal(v1_keys_derive(vault, &suite, bytes_of("AAAA", 4), values, secret_bytes(&shared), keys), OK);
    secret_free(&shared);
    dh_free(dh);
}

/* HASH_I or HASH_R of a message is what we compute. */
static void proves(const struct v1_keys *keys, const struct v1_phase1_values *values, bool of_initiator,
                   struct bytes id, struct bytes hash)
{
    uint8_t want[HASH_MAX];
    assert_int_equal(v1_auth_hash(keys, values, of_initiator, id, want), OK);
    assert_int_equal(hash.len, 20);
    assert_memory_equal(hash.data, want, hash.len);
}

static void hashes(int i, const uint8_t want[HASH_MAX])
{
    struct bytes hash = body(i, PAYLOAD_HASH);
    assert_int_equal(hash.len, 20);
    assert_memory_equal(hash.data, want, hash.len);
}

/* HASH(1), HASH(2) and HASH(3) of the recorded quick mode. */
static void quick_mode(const struct v1_keys *keys, const uint8_t last[IV_MAX], int first)
{
    uint8_t iv[IV_MAX], want[HASH_MAX];
    uint32_t id = load_u32(message[first].data + 20);
    assert_int_equal(v1_phase2_iv(keys, last, id, iv), OK);
    for (int i = first; i < first + 3; i++)
        decipher(keys, iv, i);
    struct bytes nonce_i = body(first, PAYLOAD_NONCE), nonce_r = body(first + 1, PAYLOAD_NONCE);
    assert_int_equal(v1_hash12(keys, id, (struct bytes){0}, v1_behind_hash(&parts[first]), want), OK);
    hashes(first, want);
    assert_int_equal(v1_hash12(keys, id, nonce_i, v1_behind_hash(&parts[first + 1]), want), OK);
    hashes(first + 1, want);
    assert_int_equal(v1_hash3(keys, id, nonce_i, nonce_r, want), OK);
    hashes(first + 2, want);
}

static void a_recorded_main_and_quick_mode(void **state)
{
    (void)state;
    enum { M1, M3, M4, M5, M6, Q1 };
    struct vault *vault = vault_new();
    struct v1_keys keys = {0};
    uint8_t iv[IV_MAX];
    for (int i = M1; i < MESSAGES; i++)
        read_message(i, main_messages[i], i <= M4);
    const struct v1_phase1_values values = {.spi_i = u64_at(message[M3].data),
                                            .spi_r = u64_at(message[M3].data + 8),
                                            .nonce_i = body(M3, PAYLOAD_NONCE),
                                            .nonce_r = body(M4, PAYLOAD_NONCE),
                                            .public_i = body(M3, PAYLOAD_KE),
                                            .public_r = body(M4, PAYLOAD_KE),
                                            .sai_b = body(M1, PAYLOAD_SA)};
    derive(vault, main_private, &values, values.public_r, &keys);
    assert_int_equal(v1_phase1_iv(&keys, &values, iv), OK);
    decipher(&keys, iv, M5);
    decipher(&keys, iv, M6);
    proves(&keys, &values, true, body(M5, PAYLOAD_ID), body(M5, PAYLOAD_HASH));
    proves(&keys, &values, false, body(M6, PAYLOAD_ID), body(M6, PAYLOAD_HASH));
    quick_mode(&keys, iv, Q1);
    v1_keys_free(&keys);
    assert_int_equal(vault_live(vault), 0);
    vault_free(vault);
}

static void a_recorded_aggressive_mode(void **state)
{
    (void)state;
    struct vault *vault = vault_new();
    struct v1_keys keys = {0};
    for (int i = 0; i < 3; i++)
        read_message(i, aggressive_messages[i], true);
    const struct v1_phase1_values values = {.spi_i = u64_at(message[1].data),
                                            .spi_r = u64_at(message[1].data + 8),
                                            .nonce_i = body(0, PAYLOAD_NONCE),
                                            .nonce_r = body(1, PAYLOAD_NONCE),
                                            .public_i = body(0, PAYLOAD_KE),
                                            .public_r = body(1, PAYLOAD_KE),
                                            .sai_b = body(0, PAYLOAD_SA)};
    derive(vault, aggressive_private, &values, values.public_r, &keys);
    proves(&keys, &values, false, body(1, PAYLOAD_ID), body(1, PAYLOAD_HASH));
    proves(&keys, &values, true, body(0, PAYLOAD_ID), body(2, PAYLOAD_HASH));
    v1_keys_free(&keys);
    assert_int_equal(vault_live(vault), 0);
    vault_free(vault);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(skeyid_of_signatures),
        cmocka_unit_test(skeyid_of_shared_keys),
        cmocka_unit_test(a_recorded_main_and_quick_mode),
        cmocka_unit_test(a_recorded_aggressive_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
