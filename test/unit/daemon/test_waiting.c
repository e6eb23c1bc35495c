/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/waiting.h"

#include "daemon_test.h"

enum { RULES = 40, PACKET = 100 };

static struct waiting *make(void)
{
    struct waiting *w;
    assert_int_equal(waiting_new(RULES, PACKET, &w), OK);
    return w;
}

static enum status push(struct waiting *w, uint32_t rule, uint32_t number, uint64_t now_ms)
{
    uint8_t bytes[4];
    store_u32(bytes, number);
    struct flow flow = {.source_port = (uint16_t)number};
    return waiting_push(w, rule, &flow, bytes_of(bytes, sizeof bytes), now_ms);
}

/* The number of the next packet of the rule, or -1. */
static int pop(struct waiting *w, uint32_t rule)
{
    static uint8_t buffer[PACKET_HEADROOM + PACKET];
    struct packet p = packet_of(buffer, sizeof buffer, 0);
    struct flow flow;
    if (!waiting_pop(w, rule, &flow, &p))
        return -1;
    assert_int_equal(flow.source_port, (uint16_t)load_u32(packet_data(&p)));
    assert_int_equal(p.offset, PACKET_HEADROOM);
    assert_int_equal(p.len, 4);
    return (int)load_u32(packet_data(&p));
}

/* How many rules ask at this time. */
static int asks(struct waiting *w, uint64_t now_ms)
{
    int count = 0;
    for (uint32_t rule; waiting_take_ask(w, now_ms, &rule); count++)
        assert_in_range(rule, 0, RULES - 1);
    return count;
}

static void test_full_queues_refuse(void **state)
{
    (void)state;
    struct waiting *w = make();
    uint8_t bytes[PACKET + 1] = {0};
    const struct flow flow = {0};
    assert_int_equal(waiting_push(w, 0, &flow, bytes_of(bytes, PACKET + 1), 0), ERR_LIMIT);
    assert_int_equal(waiting_push(w, 0, &flow, bytes_of(bytes, PACKET), 0), OK);
    for (uint32_t i = 1; i < WAITING_PER_RULE; i++)
        assert_int_equal(push(w, 0, i, 0), OK);
    assert_int_equal(push(w, 0, 99, 0), ERR_LIMIT);
    /* another rule has its own room, until all of it is used up */
    uint32_t taken = WAITING_PER_RULE;
    for (uint32_t rule = 1; rule < RULES; rule++)
        for (uint32_t i = 0; i < WAITING_PER_RULE && taken < WAITING_TOTAL; i++, taken++)
            assert_int_equal(push(w, rule, i, 0), OK);
    assert_int_equal(taken, WAITING_TOTAL);
    assert_int_equal(push(w, RULES - 1, 0, 0), ERR_LIMIT);
    assert_int_equal(pop(w, 1), 0);
    assert_int_equal(push(w, RULES - 1, 0, 0), OK);
    waiting_free(w);
}

static void test_order_is_kept_per_rule(void **state)
{
    (void)state;
    struct waiting *w = make();
    assert_int_equal(pop(w, 3), -1);
    for (uint32_t i = 0; i < 30; i++)
        assert_int_equal(push(w, i % 3, i, i), OK);
    for (uint32_t i = 0; i < 30; i += 3)
        assert_int_equal(pop(w, 0), (int)i);
    assert_int_equal(pop(w, 0), -1);
    for (uint32_t i = 2; i < 30; i += 3)
        assert_int_equal(pop(w, 2), (int)i);
    for (uint32_t i = 1; i < 30; i += 3)
        assert_int_equal(pop(w, 1), (int)i);
    assert_true(waiting_next(w) == DEADLINE_NEVER);
    waiting_free(w);
}

