/* SPDX-License-Identifier: Apache-2.0 */
/* Passwords are looked at in other threads, and the answers come from the loop. */
#include "daemon/login.h"

#include "crypto/password.h"
#include "daemon_test.h"

enum { ANSWERS_MAX = 256 };

struct fixture {
    uv_loop_t loop;
    struct vault *vault;
    struct users *users;
    struct logins logins;
    struct {
        uint64_t ticket;
        bool right;
    } answers[ANSWERS_MAX];
    size_t count;
};

static void on_answer(void *arg, uint64_t ticket, bool right)
{
    struct fixture *f = arg;
    assert_true(f->count < ANSWERS_MAX);
    f->answers[f->count].ticket = ticket;
    f->answers[f->count++].right = right;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char hash[PASSWORD_HASH], text[512], why[128];
    unsigned line;
    assert_non_null(f);
    f->vault = vault_new();
    assert_non_null(f->vault);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_int_equal(password_hash(bytes_of("sesame", 6), hash), OK);
    snprintf(text, sizeof text, "alice:%s\n", hash);
    assert_int_equal(users_read(bytes_of(text, strlen(text)), &f->users, &line, why, sizeof why), OK);
    f->logins = (struct logins){.loop = &f->loop, .vault = f->vault, .answer = on_answer, .arg = f};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(uv_loop_close(&f->loop), 0);
    assert_int_equal(vault_live(f->vault), 0);
    users_free(f->users);
    vault_free(f->vault);
    free(f);
    return 0;
}

static enum status try(struct fixture *f, uint64_t ticket, const char *user, const char *password)
{
    return logins_add(&f->logins, ticket, f->users, bytes_of(user, strlen(user)), bytes_of(password, strlen(password)));
}

static bool answer_of(const struct fixture *f, uint64_t ticket)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->answers[i].ticket == ticket)
            return f->answers[i].right;
    fail_msg("no answer to %u", (unsigned)ticket);
    return false;
}

static void right_and_wrong(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(try(f, 1, "alice", "sesamE"), OK);
    assert_int_equal(try(f, 2, "mallory", "sesame"), OK);
    assert_int_equal(try(f, 3, "alice", "sesame"), OK);
    assert_int_equal(f->count, 0); /* never from inside logins_add: the engine must not be called back */
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(f->count, 3);
    assert_false(answer_of(f, 1));
    assert_false(answer_of(f, 2));
    assert_true(answer_of(f, 3));
}

/* The line is tried by what costs nothing to look at: over the length that a password may have. */
static void few_at_once_and_a_bounded_line(void **state)
{
    struct fixture *f = *state;
    static char endless[PASSWORD_MAX + 2];
    memset(endless, 'x', sizeof endless - 1);
    unsigned places = LOGINS_AT_ONCE + LOGINS_WAITING_MAX;
    for (unsigned i = 1; i <= places; i++)
        assert_int_equal(try(f, i, "alice", endless), OK);
    assert_int_equal(f->logins.running, LOGINS_AT_ONCE);
    assert_int_equal(try(f, 1000, "alice", "sesame"), ERR_LIMIT);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(f->count, places);
    for (unsigned i = 1; i <= places; i++)
        assert_false(answer_of(f, i));
    assert_int_equal(try(f, 1001, "alice", "sesame"), OK); /* there is room again */
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_true(answer_of(f, 1001));
}

static void what_waits_is_forgotten_at_the_end(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < LOGINS_AT_ONCE + 5; i++)
        assert_int_equal(try(f, i + 1, "alice", "sesame"), OK);
    assert_int_equal(f->logins.running, LOGINS_AT_ONCE);
    logins_close(&f->logins);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(f->count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(right_and_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(few_at_once_and_a_bounded_line, setup, teardown),
        cmocka_unit_test_setup_teardown(what_waits_is_forgotten_at_the_end, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
