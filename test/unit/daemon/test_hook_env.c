/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hook_env.h"

#include "daemon/hooks.h"
#include "daemon_test.h"

static void every_byte_is_plain_or_escaped(void **state)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:@,=/+-";
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        const uint8_t byte = (uint8_t)c;
        char out[8] = "", wanted[8];
        struct writer w = writer_of(out, sizeof out - 1);
        hook_env_text(&w, &byte, 1);
        if (c != 0 && strchr(plain, (int)c) != NULL)
            snprintf(wanted, sizeof wanted, "%c", (int)c);
        else
            snprintf(wanted, sizeof wanted, "%%%02X", c);
        assert_string_equal(out, wanted);
    }
}

static void text_of_a_malicious_peer(void **state)
{
    static const char bad[] = "$(touch x);\n`id`\0\x1b[31m";
    char out[128] = "";
    struct writer w = writer_of(out, sizeof out - 1);
    (void)state;
    hook_env_text(&w, bad, sizeof bad - 1);
    assert_string_equal(out, "%24%28touch%20x%29%3B%0A%60id%60%00%1B%5B31m");
}

/* The value of a variable, or NULL. */
static const char *value_of(struct bytes environment, const char *name)
{
    const char *at = (const char *)environment.data, *end = at + environment.len;
    size_t len = strlen(name);
    for (; at < end; at += strlen(at) + 1)
        if (strncmp(at, name, len) == 0 && at[len] == '=')
            return at + len + 1;
    return NULL;
}

static void assert_variable(struct bytes environment, const char *name, const char *wanted)
{
    const char *value = value_of(environment, name);
    if (wanted == NULL ? value != NULL : value == NULL || strcmp(value, wanted) != 0)
        fail_msg("%s is %s, not %s", name, value != NULL ? value : "not there",
                 wanted != NULL ? wanted : "to be there");
}

struct fixture {
    struct connection connection;
    struct access access;
    struct child child;
    struct identity local_id, remote_id, user;
    struct virtual_net net;
    struct ike_ends ends;
    uint8_t out[HOOK_ENVIRONMENT_MAX];
};

static struct identity an_identity(const char *text)
{
    struct identity id;
    assert_int_equal(identity_parse(text, &id), OK);
    return id;
}

static struct fixture *a_fixture(const char *local, const char *remote)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    snprintf(f->connection.name, sizeof f->connection.name, "branch");
    f->child.path.local.address = an_address("192.0.2.1");
    f->child.path.remote.address = an_address("198.51.100.2");
    f->child.selector = (struct selector){
        .local = a_range(local), .remote = a_range(remote), .local_port = port_any(), .remote_port = port_any()};
    f->local_id = an_identity("gw@example.org");
    f->remote_id = an_identity("C=CH, O=A B, CN=gw");
    f->ends = (struct ike_ends){
        .child = &f->child, .who = &f->remote_id, .local_id = &f->local_id, .remote_id = &f->remote_id};
    return f;
}

static struct bytes write_all(struct fixture *f)
{
    struct writer w = writer_of(f->out, sizeof f->out);
    size_t count;
    hook_env_verb(&w, true, false);
    hook_env_write(&w, &(struct hook_env){.connection = &f->connection, .ends = &f->ends, .interface = "esp0"});
    assert_int_equal(writer_finish(&w), OK);
    assert_true(hook_env_good(writer_bytes(&w), &count));
    assert_true(count >= 10);
    return writer_bytes(&w);
}

static void what_a_tunnel_is(void **state)
{
    static const char *const wanted[][2] = {
        {"PLUTO_VERB", "up-client"},
        {"PLUTO_CONNECTION", "branch"},
        {"PLUTO_INTERFACE", "esp0"},
        {"PLUTO_ME", "192.0.2.1"},
        {"PLUTO_PEER", "198.51.100.2"},
        {"PLUTO_MY_ID", "gw@example.org"},
        {"PLUTO_PEER_ID", "C=CH,%20O=A%20B,%20CN=gw"},
        {"PLUTO_MY_CLIENT", "10.1.0.0/24"},
        {"PLUTO_PEER_CLIENT", "10.2.0.9/32"},
        {"PLUTO_MY_PROTOCOL", "6"},
        {"PLUTO_PEER_PROTOCOL", "6"},
        {"PLUTO_MY_PORT", "0"},
        {"PLUTO_PEER_PORT", "443"},
        {"PLUTO_XAUTH_ID", NULL},
        {"PLUTO_MY_SOURCEIP", NULL},
        {"PLUTO_PEER_SOURCEIP", NULL},
    };
    struct fixture *f = a_fixture("10.1.0.0/24", "10.2.0.9");
    (void)state;
    f->child.selector.protocol = 6;
    f->child.selector.remote_port = (struct port_range){443, 443};
    struct bytes environment = write_all(f);
    for (size_t i = 0; i < COUNT(wanted); i++)
        assert_variable(environment, wanted[i][0], wanted[i][1]);
    free(f);
}

