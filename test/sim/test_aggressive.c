/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aggressive mode: how it comes about, who may call, lost messages; and which NAT traversal either mode agrees on.
 */
#include "ike/keys.h"
#include "ike/v1_message.h"
#include "ike/v1_quick.h"
#include "test/sim/spoil.h"

static struct bench *aggressive_up(void)
{
    struct bench *b = aggressive_until(I, 1000);
    rig_start(b->rig);
    assert_true(rig_run_until(b->rig, 5 * SECOND, rig_both_carry));
    return b;
}

static void name(struct identity *id, const char *text)
{
    assert_int_equal(identity_parse(text, id), OK);
}

/* --- it comes about --- */

static void three_messages_and_both_know_each_other(void **state)
{
    (void)state;
    struct bench *b = aggressive_until(I, 1000);
    name(&end(b, I)->connection.local_id, "branch.example.org");
    name(&end(b, R)->connection.remote_id, "Branch.Example.ORG");
    rig_start(b->rig);
    assert_true(rig_run_until(b->rig, 5 * SECOND, rig_both_carry));
    assert_int_equal(end(b, I)->sent, 2 + 2); /* and of quick mode */
    assert_int_equal(end(b, R)->sent, 1 + 1);
    bench_free(b);
}

static void nat_is_found_and_the_third_message_floats(void **state)
{
    (void)state;
    for (int forcing = I; forcing <= R; forcing++) {
        struct bench *b = aggressive_until(I, THIRD);
        end(b, I)->connection.encap = end(b, R)->connection.encap = ENCAP_AUTO;
        end(b, forcing)->connection.encap = ENCAP_YES;
        bench_go(b);
        assert_int_equal(b->hold.datagram.path.local.port, IKE_NATT_PORT);
        assert_int_equal(b->hold.datagram.path.remote.port, IKE_NATT_PORT);
        the_right_one_succeeds(b);
    }
}

static void no_nat_no_float(void **state)
{
    (void)state;
    struct bench *b = aggressive_until(I, THIRD);
    end(b, I)->connection.encap = end(b, R)->connection.encap = ENCAP_AUTO;
    bench_go(b);
    assert_int_equal(b->hold.datagram.path.local.port, IKE_PORT);
    the_right_one_succeeds(b);
}

/* RFC 2409 5.4: the third message may be in clear; phase 2 then goes on from the first IV. */
static struct rig_datagram in_clear(struct bench *b, struct bytes notify)
{
    struct craft c;
    struct payloads p;
    uint8_t iv[IV_MAX];
    struct rig_datagram out = b->hold.datagram;
    const struct ike_sa *theirs = craft_sa(end(b, R)->ike);
    struct ike_sa *ours = craft_sa(end(b, I)->ike);
    memcpy(iv, theirs->iv, sizeof iv);
    assert_true(craft_open(theirs, iv, bytes_of(out.data, out.len), &c));
    assert_int_equal(payloads_read(c.header.next_payload, bytes_of(c.text, c.len), true, &p), OK);
    c.header.flags = 0;
    struct writer w = writer_of(out.data, sizeof out.data);
    header_write(&w, &c.header);
    struct chain chain = chain_begin(IKE_HEADER_NEXT_AT);
    for (size_t i = 0; i < p.count; i++)
        chain_add(&chain, &w, p.items[i].type, p.items[i].body);
    if (notify.len > 0)
        chain_add(&chain, &w, PAYLOAD_NOTIFY, notify);
    header_finish(&w);
    assert_false(w.failed);
    out.len = w.len;
    memcpy(ours->iv, theirs->iv, sizeof iv); /* as if it had never encrypted it */
    return out;
}

static void the_third_message_in_clear(void **state)
{
    (void)state;
    const char *why;
    struct bench *b = aggressive_until(I, THIRD);
    end(b, I)->connection.encap = end(b, R)->connection.encap = ENCAP_YES;
    bench_go(b);
    struct rig_datagram clear = in_clear(b, (struct bytes){0});
    b->rig->filter = NULL;
    deliver(b, clear.data, clear.len);
    assert_int_equal(craft_sa(end(b, R)->ike)->state, SA_ESTABLISHED);
    rig_run(b->rig, 100 * SECOND); /* the first quick mode was encrypted before we changed the IV, and fails */
    assert_int_equal(ike_up(end(b, I)->ike, b->rig->now_ms, 0, &why), OK);
    assert_true(rig_run_until(b->rig, 3 * SECOND, rig_both_carry));
    assert_int_equal(end(b, R)->events[IKE_EVENT_PHASE1_UP], 1);
    bench_free(b);
}

