/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/users.h"

#include "crypto/password.h"
#include "test/unit/unit_test.h"

static struct users *users;
static unsigned line;
static char why[256];

static enum status read_text(const char *text)
{
    users = NULL;
    uint8_t *copy = malloc(strlen(text) > 0 ? strlen(text) : 1);
    assert_non_null(copy);
    memcpy(copy, text, strlen(text));
    enum status status = users_read(bytes_of(copy, strlen(text)), &users, &line, why, sizeof why);
    free(copy);
    assert_int_equal(status == OK, users != NULL);
    return status;
}

#define HASH "$argon2id$v=19$m=65536,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void what_is_wrong_is_told_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned line;
        const char *word;
    } rows[] = {
        {"", 0, "no user"},
        {"# nobody\n\n", 0, "no user"},
        {"alice", 1, "no colon"},
        {"\nalice:plain text\n", 2, "no password hash"},
        {"alice:\n", 1, "no password hash"},
        {"alice:$1$abc$def\n", 1, "no password hash"},
        {"alice:" HASH "x" HASH "\n", 1, "no password hash"},
        {":" HASH "\n", 1, "the name"},
        {"al ice:" HASH "\n", 1, "the name"},
        {"al\xc3\xbc:" HASH "\n", 1, "the name"},
        {"a123456789012345678901234567890123456789012345678901234567890123:" HASH "\n", 1, "the name"},
        {"alice:" HASH "\nbob:" HASH "\nalice:" HASH "\n", 0, "alice is there twice"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(read_text(rows[i].text), ERR_MALFORMED);
        assert_int_equal(line, rows[i].line);
        assert_has(why, rows[i].word);
        assert_null(strstr(why, "plain text")); /* what stands there may be a password */
    }
}

static void users_are_found_by_their_whole_name(void **state)
{
    (void)state;
    assert_int_equal(read_text("# staff\r\nbob:" HASH "\r\n\r\nalice:" HASH "\ncarol:" HASH), OK);
    assert_int_equal(users_count(users), 3);
    static const char *const there[] = {"alice", "bob", "carol"}, *const absent[] = {"", "alic", "alice2", "Alice",
                                                                                     ":"};
    for (size_t i = 0; i < COUNT(there); i++)
        assert_string_equal(users_find(users, bytes_of(there[i], strlen(there[i]))), HASH);
    for (size_t i = 0; i < COUNT(absent); i++)
        assert_null(users_find(users, bytes_of(absent[i], strlen(absent[i]))));
    assert_null(users_find(users, bytes_of("alice\0x", 7)));
    static const uint8_t long_name[5000];
    assert_null(users_find(users, bytes_of(long_name, sizeof long_name)));
    users_free(users);
    users_free(NULL);
}

static void more_users_than_there_may_be(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    for (unsigned i = 0; i <= USERS_MAX; i++)
        fprintf(out, "u%u:" HASH "\n", i);
    fclose(out);
    assert_int_equal(users_read(bytes_of(text, len), &users, &line, why, sizeof why), ERR_LIMIT);
    assert_int_equal(line, USERS_MAX + 1);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_is_told_with_its_line),
        cmocka_unit_test(users_are_found_by_their_whole_name),
        cmocka_unit_test(more_users_than_there_may_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
