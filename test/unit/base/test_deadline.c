/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/base/base_test.h"

#include "base/deadline.h"

static void test_nothing_is_due_when_nothing_is_armed(void **state)
{
    (void)state;
    struct deadlines set = {0};
    struct deadline d = {0};
    assert_true(deadline_next(&set) == DEADLINE_NEVER);
    assert_null(deadline_take_due(&set, 0));
    assert_null(deadline_take_due(&set, DEADLINE_NEVER));
    deadline_clear(&set, &d);
    deadline_clear(&set, &d);
    assert_false(d.armed);
}

static void test_never_disarms(void **state)
{
    (void)state;
    struct deadlines set = {0};
    struct deadline d = {0};
    deadline_set(&set, &d, DEADLINE_NEVER);
    assert_false(d.armed);
    deadline_set(&set, &d, 5);
    assert_true(d.armed);
    deadline_set(&set, &d, DEADLINE_NEVER);
    assert_false(d.armed);
    assert_true(deadline_next(&set) == DEADLINE_NEVER);
}

static void test_due_at_its_time_and_not_before(void **state)
{
    (void)state;
    static const uint64_t times[] = {0, 1, 1000, DEADLINE_NEVER - 1};
    for (size_t i = 0; i < COUNT(times); i++) {
        struct deadlines set = {0};
        struct deadline d = {0};
        deadline_set(&set, &d, times[i]);
        assert_true(deadline_next(&set) == times[i]);
        if (times[i] > 0)
            assert_null(deadline_take_due(&set, times[i] - 1));
        assert_ptr_equal(deadline_take_due(&set, times[i]), &d);
        assert_false(d.armed);
        assert_null(deadline_take_due(&set, times[i]));
    }
}

static void test_moving_keeps_one_entry(void **state)
{
    (void)state;
    struct deadlines set = {0};
    struct deadline a = {0}, b = {0};
    deadline_set(&set, &a, 10);
    deadline_set(&set, &b, 20);
    deadline_set(&set, &a, 30);
    deadline_set(&set, &a, 25);
    assert_ptr_equal(deadline_take_due(&set, 100), &b);
    assert_ptr_equal(deadline_take_due(&set, 100), &a);
    assert_null(deadline_take_due(&set, 100));
}

/* What is due is taken earliest first, and its owner may arm it again while others are still taken. */
static void test_arming_again_while_taking(void **state)
{
    (void)state;
    struct deadlines set = {0};
    struct deadline d[3] = {{0}};
    for (size_t i = 0; i < COUNT(d); i++)
        deadline_set(&set, &d[i], 10 * (i + 1));
    for (int round = 0; round < 5; round++) {
        struct deadline *due = deadline_take_due(&set, 1000);
        assert_ptr_equal(due, &d[round % 3]);
        deadline_set(&set, due, 100 + 10 * (uint64_t)round);
    }
    assert_true(deadline_next(&set) == 120);
}

enum { MODEL_SIZE = 40, MODEL_STEPS = 20000 };

struct model {
    struct deadlines set;
    struct deadline d[MODEL_SIZE];
    uint64_t at[MODEL_SIZE]; /* DEADLINE_NEVER: not armed */
};

static uint64_t model_next(const struct model *m)
{
    uint64_t least = DEADLINE_NEVER;
    for (size_t i = 0; i < MODEL_SIZE; i++)
        least = m->at[i] < least ? m->at[i] : least;
    return least;
}

static bool take_and_compare(struct model *m, uint64_t now)
{
    uint64_t least = model_next(m);
    struct deadline *due = deadline_take_due(&m->set, now);
    if (least == DEADLINE_NEVER || least > now)
        return due == NULL;
    if (due == NULL || due->armed)
        return false;
    size_t i = (size_t)(due - m->d);
    if (i >= MODEL_SIZE || m->at[i] != least)
        return false;
    m->at[i] = DEADLINE_NEVER;
    return true;
}

static bool step(struct model *m, uint64_t r)
{
    size_t i = r >> 8 & 0xff;
    uint64_t time = r >> 20 & 63; /* few times, many ties */
    i %= MODEL_SIZE;
    switch (r & 7) {
    case 0:
    case 1:
    case 2: /* more armed than cleared, so that the heap gets deep */
    case 3:
        deadline_set(&m->set, &m->d[i], time);
        m->at[i] = time;
        break;
    case 4:
        deadline_clear(&m->set, &m->d[i]);
        m->at[i] = DEADLINE_NEVER;
        break;
    case 5:
        if ((r >> 40 & 7) == 0)
            deadline_set(&m->set, &m->d[i], DEADLINE_NEVER), m->at[i] = DEADLINE_NEVER;
        break;
    default: return take_and_compare(m, time);
    }
    return m->d[i].armed == (m->at[i] != DEADLINE_NEVER);
}

static void test_random_steps_agree_with_a_naive_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct model m = {0};
        uint64_t random = seed * 0x9e3779b97f4a7c15;
        for (size_t i = 0; i < MODEL_SIZE; i++)
            m.at[i] = DEADLINE_NEVER;
        for (int n = 0; n < MODEL_STEPS; n++) {
            if (!step(&m, next_random(&random)) || deadline_next(&m.set) != model_next(&m))
                fail_msg("seed %llu, step %d: the heap and the model differ", (unsigned long long)seed, n);
        }
        while (model_next(&m) != DEADLINE_NEVER)
            if (!take_and_compare(&m, DEADLINE_NEVER - 1))
                fail_msg("seed %llu: wrong order at the end", (unsigned long long)seed);
        assert_null(m.set.root);
    }
}

/* 100,000 in the worst order: no recursion, so no deep stack, and all come out sorted. */
static void test_many_in_rising_order(void **state)
{
    (void)state;
    enum { MANY = 100000 };
    struct deadline *d = calloc(MANY, sizeof *d);
    struct deadlines set = {0};
    assert_non_null(d);
    for (size_t i = 0; i < MANY; i++)
        deadline_set(&set, &d[i], i);
    for (size_t i = 0; i < MANY; i += 2)
        deadline_clear(&set, &d[i]);
    for (size_t i = 1; i < MANY; i += 2)
        assert_ptr_equal(deadline_take_due(&set, MANY), &d[i]);
    assert_null(deadline_take_due(&set, MANY));
    free(d);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_due_when_nothing_is_armed),
        cmocka_unit_test(test_never_disarms),
        cmocka_unit_test(test_due_at_its_time_and_not_before),
        cmocka_unit_test(test_moving_keeps_one_entry),
        cmocka_unit_test(test_arming_again_while_taking),
        cmocka_unit_test(test_random_steps_agree_with_a_naive_model),
        cmocka_unit_test(test_many_in_rising_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
