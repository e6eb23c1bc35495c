/* SPDX-License-Identifier: Apache-2.0 */
/* XAUTH behind signatures (auth = xauth-pubkey), in both modes: certificates first, then the login, then phase 2. */
#include "test/sim/certificates.h"

#include "ike/auth.h"
#include "ike/v1_attr.h"

enum { LOSSY_SEEDS = 60 };

static struct rig *access_rig(uint64_t seed, enum ike_mode in)
{
    struct rig *rig = rig_new(seed);
    mode = in;
    equip_both(rig, PKI_RSA2048); /* XAUTH has a number for RSA only */
    rig_use_access(rig);
    return rig;
}

static void set_password(struct rig *rig, const char *text)
{
    struct secret *password = &rig->ends[I].connection.access->password;
    secret_free(password);
    assert_int_equal(secret_copy(rig->vault, text, strlen(text), password), OK);
}

static void certificates_then_a_login(void **state)
{
    (void)state;
    for (enum ike_mode in = MODE_MAIN; in <= MODE_AGGRESSIVE; in++)
        for (int push = 0; push <= 1; push++) {
            struct rig *rig = access_rig(1, in);
            char text[IDENTITY_TEXT];
            assert_int_equal(auth_number(&rig->ends[I].connection), V1_AUTH_XAUTH_INIT_RSA);
            rig->ends[I].connection.access->push = rig->ends[R].connection.access->push = push;
            rig_start(rig);
            assert_true(rig_run_until(rig, 5 * SECOND, rig_both_carry));
            assert_int_equal(rig->ends[R].logins, 1);
            assert_int_equal(rig->ends[I].net_ups, 1);
            assert_string_equal(identity_print(craft_sa(rig->ends[R].ike)->remote_id, text), names[I]);
            assert_int_equal(rig_free(rig), 0);
        }
}

static void a_wrong_password_ends_it(void **state)
{
    (void)state;
    for (enum ike_mode in = MODE_MAIN; in <= MODE_AGGRESSIVE; in++) {
        struct rig *rig = access_rig(2, in);
        set_password(rig, "guess");
        rig_start(rig);
        rig_run(rig, 300 * SECOND);
        assert_int_equal(rig->ends[I].events[IKE_EVENT_PHASE1_UP], 0);
        assert_int_equal(rig->ends[R].events[IKE_EVENT_PHASE1_UP], 0);
        assert_non_null(strstr(rig->ends[I].why, "AUTHENTICATION_FAILED"));
        assert_int_equal(rig->ends[R].logins, 1);
        assert_int_equal(rig_free(rig), 0);
    }
}

/* The right password does not help who cannot prove a name: nobody asks for it. */
static void a_wrong_certificate_is_never_asked_for_a_password(void **state)
{
    (void)state;
    const struct family *f = &families[PKI_RSA2048];
    struct pki *mallory = pki_end("CN=mallory", "DNS:mallory.example.org", PKI_RSA2048, f->middle);
    for (enum ike_mode in = MODE_MAIN; in <= MODE_AGGRESSIVE; in++) {
        struct rig *rig = access_rig(3, in);
        equip(rig, I, credentials_from(mallory, mallory, f->middle, f->root), names[I], names[R]);
        rig_start(rig);
        rig_run(rig, 200 * SECOND);
        assert_int_equal(rig->ends[R].logins, 0);
        assert_int_equal(rig->ends[R].events[IKE_EVENT_PHASE1_UP], 0);
        assert_true(rig_drops(&rig->ends[R], IKE_DROP_AUTHENTICATION) > 0);
        assert_int_equal(rig_children(&rig->ends[I]) + rig_children(&rig->ends[R]), 0);
        assert_int_equal(rig_free(rig), 0);
    }
    pki_free(mallory);
}

/* And a concentrator that cannot prove its name is not told the password. */
static void a_wrong_server_gets_no_password(void **state)
{
    (void)state;
    const struct family *f = &families[PKI_RSA2048];
    struct pki *mallory = pki_end("CN=mallory", "DNS:mallory.example.org", PKI_RSA2048, f->middle);
    for (enum ike_mode in = MODE_MAIN; in <= MODE_AGGRESSIVE; in++) {
        struct rig *rig = access_rig(4, in);
        equip(rig, R, credentials_from(mallory, f->end[R], f->middle, f->root), names[R], names[I]);
        rig_start(rig);
        rig_run(rig, 200 * SECOND);
        assert_int_equal(rig->ends[R].logins, 0);
        assert_int_equal(rig->ends[I].events[IKE_EVENT_PHASE1_UP], 0);
        assert_int_equal(rig_free(rig), 0);
    }
    pki_free(mallory);
}

/* One end wants a login, the other does not: the methods differ, and neither end does without. */
static void a_login_at_one_end_only(void **state)
{
    (void)state;
    for (enum ike_mode in = MODE_MAIN; in <= MODE_AGGRESSIVE; in++)
        for (int without = I; without <= R; without++) {
            struct rig *rig = access_rig(5, in);
            struct connection *c = &rig->ends[without].connection;
            access_free(c->access);
            c->access = NULL;
            rig_start(rig);
            rig_run(rig, 100 * SECOND);
            assert_int_equal(rig->ends[I].events[IKE_EVENT_PHASE1_UP], 0);
            assert_int_equal(rig->ends[R].events[IKE_EVENT_PHASE1_UP], 0);
            assert_non_null(strstr(rig->ends[I].why, "NO_PROPOSAL_CHOSEN"));
            assert_int_equal(rig_free(rig), 0);
        }
}

