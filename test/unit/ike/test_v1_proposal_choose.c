/* SPDX-License-Identifier: Apache-2.0 */
/* Offers as they are written and read again, what is chosen of them, and how an answer is judged. */
#include "test/unit/ike/ike_test.h"

#include "ike/v1_proposal.h"

enum { SHORT = 0x8000 };

static const struct v1_terms ike_terms = {.kind = PROPOSAL_IKE, .auth = V1_AUTH_PSK, .life_seconds = 14400};
static const struct v1_terms esp_terms = {
    .kind = PROPOSAL_ESP, .encap = V1_ENCAP_TUNNEL, .spi = 0xc0ffee01, .life_seconds = 3600};

static struct proposal_list suites(enum proposal_kind kind, const char *text)
{
    struct proposal_list list = {0};
    char why[256];
    if (proposal_parse(kind, text, ~0u, &list, why, sizeof why) != OK)
        fail_msg("%s", why);
    return list;
}

static void what_is_offered_is_read(void **state)
{
    (void)state;
    static const char *const ike[] = {"aes128-sha1-modp1024", "aes256-sha512-modp8192", "3des-md5-modp1536",
                                      "aes192-sha384-ecp384", "aes256-sha256-x25519"};
    static const char *const esp[] = {
        "aes128-sha1",          "aes256gcm16-ecp256", "chacha20poly1305", "aes128gcm8",       "3des-sha1-modp1024",
        "aes192-sha512-ecp521", "aes128ctr-sha256",   "aes256ccm16-esn",  "aes192ccm12",      "aes128ccm8-modp2048-esn",
        "aes256gmac",           "aes128gmac-esn",     "null-sha256",      "aes256-sha256-esn"};
    for (size_t i = 0; i < COUNT(ike) + COUNT(esp); i++) {
        bool phase1 = i < COUNT(ike);
        enum proposal_kind kind = phase1 ? PROPOSAL_IKE : PROPOSAL_ESP;
        const struct v1_terms *terms = phase1 ? &ike_terms : &esp_terms;
        const struct proposal_list list = suites(kind, phase1 ? ike[i] : esp[i - COUNT(ike)]);
        uint8_t data[1024];
        struct v1_offer offer;
        struct writer w = writer_of(data, sizeof data);
        v1_offer_write(&w, terms, &list);
        assert_int_equal(v1_offer_read(kind, writer_bytes(&w), &offer), OK);
        assert_int_equal(offer.count, 1);
        assert_true(offer.items[0].usable);
        assert_true(proposal_equal(&offer.items[0].suite, &list.items[0]));
        assert_int_equal(offer.items[0].life_seconds, terms->life_seconds);
        assert_ptr_equal(v1_offer_choose(&offer, terms, &list), &offer.items[0]);
    }
}

/* The numbers that stand on the wire, by themselves: IANA's, not IKEv2's. */
static void transforms_have_their_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *suite;
        uint8_t id;
        uint16_t auth, key_bits; /* 0: the attribute is left out */
    } rows[] = {
        {"3des-sha1", 3, 2, 0},           {"null-sha256", 11, 5, 0},        {"aes128-md5", 12, 1, 128},
        {"aes192ctr-sha384", 13, 6, 192}, {"aes256ccm8", 14, 0, 256},       {"aes192ccm12", 15, 0, 192},
        {"aes128ccm16", 16, 0, 128},      {"aes128gcm8", 18, 0, 128},       {"aes192gcm12", 19, 0, 192},
        {"aes256gcm16", 20, 0, 256},      {"aes192gmac", 23, 0, 192},       {"chacha20poly1305", 28, 0, 0},
        {"aes256-sha512", 12, 7, 256},    {"aes256-sha256_96", 12, 5, 256},
    };
    for (size_t i = 0; i < COUNT(rows) * 2; i++) {
        bool esn = i % 2 == 1;
        uint8_t data[256], want[64];
        char text[64];
        (void)snprintf(text, sizeof text, "%s%s", rows[i / 2].suite, esn ? "-esn" : "");
        const struct proposal_list list = suites(PROPOSAL_ESP, text);
        struct writer w = writer_of(data, sizeof data), a = writer_of(want, sizeof want);
        v1_offer_write(&w, &(struct v1_terms){.kind = PROPOSAL_ESP, .encap = V1_ENCAP_TUNNEL, .spi = 0x1000}, &list);
        if (rows[i / 2].key_bits != 0)
            write_u32(&a, (uint32_t)(SHORT | 6) << 16 | rows[i / 2].key_bits);
        if (rows[i / 2].auth != 0)
            write_u32(&a, (uint32_t)(SHORT | 5) << 16 | rows[i / 2].auth);
        write_u32(&a, (uint32_t)(SHORT | 4) << 16 | 1);
        if (esn)
            write_u32(&a, (uint32_t)(SHORT | 11) << 16 | 1);
        assert_int_equal(w.len, 8 + 8 + 4 + 8 + a.len);
        assert_int_equal(data[25], rows[i / 2].id);
        assert_memory_equal(data + 28, want, a.len);
    }
}

