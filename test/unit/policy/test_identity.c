/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/unit_test.h"

#include "policy/identity.h"

static struct identity an_identity(const char *text)
{
    struct identity id;
    if (identity_parse(text, &id) != OK)
        fail_msg("'%s' should be an identity", text);
    return id;
}

static const unsigned known_types[] = {ID_IPV4_ADDR, ID_FQDN, ID_USER_FQDN, ID_IPV6_ADDR, ID_DER_ASN1_DN, ID_KEY_ID};

static bool is_known(unsigned type)
{
    for (size_t i = 0; i < COUNT(known_types); i++)
        if (known_types[i] == type)
            return true;
    return false;
}

static void test_bad_words_in_a_configuration(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum status status;
    } bad[] = {
        {"", ERR_MALFORMED},
        {"@", ERR_MALFORMED},
        {"keyid:", ERR_MALFORMED},
        {"%any", ERR_MALFORMED},
        {"a@b@c", ERR_MALFORMED},
        {"user@", ERR_MALFORMED},
        {"gw example", ERR_MALFORMED},
        {"@gw example", ERR_MALFORMED},
        {"us er@example.org", ERR_MALFORMED},
        {"192.0.2.300", ERR_MALFORMED}, /* not a name, but a mistyped address */
        {"192.0.2", ERR_MALFORMED},
        {"192.0.2.1/32", ERR_MALFORMED},
        {"2001:db8::zz", ERR_MALFORMED},
        {".example.org", ERR_MALFORMED},
        {"gw\x1b[31m", ERR_MALFORMED},
        {"gw\xc3\xa4", ERR_MALFORMED},
        {"CN=", ERR_UNSUPPORTED},
        {"XX=gw", ERR_UNSUPPORTED},
        {"C=CH, O=Example, CN=gw,", ERR_UNSUPPORTED},
        {"gw=a", ERR_UNSUPPORTED},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct identity id;
        if (identity_parse(bad[i].text, &id) != bad[i].status)
            fail_msg("'%s' should be refused otherwise", bad[i].text);
        assert_int_equal(id.type, ID_NONE);
    }
}

static void test_words_of_a_configuration(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned type;
        const char *data, *shown;
    } good[] = {
        {"192.0.2.1", ID_IPV4_ADDR, NULL, "192.0.2.1"},
        {"2001:db8::1", ID_IPV6_ADDR, NULL, "2001:db8::1"},
        {"gw.example.org", ID_FQDN, "gw.example.org", "gw.example.org"},
        {"gw", ID_FQDN, "gw", "gw"},
        {"branch_7-a.example", ID_FQDN, "branch_7-a.example", "branch_7-a.example"},
        {"7.example", ID_FQDN, "7.example", "7.example"},
        {"@gw", ID_FQDN, "gw", "gw"},
        {"@192.0.2.1", ID_FQDN, "192.0.2.1", "192.0.2.1"},
        {"@CN=gw", ID_FQDN, "CN=gw", "CN=gw"},
        {"user@example.org", ID_USER_FQDN, "user@example.org", "user@example.org"},
        {"keyid:group one", ID_KEY_ID, "group one", "keyid:group one"},
        {"keyid:a=b", ID_KEY_ID, "a=b", "keyid:a=b"},
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        char text[IDENTITY_TEXT];
        struct identity id = an_identity(good[i].text);
        assert_int_equal(id.type, good[i].type);
        if (good[i].data != NULL) {
            assert_int_equal(id.len, strlen(good[i].data));
            assert_memory_equal(id.data, good[i].data, id.len);
        }
        assert_string_equal(identity_print(&id, text), good[i].shown);
    }
}

static void test_length_limits_of_a_word(void **state)
{
    (void)state;
    char text[IDENTITY_MAX + 8];
    struct identity id;
    for (size_t len = IDENTITY_MAX - 1; len <= IDENTITY_MAX + 1; len++) {
        memset(text, 'a', len);
        text[len] = '\0';
        assert_int_equal(identity_parse(text, &id), len <= IDENTITY_MAX ? OK : ERR_LIMIT);
    }
}

/* 0, 4, 521 and 65000 bytes, and the sizes around what each type takes. */
static void test_lengths_of_a_body_b10(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 3, 4, 5, 15, 16, 17, 20, 511, 512, 513, 521, 65000, 65535};
    static uint8_t body[65535];
    memset(body, 'a', sizeof body);
    for (size_t t = 0; t < COUNT(known_types); t++) {
        for (size_t i = 0; i < COUNT(lengths); i++) {
            struct identity id;
            unsigned type = known_types[t];
            size_t len = lengths[i];
            bool good = type == ID_IPV4_ADDR     ? len == 4
                        : type == ID_IPV6_ADDR   ? len == 16
                        : type == ID_DER_ASN1_DN ? false /* "aaaa" is no SEQUENCE */
                                                 : len >= 1 && len <= IDENTITY_MAX;
            enum status status = identity_read(type, bytes_of(body, len), &id);
            assert_int_equal(status == OK, good);
            assert_int_equal(id.type, good ? type : (unsigned)ID_NONE);
            assert_int_equal(id.len, good ? len : 0);
            if (len > IDENTITY_MAX)
                assert_int_equal(status, ERR_LIMIT);
        }
    }
    struct identity id;
    assert_int_equal(identity_read(ID_FQDN, bytes_of(NULL, 0), &id), ERR_MALFORMED);
}

