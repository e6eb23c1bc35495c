/* SPDX-License-Identifier: Apache-2.0 */
/* What peers may do and ask for: the commit bit, shorter lifetimes; and what follows when one is dead. */
#include "test/sim/bench.h"

/* --- dpd_action --- */

static bool silent_responder(void *arg, struct rig *rig, int from, struct rig_datagram *d)
{
    (void)arg;
    (void)rig;
    (void)d;
    return from == R;
}

/* Up, then the responder is silent until the initiator has given it up. */
static struct bench *dead(enum dpd_action action, enum start_action start)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->rig = rig_new(42);
    end(b, I)->connection.dpd_action = action;
    end(b, I)->connection.dpd_delay_s = 30;
    end(b, I)->connection.start = start;
    rig_start(b->rig);
    ike_acquire(end(b, I)->ike, b->rig->now_ms, 0);
    assert_true(rig_run_until(b->rig, 5 * SECOND, rig_both_carry));
    b->rig->filter = silent_responder;
    rig_run(b->rig, 110 * SECOND);
    assert_int_equal(end(b, I)->events[IKE_EVENT_CHILD_DOWN], 1);
    return b;
}

static bool calls(struct bench *b)
{
    return rig_sas(end(b, I), "connecting") > 0;
}

static void what_follows_when_the_peer_is_dead(void **state)
{
    (void)state;
    static const struct {
        enum dpd_action action;
        enum start_action start;
        bool at_once, on_traffic;
    } rows[] = {
        {DPD_RESTART, START_START, true, true}, {DPD_RESTART, START_TRAP, true, true},
        {DPD_TRAP, START_START, false, true},   {DPD_TRAP, START_TRAP, false, true},
        {DPD_CLEAR, START_START, false, false}, {DPD_CLEAR, START_TRAP, false, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bench *b = dead(rows[i].action, rows[i].start);
        if (calls(b) != rows[i].at_once)
            fail_msg("row %zu: calls at once: %d", i, calls(b));
        ike_acquire(end(b, I)->ike, b->rig->now_ms, 0);
        if (calls(b) != rows[i].on_traffic)
            fail_msg("row %zu: calls on traffic: %d", i, calls(b));
        bench_free(b);
    }
}

static void after_clear_the_peer_or_a_command_brings_it_back(void **state)
{
    (void)state;
    const char *why;
    for (int by_command = 0; by_command <= 1; by_command++) {
        struct bench *b = dead(DPD_CLEAR, START_TRAP);
        b->rig->filter = NULL;
        if (by_command) {
            assert_int_equal(ike_up(end(b, I)->ike, b->rig->now_ms, 0, &why), OK);
        } else {
            assert_int_equal(ike_down(end(b, R)->ike, b->rig->now_ms, 0, &why), OK); /* it has not noticed */
            rig_run(b->rig, SECOND);
            assert_int_equal(ike_up(end(b, R)->ike, b->rig->now_ms, 0, &why), OK);
        }
        assert_true(rig_run_until(b->rig, 10 * SECOND, rig_both_carry));
        /* From now on traffic may wake it again. */
        assert_int_equal(ike_down(end(b, R)->ike, b->rig->now_ms, 0, &why), OK);
        rig_run(b->rig, SECOND);
        assert_false(rig_both_carry(b->rig));
        ike_acquire(end(b, I)->ike, b->rig->now_ms, 0);
        assert_true(rig_run_until(b->rig, 10 * SECOND, rig_both_carry));
        bench_free(b);
    }
}

/* --- a tunnel that leads nowhere, between two who live --- */

static void a_restart_makes_all_anew(void **state)
{
    (void)state;
    static const enum start_action starts[] = {START_START, START_TRAP, START_NONE};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        struct bench *b = calloc(1, sizeof *b);
        assert_non_null(b);
        b->rig = rig_new(42);
        end(b, I)->connection.start = starts[i];
        rig_start(b->rig);
        ike_restart(end(b, I)->ike, b->rig->now_ms, 0, "nothing is up: nothing happens");
        assert_true(starts[i] == START_START || !calls(b));
        ike_acquire(end(b, starts[i] == START_NONE ? R : I)->ike, b->rig->now_ms, 0);
        assert_true(rig_run_until(b->rig, 5 * SECOND, rig_both_carry));
        rig_run(b->rig, 5 * SECOND);
        unsigned before = end(b, I)->events[IKE_EVENT_CHILD_UP];
        ike_restart(end(b, I)->ike, b->rig->now_ms, 0, "its probe is not answered");
        bool may_call = starts[i] != START_NONE;
        assert_int_equal(end(b, I)->events[IKE_EVENT_CHILD_DOWN], may_call);
        assert_int_equal(calls(b), may_call);
        rig_run(b->rig, 10 * SECOND);
        assert_true(rig_both_carry(b->rig));
        assert_int_equal(end(b, I)->events[IKE_EVENT_CHILD_UP], before + may_call);
        assert_int_equal(end(b, R)->events[IKE_EVENT_CHILD_DOWN], may_call); /* it was told, and keeps nothing old */
        assert_int_equal(rig_children(end(b, R)), 1);
        bench_free(b);
    }
}

