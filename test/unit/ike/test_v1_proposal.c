/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/ike/ike_test.h"

#include "ike/payload.h"
#include "ike/v1_proposal.h"

enum { SHORT = 0x8000, ROOM = 16384 };

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

static enum status read_exact(enum proposal_kind kind, const void *data, size_t len, struct v1_offer *out)
{
    uint8_t *exact = exact_copy(data, len);
    enum status status = v1_offer_read(kind, bytes_of(exact, len), out);
    free(exact);
    return status;
}

/* --- an offer written by hand: one proposal, one transform, attributes as given --- */

struct attribute {
    uint16_t type, value;
};

#define IKE_SOUND                                                                                                      \
    {SHORT | 1, 7}, {SHORT | 2, 4}, {SHORT | 3, 1},                                                                    \
    {                                                                                                                  \
        SHORT | 4, 14                                                                                                  \
    }
#define ESP_SOUND                                                                                                      \
    {SHORT | 4, 1},                                                                                                    \
    {                                                                                                                  \
        SHORT | 5, 5                                                                                                   \
    }

static size_t one_transform(uint8_t *out, enum proposal_kind kind, uint8_t id, struct bytes attributes)
{
    struct writer w = writer_of(out, ROOM);
    size_t spi = kind == PROPOSAL_ESP ? 4 : 0;
    write_u32(&w, 1);
    write_u32(&w, 1);
    write_u16(&w, 0);
    write_u16(&w, (uint16_t)(8 + spi + 8 + attributes.len));
    write_u8(&w, 1);
    write_u8(&w, kind == PROPOSAL_ESP ? V1_PROTOCOL_ESP : V1_PROTOCOL_ISAKMP);
    write_u8(&w, (uint8_t)spi);
    write_u8(&w, 1);
    write_bytes(&w, "\x12\x34\x56\x78", spi);
    write_u16(&w, 0);
    write_u16(&w, (uint16_t)(8 + attributes.len));
    write_u8(&w, 1);
    write_u8(&w, id);
    write_u16(&w, 0);
    write_bytes(&w, attributes.data, attributes.len);
    assert_false(w.failed);
    return w.len;
}

/* Whether a transform of these attributes (short form) is usable; the structure must be sound. */
static bool usable(enum proposal_kind kind, uint8_t id, const struct attribute *list, size_t n)
{
    uint8_t attributes[256], data[512];
    struct writer w = writer_of(attributes, sizeof attributes);
    struct v1_offer offer;
    for (size_t i = 0; i < n; i++) {
        write_u16(&w, list[i].type);
        write_u16(&w, list[i].value);
    }
    size_t len = one_transform(data, kind, id, writer_bytes(&w));
    assert_int_equal(read_exact(kind, data, len, &offer), OK);
    assert_int_equal(offer.count, 1);
    return offer.items[0].usable;
}

#define IKE_USABLE(...)                                                                                                \
    usable(PROPOSAL_IKE, 1, (const struct attribute[]){__VA_ARGS__}, COUNT(((const struct attribute[]){__VA_ARGS__})))
#define ESP_USABLE(id, ...)                                                                                            \
    usable(PROPOSAL_ESP, id, (const struct attribute[]){__VA_ARGS__}, COUNT(((const struct attribute[]){__VA_ARGS__})))

/* --- structure --- */

static void every_truncation_is_malformed(void **state)
{
    (void)state;
    static const enum proposal_kind kinds[] = {PROPOSAL_IKE, PROPOSAL_ESP};
    for (size_t k = 0; k < 2; k++) {
        static uint8_t data[ROOM];
        struct v1_offer offer;
        const struct proposal_list list =
            suites(kinds[k], kinds[k] == PROPOSAL_IKE ? "aes256-sha256-modp2048, aes128-sha1-ecp256"
                                                      : "aes256gcm16-ecp256, aes128-sha256");
        struct writer w = writer_of(data, sizeof data);
        v1_offer_write(&w, kinds[k] == PROPOSAL_IKE ? &ike_terms : &esp_terms, &list);
        assert_int_equal(writer_finish(&w), OK);
        for (size_t cut = 0; cut < w.len; cut++)
            assert_int_not_equal(read_exact(kinds[k], data, cut, &offer), OK);
        assert_int_equal(read_exact(kinds[k], data, w.len, &offer), OK);
        assert_int_equal(read_exact(kinds[k], data, w.len + 1, &offer), ERR_MALFORMED);
    }
}

