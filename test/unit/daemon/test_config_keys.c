/* SPDX-License-Identifier: Apache-2.0 */
/* The table of keys by itself, and against doc/configuration.md: every key, its default, its words, and an example. */
#include "daemon/config_keys.h"

#include "daemon/config_apply.h"
#include "daemon/config_values.h"
#include "daemon_test.h"

static void test_table_of_keys(void **state)
{
    (void)state;
    size_t count = 0;
    char text[CONFIG_KEYS_TEXT];
    for (unsigned section = 0; section < SECTION_KINDS; section++)
        assert_true(strlen(config_keys_print(section, text)) < CONFIG_KEYS_TEXT - 1); /* whole */
    for (const struct config_key *key; (key = config_key_at(count)) != NULL; count++) {
        assert_int_equal(config_key_find(key->section, key->name), count); /* no name twice */
        assert_non_null(key->apply);
        assert_non_null(key->help);
        if (key->words != NULL && key->apply != apply_later)
            assert_non_null(key->fallback);
    }
    assert_true(count <= CONFIG_KEYS_MAX);
    assert_true(config_key_find(SECTION_ACL, "allow") < 0);
}

/* --- the page: rows "| `key` | default | what it says | `an example` |" under "## [section]" --- */

static int load_page(void **state)
{
    *state = read_page("doc/configuration.md");
    return 0;
}

static int free_page(void **state)
{
    free(*state);
    return 0;
}

/* From the heading of the section to the next one. */
static char *chapter(const char *page, enum section_kind section)
{
    char heading[64];
    snprintf(heading, sizeof heading, "\n## %s\n", config_section_title(section));
    const char *start = strstr(page, heading);
    if (start == NULL) {
        fail_msg("doc/configuration.md has no heading '## %s'", config_section_title(section));
        return NULL;
    }
    const char *end = strstr(start + 1, "\n## ");
    return strndup(start, end != NULL ? (size_t)(end - start) + 1 : strlen(start));
}

/* The row of a key, owned; NULL: there is none. */
static char *row_of(const char *page, const struct config_key *key)
{
    char begin[64];
    char *text = chapter(page, key->section);
    snprintf(begin, sizeof begin, "\n| `%s` |", key->name);
    const char *row = strstr(text, begin);
    char *copy = row != NULL ? strndup(row + 1, strcspn(row + 1, "\n")) : NULL;
    free(text);
    return copy;
}

static bool is_documented(const struct config_key *key)
{
    return key->apply != apply_later;
}

static void test_every_key_stands_on_the_page(void **state)
{
    size_t rows = 0, expected = 0;
    for (const char *at = *state; (at = strstr(at, "\n| `")) != NULL; at++)
        rows++;
    for (size_t i = 0; config_key_at(i) != NULL; i++) {
        const struct config_key *key = config_key_at(i);
        char *row = row_of(*state, key);
        if ((row != NULL) != is_documented(key))
            fail_msg("doc/configuration.md, %s: %s %s", config_section_title(key->section), key->name,
                     row == NULL ? "is missing" : "is there, although this version has no such key");
        expected += row != NULL;
        free(row);
    }
    assert_int_equal(rows, expected); /* none that the parser does not know */
}

static void test_defaults_and_words_on_the_page(void **state)
{
    for (size_t i = 0; config_key_at(i) != NULL; i++) {
        const struct config_key *key = config_key_at(i);
        char *row = row_of(*state, key), cell[128], word[VALUE_TEXT + 2];
        bool none = key->fallback == NULL || key->fallback[0] == '\0';
        if (row == NULL || key->section == SECTION_ACL) {
            free(row);
            continue;
        }
        snprintf(cell, sizeof cell, none ? "| `%s` | %s |" : "| `%s` | `%s` |", key->name,
                 !none           ? key->fallback
                 : key->required ? "required"
                                 : "none");
        if (strncmp(row, cell, strlen(cell)) != 0)
            fail_msg("doc/configuration.md: the row\n%s\nshould begin with\n%s", row, cell);
        for (const char *at = key->words; at != NULL && *at != '\0'; at += strcspn(at, "|"), at += *at == '|') {
            snprintf(word, sizeof word, "`%.*s`", (int)strcspn(at, "|"), at);
            if (strstr(row + strlen(cell), word) == NULL)
                fail_msg("doc/configuration.md: %s does not name its value %s", key->name, word);
        }
        free(row);
    }
}