static void networks_as_scripts_expect_them(void **state)
{
    static const char *const rows[][2] = {
        {"10.1.0.0/24", "10.1.0.0/24"}, {"10.1.0.7", "10.1.0.7/32"},        {"10.1.0.1-10.1.0.9", "10.1.0.1-10.1.0.9"},
        {"0.0.0.0/0", "0.0.0.0/0"},     {"2001:db8::/32", "2001:db8::/32"}, {"2001:db8::1", "2001:db8::1/128"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture *f = a_fixture(rows[i][0], rows[i][0]);
        struct bytes environment = write_all(f);
        assert_variable(environment, "PLUTO_MY_CLIENT", rows[i][1]);
        assert_variable(environment, "PLUTO_PEER_CLIENT", rows[i][1]);
        free(f);
    }
}

static void identities_of_all_kinds(void **state)
{
    static const char *const rows[][2] = {
        {"192.0.2.9", "192.0.2.9"}, {"2001:db8::9", "2001:db8::9"}, {"gw.example.org", "gw.example.org"}, {"@gw", "gw"},
        {"keyid:a b$", "a%20b%24"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fixture *f = a_fixture("10.1.0.0/24", "10.2.0.0/24");
        f->remote_id = an_identity(rows[i][0]);
        assert_variable(write_all(f), "PLUTO_PEER_ID", rows[i][1]);
        free(f);
    }
}

static void virtual_addresses(void **state)
{
    (void)state;
    for (unsigned server = 0; server < 2; server++) {
        struct fixture *f = a_fixture("10.1.0.0/24", "10.2.0.0/24");
        f->access.server = server != 0;
        f->connection.access = &f->access;
        f->user = an_identity("@alice");
        f->ends.user = &f->user;
        f->ends.net = &f->net;
        f->net.address[FAMILY_IPV6] = an_address("2001:db8::5");
        assert_variable(write_all(f), "PLUTO_MY_SOURCEIP", NULL); /* of the other family */
        assert_variable(write_all(f), "PLUTO_PEER_SOURCEIP", NULL);
        f->net.address[FAMILY_IPV4] = an_address("10.9.0.1");
        struct bytes environment = write_all(f);
        assert_variable(environment, "PLUTO_XAUTH_ID", "alice");
        assert_variable(environment, "PLUTO_MY_SOURCEIP", server ? NULL : "10.9.0.1");
        assert_variable(environment, "PLUTO_PEER_SOURCEIP", server ? "10.9.0.1" : NULL);
        free(f);
    }
}

/* An IKE SA that is gone has no identities; and the longest that there are fit. */
static void nothing_and_the_most(void **state)
{
    struct fixture *f = a_fixture("10.1.0.0/24", "10.2.0.0/24");
    (void)state;
    f->ends.local_id = f->ends.remote_id = NULL;
    assert_variable(write_all(f), "PLUTO_PEER_ID", NULL);
    f->remote_id = (struct identity){.type = ID_KEY_ID, .len = IDENTITY_MAX};
    memset(f->remote_id.data, '\n', IDENTITY_MAX);
    f->ends.local_id = f->ends.remote_id = f->ends.user = &f->remote_id;
    assert_int_equal(strlen(value_of(write_all(f), "PLUTO_PEER_ID")), 3 * IDENTITY_MAX);
    free(f);
}

static void verbs(void **state)
{
    static const char *const words[2][2] = {{"PLUTO_VERB=down-client", "PLUTO_VERB=down-client-v6"},
                                            {"PLUTO_VERB=up-client", "PLUTO_VERB=up-client-v6"}};
    (void)state;
    for (unsigned is_up = 0; is_up < 2; is_up++)
        for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
            char out[64];
            struct writer w = writer_of(out, sizeof out);
            hook_env_verb(&w, is_up != 0, ipv6 != 0);
            assert_string_equal(out, words[is_up][ipv6]);
            assert_int_equal(w.len, strlen(out) + 1);
        }
}

static void environments_that_are_not_ours(void **state)
{
#define ROW(text)                                                                                                      \
    {                                                                                                                  \
        text, sizeof(text) - 1                                                                                         \
    }
    static const struct {
        const char *text;
        size_t len;
    } bad[] = {
        ROW("\0"),
        ROW("PLUTO_A=1"), /* no NUL */
        ROW("PLUTO_A=1\0PLUTO_B=2"),
        ROW("PATH=/tmp\0"),
        ROW("LD_PRELOAD=/tmp/x.so\0"),
        ROW("PLUTO_A=1\0LD_PRELOAD=/tmp/x.so\0"),
        ROW("PLUTO_=1\0"),
        ROW("PLUTO_A\0"),
        ROW("PLUTO_a=1\0"),
        ROW("PLUTO_A B=1\0"),
        ROW("PLUTO_A=1 2\0"),
        ROW("PLUTO_A=$x\0"),
        ROW("PLUTO_A=() { :;}; x\0"),
        ROW("PLUTO_A=\n\0"),
        ROW("PLUTO_A=\x80\0"),
        ROW("BASH_FUNC_x%%=() { :;}\0"),
    };
    static const char good[] = "PLUTO_A=\0PLUTO_B_C=%0Aa=b";
    size_t count;
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        if (hook_env_good(bytes_of(bad[i].text, bad[i].len), &count))
            fail_msg("row %zu is taken", i);
    assert_true(hook_env_good(bytes_of(good, sizeof good), &count));
    assert_int_equal(count, 2);
    assert_true(hook_env_good(bytes_of("", 0), &count));
    assert_int_equal(count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_is_plain_or_escaped),
        cmocka_unit_test(text_of_a_malicious_peer),
        cmocka_unit_test(what_a_tunnel_is),
        cmocka_unit_test(networks_as_scripts_expect_them),
        cmocka_unit_test(identities_of_all_kinds),
        cmocka_unit_test(virtual_addresses),
        cmocka_unit_test(nothing_and_the_most),
        cmocka_unit_test(verbs),
        cmocka_unit_test(environments_that_are_not_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
