/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config_profile.h"

#include "daemon/config.h"
#include "daemon/config_keys.h"
#include "daemon_test.h"

struct loaded {
    struct vault *vault;
    struct config *config; /* NULL: there were errors */
    struct config_errors errors;
    char *text; /* errors and warnings */
};

static struct loaded load(const char *text)
{
    struct loaded l = {.vault = vault_new()};
    size_t len;
    enum status status =
        config_load_text("test.ini", bytes_of(text, strlen(text)), false, l.vault, &l.config, &l.errors);
    assert_int_equal(status == OK, l.config != NULL);
    FILE *out = open_memstream(&l.text, &len);
    assert_non_null(out);
    config_errors_print(&l.errors, out);
    fclose(out);
    return l;
}

static void unload(struct loaded *l)
{
    config_errors_free(&l->errors);
    config_free(l->config);
    vault_free(l->vault);
    free(l->text);
}

static struct loaded load_with(const char *profile, const char *more)
{
    char text[1024];
    snprintf(text, sizeof text,
             "[connection x]\nremote = 192.0.2.2\nlocal = 192.0.2.1\npsk = long enough to be good\n%s%s\n%s\n",
             profile != NULL ? "profile = " : "", profile != NULL ? profile : "", more);
    return load(text);
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
            fail_msg("%s: %s", profile_name(profile), l.text);
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
    assert_has(l.text, "aggressive mode with a pre-shared key");
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
    assert_null(strstr(l.text, "legacy"));
    unload(&l);
}

static void test_legacy_is_warned_of(void **state)
{
    (void)state;
    struct loaded l = load_with("mikrotik", "");
    assert_has(l.text, "ike uses legacy algorithms");
    assert_has(l.text, "esp uses legacy algorithms");
    unload(&l);
}

static void test_an_unknown_profile_is_named(void **state)
{
    (void)state;
    struct loaded l = load_with("sonicwall", "");
    assert_null(l.config);
    assert_has(l.text, "no profile is named 'sonicwall'");
    assert_has(l.text, "aws, azure-policy, gcp-v1, cisco, fortigate, mikrotik, juniper, fritzbox");
    unload(&l);
}

static void test_the_page_names_each(void **state)
{
    (void)state;
    char *page = read_page("doc/configuration.md"), row[64];
    const struct profile *profile;
    for (size_t i = 0; (profile = profile_at(i)) != NULL; i++) {
        snprintf(row, sizeof row, "\n| %s | ", profile_name(profile));
        assert_has(page, row);
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