/* --- the commit bit (RFC 2408 3.1) --- */

static bool commits(void *arg, struct rig *rig, int from, struct rig_datagram *d)
{
    (void)arg;
    (void)rig;
    if (from == R && d->data[18] == EXCHANGE_QUICK)
        d->data[19] |= FLAG_COMMIT;
    return false;
}

static struct bench *committed(void)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->rig = rig_new(42);
    b->rig->filter = commits;
    rig_start(b->rig);
    rig_run(b->rig, SECOND);
    assert_int_equal(end(b, R)->events[IKE_EVENT_CHILD_UP], 1);
    assert_int_equal(end(b, I)->events[IKE_EVENT_CHILD_UP], 0); /* it may not seal yet */
    return b;
}

static void a_peer_that_never_says_connected_is_not_waited_for_for_ever(void **state)
{
    (void)state;
    struct bench *b = committed();
    rig_run(b->rig, COMMIT_WAIT);
    assert_int_equal(end(b, I)->events[IKE_EVENT_CHILD_UP], 1);
    assert_true(rig_both_carry(b->rig));
    bench_free(b);
}

static void connected_ends_the_wait(void **state)
{
    (void)state;
    struct bench *b = committed();
    const struct ike_sa *sa = craft_sa(end(b, R)->ike);
    uint8_t spi[4], body[64], message[CRAFT_MAX + 64];
    for (int right = 0; right <= 1; right++) {
        store_u32(spi, sa->peer->children->child.spi_in ^ !right);
        struct writer w = writer_of(body, sizeof body);
        v1_notify_write(&w, &(struct v1_notify){.type = NOTIFY_CONNECTED, .protocol = 3, .spi = bytes_of(spi, 4)});
        size_t len = craft_phase2(sa, EXCHANGE_INFORMATIONAL, 0x7000u + (unsigned)right, PAYLOAD_NOTIFY,
                                  writer_bytes(&w), message);
        rig_inject(b->rig, I, sa->path.local.port, bytes_of(message, len));
        assert_int_equal(end(b, I)->events[IKE_EVENT_CHILD_UP], right);
    }
    assert_true(rig_both_carry(b->rig));
    bench_free(b);
}

/* --- lifetimes: the shorter one counts, at both ends (RFC 2407 4.5.4) --- */

static void the_shorter_lifetime_counts_in_both_phases(void **state)
{
    (void)state;
    for (int mode = MODE_MAIN; mode <= MODE_AGGRESSIVE; mode++)
        for (int shorter = I; shorter <= R; shorter++) {
            struct bench *b = calloc(1, sizeof *b);
            assert_non_null(b);
            b->rig = rig_new(42);
            for (int i = I; i <= R; i++)
                end(b, i)->connection.mode = (enum ike_mode)mode;
            end(b, shorter)->connection.ike_lifetime_s = 1000;
            end(b, shorter)->connection.lifetime_s = 500;
            rig_start(b->rig);
            assert_true(rig_run_until(b->rig, 5 * SECOND, rig_both_carry));
            rig_run(b->rig, SECOND);
            for (int i = I; i <= R; i++) {
                const struct ike_sa *sa = craft_sa(end(b, i)->ike);
                assert_int_equal(sa->lifetime_s, 1000);
                assert_true(sa->soft_ms - sa->established_ms <= 900 * SECOND);
                assert_int_equal(sa->peer->children->lifetime_s, 500);
            }
            rig_run(b->rig, 1200 * SECOND);
            assert_true(rig_both_carry(b->rig));
            assert_true(end(b, I)->events[IKE_EVENT_PHASE1_UP] >= 2);
            bench_free(b);
        }
}

