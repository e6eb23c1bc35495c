/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/unit_test.h"

#include "policy/proposal.h"

static const uint32_t all_legacy =
    LEGACY_MODP1024 | LEGACY_MODP1536 | LEGACY_SHA1 | LEGACY_MD5 | LEGACY_3DES | LEGACY_NULL | LEGACY_SHA256_96;

/* The list as one text: "aes256-sha256, aes128-sha256". */
static void join(const struct proposal_list *list, char *out, size_t len)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < list->count; i++) {
        char text[PROPOSAL_TEXT];
        used +=
            (size_t)snprintf(out + used, len - used, "%s%s", i > 0 ? ", " : "", proposal_print(&list->items[i], text));
        assert_true(used < len);
    }
}

static struct proposal_list a_list(enum proposal_kind kind, const char *text)
{
    struct proposal_list list = {0};
    char why[512];
    if (proposal_parse(kind, text, all_legacy, &list, why, sizeof why) != OK)
        fail_msg("'%s' should be accepted: %s", text, why);
    return list;
}

struct refusal {
    enum proposal_kind kind;
    const char *text;
    const char *says[3]; /* parts of the reason */
};

static void check_refusals(const struct refusal *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct proposal_list list = a_list(PROPOSAL_ESP, "aes192-sha512"), before = list;
        char why[1024];
        if (proposal_parse(cases[i].kind, cases[i].text, 0, &list, why, sizeof why) == OK)
            fail_msg("'%s' should be refused", cases[i].text);
        for (size_t k = 0; k < COUNT(cases[i].says) && cases[i].says[k] != NULL; k++)
            assert_has(why, cases[i].says[k]);
        assert_memory_equal(&list, &before, offsetof(struct proposal_list, items) + sizeof list.items[0]);
        assert_int_equal(list.count, 1); /* nothing is left of the good half of a bad text */
    }
}

static void test_unknown_words_b8(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {PROPOSAL_ESP, "aes512-sha256", {"'aes512'", "aes128/192/256", "chacha20poly1305"}},
        {PROPOSAL_IKE, "aes0-sha256-modp2048", {"'aes0'"}},
        {PROPOSAL_IKE, "aes7-sha256-modp2048", {"'aes7'"}},
        {PROPOSAL_IKE, "aes65535-sha256-modp2048", {"'aes65535'"}},
        {PROPOSAL_ESP, "aes1280-sha256", {"'aes1280'"}},
        {PROPOSAL_ESP, "aes128gcm15", {"'aes128gcm15'"}},
        {PROPOSAL_ESP, "aes512gmac", {"'aes512gmac'"}},
        {PROPOSAL_ESP, "aes128gmac16", {"'aes128gmac16'"}}, /* its ICV has one length: RFC 4543 3.5 */
        {PROPOSAL_ESP, "aes128ccm10", {"'aes128ccm10'"}},
        {PROPOSAL_ESP, "aes128ctr8-sha256", {"'aes128ctr8'"}},
        {PROPOSAL_ESP, "aes128-sha256_128", {"'sha256_128'", "sha256_96"}},
        {PROPOSAL_IKE, "aes128-sha256_97-modp2048", {"hashes are sha256, sha384, sha512, sha1, md5;"}},
        {PROPOSAL_ESP, "aes256gcm16-esn2", {"'esn2'"}},
        {PROPOSAL_ESP, "3des192-sha1", {"'3des192'"}},
        {PROPOSAL_ESP, "chacha20poly1305256", {"unknown"}},
        {PROPOSAL_ESP, "blowfish-sha256", {"'blowfish'"}},
        {PROPOSAL_IKE, "aes256-sha3-modp2048", {"'sha3'", "hashes are sha256"}},
        {PROPOSAL_IKE, "aes256-sha256-modp2047", {"'modp2047'", "groups are", "x25519"}},
        {PROPOSAL_IKE, "aes256-prf-modp2048", {"'prf'"}},
        {PROPOSAL_IKE, "aes256-prfaes-modp2048", {"'prfaes'"}},
        {PROPOSAL_ESP, "aes256_sha256", {"'aes256_sha256'"}},
        {PROPOSAL_ESP, "aes256-sha256!", {"'sha256!'"}},
        {PROPOSAL_ESP, "aes256 sha256", {"'aes256 sha256'"}},
        {PROPOSAL_ESP, "\x1b[31m\n", {"\\x1b[31m"}},
        {PROPOSAL_ESP, "aes128-a-word-that-is-fine-but-unknown", {"'a'"}},
        {PROPOSAL_ESP, "aes256-sha256, aes256-sha999", {"'sha999'"}},
        {PROPOSAL_ESP,
         "aes256-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         {"'aaaa", "..."}},
    };
    check_refusals(cases, COUNT(cases));
}

