/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/throttle.h"

#include "ike_test.h"

static const struct throttle_rate rate = {.burst = 3, .interval_ms = 1000};

static void a_burst_and_then_one_in_each_interval(void **state)
{
    (void)state;
    static struct throttle t;
    uint64_t now = 5000;
    for (unsigned i = 0; i < rate.burst; i++)
        assert_true(throttle_take(&t, &rate, 7, now));
    assert_false(throttle_take(&t, &rate, 7, now));
    assert_false(throttle_take(&t, &rate, 7, now + 999));
    assert_true(throttle_take(&t, &rate, 7, now + 1000));
    assert_false(throttle_take(&t, &rate, 7, now + 1999));
    assert_true(throttle_take(&t, &rate, 7, now + 2000));
    /* A long rest gives the whole burst back, and no more. */
    now += 1000000;
    for (unsigned i = 0; i < rate.burst; i++)
        assert_true(throttle_take(&t, &rate, 7, now));
    assert_false(throttle_take(&t, &rate, 7, now));
}

static void refused_tries_cost_nothing(void **state)
{
    (void)state;
    static struct throttle t;
    for (unsigned i = 0; i < 1000; i++)
        (void)throttle_take(&t, &rate, 7, 0);
    assert_true(throttle_take(&t, &rate, 7, 1000));
}

static void names_do_not_disturb_each_other(void **state)
{
    (void)state;
    static struct throttle t;
    for (unsigned i = 0; i < 10; i++)
        (void)throttle_take(&t, &rate, 7, 0);
    assert_true(throttle_take(&t, &rate, 8, 0));
    assert_false(throttle_take(&t, &rate, 7 + THROTTLE_SLOTS, 0)); /* one place */
}

static void forgiven(void **state)
{
    (void)state;
    static struct throttle t;
    for (unsigned i = 0; i < 10; i++)
        (void)throttle_take(&t, &rate, 7, 0);
    throttle_forgive(&t, 7);
    for (unsigned i = 0; i < rate.burst; i++)
        assert_true(throttle_take(&t, &rate, 7, 0));
    assert_false(throttle_take(&t, &rate, 7, 0));
}

static void one_try_is_given_back(void **state)
{
    (void)state;
    static struct throttle t;
    throttle_give_back(&t, &rate, 7); /* nothing is owed */
    for (unsigned i = 0; i < rate.burst; i++)
        assert_true(throttle_take(&t, &rate, 7, 5000));
    for (unsigned i = 0; i < 3; i++) {
        assert_false(throttle_take(&t, &rate, 7, 5000));
        throttle_give_back(&t, &rate, 7);
        assert_true(throttle_take(&t, &rate, 7, 5000));
    }
    assert_false(throttle_take(&t, &rate, 7, 5000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_and_then_one_in_each_interval),
        cmocka_unit_test(refused_tries_cost_nothing),
        cmocka_unit_test(names_do_not_disturb_each_other),
        cmocka_unit_test(forgiven),
        cmocka_unit_test(one_try_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
