/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile input against whole engines. Every test first lets two gateways talk, then speaks for one of them, or as a
 * stranger on the path; and at the end the right message must still be welcome. Bn is the bad input of doc/protocol.md
 * that a test covers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ike/v1_body.h"
#include "test/sim/craft.h"
#include "test/sim/rig.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

enum { I = 0, R = 1, SECOND = 1000 };

/* --- the bench: a filter that holds one chosen datagram back --- */

struct hold {
    int from;
    unsigned skip; /* datagrams of `from` that pass first */
    bool held;
    struct rig_datagram datagram;
};

static bool hold_one(void *arg, struct rig *rig, int from, struct rig_datagram *datagram)
{
    struct hold *hold = arg;
    (void)rig;
    if (from != hold->from || hold->held)
        return hold->held; /* time stands still at both ends */
    if (hold->skip-- > 0)
        return false;
    hold->held = true;
    hold->datagram = *datagram;
    return true;
}

/* Which datagrams of a connection are which, counted per sender. */
enum { MAIN1 = 0, MAIN3, MAIN5, QUICK1, QUICK3, MAIN2 = 0, MAIN4, MAIN6, QUICK2 };

struct bench {
    struct rig *rig;
    struct hold hold;
};

static struct bench *bench_until(int from, unsigned nth)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->rig = rig_new(42);
    b->hold = (struct hold){.from = from, .skip = nth};
    b->rig->filter = hold_one;
    b->rig->filter_arg = &b->hold;
    return b;
}

/* Starts, and stops where the chosen datagram has been written but not delivered. */
static void bench_go(struct bench *b)
{
    rig_start(b->rig);
    rig_run(b->rig, 100);
    assert_true(b->hold.held);
}

static struct bench *held_at(int from, unsigned nth)
{
    struct bench *b = bench_until(from, nth);
    bench_go(b);
    return b;
}

static struct bench *established(void)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->rig = rig_new(42);
    rig_start(b->rig);
    assert_true(rig_run_until(b->rig, 5 * SECOND, rig_both_carry));
    return b;
}

/* No secret may be alive at the end. */
static void bench_free(struct bench *b)
{
    assert_int_equal(rig_free(b->rig), 0);
    free(b);
}

static void deliver(struct bench *b, const void *data, size_t len)
{
    uint8_t *exact = malloc(len > 0 ? len : 1);
    assert_non_null(exact);
    if (len > 0)
        memcpy(exact, data, len);
    rig_inject(b->rig, 1 - b->hold.from, b->hold.datagram.path.local.port, bytes_of(exact, len));
    free(exact);
}

static void deliver_right(struct bench *b)
{
    deliver(b, b->hold.datagram.data, b->hold.datagram.len);
}

/* The held message arrives at last, unchanged, and all comes about. */
static void the_right_one_succeeds(struct bench *b)
{
    b->rig->filter = NULL;
    deliver_right(b);
    assert_true(rig_run_until(b->rig, 3 * SECOND, rig_both_carry));
    assert_int_equal(b->rig->ends[I].events[IKE_EVENT_PHASE1_UP], 1);
    assert_int_equal(b->rig->ends[R].events[IKE_EVENT_PHASE1_UP], 1);
    bench_free(b);
}

static struct rig_end *end(struct bench *b, int i)
{
    return &b->rig->ends[i];
}

/* Everything of an IKE SA that a dropped message must leave alone. */
struct snapshot {
    uint8_t iv[IV_MAX];
    enum sa_state state;
    size_t quicks, ids, children, sas;
    struct path path;
    unsigned events;
};

static unsigned all_events(const struct rig_end *e)
{
    unsigned sum = 0;
    for (size_t i = 0; i < COUNT(e->events); i++)
        sum += e->events[i];
    return sum;
}

static struct snapshot snapshot(struct bench *b, int i)
{
    const struct ike_sa *sa = craft_sa(end(b, i)->ike);
    assert_non_null(sa);
    struct snapshot s = {.state = sa->state,
                         .quicks = sa->quick_count,
                         .ids = sa->quick_id_count,
                         .children = rig_children(end(b, i)),
                         .sas = rig_sas(end(b, i), NULL),
                         .path = sa->path,
                         .events = all_events(end(b, i))};
    memcpy(s.iv, sa->iv, sizeof s.iv);
    return s;
}

static void unchanged(struct bench *b, int i, const struct snapshot *was)
{
    struct snapshot now = snapshot(b, i);
    assert_memory_equal(now.iv, was->iv, sizeof now.iv);
    assert_int_equal(now.state, was->state);
    assert_int_equal(now.quicks, was->quicks);
    assert_int_equal(now.ids, was->ids);
    assert_int_equal(now.children, was->children);
    assert_int_equal(now.sas, was->sas);
    assert_int_equal(now.events, was->events);
    assert_true(endpoint_equal(&now.path.remote, &was->path.remote));
}

/* Where the body of the first payload of a type lies in a clear message. */
static uint8_t *body_in(struct rig_datagram *d, uint8_t type, size_t *len)
{
    static struct payloads p;
    assert_int_equal(payloads_read(d->data[IKE_HEADER_NEXT_AT],
                                   bytes_of(d->data + IKE_HEADER_LEN, d->len - IKE_HEADER_LEN), false, &p),
                     OK);
    const struct payload *found = payload_find(&p, type, 0);
    assert_non_null(found);
    *len = found->body.len;
    return d->data + (found->body.data - d->data);
}