static void b30_initial_contact_counts_only_when_encrypted(void **state)
{
    (void)state;
    uint8_t spi[16], body[64];
    for (int encrypted = 0; encrypted <= 1; encrypted++) {
        struct bench *b = aggressive_at(I, THIRD);
        const struct ike_sa *sa = craft_sa(end(b, R)->ike);
        store_u64(spi, sa->spi_i);
        store_u64(spi + 8, sa->spi_r);
        struct writer w = writer_of(body, sizeof body);
        v1_notify_write(
            &w, &(struct v1_notify){.type = NOTIFY_INITIAL_CONTACT, .protocol = 1, .spi = bytes_of(spi, sizeof spi)});
        if (encrypted) {
            deliver_right(b); /* has one: it is the first contact */
        } else {
            struct rig_datagram clear = in_clear(b, writer_bytes(&w));
            deliver(b, clear.data, clear.len);
        }
        assert_int_equal(sa->state, SA_ESTABLISHED);
        assert_int_equal(sa->initial_contact, encrypted);
        bench_free(b);
    }
}

/* --- who may call --- */

/* The responder has these connections, all with remote = %any; the index of the one that was taken, or -1. */
static int taken_of(struct bench *b, struct connection *several, size_t count, const char *caller)
{
    end(b, R)->several = several;
    end(b, R)->several_count = count;
    name(&end(b, I)->connection.local_id, caller);
    bench_go(b);
    deliver_right(b);
    const struct ike_sa *sa = craft_sa(end(b, R)->ike);
    int taken = sa != NULL ? (int)sa->connection : -1;
    bench_free(b);
    return taken;
}

static void the_connection_is_found_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *caller;
        const char *expected[4]; /* remote_id of each connection; "": whoever has the key; NULL: no more of them */
        const char *fixed;       /* which of them has the caller's address as remote */
        int taken;
    } rows[] = {
        {"b.example.org", {"a.example.org", "b.example.org", "c.example.org"}, "", 1},
        {"b.example.org", {"a.example.org", "c.example.org"}, "", -1},
        {"b.example.org", {"", "b.example.org"}, "", 1}, /* a name goes before whoever */
        {"x.example.org", {"", "b.example.org"}, "", 0},
        {"b@example.org", {"b.example.org", ""}, "", 1},
        {"b.example.org", {"b.example.org", "b.example.org"}, "1", 1}, /* a fixed address goes before %any */
        {"b.example.org", {"b.example.org", "c.example.org"}, "1", 0},
        {"192.0.2.1", {"b.example.org", ""}, "1", 1}, /* without remote_id, its address is its name */
        {"192.0.2.9", {"b.example.org", ""}, "1", -1},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bench *b = aggressive_until(I, FIRST);
        struct connection several[4];
        size_t count = 0;
        for (; count < 4 && rows[i].expected[count] != NULL; count++) {
            struct connection *c = &several[count];
            *c = end(b, R)->connection; /* shares its key, which it does not own */
            c->remote_id = (struct identity){0};
            if (rows[i].expected[count][0] != '\0')
                name(&c->remote_id, rows[i].expected[count]);
            if (rows[i].fixed[0] != (char)('0' + count))
                c->remote = (struct address){0};
        }
        int taken = taken_of(b, several, count, rows[i].caller);
        if (taken != rows[i].taken)
            fail_msg("row %zu: connection %d was taken, not %d", i, taken, rows[i].taken);
    }
}

