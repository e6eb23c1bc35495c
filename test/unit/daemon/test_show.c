/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/show.h"

#include "daemon_test.h"

static const char document[] =
    "{\"version\":\"0.1.0\",\"uptime_s\":3700,\"ike_sas\":[{\"connection\":\"branch\",\"ike_version\":1,"
    "\"state\":\"established\",\"initiator\":true,\"local\":\"192.0.2.1:4500\",\"remote\":\"198.51.100.2:4500\","
    "\"local_id\":\"192.0.2.1\",\"remote_id\":\"gw\\u001b[2J\",\"nat\":false,\"proposal\":\"aes256-sha256-modp2048\","
    "\"established_s\":75,\"rekey_in_s\":28000,\"children\":[{\"rule\":1,\"state\":\"established\","
    "\"spi_in\":\"c0ffee01\",\"spi_out\":\"0badcafe\",\"proposal\":\"aes256gcm16\",\"encap\":\"udp\","
    "\"local_ts\":\"10.1.0.0/24\",\"remote_ts\":[\"10.2.0.0/24\",\"10.3.0.0/24\"],\"esn\":false,"
    "\"path_mtu\":1280,\"mtu\":1218,\"in\":{\"packets\":10,\"bytes\":1536,\"replay\":3,\"auth_failed\":0},\"out\":{"
    "\"packets\":12,\"bytes\":100},"
    "\"established_s\":70,\"rekey_in_s\":3000}]}],"
    "\"rules\":[{\"rule\":\"protect 10.1.0.0/24 -> 10.2.0.0/24 via branch\",\"action\":\"protect\",\"packets\":12,"
    "\"bytes\":1048576}],\"drops\":{\"in_replay\":3,\"in_auth_failed\":0}}";

static void test_details(void **state)
{
    (void)state;
    static const char *const words[] = {
        "esptun 0.1.0, up 1h 1m",
        "branch: IKEv1 established, initiator, up 1m 15s, rekey in 7h 46m",
        "198.51.100.2:4500 [gw\\x1b[2J]",
        "10.1.0.0/24 -> 10.2.0.0/24, 10.3.0.0/24",
        "encap udp, esn no, inner MTU 1218, path MTU 1280, up 1m 10s",
        "c0ffee01",
        "1.5 KiB, replay 3\n",
        "1.0 MiB  protect 10.1.0.0/24 -> 10.2.0.0/24 via branch\n",
        "3  in_replay\n",
    };
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_int_equal(show_status(document, sizeof document - 1, 80, true, out), OK);
    fclose(out);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strstr(text, words[i]) == NULL)
            fail_msg("no '%s' in:\n%s", words[i], text);
    }
    assert_null(strstr(text, "in_auth_failed"));
    assert_null(strchr(text, '\x1b'));
    free(text);
}

