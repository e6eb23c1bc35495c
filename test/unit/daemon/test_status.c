/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/status.h"

#include "daemon/tunnel_probe.h"
#include "daemon_test.h"

static char a_name[] = "gw.example.org", a_problem[] = "there is no such name";
static const struct connection connections[] = {{.name = "branch"}, {.name = "named", .remote_name = a_name}};
static char *const problems[] = {NULL, a_problem};
static struct drops drops;
static uint64_t ike_drops[IKE_DROP_COUNT];
static struct rule_counters rules[4];

struct fixture {
    struct spd spd;
    struct random random;
    struct random_seeded seed;
    struct sad *sad;
    struct child child;
    uint8_t key[36];
    struct status_input input;
};

static const struct log quiet = {.level = LOG_INFO};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    add_rule(&f->spd, ACTION_PROTECT, "10.1.0.0/24 -> 10.2.0.0/24 via x");
    add_rule(&f->spd, ACTION_DISCARD, "tcp 10.0.0.0/8 -> 10.9.0.9 port 443");
    f->random = random_of_seed(&f->seed, 1);
    assert_int_equal(sad_new(f->spd.count, NULL, &f->random, &f->sad), OK);
    f->child = (struct child){
        .id = 5,
        .connection = "branch",
        .spi_in = 0xab,
        .spi_out = 0xfedcba98,
        .suite = {.encr = ENCR_AES_GCM_16, .key_bits = 256},
        .udp = true,
        .selector = f->spd.rules[0].selector,
        .key_in = {.data = f->key, .len = sizeof f->key},
        .key_out = {.data = f->key, .len = sizeof f->key},
        .replay_window = 64,
    };
    assert_int_equal(sad_add(f->sad, &f->child), OK);
    f->input = (struct status_input){
        .version = "1.2.3",
        .now_ms = 100500,
        .started_ms = 500,
        .connections = connections,
        .connection_count = COUNT(connections),
        .spd = &f->spd,
        .sad = f->sad,
        .drops = &drops,
        .rules = rules,
        .ike_drops = ike_drops,
        .log = &quiet,
        .name_problems = problems,
    };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    sad_free(f->sad);
    spd_free(&f->spd);
    free(f);
    return 0;
}

static json_t *finish(struct status_document *document)
{
    size_t len;
    char *text = status_finish(document, &len);
    assert_non_null(text);
    assert_int_equal(strlen(text), len);
    json_t *root = json_loads(text, 0, NULL);
    assert_non_null(root);
    free(text);
    return root;
}

static void assert_keys(const json_t *object, const char *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (json_object_get(object, keys[i]) == NULL)
            fail_msg("no member %s", keys[i]);
    assert_int_equal(json_object_size(object), count);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    assert_non_null(text);
    return text;
}

static int64_t number_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value))
        fail_msg("%s is not a number", key);
    return json_integer_value(value);
}

static void test_without_sas(void **state)
{
    struct fixture *f = *state;
    static const char *const keys[] = {"version", "uptime_s", "configured_s", "ike_sas",    "rules", "drops", "crypto",
                                       "workers", "offloads", "log_level",    "log_levels", "names", "probes"};
    struct status_document document;
    rules[1] = (struct rule_counters){3, UINT64_MAX};
    drops.count[DROP_OUT_NO_RULE] = 7;
    ike_drops[IKE_DROP_REPLAY] = 9;
    status_begin(&document, &f->input);
    json_t *root = finish(&document);
    assert_keys(root, keys, COUNT(keys));
    assert_string_equal(text_of(root, "version"), "1.2.3");
    assert_int_equal(number_of(root, "uptime_s"), 100);
    assert_true(json_is_array(json_object_get(root, "ike_sas")));
    const json_t *crypto = json_object_get(root, "crypto");
    assert_string_equal(text_of(crypto, "library"), "");
    assert_string_equal(text_of(json_object_get(crypto, "ciphers"), "aes-gcm"), "OpenSSL");
    assert_string_equal(text_of(json_object_get(crypto, "ciphers"), "chacha20-poly1305"), "libsodium");
    assert_int_equal(json_array_size(json_object_get(root, "ike_sas")), 0);

    static const char *const rule_keys[] = {"rule", "action", "packets", "bytes"};
    const json_t *list = json_object_get(root, "rules");
    assert_int_equal(json_array_size(list), 2);
    assert_keys(json_array_get(list, 1), rule_keys, COUNT(rule_keys));
    assert_string_equal(text_of(json_array_get(list, 0), "action"), "protect");
    assert_string_equal(text_of(json_array_get(list, 1), "action"), "discard");
    assert_has(text_of(json_array_get(list, 1), "rule"), "10.9.0.9");
    assert_int_equal(number_of(json_array_get(list, 1), "packets"), 3);
    assert_true(number_of(json_array_get(list, 1), "bytes") == INT64_MAX);

    const json_t *all = json_object_get(root, "drops");
    assert_int_equal(json_object_size(all), DROP_COUNT + IKE_DROP_COUNT);
    assert_int_equal(number_of(all, "out_no_rule"), 7);
    assert_int_equal(number_of(all, "ike_replay"), 9);
    json_decref(root);
}