static void h2018_5389_a_mode_that_the_connection_does_not_do(void **state)
{
    (void)state;
    for (int mode = MODE_MAIN; mode <= MODE_AGGRESSIVE; mode++) {
        struct bench *b = bench_until(I, 1000);
        end(b, I)->connection.mode = (enum ike_mode)mode;
        end(b, R)->connection.mode = mode == MODE_MAIN ? MODE_AGGRESSIVE : MODE_MAIN;
        rig_start(b->rig);
        rig_run(b->rig, 1);
        rig_run(b->rig, 60 * SECOND);
        assert_int_equal(rig_sas(end(b, R), NULL), 0);
        assert_true(rig_drops(end(b, R), IKE_DROP_NO_CONNECTION) > 0);
        assert_non_null(strstr(end(b, I)->why, "UNSUPPORTED_EXCHANGE_TYPE"));
        assert_non_null(strstr(end(b, I)->why, "compare `mode`"));
        bench_free(b);
    }
}

/* A peer that offers several groups has sent the KE of one: the others are no offer. */
static void only_the_group_of_the_key_exchange_is_offered(void **state)
{
    (void)state;
    static const struct {
        const char *offered, *accepted, *chosen;
    } rows[] = {
        {"aes128-sha256-ecp256, aes128-sha256-x25519", "aes128-sha256-x25519", NULL},
        {"aes128-sha256-ecp256, aes128-sha256-x25519", "aes128-sha256-x25519, aes128-sha256-ecp256",
         "aes128-sha256-ecp256"},
        {"aes128-sha256-x25519, aes256-sha256-x25519", "aes256-sha256-x25519", "aes256-sha256-x25519"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char why[256], chosen[PROPOSAL_TEXT];
        struct bench *b = aggressive_until(I, 1000);
        for (int at = I; at <= R; at++) {
            struct proposal_list *list = &end(b, at)->connection.ike;
            list->count = 0;
            assert_int_equal(
                proposal_parse(PROPOSAL_IKE, at == I ? rows[i].offered : rows[i].accepted, 0, list, why, sizeof why),
                OK);
        }
        rig_start(b->rig);
        rig_run(b->rig, 30 * SECOND);
        if (rows[i].chosen != NULL)
            assert_string_equal(proposal_print(&craft_sa(end(b, R)->ike)->suite, chosen), rows[i].chosen);
        else
            assert_non_null(strstr(end(b, I)->why, "NO_PROPOSAL_CHOSEN"));
        bench_free(b);
    }
}

static void another_name_is_refused_by_either_end(void **state)
{
    (void)state;
    for (int at = I; at <= R; at++) {
        struct bench *b = aggressive_until(I, 1000);
        name(&end(b, at)->connection.remote_id, "somebody.else");
        rig_start(b->rig);
        rig_run(b->rig, 60 * SECOND);
        assert_int_equal(all_events(end(b, R)), 0);
        assert_int_equal(end(b, I)->events[IKE_EVENT_PHASE1_UP], 0);
        assert_non_null(strstr(end(b, I)->why, "INVALID_ID_INFORMATION"));
        bench_free(b);
    }
}

static void another_key_is_found_by_the_initiator(void **state)
{
    (void)state;
    struct bench *b = aggressive_until(I, 1000);
    end(b, R)->connection.psk.data[0] ^= 1;
    rig_start(b->rig);
    rig_run(b->rig, 60 * SECOND);
    assert_int_equal(end(b, I)->events[IKE_EVENT_PHASE1_UP] + end(b, R)->events[IKE_EVENT_PHASE1_UP], 0);
    assert_non_null(strstr(end(b, I)->why, "AUTHENTICATION_FAILED"));
    assert_int_equal(end(b, I)->events[IKE_EVENT_PHASE1_FAILED] > 0, true);
    bench_free(b);
}

/* --- a message is lost --- */

static bool swallow(void *arg, struct rig *rig, int from, struct rig_datagram *datagram)
{
    unsigned *left = arg;
    (void)rig;
    if (from != I || datagram->data[18] != EXCHANGE_AGGRESSIVE || !(datagram->data[19] & FLAG_ENCRYPTION) || *left == 0)
        return false;
    --*left;
    return true;
}

/* Nothing answers message 3; what the initiator sends next tells the responder that it was lost. */
static void the_third_message_is_lost_and_quick_mode_brings_it_back(void **state)
{
    (void)state;
    unsigned lose = 3;
    struct bench *b = aggressive_until(I, 1000);
    b->rig->filter = swallow;
    b->rig->filter_arg = &lose;
    rig_start(b->rig);
    assert_true(rig_run_until(b->rig, 20 * SECOND, rig_both_carry));
    assert_int_equal(lose, 0);
    assert_int_equal(end(b, R)->events[IKE_EVENT_PHASE1_UP], 1);
    assert_int_equal(end(b, I)->events[IKE_EVENT_PHASE1_UP], 1);
    bench_free(b);
}

/* Holds all of aggressive mode back, for the test to deliver. */
struct held {
    struct rig_datagram of[RIG_ENDS][4];
    size_t count[RIG_ENDS];
};

static bool hold_aggressive(void *arg, struct rig *rig, int from, struct rig_datagram *d)
{
    struct held *held = arg;
    (void)rig;
    if (d->data[18] != EXCHANGE_AGGRESSIVE)
        return false;
    if (held->count[from] < COUNT(held->of[from]))
        held->of[from][held->count[from]++] = *d;
    return true;
}

/* The n-th message that `from` wrote. */
static void release(struct bench *b, const struct held *held, int from, size_t nth)
{
    assert_true(held->count[from] > nth);
    const struct rig_datagram *d = &held->of[from][nth];
    rig_inject(b->rig, 1 - from, d->path.local.port, bytes_of(d->data, d->len));
    rig_run(b->rig, 100);
}

/* Both call at once. What R knew nothing of when it wrote its INITIAL_CONTACT, it may know when that arrives. */
static void an_initial_contact_that_is_overtaken_ends_nothing(void **state)
{
    (void)state;
    static struct held held;
    held = (struct held){0};
    struct bench *b = aggressive_until(I, 1000);
    end(b, R)->connection.start = START_START;
    b->rig->filter = hold_aggressive;
    b->rig->filter_arg = &held;
    rig_start(b->rig);
    rig_run(b->rig, 10);
    release(b, &held, I, 0); /* I calls, R answers, I is up with that */
    release(b, &held, R, 1);
    assert_int_equal(rig_sas(end(b, I), "established"), 1);
    release(b, &held, R, 0); /* R calls, I answers, R is up with that, and says that this is the first contact */
    release(b, &held, I, 2);
    assert_int_equal(rig_sas(end(b, R), "established"), 1);
    release(b, &held, I, 1); /* now R is up with the first one too, and uses it */
    assert_int_equal(rig_sas(end(b, R), NULL), 2);
    assert_int_equal(held.of[R][3].data[19], FLAG_ENCRYPTION); /* behind message 2, which it was asked for again */
    release(b, &held, R, 3);
    assert_int_equal(rig_sas(end(b, I), "established") + rig_sas(end(b, I), "deleting"), 2);
    b->rig->filter = NULL;
    assert_true(rig_run_until(b->rig, 5 * SECOND, rig_both_carry));
    rig_run(b->rig, 120 * SECOND);
    assert_true(rig_both_carry(b->rig));
    bench_free(b);
}

/* A renewal has nothing to send next: then a probe does. */
static void the_third_message_of_a_renewal_is_lost(void **state)
{
    (void)state;
    unsigned lose = 2;
    struct bench *b = aggressive_until(I, 1000);
    end(b, I)->connection.ike_lifetime_s = 100;
    rig_start(b->rig);
    assert_true(rig_run_until(b->rig, 5 * SECOND, rig_both_carry));
    b->rig->filter = swallow;
    b->rig->filter_arg = &lose;
    rig_run(b->rig, 89 * SECOND);
    assert_int_equal(lose, 0);
    const struct ike_sa *here = craft_sa(end(b, I)->ike), *there = craft_sa(end(b, R)->ike);
    assert_int_equal(here->spi_r, there->spi_r);
    assert_int_equal(there->state, SA_ESTABLISHED);
    assert_false(here->unconfirmed);
    assert_true(rig_both_carry(b->rig));
    bench_free(b);
}

/* And neither end does dead-peer detection: its vendor id is struck out. */
static bool swallow_without_dpd(void *arg, struct rig *rig, int from, struct rig_datagram *d)
{
    struct payloads p;
    if (!(d->data[19] & FLAG_ENCRYPTION) &&
        payloads_read(d->data[16], bytes_of(d->data + 28, d->len - 28), false, &p) == OK)
        for (size_t i = 0; i < p.count; i++)
            if (p.items[i].type == PAYLOAD_VENDOR && p.items[i].body.data[0] == 0xaf && p.items[i].body.data[1] == 0xca)
                d->data[p.items[i].body.data - d->data] ^= 0xff;
    return swallow(arg, rig, from, d);
}

static void the_third_message_is_lost_without_dead_peer_detection(void **state)
{
    (void)state;
    unsigned lose = 3;
    struct bench *b = aggressive_until(I, 1000);
    end(b, I)->connection.dpd_delay_s = 5;
    b->rig->filter = swallow_without_dpd;
    b->rig->filter_arg = &lose;
    rig_start(b->rig);
    assert_true(rig_run_until(b->rig, 20 * SECOND, rig_both_carry));
    assert_int_equal(lose, 0);
    assert_false(craft_sa(end(b, I)->ike)->peer_dpd);
    rig_run(b->rig, 10 * SECOND);
    unsigned sent = end(b, I)->sent;
    rig_run(b->rig, 200 * SECOND);
    assert_int_equal(end(b, I)->sent, sent); /* no probes for one that answers none */
    assert_true(rig_both_carry(b->rig));
    assert_int_equal(end(b, R)->events[IKE_EVENT_PHASE1_UP], 1);
    bench_free(b);
}

/* A renewal without it has nothing at all to say: message 3 itself is said again. */
static void the_third_message_of_a_renewal_is_lost_without_dead_peer_detection(void **state)
{
    (void)state;
    for (unsigned lost = 0; lost <= CONFIRM_TRIES; lost++) {
        unsigned lose = lost;
        struct bench *b = aggressive_until(I, 1000);
        end(b, I)->connection.ike_lifetime_s = 100;
        b->rig->filter = swallow_without_dpd;
        b->rig->filter_arg = &lose;
        lose = 0;
        rig_start(b->rig);
        assert_true(rig_run_until(b->rig, 5 * SECOND, rig_both_carry));
        lose = lost;
        rig_run(b->rig, 94 * SECOND);
        assert_int_equal(lose, 0);
        const struct ike_sa *here = craft_sa(end(b, I)->ike), *there = craft_sa(end(b, R)->ike);
        assert_int_equal(here->spi_r, there->spi_r);
        assert_int_equal(there->state, SA_ESTABLISHED);
        assert_int_equal(rig_sas(end(b, R), NULL), 1);
        assert_int_equal(end(b, R)->events[IKE_EVENT_PHASE1_UP], 2);
        assert_true(rig_both_carry(b->rig));
        bench_free(b);
    }
}

/* When it never gets through, only what it was for ends; the children of before are left alone, and the SA of before
 * serves on, which the responder then renews. */
static void a_renewal_that_is_never_confirmed_ends_alone(void **state)
{
    (void)state;
    unsigned lose = 1000;
    struct bench *b = aggressive_until(I, 1000);
    end(b, I)->connection.ike_lifetime_s = 400;
    rig_start(b->rig);
    assert_true(rig_run_until(b->rig, 5 * SECOND, rig_both_carry));
    b->rig->filter = swallow;
    b->rig->filter_arg = &lose;
    rig_run(b->rig, 450 * SECOND);
    assert_int_equal(rig_sas(end(b, I), NULL), 1);
    assert_false(craft_sa(end(b, I)->ike)->initiator);
    assert_int_equal(craft_sa(end(b, I)->ike)->spi_r, craft_sa(end(b, R)->ike)->spi_r);
    assert_true(rig_both_carry(b->rig));
    b->rig->filter = NULL;
    rig_run(b->rig, 3600 * SECOND);
    assert_true(rig_both_carry(b->rig)); /* the renewal of phase 2 has made a new phase 1 */
    bench_free(b);
}

/* --- drafts of NAT traversal: the newest that both know --- */

struct censor {
    unsigned known;            /* which of the ids below pass */
    unsigned natd, natd_draft; /* payloads of this kind that were seen */
};

static bool strike_vendors(void *arg, struct rig *rig, int from, struct rig_datagram *d)
{
    static const struct {
        uint8_t id[2];
        unsigned bit;
    } ids[] = {{{0x4a, 0x13}, 1}, {{0x7d, 0x94}, 2}, {{0x90, 0xcb}, 4}, {{0xcd, 0x60}, 8}};
    struct censor *censor = arg;
    struct payloads p;
    (void)rig;
    (void)from;
    if (d->data[19] & FLAG_ENCRYPTION ||
        payloads_read(d->data[16], bytes_of(d->data + 28, d->len - 28), false, &p) != OK)
        return false;
    censor->natd += (unsigned)payload_count(&p, PAYLOAD_NATD);
    censor->natd_draft += (unsigned)payload_count(&p, PAYLOAD_NATD_DRAFT);
    for (size_t i = 0; i < p.count; i++)
        for (size_t k = 0; k < COUNT(ids); k++)
            if (p.items[i].type == PAYLOAD_VENDOR && p.items[i].body.len == 16 && !(censor->known & ids[k].bit) &&
                memcmp(p.items[i].body.data, ids[k].id, 2) == 0)
                d->data[p.items[i].body.data - d->data] ^= 0xff;
    return false;
}

static void the_newest_nat_traversal_that_both_know(void **state)
{
    (void)state;
    for (unsigned known = 0; known < 16; known++)
        for (int mode = MODE_MAIN; mode <= MODE_AGGRESSIVE; mode++) {
            struct bench *b = bench_until(I, 1000);
            struct censor censor = {.known = known};
            bool draft = known != 0 && !(known & 1);
            for (int i = I; i <= R; i++) {
                end(b, i)->connection.mode = (enum ike_mode)mode;
                end(b, i)->connection.encap = ENCAP_YES;
            }
            b->rig->filter = strike_vendors;
            b->rig->filter_arg = &censor;
            rig_start(b->rig);
            assert_true(rig_run_until(b->rig, 5 * SECOND, rig_both_carry));
            for (int i = I; i <= R; i++) {
                const struct ike_sa *sa = craft_sa(end(b, i)->ike);
                assert_int_equal(sa->peer_natt, known != 0);
                assert_int_equal(sa->natt_draft, draft);
                assert_int_equal(quick_encap(sa, true), draft ? 61443 : 3);
                assert_int_equal(quick_encap(sa, false), 1);
                assert_int_equal(sa->udp, known != 0);
                assert_int_equal(sa->peer->children->child.udp, known != 0);
            }
            assert_int_equal(censor.natd > 0, known & 1);
            assert_int_equal(censor.natd_draft > 0, draft);
            bench_free(b);
        }
}

static void it_all_ends_and_comes_back(void **state)
{
    (void)state;
    const char *why;
    struct bench *b = aggressive_up();
    assert_int_equal(ike_down(end(b, I)->ike, b->rig->now_ms, 0, &why), OK);
    rig_run(b->rig, SECOND);
    assert_int_equal(rig_sas(end(b, R), NULL), 0);
    assert_int_equal(ike_up(end(b, I)->ike, b->rig->now_ms, 0, &why), OK);
    assert_true(rig_run_until(b->rig, 5 * SECOND, rig_both_carry));
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_messages_and_both_know_each_other),
        cmocka_unit_test(nat_is_found_and_the_third_message_floats),
        cmocka_unit_test(no_nat_no_float),
        cmocka_unit_test(the_third_message_in_clear),
        cmocka_unit_test(b30_initial_contact_counts_only_when_encrypted),
        cmocka_unit_test(the_connection_is_found_by_name),
        cmocka_unit_test(h2018_5389_a_mode_that_the_connection_does_not_do),
        cmocka_unit_test(only_the_group_of_the_key_exchange_is_offered),
        cmocka_unit_test(another_name_is_refused_by_either_end),
        cmocka_unit_test(another_key_is_found_by_the_initiator),
        cmocka_unit_test(the_third_message_is_lost_and_quick_mode_brings_it_back),
        cmocka_unit_test(an_initial_contact_that_is_overtaken_ends_nothing),
        cmocka_unit_test(the_third_message_of_a_renewal_is_lost),
        cmocka_unit_test(the_third_message_is_lost_without_dead_peer_detection),
        cmocka_unit_test(the_third_message_of_a_renewal_is_lost_without_dead_peer_detection),
        cmocka_unit_test(a_renewal_that_is_never_confirmed_ends_alone),
        cmocka_unit_test(the_newest_nat_traversal_that_both_know),
        cmocka_unit_test(it_all_ends_and_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