/* Only shorter, only from the responder, and never 0. */
static void b29_lifetimes_that_change_nothing(void **state)
{
    (void)state;
    struct bench *b = established();
    static const uint64_t seconds[] = {0, 28800, 28801, UINT32_MAX};
    const struct ike_sa *sa = craft_sa(end(b, I)->ike);
    uint8_t data[32], body[64], message[CRAFT_MAX + 64];
    uint32_t id = 0x7100;
    for (int to = I; to <= R; to++)
        for (size_t i = 0; i < COUNT(seconds) + (to == R); i++) {
            struct writer d = writer_of(data, sizeof data), w = writer_of(body, sizeof body);
            v1_lifetime_write(&d, i < COUNT(seconds) ? seconds[i] : 60, 0);
            v1_notify_write(
                &w, &(struct v1_notify){.type = NOTIFY_RESPONDER_LIFETIME, .protocol = 1, .data = writer_bytes(&d)});
            size_t len = craft_phase2(sa, EXCHANGE_INFORMATIONAL, id++, PAYLOAD_NOTIFY, writer_bytes(&w), message);
            rig_inject(b->rig, to, sa->path.local.port, bytes_of(message, len));
            assert_int_equal(craft_sa(end(b, to)->ike)->lifetime_s, 28800);
        }
    bench_free(b);
}

/* --- habits that peers are known for (doc/interop.md) --- */

struct heard {
    const char *word;
    unsigned times;
};

static void hear(void *arg, enum log_level level, const char *line)
{
    struct heard *heard = arg;
    (void)level;
    heard->times += strstr(line, heard->word) != NULL;
}

static void listen_for(struct rig_end *e, struct heard *heard)
{
    e->log = (struct log){.level = LOG_DEBUG, .sink = hear, .arg = heard};
}

static void use_esp(struct rig_end *e, const char *suites)
{
    char why[256];
    e->connection.esp.count = 0;
    assert_int_equal(proposal_parse(PROPOSAL_ESP, suites, 0, &e->connection.esp, why, sizeof why), OK);
}

static struct bench *fresh(void)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->rig = rig_new(42);
    return b;
}

/* Cisco: an offer of more than its pair is refused; of its pair, also where our rule is wider, is not. */
static void cisco_takes_its_own_pair_and_does_not_narrow(void **state)
{
    (void)state;
    const char *why;
    struct bench *b = fresh();
    struct heard covers = {"INVALID_ID_INFORMATION", 0};
    listen_for(end(b, I), &covers);
    rig_set_rule(end(b, R), "10.2.0.0/25 -> 10.1.0.0/24 via peer");
    rig_start(b->rig);
    rig_run(b->rig, 5 * SECOND);
    assert_int_equal(rig_children(end(b, I)) + rig_children(end(b, R)), 0);
    assert_non_null(strstr(end(b, I)->why, "phase 2 of the peer must read"));
    assert_true(covers.times > 0);
    assert_int_equal(ike_up(end(b, R)->ike, b->rig->now_ms, 0, &why), OK);
    assert_true(rig_run_until(b->rig, 5 * SECOND, rig_both_carry));
    char text[SELECTOR_TEXT];
    assert_string_equal(selector_print(&craft_sa(end(b, I)->ike)->peer->children->child.selector, text),
                        "10.1.0.0/24 -> 10.2.0.0/25");
    bench_free(b);
}

/* Cisco: a first message from port 4500 is not taken. Ours come from 500, also behind NAT, also when phase 1 is
 * renewed. */
static bool no_first_message_from_4500(void *arg, struct rig *rig, int from, struct rig_datagram *d)
{
    unsigned *firsts = arg;
    (void)rig;
    (void)from;
    bool first = d->len > IKE_HEADER_LEN && d->data[18] == EXCHANGE_MAIN && load_u32(d->data + 8) == 0 &&
                 load_u32(d->data + 12) == 0;
    *firsts += first;
    return first && d->path.local.port != 500;
}

static void cisco_takes_no_first_message_from_4500(void **state)
{
    (void)state;
    struct bench *b = fresh();
    unsigned firsts = 0;
    b->rig->filter = no_first_message_from_4500;
    b->rig->filter_arg = &firsts;
    for (int i = I; i <= R; i++) {
        end(b, i)->connection.encap = ENCAP_YES;
        end(b, i)->connection.ike_lifetime_s = 300;
    }
    rig_start(b->rig);
    assert_true(rig_run_until(b->rig, 5 * SECOND, rig_both_carry));
    assert_int_equal(craft_sa(end(b, R)->ike)->path.local.port, 4500);
    rig_run(b->rig, 1000 * SECOND);
    assert_true(rig_both_carry(b->rig));
    assert_true(firsts >= 4 && firsts <= 8); /* each at the first attempt */
    assert_int_equal(end(b, I)->events[IKE_EVENT_PHASE1_FAILED], 0);
    bench_free(b);
}