static void test_offloads(void **state)
{
    struct fixture *f = *state;
    static const char *const keys[] = {"tun", "udp_gso", "udp_gro"};
    for (unsigned n = 0; n < 8; n++) {
        struct status_document document;
        f->input.offloads = (struct offloads){(n & 1) != 0, (n & 2) != 0, (n & 4) != 0};
        status_begin(&document, &f->input);
        json_t *root = finish(&document);
        const json_t *offloads = json_object_get(root, "offloads");
        assert_keys(offloads, keys, COUNT(keys));
        for (unsigned i = 0; i < COUNT(keys); i++)
            assert_true(json_is_boolean(json_object_get(offloads, keys[i])) &&
                        json_is_true(json_object_get(offloads, keys[i])) == ((n >> i & 1) != 0));
        json_decref(root);
    }
}

static void test_log_levels(void **state)
{
    struct fixture *f = *state;
    const enum log_level levels[] = {LOG_DEBUG};
    const struct log own = {.level = LOG_WARNING, .connection_levels = levels, .connection_level_count = 1};
    struct status_document document;
    f->input.log = &own;
    status_begin(&document, &f->input);
    json_t *root = finish(&document);
    assert_string_equal(text_of(root, "log_level"), "warning");
    const json_t *shown = json_object_get(root, "log_levels");
    assert_int_equal(json_object_size(shown), 1);
    assert_string_equal(text_of(shown, f->input.connections[0].name), "debug");
    json_decref(root);
    const enum log_level same[] = {LOG_WARNING};
    const struct log none = {.level = LOG_WARNING, .connection_levels = same, .connection_level_count = 1};
    f->input.log = &none;
    status_begin(&document, &f->input);
    root = finish(&document);
    assert_int_equal(json_object_size(json_object_get(root, "log_levels")), 0);
    json_decref(root);
}

static void test_with_a_guard(void **state)
{
    struct fixture *f = *state;
    const struct guard_counts guard = {.in_clear = 3, .out_clear = UINT64_MAX};
    struct status_document document;
    f->input.guard = &guard;
    status_begin(&document, &f->input);
    json_t *root = finish(&document);
    const json_t *all = json_object_get(root, "drops");
    assert_int_equal(json_object_size(all), DROP_COUNT + IKE_DROP_COUNT + 2);
    assert_int_equal(number_of(all, "in_clear"), 3);
    assert_true(number_of(all, "out_clear") == INT64_MAX);
    json_decref(root);
}

static void test_probes(void **state)
{
    struct fixture *f = *state;
    static const char *const keys[] = {"connection", "address",  "source", "state",     "rtt_ms",
                                       "sent",       "answered", "lost",   "answered_s"};
    struct connection connection = f->input.connections[0];
    struct tunnel_probe p = {.state = PROBE_UP,
                             .source = an_address("10.1.0.1"),
                             .rtt_us = 1250,
                             .sent = 7,
                             .answered = 5,
                             .lost = 2,
                             .answered_ms = f->input.now_ms - 3000};
    connection.probe = an_address("10.2.0.1");
    for (int known = 0; known < 2; known++) {
        struct status_document document;
        const struct tunnel_probe none = {0};
        struct status_input input = f->input;
        input.connections = &connection;
        input.connection_count = 1;
        input.probes = known ? &p : &none;
        status_begin(&document, &input);
        json_t *root = finish(&document);
        const json_t *probe = json_array_get(json_object_get(root, "probes"), 0);
        assert_keys(probe, keys, COUNT(keys));
        assert_string_equal(text_of(probe, "address"), "10.2.0.1");
        assert_string_equal(text_of(probe, "state"), known ? "up" : "unknown");
        assert_int_equal(number_of(probe, "sent"), known ? 7 : 0);
        assert_int_equal(number_of(probe, "lost"), known ? 2 : 0);
        assert_true(json_is_null(json_object_get(probe, "source")) == !known);
        assert_true(json_is_null(json_object_get(probe, "answered_s")) == !known);
        assert_true(json_is_null(json_object_get(probe, "rtt_ms")) == !known);
        if (known)
            assert_true(json_real_value(json_object_get(probe, "rtt_ms")) == 1.25);
        json_decref(root);
    }
}

static const struct identity branch_id = {.type = ID_FQDN, .len = 6, .data = "branch"};

