/* SPDX-License-Identifier: Apache-2.0 */
/* What `check --explain` says of a configuration, with its lines joined: where they are cut does not matter. */
#ifndef TEST_UNIT_DAEMON_EXPLAIN_TEST_H
#define TEST_UNIT_DAEMON_EXPLAIN_TEST_H

#include "config_test.h"
#include "daemon/config_explain.h"

#define EXPLAIN_SECRET "zebra-zebra-zebra-99"
#define EXPLAIN_PSK    "psk = " EXPLAIN_SECRET "\n"

/* As it is printed. Owned. */
static inline char *explained(const struct config *config, const struct config_errors *errors)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    assert_int_equal(config_explain(config, errors, out), OK);
    fclose(out);
    assert_null(strstr(text, "zebra"));
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1)
        assert_false(strcspn(line, "\n") > 0 && line[strcspn(line, "\n") - 1] == ' '); /* no blank at its end */
    return text;
}

/* Every run of blanks becomes one. */
static inline char *joined(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        bool blank = *from == ' ' || *from == '\n';
        if (!blank || (to > text && to[-1] != ' '))
            *to++ = blank ? ' ' : *from;
    }
    *to = '\0';
    return text;
}

/* Owned. */
static inline char *explained_text(const char *ini)
{
    struct loaded l = load_good(ini);
    char *text = joined(explained(l.config, &l.errors));
    unload(&l);
    return text;
}

/* have, and have not: sentences, to be found in the explanation of ini. */
struct explain_case {
    const char *ini, *have, *have_not;
};

static inline void expect_explained(const struct explain_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *text = explained_text(cases[i].ini);
        if (strstr(text, cases[i].have) == NULL)
            fail_msg("case %zu: '%s' is not in: %s", i, cases[i].have, text);
        if (cases[i].have_not != NULL && strstr(text, cases[i].have_not) != NULL)
            fail_msg("case %zu: '%s' is in: %s", i, cases[i].have_not, text);
        free(text);
    }
}

#endif
