/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config_profile.h"

#include "config_test.h"
#include "daemon/config_keys.h"

static char said[8192]; /* errors and warnings of the last configuration */

static struct loaded load_with(const char *profile, const char *more)
{
    char text[1024];
    snprintf(text, sizeof text,
             "[connection x]\nremote = 192.0.2.2\nlocal = 192.0.2.1\npsk = long enough to be good\n%s%s\n%s\n",
             profile != NULL ? "profile = " : "", profile != NULL ? profile : "", more);
    struct loaded l = load_text(text);
    char *all = messages(&l);
    snprintf(said, sizeof said, "%s", all);
    free(all);
    return l;
}

/* Every setting is a key of [connection], and all of them together are a configuration. */
static void test_each_profile_is_a_configuration(void **state)
{
    (void)state;
    const struct profile *profile;
    for (size_t i = 0; (profile = profile_at(i)) != NULL; i++) {
        size_t settings = 0;
        struct loaded l = load_with(profile_name(profile), "");
        if (l.config == NULL)
            fail_msg("%s: %s", profile_name(profile), said);
        assert_string_equal(l.config->connections[0].profile, profile_name(profile));
        unload(&l);
        const struct config_key *key;
        for (size_t k = 0; (key = config_key_at(k)) != NULL; k++)
            settings += key->section == SECTION_CONNECTION && profile_value(profile, key->name) != NULL;
        assert_true(settings >= 4);
        assert_ptr_equal(profile_find(profile_name(profile)), profile);
    }
    assert_null(profile_find(""));
    assert_null(profile_find("CISCO"));
}

static void test_it_changes_defaults(void **state)
{
    (void)state;
    struct loaded l = load_with("cisco", "");
    const struct connection *c = &l.config->connections[0];
    assert_int_equal(c->ike_lifetime_s, 86400);
    assert_int_equal(c->lifetime_s, 28800);
    assert_int_equal(c->lifetime_bytes, UINT64_C(4608000) * 1024);
    assert_int_equal(c->esp.count, 3);
    assert_int_equal(c->replay_window, 1024); /* not in the profile */
    unload(&l);
    l = load_with("fritzbox", "");
    assert_int_equal(l.config->connections[0].mode, MODE_AGGRESSIVE);
    assert_has(said, "aggressive mode with a pre-shared key");
    unload(&l);
}

static void test_what_is_written_wins(void **state)
{
    (void)state;
    struct loaded l = load_with("cisco", "lifetime = 20m\nesp = aes256gcm16-ecp256\nallow =");
    assert_null(l.config); /* its phase 1 wants what is no longer allowed */
    unload(&l);
    l = load_with("cisco", "lifetime = 20m\nesp = aes256gcm16-ecp256\nike = aes256-sha256-ecp256\nallow =");
    const struct connection *c = &l.config->connections[0];
    assert_int_equal(c->lifetime_s, 1200);
    assert_int_equal(c->esp.count, 1);
    assert_int_equal(c->allow, 0);
    assert_int_equal(c->ike_lifetime_s, 86400);
    assert_null(strstr(said, "legacy"));
    unload(&l);
}

static void test_legacy_is_warned_of(void **state)
{
    (void)state;
    struct loaded l = load_with("mikrotik", "");
    assert_has(said, "ike uses legacy algorithms");
    assert_has(said, "esp uses legacy algorithms");
    unload(&l);
}

static void test_an_unknown_profile_is_named(void **state)
{
    (void)state;
    struct loaded l = load_with("sonicwall", "");
    assert_null(l.config);
    assert_has(said, "no profile is named 'sonicwall'");
    assert_has(said, "aws, azure-policy, gcp-v1, cisco, fortigate, mikrotik, juniper, fritzbox");
    unload(&l);
}

/* "8h, 1h, 102400000 KiB", as the page has it. */
static void print_lifetimes(const struct profile *profile, char *out, size_t len)
{
    const char *bytes = profile_value(profile, "lifetime_bytes");
    const int digits = bytes != NULL ? (int)strspn(bytes, "0123456789") : 0;
    snprintf(out, len, "%s, %s%s%.*s%s%s", profile_value(profile, "ike_lifetime"), profile_value(profile, "lifetime"),
             bytes != NULL ? ", " : "", digits, bytes != NULL ? bytes : "", bytes != NULL ? " " : "",
             bytes != NULL ? bytes + digits : "");
}

/* Cell number `at` of a row, without the blanks around it. */
static void read_cell(const char *row, unsigned at, char *out, size_t len)
{
    for (; at > 0; at--) {
        row = strchr(row + 1, '|');
        assert_non_null(row);
    }
    row += 2;
    snprintf(out, len, "%.*s", (int)(strcspn(row, "|") - 1), row);
}

static void test_the_page_names_each(void **state)
{
    (void)state;
    char *page = read_page("doc/configuration.md"), start[64], wanted[64], cell[64];
    const struct profile *profile;
    for (size_t i = 0; (profile = profile_at(i)) != NULL; i++) {
        snprintf(start, sizeof start, "\n| %s | ", profile_name(profile));
        assert_has(page, start);
        read_cell(strstr(page, start) + 1, 4, cell, sizeof cell);
        print_lifetimes(profile, wanted, sizeof wanted);
        assert_string_equal(cell, wanted);
    }
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_profile_is_a_configuration),
        cmocka_unit_test(test_it_changes_defaults),
        cmocka_unit_test(test_what_is_written_wins),
        cmocka_unit_test(test_legacy_is_warned_of),
        cmocka_unit_test(test_an_unknown_profile_is_named),
        cmocka_unit_test(test_the_page_names_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
