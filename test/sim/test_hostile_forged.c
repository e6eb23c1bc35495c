/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages 5 and 6 of main mode, and quick mode, changed by a peer that has the keys: what is wrong is refused in words
 * that it can rely on, nothing comes about, and the right message is welcome. bNN names the bad input, hYYYY_N the bug
 * of other daemons that it would have met.
 */
#include <stdio.h>

#include "test/sim/forge.h"
#include "test/sim/spoil.h"

static uint8_t out[CRAFT_MAX + 64];

static struct bench *held_auth(int from)
{
    return held_at(from, from == I ? MAIN5 : MAIN6);
}

/* Message 5 or 6 is refused: one word for the initiator (a clear one: it is not known yet who it is), a hint for us. */
static void auth_is_refused(struct bench *b, change_payloads *change, const void *arg, size_t at)
{
    int to = 1 - b->hold.from;
    struct snapshot was = snapshot(b, to);
    const struct rig_end *e = end(b, to);
    uint64_t refused = rig_drops(e, IKE_DROP_AUTHENTICATION) + rig_drops(e, IKE_DROP_LIMIT), all = all_drops(e);
    unsigned sent = e->sent;
    deliver(b, out, forge_auth(b, change, arg, out));
    if (rig_drops(e, IKE_DROP_AUTHENTICATION) + rig_drops(e, IKE_DROP_LIMIT) != refused + 1 || all_drops(e) != all + 1)
        fail_msg("case %zu from %d was not refused", at, b->hold.from);
    assert_true(end(b, to)->sent <= sent + (to == R));
    unchanged(b, to, &was);
}

/* --- B10, B26: messages 5 and 6 --- */

struct id_row {
    uint8_t head[4];
    size_t len;
    const char *data;
};

static void set_id(struct payloads *p, const void *arg)
{
    static uint8_t body[8192];
    const struct id_row *row = arg;
    memset(body, 'x', sizeof body);
    memcpy(body, row->head, 4);
    if (row->len < 64 && row->len > 4)
        memcpy(body + 4, row->data, row->len - 4);
    payload_in(p, PAYLOAD_ID)->body = bytes_of(body, row->len);
}

/* All of them with a HASH that is right over what stands there. */
static void h2025_9242_b10_identities_of_main_mode(void **state)
{
    (void)state;
    static const struct id_row rows[] = {
        {{0}, 0, ""},
        {{ID_IPV4_ADDR}, 3, ""},
        {{ID_IPV4_ADDR}, 4, ""},
        {{ID_IPV4_ADDR}, 7, "\xc0\0\2"},
        {{ID_IPV4_ADDR}, 9, "\xc0\0\2\1\0"},
        {{ID_IPV4_ADDR, 6}, 8, "\xc0\0\2\1"},
        {{ID_IPV4_ADDR, 17, 0, 80}, 8, "\xc0\0\2\1"},
        {{ID_IPV6_ADDR}, 8, "\xc0\0\2\1"}, /* the type alone is another */
        {{ID_FQDN}, 8, "\xc0\0\2\1"},
        {{ID_KEY_ID}, 8, "\xc0\0\2\1"},
        {{ID_IPV4_ADDR}, 8, "\xc0\0\2\x63"}, /* well made, of another */
        {{ID_FQDN}, 4, ""},
        {{ID_FQDN}, 12, "a\0b.test"},
        {{ID_USER_FQDN}, 12, "a@b\0.test"},
        {{ID_DER_ASN1_DN}, 8, "\x30\x82\xff\xff"},
        {{ID_DER_ASN1_DN}, 6, "\x30\x01"},
        {{ID_DER_ASN1_DN}, 8, "abcd"},
        {{200}, 8, "abcd"},
        {{ID_FQDN}, 4 + 513, ""},
        {{ID_FQDN}, 521, ""},
        {{ID_FQDN}, 8000, ""},
    };
    for (int from = I; from <= R; from++) {
        struct bench *b = held_auth(from);
        for (size_t i = 0; i < COUNT(rows); i++)
            auth_is_refused(b, set_id, &rows[i], i);
        if (from == I)
            assert_int_equal(last_notification(b, R), NOTIFY_INVALID_ID_INFORMATION);
        else
            assert_non_null(strstr(craft_sa(end(b, I)->ike)->hint, "INVALID_ID_INFORMATION"));
        the_right_one_succeeds(b);
    }
}