/* SonicWall: message 5 in clear. Who hears it can guess the key, so it is refused, and it is said why. */
static void sonicwall_sends_its_identity_in_clear(void **state)
{
    (void)state;
    struct bench *b = bench_until(I, MAIN5);
    struct heard word = {"identity in clear", 0};
    listen_for(end(b, R), &word);
    bench_go(b);
    const struct ike_sa *sa = craft_sa(end(b, R)->ike);
    struct craft c;
    uint8_t iv[IV_MAX], message[CRAFT_MAX];
    memcpy(iv, sa->iv, sizeof iv);
    assert_true(craft_open(sa, iv, bytes_of(b->hold.datagram.data, b->hold.datagram.len), &c));
    struct writer w = writer_of(message, sizeof message);
    c.header.flags = 0;
    header_write(&w, &c.header);
    write_bytes(&w, c.text, c.len);
    header_finish(&w);
    assert_false(w.failed);
    struct snapshot was = snapshot(b, R);
    deliver(b, message, w.len);
    unchanged(b, R, &was);
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_STATE), 1);
    assert_int_equal(word.times, 1);
    the_right_one_succeeds(b);
}

/* Several leave out the length of the AES key: 128 bits (RFC 3602 5.3). */
static void the_length_of_the_aes_key_is_left_out(void **state)
{
    (void)state;
    struct bench *b = held_at(I, MAIN1);
    struct rig_datagram *d = &b->hold.datagram;
    size_t len, shorter = 0;
    uint8_t *sa = body_in(d, PAYLOAD_SA, &len);
    for (size_t at = 8 + 8 + 8; at + 4 <= len && shorter == 0; at += 4)
        if (load_u16(sa + at) == (0x8000 | 14)) {
            memmove(sa + at, sa + at + 4, (size_t)(d->data + d->len - (sa + at + 4)));
            shorter = 4;
        }
    assert_int_equal(shorter, 4);
    d->len -= 4;
    store_u32(d->data + IKE_HEADER_LENGTH_AT, (uint32_t)d->len);
    store_u16(sa - 2, load_u16(sa - 2) - 4);                  /* the payload, */
    store_u16(sa + 8 + 2, load_u16(sa + 8 + 2) - 4);          /* its one proposal */
    store_u16(sa + 16 + 2, load_u16(sa + 16 + 2) - 4);        /* and its one transform */
    struct phase1 *phase1 = craft_sa(end(b, I)->ike)->phase1; /* it has sent this: its hash covers it */
    memcpy(phase1->sai_b, sa, len - 4);
    phase1->sai_b_len = len - 4;
    the_right_one_succeeds(b);
}

/* Juniper: floats to 4500 where NAT traversal is announced, without any NAT. */
static void juniper_floats_without_nat(void **state)
{
    (void)state;
    struct bench *b = fresh();
    end(b, I)->connection.encap = ENCAP_YES;
    end(b, R)->connection.encap = ENCAP_AUTO;
    rig_start(b->rig);
    assert_true(rig_run_until(b->rig, 5 * SECOND, rig_both_carry));
    for (int i = I; i <= R; i++)
        assert_int_equal(craft_sa(end(b, i)->ike)->path.remote.port, 4500);
    bench_free(b);
}

/* Windows: message 6 comes from the port that was in use before the float. */
static void windows_answers_to_the_old_port(void **state)
{
    (void)state;
    struct bench *b = bench_until(R, MAIN6);
    for (int i = I; i <= R; i++)
        end(b, i)->connection.encap = ENCAP_YES;
    bench_go(b);
    assert_int_equal(b->hold.datagram.path.local.port, 4500);
    b->hold.datagram.path.local.port = 500;
    the_right_one_succeeds(b);
}

/* Azure: renews without a group, where we want one. With a suite that has none it may; without, it hears why not, and
 * what there is goes on. */
static void azure_renews_without_a_group(void **state)
{
    (void)state;
    for (int may = 0; may <= 1; may++) {
        struct bench *b = fresh();
        const char *why;
        struct heard word = {"NO_PROPOSAL_CHOSEN", 0};
        listen_for(end(b, I), &word);
        use_esp(end(b, I), may ? "aes128gcm16-x25519, aes128gcm16" : "aes128gcm16-x25519");
        rig_start(b->rig);
        assert_true(rig_run_until(b->rig, 5 * SECOND, rig_both_carry));
        rig_run(b->rig, SECOND);
        use_esp(end(b, R), "aes128gcm16");
        assert_int_equal(ike_rekey(end(b, R)->ike, b->rig->now_ms, 0, &why), OK);
        rig_run(b->rig, 5 * SECOND);
        assert_int_equal(end(b, R)->events[IKE_EVENT_CHILD_REKEYED], may);
        assert_int_equal(end(b, R)->events[IKE_EVENT_CHILD_FAILED], !may);
        assert_int_equal(word.times > 0, !may);
        assert_true(rig_both_carry(b->rig));
        bench_free(b);
    }
}

