/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile input between phase 1 and phase 2: peers that have the key of the group and mean harm, and strangers on the
 * path. As elsewhere the right message must still be welcome afterwards, where there is one.
 */
#include <stdio.h>

#include "ike/v1_attr.h"
#include "test/sim/bench.h"

/* Which datagrams of a login are which, counted per sender. */
enum { LOGIN = 3, ACK, ASK, QUICK_1 /* client */, QUESTION = 3, STATUS, GIVEN, QUICK_2 /* server */ };

static struct bench *access_until(int from, unsigned nth)
{
    struct bench *b = bench_until(from, nth);
    rig_use_access(b->rig);
    return b;
}

static struct bench *access_held_at(int from, unsigned nth)
{
    struct bench *b = access_until(from, nth);
    bench_go(b);
    return b;
}

static struct bench *logged_in(void)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->rig = rig_new(42);
    rig_use_access(b->rig);
    rig_start(b->rig);
    assert_true(rig_run_until(b->rig, 5 * SECOND, rig_both_carry));
    return b;
}

static const struct ike_sa *sa_of(struct bench *b, int i)
{
    return craft_sa(end(b, i)->ike);
}

/* A transaction message of the other end to `to`, with these attributes behind the head. */
static void inject_attrs(struct bench *b, int to, uint32_t id, enum v1_attr_kind kind, struct bytes attrs)
{
    uint8_t body[CRAFT_MAX], message[CRAFT_MAX + 64];
    struct writer w = writer_of(body, sizeof body);
    v1_attrs_begin(&w, kind, 7);
    write_bytes(&w, attrs.data, attrs.len);
    assert_false(w.failed);
    size_t len = craft_phase2(sa_of(b, to), EXCHANGE_TRANSACTION, id, PAYLOAD_ATTR, writer_bytes(&w), message);
    rig_inject(b->rig, to, 500, bytes_of(message, len));
}

static const uint8_t an_ip4_address[] = {0, ATTR_IP4_ADDRESS, 0, 4, 10, 1, 0, 9};
static const uint8_t no_ip4_address[] = {0, ATTR_IP4_ADDRESS, 0, 0};

/* The held message, opened; iv: with which it is sealed. It is the second of an exchange that `first` began. */
static void open_held(struct bench *b, const struct rig_datagram *first, uint8_t iv[IV_MAX], struct craft *c)
{
    const struct ike_sa *sa = sa_of(b, b->hold.from);
    struct craft before;
    uint8_t next[IV_MAX];
    craft_first_iv(sa, load_u32(b->hold.datagram.data + 20), iv);
    if (first != NULL)
        assert_true(craft_open(sa, iv, bytes_of(first->data, first->len), &before));
    memcpy(next, iv, sizeof next);
    assert_true(craft_open(sa, next, bytes_of(b->hold.datagram.data, b->hold.datagram.len), c));
}

static void deliver_crafted(struct bench *b, const uint8_t iv[IV_MAX], struct craft *c)
{
    uint8_t message[CRAFT_MAX + 64], copy[IV_MAX];
    const struct ike_sa *sa = sa_of(b, b->hold.from);
    memcpy(copy, iv, sizeof copy);
    craft_rehash(sa, (struct bytes){0}, c);
    deliver(b, message, craft_seal(sa, copy, c, message));
}

/* Puts other attributes into an opened message: HASH stays the first payload, ATTR the second and last. */
static void set_attrs(const struct ike_sa *sa, struct craft *c, enum v1_attr_kind kind, struct bytes attrs)
{
    size_t at = PAYLOAD_HEADER + v1_hash_len(&sa->keys);
    struct writer w = writer_of(c->text + at, sizeof c->text - at);
    uint8_t body[CRAFT_MAX];
    struct writer inner = writer_of(body, sizeof body);
    v1_attrs_begin(&inner, kind, 7);
    write_bytes(&inner, attrs.data, attrs.len);
    write_u8(&w, PAYLOAD_NONE);
    write_u8(&w, 0);
    write_u16(&w, (uint16_t)(PAYLOAD_HEADER + inner.len));
    write_bytes(&w, body, inner.len);
    assert_false(w.failed || inner.failed);
    c->len = at + w.len;
}

