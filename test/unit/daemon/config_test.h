/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration, loaded from text. */
#ifndef TEST_UNIT_DAEMON_CONFIG_TEST_H
#define TEST_UNIT_DAEMON_CONFIG_TEST_H

#include "daemon/config.h"

#include "daemon_test.h"

#define CONFIG_TEST_PATH "dir/test.ini"

struct loaded {
    struct vault *vault;
    struct config *config; /* NULL: there were errors */
    struct config_errors errors;
    enum status status;
};

static inline struct loaded load_bytes(const void *text, size_t len, bool others_can_read)
{
    struct loaded l = {.vault = vault_new()};
    assert_non_null(l.vault);
    l.status = config_load_text(CONFIG_TEST_PATH, bytes_of(text, len), others_can_read, l.vault, &l.config, &l.errors);
    assert_int_equal(l.status == OK, l.config != NULL);
    assert_int_equal(l.status == OK, l.errors.errors == 0);
    return l;
}

static inline struct loaded load_text(const char *text)
{
    return load_bytes(text, strlen(text), false);
}

/* All messages as the user sees them. Owned. */
static inline char *messages(const struct loaded *l)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    config_errors_print(&l->errors, out);
    fclose(out);
    return text;
}

/* Some line of the text starts with prefix and holds both words. */
static inline bool has_line(const char *text, const char *prefix, const char *word, const char *remedy)
{
    char line[2048];
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        snprintf(line, sizeof line, "%.*s", (int)len, text);
        if (strncmp(line, prefix, strlen(prefix)) == 0 && strstr(line, word) != NULL && strstr(line, remedy) != NULL)
            return true;
        text += len;
        text += *text == '\n';
    }
    return false;
}

/* It must be good. */
static inline struct loaded load_good_bytes(const void *text, size_t len)
{
    struct loaded l = load_bytes(text, len, false);
    if (l.status != OK)
        fail_msg("%s", messages(&l));
    return l;
}

static inline struct loaded load_good(const char *text)
{
    return load_good_bytes(text, strlen(text));
}

static inline void unload(struct loaded *l)
{
    config_errors_free(&l->errors);
    config_free(l->config);
    assert_int_equal(vault_live(l->vault), 0);
    vault_free(l->vault);
}

#endif
