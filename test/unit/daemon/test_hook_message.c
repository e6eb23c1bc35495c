/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hook_message.h"

#include "daemon_test.h"

static const char variables[] = "PLUTO_VERB=up-client\0PLUTO_ME=192.0.2.1";

static void orders_there_and_back(void **state)
{
    (void)state;
    for (uint8_t slot = 0; slot < HOOKS_RUNNING_MAX; slot++) {
        uint8_t message[HOOK_MESSAGE_MAX];
        struct writer w = writer_of(message, sizeof message);
        const struct hook_order order = {.slot = slot,
                                         .program = (uint16_t)(slot * 257),
                                         .timeout_ms = 3600000U + slot,
                                         .environment = bytes_of(variables, sizeof variables)};
        struct hook_order got;
        hook_order_write(&w, &order);
        assert_int_equal(writer_finish(&w), OK);
        assert_int_equal(hook_order_read(writer_bytes(&w), &got), OK);
        assert_int_equal(got.slot, slot);
        assert_int_equal(got.program, order.program);
        assert_int_equal(got.timeout_ms, order.timeout_ms);
        assert_int_equal(got.environment.len, sizeof variables);
        assert_memory_equal(got.environment.data, variables, sizeof variables);
    }
}

/* Cut anywhere but behind a whole variable, it is none. */
static void orders_that_are_cut(void **state)
{
    uint8_t message[128];
    struct writer w = writer_of(message, sizeof message);
    struct hook_order got = {.slot = 99};
    const size_t head = 7, first = strlen(variables) + 1;
    (void)state;
    hook_order_write(&w, &(struct hook_order){.timeout_ms = 1, .environment = bytes_of(variables, sizeof variables)});
    for (size_t len = 0; len < w.len; len++) {
        bool whole = len == head || len == head + first;
        assert_int_equal(hook_order_read(bytes_of(message, len), &got), whole ? OK : ERR_MALFORMED);
        if (!whole)
            continue;
        assert_int_equal(got.environment.len, len - head);
        got.slot = 99;
    }
    assert_int_equal(got.slot, 99);
}

static void orders_of_somebody_else(void **state)
{
    const struct hook_order bad[] = {
        {.slot = HOOKS_RUNNING_MAX, .timeout_ms = 1},
        {.slot = 255, .timeout_ms = 1},
        {.timeout_ms = 0},
        {.timeout_ms = 1, .environment = bytes_of("PATH=/tmp", 10)},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        uint8_t message[128];
        struct writer w = writer_of(message, sizeof message);
        struct hook_order got;
        hook_order_write(&w, &bad[i]);
        assert_int_equal(hook_order_read(writer_bytes(&w), &got), ERR_MALFORMED);
    }
}

static void news_there_and_back(void **state)
{
    (void)state;
    for (unsigned kind = HOOK_NEWS_READY; kind <= HOOK_NEWS_ENDED; kind++)
        for (unsigned how = 0; how < HOOK_ENDS; how++) {
            uint8_t message[128];
            struct writer w = writer_of(message, sizeof message);
            const struct hook_news news = {.kind = (enum hook_news_kind)kind,
                                           .slot = (uint8_t)(how * 5),
                                           .how = (enum hook_end)how,
                                           .value = 0xfffffffeU,
                                           .suppressed = 77,
                                           .text = bytes_of("a\0b", 3)};
            struct hook_news got;
            hook_news_write(&w, &news);
            assert_int_equal(hook_news_read(writer_bytes(&w), &got), OK);
            assert_int_equal(got.kind, news.kind);
            assert_int_equal(got.slot, news.slot);
            assert_int_equal(got.how, news.how);
            assert_int_equal(got.value, news.value);
            assert_int_equal(got.suppressed, news.suppressed);
            assert_int_equal(got.text.len, 3);
            assert_memory_equal(got.text.data, "a\0b", 3);
        }
}

static void news_that_are_none(void **state)
{
    uint8_t message[11] = {HOOK_NEWS_ENDED, 0, HOOK_EXITED};
    struct hook_news got;
    (void)state;
    for (size_t len = 0; len < sizeof message; len++)
        assert_int_equal(hook_news_read(bytes_of(message, len), &got), ERR_MALFORMED);
    assert_int_equal(hook_news_read(bytes_of(message, sizeof message), &got), OK);
    for (unsigned at = 0; at < 3; at++) {
        const unsigned limits[] = {HOOK_NEWS_ENDED + 1, HOOKS_RUNNING_MAX, HOOK_ENDS};
        const uint8_t before = message[at];
        for (unsigned value = limits[at]; value < 256; value++) {
            message[at] = (uint8_t)value;
            assert_int_equal(hook_news_read(bytes_of(message, sizeof message), &got), ERR_MALFORMED);
        }
        message[at] = before;
    }
    message[0] = 0;
    assert_int_equal(hook_news_read(bytes_of(message, sizeof message), &got), ERR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_there_and_back),   cmocka_unit_test(orders_that_are_cut),
        cmocka_unit_test(orders_of_somebody_else), cmocka_unit_test(news_there_and_back),
        cmocka_unit_test(news_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