/* --- B9: values of a key exchange that are none --- */

static void use_group(struct bench *b, const char *ike)
{
    char why[256];
    for (int i = 0; i < RIG_ENDS; i++) {
        end(b, i)->connection.ike.count = 0;
        assert_int_equal(proposal_parse(PROPOSAL_IKE, ike, ~0u, &end(b, i)->connection.ike, why, sizeof why), OK);
    }
}

enum ke_fault { KE_ZERO, KE_ONE, KE_MINUS_ONE, KE_ALL_ONES, KE_OFF_CURVE, KE_FAULTS };

/* p - 1 of the MODP groups: p ends with 64 one bits, so that only the last byte changes. */
static void spoil(uint8_t *ke, size_t len, enum ke_fault fault, uint8_t *p_minus_1)
{
    switch (fault) {
    case KE_ZERO: memset(ke, 0, len); break;
    case KE_ONE:
        memset(ke, 0, len);
        ke[len - 1] = 1;
        break;
    case KE_MINUS_ONE: memcpy(ke, p_minus_1, len); break;
    case KE_ALL_ONES: memset(ke, 0xff, len); break;
    default: ke[len / 2] ^= 1; break;
    }
}

/* modp1024 (RFC 2409 6.2), less one. */
static void modp1024_minus_1(uint8_t out[128])
{
    static const char hex[] = "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74"
                              "020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437"
                              "4fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed"
                              "ee386bfb5a899fa5ae9f24117c4b1fe649286651ece65381ffffffffffffffff";
    for (size_t i = 0; i < 128; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], 0};
        out[i] = (uint8_t)strtoul(two, NULL, 16);
    }
    out[127] = 0xfe;
}

/* `spoiled` instead of message 3 or 4: dropped, no keys, and the SA waits on. */
static void is_refused(struct bench *b, const struct rig_datagram *spoiled)
{
    int to = 1 - b->hold.from;
    uint64_t before = rig_drops(end(b, to), IKE_DROP_MALFORMED);
    unsigned sent = end(b, to)->sent;
    deliver(b, spoiled->data, spoiled->len);
    assert_int_equal(rig_drops(end(b, to), IKE_DROP_MALFORMED), before + 1);
    assert_int_equal(end(b, to)->sent, sent);
    const struct ike_sa *sa = craft_sa(end(b, to)->ike);
    assert_int_equal(sa->state, to == R ? SA_WAIT_KE : SA_SENT_KE);
    assert_null(sa->keys.skeyid_a.data);
}

static void b09_modp_values_0_1_p_minus_1_and_more(void **state)
{
    (void)state;
    static const int senders[] = {I, R};
    uint8_t p_minus_1[128];
    modp1024_minus_1(p_minus_1);
    for (size_t s = 0; s < COUNT(senders); s++) {
        struct bench *b = bench_until(senders[s], senders[s] == I ? MAIN3 : MAIN4);
        use_group(b, "aes128-sha256-modp1024");
        bench_go(b);
        for (enum ke_fault fault = KE_ZERO; fault <= KE_ALL_ONES; fault++) {
            struct rig_datagram spoiled = b->hold.datagram;
            size_t len;
            uint8_t *ke = body_in(&spoiled, PAYLOAD_KE, &len);
            assert_int_equal(len, 128);
            spoil(ke, len, fault, p_minus_1);
            is_refused(b, &spoiled);
        }
        the_right_one_succeeds(b);
    }
}

static void b09_points_off_the_curve(void **state)
{
    (void)state;
    static const char *const groups[] = {"aes128-sha256-ecp256", "aes128-sha256-ecp384", "aes128-sha256-ecp521"};
    static const int senders[] = {I, R};
    for (size_t g = 0; g < COUNT(groups); g++)
        for (size_t s = 0; s < COUNT(senders); s++) {
            struct bench *b = bench_until(senders[s], senders[s] == I ? MAIN3 : MAIN4);
            static const enum ke_fault faults[] = {KE_ZERO, KE_ONE, KE_ALL_ONES, KE_OFF_CURVE};
            use_group(b, groups[g]);
            bench_go(b);
            for (size_t f = 0; f < COUNT(faults); f++) {
                struct rig_datagram spoiled = b->hold.datagram;
                size_t len;
                uint8_t *ke = body_in(&spoiled, PAYLOAD_KE, &len);
                spoil(ke, len, faults[f], NULL);
                is_refused(b, &spoiled);
            }
            the_right_one_succeeds(b);
        }
}

