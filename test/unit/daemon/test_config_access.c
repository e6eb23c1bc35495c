/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of remote access: wrong ones first (B47), alone and together. */
#include "daemon/config_access.h"

#include <sys/stat.h>
#include <unistd.h>

#include "daemon/config.h"
#include "daemon_test.h"

#define HASH   "$argon2id$v=19$m=65536,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define PSK    "psk = correct horse battery\n"
#define SERVER "[connection a]\nremote = %any\nstart = none\nauth = xauth-psk\nusers = users\n" PSK
#define CLIENT                                                                                                         \
    "[connection a]\nremote = 192.0.2.1\nauth = xauth-psk\nxauth_user = alice\nxauth_password_file = password\n" PSK

static char folder[64];

static void make(const char *name, const char *text, unsigned mode)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
    assert_int_equal(chmod(path, mode), 0);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/esptun-access-XXXXXX");
    assert_non_null(mkdtemp(folder));
    make("users", "alice:" HASH "\nbob:" HASH "\n", 0600);
    make("open", "alice:" HASH "\n", 0644);
    make("broken", "alice:" HASH "\nbob\n", 0600);
    make("password", "open sesame\n", 0600);
    make("empty", "\n", 0600);
    return 0;
}

static int remove_folder(void **state)
{
    static const char *const names[] = {"users", "open", "broken", "password", "empty", "psk"};
    char path[128];
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

/* All messages; freed by the caller, like *config. */
static char *load(const char *text, struct vault *vault, struct config **config)
{
    char path[128], *said = NULL;
    size_t len = 0;
    struct config_errors errors = {0};
    snprintf(path, sizeof path, "%s/test.ini", folder);
    enum status status = config_load_text(path, bytes_of(text, strlen(text)), false, vault, config, &errors);
    assert_int_equal(status == OK, *config != NULL);
    FILE *out = open_memstream(&said, &len);
    assert_non_null(out);
    config_errors_print(&errors, out);
    fclose(out);
    config_errors_free(&errors);
    return said;
}

static void refused(const char *text, unsigned line, const char *word, const char *remedy)
{
    struct vault *vault = vault_new();
    struct config *config;
    char *said = load(text, vault, &config), prefix[160];
    snprintf(prefix, sizeof prefix, "%s/test.ini:%u: ", folder, line);
    if (config != NULL || strstr(said, prefix) == NULL || strstr(said, word) == NULL || strstr(said, remedy) == NULL)
        fail_msg("line %u, '%s', '%s' expected of\n%s\nbut it says\n%s", line, word, remedy, text, said);
    assert_null(strstr(said, "sesame"));
    free(said);
    assert_int_equal(vault_live(vault), 0);
    vault_free(vault);
}

static void keys_alone(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned line;
        const char *word, *remedy;
    } rows[] = {
        {SERVER "pool = any\n", 7, "pool: 'any'", "10.9.0.0/24"},
        {SERVER "pool = 10.9.0.1/24\n", 7, "pool: '10.9.0.1/24'", "10.9.0.0/24"},
        {SERVER "pool = 10.9.0.0/24, 10.8.0.0/24\n", 7, "pool: '10.8.0.0/24'", "one of each"},
        {SERVER "pool =\n", 7, "pool: ''", "10.9.0.0/24"},
        {SERVER "dns = gw.example.org\n", 7, "dns: 'gw.example.org'", "addresses of DNS servers"},
        {SERVER "dns = %any\n", 7, "dns: '%any'", "addresses of DNS servers"},
        {SERVER "dns = 1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5\n", 7, "1.1.1.5", "at most 4"},
        {SERVER "split = 10.1.0.0/16, fd00::/64\n", 7, "split: 'fd00::/64'", "IPv4 networks"},
        {SERVER "split = 10.1.0.1-10.1.0.9\n", 7, "split: '10.1.0.1-10.1.0.9'", "IPv4 networks"},
        {SERVER "domain =\n", 7, "domain: ''", "1 to 127 characters"},
        {SERVER "banner = one\n two\n", 7, "banner:", "in one line"},
        {SERVER "mode_config = ask\n", 7, "mode_config: 'ask'", "pull or push"},
        {"[connection a]\nremote = %any\nstart = none\nauth = xauth-psk\nusers = absent\n" PSK, 5, "cannot read users",
         "esptun passwd"},
        {"[connection a]\nremote = %any\nstart = none\nauth = xauth-psk\nusers = open\n" PSK, 5, "open to others",
         "chmod 600"},
        {"[connection a]\nremote = %any\nstart = none\nauth = xauth-psk\nusers = broken\n" PSK, 5, "line 2",
         "NAME:HASH"},
        {"[connection a]\nremote = 192.0.2.1\nauth = xauth-psk\nxauth_user = a\nxauth_password_file = empty\n" PSK, 5,
         "xauth_password_file must hold", "1 to 256 bytes"},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        refused(rows[i].text, rows[i].line, rows[i].word, rows[i].remedy);
}

static void keys_together(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned line;
        const char *word, *remedy;
    } rows[] = {
        {"[connection a]\nremote = %any\nstart = none\n" PSK "pool = 10.9.0.0/24\n", 5, "pool belongs to remote access",
         "auth = xauth-psk"},
        {"[connection a]\nremote = %any\nstart = none\n" PSK "mode_config = push\n", 5, "mode_config belongs to",
         "auth = xauth-psk"},
        {"[connection a]\nremote = 192.0.2.1\nauth = xauth-psk\n" PSK, 1, "as a server it needs users", "xauth_user"},
        {"[connection a]\nremote = 192.0.2.1\nauth = xauth-psk\nxauth_user = alice\n" PSK, 1, "has a user",
         "xauth_password_file"},
        {"[connection a]\nremote = 192.0.2.1\nauth = xauth-psk\nxauth_password_file = password\n" PSK, 1,
         "has a password", "xauth_user"},
        {CLIENT "xauth_password = x\n", 7, "both xauth_password and xauth_password_file", "remove one"},
        {SERVER "xauth_password = x\n", 7, "belongs to a client", "remove it"},
        {SERVER "xauth_user = alice\n", 7, "belongs to a client", "remove it"},
        {CLIENT "pool = 10.9.0.0/24\n", 7, "belongs to a server", "remove it"},
        {CLIENT "dns = 10.2.0.53\n", 7, "belongs to a server", "remove it"},
        {"[connection a]\nremote = 192.0.2.1\nauth = xauth-psk\nusers = users\n" PSK, 1, "clients come from anywhere",
         "remote = %any"},
        {"[connection a]\nremote = %any\nstart = none\nauth = xauth-psk\nxauth_user = alice\n"
         "xauth_password_file = password\n" PSK,
         1, "calls nobody", "remote = ADDRESS"},
        {SERVER "mode_config = push\n", 1, "nothing to set", "pool = RANGE"},
        {SERVER "pool = 10.9.0.0/24\n[connection b]\nremote = %any\nlocal = 192.0.2.9\nstart = none\nauth = xauth-psk\n"
                "users = users\npool = 10.9.0.128/25\n" PSK,
         8, "overlaps that of [connection a]", "do not overlap"},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        refused(rows[i].text, rows[i].line, rows[i].word, rows[i].remedy);
}

static void a_password_as_text(void **state)
{
    (void)state;
    static const char head[] = "[connection a]\nremote = 192.0.2.1\nauth = xauth-psk\nxauth_user = alice\n";
    static const struct {
        const char *value;
        bool others_can_read, good;
        const char *word;
    } rows[] = {
        {"open sesame", false, true, ""},
        {"${ESPTUN_TEST_PASSWORD}", true, true, ""},
        {"open sesame", true, false, "others can read"},
        {"", false, false, "1 to 256 bytes"},
        {"open\n sesame", false, false, "1 to 256 bytes"},
    };
    assert_int_equal(setenv("ESPTUN_TEST_PASSWORD", "open sesame", 1), 0);
    make("psk", "correct horse battery\n", 0600);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct vault *vault = vault_new();
        struct config *config;
        struct config_errors errors = {0};
        char text[512], path[128];
        snprintf(text, sizeof text, "%sxauth_password = %s\npsk_file = psk\n", head, rows[i].value);
        snprintf(path, sizeof path, "%s/test.ini", folder);
        enum status status =
            config_load_text(path, bytes_of(text, strlen(text)), rows[i].others_can_read, vault, &config, &errors);
        assert_int_equal(status == OK, rows[i].good);
        if (status == OK)
            assert_memory_equal(config->connections[0].access->password.data, "open sesame", 11);
        else
            assert_has(errors.items[0].text, rows[i].word);
        config_errors_free(&errors);
        config_free(config);
        assert_int_equal(vault_live(vault), 0);
        vault_free(vault);
    }
}