/* --- before the login --- */

static void b23_quick_mode_before_xauth(void **state)
{
    (void)state;
    struct bench *b = access_held_at(I, LOGIN);
    struct snapshot was = snapshot(b, R);
    uint8_t message[CRAFT_MAX + 64], body[64] = {0};
    size_t len = craft_phase2(sa_of(b, R), EXCHANGE_QUICK, 99, PAYLOAD_SA, bytes_of(body, sizeof body), message);
    rig_inject(b->rig, R, 500, bytes_of(message, len));
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_STATE), 1);
    unchanged(b, R, &was);
    the_right_one_succeeds(b);
}

static void an_address_before_xauth(void **state)
{
    (void)state;
    struct bench *b = access_held_at(I, LOGIN);
    struct snapshot was = snapshot(b, R);
    unsigned sent = end(b, R)->sent;
    inject_attrs(b, R, 99, ATTR_REQUEST, bytes_of(no_ip4_address, sizeof no_ip4_address));
    inject_attrs(b, R, 98, ATTR_SET, bytes_of(an_ip4_address, sizeof an_ip4_address));
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_STATE), 2);
    assert_int_equal(end(b, R)->sent, sent);
    unchanged(b, R, &was);
    the_right_one_succeeds(b);
}

static void a_login_that_was_changed_on_the_way(void **state)
{
    (void)state;
    struct bench *b = access_held_at(I, LOGIN);
    struct snapshot was = snapshot(b, R);
    for (size_t i = IKE_HEADER_LEN; i < b->hold.datagram.len; i++) {
        struct rig_datagram changed = b->hold.datagram;
        changed.data[i] ^= 0x10;
        deliver(b, changed.data, changed.len);
        unchanged(b, R, &was);
    }
    assert_int_equal(end(b, R)->logins, 0);
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_AUTHENTICATION), b->hold.datagram.len - IKE_HEADER_LEN);
    the_right_one_succeeds(b);
}

static void a_login_under_another_message_id(void **state)
{
    (void)state;
    struct bench *b = access_held_at(I, LOGIN);
    struct rig_datagram question = *rig_sent(b->rig, R, 0);
    struct snapshot was = snapshot(b, R);
    struct craft c;
    uint8_t iv[IV_MAX];
    open_held(b, &question, iv, &c);
    c.header.message_id++;
    craft_first_iv(sa_of(b, I), c.header.message_id, iv);
    deliver_crafted(b, iv, &c);
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_STATE), 1);
    assert_int_equal(end(b, R)->logins, 0);
    unchanged(b, R, &was);
    the_right_one_succeeds(b);
}

static void attributes_cut_short(void **state)
{
    (void)state;
    struct bench *b = access_held_at(I, LOGIN);
    struct rig_datagram question = *rig_sent(b->rig, R, 0);
    struct snapshot was = snapshot(b, R);
    struct craft c;
    uint8_t iv[IV_MAX];
    static const uint8_t bad[] = {0x40, 0x89, 0, 9, 'a'};
    for (size_t len = 1; len <= sizeof bad; len++) {
        open_held(b, &question, iv, &c);
        set_attrs(sa_of(b, I), &c, ATTR_REPLY, bytes_of(bad, len));
        deliver_crafted(b, iv, &c);
        unchanged(b, R, &was);
    }
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_MALFORMED), sizeof bad);
    assert_int_equal(end(b, R)->logins, 0);
    the_right_one_succeeds(b);
}

