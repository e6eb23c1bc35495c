/* SPDX-License-Identifier: Apache-2.0 */
/* Every ESP suite from the words of a configuration to the packets: offered, chosen, keyed and carried. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "test/sim/rig.h"

enum { I = 0, R = 1, SECOND = 1000, ALL_LEGACY = -1 };

#define COUNT(table) (sizeof(table) / sizeof *(table))

static void set_esp(struct rig *rig, int end, const char *text)
{
    char why[512];
    struct proposal_list *list = &rig->ends[end].connection.esp;
    list->count = 0;
    if (proposal_parse(PROPOSAL_ESP, text, (uint32_t)ALL_LEGACY, list, why, sizeof why) != OK)
        fail_msg("%s: %s", text, why);
}

static struct rig *rig_with(const char *initiator, const char *responder)
{
    struct rig *rig = rig_new(11);
    set_esp(rig, I, initiator);
    set_esp(rig, R, responder);
    return rig;
}

/* The one child of an end, its own and esp's idea of it. */
struct pair {
    struct child child;
    struct sa *sa;
};

static void skip_sa(void *arg, const struct ike_sa_info *info)
{
    (void)arg;
    (void)info;
}

static void keep_child(void *arg, const struct ike_child_info *info)
{
    ((struct pair *)arg)->child = *info->child;
}

static struct pair child_of(const struct rig_end *end)
{
    struct pair pair = {0};
    ike_visit(end->ike, &(struct ike_visitor){.arg = &pair, .sa = skip_sa, .child = keep_child});
    pair.sa = sad_inbound(end->sad, pair.child.spi_in);
    assert_non_null(pair.sa);
    return pair;
}

/* Both ends have this suite, its keys have its length, and the IPsec SAs its numbers. */
static void expect_suite(const struct rig *rig, const char *suite)
{
    for (int i = 0; i < RIG_ENDS; i++) {
        struct pair pair = child_of(&rig->ends[i]);
        const struct proposal *p = &pair.child.suite;
        char text[PROPOSAL_TEXT];
        assert_string_equal(proposal_print(p, text), suite);
        assert_int_equal(pair.child.esn, p->esn);
        assert_int_equal(pair.sa->esn, p->esn);
    }
}

static void carried(const char *initiator, const char *responder, const char *suite)
{
    struct rig *rig = rig_with(initiator, responder);
    rig_start(rig);
    if (!rig_run_until(rig, 10 * SECOND, rig_both_carry))
        fail_msg("%s with %s carries nothing", initiator, responder);
    expect_suite(rig, suite);
    assert_int_equal(rig_free(rig), 0);
}

static void one_suite(struct proposal *p)
{
    char text[PROPOSAL_TEXT];
    for (int esn = 0; esn < 2; esn++) {
        p->esn = esn == 1;
        proposal_print(p, text);
        carried(text, text, text);
    }
}

static void every_suite_is_agreed_and_carries(void **state)
{
    (void)state;
    size_t n = 0;
    const struct encr_info *encr;
    for (size_t e = 0; (encr = encr_at(e)) != NULL; e++)
        for (size_t k = 0; k == 0 || (k < COUNT(encr->key_bits) && encr->key_bits[k] != 0); k++)
            for (size_t i = 0; encr->aead ? i == 0 : integ_at(i) != NULL; i++, n++) {
                struct proposal p = {.encr = (uint16_t)encr->id,
                                     .key_bits = encr->fixed_key ? 0 : encr->key_bits[k],
                                     .integ = encr->aead ? (uint16_t)INTEG_NONE : (uint16_t)integ_at(i)->id};
                one_suite(&p);
            }
    print_message("%zu suites, each with and without extended sequence numbers\n", n);
    assert_int_equal(n, 70);
}

static void extended_numbers_are_what_both_accept(void **state)
{
    (void)state;
    carried("aes256gcm16-esn-noesn", "aes256gcm16", "aes256gcm16");
    carried("aes256gcm16-esn-noesn", "aes256gcm16-esn", "aes256gcm16-esn");
    carried("aes256gcm16-esn-noesn", "aes256gcm16-esn-noesn", "aes256gcm16-esn");
    carried("aes256gcm16, aes256gcm16-esn", "aes256gcm16-esn-noesn", "aes256gcm16-esn"); /* the responder prefers */
    carried("aes256gcm16", "aes256gcm16-esn-noesn", "aes256gcm16");
    carried("aes128-sha256-x25519-esn", "aes256gcm16, aes128-sha256-x25519-esn-noesn", "aes128-sha256-x25519-esn");
}