/* Each byte of an offer in turn takes a set of nasty values: whatever comes out, nothing is read outside. */
static void no_single_byte_reads_outside(void **state)
{
    (void)state;
    static const uint8_t values[] = {0, 1, 2, 3, 4, 5, 7, 8, 0x7f, 0x80, 0xfe, 0xff};
    const struct proposal_list list = suites(PROPOSAL_ESP, "aes256gcm16-ecp256, aes128-sha256");
    uint8_t data[1024];
    struct v1_offer offer;
    struct writer w = writer_of(data, sizeof data);
    v1_offer_write(&w, &esp_terms, &list);
    for (size_t at = 0; at < w.len; at++)
        for (size_t i = 0; i < COUNT(values); i++) {
            uint8_t was = data[at];
            data[at] = values[i];
            (void)(read_exact(PROPOSAL_ESP, data, w.len, &offer) == OK);
            (void)(read_exact(PROPOSAL_IKE, data, w.len, &offer) == OK);
            assert_true(offer.count <= TRANSFORMS_MAX);
            data[at] = was;
        }
}

static void another_doi_or_situation_is_not_supported(void **state)
{
    (void)state;
    uint8_t data[512];
    struct v1_offer offer;
    size_t len = one_transform(data, PROPOSAL_IKE, 1, bytes_of("\x80\x01\x00\x07", 4));
    for (size_t at = 0; at < 8; at++) {
        data[at] ^= 0x40;
        assert_int_equal(read_exact(PROPOSAL_IKE, data, len, &offer), ERR_UNSUPPORTED);
        data[at] ^= 0x40;
    }
    assert_int_equal(read_exact(PROPOSAL_IKE, data, len, &offer), OK);
    assert_int_equal(read_exact(PROPOSAL_IKE, data, 8, &offer), ERR_MALFORMED); /* no proposal at all */
}

static void transform_counts_that_lie(void **state)
{
    (void)state;
    uint8_t data[512];
    struct v1_offer offer;
    size_t len = one_transform(data, PROPOSAL_IKE, 1, bytes_of("\x80\x01\x00\x07", 4));
    for (unsigned told = 0; told < 256; told++) {
        data[15] = (uint8_t)told;
        assert_int_equal(read_exact(PROPOSAL_IKE, data, len, &offer), told == 1 ? OK : ERR_MALFORMED);
    }
}

/* `proposals` proposals with `transforms` empty transforms each. */
static size_t many(uint8_t *out, size_t proposals, size_t transforms)
{
    struct writer w = writer_of(out, 1 << 20);
    write_u32(&w, 1);
    write_u32(&w, 1);
    for (size_t p = 0; p < proposals; p++) {
        write_u8(&w, p + 1 < proposals ? PAYLOAD_PROPOSAL : 0);
        write_u8(&w, 0);
        write_u16(&w, (uint16_t)(8 + transforms * 8));
        write_u8(&w, (uint8_t)p);
        write_u8(&w, V1_PROTOCOL_ISAKMP);
        write_u8(&w, 0);
        write_u8(&w, (uint8_t)transforms);
        for (size_t t = 0; t < transforms; t++) {
            write_u8(&w, t + 1 < transforms ? PAYLOAD_TRANSFORM : 0);
            write_u8(&w, 0);
            write_u16(&w, 8);
            write_u32(&w, 0x01010000);
        }
    }
    assert_false(w.failed);
    return w.len;
}

static void b07_transforms_at_limit_minus_one_limit_and_plus_one(void **state)
{
    (void)state;
    static uint8_t data[1 << 20];
    static struct v1_offer offer;
    assert_int_equal(read_exact(PROPOSAL_IKE, data, many(data, 1, TRANSFORMS_MAX - 1), &offer), OK);
    assert_int_equal(offer.count, TRANSFORMS_MAX - 1);
    assert_int_equal(read_exact(PROPOSAL_IKE, data, many(data, 1, TRANSFORMS_MAX), &offer), OK);
    assert_int_equal(offer.count, TRANSFORMS_MAX);
    assert_int_equal(read_exact(PROPOSAL_IKE, data, many(data, 1, TRANSFORMS_MAX + 1), &offer), ERR_LIMIT);
    assert_int_equal(read_exact(PROPOSAL_IKE, data, many(data, TRANSFORMS_MAX, 1), &offer), OK);
    assert_int_equal(read_exact(PROPOSAL_IKE, data, many(data, TRANSFORMS_MAX + 1, 1), &offer), ERR_LIMIT);
}