/* RFC 7748 6.1, and the list of small orders: all give the shared secret zero. */
static void b09_low_order_x25519(void **state)
{
    (void)state;
    static const uint8_t low[][32] = {
        {0},
        {1},
        {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
         0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
        {0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
         0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
        {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
        {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
        {0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    };
    static const int senders[] = {I, R};
    for (size_t s = 0; s < COUNT(senders); s++) {
        struct bench *b = held_at(senders[s], senders[s] == I ? MAIN3 : MAIN4);
        for (size_t i = 0; i < COUNT(low); i++) {
            struct rig_datagram spoiled = b->hold.datagram;
            size_t len;
            memcpy(body_in(&spoiled, PAYLOAD_KE, &len), low[i], 32);
            is_refused(b, &spoiled);
        }
        the_right_one_succeeds(b);
    }
}

/* Rebuilds message 3 or 4 with bodies of the given lengths. */
static struct rig_datagram resized(const struct rig_datagram *d, size_t ke, size_t nonce)
{
    static const uint8_t filler[1024] = {1, 2, 3};
    struct rig_datagram out = *d;
    struct ike_header h;
    assert_int_equal(header_read(bytes_of(d->data, d->len), &h), OK);
    struct writer w = writer_of(out.data, sizeof out.data);
    header_write(&w, &h);
    struct chain c = chain_begin(IKE_HEADER_NEXT_AT);
    chain_add(&c, &w, PAYLOAD_KE, bytes_of(filler, ke));
    chain_add(&c, &w, PAYLOAD_NONCE, bytes_of(filler, nonce));
    header_finish(&w);
    out.len = w.len;
    return out;
}

static void b09_wrong_size_of_the_key_exchange(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 31, 33, 64, 128, 1024};
    for (int from = I; from <= R; from++) {
        struct bench *b = held_at(from, from == I ? MAIN3 : MAIN4);
        for (size_t i = 0; i < COUNT(sizes); i++) {
            struct rig_datagram spoiled = resized(&b->hold.datagram, sizes[i], 32);
            is_refused(b, &spoiled);
        }
        the_right_one_succeeds(b);
    }
}

static void b11_nonce_under_8_or_over_256(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 7, 257, 258, 1000};
    for (int from = I; from <= R; from++) {
        struct bench *b = held_at(from, from == I ? MAIN3 : MAIN4);
        for (size_t i = 0; i < COUNT(sizes); i++) {
            struct rig_datagram spoiled = resized(&b->hold.datagram, 32, sizes[i]);
            is_refused(b, &spoiled);
        }
        the_right_one_succeeds(b);
    }
}

/* A message 3 that is refused must not switch NAT traversal off for the right one that follows. */
static void b09_a_refused_message_leaves_nat_detection_alone(void **state)
{
    (void)state;
    for (int from = I; from <= R; from++) {
        struct bench *b = bench_until(from, from == I ? MAIN3 : MAIN4);
        end(b, I)->connection.encap = end(b, R)->connection.encap = ENCAP_YES;
        bench_go(b);
        struct rig_datagram spoiled = resized(&b->hold.datagram, 32, 32); /* no NAT-D */
        size_t len;
        memset(body_in(&spoiled, PAYLOAD_KE, &len), 0, 32);
        is_refused(b, &spoiled);
        assert_true(craft_sa(end(b, 1 - from)->ike)->peer_natt);
        the_right_one_succeeds(b);
    }
}

/* --- B12, B13, B14, B30: informational messages --- */

/* A clear informational message with one payload. */
static size_t clear_info(const struct ike_sa *sa, uint8_t type, struct bytes body, uint8_t out[512])
{
    struct writer w = writer_of(out, 512);
    const struct ike_header h = {
        .spi_i = sa->spi_i, .spi_r = sa->spi_r, .major = 1, .exchange = EXCHANGE_INFORMATIONAL, .message_id = 77};
    header_write(&w, &h);
    struct chain c = chain_begin(IKE_HEADER_NEXT_AT);
    chain_add(&c, &w, type, body);
    header_finish(&w);
    assert_false(w.failed);
    return w.len;
}

static struct bytes delete_of(struct bench *b, int peer, bool ike, uint8_t out[32])
{
    const struct ike_sa *sa = craft_sa(end(b, peer)->ike);
    struct writer w = writer_of(out, 32);
    if (ike)
        v1_delete_write_ike(&w, sa->spi_i, sa->spi_r);
    else
        v1_delete_write_esp(&w, sa->peer->children->child.spi_in);
    return writer_bytes(&w);
}

static struct bytes notify_of(struct bench *b, uint16_t type, uint8_t out[64])
{
    const struct ike_sa *sa = craft_sa(end(b, I)->ike);
    uint8_t spi[16], data[4] = {0, 0, 0, 9};
    store_u64(spi, sa->spi_i);
    store_u64(spi + 8, sa->spi_r);
    struct writer w = writer_of(out, 64);
    v1_notify_write(
        &w, &(struct v1_notify){
                .type = type, .protocol = 1, .spi = bytes_of(spi, sizeof spi), .data = bytes_of(data, sizeof data)});
    return writer_bytes(&w);
}

static void b12_clear_delete_or_notify(void **state)
{
    (void)state;
    struct bench *b = established();
    uint8_t body[64], message[512];
    struct bytes bodies[3];
    for (int to = I; to <= R; to++) {
        const struct ike_sa *sa = craft_sa(end(b, to)->ike);
        struct snapshot was = snapshot(b, to);
        unsigned sent = end(b, to)->sent;
        bodies[0] = delete_of(b, 1 - to, true, body);
        rig_inject(b->rig, to, 500, bytes_of(message, clear_info(sa, PAYLOAD_DELETE, bodies[0], message)));
        bodies[1] = delete_of(b, 1 - to, false, body);
        rig_inject(b->rig, to, 500, bytes_of(message, clear_info(sa, PAYLOAD_DELETE, bodies[1], message)));
        static const uint16_t types[] = {NOTIFY_INITIAL_CONTACT, NOTIFY_R_U_THERE, NOTIFY_AUTHENTICATION_FAILED,
                                         NOTIFY_INVALID_COOKIE};
        for (size_t i = 0; i < COUNT(types); i++) {
            bodies[2] = notify_of(b, types[i], body);
            rig_inject(b->rig, to, 500, bytes_of(message, clear_info(sa, PAYLOAD_NOTIFY, bodies[2], message)));
        }
        unchanged(b, to, &was);
        assert_int_equal(end(b, to)->sent, sent);
    }
    assert_true(rig_both_carry(b->rig));
    bench_free(b);
}

static void b12_delete_with_a_wrong_hash(void **state)
{
    (void)state;
    struct bench *b = established();
    for (int to = I; to <= R; to++) {
        const struct ike_sa *sa = craft_sa(end(b, 1 - to)->ike);
        uint8_t body[32], message[CRAFT_MAX + 64];
        size_t len =
            craft_phase2(sa, EXCHANGE_INFORMATIONAL, 0x5000, PAYLOAD_DELETE, delete_of(b, 1 - to, true, body), message);
        struct snapshot was = snapshot(b, to);
        for (size_t bit = IKE_HEADER_LEN * 8; bit < len * 8; bit += 3) {
            message[bit / 8] ^= (uint8_t)(1 << bit % 8);
            rig_inject(b->rig, to, 500, bytes_of(message, len));
            message[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        unchanged(b, to, &was);
        assert_true(rig_both_carry(b->rig));
    }
    /* That it was the hash: unharmed, the same message ends the SA. */
    uint8_t body[32], message[CRAFT_MAX + 64];
    size_t len = craft_phase2(craft_sa(end(b, I)->ike), EXCHANGE_INFORMATIONAL, 0x5001, PAYLOAD_DELETE,
                              delete_of(b, I, true, body), message);
    rig_inject(b->rig, R, 500, bytes_of(message, len));
    assert_int_equal(rig_sas(end(b, R), "established"), 0);
    bench_free(b);
}

static void b13_deletes_that_lie_and_deletes_twice(void **state)
{
    (void)state;
    struct bench *b = established();
    const struct ike_sa *sa = craft_sa(end(b, I)->ike);
    uint8_t body[64], message[CRAFT_MAX + 64];
    struct bytes right = delete_of(b, I, false, body);
    static const struct {
        size_t at;
        uint8_t value;
    } lies[] = {{6, 0xff}, {7, 0xff}, {5, 0}, {5, 16}, {5, 3}, {4, 1}, {3, 9}, {7, 0}};
    for (size_t i = 0; i < COUNT(lies); i++) {
        uint8_t was = body[lies[i].at];
        body[lies[i].at] = lies[i].value;
        size_t len = craft_phase2(sa, EXCHANGE_INFORMATIONAL, (uint32_t)(0x6000 + i), PAYLOAD_DELETE, right, message);
        rig_inject(b->rig, R, 500, bytes_of(message, len));
        body[lies[i].at] = was;
        assert_int_equal(rig_children(end(b, R)), 1);
    }
    /* An SPI that is not the peer's: ours. */
    uint8_t other[16];
    struct writer o = writer_of(other, sizeof other);
    v1_delete_write_esp(&o, sa->peer->children->child.spi_out);
    size_t len = craft_phase2(sa, EXCHANGE_INFORMATIONAL, 0x6100, PAYLOAD_DELETE, writer_bytes(&o), message);
    rig_inject(b->rig, R, 500, bytes_of(message, len));
    assert_int_equal(rig_children(end(b, R)), 1);
    for (uint32_t id = 0x6200; id < 0x6203; id++) { /* once only */
        len = craft_phase2(sa, EXCHANGE_INFORMATIONAL, id, PAYLOAD_DELETE, right, message);
        rig_inject(b->rig, R, 500, bytes_of(message, len));
        assert_int_equal(rig_children(end(b, R)), 0);
        assert_int_equal(end(b, R)->events[IKE_EVENT_CHILD_DOWN], 1);
    }
    bench_free(b);
}

static void b13_delete_then_notify_in_one_message(void **state)
{
    (void)state;
    struct bench *b = established();
    const struct ike_sa *sa = craft_sa(end(b, I)->ike);
    uint8_t body[64], message[CRAFT_MAX + 64], iv[IV_MAX];
    size_t len = craft_phase2(sa, EXCHANGE_INFORMATIONAL, 0x6300, PAYLOAD_DELETE, delete_of(b, I, true, body), message);
    struct craft c;
    craft_first_iv(sa, 0x6300, iv);
    assert_true(craft_open(sa, iv, bytes_of(message, len), &c));
    struct bytes notify = notify_of(b, NOTIFY_R_U_THERE, body);
    size_t second = 36; /* where the delete begins, behind a HASH of SHA-256 */
    c.text[second] = PAYLOAD_NOTIFY;
    struct writer w = writer_of(c.text, sizeof c.text);
    w.len = c.len;
    write_u16(&w, 0);
    write_u16(&w, (uint16_t)(PAYLOAD_HEADER + notify.len));
    write_bytes(&w, notify.data, notify.len);
    c.len = w.len;
    craft_rehash(sa, (struct bytes){0}, &c);
    craft_first_iv(sa, 0x6300, iv);
    len = craft_seal(sa, iv, &c, message);
    unsigned sent = end(b, R)->sent;
    rig_inject(b->rig, R, 500, bytes_of(message, len));
    assert_int_equal(rig_sas(end(b, R), "established"), 0);
    assert_int_equal(end(b, R)->sent, sent + 1); /* the probe was answered before the SA went */
    bench_free(b);
}

static void b14_probe_without_state_or_half_open(void **state)
{
    (void)state;
    uint8_t body[64], message[512];
    struct bench *b = held_at(I, MAIN5); /* the responder waits for message 5 */
    const struct ike_sa *sa = craft_sa(end(b, R)->ike);
    struct ike_sa stranger = {.spi_i = 0x1234, .spi_r = 0x5678}, late = {.spi_i = sa->spi_i, .spi_r = sa->spi_r};
    struct snapshot was = snapshot(b, R);
    unsigned sent = end(b, R)->sent;
    for (unsigned flags = 0; flags <= FLAG_ENCRYPTION; flags++) {
        size_t len = clear_info(&stranger, PAYLOAD_NOTIFY, notify_of(b, NOTIFY_R_U_THERE, body), message);
        message[19] = (uint8_t)flags;
        rig_inject(b->rig, R, 500, bytes_of(message, len));
        len = clear_info(&late, PAYLOAD_NOTIFY, notify_of(b, NOTIFY_R_U_THERE, body), message);
        message[19] = (uint8_t)flags;
        rig_inject(b->rig, R, 500, bytes_of(message, len));
    }
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_UNKNOWN_SA), 2);
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_STATE), 2);
    unchanged(b, R, &was);
    assert_int_equal(end(b, R)->sent, sent);
    the_right_one_succeeds(b);
}

static void b30_unauthenticated_initial_contact(void **state)
{
    (void)state;
    struct bench *b = established();
    /* A stranger at the peer's address gets as far as message 4, and says it is new: in clear. */
    uint8_t body[64], message[512];
    for (int to = I; to <= R; to++) {
        struct snapshot was = snapshot(b, to);
        const struct ike_sa *sa = craft_sa(end(b, to)->ike);
        size_t len = clear_info(sa, PAYLOAD_NOTIFY, notify_of(b, NOTIFY_INITIAL_CONTACT, body), message);
        rig_inject(b->rig, to, 500, bytes_of(message, len));
        message[19] = FLAG_ENCRYPTION;
        len = (len - IKE_HEADER_LEN) / 16 * 16 + IKE_HEADER_LEN;
        store_u32(message + IKE_HEADER_LENGTH_AT, (uint32_t)len);
        rig_inject(b->rig, to, 500, bytes_of(message, len));
        unchanged(b, to, &was);
    }
    assert_true(rig_both_carry(b->rig));
    bench_free(b);
}

/* Our own informational messages, thrown back at us: the hash is the same in both directions. */
static void b12_our_own_messages_reflected(void **state)
{
    (void)state;
    struct bench *b = bench_until(I, 999);
    end(b, I)->connection.dpd_delay_s = end(b, R)->connection.dpd_delay_s = 5;
    b->rig->filter = NULL;
    rig_start(b->rig);
    assert_true(rig_run_until(b->rig, 5 * SECOND, rig_both_carry));
    rig_run(b->rig, 12 * SECOND);
    for (int i = I; i <= R; i++) {
        const struct rig_datagram *last = rig_sent(b->rig, i, 0);
        assert_int_equal(last->data[18], EXCHANGE_INFORMATIONAL);
        struct rig_datagram copy = *last;
        struct snapshot was = snapshot(b, i);
        unsigned sent = end(b, i)->sent;
        rig_inject(b->rig, i, 500, bytes_of(copy.data, copy.len));
        unchanged(b, i, &was);
        assert_int_equal(end(b, i)->sent, sent);
        assert_int_equal(rig_drops(end(b, i), IKE_DROP_REPLAY), 1);
    }
    bench_free(b);
}

/* --- B15, B16: amplification --- */

static void b15_one_spoofed_first_message(void **state)
{
    (void)state;
    struct bench *b = held_at(I, MAIN1);
    b->rig->filter = NULL;
    end(b, I)->connection.remote.bytes[3] = 99; /* the initiator calls nobody any more */
    struct rig_datagram first = b->hold.datagram;
    b->rig->filter = hold_one; /* swallows what the responder answers */
    b->hold = (struct hold){.from = R, .held = true};
    rig_inject(b->rig, R, 500, bytes_of(first.data, first.len));
    assert_int_equal(end(b, R)->sent, 1);
    const struct rig_datagram *answer = rig_sent(b->rig, R, 0);
    assert_true(answer->len <= 3 * first.len);
    rig_run(b->rig, 120 * SECOND);
    assert_int_equal(end(b, R)->sent, 1); /* none by timer */
    assert_int_equal(rig_sas(end(b, R), NULL), 0);
    assert_int_equal(all_events(end(b, R)), 0);
    bench_free(b);
}

/* The n-th request of the initiator a thousand times within ten seconds. */
static void a_thousand_times(unsigned nth)
{
    struct bench *b = held_at(I, nth);
    struct rig_datagram request = b->hold.datagram;
    deliver_right(b);
    const struct rig_datagram *sent = rig_sent(b->rig, R, 0);
    assert_non_null(sent);
    struct rig_datagram answer = *sent;
    unsigned before = end(b, R)->sent;
    struct snapshot was = snapshot(b, R);
    for (unsigned i = 0; i < 1000; i++) {
        b->rig->now_ms += 1;
        unsigned count = end(b, R)->sent;
        rig_inject(b->rig, R, request.path.local.port, bytes_of(request.data, request.len));
        if (end(b, R)->sent != count) {
            const struct rig_datagram *again = rig_sent(b->rig, R, 0);
            assert_int_equal(again->len, answer.len);
            assert_memory_equal(again->data, answer.data, answer.len);
        }
    }
    assert_true(end(b, R)->sent > before);
    assert_true(end(b, R)->sent - before <= 1000 / REPEAT_EVERY + 1);
    assert_true(rig_drops(end(b, R), IKE_DROP_RATE) >= 990);
    unchanged(b, R, &was);
    the_right_one_succeeds(b);
}

static void b16_message_1_a_thousand_times(void **state)
{
    (void)state;
    a_thousand_times(MAIN1);
}

static void b16_message_3_a_thousand_times(void **state)
{
    (void)state;
    a_thousand_times(MAIN3);
}

static void b16_message_5_a_thousand_times(void **state)
{
    (void)state;
    a_thousand_times(MAIN5);
}

static void b16_quick_mode_1_a_thousand_times(void **state)
{
    (void)state;
    a_thousand_times(QUICK1);
}

/* --- B19: a corrupt message, then the right one --- */

/* Every byte behind the header in turn, and the flags, spoiled. The right one must still be welcome. */
static void corrupt_then_right(int from, unsigned nth)
{
    struct bench *b = held_at(from, nth);
    int to = 1 - from;
    struct snapshot was = snapshot(b, to);
    for (size_t at = IKE_HEADER_LEN; at < b->hold.datagram.len; at++) {
        struct rig_datagram spoiled = b->hold.datagram;
        spoiled.data[at] ^= 0x55;
        deliver(b, spoiled.data, spoiled.len);
        struct snapshot now = snapshot(b, to);
        if (now.state != was.state || memcmp(now.iv, was.iv, IV_MAX) != 0)
            fail_msg("byte %zu of %zu was not noticed", at, b->hold.datagram.len);
    }
    for (size_t len = 0; len < b->hold.datagram.len; len += 7)
        deliver(b, b->hold.datagram.data, len);
    struct rig_datagram clear = b->hold.datagram;
    clear.data[19] &= (uint8_t)~FLAG_ENCRYPTION;
    deliver(b, clear.data, clear.len);
    unchanged(b, to, &was);
    the_right_one_succeeds(b);
}

static void b19_corrupt_main_mode_5(void **state)
{
    (void)state;
    corrupt_then_right(I, MAIN5);
}

static void b19_corrupt_main_mode_6(void **state)
{
    (void)state;
    corrupt_then_right(R, MAIN6);
}

static void b19_corrupt_quick_mode_1(void **state)
{
    (void)state;
    corrupt_then_right(I, QUICK1);
}

static void b19_corrupt_quick_mode_2(void **state)
{
    (void)state;
    corrupt_then_right(R, QUICK2);
}

static void b19_corrupt_quick_mode_3(void **state)
{
    (void)state;
    corrupt_then_right(I, QUICK3);
}

/* A late copy of an earlier clear message is no failed authentication: nothing is told to the peer. */
static void b19_late_copies_of_earlier_messages(void **state)
{
    (void)state;
    for (int to = I; to <= R; to++) {
        struct bench *b = held_at(1 - to, to == R ? MAIN5 : MAIN6);
        int from = 1 - to;
        unsigned sent = end(b, to)->sent;
        struct rig_datagram first = *rig_sent(b->rig, from, 2);
        first.data[first.len - 1] ^= 1; /* not even the same one */
        rig_inject(b->rig, to, 500, bytes_of(first.data, first.len));
        assert_int_equal(end(b, to)->sent, sent);
        assert_int_equal(rig_drops(end(b, to), IKE_DROP_AUTHENTICATION), 0);
        assert_string_equal(craft_sa(end(b, to)->ike)->hint, "");
        the_right_one_succeeds(b);
    }
}

/* --- B23, B28, B29: quick mode --- */

static void b23_quick_mode_before_phase_1_is_complete(void **state)
{
    (void)state;
    static const unsigned stops[] = {MAIN3, MAIN5};
    for (size_t s = 0; s < COUNT(stops); s++) {
        struct bench *b = held_at(I, stops[s]);
        const struct ike_sa *sa = craft_sa(end(b, R)->ike);
        uint8_t message[IKE_HEADER_LEN + 64] = {0};
        struct writer w = writer_of(message, sizeof message);
        header_write(&w, &(struct ike_header){.spi_i = sa->spi_i,
                                              .spi_r = sa->spi_r,
                                              .next_payload = PAYLOAD_HASH,
                                              .major = 1,
                                              .exchange = EXCHANGE_QUICK,
                                              .flags = FLAG_ENCRYPTION,
                                              .message_id = 99});
        write_zeros(&w, 64);
        header_finish(&w);
        struct snapshot was = snapshot(b, R);
        rig_inject(b->rig, R, 500, writer_bytes(&w));
        assert_int_equal(rig_drops(end(b, R), IKE_DROP_STATE), 1);
        unchanged(b, R, &was);
        the_right_one_succeeds(b);
    }
}

static void b28_quick_mode_replayed(void **state)
{
    (void)state;
    struct bench *b = established();
    struct rig_datagram quick3 = *rig_sent(b->rig, I, 0), quick1 = *rig_sent(b->rig, I, 1);
    assert_int_equal(quick1.data[18], EXCHANGE_QUICK);
    /* At once, while the exchange lingers, and long after it was forgotten. */
    for (unsigned wait = 0; wait < 3; wait++) {
        size_t children = rig_children(end(b, R));
        uint32_t up = end(b, R)->events[IKE_EVENT_CHILD_UP];
        rig_inject(b->rig, R, 500, bytes_of(quick1.data, quick1.len));
        rig_inject(b->rig, R, 500, bytes_of(quick3.data, quick3.len));
        rig_run(b->rig, 1);
        assert_int_equal(rig_children(end(b, R)), children);
        assert_int_equal(end(b, R)->events[IKE_EVENT_CHILD_UP], up);
        assert_int_equal(end(b, R)->events[IKE_EVENT_CHILD_REKEYED], 0);
        rig_run(b->rig, wait == 0 ? 30 * SECOND : 2 * LINGER);
    }
    assert_true(rig_drops(end(b, R), IKE_DROP_REPLAY) >= 2);
    assert_true(rig_both_carry(b->rig));
    bench_free(b);
}

static void b28_message_id_reused_for_another_offer(void **state)
{
    (void)state;
    struct bench *b = established();
    const struct ike_sa *sa = craft_sa(end(b, I)->ike);
    struct rig_datagram quick1 = *rig_sent(b->rig, I, 1);
    struct craft c;
    uint8_t iv[IV_MAX], message[CRAFT_MAX + 64];
    uint32_t id = load_u32(quick1.data + 20);
    rig_run(b->rig, 2 * LINGER); /* the exchange itself is forgotten, its id is not */
    craft_first_iv(sa, id, iv);
    assert_true(craft_open(sa, iv, bytes_of(quick1.data, quick1.len), &c));
    struct bytes nonce = craft_body(&c, PAYLOAD_NONCE);
    c.text[nonce.data - c.text] ^= 1;
    craft_rehash(sa, (struct bytes){0}, &c);
    craft_first_iv(sa, id, iv);
    size_t len = craft_seal(sa, iv, &c, message);
    rig_inject(b->rig, R, 500, bytes_of(message, len));
    assert_int_equal(rig_children(end(b, R)), 1);
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_REPLAY), 1);
    /* With an id of its own the same offer is an honest one (that its SPI is taken is said with authentication). */
    c.header.message_id = id + 1;
    craft_rehash(sa, (struct bytes){0}, &c);
    craft_first_iv(sa, id + 1, iv);
    len = craft_seal(sa, iv, &c, message);
    unsigned sent = end(b, R)->sent;
    rig_inject(b->rig, R, 500, bytes_of(message, len));
    assert_int_equal(end(b, R)->sent, sent + 1);
    assert_int_equal(rig_children(end(b, R)), 1);
    bench_free(b);
}

