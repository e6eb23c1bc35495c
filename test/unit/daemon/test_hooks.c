/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hooks.h"

#include "daemon_test.h"

static const struct hook_what both = {.program = {[HOOK_DOWN] = 1, [HOOK_UP] = 2}, .timeout_ms = 30000};

static void up_as(struct hooks *h, uint64_t child, uint64_t replaced, const char *key, const struct hook_what *what)
{
    assert_int_equal(hooks_child_up(h, child, replaced, bytes_of(key, strlen(key)), what), OK);
}

static void up(struct hooks *h, uint64_t child, uint64_t replaced, const char *key)
{
    up_as(h, child, replaced, key, &both);
}

static uint32_t expect_job(struct hooks *h, uint64_t now, enum hook_verb verb)
{
    struct hook_job job, same;
    assert_true(hooks_take(h, now, &job));
    assert_int_equal(job.verb, verb);
    assert_true(hooks_at(h, job.slot, &same));
    assert_int_equal(same.verb, verb);
    assert_ptr_equal(same.what, job.what);
    return job.slot;
}

static void expect_nothing(struct hooks *h, uint64_t now)
{
    struct hook_job job;
    assert_false(hooks_take(h, now, &job));
}

static void what_is_unknown_is_ignored(void **state)
{
    struct hooks h = {0};
    struct hook_job job;
    (void)state;
    hooks_child_down(&h, 7, 0);
    hooks_ended(&h, 0, 0);
    hooks_ended(&h, HOOKS_RUNNING_MAX, 0);
    hooks_ended(&h, UINT32_MAX, 0);
    hooks_not_begun(&h, 3, 0);
    hooks_not_begun(&h, UINT32_MAX, 0);
    assert_false(hooks_at(&h, 0, &job));
    assert_false(hooks_at(&h, UINT32_MAX, &job));
    expect_nothing(&h, 0);
    hooks_last(&h);
    assert_int_equal(hooks_waiting(&h), 0);
    assert_true(hooks_next(&h) == DEADLINE_NEVER);
    hooks_free(&h);
}

static void one_life(void **state)
{
    struct hooks h = {0};
    char environment[] = "A=1";
    struct hook_what what = both;
    struct hook_job job;
    (void)state;
    what.connection = 5;
    what.environment = bytes_of(environment, sizeof environment);
    up_as(&h, 1, 0, "key", &what);
    environment[0] = 'X'; /* it was copied */
    assert_true(hooks_take(&h, 0, &job));
    assert_int_equal(job.verb, HOOK_UP);
    assert_int_equal(job.what->connection, 5);
    assert_int_equal(job.what->program[HOOK_UP], 2);
    assert_int_equal(job.what->environment.len, sizeof environment);
    assert_string_equal((const char *)job.what->environment.data, "A=1");
    hooks_ended(&h, job.slot, 10);
    expect_nothing(&h, 10);
    hooks_child_down(&h, 1, 100);
    expect_nothing(&h, 100);
    assert_int_equal(hooks_waiting(&h), 1);
    assert_int_equal(hooks_next(&h), 100 + HOOKS_LINGER_MS);
    expect_nothing(&h, 99 + HOOKS_LINGER_MS);
    hooks_ended(&h, expect_job(&h, 100 + HOOKS_LINGER_MS, HOOK_DOWN), 2000);
    expect_nothing(&h, 10000);
    assert_null(h.by_key);
    assert_null(h.by_child);
    hooks_free(&h);
}

/* The delete of the old one overtakes the new one; and the new one ends, and the old one serves again. */
static void a_successor_in_time_is_a_renewal(void **state)
{
    struct hooks h = {0};
    (void)state;
    up(&h, 1, 0, "key");
    hooks_ended(&h, expect_job(&h, 0, HOOK_UP), 0);
    hooks_child_down(&h, 1, 100);
    expect_nothing(&h, 99 + HOOKS_LINGER_MS);
    up(&h, 2, 0, "key");
    expect_nothing(&h, 100 + HOOKS_LINGER_MS);
    up(&h, 3, 2, "key");
    hooks_child_down(&h, 3, 5000);
    up(&h, 2, 0, "key");
    expect_nothing(&h, 60000);
    assert_true(hooks_next(&h) == DEADLINE_NEVER);
    hooks_free(&h);
}

/* --- every order of events of one lineage --- */

enum { STEPS = 6, ACTIONS = 10 };

struct model {
    bool child[3]; /* 1 and 2 are used */
    uint64_t now, gone;
    uint32_t slot;
    bool runs, ran_up; /* a hook is running; the last that ran is up */
    unsigned ups, downs;
};

