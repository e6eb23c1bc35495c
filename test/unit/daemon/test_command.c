/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/command.h"

#include "daemon_test.h"

static int clients[COMMANDS_MAX + 1];
static struct commands commands;

static struct command *start(enum request_verb verb, size_t children)
{
    commands = (struct commands){0};
    struct command *c = command_start(&commands, &clients[0], verb, 7, children, 1000);
    assert_non_null(c);
    return c;
}

static void note(enum ike_event_kind kind, uint32_t connection, const char *why)
{
    commands_note(&commands, &(struct ike_event){.kind = kind, .connection = connection, .why = why});
}

static void test_failures(void **state)
{
    (void)state;
    const struct {
        enum request_verb verb;
        enum ike_event_kind kind;
        bool fails;
    } rows[] = {
        {REQUEST_UP, IKE_EVENT_PHASE1_UP, false},      {REQUEST_UP, IKE_EVENT_PHASE1_DOWN, false},
        {REQUEST_UP, IKE_EVENT_PHASE1_FAILED, true},   {REQUEST_UP, IKE_EVENT_CHILD_FAILED, true},
        {REQUEST_UP, IKE_EVENT_CHILD_DOWN, false},     {REQUEST_DOWN, IKE_EVENT_PHASE1_FAILED, false},
        {REQUEST_DOWN, IKE_EVENT_CHILD_FAILED, false}, {REQUEST_DOWN, IKE_EVENT_PHASE1_DOWN, false},
        {REQUEST_REKEY, IKE_EVENT_CHILD_FAILED, true}, {REQUEST_REKEY, IKE_EVENT_PHASE1_FAILED, true},
        {REQUEST_REKEY, IKE_EVENT_PHASE1_DOWN, true},  {REQUEST_REKEY, IKE_EVENT_CHILD_DOWN, false},
    };
    const struct command_view view = {.rules = 2, .rules_up = 1, .children = 1, .sas = 1};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct command *c = start(rows[i].verb, 2);
        note(rows[i].kind, 8, "another connection");
        assert_int_equal(command_judge(c, &view, 1001), COMMAND_PENDING);
        note(rows[i].kind, 7, "peer not responding\nline 2");
        assert_int_equal(command_judge(c, &view, 1001), rows[i].fails ? COMMAND_FAILED : COMMAND_PENDING);
        if (rows[i].fails)
            assert_string_equal(c->why, "peer not responding\nline 2");
    }
}

static void test_a_failure_without_a_word_still_says_something(void **state)
{
    (void)state;
    const struct command_view view = {.rules = 1};
    struct command *c = start(REQUEST_UP, 0);
    note(IKE_EVENT_CHILD_FAILED, 7, NULL);
    assert_int_equal(command_judge(c, &view, 1001), COMMAND_FAILED);
    assert_true(strlen(c->why) > 0);
}

static void test_time_runs_out(void **state)
{
    (void)state;
    const struct command_view view = {.rules = 1, .sas = 1};
    struct command *c = start(REQUEST_UP, 0);
    assert_int_equal(commands_next(&commands), 1000 + COMMAND_LIFE_MS);
    assert_int_equal(command_judge(c, &view, 999 + COMMAND_LIFE_MS), COMMAND_PENDING);
    assert_int_equal(command_judge(c, &view, 1000 + COMMAND_LIFE_MS), COMMAND_FAILED);
    assert_has(c->why, "90 seconds");
    command_end(c);
    assert_true(commands_next(&commands) == DEADLINE_NEVER);
}

static void test_done(void **state)
{
    (void)state;
    const struct {
        enum request_verb verb;
        struct command_view view;
        bool done;
    } rows[] = {
        {REQUEST_UP, {.rules = 2, .rules_up = 2, .children = 2, .sas = 1}, true},
        {REQUEST_UP, {.rules = 2, .rules_up = 1, .children = 3, .sas = 1}, false},
        {REQUEST_DOWN, {.rules = 2, .rules_up = 0, .children = 0, .sas = 0}, true},
        {REQUEST_DOWN, {.rules = 2, .rules_up = 0, .children = 0, .sas = 1}, false},
        {REQUEST_DOWN, {.rules = 2, .rules_up = 1, .children = 1, .sas = 0}, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct command *c = start(rows[i].verb, 0);
        assert_int_equal(command_judge(c, &rows[i].view, 1001), rows[i].done ? COMMAND_DONE : COMMAND_PENDING);
    }
}

static void test_rekey_waits_for_every_child(void **state)
{
    (void)state;
    const struct command_view view = {.rules = 2, .rules_up = 2, .children = 2, .sas = 1};
    struct command *c = start(REQUEST_REKEY, 2);
    note(IKE_EVENT_CHILD_REKEYED, 8, "");
    note(IKE_EVENT_CHILD_REKEYED, 7, "");
    assert_int_equal(command_judge(c, &view, 1001), COMMAND_PENDING);
    note(IKE_EVENT_CHILD_REKEYED, 7, "");
    assert_int_equal(command_judge(c, &view, 1001), COMMAND_DONE);
    /* the old phase 1 may go once all children are renewed */
    note(IKE_EVENT_PHASE1_DOWN, 7, "replaced");
    assert_int_equal(command_judge(c, &view, 1001), COMMAND_DONE);
}

static void test_places_are_bounded_and_given_back_b48(void **state)
{
    (void)state;
    commands = (struct commands){0};
    for (size_t i = 0; i < COMMANDS_MAX; i++)
        assert_non_null(command_start(&commands, &clients[i], REQUEST_UP, 0, 0, 0));
    assert_null(command_start(&commands, &clients[COMMANDS_MAX], REQUEST_UP, 0, 0, 0));
    commands_forget(&commands, &clients[5]);
    struct command *c = command_start(&commands, &clients[COMMANDS_MAX], REQUEST_UP, 0, 0, 0);
    assert_ptr_equal(c, &commands.items[5]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_a_failure_without_a_word_still_says_something),
        cmocka_unit_test(test_time_runs_out),
        cmocka_unit_test(test_done),
        cmocka_unit_test(test_rekey_waits_for_every_child),
        cmocka_unit_test(test_places_are_bounded_and_given_back_b48),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