static void b07_ten_thousand_proposals_or_transforms(void **state)
{
    (void)state;
    static uint8_t data[1 << 20];
    static struct v1_offer offer;
    assert_int_equal(read_exact(PROPOSAL_IKE, data, many(data, 10000, 1), &offer), ERR_LIMIT);
    assert_int_equal(read_exact(PROPOSAL_IKE, data, many(data, 40, 250), &offer), ERR_LIMIT);
    assert_true(offer.count <= TRANSFORMS_MAX);
}

/* --- single transforms (B8): unusable, but the offer stands --- */

static void b08_key_length_0_7_65535(void **state)
{
    (void)state;
    static const uint16_t bad[] = {0, 7, 8, 64, 127, 129, 160, 255, 257, 512, 65535};
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(IKE_USABLE(IKE_SOUND, {SHORT | 14, bad[i]}));
        assert_false(ESP_USABLE(12, ESP_SOUND, {SHORT | 6, bad[i]}));
    }
    static const uint16_t good[] = {128, 192, 256};
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(IKE_USABLE(IKE_SOUND, {SHORT | 14, good[i]}));
        assert_true(ESP_USABLE(12, ESP_SOUND, {SHORT | 6, good[i]}));
    }
    assert_true(IKE_USABLE(IKE_SOUND)); /* left out: 128 */
}

/* GMAC authenticates only (RFC 4543): a transform of ESP, with its own number, and never a cipher of IKE, whatever
 * number a peer takes for it. */
static void b08_gmac_is_no_cipher_of_ike(void **state)
{
    (void)state;
    static const uint16_t numbers[] = {11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 23, 28, 256 + 7};
    for (size_t i = 0; i < COUNT(numbers); i++)
        assert_false(
            IKE_USABLE({SHORT | 1, numbers[i]}, {SHORT | 2, 4}, {SHORT | 3, 1}, {SHORT | 4, 14}, {SHORT | 14, 128}));
    assert_true(IKE_USABLE({SHORT | 1, 7}, {SHORT | 2, 4}, {SHORT | 3, 1}, {SHORT | 4, 14}, {SHORT | 14, 128}));
    assert_true(ESP_USABLE(23, {SHORT | 4, 1}, {SHORT | 6, 128}));
    assert_false(ESP_USABLE(21, {SHORT | 4, 1}, {SHORT | 6, 128}));
}

/* Each with an integrity attribute and without, with a key length, without one and with one that includes the salt. */
static void b08_key_length_and_integrity_of_every_transform(void **state)
{
    (void)state;
    static const struct {
        uint8_t id;
        bool with_integ, alone, default_key;
    } rows[] = {
        {12, true, false, true},   /* CBC: 128 where it is left out (RFC 3602 5.3) */
        {13, true, false, false},  /* CTR (RFC 3686 8.4) */
        {14, false, true, false},  /* CCM (RFC 4309 7.4) */
        {15, false, true, false},  /**/
        {16, false, true, false},  /**/
        {17, false, false, false}, /* unassigned */
        {18, false, true, false},  /* GCM (RFC 4106 8.4) */
        {19, false, true, false},  /**/
        {20, false, true, false},  /**/
        {21, false, false, false}, /* SEED */
        {22, false, false, false}, /* Camellia */
        {23, false, true, false},  /* GMAC (RFC 4543 5.3) */
        {24, false, false, false}, /**/
    };
    static const uint16_t bad[] = {0, 7, 152, 160, 224, 288, 512, 65535};
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t id = rows[i].id;
        for (uint16_t bits = 128; bits <= 256; bits = (uint16_t)(bits + 64)) {
            if (ESP_USABLE(id, ESP_SOUND, {SHORT | 6, bits}) != rows[i].with_integ ||
                ESP_USABLE(id, {SHORT | 4, 1}, {SHORT | 6, bits}) != rows[i].alone)
                fail_msg("transform %u with %u bits", id, bits);
        }
        assert_int_equal(ESP_USABLE(id, ESP_SOUND), rows[i].default_key);
        assert_false(ESP_USABLE(id, {SHORT | 4, 1}));
        for (size_t k = 0; k < COUNT(bad); k++) {
            assert_false(ESP_USABLE(id, ESP_SOUND, {SHORT | 6, bad[k]}));
            assert_false(ESP_USABLE(id, {SHORT | 4, 1}, {SHORT | 6, bad[k]}));
        }
    }
}