static void test_expiry(void **state)
{
    (void)state;
    struct waiting *w = make();
    assert_true(waiting_next(w) == DEADLINE_NEVER);
    assert_int_equal(push(w, 1, 10, 100), OK);
    assert_int_equal(push(w, 2, 20, 200), OK);
    assert_int_equal(push(w, 1, 11, 300), OK);
    assert_int_equal(asks(w, 99 + WAITING_LIFE_MS), 2);
    assert_int_equal(waiting_next(w), 100 + WAITING_LIFE_MS);
    assert_int_equal(waiting_expire(w, 99 + WAITING_LIFE_MS), 0);
    assert_int_equal(waiting_expire(w, 200 + WAITING_LIFE_MS), 2);
    assert_int_equal(asks(w, 299 + WAITING_LIFE_MS), 0);
    assert_int_equal(waiting_next(w), 300 + WAITING_LIFE_MS);
    assert_int_equal(pop(w, 2), -1);
    assert_int_equal(pop(w, 1), 11);
    assert_int_equal(waiting_expire(w, 100000), 0);
    assert_true(waiting_next(w) == DEADLINE_NEVER);
    waiting_free(w);
}

static void test_asking_is_rate_limited_per_rule(void **state)
{
    (void)state;
    struct waiting *w = make();
    assert_false(waiting_should_ask(w, 0, 0));
    assert_int_equal(push(w, 0, 1, 0), OK);
    assert_int_equal(waiting_next(w), 0);
    assert_true(waiting_should_ask(w, 0, 0));
    assert_int_equal(push(w, 0, 2, WAITING_ASK_EVERY_MS - 1), OK);
    assert_false(waiting_should_ask(w, 0, WAITING_ASK_EVERY_MS - 1));
    assert_int_equal(push(w, 1, 3, 1), OK);
    assert_true(waiting_should_ask(w, 1, 1));
    assert_true(waiting_should_ask(w, 0, WAITING_ASK_EVERY_MS));
    assert_false(waiting_should_ask(w, 0, WAITING_ASK_EVERY_MS + 1));
    waiting_free(w);
}

static void test_the_first_to_wait_asks_at_once(void **state)
{
    (void)state;
    struct waiting *w = make();
    assert_int_equal(push(w, 0, 1, 500), OK);
    assert_true(waiting_should_ask(w, 0, 500));
    /* the SA came, and is gone again */
    assert_int_equal(pop(w, 0), 1);
    assert_int_equal(push(w, 0, 2, 500 + WAITING_ASK_PAUSE_MS), OK);
    assert_true(waiting_should_ask(w, 0, 500 + WAITING_ASK_PAUSE_MS));
    waiting_free(w);
}

static void test_a_lone_packet_asks_again_until_it_goes(void **state)
{
    (void)state;
    struct waiting *w = make();
    uint32_t rule = 0;
    assert_false(waiting_take_ask(w, 0, &rule));
    assert_int_equal(push(w, 7, 1, 0), OK);
    assert_true(waiting_should_ask(w, 7, 0));
    for (uint64_t now = WAITING_ASK_EVERY_MS; now < WAITING_LIFE_MS; now += WAITING_ASK_EVERY_MS) {
        assert_int_equal(waiting_next(w), now);
        assert_false(waiting_take_ask(w, now - 1, &rule));
        assert_true(waiting_take_ask(w, now, &rule));
        assert_int_equal(rule, 7);
        assert_false(waiting_take_ask(w, now, &rule));
    }
    assert_int_equal(waiting_expire(w, WAITING_LIFE_MS), 1);
    assert_int_equal(asks(w, 10 * WAITING_LIFE_MS), 0);
    /* too soon after the last ask: it waits for its turn, not in vain */
    uint64_t last = WAITING_LIFE_MS - WAITING_ASK_EVERY_MS;
    assert_int_equal(push(w, 7, 2, last + 1), OK);
    assert_false(waiting_should_ask(w, 7, last + 1));
    assert_int_equal(waiting_next(w), last + WAITING_ASK_PAUSE_MS);
    assert_int_equal(asks(w, last + WAITING_ASK_PAUSE_MS), 1);
    waiting_free(w);
}

/* Packets that never stay, one each millisecond: gone at once, or refused because the pool is full. */
static void test_a_flood_asks_seldom(void **state)
{
    (void)state;
    for (int full = 0; full < 2; full++) {
        struct waiting *w = make();
        int count = 0;
        for (uint32_t i = 0; full && i < WAITING_TOTAL; i++)
            assert_int_equal(push(w, 1 + i / WAITING_PER_RULE, i, 0), OK);
        for (uint64_t now = 0; now < 1000; now++) {
            assert_int_equal(push(w, 0, 1, now), full ? ERR_LIMIT : OK);
            count += waiting_should_ask(w, 0, now);
            (void)pop(w, 0);
        }
        assert_in_range(count, 5, 1000 / WAITING_ASK_PAUSE_MS);
        waiting_free(w);
    }
}

