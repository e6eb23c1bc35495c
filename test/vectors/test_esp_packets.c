/* SPDX-License-Identifier: Apache-2.0 */
/* Whole ESP packets that others published: RFC 3602 4, RFC 4868 2.7.2.1, RFC 7634 A, draft-mcgrew-gcm-test-01. */
#include "test/vectors/vectors.h"

#include "crypto/aead.h"
#include "crypto/aead_backend.h"

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

static struct aead *make(const struct packet_row *row, const struct random *random)
{
    struct aead *aead;
    unhex(row->keymat, &keymat);
    unhex(row->packet, &packet);
    unhex(row->text, &text);
    assert_int_equal(aead_new(&row->suite, blob_bytes(&keymat), random, &aead), OK);
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
    return cmocka_run_group_tests(tests, NULL, NULL);
}