/* Said only where one is off. */
static void test_offloads(void **state)
{
    (void)state;
    static const struct {
        const char *document, *said;
    } rows[] = {
        {"{\"offloads\":{\"tun\":false,\"udp_gso\":true,\"udp_gro\":false}}", "\n\noffloads off: tun, udp_gro\n\n"},
        {"{\"offloads\":{\"tun\":true,\"udp_gso\":false,\"udp_gro\":true}}", "\n\noffloads off: udp_gso\n\n"},
        {"{\"offloads\":{\"tun\":true,\"udp_gso\":true,\"udp_gro\":true}}", NULL},
        {"{\"offloads\":{\"tun\":0,\"udp_gso\":null,\"udp_gro\":\"no\"}}", NULL},
        {"{\"offloads\":[false]}", NULL},
        {"{}", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = NULL;
        size_t len;
        FILE *out = open_memstream(&text, &len);
        assert_int_equal(show_status(rows[i].document, strlen(rows[i].document), 80, i % 2 == 0, out), OK);
        fclose(out);
        if (rows[i].said != NULL && strstr(text, rows[i].said) == NULL)
            fail_msg("no '%s' in:\n%s", rows[i].said, text);
        assert_true((strstr(text, "offloads") != NULL) == (rows[i].said != NULL));
        free(text);
    }
}

/* Whatever a document lacks or has of another type, the table survives; cut anywhere, it is refused. */
static void test_odd_documents(void **state)
{
    (void)state;
    static const char *const odd[] = {"{}", "{\"ike_sas\":3,\"rules\":{},\"drops\":[]}", "{\"ike_sas\":[3,null,{}]}",
                                      "{\"ike_sas\":[{\"children\":[{},4]}],\"rules\":[{}],\"drops\":{\"x\":\"y\"}}"};
    FILE *out = fopen("/dev/null", "w");
    for (int details = 0; details < 2; details++) {
        for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
            assert_int_equal(show_status(odd[i], strlen(odd[i]), 80, details, out), OK);
        for (size_t len = 0; len + 1 < sizeof document; len++)
            assert_int_equal(show_status(document, len, 80, details, out), ERR_MALFORMED);
        assert_int_equal(show_status("[]", 2, 80, details, out), ERR_MALFORMED);
    }
    fclose(out);
}

static void test_units(void **state)
{
    char text[SHOW_TEXT];
    (void)state;
    assert_string_equal(show_bytes(0, text), "0 B");
    assert_string_equal(show_bytes(1023, text), "1023 B");
    assert_string_equal(show_bytes(1536, text), "1.5 KiB");
    assert_string_equal(show_bytes(101888, text), "99.5 KiB");
    assert_string_equal(show_bytes(102399, text), "100 KiB");
    assert_string_equal(show_bytes(1048575, text), "1024 KiB");
    assert_string_equal(show_bytes(UINT64_MAX, text), "16.0 EiB");
    assert_string_equal(show_seconds(59, text), "59s");
    assert_string_equal(show_seconds(3599, text), "59m 59s");
    assert_string_equal(show_seconds(86399, text), "23h 59m");
    assert_string_equal(show_seconds(200000, text), "2d 7h");
}

/* Three SAs: of a short name, of a long one with IPv6 and another port, and one under negotiation. */
static const char three[] =
    "{\"version\":\"0.1.0\",\"uptime_s\":3700,\"ike_sas\":["
    "{\"connection\":\"branch\",\"state\":\"established\",\"remote\":\"198.51.100.2:4500\",\"children\":["
    "{\"state\":\"established\",\"local_ts\":\"10.1.0.0/24\",\"remote_ts\":\"10.2.0.0/24\",\"in\":{\"bytes\":1536},"
    "\"out\":{\"bytes\":100},\"established_s\":70,\"rekey_in_s\":3000},"
    "{\"state\":\"rekeying\",\"local_ts\":\"10.1.0.0/24\",\"remote_ts\":\"10.3.0.0/24\",\"in\":{\"bytes\":2147483648},"
    "\"out\":{\"bytes\":0},\"established_s\":90000,\"rekey_in_s\":0}]},"
    "{\"connection\":\"headquarters-of-the-company\",\"state\":\"established\",\"remote\":\"[2001:db8:1:2:3:4:5:6]:"
    "1024\","
    "\"children\":[{\"state\":\"established\",\"local_ts\":\"2001:db8:a::/48\",\"remote_ts\":\"2001:db8:b::/48\","
    "\"in\":{\"bytes\":157286400},\"out\":{\"bytes\":1047527424},\"established_s\":86399,\"rekey_in_s\":7199}]},"
    "{\"connection\":\"office\",\"state\":\"connecting\",\"remote\":\"[2001:db8::9]:500\",\"established_s\":null,"
    "\"rekey_in_s\":null,\"children\":[]}],"
    "\"rules\":[{\"rule\":\"protect 10.1.0.0/24 -> 10.2.0.0/24 via branch\",\"action\":\"protect\",\"packets\":12,"
    "\"bytes\":1048576},{\"rule\":\"discard any -> any\",\"action\":\"discard\",\"packets\":0,\"bytes\":0}],"
    "\"drops\":{\"in_replay\":3,\"in_auth_failed\":0,\"out_no_rule\":12}}";

static char *shown(const char *json, size_t width)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_int_equal(show_status(json, strlen(json), width, false, out), OK);
    fclose(out);
    return text;
}

