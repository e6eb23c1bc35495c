/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/tunnel_probe.h"

#include "daemon_test.h"

static const struct probe_terms quiet = {.interval_ms = 10000, .failures = 3};
static const struct probe_terms eager = {.interval_ms = 10000, .failures = 3, .restart = true};

/* One turn at `now`: the last request is judged, the next one leaves. */
static enum probe_news turn(struct tunnel_probe *p, const struct probe_terms *terms, uint64_t now, bool *restart)
{
    enum probe_news news = tunnel_probe_judge(p, terms, now, restart);
    p->sequence++;
    tunnel_probe_sent(p, terms, now * 31, now, now * 1000);
    return news;
}

static enum probe_news answer(struct tunnel_probe *p, uint64_t now)
{
    return tunnel_probe_answered(p, p->sequence, p->nonce, now, now * 1000);
}

static void the_first_answer_is_up(void **state)
{
    (void)state;
    bool restart;
    struct tunnel_probe p = {0};
    assert_string_equal(probe_state_name(p.state), "unknown");
    assert_int_equal(turn(&p, &quiet, 1000, &restart), PROBE_NO_NEWS);
    assert_int_equal(p.due_ms, 11000);
    assert_int_equal(answer(&p, 1020), PROBE_WENT_UP);
    assert_int_equal(p.rtt_us, 20000);
    assert_int_equal(p.answered_ms, 1020);
    assert_int_equal(answer(&p, 1021), PROBE_NO_NEWS); /* a second copy */
    assert_int_equal(p.answered, 1);
    assert_string_equal(probe_state_name(p.state), "up");
}

static void so_many_failures_in_a_row_are_down(void **state)
{
    (void)state;
    for (uint32_t failures = 1; failures < 6; failures++) {
        const struct probe_terms terms = {.interval_ms = 1000, .failures = failures};
        struct tunnel_probe p = {0};
        bool restart;
        uint64_t now = 1000;
        (void)turn(&p, &terms, now, &restart);
        (void)answer(&p, now);
        (void)turn(&p, &terms, now += 1000, &restart);
        for (uint32_t i = 1; i < failures; i++) {
            assert_int_equal(turn(&p, &terms, now += 1000, &restart), PROBE_NO_NEWS);
            assert_int_equal(p.lost, i);
            assert_int_equal(p.state, PROBE_UP);
        }
        assert_int_equal(turn(&p, &terms, now += 1000, &restart), PROBE_WENT_DOWN);
        assert_int_equal(turn(&p, &terms, now += 1000, &restart), PROBE_NO_NEWS); /* said once */
        assert_int_equal(p.lost, failures + 1);
        assert_string_equal(probe_state_name(p.state), "down");
        assert_false(restart);
        assert_int_equal(answer(&p, now + 1), PROBE_WENT_UP);
        assert_int_equal(p.lost, 0);
    }
}

static void other_answers_do_not_count(void **state)
{
    (void)state;
    bool restart;
    struct tunnel_probe p = {0};
    assert_int_equal(tunnel_probe_answered(&p, 0, 0, 1000, 1000000), PROBE_NO_NEWS); /* nothing was asked */
    (void)turn(&p, &quiet, 1000, &restart);
    struct tunnel_probe first = p;
    assert_int_equal(tunnel_probe_answered(&p, p.sequence, p.nonce ^ 1, 1001, 1001000), PROBE_NO_NEWS);
    assert_int_equal(tunnel_probe_answered(&p, (uint16_t)(p.sequence + 1), p.nonce, 1001, 1001000), PROBE_NO_NEWS);
    (void)turn(&p, &quiet, 11000, &restart);
    assert_int_equal(tunnel_probe_answered(&p, first.sequence, first.nonce, 11001, 11001000), PROBE_NO_NEWS); /* late */
    assert_int_equal(p.answered, 0);
    assert_int_equal(p.state, PROBE_UNKNOWN);
    assert_int_equal(answer(&p, 11002), PROBE_WENT_UP);
}