static void more_attributes_than_we_take(void **state)
{
    (void)state;
    struct bench *b = access_held_at(I, LOGIN);
    struct rig_datagram question = *rig_sent(b->rig, R, 0);
    struct craft c;
    uint8_t iv[IV_MAX], many[(ATTRS_MAX + 1) * 4] = {0};
    for (size_t i = 0; i <= ATTRS_MAX; i++)
        many[4 * i] = 0x80;
    open_held(b, &question, iv, &c);
    set_attrs(sa_of(b, I), &c, ATTR_REPLY, bytes_of(many, sizeof many));
    deliver_crafted(b, iv, &c);
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_LIMIT), 1);
    assert_int_equal(end(b, R)->logins, 0);
    the_right_one_succeeds(b);
}

/* --- the login itself --- */

static void a_second_answer_is_not_looked_at(void **state)
{
    (void)state;
    struct bench *b = access_until(I, LOGIN);
    end(b, R)->login_takes_ms = 3 * SECOND;
    bench_go(b);
    struct rig_datagram question = *rig_sent(b->rig, R, 0);
    struct craft c;
    uint8_t iv[IV_MAX];
    open_held(b, &question, iv, &c);
    deliver_right(b);
    assert_int_equal(end(b, R)->logins, 1);
    deliver_crafted(b, iv, &c); /* the same once more, and then another one */
    c.text[c.len - 1] ^= 1;
    deliver_crafted(b, iv, &c);
    assert_int_equal(end(b, R)->logins, 1);
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_REPLAY), 2);
    b->rig->filter = NULL;
    assert_true(rig_run_until(b->rig, 10 * SECOND, rig_both_carry));
    assert_int_equal(end(b, R)->logins, 1);
    bench_free(b);
}

/* B44: the answer comes when nobody waits for it any more. */
static void b44_the_client_is_gone_while_its_password_is_checked(void **state)
{
    (void)state;
    struct bench *b = access_until(I, QUICK_2);
    b->rig->filter = NULL;
    end(b, R)->login_takes_ms = 3 * SECOND;
    rig_start(b->rig);
    rig_run(b->rig, SECOND);
    assert_int_equal(end(b, R)->logins, 1);
    ike_shutdown(end(b, I)->ike, b->rig->now_ms);
    rig_run(b->rig, SECOND);
    assert_int_equal(rig_sas(end(b, R), NULL), 0);
    rig_run(b->rig, 10 * SECOND);
    assert_int_equal(rig_sas(end(b, R), NULL), 0);
    assert_int_equal(end(b, R)->events[IKE_EVENT_PHASE1_UP], 0);
    bench_free(b);
}

static void a_verdict_that_nobody_waits_for(void **state)
{
    (void)state;
    struct bench *b = access_held_at(I, LOGIN);
    struct snapshot was = snapshot(b, R);
    ike_xauth_answer(end(b, R)->ike, b->rig->now_ms, sa_of(b, R)->own_spi, true);
    ike_xauth_answer(end(b, R)->ike, b->rig->now_ms, sa_of(b, R)->own_spi + 1, true);
    unchanged(b, R, &was);
    assert_int_equal(end(b, R)->events[IKE_EVENT_PHASE1_UP], 0);
    the_right_one_succeeds(b);
}

static void password_is(struct bench *b, const char *text)
{
    struct secret *password = &end(b, I)->connection.access->password;
    secret_free(password);
    assert_int_equal(secret_copy(b->rig->vault, text, strlen(text), password), OK);
}

static void passwords_are_not_tried_as_fast_as_one_likes(void **state)
{
    (void)state;
    const char *why;
    struct bench *b = access_until(I, 1000);
    end(b, I)->connection.start = START_TRAP;
    password_is(b, "guess");
    rig_start(b->rig);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(ike_up(end(b, I)->ike, b->rig->now_ms, 0, &why), OK);
        rig_run(b->rig, 500);
    }
    assert_in_range(end(b, R)->logins, LOGIN_USER_BURST, LOGIN_USER_BURST + 4); /* 25 s: two or three more */
    unsigned tried = end(b, R)->logins;
    password_is(b, rig_password); /* held back is held back, also with the right one */
    assert_int_equal(ike_up(end(b, I)->ike, b->rig->now_ms, 0, &why), OK);
    rig_run(b->rig, 500);
    assert_int_equal(end(b, R)->logins, tried);
    rig_run(b->rig, 60 * SECOND);
    assert_int_equal(ike_up(end(b, I)->ike, b->rig->now_ms, 0, &why), OK);
    assert_true(rig_run_until(b->rig, 5 * SECOND, rig_both_carry));
    bench_free(b);
}