static void test_broken_structure(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {PROPOSAL_ESP, "", {"empty proposal", "aes256gcm16-modp2048"}},
        {PROPOSAL_IKE, "  ", {"empty proposal", "aes256-sha256-modp2048"}},
        {PROPOSAL_ESP, ",", {"empty proposal"}},
        {PROPOSAL_ESP, "aes256-sha256,", {"empty proposal"}},
        {PROPOSAL_ESP, ",aes256-sha256", {"empty proposal"}},
        {PROPOSAL_ESP, "aes256-sha256,,aes128-sha256", {"empty proposal"}},
        {PROPOSAL_ESP, "-", {"empty word"}},
        {PROPOSAL_ESP, "aes256-", {"empty word"}},
        {PROPOSAL_ESP, "-aes256", {"empty word"}},
        {PROPOSAL_ESP, "aes256--sha256", {"empty word", "'aes256--sha256'"}},
    };
    check_refusals(cases, COUNT(cases));
}

static void test_words_that_do_not_make_a_suite(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {PROPOSAL_IKE, "aes256-sha256", {"no group", "modp2048"}},
        {PROPOSAL_IKE, "aes256-modp2048", {"no hash", "sha256"}},
        {PROPOSAL_IKE, "sha256-modp2048", {"no cipher", "aes256-sha256-modp2048"}},
        {PROPOSAL_IKE, "aes256gcm16-sha256-modp2048", {"aes256gcm16", "for esp", "aes256-sha256-modp2048"}},
        {PROPOSAL_IKE, "chacha20poly1305-prfsha256-curve25519", {"for esp"}},
        {PROPOSAL_IKE, "null-sha256-modp2048", {"null does not encrypt"}},
        {PROPOSAL_IKE, "aes256gmac-modp2048", {"aes256gmac does not encrypt"}},
        {PROPOSAL_IKE, "aes256ccm16-sha256-modp2048", {"aes256ccm16", "for esp"}},
        {PROPOSAL_IKE, "aes256ctr-sha256-modp2048", {"aes256ctr is for esp", "aes256"}},
        {PROPOSAL_IKE, "aes256-sha256_96-modp2048", {"in ike write sha256"}},
        {PROPOSAL_IKE, "aes256-sha256-modp2048-esn", {"esn is about", "write it in esp"}},
        {PROPOSAL_IKE, "aes256-sha256-modp2048-noesn", {"noesn is about"}},
        {PROPOSAL_ESP, "aes256ctr", {"no hash", "sha256"}},
        {PROPOSAL_ESP, "aes128ccm8-sha256", {"by itself", "leave out sha256"}},
        {PROPOSAL_ESP, "aes128gmac-sha512", {"by itself", "leave out sha512"}},
        {PROPOSAL_ESP, "esn", {"no cipher"}},
        {PROPOSAL_IKE, "aes256-sha256-prfsha384-modp2048", {"another prf", "leave out the prf"}},
        {PROPOSAL_IKE, "aes256-sha256-sha384-prfsha256-modp2048", {"another prf"}},
        {PROPOSAL_ESP, "aes256", {"no hash", "sha256"}},
        {PROPOSAL_ESP, "null", {"null is legacy"}},
        {PROPOSAL_ESP, "sha256", {"no cipher"}},
        {PROPOSAL_ESP, "modp2048", {"no cipher"}},
        {PROPOSAL_ESP, "aes256gcm16-sha256", {"by itself", "leave out sha256"}},
        {PROPOSAL_ESP, "aes256gcm16-aes256-sha256", {"mixes", "two proposals"}},
        {PROPOSAL_ESP, "aes256-prfsha256", {"prf belongs to ike", "sha256"}},
        {PROPOSAL_ESP, "aes256gcm16-prfsha256-modp2048", {"prf belongs to ike"}},
    };
    check_refusals(cases, COUNT(cases));
}

