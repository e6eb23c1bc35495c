/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/event.h"

#include <stdlib.h>

#include "daemon_test.h"

static const struct timespec at = {.tv_sec = 1767323045, .tv_nsec = 678999999}; /* 2026-01-02 03:04:05 UTC */

#define TIME "2026-01-02T03:04:05.678Z"
#define HEAD "{\"ts\":\"" TIME "\",\"event\":"

static const struct {
    struct event event;
    const char *json, *text;
} rows[] = {
    {{.kind = IKE_EVENT_PHASE1_UP, .connection = "b", .reason = ""},
     HEAD "\"phase1_up\",\"connection\":\"b\"}\n",
     TIME " b phase 1 is up\n"},
    {{.kind = IKE_EVENT_PHASE1_DOWN, .connection = "b", .reason = "deleted"},
     HEAD "\"phase1_down\",\"connection\":\"b\",\"reason\":\"deleted\"}\n",
     TIME " b phase 1 is down: deleted\n"},
    {{.kind = IKE_EVENT_PHASE1_FAILED, .connection = "b", .reason = "one\ntwo\n"},
     HEAD "\"phase1_failed\",\"connection\":\"b\",\"reason\":\"one\\ntwo\\n\"}\n",
     TIME " b phase 1 failed: one; two\n"},
    {{.kind = IKE_EVENT_CHILD_UP, .connection = "b", .rule = "r", .spi_in = 0xab, .spi_out = 0xfedcba98},
     HEAD "\"child_up\",\"connection\":\"b\",\"rule\":\"r\",\"spi_in\":\"000000ab\",\"spi_out\":\"fedcba98\"}\n",
     TIME " b child is up, SPI in 000000ab, SPI out fedcba98, rule r\n"},
    {{.kind = IKE_EVENT_CHILD_REKEYED, .connection = "b", .spi_in = 2, .old_spi_in = 1},
     HEAD "\"child_rekeyed\",\"connection\":\"b\",\"spi_in\":\"00000002\",\"old_spi_in\":\"00000001\"}\n",
     TIME " b child is rekeyed, SPI in 00000002, instead of SPI in 00000001\n"},
    {{.kind = IKE_EVENT_CHILD_DOWN, .connection = "b", .reason = "x"},
     HEAD "\"child_down\",\"connection\":\"b\",\"reason\":\"x\"}\n",
     TIME " b child is down: x\n"},
    {{.kind = IKE_EVENT_CHILD_FAILED, .connection = "b", .reason = "\x1b[31m"},
     HEAD "\"child_failed\",\"connection\":\"b\",\"reason\":\"\\u001B[31m\"}\n",
     TIME " b child failed: \\x1b[31m\n"},
    {{.kind = EVENT_PROBE_UP, .connection = "b", .reason = "x"},
     HEAD "\"probe_up\",\"connection\":\"b\",\"reason\":\"x\"}\n",
     TIME " b probe is up: x\n"},
    {{.kind = EVENT_PROBE_DOWN, .connection = "b", .reason = "x"},
     HEAD "\"probe_down\",\"connection\":\"b\",\"reason\":\"x\"}\n",
     TIME " b probe is down: x\n"},
};

static void check_shown(const char *json, const char *wanted)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    assert_int_equal(event_show(json, strlen(json), out), wanted != NULL ? OK : ERR_MALFORMED);
    fclose(out);
    assert_string_equal(text, wanted != NULL ? wanted : "");
    free(text);
}

static void test_what_is_no_event_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "{", "3", "[]", "{}", "{\"event\":3}", HEAD "\"child_up\""};
    for (size_t i = 0; i < COUNT(wrong); i++)
        check_shown(wrong[i], NULL);
}

static void test_every_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct event event = rows[i].event;
        event.at = at;
        assert_int_equal(event.kind, i); /* none is left out */
        char *json = event_json(&event);
        assert_string_equal(json, rows[i].json);
        check_shown(json, rows[i].text);
        free(json);
    }
}

static void test_of_another_version(void **state)
{
    (void)state;
    check_shown("{\"event\":\"\\u001b\",\"spi_in\":4}", " \\x1b\n");
}

static void test_dropped(void **state)
{
    (void)state;
    char *json = event_dropped(&at, 3);
    assert_string_equal(json, HEAD "\"dropped\",\"count\":3}\n");
    check_shown(json, TIME " 3 events were dropped: this reader is too slow\n");
    free(json);
    json = event_dropped(&at, 1);
    check_shown(json, TIME " 1 event was dropped: this reader is too slow\n");
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_no_event_is_refused),
        cmocka_unit_test(test_every_kind),
        cmocka_unit_test(test_of_another_version),
        cmocka_unit_test(test_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