static void visit(struct status_document *document, struct fixture *f, bool whole)
{
    static const struct proposal suite = {
        .encr = ENCR_AES_CBC, .key_bits = 256, .integ = INTEG_HMAC_SHA2_256_128, .prf = PRF_HMAC_SHA2_256, .group = 14};
    static const struct identity user = {.type = ID_KEY_ID, .len = 4, .data = "al\nx"};
    struct virtual_net net = {.address = {an_address("10.9.0.1"), an_address("2001:db8::9")}};
    struct ike_visitor visitor = status_visitor(document);
    struct ike_sa_info sa = {
        .connection = 0,
        .state = whole ? "established" : "connecting",
        .initiator = true,
        .version = 1,
        .path = {{an_address("192.0.2.1"), 4500}, {an_address("2001:db8::2"), 500}},
        .local_id = &branch_id,
        .remote_id = whole ? &branch_id : NULL,
        .user = whole ? &user : NULL,
        .net = whole ? &net : NULL,
        .nat_remote = whole,
        .proposal = whole ? &suite : NULL,
        .established_ms = whole ? 90500 : 0,
        .rekey_at_ms = whole ? 200500 : DEADLINE_NEVER,
    };
    visitor.sa(visitor.arg, &sa);
    const struct ike_child_info child = {
        .id = 5, .rule = 0, .state = "rekeying", .child = &f->child, .established_ms = 90500, .rekey_at_ms = 1};
    if (whole)
        visitor.child(visitor.arg, &child);
}

static void test_an_sa_and_its_child(void **state)
{
    struct fixture *f = *state;
    static const char *const sa_keys[] = {
        "connection", "ike_version", "state",         "initiator",  "local",    "remote", "local_id",    "remote_id",
        "nat",        "proposal",    "established_s", "rekey_in_s", "children", "user",   "remote_name", "virtual_ip"};
    static const char *const child_keys[] = {"rule",  "state",         "spi_in",     "spi_out",  "proposal",
                                             "encap", "local_ts",      "remote_ts",  "esn",      "in",
                                             "out",   "established_s", "rekey_in_s", "path_mtu", "mtu"};
    static const char *const in_keys[] = {"packets", "bytes", "replay", "auth_failed", "selector", "malformed"};
    struct sa *pair = sad_by_child(f->sad, 5);
    pair->in = (struct sa_counters){.packets = 1, .bytes = 2, .replay = 3, .auth_failed = 4};
    pair->out = (struct sa_counters){.packets = 5, .bytes = 6};
    struct status_document document;
    status_begin(&document, &f->input);
    visit(&document, f, true);
    json_t *root = finish(&document);
    const json_t *sa = json_array_get(json_object_get(root, "ike_sas"), 0);
    assert_keys(sa, sa_keys, COUNT(sa_keys));
    assert_string_equal(text_of(sa, "connection"), "branch");
    assert_int_equal(number_of(sa, "ike_version"), 1);
    assert_string_equal(text_of(sa, "local"), "192.0.2.1:4500");
    assert_string_equal(text_of(sa, "remote"), "[2001:db8::2]:500");
    assert_string_equal(text_of(sa, "remote_id"), "branch");
    assert_null(strchr(text_of(sa, "user"), '\n')); /* what the peer wrote is escaped */
    assert_string_equal(text_of(sa, "virtual_ip"), "10.9.0.1, 2001:db8::9");
    assert_string_equal(text_of(sa, "proposal"), "aes256-sha256-modp2048");
    assert_true(json_is_true(json_object_get(sa, "nat")));
    assert_int_equal(number_of(sa, "established_s"), 10);
    assert_int_equal(number_of(sa, "rekey_in_s"), 100);

    const json_t *child = json_array_get(json_object_get(sa, "children"), 0);
    assert_keys(child, child_keys, COUNT(child_keys));
    assert_string_equal(text_of(child, "spi_in"), "000000ab");
    assert_string_equal(text_of(child, "spi_out"), "fedcba98");
    assert_string_equal(text_of(child, "proposal"), "aes256gcm16");
    assert_string_equal(text_of(child, "encap"), "udp");
    assert_string_equal(text_of(child, "local_ts"), "10.1.0.0/24");
    assert_string_equal(text_of(child, "rule"), text_of(json_array_get(json_object_get(root, "rules"), 0), "rule"));
    assert_int_equal(number_of(child, "rekey_in_s"), 0); /* overdue */
    assert_keys(json_object_get(child, "in"), in_keys, COUNT(in_keys));
    assert_int_equal(number_of(json_object_get(child, "in"), "auth_failed"), 4);
    assert_int_equal(number_of(json_object_get(child, "out"), "bytes"), 6);
    json_decref(root);
}