static void test_legacy_only_by_allow(void **state)
{
    (void)state;
    static const struct {
        enum proposal_kind kind;
        const char *text;
        uint32_t needs;
        const char *says;
    } cases[] = {
        {PROPOSAL_IKE, "aes256-sha1-modp2048", LEGACY_SHA1, "sha1 is legacy; write allow = "},
        {PROPOSAL_IKE, "aes256-sha-modp2048", LEGACY_SHA1, "sha1 is legacy; write allow = "},
        {PROPOSAL_IKE, "aes256-prfsha1-modp2048", LEGACY_SHA1, "sha1 is legacy; write allow = "},
        {PROPOSAL_IKE, "aes256-md5-modp2048", LEGACY_MD5, "md5 is legacy; write allow = "},
        {PROPOSAL_IKE, "3des-sha256-modp2048", LEGACY_3DES, "3des is legacy; write allow = "},
        {PROPOSAL_IKE, "aes256-sha256-modp1024", LEGACY_MODP1024, "modp1024 is legacy; write allow = "},
        {PROPOSAL_IKE, "aes256-sha256-modp1536", LEGACY_MODP1536, "modp1536 is legacy; write allow = "},
        {PROPOSAL_IKE, "3des-sha1-modp1024", LEGACY_3DES | LEGACY_SHA1 | LEGACY_MODP1024, " legacy; write allow = "},
        {PROPOSAL_ESP, "aes256-sha1", LEGACY_SHA1, "sha1 is legacy; write allow = "},
        {PROPOSAL_ESP, "aes256gcm16-modp1024", LEGACY_MODP1024, "modp1024 is legacy; write allow = "},
        {PROPOSAL_ESP, "3des-md5", LEGACY_3DES | LEGACY_MD5, "allow = "},
        {PROPOSAL_ESP, "null-sha256", LEGACY_NULL, "null is legacy; write allow = "},
        {PROPOSAL_ESP, "null-sha1-modp1024", LEGACY_NULL | LEGACY_SHA1 | LEGACY_MODP1024, "allow = "},
        {PROPOSAL_ESP, "aes128-sha256_96", LEGACY_SHA256_96, "sha256_96 is legacy; write allow = "},
        {PROPOSAL_ESP, "aes128-sha2_256_96", LEGACY_SHA256_96, "sha256_96 is legacy; write allow = "},
        {PROPOSAL_ESP, "null-sha256_96-esn", LEGACY_NULL | LEGACY_SHA256_96, "allow = "},
        {PROPOSAL_ESP, "aes128ctr-sha256", 0, ""},
        {PROPOSAL_ESP, "aes128ccm8", 0, ""},
        {PROPOSAL_ESP, "aes128gmac", 0, ""},
        {PROPOSAL_ESP, "aes256-sha256", 0, ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (uint32_t allow = 0; allow <= all_legacy; allow++) {
            struct proposal_list list = {0};
            char why[512];
            bool good = (cases[i].needs & ~allow) == 0;
            assert_int_equal(proposal_parse(cases[i].kind, cases[i].text, allow, &list, why, sizeof why) == OK, good);
            if (good)
                assert_int_equal(proposal_legacy(&list.items[0]), cases[i].needs);
            else
                assert_has(why, cases[i].says);
        }
    }
}

/* All at once, and what is allowed already stays in the line that is proposed. */
static void test_all_missing_legacy_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t allow;
        const char *says;
    } cases[] = {
        {"aes256-sha1-modp2048", 0, "sha1 is legacy; write allow = sha1 in"},
        {"aes256-sha256-modp2048 , 3des - sha1-modp1024", 0,
         "modp1024, sha1, 3des are legacy; write allow = modp1024 sha1 3des in"},
        {"3des-sha1-modp1024, aes128-md5-modp1536", LEGACY_SHA1 | LEGACY_3DES,
         "modp1024, modp1536, md5 are legacy; write allow = modp1024 modp1536 sha1 md5 3des in"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct proposal_list list = {0};
        char why[512];
        assert_int_not_equal(proposal_parse(PROPOSAL_IKE, cases[i].text, cases[i].allow, &list, why, sizeof why), OK);
        assert_has(why, cases[i].says);
    }
}