/* The last cell, without its backquotes. */
static char *example_of(const char *row)
{
    const char *end = strrchr(row, '`'), *start = end;
    while (start > row && start[-1] != '`')
        start--;
    assert_true(end > start && strcmp(end, "` |") == 0);
    return strndup(start, (size_t)(end - start));
}

/* Keys of remote access alone: the others of a server stand in files. */
static void load_access_example(const struct config_key *key, const char *example, struct vault *vault)
{
    struct connection c = {.access = calloc(1, sizeof *c.access)};
    struct config_errors errors = {0};
    struct config_load load = {.errors = &errors, .vault = vault};
    const struct config_item item = {.key = key, .text = strchr(example, '=') + 2, .target = &c};
    assert_non_null(c.access);
    if (!key->apply(&load, &item))
        fail_msg("doc/configuration.md: the example '%s' is refused", example);
    config_errors_free(&errors);
    connection_clear(&c);
    vault_free(vault);
}

static void load_example(const struct config_key *key, const char *example)
{
    static const char connection[] = "[connection branch]\n";
    struct config *config = NULL;
    struct config_errors errors = {0};
    struct vault *vault = vault_new();
    char text[1024];
    bool psk = strcmp(key->name, "psk") == 0, remote = strcmp(key->name, "remote") == 0;
    bool access = key->offset == offsetof(struct connection, access) && key->section == SECTION_CONNECTION;
    if (access) {
        load_access_example(key, example, vault);
        return;
    }
    bool probe = strncmp(key->name, "probe", 5) == 0; /* wants a rule, and details want a probe */
    snprintf(text, sizeof text, "%s%s%s%s%s%s%s%s\n", key->section == SECTION_GATEWAY ? "[gateway]\n" : connection,
             key->section == SECTION_GATEWAY || remote ? "" : "remote = 203.0.113.9\n",
             key->section == SECTION_GATEWAY || psk ? "" : "psk = correct horse battery\n",
             strcmp(key->name, "esp") == 0 || strcmp(key->name, "ike") == 0 ? "allow = sha1\n" : "",
             key->section == SECTION_ACL ? "[acl]\n" : "", probe && key->name[5] != '\0' ? "probe = 10.2.0.1\n" : "",
             example, probe ? "\n[acl]\nprotect = 10.1.0.0/24 -> 10.2.0.0/24 via branch" : "");
    enum status status = config_load_text("page", bytes_of(text, strlen(text)), false, vault, &config, &errors);
    if (status != OK) {
        config_errors_print(&errors, stderr);
        fail_msg("doc/configuration.md: the example '%s' is refused", example);
    }
    config_errors_free(&errors);
    config_free(config);
    vault_free(vault);
}

/* Files that are nowhere here; test_config_credentials.c has some. */
static bool names_a_file(const struct config_key *key)
{
    config_apply *const those[] = {
        apply_psk_file,   apply_key_password_file,   apply_key, apply_cert, apply_ca, apply_crl, apply_users,
        apply_xauth_user, apply_xauth_password_file, apply_hook};
    for (size_t i = 0; i < COUNT(those); i++)
        if (key->apply == those[i])
            return true;
    return false;
}

static void test_examples_of_the_page_are_taken(void **state)
{
    for (size_t i = 0; config_key_at(i) != NULL; i++) {
        const struct config_key *key = config_key_at(i);
        char *row = row_of(*state, key);
        if (row == NULL)
            continue;
        char *example = example_of(row);
        size_t len = strlen(key->name);
        if (strncmp(example, key->name, len) != 0 || strncmp(example + len, " = ", 3) != 0)
            fail_msg("doc/configuration.md: the example of %s is '%s'", key->name, example);
        if (!names_a_file(key))
            load_example(key, example);
        free(example);
        free(row);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_of_keys),
        cmocka_unit_test_setup_teardown(test_every_key_stands_on_the_page, load_page, free_page),
        cmocka_unit_test_setup_teardown(test_defaults_and_words_on_the_page, load_page, free_page),
        cmocka_unit_test_setup_teardown(test_examples_of_the_page_are_taken, load_page, free_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