static void warned(const char *text, const char *word)
{
    struct vault *vault = vault_new();
    struct config *config;
    char *said = load(text, vault, &config);
    assert_non_null(config);
    if (strstr(said, "warning: ") == NULL || strstr(said, word) == NULL)
        fail_msg("no warning '%s' in:\n%s", word, said);
    free(said);
    config_free(config);
    vault_free(vault);
}

/* Both from anywhere, with another key each: the method that the peer proposes tells them apart. */
static void beside_a_connection_without_a_login(void **state)
{
    (void)state;
    struct vault *vault = vault_new();
    struct config *config;
    char *said = load(SERVER "[connection b]\nremote = %any\nstart = none\npsk = another horse battery\n"
                             "[acl]\nprotect = 10.1.0.0/24 -> 10.9.0.0/24 via a\n"
                             "protect = 10.1.0.0/24 -> 10.2.0.0/24 via b\n",
                      vault, &config);
    assert_string_equal(said, "");
    assert_non_null(config);
    free(said);
    config_free(config);
    vault_free(vault);
}

static void rules_that_do_not_fit(void **state)
{
    (void)state;
    warned(SERVER "pool = 10.9.0.0/24\n[acl]\nprotect = 10.1.0.0/24 -> 10.9.0.0/25 via a\n",
           "no protect rule leads to the whole pool 10.9.0.0/24");
    warned(CLIENT "[acl]\nprotect = 10.1.0.0/24 -> 10.2.0.0/24 via a\n", "write 'any' there");
}

