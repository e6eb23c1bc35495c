/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/unit_test.h"

#include "policy/proposal.h"

static struct proposal_list a_list(enum proposal_kind kind, const char *text)
{
    struct proposal_list list = {0};
    char why[512];
    if (proposal_parse(kind, text, UINT32_MAX, &list, why, sizeof why) != OK)
        fail_msg("'%s' should be accepted: %s", text, why);
    return list;
}

struct explanation {
    enum proposal_kind kind;
    const char *ours, *offered;
    const char *says[4];
    const char *silent; /* must not be said; NULL: nothing */
};

static const struct explanation explanations[] = {
    /* the peer's legacy */
    {PROPOSAL_IKE,
     "aes256-sha256-modp2048",
     "aes256-sha256-modp1024",
     {"group: the peer offers modp1024 (group 2), we accept modp2048 (group 14)",
      "let the peer offer aes256-sha256-modp2048", "modp1024 is legacy",
      "allow = modp1024 and add aes256-sha256-modp1024 to ike"},
     "hash:"},
    {PROPOSAL_ESP,
     "aes256-sha256",
     "aes256-sha1",
     {"hash: the peer offers sha1, we accept sha256", "allow = sha1 and add aes256-sha1 to esp"},
     "PFS"},
    {PROPOSAL_IKE,
     "aes256-sha256-modp2048",
     "3des-md5-modp1024",
     {"encryption: the peer offers 3des, we accept aes256", "hash: the peer offers md5",
      "group: ", "allow = modp1024 md5 3des"},
     NULL},
    /* allowed here already: what is not new is not asked for */
    {PROPOSAL_IKE,
     "aes256-sha1-modp1024",
     "aes128-sha1-modp1024",
     {"encryption: the peer offers aes128, we accept aes256 (the key size differs)",
      "or add aes128-sha1-modp1024 to ike here"},
     "legacy"},
    /* our legacy, and a peer that knows better */
    {PROPOSAL_IKE,
     "aes256-sha1-modp1024",
     "aes256-sha256-modp2048",
     {"add aes256-sha256-modp2048 to ike here"},
     "allow"},
    /* PFS, both ways */
    {PROPOSAL_ESP,
     "aes256gcm16-modp2048",
     "aes256gcm16",
     {"PFS: the peer offers no group, we require modp2048 (group 14)",
      "turn on PFS with modp2048 (group 14) at the peer", "or add aes256gcm16 to esp here"},
     "encryption:"},
    {PROPOSAL_ESP,
     "aes256gcm16",
     "aes256gcm16-ecp384",
     {"PFS: the peer wants ecp384 (group 20), we accept only proposals without a group", "turn off PFS at the peer",
      "or add aes256gcm16-ecp384 to esp here"},
     "hash:"},
    {PROPOSAL_ESP,
     "aes256-sha256-modp2048",
     "aes256-sha256-modp3072",
     {"group: the peer offers modp3072 (group 15), we accept modp2048 (group 14)"},
     "encryption:"},
    /* the sequence numbers alone, both ways */
    {PROPOSAL_ESP,
     "aes256gcm16-modp2048-esn",
     "aes256gcm16-modp2048",
     {"sequence numbers: the peer offers 32 bits, we accept 64 (esn)", "let the peer offer aes256gcm16-modp2048-esn",
      "or add aes256gcm16-modp2048 to esp here"},
     "encryption:"},
    {PROPOSAL_ESP,
     "aes256gcm16",
     "aes256gcm16-esn",
     {"sequence numbers: the peer offers 64 bits, we accept 32 (noesn)", "or add aes256gcm16-esn to esp here"},
     "PFS"},
    /* of two the one in which only the numbers differ is nearer */
    {PROPOSAL_ESP, "aes256gcm16-esn", "aes128gcm16-esn, aes256gcm16", {"nearest: aes256gcm16 of the peer"}, "size"},
    /* the truncation is not on the wire, so it cannot be the reason */
    {PROPOSAL_ESP,
     "aes256-sha256_96",
     "aes128-sha256",
     {"encryption: the peer offers aes128, we accept aes256"},
     "hash:"},
    /* a suite that stays readable */
    {PROPOSAL_ESP,
     "aes256gcm16",
     "null-sha256",
     {"null is legacy", "allow = null and add null-sha256 to esp here"},
     NULL},
    /* AEAD against cipher and hash */
    {PROPOSAL_ESP,
     "aes256gcm16",
     "aes256-sha256",
     {"encryption: the peer offers aes256, we accept aes256gcm16", "hash: the peer offers sha256, we accept no hash"},
     NULL},
    /* of many the nearest */
    {PROPOSAL_IKE,
     "aes256-sha384-ecp384, aes256-sha256-modp2048",
     "3des-sha1-modp1024, aes128-sha256-modp2048",
     {"nearest: aes128-sha256-modp2048 of the peer and aes256-sha256-modp2048 of ours", "the key size differs"},
     "hash:"},
    {PROPOSAL_ESP, "aes256-sha256", "3des-sha256, aes128-sha256", {"nearest: aes128-sha256"}, "3des,"},
    /* the algorithms are not the reason */
    {PROPOSAL_ESP,
     "aes256-sha256",
     "aes128-sha256, aes256-sha256",
     {"both have aes256-sha256", "authentication method"},
     "nearest"},
};

