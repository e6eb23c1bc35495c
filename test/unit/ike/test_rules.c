/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/ike/ike_test.h"

#include "ike/rules.h"

enum { LIST_MAX = PAYLOADS_MAX };

/* Payload types in the order of the message, ended by 0. */
static enum status check(enum message_kind kind, const uint8_t *types)
{
    static struct payloads p;
    p = (struct payloads){0};
    for (; types[p.count] != 0; p.count++)
        p.items[p.count].type = types[p.count];
    return rules_check(kind, &p);
}

#define CHECK(kind, ...) check(kind, (const uint8_t[]){__VA_ARGS__, 0})

enum {
    SA = PAYLOAD_SA,
    KE = PAYLOAD_KE,
    ID = PAYLOAD_ID,
    CERT = PAYLOAD_CERT,
    CERTREQ = PAYLOAD_CERTREQ,
    HASH = PAYLOAD_HASH,
    SIG = PAYLOAD_SIG,
    NONCE = PAYLOAD_NONCE,
    ATTR = PAYLOAD_ATTR,
    N = PAYLOAD_NOTIFY,
    D = PAYLOAD_DELETE,
    VID = PAYLOAD_VENDOR,
    NATD = PAYLOAD_NATD,
    NATOA = PAYLOAD_NATOA,
    PRIVATE = 130,
};

static const enum message_kind kinds[] = {MESSAGE_MAIN_SA,
                                          MESSAGE_MAIN_KE,
                                          MESSAGE_MAIN_AUTH,
                                          MESSAGE_QUICK_SA,
                                          MESSAGE_QUICK_HASH,
                                          MESSAGE_INFO,
                                          MESSAGE_INFO_CLEAR,
                                          MESSAGE_AGGRESSIVE_SA,
                                          MESSAGE_AGGRESSIVE_REPLY,
                                          MESSAGE_AGGRESSIVE_HASH,
                                          MESSAGE_MAIN_SIGNED,
                                          MESSAGE_CONFIG,
                                          MESSAGE_AGGRESSIVE_REPLY_SIGNED,
                                          MESSAGE_AGGRESSIVE_SIGNED};

/* One legal message of each kind, in the order of `kinds`. */
static const uint8_t legal[][8] = {{SA},
                                   {KE, NONCE},
                                   {ID, HASH},
                                   {HASH, SA, NONCE},
                                   {HASH},
                                   {HASH, N},
                                   {N},
                                   {SA, KE, NONCE, ID},
                                   {SA, KE, NONCE, ID, HASH},
                                   {HASH},
                                   {ID, SIG},
                                   {HASH, ATTR},
                                   {SA, KE, NONCE, ID, SIG},
                                   {SIG}};

static void an_empty_message_is_never_legal(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(kinds); i++)
        assert_int_equal(check(kinds[i], (const uint8_t[]){0}), ERR_MALFORMED);
}

/* Payloads of version 2 have types 33 to 53 (RFC 7296 3.2); of version 1 the rest below 128. */
static void b05_payloads_of_version_2_have_no_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(kinds); i++)
        for (uint8_t type = 33; type <= 53; type++) {
            uint8_t types[9] = {0};
            size_t n = strlen((const char *)legal[i]);
            memcpy(types, legal[i], n);
            types[n] = type;
            assert_int_equal(check(kinds[i], types), ERR_MALFORMED);
        }
}

