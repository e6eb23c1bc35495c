/* SPDX-License-Identifier: Apache-2.0 */
/* Whole ESP packets that others published: RFC 3602 4, RFC 3686 6 (header ours), RFC 4868 2.7.2.1, RFC 7634 A, Project
 * Wycheproof (CCM), draft-mcgrew-gcm-test-01. */
#include "test/vectors/vectors.h"

#include "crypto/aead.h"
#include "crypto/aead_backend.h"
#include "test/libraries.h"

/* icv_known: false where the source has no ICV; ours then follows the text. */
static const struct packet_row {
    const char *source;
    struct aead_suite suite;
    const char *keymat, *packet, *text;
    bool icv_known;
} rows[] = {
    {"RFC 7634 A",
     {ENCR_CHACHA20_POLY1305, 256, INTEG_NONE, false},
     "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f a0a1a2a3",
     "01020304 00000005 1011121314151617"
     "24039428b97f417e3c13753a4f05087b67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb61aa95dfab4c02f7"
     "2aa71e7c4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e664da9165b82829f641e0"
     "76aaa8266b7fb0f7b11b369907e1ad43",
     "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec100007362708090a0b0c0d0e0f101112131415161718191a1b"
     "1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363701020204",
     true},
    {"draft-mcgrew-gcm-test-01, with ESN",
     {ENCR_AES_GCM_16, 128, INTEG_NONE, true},
     "4c80cdefbb5d10da906ac73c3613a634 2e443b68",
     "00004321 00000000 4956ed7e3b244cfe"
     "fecf537e729d5b07dc30df528dd22b768d1b98736696a6fd348509fa13ceac34cfa2436f14a3f3cf65925bf1f4a13c5d"
     "15b21e1884f5ff6247aeabb786b93bce61bc17d768fd9732 459018148f6cbe722fd04796562dfdb4",
     "45000048699a000080114db7c0a80102c0a801010a9bf15638d301000001000000000000045f736970045f7564700373"
     "69700963796265726369747902646b000021000101020201",
     true},
    {"draft-mcgrew-gcm-test-01",
     {ENCR_AES_GCM_16, 128, INTEG_NONE, false},
     "feffe9928665731c6d6a8f9467308308 cafebabe",
     "0000a5f8 0000000a facedbaddecaf888"
     "deb22cd9b07c72c16e3a65beeb8df304a5a5897d33ae530f1ba76d5d114d2a5c3de81827c10e9a4f51330d0eec416642"
     "cfbb85a5b47e48a4ec3b9ba95d918bd1 83b70d3aa8bc6ee4c309e9d85a41ad4a",
     "4500003e698f000080114dccc0a80102c0a801010a980035002a2343b2d0010000010000000000000373697009637962"
     "6572636974790264 6b00000100010001",
     true},
    {"RFC 3602 4, case 5",
     {ENCR_AES_CBC, 128, INTEG_HMAC_SHA1_96, false},
     "90d382b410eeba7ad938c46cec1a82bf 0000000000000000000000000000000000000000",
     "00004321 00000001 e96e8c08ab465763fd098d45dd3ff893"
     "f663c25d325c18c6a9453e194e120849a4870b66cc6b9965330013b4898dc856a4699e523a55db080b59ec3a8e4b7e52"
     "775b07d1db34ed9c538ab50c551b874aa269add047ad2d5913ac19b7cfbad4a6",
     "08000ebda70a00008e9c083db95b070008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627"
     "28292a2b2c2d2e2f30313233343536370102030405060708090a0b0c0d0e0e01",
     false},
    {"RFC 3602 4, case 6",
     {ENCR_AES_CBC, 128, INTEG_HMAC_SHA1_96, false},
     "90d382b410eeba7ad938c46cec1a82bf 0000000000000000000000000000000000000000",
     "00004321 00000008 69d08df7d203329db093fc4924e5bd80"
     "f51995881ec4e0c4488987ce742e8109689bb379d2d750c0d915dca346a89f75",
     "0800b5e8a80a0500a69c083d0b660e0077777777777777777777777701020201",
     false},
    {"RFC 3602 4, case 7",
     {ENCR_AES_CBC, 128, INTEG_HMAC_SHA1_96, false},
     "0123456789abcdef0123456789abcdef 0000000000000000000000000000000000000000",
     "00008765 00000002 f4e765244f6407adf13dc1380f673f37"
     "773b5241a4c449225e4f3ce5ed611b0c237ca96cf74a93013c1b0ea1a0cf70f8e4ecaec78ac53aad7a0f022b859243c6"
     "47752e94a859352b8a4d4d2decd136e5c177f132ad3fbfb2201ac9904c74ee0a109e0ca1e4dfe9d5a100b842f1c22f0d",
     "45000054090400004001f988c0a87b03c0a87bc808009f76a90a0100b49c083d02a2040008090a0b0c0d0e0f10111213"
     "1415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f30313233343536370102030405060708090a0a04",
     false},
    {"RFC 3602 4, case 8",
     {ENCR_AES_CBC, 128, INTEG_HMAC_SHA1_96, false},
     "0123456789abcdef0123456789abcdef 0000000000000000000000000000000000000000",
     "00008765 00000005 85d47224b5f3dd5d2101d4ea8dffab22"
     "15b92683819596a8047232cc00f7048fe45318e11f8a0f62ede3c3fc61203bb50f980a08c9843fd3a1b06d5c07ff9639"
     "b7eb7dfb3512e5de435e7207ed971ef3d2726d9b5ef6affc6d17a0decbb13892",
     "45000044090c00004001f990c0a87b03c0a87bc80800d63caa0a0200c69c083da3de0300ffffffffffffffffffffffff"
     "ffffffffffffffffffffffffffffffffffffffff0102030405060708090a0a04",
     false},
    {"RFC 3686 6, case 1",
     {ENCR_AES_CTR, 128, INTEG_HMAC_SHA1_96, false},
     "ae6852f8121067cc4bf7a5765577f39e 00000030 0000000000000000000000000000000000000000",
     "00000000 00000000 0000000000000000 e4095d4fb7a7b3792d6175a3261311b8",
     "53696e676c6520626c6f636b206d7367",
     false},
    {"RFC 3686 6, case 2",
     {ENCR_AES_CTR, 128, INTEG_HMAC_SHA1_96, false},
     "7e24067817fae0d743d6ce1f32539163 006cb6db 0000000000000000000000000000000000000000",
     "00000000 00000000 c0543b59da48d90b 5104a106168a72d9790d41ee8edad388eb2e1efc46da57c8fce630df9141be28",
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
     false},
    {"RFC 3686 6, case 3",
     {ENCR_AES_CTR, 128, INTEG_HMAC_SHA1_96, false},
     "7691be035e5020a8ac6e618529f9a0dc 00e0017b 0000000000000000000000000000000000000000",
     "00000000 00000000 27777f3f4a1786f0 c1cf48a89f2ffdd9cf4652e9efdb72d74540a42bde6d7836d59a5ceaaef3105325b2072f",
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223",
     false},
    {"RFC 3686 6, case 4",
     {ENCR_AES_CTR, 192, INTEG_HMAC_SHA1_96, false},
     "16af5b145fc9f579c175f93e3bfb0eed863d06ccfdb78515 00000048 0000000000000000000000000000000000000000",
     "00000000 00000000 36733c147d6d93cb 4b55384fe259c9c84e7935a003cbe928",
     "53696e676c6520626c6f636b206d7367",
     false},
    {"RFC 3686 6, case 5",
     {ENCR_AES_CTR, 192, INTEG_HMAC_SHA1_96, false},
     "7c5cb2401b3dc33c19e7340819e0f69c678c3db8e6f6a91a 0096b03b 0000000000000000000000000000000000000000",
     "00000000 00000000 020c6eadc2cb500d 453243fc609b23327edfaafa7131cd9f8490701c5ad4a79cfc1fe0ff42f4fb00",
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
     false},
    {"RFC 3686 6, case 6",
     {ENCR_AES_CTR, 192, INTEG_HMAC_SHA1_96, false},
     "02bf391ee8ecb159b959617b0965279bf59b60a786d3e0fe 0007bdfd 0000000000000000000000000000000000000000",
     "00000000 00000000 5cbd60278dcc0912 96893fc55e5c722f540b7dd1ddf7e758d288bc95c69165884536c811662f2188abee0935",
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223",
     false},
    {"RFC 3686 6, case 7",
     {ENCR_AES_CTR, 256, INTEG_HMAC_SHA1_96, false},
     "776beff2851db06f4c8a0542c8696f6c6a81af1eec96b4d37fc1d689e6c1c104 00000060 "
     "0000000000000000000000000000000000000000",
     "00000000 00000000 db5672c97aa8f0b2 145ad01dbf824ec7560863dc71e3e0c0",
     "53696e676c6520626c6f636b206d7367",
     false},
    {"RFC 3686 6, case 8",
     {ENCR_AES_CTR, 256, INTEG_HMAC_SHA1_96, false},
     "f6d66d6bd52d59bb0796365879eff886c66dd51a5b6a99744b50590c87a23884 00faac24 "
     "0000000000000000000000000000000000000000",
     "00000000 00000000 c1585ef15a43d875 f05e231b3894612c49ee000b804eb2a9b8306b508f839d6a5530831d9344af1c",
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
     false},
    {"RFC 3686 6, case 9",
     {ENCR_AES_CTR, 256, INTEG_HMAC_SHA1_96, false},
     "ff7a617ce69148e4f1726e2f43581de2aa62d9f805532edff1eed687fb54153d 001cc5b7 "
     "0000000000000000000000000000000000000000",
     "00000000 00000000 51a51d70a1c11148 eb6c52821d0bbbf7ce7594462aca4faab407df866569fd07f48cc0b583d6071f1ec0e6b8",
     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223",
     false},
    {"Project Wycheproof, AES-CCM, case 262",
     {ENCR_AES_CCM_16, 128, INTEG_NONE, false},
     "82841ef7fbae35546525fbbebf4718fb b5cd81",
     "44f48c2a 20456358 8f73a36ed025b6cf b287c637a7554362c80d6b24d50ddfb3 3967277da0f856f8f0ad49282894d2bb",
     "8c2c823bb39941b1c6b75bbc82f05ba4",
     true},
    {"Project Wycheproof, AES-CCM, case 298",
     {ENCR_AES_CCM_16, 192, INTEG_NONE, false},
     "0a3bf0a926fb14a3b716bfa021a208da0330e57bed36828a a0ba36",
     "3fcd93cc b8e97956 edc43d935ee94213 27d1e353233755a2fe28231637739c46 b9b74765ed3d53031bf3c7349e74340e",
     "9ab6c109c8069d054ccbb5c33c6e70d0",
     true},
    {"draft-mcgrew-gcm-test-01, GMAC",
     {ENCR_NULL_AUTH_AES_GMAC, 128, INTEG_NONE, false},
     "4c80cdefbb5d10da906ac73c3613a634 22433c64",
     "00004321 00000007 0000000000000000"
     "45000030da3a00008001df3bc0a80005c0a800010800c6cd0200070061626364656667686"
     "96a6b6c6d6e6f707172737401020201 f2a9a836e155106aa8dcd618e4099aaa",
     "45000030da3a00008001df3bc0a80005c0a800010800c6cd0200070061626364656667686"
     "96a6b6c6d6e6f707172737401020201",
     true},
    {"RFC 4868 2.7.2.1, AUTH256-1, truncated",
     {ENCR_NULL, 0, INTEG_HMAC_SHA2_256_96, false},
     "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
     "4869205468657265 198a607eb44bfbc69903a0f1",
     "",
     true},
    {"RFC 4868 2.7.2.1, AUTH256-1",
     {ENCR_NULL, 0, INTEG_HMAC_SHA2_256_128, false},
     "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
     "4869205468657265 198a607eb44bfbc69903a0f1cf2bbdc5",
     "",
     true},
    {"RFC 4868 2.7.2.1, AUTH256-2",
     {ENCR_NULL, 0, INTEG_HMAC_SHA2_256_128, false},
     "4a6566654a6566654a6566654a6566654a6566654a6566654a6566654a656665",
     "7768617420646f20 79612077616e7420666f72206e6f7468696e673f 167f928588c5cc2eef8e3093caa0e87c",
     "79612077616e7420666f72206e6f7468696e673f",
     true},
};