static void test_embedded_nul_b10(void **state)
{
    (void)state;
    static const char name[] = "gw.example.org";
    for (size_t at = 0; at < sizeof name - 1; at++) {
        char body[sizeof name];
        struct identity id;
        memcpy(body, name, sizeof name);
        body[at] = '\0';
        assert_int_equal(identity_read(ID_FQDN, bytes_of(body, sizeof name - 1), &id), ERR_MALFORMED);
        assert_int_equal(identity_read(ID_USER_FQDN, bytes_of(body, sizeof name - 1), &id), ERR_MALFORMED);
        assert_int_equal(identity_read(ID_KEY_ID, bytes_of(body, sizeof name - 1), &id), OK); /* opaque bytes */
        struct identity whole = an_identity("keyid:gw.example.org");
        assert_false(identity_equal(&id, &whole));
    }
    struct identity id, short_name = an_identity("gw");
    assert_int_equal(identity_read(ID_FQDN, bytes_of("gw\0.evil.org", 12), &id), ERR_MALFORMED);
    assert_false(identity_equal(&id, &short_name));
}

static void test_type_changed_b10(void **state)
{
    (void)state;
    static const char body[] = "abcd";
    struct identity ids[COUNT(known_types)] = {{0}};
    size_t read = 0;
    for (unsigned type = 0; type < 300; type++) {
        struct identity id;
        enum status status = identity_read(type, bytes_of(body, 4), &id);
        assert_int_equal(status == ERR_UNSUPPORTED, !is_known(type));
        if (status == OK)
            ids[read++] = id;
    }
    assert_int_equal(read, 4); /* IPv4, FQDN, USER_FQDN and KEY_ID can all be these four bytes */
    for (size_t i = 0; i < read; i++)
        for (size_t k = 0; k < read; k++)
            assert_int_equal(identity_equal(&ids[i], &ids[k]), i == k);
}

static void test_bad_distinguished_names_b10(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        size_t len;
        bool good;
    } cases[] = {
        {"", 0, false},
        {"\x30", 1, false},
        {"\x30\x00", 2, true}, /* the empty name */
        {"\x30\x01", 2, false},
        {"\x30\x02\x31\x00", 4, false}, /* an empty SET */
        {"\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x03\x0c\x02gw", 15, true},
        {"\x30\x01\x31\x00", 4, false}, /* bytes behind it */
        {"\x30\x03\x31\x00", 4, false},
        {"\x31\x02\x31\x00", 4, false}, /* a SET */
        {"\x30\x80\x00\x00", 4, false}, /* indefinite length: not DER */
        {"\x30\x81\x01\x00", 4, false}, /* longer form than needed */
        {"\x30\x82\x00\x00", 4, false},
        {"\x30\x83\x00\x00\x00", 5, false},
        {"\x30\x84\xff\xff\xff\xff", 6, false},
        {"\x30\xff", 2, false},
        {"\x30\x82\xff\xff", 4, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct identity id;
        assert_int_equal(identity_read(ID_DER_ASN1_DN, bytes_of(cases[i].body, cases[i].len), &id),
                         cases[i].good ? OK : ERR_MALFORMED);
    }
}

static void test_distinguished_names(void **state)
{
    (void)state;
    char shown[IDENTITY_TEXT];
    struct identity id = an_identity("C=CH, O=Example, CN=gw.example.org"), again;
    assert_int_equal(id.type, ID_DER_ASN1_DN);
    assert_string_equal(identity_print(&id, shown), "C=CH, O=Example, CN=gw.example.org");
    assert_int_equal(identity_read(ID_DER_ASN1_DN, bytes_of(id.data, id.len), &again), OK);
    assert_true(identity_equal(&id, &again));
    assert_int_equal(identity_of_dn(bytes_of(id.data, id.len), &again), OK);
    assert_true(identity_equal(&id, &again));
    again = an_identity("c=ch,o=EXAMPLE,cn=gw.example.org"); /* of the same length, other bytes */
    assert_true(identity_equal(&id, &again));
    again = an_identity("C=CH, O=Example, CN=*");
    assert_false(identity_equal(&id, &again));
    again = an_identity("@gw.example.org");
    assert_false(identity_equal(&id, &again));
    assert_int_equal(identity_of_dn(bytes_of("\x30\x00", 2), &again), ERR_MALFORMED); /* names nobody */
    assert_int_equal(again.type, ID_NONE);
}