/* Message 2 of quick mode, altered by the peer itself and sealed rightly. */
static void altered_answer(void (*alter)(struct craft *c), bool accepted)
{
    struct bench *b = held_at(R, QUICK2);
    const struct ike_sa *sa = craft_sa(end(b, R)->ike);
    struct rig_datagram quick1 = *rig_sent(b->rig, I, 0);
    struct craft offer, answer;
    uint8_t iv[IV_MAX], next[IV_MAX], message[CRAFT_MAX + 64];
    craft_first_iv(sa, load_u32(quick1.data + 20), iv);
    assert_true(craft_open(sa, iv, bytes_of(quick1.data, quick1.len), &offer));
    memcpy(next, iv, sizeof next);
    assert_true(craft_open(sa, next, bytes_of(b->hold.datagram.data, b->hold.datagram.len), &answer));
    b->rig->verbose = true; alter(&answer);
    craft_rehash(sa, craft_body(&offer, PAYLOAD_NONCE), &answer);
    deliver(b, message, craft_seal(sa, iv, &answer, message));
    assert_int_equal(end(b, I)->events[IKE_EVENT_CHILD_UP], accepted ? 1 : 0);
    assert_int_equal(end(b, I)->events[IKE_EVENT_CHILD_FAILED], accepted ? 0 : 1);
    assert_int_equal(rig_children(end(b, I)), accepted ? 1 : 0);
    bench_free(b);
}