/* The whole table: which type may be added once to the smallest legal message of a kind. */
static void every_type_in_every_message(void **state)
{
    (void)state;
    static const struct {
        enum message_kind kind;
        uint8_t may[8];
    } table[] = {
        {MESSAGE_MAIN_SA, {VID}},
        {MESSAGE_MAIN_KE, {NATD, CERTREQ, VID}},
        {MESSAGE_MAIN_AUTH, {N, VID}},
        {MESSAGE_QUICK_SA, {KE, NATOA, N, VID}},
        {MESSAGE_QUICK_HASH, {N}},
        {MESSAGE_INFO, {N, D, VID}},
        {MESSAGE_INFO_CLEAR, {N, VID}},
        {MESSAGE_AGGRESSIVE_SA, {CERTREQ, N, VID}},
        {MESSAGE_AGGRESSIVE_REPLY, {NATD, CERTREQ, N, VID}},
        {MESSAGE_AGGRESSIVE_HASH, {NATD, N, VID}},
        {MESSAGE_MAIN_SIGNED, {CERT, CERTREQ, N, VID}},
        {MESSAGE_CONFIG, {N, VID}},
        {MESSAGE_AGGRESSIVE_REPLY_SIGNED, {CERT, NATD, CERTREQ, N, VID}},
        {MESSAGE_AGGRESSIVE_SIGNED, {CERT, CERTREQ, NATD, N, VID}},
    };
    for (size_t i = 0; i < COUNT(table); i++)
        for (unsigned type = 1; type < 256; type++) {
            uint8_t types[9] = {0};
            size_t n = strlen((const char *)legal[i]);
            memcpy(types, legal[i], n);
            types[n] = (uint8_t)type;
            bool may = type >= PAYLOAD_PRIVATE || memchr(table[i].may, (int)type, sizeof table[i].may) != NULL;
            if (check(table[i].kind, types) != (may ? OK : ERR_MALFORMED))
                fail_msg("kind %d, type %u", (int)table[i].kind, type);
        }
}

static void a_needed_payload_is_missing(void **state)
{
    (void)state;
    assert_int_equal(CHECK(MESSAGE_MAIN_SA, VID), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_MAIN_KE, KE), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_MAIN_KE, NONCE), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_MAIN_AUTH, ID), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_MAIN_AUTH, HASH), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_MAIN_AUTH, ID, CERT, SIG), ERR_MALFORMED); /* a signature where a hash is due */
    assert_int_equal(CHECK(MESSAGE_MAIN_SIGNED, ID, HASH), ERR_MALFORMED);    /* and the reverse */
    assert_int_equal(CHECK(MESSAGE_MAIN_SIGNED, ID, CERT), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_MAIN_SIGNED, SIG), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_QUICK_SA, HASH, SA), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_QUICK_SA, HASH, NONCE), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_QUICK_SA, SA, NONCE), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_QUICK_HASH, N), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_INFO, N), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_INFO, D), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_INFO_CLEAR, VID), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_SA, SA, KE, NONCE), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_SA, SA, KE, ID), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_SA, SA, NONCE, ID), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_SA, KE, NONCE, ID), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_REPLY, SA, KE, NONCE, ID), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_REPLY, SA, KE, NONCE, HASH), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_HASH, NATD, NATD), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_REPLY, SA, KE, NONCE, ID, CERT, SIG), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_REPLY_SIGNED, SA, KE, NONCE, ID, HASH), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_REPLY_SIGNED, SA, KE, NONCE, ID, CERT), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_REPLY_SIGNED, SA, KE, NONCE, SIG), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_HASH, CERT, SIG), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_SIGNED, HASH), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_SIGNED, CERT), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_CONFIG, HASH), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_CONFIG, ATTR), ERR_MALFORMED);
}

static void one_too_many(void **state)
{
    (void)state;
    assert_int_equal(CHECK(MESSAGE_MAIN_SA, SA, SA), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_MAIN_KE, KE, KE, NONCE), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_MAIN_KE, KE, NONCE, NONCE), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_MAIN_AUTH, ID, HASH, HASH), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_MAIN_AUTH, ID, ID, HASH), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_MAIN_SIGNED, ID, SIG, SIG), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_MAIN_SIGNED, ID, ID, SIG), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_MAIN_SIGNED, ID, SIG, HASH), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_QUICK_SA, HASH, SA, SA, NONCE), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_QUICK_SA, HASH, SA, NONCE, KE, KE), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_QUICK_SA, HASH, SA, NONCE, ID, ID, ID), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_INFO, HASH, N, HASH), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_INFO, HASH, D, D, D, D, D, D, D, D), OK);
    assert_int_equal(CHECK(MESSAGE_INFO, HASH, D, D, D, D, D, D, D, D, D), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_INFO_CLEAR, N, N, N, N, N, N, N, N, N), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_SA, SA, KE, NONCE, ID, ID), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_REPLY, SA, KE, NONCE, ID, HASH, HASH), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_HASH, HASH, HASH), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_HASH, HASH, NATD, NATD, NATD, NATD, NATD, NATD, NATD, NATD), OK);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_HASH, HASH, NATD, NATD, NATD, NATD, NATD, NATD, NATD, NATD, NATD),
                     ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_CONFIG, HASH, ATTR, ATTR), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_REPLY_SIGNED, SA, KE, NONCE, ID, SIG, SIG), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_REPLY_SIGNED, SA, KE, NONCE, ID, SIG, HASH), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_REPLY_SIGNED, SA, KE, NONCE, ID, ID, SIG), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_SIGNED, SIG, SIG), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_SIGNED, SIG, HASH), ERR_MALFORMED);
}