/* 100,000 steps against a plain model. */
static void test_sweep_against_a_model(void **state)
{
    (void)state;
    struct waiting *w = make();
    static uint32_t model[RULES][WAITING_PER_RULE];
    static uint64_t since[RULES][WAITING_PER_RULE];
    size_t count[RULES] = {0}, total = 0;
    uint32_t random = 4711;
    for (uint32_t step = 0; step < 100000; step++) {
        random = random * 1664525 + 1013904223;
        uint32_t rule = (random >> 16) % RULES;
        uint64_t now = step;
        if ((random >> 8) % 3 != 0) {
            bool room = count[rule] < WAITING_PER_RULE && total < WAITING_TOTAL;
            assert_int_equal(push(w, rule, step, now), room ? OK : ERR_LIMIT);
            if (room) {
                model[rule][count[rule]] = step;
                since[rule][count[rule]++] = now;
                total++;
            }
            continue;
        }
        size_t expired = 0;
        for (size_t r = 0; r < RULES; r++)
            while (count[r] > 0 && now >= since[r][0] + WAITING_LIFE_MS) {
                memmove(model[r], model[r] + 1, sizeof model[r] - sizeof *model[r]);
                memmove(since[r], since[r] + 1, sizeof since[r] - sizeof *since[r]);
                count[r]--;
                total--;
                expired++;
            }
        assert_int_equal(waiting_expire(w, now), expired);
        assert_int_equal(pop(w, rule), count[rule] > 0 ? (int)model[rule][0] : -1);
        if (count[rule] > 0) {
            memmove(model[rule], model[rule] + 1, sizeof model[rule] - sizeof *model[rule]);
            memmove(since[rule], since[rule] + 1, sizeof since[rule] - sizeof *since[rule]);
            count[rule]--;
            total--;
        }
    }
    waiting_free(w);
}

/* Rules 0 and 1 change places with 2 and 3, and 4 is gone. */
static void test_other_numbers(void **state)
{
    (void)state;
    static const uint32_t map[RULES] = {2, 3, 0, 1, RENUMBER_GONE};
    const struct renumber numbers = {.rules = map, .rule_count = 5};
    struct waiting *w = make();
    struct waiting_queues *queues;
    for (uint32_t rule = 0; rule < 6; rule++)
        for (uint32_t i = 0; i < 3; i++)
            assert_int_equal(push(w, rule, 10 * rule + i, i), OK);
    assert_true(waiting_should_ask(w, 1, 5));
    assert_int_equal(waiting_queues_new(7, &queues), OK);
    assert_int_equal(waiting_renumber(w, queues, &numbers), 6); /* of 4, and of 5, which the map does not know */
    assert_int_equal(pop(w, 4), -1);
    assert_int_equal(pop(w, 2), 0);
    assert_int_equal(pop(w, 2), 1);
    assert_false(waiting_should_ask(w, 3, 6)); /* it has asked as 1 */
    assert_int_equal(asks(w, 6), 3);
    assert_int_equal(push(w, 6, 60, 7), OK);
    assert_int_equal(waiting_expire(w, 2 + WAITING_LIFE_MS), 10);
    assert_int_equal(pop(w, 6), 60);
    for (uint32_t rule = 0; rule < 7; rule++)
        assert_int_equal(pop(w, rule), -1);
    assert_int_equal(waiting_next(w), DEADLINE_NEVER);
    /* all places are free again */
    for (uint32_t i = 0; i < 7 * WAITING_PER_RULE; i++)
        assert_int_equal(push(w, i % 7, i, 10000), OK);
    waiting_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_queues_refuse),
        cmocka_unit_test(test_order_is_kept_per_rule),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_asking_is_rate_limited_per_rule),
        cmocka_unit_test(test_the_first_to_wait_asks_at_once),
        cmocka_unit_test(test_a_lone_packet_asks_again_until_it_goes),
        cmocka_unit_test(test_a_flood_asks_seldom),
        cmocka_unit_test(test_other_numbers),
        cmocka_unit_test(test_sweep_against_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