static void test_explanations(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(explanations); i++) {
        const struct explanation *e = &explanations[i];
        struct proposal_list ours = a_list(e->kind, e->ours), offered = a_list(e->kind, e->offered);
        char text[EXPLAIN_TEXT];
        assert_ptr_equal(proposal_explain(&ours, &offered, text, sizeof text), text);
        for (size_t k = 0; k < COUNT(e->says) && e->says[k] != NULL; k++)
            assert_has(text, e->says[k]);
        if (e->silent != NULL && strstr(text, e->silent) != NULL)
            fail_msg("'%s' should not say '%s'", text, e->silent);
    }
}

static void test_explanation_lists_both_sides_line_by_line(void **state)
{
    (void)state;
    struct proposal_list ours = a_list(PROPOSAL_ESP, "aes256gcm16, aes256-sha256");
    struct proposal_list offered = a_list(PROPOSAL_ESP, "3des-sha1, 3des-md5");
    char text[EXPLAIN_TEXT];
    proposal_explain(&ours, &offered, text, sizeof text);
    static const char head[] =
        "the peer offers:\n  3des-sha1\n  3des-md5\nwe accept:\n  aes256gcm16\n  aes256-sha256\n";
    assert_memory_equal(text, head, sizeof head - 1);
    assert_true(text[strlen(text) - 1] != '\n');
}

static void test_explanation_of_a_group_that_is_never_accepted(void **state)
{
    (void)state;
    struct proposal_list ours = a_list(PROPOSAL_IKE, "aes256-sha256-modp2048"), offered = ours;
    char text[EXPLAIN_TEXT];
    offered.items[0].group = GROUP_MODP768;
    proposal_explain(&ours, &offered, text, sizeof text);
    assert_has(text, "modp768 (group 1) is broken and never accepted");
    assert_null(strstr(text, "here"));
}

static void test_explanation_of_nothing(void **state)
{
    (void)state;
    struct proposal_list none = {0}, some = a_list(PROPOSAL_ESP, "aes256-sha256");
    char text[EXPLAIN_TEXT];
    assert_has(proposal_explain(&some, &none, text, sizeof text), "the peer offers nothing that we know");
    assert_has(proposal_explain(&none, &some, text, sizeof text), "nothing is accepted here");
    proposal_explain(&none, &none, text, sizeof text);
}

static void test_an_offer_spelled_out(void **state)
{
    (void)state;
    struct proposal_list ike = a_list(PROPOSAL_IKE, "aes256-sha384-ecp384");
    struct proposal_list esp = a_list(PROPOSAL_ESP, "aes256gcm16, aes128-sha256-modp2048-esn");
    char text[EXPLAIN_TEXT];
    assert_string_equal(proposal_spell(&ike, text, sizeof text),
                        "we offer:\n  aes256-sha384-ecp384: encryption aes256, hash sha384, group 20");
    assert_string_equal(proposal_spell(&esp, text, sizeof text),
                        "we offer:\n"
                        "  aes256gcm16: encryption aes256gcm16, hash none (the cipher authenticates), PFS none\n"
                        "  aes128-sha256-modp2048-esn: encryption aes128, hash sha256, PFS group 14, 64-bit sequence "
                        "numbers");
    for (size_t len = 1; len < 120; len++)
        assert_true(strlen(proposal_spell(&esp, text, len)) < len);
}

/* Full lists: the conclusion is whole, what did not fit is counted, and every room is kept. */
static void test_explanation_in_every_room(void **state)
{
    (void)state;
    struct proposal_list ours = a_list(
        PROPOSAL_IKE, "aes128-aes192-aes256-sha256-sha384-sha512-sha1-modp2048-ecp256, 3des-md5-modp6144-modp8192");
    struct proposal_list offered = {0};
    while (offered.count < PROPOSALS_MAX)
        offered.items[offered.count++] = (struct proposal){65535, 65535, 65535, 65535, 65535, false};
    for (size_t len = 0; len <= EXPLAIN_TEXT + 1; len++) {
        char *text = malloc(len > 0 ? len : 1);
        assert_non_null(text);
        proposal_explain(&ours, &offered, text, len);
        if (len > 0)
            assert_true(strlen(text) < len);
        if (len >= EXPLAIN_TEXT) {
            assert_has(text, " more\n");
            assert_has(text, "\nwe accept:\n  aes128");
            assert_has(text, "remedy: let the peer offer");
            assert_string_equal(text + strlen(text) - 12, " to ike here");
        }
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_explanations),
        cmocka_unit_test(test_explanation_lists_both_sides_line_by_line),
        cmocka_unit_test(test_explanation_of_a_group_that_is_never_accepted),
        cmocka_unit_test(test_explanation_of_nothing),
        cmocka_unit_test(test_an_offer_spelled_out),
        cmocka_unit_test(test_explanation_in_every_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
