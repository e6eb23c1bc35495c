/* SPDX-License-Identifier: Apache-2.0 */
/* As many connections and rules as the project promises. */
#include "daemon_test.h"

#include "daemon/config.h"

enum { CONNECTIONS = 10000, RULES = 100000 };

struct loaded {
    struct vault *vault;
    struct config *config;
    struct config_errors errors;
    enum status status;
};

static struct loaded load(const char *text, size_t len)
{
    struct loaded l = {.vault = vault_new()};
    assert_non_null(l.vault);
    l.status = config_load_text("many.ini", bytes_of(text, len), false, l.vault, &l.config, &l.errors);
    return l;
}

static void unload(struct loaded *l)
{
    config_errors_free(&l->errors);
    config_free(l->config);
    vault_free(l->vault);
}

static void print_connections(FILE *out, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        fprintf(out, "[connection t%u]\nlocal = 192.0.2.1\nremote = 198.18.%u.%u\npsk = a secret of many\n", i, i >> 8,
                i & 255);
}

static void print_rules(FILE *out, unsigned count)
{
    fprintf(out, "[acl]\n");
    for (unsigned i = 0; i < count; i++)
        fprintf(out, "protect = 10.1.0.0/24 -> 100.%u.%u.%u/28 via t%u\n", 64 + (i >> 12), i >> 4 & 255, i << 4 & 255,
                i % CONNECTIONS);
}

static void test_many_connections_and_rules(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    print_connections(out, CONNECTIONS);
    print_rules(out, RULES);
    fprintf(out, "discard = 10.1.0.7 -> 100.64.0.9 ; never matches\n");
    fclose(out);
    struct loaded l = load(text, len);
    assert_int_equal(l.status, OK);
    assert_int_equal(l.config->connection_count, CONNECTIONS);
    assert_int_equal(l.config->spd.count, RULES + 1);
    assert_non_null(l.config->spd.index);
    /* However far down it stands, a rule that is never reached is told. */
    assert_int_equal(l.errors.count, 1);
    assert_int_equal(l.errors.items[0].line, CONNECTIONS * 4 + RULES + 2);
    assert_has(l.errors.items[0].text, "never matches, since the one in line 40002 takes all");
    unload(&l);
    free(text);
}

static void test_twins_among_many(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    print_connections(out, 300);
    fprintf(out, "[connection again]\nlocal = 192.0.2.1\nremote = 198.18.0.255\npsk = a secret of many\n");
    fprintf(out, "[connection third]\nlocal = 192.0.2.1\nremote = 198.18.0.255\npsk = a secret of many\n");
    fprintf(out, "[connection near]\nlocal = 192.0.2.9\nremote = 198.18.0.255\npsk = another secret of many\n[acl]\n");
    for (unsigned i = 0; i < 300; i++)
        fprintf(out, "protect = 10.1.0.0/24 -> 100.64.%u.%u/32 via t%u\n", i >> 8, i & 255, i);
    fprintf(out, "protect = 10.2.0.0/24 -> 10.3.0.0/24 via again\nprotect = 10.2.0.0/24 -> 10.4.0.0/24 via third\n"
                 "protect = 10.2.0.0/24 -> 10.5.0.0/24 via near\n");
    fclose(out);
    struct loaded l = load(text, len);
    assert_int_equal(l.status, OK);
    assert_int_equal(l.errors.count, 2);
    assert_int_equal(l.errors.items[0].line, 1201);
    assert_has(l.errors.items[0].text, "[connection again] has the local and remote of [connection t255]");
    assert_has(l.errors.items[1].text, "[connection third] has the local and remote of [connection t255]");
    unload(&l);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_connections_and_rules),
        cmocka_unit_test(test_twins_among_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