static void test_broken_algorithms_whatever_is_allowed(void **state)
{
    (void)state;
    static const char *const texts[] = {"aes256-sha256-modp768", "des-sha256-modp2048"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct proposal_list list = {0};
        char why[512];
        assert_int_equal(proposal_parse(PROPOSAL_IKE, texts[i], UINT32_MAX, &list, why, sizeof why), ERR_UNSUPPORTED);
        assert_has(why, "never accepted");
        assert_int_equal(list.count, 0);
    }
}

/* --- what is accepted --- */

static void test_words_and_their_aliases(void **state)
{
    (void)state;
    static const struct {
        enum proposal_kind kind;
        const char *text, *shown;
    } cases[] = {
        {PROPOSAL_IKE, "aes256-sha256-modp2048", "aes256-sha256-modp2048"},
        {PROPOSAL_IKE, "aes-sha256-modp2048", "aes128-sha256-modp2048"},
        {PROPOSAL_IKE, "modp2048-sha256-aes192", "aes192-sha256-modp2048"}, /* in any order */
        {PROPOSAL_IKE, "AES256-SHA256-MODP2048", "aes256-sha256-modp2048"},
        {PROPOSAL_IKE, " aes256 - sha256 - modp2048 ", "aes256-sha256-modp2048"},
        {PROPOSAL_IKE, "aes256-sha2_256-modp2048", "aes256-sha256-modp2048"},
        {PROPOSAL_IKE, "aes256-sha2_384-ecp384", "aes256-sha384-ecp384"},
        {PROPOSAL_IKE, "aes256-sha2_512-ecp521", "aes256-sha512-ecp521"},
        {PROPOSAL_IKE, "aes256-sha-modp1024", "aes256-sha1-modp1024"},
        {PROPOSAL_IKE, "aes256-prfsha384-ecp384", "aes256-sha384-ecp384"},
        {PROPOSAL_IKE, "aes256-sha384-prfsha384-ecp384", "aes256-sha384-ecp384"},
        {PROPOSAL_IKE, "aes256-prfsha2_256-curve25519", "aes256-sha256-x25519"},
        {PROPOSAL_IKE, "3des-md5-modp1536", "3des-md5-modp1536"},
        {PROPOSAL_ESP, "aes256gcm16", "aes256gcm16"},
        {PROPOSAL_ESP, "aes256gcm128", "aes256gcm16"},
        {PROPOSAL_ESP, "aes256gcm", "aes256gcm16"},
        {PROPOSAL_ESP, "aesgcm16", "aes128gcm16"},
        {PROPOSAL_ESP, "aes192gcm12-modp4096", "aes192gcm12-modp4096"},
        {PROPOSAL_ESP, "aes192gcm96", "aes192gcm12"},
        {PROPOSAL_ESP, "aes128gcm64", "aes128gcm8"},
        {PROPOSAL_ESP, "aes128gcm8-ecp256", "aes128gcm8-ecp256"},
        {PROPOSAL_ESP, "chacha20poly1305", "chacha20poly1305"},
        {PROPOSAL_ESP, "chacha20poly1305-curve25519", "chacha20poly1305-x25519"},
        {PROPOSAL_ESP, "3des-sha1", "3des-sha1"},
        {PROPOSAL_ESP, "null-sha256", "null-sha256"},
        {PROPOSAL_ESP, "aes256-sha512-modp8192", "aes256-sha512-modp8192"},
        {PROPOSAL_ESP, "aes128ccm8", "aes128ccm8"},
        {PROPOSAL_ESP, "aes128ccm64", "aes128ccm8"},
        {PROPOSAL_ESP, "aes192ccm12", "aes192ccm12"},
        {PROPOSAL_ESP, "aes192ccm96-ecp256", "aes192ccm12-ecp256"},
        {PROPOSAL_ESP, "aes256ccm16", "aes256ccm16"},
        {PROPOSAL_ESP, "aes256ccm128", "aes256ccm16"},
        {PROPOSAL_ESP, "AES256CCM", "aes256ccm16"},
        {PROPOSAL_ESP, "aes256ctr-sha256", "aes256ctr-sha256"},
        {PROPOSAL_ESP, "aes192ctr-sha512-modp2048", "aes192ctr-sha512-modp2048"},
        {PROPOSAL_ESP, "aes128gmac", "aes128gmac"},
        {PROPOSAL_ESP, "aes256gmac-x25519", "aes256gmac-x25519"},
        {PROPOSAL_ESP, "aes128-sha256_96", "aes128-sha256_96"},
        {PROPOSAL_ESP, "aes128-sha2_256_96", "aes128-sha256_96"},
        {PROPOSAL_ESP, "aes256gcm16-esn", "aes256gcm16-esn"},
        {PROPOSAL_ESP, "ESN-aes256gcm16-modp2048", "aes256gcm16-modp2048-esn"},
        {PROPOSAL_ESP, "aes256gcm16-noesn", "aes256gcm16"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char shown[256];
        struct proposal_list list = a_list(cases[i].kind, cases[i].text);
        join(&list, shown, sizeof shown);
        assert_string_equal(shown, cases[i].shown);
        struct proposal_list again = a_list(cases[i].kind, shown); /* what is printed can be written */
        assert_int_equal(again.count, 1);
        assert_true(proposal_equal(&list.items[0], &again.items[0]));
    }
}

static void test_numbers_behind_the_words(void **state)
{
    (void)state;
    struct proposal_list ike = a_list(PROPOSAL_IKE, "aes256-sha384-ecp384, 3des-sha1-modp1024");
    struct proposal expected = {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_384_192, PRF_HMAC_SHA2_384, GROUP_ECP384, false};
    assert_true(proposal_equal(&ike.items[0], &expected));
    expected = (struct proposal){ENCR_3DES, 0, INTEG_HMAC_SHA1_96, PRF_HMAC_SHA1, GROUP_MODP1024, false};
    assert_true(proposal_equal(&ike.items[1], &expected));
    struct proposal_list esp = a_list(PROPOSAL_ESP, "aes128gcm16, aes256-sha256-x25519, chacha20poly1305");
    expected = (struct proposal){ENCR_AES_GCM_16, 128, INTEG_NONE, PRF_NONE, GROUP_NONE, false};
    assert_true(proposal_equal(&esp.items[0], &expected));
    expected = (struct proposal){ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_256_128, PRF_NONE, GROUP_CURVE25519, false};
    assert_true(proposal_equal(&esp.items[1], &expected));
    expected = (struct proposal){ENCR_CHACHA20_POLY1305, 0, INTEG_NONE, PRF_NONE, GROUP_NONE, false};
    assert_true(proposal_equal(&esp.items[2], &expected));
    /* Each of them can be keyed. */
    for (size_t i = 0; i < esp.count; i++)
        assert_true(esp_keymat_len(esp.items[i].encr, esp.items[i].key_bits, esp.items[i].integ) > 0);
}

static void test_alternatives_expand_in_the_order_written(void **state)
{
    (void)state;
    static const struct {
        enum proposal_kind kind;
        const char *text, *shown;
    } cases[] = {
        {PROPOSAL_IKE, "aes256-aes128-sha256-sha384-modp2048",
         "aes256-sha256-modp2048, aes256-sha384-modp2048, aes128-sha256-modp2048, aes128-sha384-modp2048"},
        {PROPOSAL_IKE, "aes256-sha256-ecp256-modp2048", "aes256-sha256-ecp256, aes256-sha256-modp2048"},
        {PROPOSAL_ESP, "aes256gcm16-aes128gcm16-chacha20poly1305", "aes256gcm16, aes128gcm16, chacha20poly1305"},
        {PROPOSAL_ESP, "aes256-aes256-sha256-sha256", "aes256-sha256"},
        {PROPOSAL_ESP, "aes256-sha256, aes128-sha256, aes256-sha256", "aes256-sha256, aes128-sha256"},
        {PROPOSAL_ESP, "aes256gcm16-modp2048,aes256gcm16", "aes256gcm16-modp2048, aes256gcm16"},
        {PROPOSAL_ESP, "aes256gcm16-esn-noesn", "aes256gcm16-esn, aes256gcm16"},
        {PROPOSAL_ESP, "aes256gcm16-noesn-esn", "aes256gcm16-esn, aes256gcm16"}, /* first the wider */
        {PROPOSAL_ESP, "aes256gcm16-esn-esn", "aes256gcm16-esn"},
        {PROPOSAL_ESP, "aes256-aes128-sha256-sha384-esn-noesn",
         "aes256-sha256-esn, aes256-sha256, aes256-sha384-esn, aes256-sha384, aes128-sha256-esn, aes128-sha256, "
         "aes128-sha384-esn, aes128-sha384"},
        {PROPOSAL_ESP, "aes128gcm16-ecp256-modp2048-esn-noesn",
         "aes128gcm16-ecp256-esn, aes128gcm16-ecp256, aes128gcm16-modp2048-esn, aes128gcm16-modp2048"},
        {PROPOSAL_ESP, "aes256gcm16-esn, aes256gcm16, aes256gcm16-esn", "aes256gcm16-esn, aes256gcm16"},
        {PROPOSAL_ESP, "aes256-sha256, aes128-sha256_96", "aes256-sha256, aes128-sha256_96"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char shown[512];
        struct proposal_list list = a_list(cases[i].kind, cases[i].text);
        join(&list, shown, sizeof shown);
        assert_string_equal(shown, cases[i].shown);
    }
}

/* IKE has one number for both truncations: a list in which they differ in nothing else is ambiguous. */
static void test_two_truncations_of_one_suite_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"aes256-sha256, aes256-sha256_96", "aes256-sha256_96-sha256",
                                        "aes256-sha256_96-esn-noesn, aes256-sha256"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct proposal_list list = {0};
        char why[512];
        assert_int_equal(proposal_parse(PROPOSAL_ESP, texts[i], all_legacy, &list, why, sizeof why), ERR_UNSUPPORTED);
        assert_has(why, "aes256-sha256_96");
        assert_has(why, "keep the one");
        assert_int_equal(list.count, 0);
    }
}