/* What a peer offers as SHA2-256 is ours, in our truncation; whether ours is offered, or is what answers. */
static void the_truncation_of_sha256_is_ours(void **state)
{
    (void)state;
    const struct proposal_list ours = suites(PROPOSAL_ESP, "aes256gcm16, aes256-sha256_96-esn, aes128-sha256_96");
    static const char *const offers[] = {"aes256-sha256-esn", "aes128-sha256", "aes128-sha256_96", "aes256-sha256"};
    for (size_t i = 0; i < COUNT(offers); i++) {
        const struct proposal_list theirs = suites(PROPOSAL_ESP, offers[i]);
        uint8_t data[256];
        struct v1_offer offer;
        struct writer w = writer_of(data, sizeof data);
        v1_offer_write(&w, &esp_terms, &theirs);
        assert_int_equal(v1_offer_read(PROPOSAL_ESP, writer_bytes(&w), &offer), OK);
        assert_int_equal(offer.items[0].suite.integ, INTEG_HMAC_SHA2_256_128);
        size_t index = 99, want = i == 0 ? 1 : 2;
        const struct v1_transform *chosen = v1_offer_choose(&offer, &esp_terms, &ours);
        if (i == 3) { /* ours has 64-bit numbers */
            assert_null(chosen);
            assert_null(v1_suite_of(&ours, &offer.items[0]));
            assert_int_equal(v1_answer_check(&offer, &esp_terms, &ours, &index), ERR_MISMATCH);
            continue;
        }
        assert_ptr_equal(chosen, &offer.items[0]);
        assert_ptr_equal(v1_suite_of(&ours, chosen), &ours.items[want]);
        assert_int_equal(v1_answer_check(&offer, &esp_terms, &ours, &index), OK);
        assert_int_equal(index, want);
    }
}

/* Who accepts both takes what it prefers; who has one takes that one. */
static void extended_numbers_are_chosen_like_the_rest(void **state)
{
    (void)state;
    static const struct {
        const char *offered, *ours;
        int chosen; /* -1: none */
    } rows[] = {
        {"aes256gcm16-esn-noesn", "aes256gcm16", 1},
        {"aes256gcm16-esn-noesn", "aes256gcm16-esn", 0},
        {"aes256gcm16, aes256gcm16-esn", "aes256gcm16-esn-noesn", 1},
        {"aes256gcm16", "aes256gcm16-esn-noesn", 0},
        {"aes256gcm16", "aes256gcm16-esn", -1},
        {"aes256gcm16-esn", "aes256gcm16", -1},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct proposal_list theirs = suites(PROPOSAL_ESP, rows[i].offered);
        const struct proposal_list ours = suites(PROPOSAL_ESP, rows[i].ours);
        uint8_t data[512];
        struct v1_offer offer;
        struct writer w = writer_of(data, sizeof data);
        v1_offer_write(&w, &esp_terms, &theirs);
        assert_int_equal(v1_offer_read(PROPOSAL_ESP, writer_bytes(&w), &offer), OK);
        const struct v1_transform *chosen = v1_offer_choose(&offer, &esp_terms, &ours);
        if (rows[i].chosen < 0)
            assert_null(chosen);
        else
            assert_ptr_equal(chosen, &offer.items[rows[i].chosen]);
    }
}

