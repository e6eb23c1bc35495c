/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto_test.h"

#include "crypto/dn.h"

struct name {
    uint8_t der[1024];
    size_t len;
};

static struct bytes bytes_of_name(const struct name *name)
{
    return bytes_of(name->der, name->len);
}

static enum status parse(const char *text, struct name *out)
{
    struct writer w = writer_of(out->der, sizeof out->der);
    enum status status = dn_parse(text, &w);
    out->len = w.len;
    return status;
}

static struct name a_name(const char *text)
{
    struct name name;
    if (parse(text, &name) != OK)
        fail_msg("'%s' should be a name", text);
    return name;
}

static void test_bad_text(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",          "CN",     "CN=",         "=x",    "CN=a,",      ",CN=a",
        "CN=a,,O=b", "XX=a",   "CN=a\\",      "C=CHE", "C=\xc3\xa4", "C N=a",
        "CN=a+",     "CN=a+b", "DC=\xc3\xa4", "CN=  ", "CN=a\\00b",  "serialNumber=a*b",
        "2.5.4.3=a",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct name name;
        if (parse(bad[i], &name) != ERR_MALFORMED)
            fail_msg("'%s' should be refused", bad[i]);
    }
}

static void test_text_to_der(void **state)
{
    (void)state;
    /* By hand, from X.690: SEQUENCE, SET, SEQUENCE, OID, string. */
    struct name name = a_name("C=CH, CN=gw");
    assert_hex(name.der, name.len,
               "301a310b300906035504061302434831"
               "0b300906035504030c026777");
    name = a_name("CN=a+OU=b");
    assert_hex(name.der, name.len,
               "30163114300806035504030c0161300806035504"
               "0b0c0162");
    name = a_name("DC=org");
    assert_hex(name.der, name.len,
               "30153113301106"
               "0a0992268993f22c64011916036f7267");
}

/* As a capacity too small for it, at every size. */
static void test_every_capacity(void **state)
{
    (void)state;
    static const char text[] = "C=CH, O=Example AG, CN=gw.example.org";
    size_t whole = a_name(text).len;
    for (size_t capacity = 0; capacity <= whole; capacity++) {
        uint8_t *der = malloc(capacity > 0 ? capacity : 1);
        assert_non_null(der);
        struct writer w = writer_of(der, capacity);
        assert_int_equal(dn_parse(text, &w), capacity < whole ? ERR_LIMIT : OK);
        free(der);
    }
}

static void test_round_trips(void **state)
{
    (void)state;
    static const char *const same[] = {
        "CN=gw",
        "C=CH, O=Example, CN=gw.example.org",
        "C=CH, ST=Bern, L=Bern, O=A\\2c B, OU=x, CN=y",
        "CN=a+OU=b, O=c",
        "DC=org, DC=example, UID=u",
        "emailAddress=user@example.org",
        "CN=\\c3\\a4",
        "CN=\\20a\\20",
        "CN=a\\3db, serialNumber=12",
    };
    char text[DN_TEXT];
    for (size_t i = 0; i < COUNT(same); i++) {
        struct name name = a_name(same[i]);
        assert_true(dn_is_sound(bytes_of_name(&name)));
        assert_string_equal(dn_print(bytes_of_name(&name), text, sizeof text), same[i]);
        struct name again = a_name(text);
        assert_true(dn_equal(bytes_of_name(&name), bytes_of_name(&again)));
    }
}

static bool same_fold(const struct name *a, const struct name *b)
{
    uint8_t one[256], other[256];
    size_t len = dn_fold(bytes_of_name(a), one, sizeof one);
    return len == dn_fold(bytes_of_name(b), other, sizeof other) && memcmp(one, other, len) == 0;
}

static void test_fold_tells_names_apart_and_keeps_its_bounds(void **state)
{
    (void)state;
    struct name a = a_name("O=Example, CN=gw"), b = a_name("O=Example, CN=gx"), c = a_name("O=Exampleg, CN=w");
    assert_true(same_fold(&a, &a));
    assert_false(same_fold(&a, &b));
    assert_false(same_fold(&a, &c));
    uint8_t out[8];
    for (size_t room = 0; room < sizeof out; room++) {
        memset(out, 0xee, sizeof out);
        assert_int_equal(dn_fold(bytes_of_name(&a), out, room), room);
        assert_int_equal(out[room], 0xee);
    }
    assert_int_equal(dn_fold(bytes_of("", 0), out, sizeof out), 0);
}

static void test_other_spellings(void **state)
{
    (void)state;
    static const struct {
        const char *text, *printed;
    } table[] = {
        {"E=a@b", "emailAddress=a@b"},
        {"cn=gw,o=x", "CN=gw, O=x"},
        {"CN=gw , O= x", "CN=gw, O=x"},
        {"O=Example\\, Inc", "O=Example\\2c Inc"},
        {"CN=\xc3\xa4", "CN=\\c3\\a4"},
        {"S=Bern", "ST=Bern"},
        {" C = CH,  O =Example", "C=CH, O=Example"}, /* as openssl prints it */
    };
    char text[DN_TEXT];
    for (size_t i = 0; i < COUNT(table); i++) {
        struct name name = a_name(table[i].text);
        assert_string_equal(dn_print(bytes_of_name(&name), text, sizeof text), table[i].printed);
    }
}