/* ours, offered, equal, fits */
static void test_equal_and_fitting(void **state)
{
    (void)state;
    static const struct {
        const char *ours, *offered;
        bool equal, fits;
    } rows[] = {
        {"aes256-sha256", "aes256-sha256", true, true},
        {"aes256-sha256_96", "aes256-sha256_96", true, true},
        {"aes256-sha256_96", "aes256-sha256", false, true}, /* one number on the wire */
        {"aes256-sha256_96", "aes256-sha384", false, false},
        {"aes256-sha256_96", "aes128-sha256", false, false},
        {"aes256-sha256_96", "aes256-sha256-esn", false, false},
        {"aes256gcm16-esn", "aes256gcm16-esn", true, true},
        {"aes256gcm16-esn", "aes256gcm16", false, false},
        {"aes256gcm16", "aes256gcm16-esn", false, false},
        {"aes256gcm16", "aes256ccm16", false, false},
        {"aes256gcm16", "aes256gmac", false, false},
        {"aes256gcm16", "aes256gcm16-modp2048", false, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct proposal_list ours = a_list(PROPOSAL_ESP, rows[i].ours), theirs = a_list(PROPOSAL_ESP, rows[i].offered);
        if (proposal_equal(&ours.items[0], &theirs.items[0]) != rows[i].equal ||
            proposal_fits(&ours.items[0], &theirs.items[0]) != rows[i].fits)
            fail_msg("row %zu", i);
    }
}

static void test_parsing_appends(void **state)
{
    (void)state;
    struct proposal_list list = a_list(PROPOSAL_ESP, "aes256-sha256");
    char why[64], shown[128];
    assert_int_equal(proposal_parse(PROPOSAL_ESP, "aes128gcm16", 0, &list, why, sizeof why), OK);
    assert_string_equal(why, "");
    join(&list, shown, sizeof shown);
    assert_string_equal(shown, "aes256-sha256, aes128gcm16");
}

/* 3 ciphers x 5 hashes x 2 groups are 30, and then 31, 32 and 33. */
static void test_number_of_proposals_at_the_limit(void **state)
{
    (void)state;
    static const char thirty[] = "aes128-aes192-aes256-sha256-sha384-sha512-sha1-md5-modp2048-ecp256";
    static const char *const more[] = {"", ", 3des-sha256-ecp256", ", 3des-sha256-sha384-ecp256",
                                       ", 3des-sha256-sha384-sha512-ecp256"};
    for (size_t i = 0; i < COUNT(more); i++) {
        struct proposal_list list = {0};
        char text[256], why[256];
        snprintf(text, sizeof text, "%s%s", thirty, more[i]);
        bool fits = 30 + i <= PROPOSALS_MAX;
        assert_int_equal(proposal_parse(PROPOSAL_IKE, text, all_legacy, &list, why, sizeof why), fits ? OK : ERR_LIMIT);
        assert_int_equal(list.count, fits ? 30 + i : 0);
        if (!fits)
            assert_has(why, "over 32 proposals");
    }
}

static void test_long_texts(void **state)
{
    (void)state;
    static char text[20000];
    struct proposal_list list = {0};
    char why[64];
    memset(text, 'a', sizeof text - 1);
    assert_int_equal(proposal_parse(PROPOSAL_ESP, text, 0, &list, why, sizeof why), ERR_LIMIT);
    for (size_t i = 0; i + 1 < sizeof text; i++)
        text[i] = "aes256-sha256,"[i % 14];
    text[sizeof text - 1 - (sizeof text - 1) % 14 - 1] = '\0'; /* without the last comma */
    assert_int_equal(proposal_parse(PROPOSAL_ESP, text, 0, &list, why, sizeof why), OK);
    assert_int_equal(list.count, 1);
    memset(text, '-', sizeof text - 1);
    assert_int_not_equal(proposal_parse(PROPOSAL_ESP, text, 0, &list, why, sizeof why), OK);
}

/* The reason fits whatever room it gets, and is terminated. */
static void test_reason_in_every_room(void **state)
{
    (void)state;
    for (size_t len = 0; len < 600; len += len < 8 ? 1 : 37) {
        char *why = malloc(len > 0 ? len : 1);
        struct proposal_list list = {0};
        assert_non_null(why);
        assert_int_not_equal(proposal_parse(PROPOSAL_ESP, "nonsense", 0, &list, why, len), OK);
        if (len > 0)
            assert_true(strlen(why) < len);
        free(why);
    }
}

static void test_print_of_unknown_numbers(void **state)
{
    (void)state;
    char text[PROPOSAL_TEXT];
    struct proposal p = {65535, 65535, 65535, 65535, 65535, false};
    assert_string_equal(proposal_print(&p, text), "encr65535-prf65535-group65535");
    p.prf = PRF_NONE;
    assert_string_equal(proposal_print(&p, text), "encr65535-integ65535-group65535");
    assert_int_equal(proposal_legacy(&p), 0);
    p = (struct proposal){.encr = ENCR_AES_CBC, .key_bits = 65535, .integ = INTEG_HMAC_MD5_96};
    assert_string_equal(proposal_print(&p, text), "aes65535-md5");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_words_b8),
        cmocka_unit_test(test_broken_structure),
        cmocka_unit_test(test_words_that_do_not_make_a_suite),
        cmocka_unit_test(test_legacy_only_by_allow),
        cmocka_unit_test(test_all_missing_legacy_is_named),
        cmocka_unit_test(test_broken_algorithms_whatever_is_allowed),
        cmocka_unit_test(test_words_and_their_aliases),
        cmocka_unit_test(test_numbers_behind_the_words),
        cmocka_unit_test(test_alternatives_expand_in_the_order_written),
        cmocka_unit_test(test_two_truncations_of_one_suite_are_refused),
        cmocka_unit_test(test_equal_and_fitting),
        cmocka_unit_test(test_parsing_appends),
        cmocka_unit_test(test_number_of_proposals_at_the_limit),
        cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_reason_in_every_room),
        cmocka_unit_test(test_print_of_unknown_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