static void a_server_and_a_client(void **state)
{
    (void)state;
    struct vault *vault = vault_new();
    struct config *config;
    char *said = load(SERVER "pool = fd09::/64, 10.9.0.0/24\ndns = 10.2.0.53\nsplit = 10.2.0.0/16 10.3.0.0/16\n"
                             "mode_config = push\n"
                             "[connection b]\nremote = 192.0.2.1\nauth = xauth-psk\nxauth_user = carol\n"
                             "xauth_password_file = password\n" PSK
                             "[acl]\nprotect = any -> 10.9.0.0/24 via a\nprotect = any -> fd09::/64 via a\n"
                             "protect = any -> 10.4.0.0/24 via b\n",
                      vault, &config);
    assert_string_equal(said, "");
    free(said);
    const struct access *server = config->connections[0].access, *client = config->connections[1].access;
    assert_true(server->server && server->push && !client->server);
    assert_int_equal(users_count(server->users), 2);
    assert_int_equal(server->pool[FAMILY_IPV4].first.family, 4);
    assert_int_equal(server->pool[FAMILY_IPV6].first.family, 6);
    assert_int_equal(server->dns_count, 1);
    assert_int_equal(server->split_count, 2);
    assert_string_equal(client->user, "carol");
    assert_int_equal(client->password.len, 11);
    char *printed = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&printed, &len);
    assert_non_null(out);
    config_print(config, out);
    fclose(out);
    assert_has(printed, "auth             = xauth-psk");
    assert_has(printed, "pool             = 10.9.0.0/24, fd09::/64");
    assert_has(printed, "dns              = 10.2.0.53\n");
    assert_has(printed, "split            = 10.2.0.0/16, 10.3.0.0/16");
    assert_has(printed, "2 users may log in");
    assert_has(printed, "xauth_user       = carol");
    assert_null(strstr(printed, "sesame"));
    assert_null(strstr(printed, "argon2"));
    free(printed);
    config_free(config);
    assert_int_equal(vault_live(vault), 0);
    vault_free(vault);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_alone),
        cmocka_unit_test(keys_together),
        cmocka_unit_test(a_password_as_text),
        cmocka_unit_test(beside_a_connection_without_a_login),
        cmocka_unit_test(rules_that_do_not_fit),
        cmocka_unit_test(a_server_and_a_client),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