static uint8_t *sa_of(struct craft *c)
{
    struct bytes body = craft_body(c, PAYLOAD_SA);
    assert_true(body.len > 0);
    return c->text + (body.data - c->text);
}

static void alter_nothing(struct craft *c)
{
    (void)c;
}

static void alter_transform(struct craft *c)
{
    sa_of(c)[8 + 12 + 5] = 19; /* GCM with an ICV of 12 instead of 16 */
}

/* Finds the short attribute `type` of the answer's transform and gives it another value. */
static void set_attribute(struct craft *c, uint16_t type, uint16_t value)
{
    uint8_t *sa = sa_of(c);
    size_t len = craft_body(c, PAYLOAD_SA).len;
    for (size_t at = 8 + 12 + 8; at + 4 <= len; at += 4)
        if (load_u16(sa + at) == (0x8000 | type)) {
            store_u16(sa + at + 2, value);
            return;
        }
    fail_msg("no attribute %u", type);
}

static void alter_key_length(struct craft *c)
{
    set_attribute(c, 6, 256);
}

static void alter_lifetime(struct craft *c)
{
    set_attribute(c, 2, 3599);
}

static void alter_encapsulation(struct craft *c)
{
    set_attribute(c, 4, 3);
}

static void alter_group(struct craft *c)
{
    set_attribute(c, 3, 19);
}