static void a_lifetime_beyond_32_bits_is_cut_and_a_long_one_kept(void **state)
{
    (void)state;
    static const uint64_t seconds[] = {1, 65535, 65536, 86400, UINT32_MAX, (uint64_t)UINT32_MAX + 1};
    const struct proposal_list list = suites(PROPOSAL_IKE, "aes128-sha256-modp2048");
    for (size_t i = 0; i < COUNT(seconds); i++) {
        uint8_t data[256];
        struct v1_offer offer;
        struct writer w = writer_of(data, sizeof data);
        v1_offer_write(&w, &(struct v1_terms){.kind = PROPOSAL_IKE, .auth = 1, .life_seconds = seconds[i]}, &list);
        assert_int_equal(v1_offer_read(PROPOSAL_IKE, writer_bytes(&w), &offer), OK);
        assert_true(offer.items[0].life_seconds == (seconds[i] > UINT32_MAX ? UINT32_MAX : seconds[i]));
    }
}

static void our_order_decides_and_terms_must_fit(void **state)
{
    (void)state;
    const struct proposal_list theirs = suites(PROPOSAL_IKE, "aes128-sha256-modp2048, aes256-sha256-modp2048");
    const struct proposal_list ours = suites(PROPOSAL_IKE, "aes256-sha256-modp2048, aes128-sha256-modp2048");
    const struct proposal_list other = suites(PROPOSAL_IKE, "aes192-sha256-modp2048");
    uint8_t data[512];
    struct v1_offer offer;
    struct writer w = writer_of(data, sizeof data);
    v1_offer_write(&w, &ike_terms, &theirs);
    assert_int_equal(v1_offer_read(PROPOSAL_IKE, writer_bytes(&w), &offer), OK);
    assert_ptr_equal(v1_offer_choose(&offer, &ike_terms, &ours), &offer.items[1]);
    assert_null(v1_offer_choose(&offer, &ike_terms, &other));
    assert_null(v1_offer_choose(&offer, &(struct v1_terms){.kind = PROPOSAL_IKE, .auth = 3}, &ours));
    offer.items[1].usable = false;
    assert_ptr_equal(v1_offer_choose(&offer, &ike_terms, &ours), &offer.items[0]);
}

static void the_answer_repeats_the_chosen_bytes(void **state)
{
    (void)state;
    const struct proposal_list list = suites(PROPOSAL_ESP, "aes128gcm16, aes256gcm16, aes128-sha256");
    uint8_t data[1024], answer[512];
    struct v1_offer offer, read;
    struct writer w = writer_of(data, sizeof data), a = writer_of(answer, sizeof answer);
    v1_offer_write(&w, &esp_terms, &list);
    assert_int_equal(v1_offer_read(PROPOSAL_ESP, writer_bytes(&w), &offer), OK);
    struct v1_terms mine = esp_terms;
    mine.spi = 0xabcdef12;
    v1_answer_write(&a, &mine, &offer.items[1]);
    assert_int_equal(writer_finish(&a), OK);
    assert_int_equal(v1_offer_read(PROPOSAL_ESP, writer_bytes(&a), &read), OK);
    assert_int_equal(read.count, 1);
    assert_int_equal(read.items[0].proposal_number, offer.items[1].proposal_number);
    assert_int_equal(load_u32(read.items[0].spi.data), 0xabcdef12);
    assert_int_equal(read.items[0].raw.len, offer.items[1].raw.len);
    assert_memory_equal(read.items[0].raw.data + 1, offer.items[1].raw.data + 1, read.items[0].raw.len - 1);
    size_t index = 99;
    assert_int_equal(v1_answer_check(&read, &esp_terms, &list, &index), OK);
    assert_int_equal(index, 1);
}

