/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/ike/ike_test.h"

#include "ike/exchange.h"
#include "ike/limits.h"

static const char request[] = "what was sent";

static struct exchange kept(void)
{
    struct exchange x = {0};
    assert_int_equal(exchange_keep(&x, bytes_of(request, sizeof request)), OK);
    return x;
}

static void an_empty_exchange_repeats_nothing(void **state)
{
    (void)state;
    struct exchange x = {0};
    assert_false(exchange_is_repeat(&x, 0));
    exchange_answers(&x, 7); /* nothing was sent: there is nothing to repeat */
    assert_false(exchange_is_repeat(&x, 7));
    assert_false(exchange_try_again(&x));
    exchange_clear(&x);
    exchange_clear(&x);
}

static void only_the_message_that_was_answered_is_a_repeat(void **state)
{
    (void)state;
    struct exchange x = kept();
    assert_false(exchange_is_repeat(&x, 0));
    exchange_answers(&x, 0);
    assert_true(exchange_is_repeat(&x, 0));
    exchange_answers(&x, 99);
    assert_true(exchange_is_repeat(&x, 99));
    assert_false(exchange_is_repeat(&x, 0));
    assert_false(exchange_is_repeat(&x, 98));
    /* The next message of ours answers something else. */
    assert_int_equal(exchange_keep(&x, bytes_of("next", 4)), OK);
    assert_false(exchange_is_repeat(&x, 99));
    exchange_clear(&x);
    assert_false(exchange_is_repeat(&x, 99));
}

static void the_copy_is_our_own(void **state)
{
    (void)state;
    uint8_t data[4] = {1, 2, 3, 4};
    struct exchange x = {0};
    assert_int_equal(exchange_keep(&x, bytes_of(data, sizeof data)), OK);
    data[0] = 9;
    assert_int_equal(x.sent_len, 4);
    assert_int_equal(x.sent[0], 1);
    exchange_clear(&x);
}

static void b16_repeats_are_answered_at_most_once_in_the_interval(void **state)
{
    (void)state;
    struct exchange x = kept();
    unsigned answered = 0;
    for (uint64_t ms = 0; ms < 1000; ms++)
        answered += exchange_may_repeat(&x, 5000 + ms);
    assert_int_equal(answered, 1000 / REPEAT_EVERY);
    assert_int_equal(x.repeats, answered);
    assert_true(exchange_may_repeat(&x, 6000));
    assert_false(exchange_may_repeat(&x, 6000 + REPEAT_EVERY - 1));
    assert_true(exchange_may_repeat(&x, 6000 + REPEAT_EVERY));
    exchange_clear(&x);
}

/* limits.h: after 0.5, 1, 2, 4, 8, 16, 16 s the last try is out. */
static void the_waits_double_up_to_the_longest_and_end(void **state)
{
    (void)state;
    static const uint64_t waits[] = {500, 1000, 2000, 4000, 8000, 16000, 16000, 16000};
    struct exchange x = kept();
    for (size_t i = 0; i < RETRANSMIT_TRIES; i++) {
        assert_int_equal(exchange_wait_ms(&x), waits[i]);
        assert_true(exchange_try_again(&x));
    }
    assert_int_equal(exchange_wait_ms(&x), waits[RETRANSMIT_TRIES]);
    assert_false(exchange_try_again(&x));
    assert_false(exchange_try_again(&x));
    assert_int_equal(exchange_keep(&x, bytes_of("n", 1)), OK); /* a new message starts anew */
    assert_int_equal(exchange_wait_ms(&x), RETRANSMIT_FIRST);
    assert_true(exchange_try_again(&x));
    exchange_clear(&x);
}

static void the_wait_stays_bounded_whatever_the_count(void **state)
{
    (void)state;
    struct exchange x = kept();
    for (unsigned tries = 0; tries < 200; tries++) {
        x.tries = tries;
        assert_true(exchange_wait_ms(&x) >= RETRANSMIT_FIRST && exchange_wait_ms(&x) <= RETRANSMIT_LONGEST);
    }
    exchange_clear(&x);
}

static void an_unauthenticated_no_shortens_but_never_lengthens(void **state)
{
    (void)state;
    struct exchange x = kept();
    exchange_hurry(&x);
    assert_int_equal(x.tries_left, HINTED_TRIES);
    assert_true(exchange_try_again(&x));
    exchange_hurry(&x);
    assert_int_equal(x.tries_left, HINTED_TRIES - 1);
    assert_true(exchange_try_again(&x));
    assert_false(exchange_try_again(&x));
    exchange_hurry(&x);
    assert_false(exchange_try_again(&x));
    exchange_clear(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_exchange_repeats_nothing),
        cmocka_unit_test(only_the_message_that_was_answered_is_a_repeat),
        cmocka_unit_test(the_copy_is_our_own),
        cmocka_unit_test(b16_repeats_are_answered_at_most_once_in_the_interval),
        cmocka_unit_test(the_waits_double_up_to_the_longest_and_end),
        cmocka_unit_test(the_wait_stays_bounded_whatever_the_count),
        cmocka_unit_test(an_unauthenticated_no_shortens_but_never_lengthens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