/* Without a tunnel nothing is sent, and nothing is lost. */
static void without_a_tunnel_nothing_is_known(void **state)
{
    (void)state;
    bool restart;
    struct tunnel_probe p = {0};
    (void)turn(&p, &eager, 1000, &restart);
    (void)answer(&p, 1001);
    for (uint64_t now = 11000; now < 200000; now += 10000) {
        assert_int_equal(tunnel_probe_judge(&p, &eager, now, &restart), PROBE_NO_NEWS);
        assert_false(restart);
        tunnel_probe_skipped(&p, &eager, now);
        assert_int_equal(p.due_ms, now + 10000);
        assert_int_equal(p.state, PROBE_UNKNOWN);
    }
    assert_int_equal(p.lost, 0);
    assert_int_equal(p.sent, 1);
    tunnel_probe_tunnel_up(&p, 200500);
    assert_int_equal(p.due_ms, 200500);
    (void)turn(&p, &eager, 200500, &restart);
    assert_int_equal(answer(&p, 200510), PROBE_WENT_UP);
}

static void down_stays_until_an_answer(void **state)
{
    (void)state;
    bool restart;
    struct tunnel_probe p = {0};
    for (uint64_t now = 0; now <= 30000; now += 10000)
        (void)turn(&p, &quiet, now, &restart);
    assert_int_equal(p.state, PROBE_DOWN);
    (void)tunnel_probe_judge(&p, &quiet, 40000, &restart);
    tunnel_probe_skipped(&p, &quiet, 40000);
    assert_int_equal(p.state, PROBE_DOWN);
    tunnel_probe_tunnel_up(&p, 41000);
    assert_int_equal(turn(&p, &quiet, 41000, &restart), PROBE_NO_NEWS);
    assert_int_equal(p.state, PROBE_DOWN);
    assert_int_equal(answer(&p, 41001), PROBE_WENT_UP);
}

/* A host that is dead for a week behind a living peer: each restart is later than the one before, up to the most. */
static void restarts_become_rare(void **state)
{
    (void)state;
    struct tunnel_probe p = {0};
    uint64_t last = 0, wait = 0;
    unsigned restarts = 0;
    for (uint64_t now = 10000; now < UINT64_C(7) * 86400000; now += eager.interval_ms) {
        bool restart;
        (void)turn(&p, &eager, now, &restart);
        if (!restart)
            continue;
        if (restarts++ == 0) {
            assert_int_equal(now, 40000); /* at once when it is down */
        } else {
            assert_true(now - last >= PROBE_RESTART_MIN_MS && now - last >= wait);
            assert_true(now - last <= PROBE_RESTART_MAX_MS + 4 * eager.interval_ms);
            wait = now - last > PROBE_RESTART_MAX_MS ? PROBE_RESTART_MAX_MS : now - last;
        }
        last = now;
        tunnel_probe_tunnel_up(&p, now + 100);
    }
    assert_in_range(restarts, 165, 178);
    (void)answer(&p, last);
    assert_int_equal(p.restart_wait_ms, 0);
}

/* The next tunnel has all its tries: none is restarted after one lost request. */
static void a_new_tunnel_has_its_tries(void **state)
{
    (void)state;
    bool restart;
    const struct probe_terms slow = {.interval_ms = 100000, .failures = 5, .restart = true};
    struct tunnel_probe p = {0};
    uint64_t now = 0;
    for (unsigned round = 0; round < 4; round++) {
        unsigned lost = 0;
        for (restart = false; !restart; lost++)
            (void)turn(&p, &slow, now += slow.interval_ms, &restart);
        assert_true(lost >= slow.failures);
        tunnel_probe_tunnel_up(&p, now += 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_answer_is_up),     cmocka_unit_test(so_many_failures_in_a_row_are_down),
        cmocka_unit_test(other_answers_do_not_count), cmocka_unit_test(without_a_tunnel_nothing_is_known),
        cmocka_unit_test(down_stays_until_an_answer), cmocka_unit_test(restarts_become_rare),
        cmocka_unit_test(a_new_tunnel_has_its_tries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