/* The peer's answer to what `offered` says, as if it had chosen `chosen` with `terms`. */
static enum status answered(const struct v1_terms *terms, const char *chosen)
{
    const struct proposal_list ours = suites(PROPOSAL_ESP, "aes256gcm16-ecp256, aes128gcm16-ecp256");
    const struct proposal_list list = suites(PROPOSAL_ESP, chosen);
    uint8_t data[1024];
    struct v1_offer answer;
    size_t index;
    struct writer w = writer_of(data, sizeof data);
    v1_offer_write(&w, terms, &list);
    assert_int_equal(v1_offer_read(PROPOSAL_ESP, writer_bytes(&w), &answer), OK);
    return v1_answer_check(&answer, &esp_terms, &ours, &index);
}

static void b29_the_chosen_transform_was_not_offered(void **state)
{
    (void)state;
    assert_int_equal(answered(&esp_terms, "aes192gcm16-ecp256"), ERR_MISMATCH);
    assert_int_equal(answered(&esp_terms, "aes256gcm16-ecp384"), ERR_MISMATCH);
    assert_int_equal(answered(&esp_terms, "aes256gcm16"), ERR_MISMATCH); /* PFS taken away */
    assert_int_equal(answered(&esp_terms, "aes256gcm12-ecp256"), ERR_MISMATCH);
    assert_int_equal(answered(&esp_terms, "aes256-sha256-ecp256"), ERR_MISMATCH);
    assert_int_equal(answered(&esp_terms, "aes256ccm16-ecp256"), ERR_MISMATCH);
    assert_int_equal(answered(&esp_terms, "aes256gmac-ecp256"), ERR_MISMATCH); /* encryption taken away */
    assert_int_equal(answered(&esp_terms, "aes256gcm16-ecp256-esn"), ERR_MISMATCH);
    assert_int_equal(answered(&esp_terms, "aes256gcm16-ecp256, aes128gcm16-ecp256"), ERR_MISMATCH); /* two */
    assert_int_equal(answered(&esp_terms, "aes128gcm16-ecp256"), OK);
}

static void b29_lifetime_or_encapsulation_altered(void **state)
{
    (void)state;
    struct v1_terms t = esp_terms;
    t.life_seconds = 3599;
    assert_int_equal(answered(&t, "aes256gcm16-ecp256"), ERR_MISMATCH);
    t.life_seconds = 0;
    assert_int_equal(answered(&t, "aes256gcm16-ecp256"), ERR_MISMATCH);
    t = esp_terms;
    t.life_kilobytes = 1000;
    assert_int_equal(answered(&t, "aes256gcm16-ecp256"), ERR_MISMATCH);
    t = esp_terms;
    t.encap = V1_ENCAP_UDP_TUNNEL;
    assert_int_equal(answered(&t, "aes256gcm16-ecp256"), ERR_MISMATCH);
    assert_int_equal(answered(&esp_terms, "aes256gcm16-ecp256"), OK);
}

static void an_offer_is_listed_up_to_the_room(void **state)
{
    (void)state;
    static struct v1_offer offer;
    struct proposal_list list;
    for (offer.count = 0; offer.count < TRANSFORMS_MAX; offer.count++)
        offer.items[offer.count].usable = offer.count % 2 == 0;
    v1_offer_list(&offer, &list);
    assert_int_equal(list.count, PROPOSALS_MAX);
    offer.count = 3;
    v1_offer_list(&offer, &list);
    assert_int_equal(list.count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_offered_is_read),
        cmocka_unit_test(transforms_have_their_numbers),
        cmocka_unit_test(the_truncation_of_sha256_is_ours),
        cmocka_unit_test(extended_numbers_are_chosen_like_the_rest),
        cmocka_unit_test(a_lifetime_beyond_32_bits_is_cut_and_a_long_one_kept),
        cmocka_unit_test(our_order_decides_and_terms_must_fit),
        cmocka_unit_test(the_answer_repeats_the_chosen_bytes),
        cmocka_unit_test(b29_the_chosen_transform_was_not_offered),
        cmocka_unit_test(b29_lifetime_or_encapsulation_altered),
        cmocka_unit_test(an_offer_is_listed_up_to_the_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