/* RFC 4304: the value 1 is 64 bits, and there is no other. */
static void b08_extended_sequence_numbers(void **state)
{
    (void)state;
    assert_true(ESP_USABLE(12, ESP_SOUND, {SHORT | 11, 1}));
    assert_false(ESP_USABLE(12, ESP_SOUND, {SHORT | 11, 0}));
    assert_false(ESP_USABLE(12, ESP_SOUND, {SHORT | 11, 2}));
    assert_false(ESP_USABLE(12, ESP_SOUND, {SHORT | 11, 65535}));
    assert_false(ESP_USABLE(12, ESP_SOUND, {SHORT | 11, 1}, {SHORT | 11, 0}));
    assert_false(IKE_USABLE(IKE_SOUND, {SHORT | 15, 1}));
    /* in the long form, which only a duration may have */
    uint8_t data[512];
    struct v1_offer offer;
    static const uint8_t wrong[] = {0x80, 4, 0, 1, 0x80, 6, 0, 128, 0, 11, 0, 2, 0, 1};
    size_t len = one_transform(data, PROPOSAL_ESP, 20, bytes_of(wrong, sizeof wrong));
    assert_int_equal(read_exact(PROPOSAL_ESP, data, len, &offer), OK);
    assert_false(offer.items[0].usable);
}

static void b08_wrong_attribute_form(void **state)
{
    (void)state;
    /* The key length as a long attribute: 000e 0002 0080. */
    static const uint8_t wrong[] = {0x80, 1, 0, 7, 0x80, 2, 0, 4, 0x80, 3, 0, 1, 0x80, 4, 0, 14, 0, 14, 0, 2, 0, 128};
    uint8_t data[512];
    struct v1_offer offer;
    size_t len = one_transform(data, PROPOSAL_IKE, 1, bytes_of(wrong, sizeof wrong));
    assert_int_equal(read_exact(PROPOSAL_IKE, data, len, &offer), OK);
    assert_false(offer.items[0].usable);
    /* A long attribute that leaves the transform is malformed. */
    if (len < sizeof wrong || len > sizeof data) {
        fail();
        return;
    }
    data[len - 3] = 3;
    assert_int_equal(read_exact(PROPOSAL_IKE, data, len, &offer), ERR_MALFORMED);
}

static void durations_of_0_to_9_bytes(void **state)
{
    (void)state;
    for (size_t n = 0; n <= 9; n++) {
        uint8_t attributes[64], data[512];
        struct v1_offer offer;
        struct writer w = writer_of(attributes, sizeof attributes);
        write_bytes(&w, "\x80\x01\x00\x07\x80\x02\x00\x04\x80\x03\x00\x01\x80\x04\x00\x0e\x80\x0b\x00\x01", 20);
        write_u16(&w, 12);
        write_u16(&w, (uint16_t)n);
        for (size_t i = 0; i < n; i++)
            write_u8(&w, 1);
        size_t len = one_transform(data, PROPOSAL_IKE, 1, writer_bytes(&w));
        assert_int_equal(read_exact(PROPOSAL_IKE, data, len, &offer), OK);
        assert_int_equal(offer.items[0].usable, n >= 1 && n <= 8);
        if (n == 4)
            assert_int_equal(offer.items[0].life_seconds, 0x01010101);
    }
}

static void attributes_that_make_a_transform_unusable(void **state)
{
    (void)state;
    assert_true(IKE_USABLE(IKE_SOUND, {SHORT | 11, 1}, {SHORT | 12, 3600}));
    assert_false(IKE_USABLE(IKE_SOUND, {SHORT | 11, 3}));                  /* life type unknown */
    assert_false(IKE_USABLE(IKE_SOUND, {SHORT | 12, 3600}));               /* duration of nothing */
    assert_false(IKE_USABLE(IKE_SOUND, {SHORT | 11, 1}, {SHORT | 12, 0})); /* no life at all */
    assert_false(IKE_USABLE(IKE_SOUND, {SHORT | 99, 1}));                  /* unknown: could mean anything */
    assert_false(IKE_USABLE({SHORT | 1, 1}, {SHORT | 2, 4}, {SHORT | 3, 1}, {SHORT | 4, 14}));  /* DES */
    assert_false(IKE_USABLE({SHORT | 1, 7}, {SHORT | 2, 99}, {SHORT | 3, 1}, {SHORT | 4, 14})); /* hash */
    assert_false(IKE_USABLE({SHORT | 1, 7}, {SHORT | 2, 4}, {SHORT | 3, 1}, {SHORT | 4, 999})); /* group */
    assert_false(IKE_USABLE({SHORT | 1, 7}, {SHORT | 2, 4}, {SHORT | 3, 1}));                   /* no group */
    assert_false(IKE_USABLE({SHORT | 1, 7}, {SHORT | 3, 1}, {SHORT | 4, 14}));                  /* no hash */
    assert_false(IKE_USABLE({SHORT | 2, 4}, {SHORT | 3, 1}, {SHORT | 4, 14}));                  /* no cipher */
    assert_false(ESP_USABLE(12, {SHORT | 4, 1}));                 /* CBC without integrity */
    assert_false(ESP_USABLE(20, ESP_SOUND));                      /* GCM with integrity */
    assert_false(ESP_USABLE(12, {SHORT | 4, 2}, {SHORT | 5, 5})); /* transport mode */
    assert_false(ESP_USABLE(12, ESP_SOUND, {SHORT | 3, 0}));      /* group 0 */
    assert_false(ESP_USABLE(2, ESP_SOUND));                       /* DES */
    assert_false(ESP_USABLE(0, ESP_SOUND));
    assert_true(ESP_USABLE(12, ESP_SOUND, {SHORT | 3, 14}));
}