/* Up to the limit and over it, from text and from bytes (B10). */
static void test_long_distinguished_names(void **state)
{
    (void)state;
    char text[IDENTITY_MAX + 8] = "CN=";
    struct identity id;
    memset(text + 3, 'x', IDENTITY_MAX);
    for (size_t len = IDENTITY_MAX - 30; len <= IDENTITY_MAX; len++) {
        text[3 + len] = '\0';
        enum status status = identity_parse(text, &id);
        assert_int_equal(status, id.type == ID_NONE ? ERR_LIMIT : OK);
        if (status == OK)
            assert_true(id.len <= IDENTITY_MAX && id.len > len);
        text[3 + len] = 'x';
    }
    assert_int_equal(id.type, ID_NONE);
}

static bool same_fold(const struct identity *a, const struct identity *b)
{
    uint8_t one[IDENTITY_MAX], other[IDENTITY_MAX];
    size_t len = identity_fold(a, one);
    return len == identity_fold(b, other) && memcmp(one, other, len) == 0;
}

static void test_names_are_equal_without_regard_to_case(void **state)
{
    (void)state;
    struct identity a = an_identity("GW.Example.org"), b = an_identity("gw.eXAMPLE.ORG");
    assert_true(identity_equal(&a, &b) && same_fold(&a, &b));
    a = an_identity("User@Example.org");
    b = an_identity("user@example.ORG");
    assert_true(identity_equal(&a, &b) && same_fold(&a, &b));
    b = an_identity("user@example.orh");
    assert_false(same_fold(&a, &b));
    a = an_identity("CN=GW, O=Example");
    b = an_identity("CN=gw, O=example");
    assert_true(identity_equal(&a, &b) && same_fold(&a, &b));
    a = an_identity("User@Example.org");
    b = an_identity("user@example.orgg");
    assert_false(identity_equal(&a, &b));
    a = an_identity("keyid:Group");
    b = an_identity("keyid:group");
    assert_false(identity_equal(&a, &b)); /* bytes are bytes */
    /* '@' and '`' differ by the bit that tells cases apart, and are no letters. */
    assert_int_equal(identity_read(ID_FQDN, bytes_of("a@", 2), &a), OK);
    assert_int_equal(identity_read(ID_FQDN, bytes_of("a`", 2), &b), OK);
    assert_false(identity_equal(&a, &b));
    assert_int_equal(identity_read(ID_FQDN, bytes_of("a[", 2), &a), OK);
    assert_int_equal(identity_read(ID_FQDN, bytes_of("a{", 2), &b), OK);
    assert_false(identity_equal(&a, &b));
}

static void test_identity_of_an_address(void **state)
{
    (void)state;
    static const char *const texts[] = {"192.0.2.1", "2001:db8::1"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct address a = an_address(texts[i]);
        struct identity id = identity_of_address(&a), parsed = an_identity(texts[i]), read;
        assert_true(identity_equal(&id, &parsed));
        assert_int_equal(identity_read(id.type, bytes_of(id.data, id.len), &read), OK);
        assert_true(identity_equal(&id, &read));
    }
    struct address none = {0};
    assert_int_equal(identity_of_address(&none).type, ID_NONE);
}

/* What a peer sends is shown as printable ASCII, bounded, whatever it is. */
static void test_print_escapes_and_is_bounded_b43(void **state)
{
    (void)state;
    static const uint8_t nasty[] = {'\n', 0x1b, '\'', '"', '\\', 0xff};
    for (size_t t = 0; t < COUNT(known_types); t++) {
        for (size_t n = 0; n < COUNT(nasty); n++) {
            struct identity id = {.type = (uint8_t)known_types[t], .len = IDENTITY_MAX};
            char text[IDENTITY_TEXT];
            memset(id.data, nasty[n], sizeof id.data);
            assert_ptr_equal(identity_print(&id, text), text);
            assert_true(strlen(text) < IDENTITY_TEXT);
            for (const char *at = text; *at != '\0'; at++)
                assert_true(*at >= 0x20 && *at < 0x7f);
        }
    }
    struct identity odd = {.type = 200};
    char text[IDENTITY_TEXT];
    assert_string_equal(identity_print(&odd, text), "unknown type 200");
    odd.type = ID_NONE;
    assert_string_equal(identity_print(&odd, text), "none");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_words_in_a_configuration),
        cmocka_unit_test(test_words_of_a_configuration),
        cmocka_unit_test(test_length_limits_of_a_word),
        cmocka_unit_test(test_lengths_of_a_body_b10),
        cmocka_unit_test(test_embedded_nul_b10),
        cmocka_unit_test(test_type_changed_b10),
        cmocka_unit_test(test_bad_distinguished_names_b10),
        cmocka_unit_test(test_distinguished_names),
        cmocka_unit_test(test_long_distinguished_names),
        cmocka_unit_test(test_names_are_equal_without_regard_to_case),
        cmocka_unit_test(test_identity_of_an_address),
        cmocka_unit_test(test_print_escapes_and_is_bounded_b43),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