static int group_named(void *arg, const char *name)
{
    (void)arg;
    return name[5] - '0';
}

/* Two connections of client and server, told apart by the name of the group; both clients call themselves alike. */
static struct bench *two_groups(struct connection client[2], struct connection server[2], struct access access[2])
{
    struct bench *b = access_until(I, 1000);
    char why[256];
    for (size_t i = 0; i < 2; i++) {
        const char *const group = i == 0 ? "group0" : "group1";
        client[i] = end(b, I)->connection;
        server[i] = end(b, R)->connection;
        access[i] = *client[i].access;
        client[i].access = &access[i];
        client[i].mode = server[i].mode = MODE_AGGRESSIVE;
        client[i].start = START_TRAP;
        snprintf(client[i].name, sizeof client[i].name, "%s", group);
        snprintf(server[i].name, sizeof server[i].name, "%s", group);
        assert_int_equal(identity_parse(group, &client[i].local_id), OK);
        server[i].remote_id = client[i].local_id;
    }
    spd_free(&end(b, I)->spd);
    assert_int_equal(spd_add(&end(b, I)->spd, ACTION_PROTECT, "0.0.0.0/0 -> 10.2.0.0/24 via group0", 1, group_named,
                             NULL, why, sizeof why),
                     OK);
    assert_int_equal(spd_add(&end(b, I)->spd, ACTION_PROTECT, "0.0.0.0/0 -> 10.2.1.0/24 via group1", 2, group_named,
                             NULL, why, sizeof why),
                     OK);
    end(b, I)->several = client;
    end(b, R)->several = server;
    end(b, I)->several_count = end(b, R)->several_count = 2;
    return b;
}

/* The login of a namesake elsewhere gives no tries back, and his mistakes take none away. */
static void who_has_the_same_name_elsewhere_is_another(void **state)
{
    (void)state;
    const char *why;
    struct connection client[2], server[2];
    struct access access[2];
    struct bench *b = two_groups(client, server, access);
    unsigned right = 0;
    assert_int_equal(secret_copy(b->rig->vault, "guess", 5, &access[0].password), OK);
    rig_start(b->rig);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(ike_up(end(b, I)->ike, b->rig->now_ms, 0, &why), OK);
        rig_run(b->rig, 100);
        assert_int_equal(ike_up(end(b, I)->ike, b->rig->now_ms, 1, &why), OK);
        rig_run(b->rig, 200);
        assert_int_equal(end(b, I)->events[IKE_EVENT_PHASE1_UP], ++right);
        assert_int_equal(ike_down(end(b, I)->ike, b->rig->now_ms, 1, &why), OK);
        rig_run(b->rig, 100);
    }
    assert_in_range(end(b, R)->logins - right, LOGIN_USER_BURST, LOGIN_USER_BURST + 1);
    secret_free(&access[0].password);
    bench_free(b);
}

/* Whoever has only the key of the group ends nothing of a user who is there. */
static void a_failed_login_ends_nothing(void **state)
{
    (void)state;
    struct bench *b = access_until(I, 1000);
    b->rig->filter = NULL;
    for (int i = 0; i < RIG_ENDS; i++)
        end(b, i)->connection.ike_lifetime_s = 300;
    rig_start(b->rig);
    assert_true(rig_run_until(b->rig, 5 * SECOND, rig_both_carry));
    password_is(b, "guess");
    rig_run(b->rig, 280 * SECOND); /* phase 1 has been renewed by now, or would have been */
    assert_true(end(b, R)->logins > 1);
    assert_int_equal(end(b, R)->events[IKE_EVENT_PHASE1_UP], 1);
    assert_int_equal(rig_sas(end(b, R), "established"), 1);
    assert_true(rig_both_carry(b->rig));
    bench_free(b);
}