static void spis_that_make_a_transform_unusable(void **state)
{
    (void)state;
    uint8_t data[512];
    struct v1_offer offer;
    size_t len = one_transform(data, PROPOSAL_ESP, 20, bytes_of("\x80\x04\x00\x01\x80\x06\x00\x80", 8));
    static const uint32_t spis[] = {0, 1, 255, 256, 0xffffffff};
    for (size_t i = 0; i < COUNT(spis); i++) {
        store_u32(data + 16, spis[i]); /* RFC 4303 2.1: 0 is local, 1 to 255 are reserved */
        assert_int_equal(read_exact(PROPOSAL_ESP, data, len, &offer), OK);
        assert_int_equal(offer.items[0].usable, spis[i] >= 256);
    }
}

/* Equal proposal numbers mean AND (RFC 2408 4.2): ESP with AH is not for us; ESP alone is. */
static void a_bundle_with_ah_cannot_be_chosen(void **state)
{
    (void)state;
    const struct proposal_list list = suites(PROPOSAL_ESP, "aes128gcm16, aes256gcm16");
    uint8_t data[512];
    struct v1_offer offer;
    struct writer w = writer_of(data, sizeof data);
    v1_offer_write(&w, &esp_terms, &list);
    assert_int_equal(read_exact(PROPOSAL_ESP, data, w.len, &offer), OK);
    assert_true(offer.items[0].usable && offer.items[1].usable);
    size_t second = 8 + load_u16(data + 10);
    data[second + 4] = 1; /* the same number as the first */
    assert_int_equal(read_exact(PROPOSAL_ESP, data, w.len, &offer), OK);
    assert_true(offer.items[0].usable && offer.items[1].usable); /* one protocol: still alternatives */
    data[second + 5] = V1_PROTOCOL_AH;
    assert_int_equal(read_exact(PROPOSAL_ESP, data, w.len, &offer), OK);
    assert_false(offer.items[0].usable || offer.items[1].usable);
}

/* A peer may name any number of kilobytes: too many are the most, never few. */
static void kilobytes_and_back(void **state)
{
    (void)state;
    assert_true(v1_kilobytes(1023) == 0 && v1_kilobytes(1024) == 1 && v1_kilobytes(UINT64_MAX) == UINT32_MAX);
    assert_true(v1_bytes(0) == 0 && v1_bytes(1) == 1024 && v1_bytes(UINT64_MAX / 1024) == UINT64_MAX / 1024 * 1024);
    assert_true(v1_bytes(UINT64_MAX / 1024 + 1) == UINT64_MAX && v1_bytes(UINT64_MAX) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kilobytes_and_back),
        cmocka_unit_test(every_truncation_is_malformed),
        cmocka_unit_test(no_single_byte_reads_outside),
        cmocka_unit_test(another_doi_or_situation_is_not_supported),
        cmocka_unit_test(transform_counts_that_lie),
        cmocka_unit_test(b07_transforms_at_limit_minus_one_limit_and_plus_one),
        cmocka_unit_test(b07_ten_thousand_proposals_or_transforms),
        cmocka_unit_test(b08_key_length_0_7_65535),
        cmocka_unit_test(b08_gmac_is_no_cipher_of_ike),
        cmocka_unit_test(b08_key_length_and_integrity_of_every_transform),
        cmocka_unit_test(b08_extended_sequence_numbers),
        cmocka_unit_test(b08_wrong_attribute_form),
        cmocka_unit_test(durations_of_0_to_9_bytes),
        cmocka_unit_test(attributes_that_make_a_transform_unusable),
        cmocka_unit_test(spis_that_make_a_transform_unusable),
        cmocka_unit_test(a_bundle_with_ah_cannot_be_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
