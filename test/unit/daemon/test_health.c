/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/health.h"

#include "daemon_test.h"

static void an_answer_ends_the_silence(void **state)
{
    (void)state;
    struct health_flow f = {0};
    health_sample(&f, 0, 0, 1000);
    assert_int_equal(f.silent_from, 0);
    health_sample(&f, 0, 3, 2000);
    assert_int_equal(f.unanswered, 3);
    assert_int_equal(f.silent_from, 2000);
    health_sample(&f, 0, 7, 3000);
    assert_int_equal(f.unanswered, 7);
    assert_int_equal(f.silent_from, 2000);
    health_sample(&f, 1, 9, 4000);
    assert_int_equal(f.unanswered, 0);
    assert_int_equal(f.silent_from, 0);
}

/* A renewal: the sums of the new SAs begin at zero. */
static void falling_sums_are_no_news(void **state)
{
    (void)state;
    struct health_flow f = {0};
    health_sample(&f, 50, 60, 1000);
    health_sample(&f, 0, 2, 2000);
    assert_int_equal(f.unanswered, 0);
    health_sample(&f, 0, 4, 3000);
    assert_int_equal(f.unanswered, 2);
    health_sample(&f, 0, 1, 4000); /* neither an answer, nor packets taken back */
    assert_int_equal(f.unanswered, 2);
    assert_int_equal(f.silent_from, 3000);
}

static struct health_flow silent(uint64_t packets, uint64_t from_ms)
{
    return (struct health_flow){.out = packets, .unanswered = packets, .silent_from = from_ms};
}

static void judgement(void **state)
{
    (void)state;
    const uint64_t now = 100000;
    const struct health_flow fine = {.in = 1, .out = 1}, bad = silent(HEALTH_UNANSWERED, now - HEALTH_SILENCE_MS),
                             few = silent(HEALTH_UNANSWERED - 1, 1), soon = silent(1000, now - HEALTH_SILENCE_MS + 1);
    const struct {
        struct health_view view;
        bool good;
        const char *says;
    } rows[] = {
        {{1, 1, &fine, HEALTH_NOT_PROBED, 3}, true, ""},
        {{2, 2, &few, HEALTH_NOT_PROBED, 3}, true, ""},
        {{2, 2, &soon, HEALTH_NOT_PROBED, 3}, true, ""},
        {{0, 0, &fine, HEALTH_NOT_PROBED, 3}, false, "no protect rule"},
        {{2, 1, &fine, HEALTH_NOT_PROBED, 3}, false, "1 of 2 rules have an SA"},
        {{2, 0, &fine, HEALTH_PROBE_ANSWERED, 3}, false, "0 of 2"},
        {{1, 1, &bad, HEALTH_NOT_PROBED, 3}, false, "10 packets left in the last 30 s, and none came back"},
        /* a probe knows better, either way */
        {{1, 1, &bad, HEALTH_PROBE_ANSWERED, 3}, true, ""},
        {{1, 1, &fine, HEALTH_PROBE_FAILS, 3}, false, "probe is not answered, 3 times in a row"},
        {{1, 1, &fine, HEALTH_PROBE_HOMELESS, 0}, false, "probe_source is missing"},
        {{1, 1, &fine, HEALTH_PROBE_WAITS, 3}, false, "has not come yet"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char why[HEALTH_WHY];
        assert_true(health_judge(&rows[i].view, now, why) == rows[i].good);
        assert_has(why, rows[i].says);
        assert_true((why[0] == '\0') == rows[i].good);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_ends_the_silence),
        cmocka_unit_test(falling_sums_are_no_news),
        cmocka_unit_test(judgement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