/* 65,000 bytes do not fit the longest message that is read: the payload ends beyond it. */
static void b10_an_identity_of_65000_bytes(void **state)
{
    (void)state;
    static uint8_t big[65100];
    struct bench *b = held_auth(I);
    struct snapshot was = snapshot(b, R);
    uint64_t limit = rig_drops(end(b, R), IKE_DROP_LIMIT);
    memcpy(big, b->hold.datagram.data, b->hold.datagram.len);
    size_t len = IKE_HEADER_LEN + 65008;
    store_u32(big + IKE_HEADER_LENGTH_AT, (uint32_t)len);
    deliver(b, big, len);
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_LIMIT), limit + 1);
    unchanged(b, R, &was);
    the_right_one_succeeds(b);
}

static void without(struct payloads *p, const void *arg)
{
    const uint8_t *type = arg;
    size_t at = (size_t)(payload_in(p, *type) - p->items);
    memmove(&p->items[at], &p->items[at + 1], (p->count - at - 1) * sizeof p->items[0]);
    p->count--;
}

static void hash_of_length(struct payloads *p, const void *arg)
{
    static uint8_t zeros[64];
    payload_in(p, PAYLOAD_HASH)->body = bytes_of(zeros, *(const size_t *)arg);
}

/* Nobody is authenticated who proves nothing. */
static void b26_main_mode_without_a_proof(void **state)
{
    (void)state;
    static const uint8_t types[] = {PAYLOAD_HASH, PAYLOAD_ID};
    static const size_t lengths[] = {0, 1, 16, 31, 33, 64};
    for (int from = I; from <= R; from++) {
        struct bench *b = held_auth(from);
        for (size_t i = 0; i < COUNT(types); i++)
            auth_is_refused(b, without, &types[i], i);
        for (size_t i = 0; i < COUNT(lengths); i++)
            auth_is_refused(b, hash_of_length, &lengths[i], 10 + i);
        the_right_one_succeeds(b);
    }
}

/* --- quick mode: an authenticated "no" --- */

static struct rig_datagram offer_of(struct bench *b)
{
    return *rig_sent(b->rig, I, 0);
}

/* Message 1 is refused with this notification, and no SA comes of it. */
static void offer_is_refused(change_payloads *change, const void *arg, unsigned notification, size_t at)
{
    struct bench *b = held_at(I, QUICK1);
    unsigned sent = end(b, R)->sent;
    deliver(b, out, forge_quick(b, NULL, change, arg, out));
    if (end(b, R)->sent != sent + 1)
        fail_msg("case %zu: %u answers", at, end(b, R)->sent - sent);
    if (!(rig_sent(b->rig, R, 0)->data[19] & FLAG_ENCRYPTION) || last_notification(b, R) != notification)
        fail_msg("case %zu: answered with %u", at, last_notification(b, R));
    assert_int_equal(rig_children(end(b, R)), 0);
    assert_int_equal(end(b, R)->events[IKE_EVENT_CHILD_UP], 0);
    bench_free(b);
}

/* Message 2 makes the initiator give up, and seal on nothing. */
static void answer_is_refused(change_payloads *change, const void *arg, size_t at)
{
    struct bench *b = held_at(R, QUICK2);
    struct rig_datagram offer = offer_of(b);
    deliver(b, out, forge_quick(b, &offer, change, arg, out));
    if (end(b, I)->events[IKE_EVENT_CHILD_FAILED] != 1 || rig_children(end(b, I)) != 0)
        fail_msg("case %zu: taken", at);
    assert_int_equal(end(b, I)->events[IKE_EVENT_CHILD_UP], 0);
    bench_free(b);
}

struct sa_change {
    int transform; /* its new id; -1: stays */
    uint16_t type; /* of the attribute that changes; 0: none */
    uint16_t value;
};

/* In every proposal and transform (all attributes of ours are short ones). */
static void change_sa(struct payloads *p, const void *arg)
{
    static uint8_t body[4096];
    const struct sa_change *change = arg;
    struct payload *sa = payload_in(p, PAYLOAD_SA);
    memcpy(body, sa->body.data, sa->body.len);
    for (size_t proposal = 8; proposal + 12 <= sa->body.len; proposal += load_u16(body + proposal + 2))
        for (size_t at = proposal + 12; at < proposal + load_u16(body + proposal + 2); at += load_u16(body + at + 2)) {
            if (change->transform >= 0)
                body[at + 5] = (uint8_t)change->transform;
            for (size_t k = at + 8; k + 4 <= at + load_u16(body + at + 2); k += 4)
                if (change->type != 0 && load_u16(body + k) == (0x8000 | change->type))
                    store_u16(body + k + 2, change->value);
        }
    sa->body.data = body;
}