/* Holds the answer of the client back: the server waits for the login. */
static bool hold_login(void *arg, struct rig *rig, int from, struct rig_datagram *d)
{
    (void)arg;
    struct ike_header h;
    const struct ike_sa *sa = craft_sa(rig->ends[R].ike);
    return from == I && sa != NULL && sa->state == SA_CONFIGURING && header_read(bytes_of(d->data, d->len), &h) == OK &&
           h.exchange == EXCHANGE_TRANSACTION;
}

/* Who has shown a good certificate, and no password yet: quick mode, the question for an address, a delete of others.
 */
static void phase_2_before_the_login(void **state)
{
    (void)state;
    static const uint8_t ask[] = {ATTR_REQUEST, 0, 0, 7, 0, 1, 0, 0};
    for (enum ike_mode in = MODE_MAIN; in <= MODE_AGGRESSIVE; in++) {
        struct rig *rig = access_rig(6, in);
        uint8_t out[CRAFT_MAX + 64], sa_body[64] = {0, 0, 0, 1, 0, 0, 0, 1};
        rig->filter = hold_login;
        rig_start(rig);
        rig_run(rig, 2 * SECOND);
        const struct ike_sa *sa = craft_sa(rig->ends[R].ike);
        assert_non_null(sa);
        assert_int_equal(sa->state, SA_CONFIGURING);
        uint64_t dropped = rig_drops(&rig->ends[R], IKE_DROP_STATE);
        unsigned sent = rig->ends[R].sent;
        size_t len = craft_phase2(sa, EXCHANGE_QUICK, 77, PAYLOAD_SA, bytes_of(sa_body, sizeof sa_body), out);
        rig_inject(rig, R, sa->path.remote.port, bytes_of(out, len));
        len = craft_phase2(sa, EXCHANGE_TRANSACTION, 78, PAYLOAD_ATTR, bytes_of(ask, sizeof ask), out);
        rig_inject(rig, R, sa->path.remote.port, bytes_of(out, len));
        assert_int_equal(rig_drops(&rig->ends[R], IKE_DROP_STATE), dropped + 2);
        assert_int_equal(rig->ends[R].sent, sent);
        assert_int_equal(rig_children(&rig->ends[R]), 0);
        assert_int_equal(sa->state, SA_CONFIGURING);
        rig->filter = NULL;
        assert_true(rig_run_until(rig, 60 * SECOND, rig_both_carry)); /* and the true login is welcome */
        assert_int_equal(rig_free(rig), 0);
    }
}

static void renewals_log_in_again(void **state)
{
    (void)state;
    for (enum ike_mode in = MODE_MAIN; in <= MODE_AGGRESSIVE; in++) {
        struct rig *rig = access_rig(7, in);
        for (int i = 0; i < RIG_ENDS; i++) {
            rig->ends[i].connection.lifetime_s = 60;
            rig->ends[i].connection.ike_lifetime_s = 150;
        }
        rig_start(rig);
        assert_true(rig_run_until(rig, 5 * SECOND, rig_both_carry));
        for (int i = 0; i < 400; i++) {
            rig_run(rig, SECOND);
            if (!rig_both_carry(rig))
                fail_msg("no working pair after %d s", i);
        }
        assert_true(rig->ends[R].logins > 2);
        assert_int_equal(rig->ends[I].net_ups, 1);
        assert_int_equal(rig_free(rig), 0);
    }
}

static void bad_networks(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= LOSSY_SEEDS; seed++) {
        struct rig *rig = access_rig(seed, seed % 2 ? MODE_MAIN : MODE_AGGRESSIVE);
        rig->network =
            (struct rig_network){.loss = 200, .repeat = 100, .corrupt = 10, .delay_min_ms = 1, .delay_max_ms = 300};
        rig->ends[I].connection.access->push = rig->ends[R].connection.access->push = seed % 4 < 2;
        rig->ends[R].login_takes_ms = seed % 3 * 400;
        rig_start(rig);
        if (!rig_comes_up(rig, traffic_of_the_client))
            fail_msg("seed %llu: no working pair after ten minutes", (unsigned long long)seed);
        assert_int_equal(rig_free(rig), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_then_a_login),
        cmocka_unit_test(a_wrong_password_ends_it),
        cmocka_unit_test(a_wrong_certificate_is_never_asked_for_a_password),
        cmocka_unit_test(a_wrong_server_gets_no_password),
        cmocka_unit_test(a_login_at_one_end_only),
        cmocka_unit_test(phase_2_before_the_login),
        cmocka_unit_test(renewals_log_in_again),
        cmocka_unit_test(bad_networks),
    };
    return cmocka_run_group_tests(tests, make, drop);
}