/* IKE has the child, the data plane not yet or no longer: no sizes, which is not "size 0". */
static void test_a_child_without_an_sa(void **state)
{
    struct fixture *f = *state;
    static const char *const unknown[] = {"path_mtu", "mtu"};
    struct status_document document;
    sad_remove(f->sad, 5);
    status_begin(&document, &f->input);
    visit(&document, f, true);
    json_t *root = finish(&document);
    const json_t *sa = json_array_get(json_object_get(root, "ike_sas"), 0);
    const json_t *child = json_array_get(json_object_get(sa, "children"), 0);
    for (size_t i = 0; i < COUNT(unknown); i++)
        assert_true(json_is_null(json_object_get(child, unknown[i])));
    assert_int_equal(number_of(json_object_get(child, "in"), "packets"), 0);
    json_decref(root);
}

static void test_what_is_not_known_yet_is_null(void **state)
{
    struct fixture *f = *state;
    static const char *const unknown[] = {"remote_id", "proposal", "established_s", "rekey_in_s", "user", "virtual_ip"};
    struct status_document document;
    status_begin(&document, &f->input);
    visit(&document, f, false);
    json_t *root = finish(&document);
    const json_t *sa = json_array_get(json_object_get(root, "ike_sas"), 0);
    for (size_t i = 0; i < COUNT(unknown); i++)
        assert_true(json_is_null(json_object_get(sa, unknown[i])));
    assert_int_equal(json_array_size(json_object_get(sa, "children")), 0);
    json_decref(root);
}

static void test_names(void **state)
{
    struct fixture *f = *state;
    struct status_document document;
    for (int known = 0; known < 2; known++) {
        f->input.name_problems = known ? problems : NULL;
        status_begin(&document, &f->input);
        json_t *root = finish(&document);
        const json_t *names = json_object_get(root, "names"), *one = json_array_get(names, 0);
        assert_int_equal(json_array_size(names), 1);
        assert_string_equal(text_of(one, "connection"), "named");
        assert_string_equal(text_of(one, "name"), a_name);
        assert_int_equal(json_array_size(json_object_get(one, "addresses")), 0);
        assert_int_equal(json_is_null(json_object_get(one, "problem")), !known);
        if (known)
            assert_string_equal(text_of(one, "problem"), a_problem);
        json_decref(root);
    }
}

/* --- against doc/status.md --- */

static bool page_has(const char *page, const char *before, const char *name, const char *after)
{
    char text[128];
    snprintf(text, sizeof text, "%s`%s`%s", before, name, after);
    return strstr(page, text) != NULL;
}

/* Each member of the document below this one, but the drops and the names of ciphers, has a row of its own. */
static void assert_members(const char *page, json_t *value)
{
    const char *key;
    json_t *member;
    if (json_is_array(value))
        for (size_t i = 0; i < json_array_size(value); i++)
            assert_members(page, json_array_get(value, i));
    json_object_foreach(value, key, member)
    {
        if (!page_has(page, "\n| ", key, " | "))
            fail_msg("doc/status.md has no row for the member %s", key);
        if (strcmp(key, "drops") != 0 && strcmp(key, "ciphers") != 0)
            assert_members(page, member);
    }
}

static void test_members_stand_on_the_page(void **state)
{
    char *page = read_page("doc/status.md");
    struct fixture *f = *state;
    struct status_document document;
    status_begin(&document, &f->input);
    visit(&document, f, true);
    json_t *root = finish(&document);
    assert_members(page, root);
    json_decref(root);
    free(page);
}

/* The reasons of "drops", in both directions: all are there, and nothing that no longer is. */
static void test_drops_stand_on_the_page(void **state)
{
    char *page = read_page("doc/status.md");
    struct fixture *f = *state;
    const struct guard_counts guard = {0};
    struct status_document document;
    f->input.guard = &guard;
    status_begin(&document, &f->input);
    json_t *root = finish(&document), *member;
    const char *key, *at = strstr(page, "\n## Drops\n");
    size_t rows = 0;
    assert_non_null(at);
    json_object_foreach(json_object_get(root, "drops"), key, member)
    {
        if (!page_has(at, "\n| ", key, " | "))
            fail_msg("doc/status.md has no row for the drop %s", key);
    }
    for (const char *row = at; (row = strstr(row, "\n| `")) != NULL; row++)
        rows++;
    assert_int_equal(rows, json_object_size(json_object_get(root, "drops")));
    json_decref(root);
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_without_sas, setup, teardown),
        cmocka_unit_test_setup_teardown(test_probes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_with_a_guard, setup, teardown),
        cmocka_unit_test_setup_teardown(test_offloads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_levels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_sa_and_its_child, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_child_without_an_sa, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_members_stand_on_the_page, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drops_stand_on_the_page, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_not_known_yet_is_null, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