/* RFC 2407 4.4.4, 4.5: GMAC is no encryption; RFC 4543 4 gave it a number of its own. */
static void h2024_3652_b08_offers_of_quick_mode_that_are_refused(void **state)
{
    (void)state;
    enum { GROUP = 3, ENCAPSULATION = 4, INTEGRITY = 5, KEY_LENGTH = 6 };
    static const struct sa_change rows[] = {
        {23, 0, 0}, /* GMAC */
        {0, 0, 0},
        {1, 0, 0}, /* DES with an IV of 64 bits */
        {2, 0, 0},
        {11, 0, 0}, /* NULL */
        {255, 0, 0},
        {-1, KEY_LENGTH, 0},
        {-1, KEY_LENGTH, 7},
        {-1, KEY_LENGTH, 129},
        {-1, KEY_LENGTH, 65535},
        {-1, GROUP, 0},
        {-1, GROUP, 1},
        {-1, GROUP, 1025},
        {-1, GROUP, 65535},
        {-1, ENCAPSULATION, 0},
        {-1, ENCAPSULATION, 2}, /* transport mode */
        {-1, ENCAPSULATION, 65535},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        offer_is_refused(change_sa, &rows[i], NOTIFY_NO_PROPOSAL_CHOSEN, i);
        answer_is_refused(change_sa, &rows[i], i);
    }
    /* The other way round: the answer authenticates only, where encryption was asked for. */
    static const struct sa_change gmac_of_another_key = {23, KEY_LENGTH, 256};
    answer_is_refused(change_sa, &gmac_of_another_key, 100);
}

struct body_row {
    uint8_t type;
    size_t len;
    const uint8_t *data; /* NULL: of one kind of byte */
    uint8_t fill;
};

static void set_body(struct payloads *p, const void *arg)
{
    static uint8_t body[4096];
    const struct body_row *row = arg;
    memset(body, row->fill, sizeof body);
    if (row->data != NULL)
        memcpy(body, row->data, row->len);
    payload_in(p, row->type)->body = bytes_of(body, row->len);
}

/* An x25519 value that is none, also one that is far too long. */
static void h2015_3240_h2023_41913_b09_key_exchanges_of_quick_mode(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 31, 33, 64, 1024, 4000};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        const struct body_row row = {.type = PAYLOAD_KE, .len = sizes[i], .fill = 9};
        offer_is_refused(set_body, &row, NOTIFY_INVALID_KEY_INFORMATION, i);
        answer_is_refused(set_body, &row, i);
    }
    for (size_t i = 0; i < COUNT(low_order); i++) {
        const struct body_row row = {.type = PAYLOAD_KE, .len = 32, .data = low_order[i]};
        offer_is_refused(set_body, &row, NOTIFY_INVALID_KEY_INFORMATION, 10 + i);
        answer_is_refused(set_body, &row, 10 + i);
    }
    static const uint8_t ke = PAYLOAD_KE;
    offer_is_refused(without, &ke, NOTIFY_INVALID_KEY_INFORMATION, 100);
    answer_is_refused(without, &ke, 100);
}

static void b11_nonces_of_quick_mode(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 7, 257, 1000};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        const struct body_row row = {.type = PAYLOAD_NONCE, .len = sizes[i], .fill = 3};
        offer_is_refused(set_body, &row, NOTIFY_PAYLOAD_MALFORMED, i);
        answer_is_refused(set_body, &row, i);
    }
}

/* RFC 2407 4.6.2.1 */
enum { SUBNET4 = 4, SUBNET6 = 6, RANGE4 = 7 };

static void h2023_38711_b10_identities_of_quick_mode(void **state)
{
    (void)state;
    static const struct id_row rows[] = {
        {{0}, 0, ""},
        {{SUBNET4}, 3, ""},
        {{SUBNET4}, 4, ""},
        {{SUBNET4}, 8, "\x0a\1\0\0"},
        {{SUBNET4}, 11, "\x0a\1\0\0\xff\xff\xff"},
        {{SUBNET4}, 13, "\x0a\1\0\0\xff\xff\xff\0"},
        {{SUBNET4}, 12, "\x0a\1\0\0\xff\0\xff\0"}, /* a mask with a hole */
        {{SUBNET6}, 12, "\x0a\1\0\0\xff\xff\xff\0"},
        {{RANGE4}, 12, "\x0a\1\0\xff\x0a\1\0\0"}, /* backwards */
        {{ID_FQDN}, 12, "lan.test"},
        {{ID_KEY_ID}, 8, "abcd"},
        {{ID_FQDN}, 521, ""},
        {{SUBNET4}, 4000, ""},
        {{SUBNET4}, 12, "\x0a\x63\0\0\xff\xff\xff\0"}, /* sound, but no rule covers it */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        offer_is_refused(set_id, &rows[i], NOTIFY_INVALID_ID_INFORMATION, i);
        answer_is_refused(set_id, &rows[i], i);
    }
}