static void expect_shown(const char *json, size_t width, const char *wanted)
{
    char *text = shown(json, width);
    assert_string_equal(text, wanted);
    free(text);
}

/* 80 columns: no room for what is covered; name and peer share the 68 - 11 - 8 - 8 - 7 - 7 = 27 that are left. */
static void test_table_of_80(void **state)
{
    (void)state;
    expect_shown(three, 80,
                 "esptun 0.1.0, up 1h 1m\n"
                 "\n"
                 "CONNECTION    STATE        PEER                   IN       OUT       UP  RENEWAL\n"
                 "branch        established  198.51.100.2      1.5 KiB     100 B   1m 10s   50m 0s\n"
                 "branch        rekeying     198.51.100.2      2.0 GiB       0 B    1d 1h       0s\n"
                 "headquarte..  established  [2001:db8:1:2..   150 MiB   999 MiB  23h 59m   1h 59m\n"
                 "office        connecting   2001:db8::9             -         -        -        -\n"
                 "\n"
                 "   PACKETS     BYTES  RULE\n"
                 "        12   1.0 MiB  protect 10.1.0.0/24 -> 10.2.0.0/24 via branch\n"
                 "\n"
                 "dropped: 3 in_replay, 12 out_no_rule\n");
}

/* 120 columns: all of them; what is covered is cut to its least, 26, and name and peer share 120 - 14 - 41 - 26 = 39.
 */
static void test_table_of_120(void **state)
{
    (void)state;
    expect_shown(
        three, 120,
        "esptun 0.1.0, up 1h 1m\n"
        "\n"
        "CONNECTION            STATE        PEER                       IN       OUT       UP  RENEWAL  COVERS\n"
        "branch                established  198.51.100.2          1.5 KiB     100 B   1m 10s   50m 0s  10.1.0.0/24 -> "
        "10.2.0.0/24\n"
        "branch                rekeying     198.51.100.2          2.0 GiB       0 B    1d 1h       0s  10.1.0.0/24 -> "
        "10.3.0.0/24\n"
        "headquarters-of-th..  established  [2001:db8:1:2:3:4..   150 MiB   999 MiB  23h 59m   1h 59m  "
        "2001:db8:a::/48 -> 2001:..\n"
        "office                connecting   2001:db8::9                 -         -        -        -  -\n"
        "\n"
        "   PACKETS     BYTES  RULE\n"
        "        12   1.0 MiB  protect 10.1.0.0/24 -> 10.2.0.0/24 via branch\n"
        "\n"
        "dropped: 3 in_replay, 12 out_no_rule\n");
}

static void test_nothing_up(void **state)
{
    (void)state;
    expect_shown("{\"version\":\"1\",\"uptime_s\":1}", 80,
                 "esptun 1, up 1s\n\nno IKE SA: interesting traffic or `esptun up NAME` makes one\n");
    expect_shown("{\"version\":\"1\",\"uptime_s\":1}", 40,
                 "esptun 1, up 1s\n\nno IKE SA: interesting traffic or\n  `esptun up NAME` makes one\n");
}

static void test_peers(void **state)
{
    (void)state;
    static const struct {
        const char *remote, *wanted;
    } rows[] = {
        {"192.0.2.1:500", "192.0.2.1 "},
        {"192.0.2.1:4500", "192.0.2.1 "},
        {"192.0.2.1:45000", "192.0.2.1:45000 "},
        {"[2001:db8::1]:4500", " 2001:db8::1 "},
        {"[2001:db8::1]:50", "[2001:db8::1]:50 "},
        {"2001:db8::500", "2001:db8::500 "},
        {":500", "connecting   "},
        {"]:500", "] "},
        {"500", "500 "},
        {"gw\\u001b[2J:500", "gw\\x1b[2J "},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char json[256];
        snprintf(json, sizeof json,
                 "{\"ike_sas\":[{\"connection\":\"a\",\"state\":\"connecting\",\"remote\":\"%s\",\"children\":[]}]}",
                 rows[i].remote);
        char *text = shown(json, 120);
        assert_has(text, rows[i].wanted);
        free(text);
    }
}