static void alter_selector(struct craft *c)
{
    struct bytes body = craft_body(c, PAYLOAD_ID);
    c->text[body.data - c->text + 4] ^= 1;
}

static void b29_altered_answers_of_quick_mode(void **state)
{
    (void)state;
    altered_answer(alter_nothing, true);
    altered_answer(alter_transform, false);
    altered_answer(alter_key_length, false);
    altered_answer(alter_lifetime, false);
    altered_answer(alter_encapsulation, false);
    altered_answer(alter_group, false);
    altered_answer(alter_selector, false);
}

/* Message 2 of main mode is not authenticated: a wrong one is dropped, and the right one still taken. */
static void b29_altered_answers_of_main_mode(void **state)
{
    (void)state;
    struct bench *b = held_at(R, MAIN2);
    size_t len;
    uint8_t *sa = body_in(&b->hold.datagram, PAYLOAD_SA, &len);
    unsigned altered = 0;
    for (size_t at = 8 + 8 + 8; at + 4 <= len; at += 4) { /* the attributes, short form */
        struct rig_datagram spoiled = b->hold.datagram;
        uint8_t *attribute = spoiled.data + (sa - b->hold.datagram.data) + at;
        attribute[3] ^= 3;
        deliver(b, spoiled.data, spoiled.len);
        assert_int_equal(craft_sa(end(b, I)->ike)->state, SA_SENT_SA);
        altered++;
    }
    assert_true(altered >= 5);
    the_right_one_succeeds(b);
}

