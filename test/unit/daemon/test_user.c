/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/user.h"

#include <unistd.h>

#include "daemon_test.h"

static void users_of_the_system(void **state)
{
    (void)state;
    char why[256] = "";
    struct user user;
    assert_int_equal(user_find("root", &user, why, sizeof why), OK);
    assert_true(user.uid == 0 && user.gid == 0 && user.group_count >= 1 && user.groups[0] == 0);
    assert_string_equal(why, "");
}

static void nobody_of_that_name(void **state)
{
    (void)state;
    static const char *const names[] = {"", "roo", "root ", "ROOT", "no-such-user-of-esptun"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char why[256] = "";
        struct user user;
        assert_int_equal(user_find(names[i], &user, why, sizeof why), ERR_NOT_FOUND);
        assert_has(why, "/etc/passwd");
        assert_has(why, "adduser");
    }
}

static void who_one_is_already(void **state)
{
    (void)state;
    const struct user myself = {.uid = getuid(), .gid = getgid(), .groups = {getgid()}, .group_count = 1};
    const uid_t before = geteuid();
    if (before == getuid())
        assert_true(user_become(&myself));
    assert_true(geteuid() == before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_of_the_system),
        cmocka_unit_test(nobody_of_that_name),
        cmocka_unit_test(who_one_is_already),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