/* Long names, IPv6 on the outside and the inside, the largest counters, long rules and many drops, at every width. */
static const char long_ones[] =
    "{\"version\":\"0.1.0-a-version-with-a-name-that-no-terminal-of-forty-columns-holds\",\"uptime_s\":"
    "9223372036854775807,"
    "\"offloads\":{\"tun\":false,\"udp_gso\":false,\"udp_gro\":false},\"log_level\":\"warning\","
    "\"log_levels\":{\"a-connection-with-a-name-of-the-greatest-length-that-there-could-be\":\"debug\",\"b\":\"info\"},"
    "\"ike_sas\":[{\"connection\":\"a-connection-with-a-name-of-the-greatest-length-that-there-could-be\","
    "\"state\":\"a-state-of-a-later-version\",\"remote\":\"[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:45001\","
    "\"children\":[{\"state\":\"established\","
    "\"local_ts\":\"2001:db8:aaaa:bbbb:cccc:dddd:eeee:0-2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff\","
    "\"remote_ts\":[\"2001:db8:aaaa:bbbb::/64\",\"2001:db8:aaaa:cccc::/64\",\"2001:db8:aaaa:dddd::/64\"],"
    "\"in\":{\"bytes\":9223372036854775807},\"out\":{\"bytes\":1048575},\"established_s\":9223372036854775807,"
    "\"rekey_in_s\":86399}]}],"
    "\"rules\":[{\"rule\":\"protect tcp 2001:db8:aaaa:bbbb:cccc:dddd:eeee:0-2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff "
    "port "
    "1-65535 -> 2001:db8:aaaa:bbbb::/64 via a-connection\",\"packets\":9223372036854775807,\"bytes\":1048575}],"
    "\"drops\":{\"in_replay\":9223372036854775807,\"in_auth_failed\":9223372036854775807,\"out_no_rule\":1,\"in_no_"
    "sa\":2,"
    "\"a_reason_that_is_longer_than_a_line_of_forty_columns_can_hold\":5}}";

static void test_every_width(void **state)
{
    (void)state;
    static const char *const documents[] = {document, three, long_ones, "{}"};
    for (size_t width = 40; width <= 200; width++) {
        for (size_t i = 0; i < COUNT(documents); i++) {
            char *text = shown(documents[i], width);
            for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
                size_t len = strcspn(line, "\n");
                if (len > width)
                    fail_msg("%zu columns at width %zu: '%.*s'", len, width, (int)len, line);
                assert_true(len == 0 || line[len - 1] != ' ');
            }
            free(text);
        }
    }
}

/* Whoever has several connections sees each of them, and its state, at any width. */
static void test_what_never_leaves(void **state)
{
    (void)state;
    for (size_t width = 40; width <= 200; width++) {
        char *text = shown(three, width);
        assert_has(text, "\nbranch ");
        assert_has(text, "\noffice ");
        assert_has(text, "connecting");
        assert_has(text, "rekeying");
        assert_has(text, "198.51.100.2");
        assert_has(text, "12 out_no_rule");
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_details),       cmocka_unit_test(test_offloads),
        cmocka_unit_test(test_odd_documents), cmocka_unit_test(test_units),
        cmocka_unit_test(test_table_of_80),   cmocka_unit_test(test_table_of_120),
        cmocka_unit_test(test_nothing_up),    cmocka_unit_test(test_peers),
        cmocka_unit_test(test_every_width),   cmocka_unit_test(test_what_never_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