/* --- B45: randomness fails --- */

static void b45_randomness_fails_and_nothing_comes_about(void **state)
{
    (void)state;
    static const struct {
        int from;
        unsigned nth;
    } stops[] = {{I, MAIN1}, {R, MAIN2}, {I, MAIN3}, {R, MAIN6}, {I, QUICK1}};
    for (size_t i = 0; i < COUNT(stops); i++) {
        struct bench *b = held_at(stops[i].from, stops[i].nth);
        struct rig_end *failing = end(b, 1 - stops[i].from);
        failing->fail_random = true;
        uint64_t internal = rig_drops(failing, IKE_DROP_INTERNAL);
        deliver_right(b);
        assert_int_equal(rig_children(failing), 0);
        assert_int_equal(failing->events[IKE_EVENT_CHILD_UP], 0);
        if (stops[i].nth != MAIN6 || stops[i].from != R)
            assert_true(rig_drops(failing, IKE_DROP_INTERNAL) == internal + 1);
        b->rig->filter = NULL;
        rig_run(b->rig, 30 * SECOND);
        assert_int_equal(rig_children(failing), 0);
        bench_free(b);
    }
}

static void b45_randomness_comes_back(void **state)
{
    (void)state;
    struct bench *b = held_at(I, MAIN3);
    end(b, R)->fail_random = true;
    deliver_right(b);
    assert_int_equal(craft_sa(end(b, R)->ike)->state, SA_WAIT_KE);
    end(b, R)->fail_random = false;
    the_right_one_succeeds(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b09_modp_values_0_1_p_minus_1_and_more),
        cmocka_unit_test(b09_points_off_the_curve),
        cmocka_unit_test(b09_low_order_x25519),
        cmocka_unit_test(b09_wrong_size_of_the_key_exchange),
        cmocka_unit_test(b09_a_refused_message_leaves_nat_detection_alone),
        cmocka_unit_test(b11_nonce_under_8_or_over_256),
        cmocka_unit_test(b12_clear_delete_or_notify),
        cmocka_unit_test(b12_delete_with_a_wrong_hash),
        cmocka_unit_test(b12_our_own_messages_reflected),
        cmocka_unit_test(b13_deletes_that_lie_and_deletes_twice),
        cmocka_unit_test(b13_delete_then_notify_in_one_message),
        cmocka_unit_test(b14_probe_without_state_or_half_open),
        cmocka_unit_test(b15_one_spoofed_first_message),
        cmocka_unit_test(b16_message_1_a_thousand_times),
        cmocka_unit_test(b16_message_3_a_thousand_times),
        cmocka_unit_test(b16_message_5_a_thousand_times),
        cmocka_unit_test(b16_quick_mode_1_a_thousand_times),
        cmocka_unit_test(b19_corrupt_main_mode_5),
        cmocka_unit_test(b19_corrupt_main_mode_6),
        cmocka_unit_test(b19_corrupt_quick_mode_1),
        cmocka_unit_test(b19_corrupt_quick_mode_2),
        cmocka_unit_test(b19_corrupt_quick_mode_3),
        cmocka_unit_test(b19_late_copies_of_earlier_messages),
        cmocka_unit_test(b23_quick_mode_before_phase_1_is_complete),
        cmocka_unit_test(b28_quick_mode_replayed),
        cmocka_unit_test(b28_message_id_reused_for_another_offer),
        cmocka_unit_test(b29_altered_answers_of_quick_mode),
        cmocka_unit_test(b29_altered_answers_of_main_mode),
        cmocka_unit_test(b30_unauthenticated_initial_contact),
        cmocka_unit_test(b45_randomness_fails_and_nothing_comes_about),
        cmocka_unit_test(b45_randomness_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