static struct blob keymat, packet, text;
static const struct aead_library *library; /* the tests run once with each */

static struct aead *make(const struct packet_row *row, const struct random *random)
{
    struct aead *aead;
    unhex(row->keymat, &keymat);
    unhex(row->packet, &packet);
    unhex(row->text, &text);
    assert_int_equal(aead_new(library, &row->suite, blob_bytes(&keymat), random, &aead), OK);
    return aead;
}

static void test_seal_gives_the_published_bytes(void **state)
{
    (void)state;
    struct random random = random_system();
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct aead_shape shape;
        uint8_t sealed[256];
        struct aead *aead = make(&rows[i], &random);
        assert_int_equal(aead_shape(&rows[i].suite, &shape), OK);
        struct aead_job job = {.esp = sealed, .text_len = (uint32_t)text.len};
        memcpy(sealed, packet.data, (size_t)AEAD_HEADER + shape.iv);
        if (rows[i].suite.esn) /* SPI 00004321, number 87654321 00000000 */
            job.sequence_high = 0x87654321;
        memcpy(aead_text(&job, &shape), text.data, text.len);
        aead_seal_given_iv(aead, &job, 1);
        assert_true(job.ok);
        assert_int_equal(packet.len, AEAD_HEADER + shape.iv + text.len + (rows[i].icv_known ? shape.icv : 0));
        assert_memory_equal(sealed, packet.data, packet.len);
        aead_open(aead, &job, 1);
        assert_true(job.ok);
        assert_memory_equal(aead_text(&job, &shape), text.data, text.len);
        aead_free(aead);
    }
}

static void test_open_gives_the_published_text(void **state)
{
    (void)state;
    struct random random = random_system();
    size_t ran = 0;
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (!rows[i].icv_known)
            continue;
        struct aead_shape shape;
        struct aead *aead = make(&rows[i], &random);
        assert_int_equal(aead_shape(&rows[i].suite, &shape), OK);
        struct aead_job job = {.esp = packet.data, .text_len = (uint32_t)text.len};
        job.sequence_high = rows[i].suite.esn ? 0x87654321 : 0;
        aead_open(aead, &job, 1);
        if (!job.ok || memcmp(aead_text(&job, &shape), text.data, text.len) != 0)
            fail_msg("%s does not open", rows[i].source);
        aead_free(aead);
        ran++;
    }
    report("published ESP packets", ran);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seal_gives_the_published_bytes),
        cmocka_unit_test(test_open_gives_the_published_text),
    };
    struct libraries libraries;
    libraries_make(&libraries);
    int failed = 0;
    for (size_t i = 0; i < libraries.count; i++) {
        library = libraries.all[i];
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    libraries_free(&libraries);
    return failed;
}