/* --- after the login --- */

static void a_client_neither_sets_nor_asks_what_is_the_servers(void **state)
{
    (void)state;
    struct bench *b = logged_in();
    static const uint8_t password[] = {0x40, 0x89, 0, 0, 0x40, 0x8a, 0, 0};
    unsigned sent = end(b, R)->sent;
    struct snapshot was = snapshot(b, R);
    inject_attrs(b, R, 99, ATTR_SET, bytes_of(an_ip4_address, sizeof an_ip4_address));
    inject_attrs(b, R, 98, ATTR_REQUEST, bytes_of(password, sizeof password));
    inject_attrs(b, R, 97, ATTR_REPLY, bytes_of(an_ip4_address, sizeof an_ip4_address));
    inject_attrs(b, R, 96, ATTR_ACK, (struct bytes){0});
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_STATE), 4);
    assert_int_equal(end(b, R)->sent, sent);
    unchanged(b, R, &was);
    assert_true(rig_both_carry(b->rig));
    bench_free(b);
}

static void asked_a_thousand_times_it_is_one_lease_and_bounded(void **state)
{
    (void)state;
    struct bench *b = logged_in();
    for (uint32_t id = 1; id <= 1000; id++)
        inject_attrs(b, R, id, ATTR_REQUEST, bytes_of(no_ip4_address, sizeof no_ip4_address));
    inject_attrs(b, R, 1000, ATTR_REQUEST, bytes_of(no_ip4_address, sizeof no_ip4_address)); /* a repeat */
    assert_int_equal(sa_of(b, R)->peer->net->address[FAMILY_IPV4].bytes[3], 1);
    inject_attrs(b, R, 5, ATTR_REQUEST, bytes_of(no_ip4_address, sizeof no_ip4_address)); /* long forgotten */
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_REPLAY), 1);
    assert_true(rig_both_carry(b->rig));
    bench_free(b);
}

/* The answer of the server with another address in it makes an honest engine ask for what it has not been given. */
static void a_client_may_use_its_own_address_alone(void **state)
{
    (void)state;
    struct bench *b = access_held_at(R, GIVEN);
    struct rig_datagram ask = *rig_sent(b->rig, I, 0);
    struct craft c;
    uint8_t iv[IV_MAX];
    open_held(b, &ask, iv, &c);
    set_attrs(sa_of(b, R), &c, ATTR_REPLY, bytes_of(an_ip4_address, sizeof an_ip4_address));
    b->rig->filter = NULL;
    deliver_crafted(b, iv, &c);
    rig_run(b->rig, SECOND);
    assert_int_equal(end(b, I)->net.address[FAMILY_IPV4].bytes[3], 9);
    assert_int_equal(rig_children(end(b, R)), 0);
    assert_int_equal(end(b, I)->events[IKE_EVENT_CHILD_FAILED], 1);
    assert_non_null(strstr(end(b, I)->why, "INVALID_ID_INFORMATION"));
    bench_free(b);
}

/* Who shares the name of the group is told apart by the user. */
static void a_peer_has_the_name_of_its_user(void **state)
{
    (void)state;
    struct bench *b = logged_in();
    const struct identity *id = &sa_of(b, R)->peer->id;
    assert_int_equal(id->len, strlen(rig_user));
    assert_memory_equal(id->data, rig_user, id->len);
    bench_free(b);
}

/* --- a hostile concentrator --- */