/* --- B43: what a peer writes is text for a log, never more --- */

struct ears {
    unsigned lines;
};

static void listen(void *arg, enum log_level level, const char *line)
{
    struct ears *ears = arg;
    (void)level;
    ears->lines++;
    for (const char *c = line; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
            fail_msg("byte 0x%02x in a log line: %s", (unsigned char)*c, line);
}

static struct ears ears;

static void listen_to(struct bench *b)
{
    ears = (struct ears){0};
    for (int i = I; i <= R; i++)
        end(b, i)->log = (struct log){.level = LOG_DEBUG, .sink = listen, .arg = &ears};
}

#define NASTY "a\x1b[2J\n$(reboot)`id`;'\"\\\r\x7f\xff|x"

static void h2023_28771_b43_identities_with_escape_codes(void **state)
{
    (void)state;
    static const uint8_t types[] = {ID_FQDN, ID_USER_FQDN, ID_KEY_ID, ID_DER_ASN1_DN};
    for (int from = I; from <= R; from++) {
        struct bench *b = held_auth(from);
        listen_to(b);
        for (size_t i = 0; i < COUNT(types); i++) {
            const struct id_row row = {{types[i]}, 4 + sizeof NASTY - 1, NASTY};
            auth_is_refused(b, set_id, &row, i);
        }
        assert_true(ears.lines > 0);
        the_right_one_succeeds(b);
    }
}

/* Text behind a notification is not even looked at; its number is all that is said. */
static void h2023_28771_b43_notifications_with_escape_codes(void **state)
{
    (void)state;
    static const uint16_t types[] = {1,
                                     NOTIFY_INVALID_ID_INFORMATION,
                                     NOTIFY_NO_PROPOSAL_CHOSEN,
                                     31,
                                     8191,
                                     8192,
                                     24576,
                                     NOTIFY_RESPONDER_LIFETIME,
                                     32768,
                                     40960,
                                     65535};
    struct bench *b = established();
    listen_to(b);
    uint8_t body[128], message[CRAFT_MAX + 64];
    uint32_t id = 0x4300;
    for (int to = I; to <= R; to++)
        for (size_t i = 0; i < COUNT(types); i++) {
            struct writer w = writer_of(body, sizeof body);
            v1_notify_write(&w, &(struct v1_notify){.type = types[i],
                                                    .protocol = 3,
                                                    .spi = bytes_of("\x1b[2J", 4),
                                                    .data = bytes_of(NASTY, sizeof NASTY - 1)});
            size_t len = craft_phase2(craft_sa(end(b, to)->ike), EXCHANGE_INFORMATIONAL, id++, PAYLOAD_NOTIFY,
                                      writer_bytes(&w), message);
            rig_inject(b->rig, to, 500, bytes_of(message, len));
        }
    assert_true(ears.lines > 0);
    assert_true(rig_both_carry(b->rig));
    bench_free(b);
}

/* Banner and domain of a concentrator; DNS is an address and nothing else. */
static void b43_a_banner_and_a_domain_with_escape_codes(void **state)
{
    (void)state;
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->rig = rig_new(42);
    rig_use_access(b->rig);
    listen_to(b);
    struct access *server = end(b, R)->connection.access;
    snprintf(server->banner, sizeof server->banner, "%s", NASTY);
    snprintf(server->domain, sizeof server->domain, "%s", NASTY);
    rig_start(b->rig);
    rig_run(b->rig, 5 * SECOND);
    assert_true(ears.lines > 0);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(h2025_9242_b10_identities_of_main_mode),
        cmocka_unit_test(b10_an_identity_of_65000_bytes),
        cmocka_unit_test(b26_main_mode_without_a_proof),
        cmocka_unit_test(h2024_3652_b08_offers_of_quick_mode_that_are_refused),
        cmocka_unit_test(h2015_3240_h2023_41913_b09_key_exchanges_of_quick_mode),
        cmocka_unit_test(b11_nonces_of_quick_mode),
        cmocka_unit_test(h2023_38711_b10_identities_of_quick_mode),
        cmocka_unit_test(h2023_28771_b43_identities_with_escape_codes),
        cmocka_unit_test(h2023_28771_b43_notifications_with_escape_codes),
        cmocka_unit_test(b43_a_banner_and_a_domain_with_escape_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