static void test_h2013_6075_equal(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool equal;
    } table[] = {
        {"CN=gw", "CN=gw", true},
        {"CN=gw", "CN=GW", true},
        {"CN=a b", "CN=a   b", true},
        {"CN=a b", "CN=\\20a  B\\20", true},
        {"CN=a b", "CN=ab", false},
        {"CN=gw", "CN=gw2", false},
        {"CN=gw2", "CN=gw", false},
        {"CN=gw", "O=gw", false},
        {"CN=gw", "CN=gw, O=x", false},
        {"CN=gw, O=x", "O=x, CN=gw", false},
        {"CN=gw, O=x", "CN=gw+O=x", false},
        {"CN=*", "CN=gw", false}, /* no wildcard */
        {"O=*, CN=gw", "O=x, CN=gw", false},
        {"CN=\xc3\xa4", "CN=\xc3\x84", false}, /* only ASCII is folded */
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct name a = a_name(table[i].a), b = a_name(table[i].b);
        if (dn_equal(bytes_of_name(&a), bytes_of_name(&b)) != table[i].equal ||
            dn_equal(bytes_of_name(&b), bytes_of_name(&a)) != table[i].equal || (table[i].equal && !same_fold(&a, &b)))
            fail_msg("'%s' and '%s'", table[i].a, table[i].b);
    }
}

/* PrintableString, UTF8String and IA5String of one text are one; a BMPString is another matter. */
static void test_string_types(void **state)
{
    (void)state;
    struct name name = a_name("CN=gw");
    size_t tag_at = name.len - 4;
    assert_int_equal(name.der[tag_at], 0x0c);
    static const uint8_t tags[] = {0x0c, 0x13, 0x16, 0x1e, 0x04};
    for (size_t i = 0; i < COUNT(tags); i++) {
        struct name other = name;
        other.der[tag_at] = tags[i];
        assert_int_equal(dn_equal(bytes_of_name(&name), bytes_of_name(&other)), i < 3);
        assert_true(i >= 3 || same_fold(&name, &other));
        assert_true(dn_equal(bytes_of_name(&other), bytes_of_name(&other)));
    }
}

/* Every prefix, and every byte changed: nothing is read outside, and what is unsound equals nothing. */
static void test_damaged(void **state)
{
    (void)state;
    struct name name = a_name("C=CH, O=Example+OU=x, CN=gw");
    char text[DN_TEXT];
    for (size_t len = 0; len < name.len; len++) {
        uint8_t *part = malloc(len > 0 ? len : 1);
        assert_non_null(part);
        memcpy(part, name.der, len);
        assert_false(dn_is_sound(bytes_of(part, len)));
        assert_false(dn_equal(bytes_of(part, len), bytes_of_name(&name)));
        assert_false(dn_equal(bytes_of(part, len), bytes_of(part, len)));
        dn_print(bytes_of(part, len), text, sizeof text);
        free(part);
    }
    for (size_t i = 0; i < name.len; i++)
        for (unsigned value = 0; value < 256; value++) {
            struct name other = name;
            other.der[i] = (uint8_t)value;
            bool sound = dn_is_sound(bytes_of_name(&other));
            assert_int_equal(dn_equal(bytes_of_name(&other), bytes_of_name(&other)), sound);
            dn_print(bytes_of_name(&other), text, sizeof text);
            for (const char *c = text; *c != '\0'; c++)
                assert_true(*c >= 0x20 && *c < 0x7f);
        }
}

static void test_bad_der(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "30",
        "3080",         /* indefinite */
        "308100",       /* not minimal */
        "30820002",     /* likewise */
        "3084ffffffff", /* 2013-6075 */
        "3000"
        "00",       /* something behind it */
        "30023100", /* an empty SET */
        "3004310230"
        "00",                               /* an attribute without contents */
        "300b3109300706000c0161",           /* an empty OID */
        "310d310b300906035504030c026777",   /* no SEQUENCE */
        "300e310c300a06035504030c02677700", /* something behind the value */
    };
    uint8_t der[64];
    for (size_t i = 0; i < COUNT(bad); i++)
        if (dn_is_sound(bytes_of(der, unhex(bad[i], der, sizeof der))))
            fail_msg("%s should be unsound", bad[i]);
    assert_true(dn_is_sound(bytes_of(der, unhex("3000", der, sizeof der)))); /* the empty name is one */
}

static void test_limits(void **state)
{
    (void)state;
    for (size_t n = DN_RDNS_MAX - 1; n <= DN_RDNS_MAX + 1; n++) {
        char text[DN_RDNS_MAX * 5 + 16] = "";
        struct name name;
        for (size_t i = 0; i < n; i++)
            strcat(text, i > 0 ? ",CN=a" : "CN=a");
        assert_int_equal(parse(text, &name), n <= DN_RDNS_MAX ? OK : ERR_MALFORMED);
    }
    /* A long value: three bytes of length, and the text is cut visibly. */
    char text[400] = "CN=";
    memset(text + 3, 'x', 300);
    struct name name = a_name(text);
    char cut[DN_TEXT];
    dn_print(bytes_of_name(&name), cut, sizeof cut);
    assert_int_equal(strlen(cut), sizeof cut - 1);
    assert_string_equal(cut + strlen(cut) - 3, "...");
    for (size_t capacity = 4; capacity < 20; capacity++) {
        char *small = malloc(capacity);
        assert_non_null(small);
        assert_true(strlen(dn_print(bytes_of_name(&name), small, capacity)) < capacity);
        free(small);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_text),
        cmocka_unit_test(test_text_to_der),
        cmocka_unit_test(test_every_capacity),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_h2013_6075_equal),
        cmocka_unit_test(test_string_types),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_bad_der),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_other_spellings),
        cmocka_unit_test(test_fold_tells_names_apart_and_keeps_its_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