static void addresses_that_nobody_can_have(void **state)
{
    (void)state;
    static const uint8_t bad[][8] = {{0, 1, 0, 4, 127, 0, 0, 1},       {0, 1, 0, 4, 224, 0, 0, 1},
                                     {0, 1, 0, 4, 255, 255, 255, 255}, {0, 1, 0, 4, 0, 0, 0, 0},
                                     {0, 1, 0, 0, 0, 2, 0, 0},         {0, 3, 0, 4, 127, 0, 0, 1}};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct bench *b = access_held_at(R, GIVEN);
        struct rig_datagram ask = *rig_sent(b->rig, I, 0);
        struct craft c;
        uint8_t iv[IV_MAX];
        open_held(b, &ask, iv, &c);
        set_attrs(sa_of(b, R), &c, ATTR_REPLY, bytes_of(bad[i], sizeof bad[i]));
        deliver_crafted(b, iv, &c);
        assert_int_equal(end(b, I)->events[IKE_EVENT_PHASE1_FAILED], 1);
        assert_int_equal(end(b, I)->net_ups, 0);
        assert_int_equal(rig_sas(end(b, I), NULL), 0);
        bench_free(b);
    }
}

static void what_is_more_than_a_password_is_refused_with_a_word(void **state)
{
    (void)state;
    static const struct {
        uint8_t attrs[12];
        const char *word;
    } rows[] = {
        {{0xc0, 0x88, 0, 2, 0x40, 0x89, 0, 0, 0x40, 0x8a, 0, 0}, "OTP"},
        {{0xc0, 0x88, 0, 1, 0x40, 0x89, 0, 0, 0x40, 0x8a, 0, 0}, "RADIUS-CHAP"},
        {{0xc0, 0x88, 0, 9, 0x40, 0x89, 0, 0, 0x40, 0x8a, 0, 0}, "type 9"},
        {{0x40, 0x8b, 0, 0, 0x40, 0x89, 0, 0, 0x40, 0x8a, 0, 0}, "passcode"},
        {{0x40, 0x90, 0, 0, 0x40, 0x89, 0, 0, 0x40, 0x8a, 0, 0}, "PIN"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bench *b = access_held_at(R, QUESTION);
        struct craft c;
        uint8_t iv[IV_MAX];
        open_held(b, NULL, iv, &c);
        set_attrs(sa_of(b, R), &c, ATTR_REQUEST, bytes_of(rows[i].attrs, sizeof rows[i].attrs));
        deliver_crafted(b, iv, &c);
        assert_int_equal(end(b, I)->events[IKE_EVENT_PHASE1_FAILED], 1);
        if (strstr(end(b, I)->why, rows[i].word) == NULL)
            fail_msg("'%s' does not say %s", end(b, I)->why, rows[i].word);
        bench_free(b);
    }
}

static void the_password_is_sent_once(void **state)
{
    (void)state;
    static const uint8_t again[] = {0x40, 0x8a, 0, 0};
    struct bench *b = access_held_at(I, LOGIN);
    unsigned sent = end(b, I)->sent;
    inject_attrs(b, I, 99, ATTR_REQUEST, bytes_of(again, sizeof again));
    assert_int_equal(end(b, I)->events[IKE_EVENT_PHASE1_FAILED], 1);
    assert_non_null(strstr(end(b, I)->why, "AUTHENTICATION_FAILED"));
    assert_int_equal(end(b, I)->sent, sent + 2); /* "no", and a delete */
    bench_free(b);
}

static void an_address_before_the_client_has_logged_in(void **state)
{
    (void)state;
    struct bench *b = access_held_at(R, QUESTION);
    struct snapshot was = snapshot(b, I);
    inject_attrs(b, I, 99, ATTR_SET, bytes_of(an_ip4_address, sizeof an_ip4_address));
    inject_attrs(b, I, 98, ATTR_REQUEST, (struct bytes){0});
    assert_int_equal(rig_drops(end(b, I), IKE_DROP_STATE), 2);
    assert_int_equal(end(b, I)->net_ups, 0);
    unchanged(b, I, &was);
    the_right_one_succeeds(b);
}

/* An answer to what was not asked is none, whatever it gives. */
static void answers_without_a_question(void **state)
{
    (void)state;
    struct bench *b = access_held_at(R, GIVEN);
    struct snapshot was = snapshot(b, I);
    inject_attrs(b, I, 99, ATTR_REPLY, bytes_of(an_ip4_address, sizeof an_ip4_address));
    inject_attrs(b, I, 98, ATTR_ACK, bytes_of(an_ip4_address, sizeof an_ip4_address));
    assert_int_equal(rig_drops(end(b, I), IKE_DROP_STATE), 2);
    assert_int_equal(end(b, I)->net_ups, 0);
    unchanged(b, I, &was);
    the_right_one_succeeds(b);
}

/* A stranger's clear "no" is no more than it was in phase 1: here it is nothing. */
static void a_clear_notification_while_we_log_in(void **state)
{
    (void)state;
    struct bench *b = access_held_at(R, QUESTION);
    const struct ike_sa *sa = sa_of(b, I);
    uint8_t message[128] = {0};
    struct writer w = writer_of(message, sizeof message);
    header_write(&w, &(struct ike_header){.spi_i = sa->spi_i,
                                          .spi_r = sa->spi_r,
                                          .next_payload = PAYLOAD_NOTIFY,
                                          .major = 1,
                                          .exchange = EXCHANGE_INFORMATIONAL,
                                          .message_id = 9});
    write_u32(&w, 12);
    write_u32(&w, 1);
    write_u8(&w, 1);
    write_u8(&w, 0);
    write_u16(&w, NOTIFY_AUTHENTICATION_FAILED);
    header_finish(&w);
    struct snapshot was = snapshot(b, I);
    for (int i = 0; i < 50; i++)
        rig_inject(b->rig, I, 500, writer_bytes(&w));
    assert_int_equal(rig_drops(end(b, I), IKE_DROP_STATE), 50);
    rig_run(b->rig, 5 * SECOND);
    unchanged(b, I, &was);
    the_right_one_succeeds(b);
}

static void transactions_where_there_is_no_remote_access(void **state)
{
    (void)state;
    struct bench *b = established();
    for (int i = 0; i < RIG_ENDS; i++) {
        struct snapshot was = snapshot(b, i);
        inject_attrs(b, i, 99, ATTR_SET, bytes_of(an_ip4_address, sizeof an_ip4_address));
        assert_int_equal(rig_drops(end(b, i), IKE_DROP_STATE), 1);
        unchanged(b, i, &was);
    }
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b23_quick_mode_before_xauth),
        cmocka_unit_test(an_address_before_xauth),
        cmocka_unit_test(a_login_that_was_changed_on_the_way),
        cmocka_unit_test(a_login_under_another_message_id),
        cmocka_unit_test(attributes_cut_short),
        cmocka_unit_test(more_attributes_than_we_take),
        cmocka_unit_test(a_second_answer_is_not_looked_at),
        cmocka_unit_test(b44_the_client_is_gone_while_its_password_is_checked),
        cmocka_unit_test(passwords_are_not_tried_as_fast_as_one_likes),
        cmocka_unit_test(who_has_the_same_name_elsewhere_is_another),
        cmocka_unit_test(a_failed_login_ends_nothing),
        cmocka_unit_test(a_client_neither_sets_nor_asks_what_is_the_servers),
        cmocka_unit_test(asked_a_thousand_times_it_is_one_lease_and_bounded),
        cmocka_unit_test(a_client_may_use_its_own_address_alone),
        cmocka_unit_test(addresses_that_nobody_can_have),
        cmocka_unit_test(what_is_more_than_a_password_is_refused_with_a_word),
        cmocka_unit_test(the_password_is_sent_once),
        cmocka_unit_test(an_address_before_the_client_has_logged_in),
        cmocka_unit_test(a_clear_notification_while_we_log_in),
        cmocka_unit_test(a_peer_has_the_name_of_its_user),
        cmocka_unit_test(a_verdict_that_nobody_waits_for),
        cmocka_unit_test(answers_without_a_question),
        cmocka_unit_test(transactions_where_there_is_no_remote_access),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