static bool lives(const struct model *m)
{
    return m->child[1] || m->child[2];
}

static void model_up(struct hooks *h, struct model *m, unsigned child, unsigned replaced)
{
    up(h, child, replaced, "key");
    m->child[child] = true;
    if (replaced != 0)
        m->child[replaced] = false;
}

static void model_down(struct hooks *h, struct model *m, unsigned child)
{
    hooks_child_down(h, child, m->now);
    if (m->child[child] && !m->child[3 - child])
        m->gone = m->now;
    m->child[child] = false;
}

static void model_take(struct hooks *h, struct model *m)
{
    struct hook_job job;
    bool due = lives(m) || h->last || m->now >= m->gone + HOOKS_LINGER_MS,
         wanted = !m->runs && due && lives(m) != m->ran_up;
    bool took = hooks_take(h, m->now, &job);
    assert_int_equal(took, wanted);
    if (!took)
        return;
    assert_int_equal(job.verb, lives(m) ? HOOK_UP : HOOK_DOWN);
    m->runs = true;
    m->ran_up = lives(m);
    m->slot = job.slot;
    m->ups += m->ran_up;
    m->downs += !m->ran_up;
    assert_true(m->ups == m->downs || m->ups == m->downs + 1);
}

static void model_end(struct hooks *h, struct model *m, bool begun)
{
    if (!m->runs)
        return;
    m->runs = false;
    if (begun) {
        hooks_ended(h, m->slot, m->now);
        return;
    }
    hooks_not_begun(h, m->slot, m->now);
    m->ups -= m->ran_up;
    m->downs -= !m->ran_up;
    m->ran_up = !m->ran_up;
}

static void act(struct hooks *h, struct model *m, unsigned action)
{
    switch (action) {
    case 0: model_up(h, m, 1, 0); break;
    case 1: model_up(h, m, 2, 0); break;
    case 2: model_up(h, m, 2, 1); break;
    case 3: model_up(h, m, 1, 2); break;
    case 4: model_down(h, m, 1); break;
    case 5: model_down(h, m, 2); break;
    case 6: model_take(h, m); break;
    case 7: model_end(h, m, true); break;
    case 8: model_end(h, m, false); break;
    case 9: m->now += HOOKS_LINGER_MS; break;
    }
    assert_int_equal(h->running_count, m->runs);
}

/* What is left comes to rest in the state that is wanted. */
static void settle(struct hooks *h, struct model *m)
{
    for (int i = 0; i < 3; i++) {
        m->now += HOOKS_LINGER_MS;
        model_take(h, m);
        model_end(h, m, true);
    }
    assert_int_equal(m->ran_up, lives(m));
    assert_int_equal(hooks_waiting(h), 0);
    assert_true(hooks_next(h) == DEADLINE_NEVER);
    if (!lives(m))
        assert_null(h->by_key);
}

static void every_order(void **state)
{
    unsigned all = 1;
    (void)state;
    for (int i = 0; i < STEPS; i++)
        all *= ACTIONS;
    for (unsigned order = 0; order < all; order++) {
        struct hooks h = {0};
        struct model m = {0};
        unsigned rest = order;
        for (int i = 0; i < STEPS; i++, rest /= ACTIONS)
            act(&h, &m, rest % ACTIONS);
        settle(&h, &m);
        hooks_free(&h);
    }
}

/* --- many --- */

static void key_of(unsigned i, char key[16])
{
    snprintf(key, 16, "%u", i);
}

static void up_many(struct hooks *h, unsigned first, unsigned count, uint32_t connection)
{
    struct hook_what what = both;
    char key[16];
    what.connection = connection;
    for (unsigned i = first; i < first + count; i++) {
        key_of(i, key);
        up_as(h, i, 0, key, &what);
    }
}

static void places_are_limited(void **state)
{
    struct hooks h = {0};
    struct hook_job job;
    unsigned of[3] = {0}, all = 0;
    (void)state;
    up_many(&h, 1, 100, 0);
    up_many(&h, 101, 100, 1);
    up_many(&h, 201, 100, 2);
    while (hooks_take(&h, 0, &job))
        of[job.what->connection]++;
    assert_int_equal(h.running_count, HOOKS_RUNNING_MAX);
    assert_int_equal(of[0], HOOKS_PER_CONNECTION);
    assert_int_equal(of[1], HOOKS_PER_CONNECTION);
    assert_int_equal(hooks_waiting(&h), 300 - HOOKS_RUNNING_MAX);
    hooks_ended(&h, 3, 0);
    assert_true(hooks_take(&h, 0, &job));
    assert_int_equal(job.what->connection, 0); /* whose place it was, and who waits longest */
    all = HOOKS_RUNNING_MAX + 1;
    for (uint32_t slot = 0; h.running_count > 0; slot = (slot + 1) % HOOKS_RUNNING_MAX) {
        hooks_ended(&h, slot, 0);
        all += hooks_take(&h, 0, &job);
    }
    assert_int_equal(hooks_waiting(&h), 0);
    assert_int_equal(all, 300); /* none was lost */
    hooks_free(&h);
}