/* MikroTik: mode-config while phase 1 is renewed, to peers that have not asked for it. */
static void mikrotik_sends_mode_config_after_a_renewal(void **state)
{
    (void)state;
    static const uint8_t set[] = {3, 0, 0, 7, 0, 1, 0, 4, 10, 9, 9, 9}; /* SET INTERNAL_IP4_ADDRESS */
    struct bench *b = fresh();
    uint8_t message[CRAFT_MAX + 64];
    for (int i = I; i <= R; i++)
        end(b, i)->connection.ike_lifetime_s = 300;
    rig_start(b->rig);
    for (uint32_t round = 0; round < 4; round++) {
        rig_run(b->rig, 200 * SECOND);
        for (int to = I; to <= R; to++) {
            size_t len = craft_phase2(craft_sa(end(b, to)->ike), EXCHANGE_TRANSACTION, 0x7300 + round, PAYLOAD_ATTR,
                                      bytes_of(set, sizeof set), message);
            rig_inject(b->rig, to, 500, bytes_of(message, len));
            assert_int_equal(end(b, to)->net_ups, 0);
        }
        assert_true(rig_run_until(b->rig, 5 * SECOND, rig_both_carry));
    }
    assert_int_equal(end(b, I)->events[IKE_EVENT_PHASE1_DOWN], 0);
    bench_free(b);
}

/* --- the ids of vpnc's last words --- */

static void inject_delete(struct bench *b, bool ike, uint32_t id)
{
    const struct ike_sa *sa = craft_sa(end(b, I)->ike);
    uint8_t body[32], message[CRAFT_MAX + 64];
    struct writer w = writer_of(body, sizeof body);
    if (ike)
        v1_delete_write_ike(&w, sa->spi_i, sa->spi_r);
    else
        v1_delete_write_esp(&w, sa->peer->children->child.spi_in);
    size_t len = craft_phase2(sa, EXCHANGE_INFORMATIONAL, id, PAYLOAD_DELETE, writer_bytes(&w), message);
    rig_inject(b->rig, R, 500, bytes_of(message, len));
}

/* Ids of one byte: zero, or the same for both deletes. */
static void deletes_with_poor_message_ids_count(void **state)
{
    (void)state;
    static const uint32_t rows[][2] = {{0xa9, 0}, {0, 0xa9}, {0xf0, 0xf0}, {0, 0}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bench *b = established();
        for (int again = 0; again <= 1; again++) { /* the second is a replay */
            inject_delete(b, false, rows[i][0]);
            assert_int_equal(rig_children(end(b, R)), 0);
            assert_int_equal(rig_drops(end(b, R), IKE_DROP_REPLAY), again);
        }
        inject_delete(b, true, rows[i][1]);
        assert_int_equal(rig_sas(end(b, R), "established"), 0);
        bench_free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_follows_when_the_peer_is_dead),
        cmocka_unit_test(after_clear_the_peer_or_a_command_brings_it_back),
        cmocka_unit_test(a_restart_makes_all_anew),
        cmocka_unit_test(a_peer_that_never_says_connected_is_not_waited_for_for_ever),
        cmocka_unit_test(connected_ends_the_wait),
        cmocka_unit_test(the_shorter_lifetime_counts_in_both_phases),
        cmocka_unit_test(b29_lifetimes_that_change_nothing),
        cmocka_unit_test(cisco_takes_its_own_pair_and_does_not_narrow),
        cmocka_unit_test(cisco_takes_no_first_message_from_4500),
        cmocka_unit_test(sonicwall_sends_its_identity_in_clear),
        cmocka_unit_test(the_length_of_the_aes_key_is_left_out),
        cmocka_unit_test(juniper_floats_without_nat),
        cmocka_unit_test(windows_answers_to_the_old_port),
        cmocka_unit_test(azure_renews_without_a_group),
        cmocka_unit_test(mikrotik_sends_mode_config_after_a_renewal),
        cmocka_unit_test(deletes_with_poor_message_ids_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