static bool refused(const struct rig *rig)
{
    return rig->ends[I].events[IKE_EVENT_CHILD_FAILED] > 0;
}

static void numbers_that_differ_are_no_proposal_chosen(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct rig *rig =
            rig_with(i == 0 ? "aes256gcm16-esn" : "aes256gcm16", i == 0 ? "aes256gcm16" : "aes256gcm16-esn");
        rig_start(rig);
        assert_true(rig_run_until(rig, 10 * SECOND, refused));
        assert_non_null(strstr(rig->ends[I].why, "NO_PROPOSAL_CHOSEN"));
        assert_int_equal(rig_children(&rig->ends[I]) + rig_children(&rig->ends[R]), 0);
        assert_int_equal(rig_free(rig), 0);
    }
}

static bool both_have_a_child(const struct rig *rig)
{
    return rig_children(&rig->ends[I]) == 1 && rig_children(&rig->ends[R]) == 1;
}

/* The wire cannot tell the truncations apart: a child comes up, each end has its own, and nothing passes unverified. */
static void two_truncations_agree_but_carry_nothing(void **state)
{
    (void)state;
    struct rig *rig = rig_with("aes256-sha256_96", "aes256-sha256");
    rig_start(rig);
    assert_true(rig_run_until(rig, 10 * SECOND, both_have_a_child));
    rig_run(rig, 5 * SECOND);
    assert_false(rig_carries(rig, I) || rig_carries(rig, R));
    assert_int_equal(child_of(&rig->ends[I]).sa->shape.icv, 12);
    assert_int_equal(child_of(&rig->ends[R]).sa->shape.icv, 16);
    assert_int_equal(rig_free(rig), 0);
}

static void in_range(uint64_t n, uint64_t least, uint64_t most)
{
    if (n < least || n > most)
        fail_msg("%llu is not in %llu to %llu", (unsigned long long)n, (unsigned long long)least,
                 (unsigned long long)most);
}

/* Packets are a limit of our own: each end has its own soft one, so that they do not renew at once. */
static void packets_bound_the_life_of_a_child(void **state)
{
    (void)state;
    struct rig *rig = rig_with("aes256gcm16", "aes256gcm16");
    rig->ends[I].connection.lifetime_packets = 1000;
    rig->ends[R].connection.lifetime_packets = 2000;
    rig_start(rig);
    assert_true(rig_run_until(rig, 10 * SECOND, rig_both_carry));
    assert_int_equal(child_of(&rig->ends[I]).sa->hard_packets, 1000);
    in_range(child_of(&rig->ends[I]).sa->soft_packets, 750, 800);
    assert_int_equal(child_of(&rig->ends[R]).sa->hard_packets, 2000);
    in_range(child_of(&rig->ends[R]).sa->soft_packets, 1700, 1800);
    for (unsigned i = 0; i < 5000; i++) {
        unsigned sent = rig->ends[I].sent;
        if (!rig_carries(rig, I))
            fail_msg("packet %u was lost", i);
        if (rig->ends[I].sent != sent)
            rig_run(rig, 60 * SECOND); /* until the old one is gone */
    }
    assert_int_equal(rig->ends[I].events[IKE_EVENT_CHILD_REKEYED], 6); /* each carried 750 to 800 */
    assert_int_equal(rig_free(rig), 0);
}

/* Nobody renews: traffic stops, and stays stopped. */
static void b41_packets_used_up_and_no_renewal(void **state)
{
    (void)state;
    struct rig *rig = rig_with("aes256gcm16", "aes256gcm16");
    rig->ends[I].connection.lifetime_packets = 1000;
    rig_start(rig);
    assert_true(rig_run_until(rig, 10 * SECOND, rig_both_carry));
    size_t passed = child_of(&rig->ends[I]).sa->out.packets;
    for (unsigned i = 0; i < 3000; i++)
        passed += rig_carries(rig, I);
    assert_int_equal(passed, 1000);
    assert_int_equal(rig_free(rig), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_suite_is_agreed_and_carries),
        cmocka_unit_test(extended_numbers_are_what_both_accept),
        cmocka_unit_test(numbers_that_differ_are_no_proposal_chosen),
        cmocka_unit_test(two_truncations_agree_but_carry_nothing),
        cmocka_unit_test(packets_bound_the_life_of_a_child),
        cmocka_unit_test(b41_packets_used_up_and_no_renewal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
