/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/refusal.h"

#include "ike/v1_body.h"
#include "ike_test.h"

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("'%s' does not say '%s'", text, part);
}

static struct proposal_list suites(enum proposal_kind kind, const char *text)
{
    char why[256];
    struct proposal_list list = {0};
    assert_int_equal(proposal_parse(kind, text, 0, &list, why, sizeof why), OK);
    return list;
}

static struct connection a_connection(void)
{
    return (struct connection){.ike = suites(PROPOSAL_IKE, "aes128-sha256-modp2048, aes256-sha384-ecp384"),
                               .ike_lifetime_s = 28800};
}

/* What was offered, transform by transform, and where to look. */
static void no_proposal_in_phase_1(void **state)
{
    (void)state;
    const struct connection c = a_connection();
    struct ike_sa sa = {0};
    char text[REFUSAL_TEXT];
    assert_ptr_equal(refusal_of_phase1(&c, &sa, NOTIFY_NO_PROPOSAL_CHOSEN, text), text);
    assert_has(text, "the peer answered NO_PROPOSAL_CHOSEN: it accepts none of our `ike` proposals\nwe offer:\n");
    assert_has(text, "\n  aes128-sha256-modp2048: encryption aes128, hash sha256, group 14\n");
    assert_has(text, "\n  aes256-sha384-ecp384: encryption aes256, hash sha384, group 20\n");
    assert_has(text, "pre-shared key");
    assert_has(text, "28800 s");
    assert_has(text, "\nremedy: ");
}

static void our_name_is_not_known(void **state)
{
    (void)state;
    const struct connection c = a_connection();
    struct ike_sa sa = {.local_id = {.type = ID_FQDN, .len = 6, .data = "branch"}};
    char text[REFUSAL_TEXT];
    refusal_of_phase1(&c, &sa, NOTIFY_INVALID_ID_INFORMATION, text);
    assert_has(text, "INVALID_ID_INFORMATION");
    assert_has(text, "we call ourselves branch\n");
    assert_has(text, "remedy: compare local_id");
}

static void no_proposal_in_phase_2(void **state)
{
    (void)state;
    const struct proposal_list list = suites(PROPOSAL_ESP, "aes256gcm16, aes128-sha256");
    const struct selector asked = {0};
    char text[REFUSAL_TEXT];
    refusal_of_phase2(&list, &asked, NOTIFY_NO_PROPOSAL_CHOSEN, text);
    assert_has(text, "\n  aes256gcm16: encryption aes256gcm16, hash none (the cipher authenticates), PFS none\n");
    assert_has(text, "\n  aes128-sha256: encryption aes128, hash sha256, PFS none\n");
    assert_has(text, "group of PFS");
}

/* The peer's administrator reads them the other way round. */
static void selectors_are_told_in_the_words_of_the_other_end(void **state)
{
    (void)state;
    const struct proposal_list list = suites(PROPOSAL_ESP, "aes256gcm16");
    struct selector asked = {.local_port = port_any(), .remote_port = port_any()};
    char text[REFUSAL_TEXT];
    assert_int_equal(range_parse("10.1.0.0/24", &asked.local), OK);
    assert_int_equal(range_parse("10.7.0.0/24", &asked.remote), OK);
    refusal_of_phase2(&list, &asked, NOTIFY_INVALID_ID_INFORMATION, text);
    assert_has(text, "we ask for 10.1.0.0/24 -> 10.7.0.0/24\n");
    assert_has(text, "local 10.7.0.0/24 and remote 10.1.0.0/24");
}

/* Whatever the number, and however much there is to offer: text for people that ends. */
static void any_notification(void **state)
{
    (void)state;
    struct connection c = a_connection();
    while (c.ike.count < PROPOSALS_MAX)
        c.ike.items[c.ike.count++] = (struct proposal){65535, 65535, 65535, 65535, 65535, true};
    struct ike_sa sa = {.local_id = {.type = ID_FQDN, .len = IDENTITY_MAX}};
    memset(sa.local_id.data, '%', IDENTITY_MAX);
    const struct selector asked = {0};
    for (unsigned type = 0; type < 65536; type += type < 64 ? 1 : 251) {
        char text[REFUSAL_TEXT];
        assert_in_range(strlen(refusal_of_phase1(&c, &sa, type, text)), 20, REFUSAL_TEXT - 1);
        assert_in_range(strlen(refusal_of_phase2(&c.ike, &asked, type, text)), 20, REFUSAL_TEXT - 1);
        assert_int_not_equal(text[strlen(text) - 1], '\n');
    }
    char text[REFUSAL_TEXT];
    assert_has(refusal_of_phase1(&c, &sa, NOTIFY_NO_PROPOSAL_CHOSEN, text), "remedy: "); /* never pushed out */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_proposal_in_phase_1), cmocka_unit_test(our_name_is_not_known),
        cmocka_unit_test(no_proposal_in_phase_2), cmocka_unit_test(selectors_are_told_in_the_words_of_the_other_end),
        cmocka_unit_test(any_notification),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