static void one_connection_leaves_room(void **state)
{
    struct hooks h = {0};
    struct hook_job job;
    (void)state;
    up_many(&h, 1, 100, 0);
    for (int i = 0; i < HOOKS_PER_CONNECTION; i++)
        expect_job(&h, 0, HOOK_UP);
    expect_nothing(&h, 0);
    expect_nothing(&h, 0);
    up_many(&h, 101, 1, 1); /* behind 92 that may not */
    assert_true(hooks_take(&h, 0, &job));
    assert_int_equal(job.what->connection, 1);
    expect_nothing(&h, 0);
    hooks_last(&h); /* at the end it may have all */
    for (int i = HOOKS_PER_CONNECTION + 1; i < HOOKS_RUNNING_MAX; i++)
        expect_job(&h, 0, HOOK_UP);
    expect_nothing(&h, 0);
    hooks_free(&h);
}

static void downs_go_first(void **state)
{
    struct hooks h = {0};
    (void)state;
    up(&h, 1, 0, "1");
    hooks_ended(&h, expect_job(&h, 0, HOOK_UP), 0);
    up_many(&h, 2, 3, 0);
    hooks_child_down(&h, 1, 0);
    hooks_last(&h);
    expect_job(&h, 0, HOOK_DOWN);
    expect_job(&h, 0, HOOK_UP);
    hooks_free(&h);
}

/* Their children are gone at once, at the stop of the gateway. */
static void the_last_do_not_linger(void **state)
{
    struct hooks h = {0};
    (void)state;
    up(&h, 1, 0, "1");
    up(&h, 2, 0, "2");
    hooks_ended(&h, expect_job(&h, 0, HOOK_UP), 0);
    uint32_t slow = expect_job(&h, 0, HOOK_UP);
    hooks_child_down(&h, 1, 100);
    hooks_child_down(&h, 2, 100);
    expect_nothing(&h, 100);
    hooks_last(&h);
    expect_job(&h, 100, HOOK_DOWN);
    expect_nothing(&h, 100);
    hooks_ended(&h, slow, 200);
    expect_job(&h, 200, HOOK_DOWN);
    hooks_free(&h);
}

/* --- no program for one of the two --- */

static void only_one_of_the_two(void **state)
{
    (void)state;
    for (unsigned has = 0; has < 4; has++) {
        struct hooks h = {0};
        struct hook_what what = both;
        if ((has & 1) == 0)
            what.program[HOOK_UP] = HOOK_PROGRAM_NONE;
        if ((has & 2) == 0)
            what.program[HOOK_DOWN] = HOOK_PROGRAM_NONE;
        up_as(&h, 1, 0, "key", &what);
        if ((has & 1) != 0)
            hooks_ended(&h, expect_job(&h, 0, HOOK_UP), 0);
        expect_nothing(&h, 0);
        hooks_child_down(&h, 1, 0);
        if ((has & 2) != 0)
            hooks_ended(&h, expect_job(&h, HOOKS_LINGER_MS, HOOK_DOWN), HOOKS_LINGER_MS);
        expect_nothing(&h, HOOKS_LINGER_MS);
        assert_null(h.by_key);
        hooks_free(&h);
    }
}

/* Also where the engine would replace a child by one of another key. */
static void a_child_that_changes_its_lineage(void **state)
{
    struct hooks h = {0};
    (void)state;
    up(&h, 1, 0, "1");
    hooks_ended(&h, expect_job(&h, 0, HOOK_UP), 0);
    up(&h, 2, 1, "2");
    expect_job(&h, 0, HOOK_DOWN); /* of the first */
    expect_job(&h, 0, HOOK_UP);
    expect_nothing(&h, 0);
    hooks_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_unknown_is_ignored),
        cmocka_unit_test(one_life),
        cmocka_unit_test(a_successor_in_time_is_a_renewal),
        cmocka_unit_test(every_order),
        cmocka_unit_test(places_are_limited),
        cmocka_unit_test(one_connection_leaves_room),
        cmocka_unit_test(downs_go_first),
        cmocka_unit_test(the_last_do_not_linger),
        cmocka_unit_test(only_one_of_the_two),
        cmocka_unit_test(a_child_that_changes_its_lineage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