static void the_wrong_one_first(void **state)
{
    (void)state;
    assert_int_equal(CHECK(MESSAGE_MAIN_SA, VID, SA), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_CONFIG, ATTR, HASH), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_MAIN_AUTH, HASH, ID), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_MAIN_SIGNED, CERT, ID, SIG), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_QUICK_SA, SA, HASH, NONCE), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_QUICK_HASH, N, HASH), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_INFO, D, HASH), ERR_MALFORMED);
    /* A payload that is ignored must not move what the hash covers: HASH stays first. */
    assert_int_equal(CHECK(MESSAGE_INFO, PRIVATE, HASH, D), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_SA, KE, SA, NONCE, ID), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_REPLY, HASH, SA, KE, NONCE, ID), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_REPLY_SIGNED, SIG, SA, KE, NONCE, ID), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_HASH, NATD, NATD, N, HASH), OK);              /* ours */
    assert_int_equal(CHECK(MESSAGE_AGGRESSIVE_SIGNED, NATD, NATD, N, CERT, CERT, SIG), OK); /* ours */
    assert_int_equal(CHECK(MESSAGE_MAIN_KE, NONCE, KE), OK); /* here the order is free (RFC 2409 5) */
}

/* RFC 2409 5.5. */
static void identities_of_quick_mode_come_as_a_pair(void **state)
{
    (void)state;
    assert_int_equal(CHECK(MESSAGE_QUICK_SA, HASH, SA, NONCE), OK);
    assert_int_equal(CHECK(MESSAGE_QUICK_SA, HASH, SA, NONCE, ID), ERR_MALFORMED);
    assert_int_equal(CHECK(MESSAGE_QUICK_SA, HASH, SA, NONCE, ID, ID), OK);
    assert_int_equal(CHECK(MESSAGE_QUICK_SA, HASH, SA, NONCE, KE, ID, ID, NATOA, NATOA, N), OK);
}

static void the_usual_messages_pass(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(kinds); i++)
        assert_int_equal(check(kinds[i], legal[i]), OK);
    assert_int_equal(CHECK(MESSAGE_MAIN_SA, SA, VID, VID, VID, PRIVATE), OK);
    assert_int_equal(CHECK(MESSAGE_MAIN_KE, KE, NONCE, VID, NATD, NATD), OK);
    assert_int_equal(CHECK(MESSAGE_MAIN_AUTH, ID, HASH, N), OK);
    assert_int_equal(CHECK(MESSAGE_MAIN_SIGNED, ID, CERT, CERT, SIG, CERTREQ, N), OK);
    assert_int_equal(CHECK(MESSAGE_MAIN_SIGNED, ID, SIG, CERT), OK);
    assert_int_equal(CHECK(MESSAGE_INFO, HASH, N, D), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_message_is_never_legal),
        cmocka_unit_test(b05_payloads_of_version_2_have_no_place),
        cmocka_unit_test(every_type_in_every_message),
        cmocka_unit_test(a_needed_payload_is_missing),
        cmocka_unit_test(one_too_many),
        cmocka_unit_test(the_wrong_one_first),
        cmocka_unit_test(identities_of_quick_mode_come_as_a_pair),
        cmocka_unit_test(the_usual_messages_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
