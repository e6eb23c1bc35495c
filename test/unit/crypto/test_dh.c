/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/crypto/crypto_test.h"

#include "crypto/dh.h"

static struct vault *vault;

static int start(void **state)
{
    (void)state;
    vault = vault_new();
    return vault != NULL ? 0 : -1;
}

/* Also the leak check: whatever a test did, no secret is left. */
static int stop(void **state)
{
    (void)state;
    size_t live = vault_live(vault);
    vault_free(vault);
    return live == 0 ? 0 : -1;
}

static bool is_modp(const struct group_info *info)
{
    return strncmp(info->name, "modp", 4) == 0;
}

static bool is_ecp(const struct group_info *info)
{
    return strncmp(info->name, "ecp", 3) == 0;
}

static struct dh *make(enum group group, uint64_t seed)
{
    struct random_seeded seeded;
    struct random random = random_of_seed(&seeded, seed);
    struct dh *dh = NULL;
    assert_int_equal(dh_new(group, &random, vault, &dh), OK);
    assert_int_equal(dh_public(dh).len, group_info(group)->public_len);
    return dh;
}

static void refuse(const struct dh *dh, const void *peer, size_t len, const char *what)
{
    struct secret shared = {.len = 1};
    enum status status = dh_shared(dh, bytes_of(peer, len), &shared);
    if (status != ERR_MALFORMED || shared.data != NULL || shared.len != 0)
        fail_msg("group of %zu bytes, %s: status %d", dh_public(dh).len, what, (int)status);
}

static void test_b09_unknown_groups(void **state)
{
    (void)state;
    struct random random = random_system();
    const unsigned unknown[] = {0, GROUP_MODP768, 3, 4, 6, 13, 22, 23, 24, 25, 27, 30, 32, 255, 1024, 65535};
    for (size_t i = 0; i < COUNT(unknown); i++) {
        struct dh *dh = (struct dh *)1;
        assert_int_equal(dh_new((enum group)unknown[i], &random, vault, &dh), ERR_UNSUPPORTED);
        assert_null(dh);
        dh = (struct dh *)1;
        assert_int_equal(dh_new_from_private((enum group)unknown[i], bytes_of("\x02", 1), vault, &dh), ERR_UNSUPPORTED);
        assert_null(dh);
    }
}

static void test_b09_wrong_size(void **state)
{
    (void)state;
    uint8_t *peer = calloc(1, 65536);
    assert_non_null(peer);
    memset(peer, 2, 65536);
    for (size_t i = 0; group_at(i) != NULL; i++) {
        const struct group_info *info = group_at(i);
        if (info->never)
            continue;
        struct dh *dh = make(info->id, i);
        const size_t sizes[] = {0, 1, info->public_len - 1u, info->public_len + 1u, info->public_len * 2u, 65535};
        for (size_t k = 0; k < COUNT(sizes); k++)
            refuse(dh, peer, sizes[k], "wrong size");
        dh_free(dh);
    }
    free(peer);
}

/* RFC 2409 6.2 */
static const char p1024[] = "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74"
                            "020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437"
                            "4fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed"
                            "ee386bfb5a899fa5ae9f24117c4b1fe649286651ece65381ffffffffffffffff";

static void test_b09_modp_out_of_range(void **state)
{
    (void)state;
    uint8_t peer[DH_PUBLIC_MAX];
    for (size_t i = 0; group_at(i) != NULL; i++) {
        const struct group_info *info = group_at(i);
        if (!is_modp(info) || info->never)
            continue;
        struct dh *dh = make(info->id, i);
        memset(peer, 0, sizeof peer);
        refuse(dh, peer, info->public_len, "0");
        peer[info->public_len - 1] = 1;
        refuse(dh, peer, info->public_len, "1");
        memset(peer, 0xff, sizeof peer);
        refuse(dh, peer, info->public_len, "all ones");
        dh_free(dh);
    }
}

static void test_b09_modp_around_p(void **state)
{
    (void)state;
    uint8_t peer[128];
    size_t len = unhex(p1024, peer, sizeof peer);
    struct dh *dh = make(GROUP_MODP1024, 1);
    refuse(dh, peer, len, "p");
    peer[len - 1] = 0xfe;
    refuse(dh, peer, len, "p - 1");
    peer[len - 1] = 0xfd;
    struct secret shared;
    assert_int_equal(dh_shared(dh, bytes_of(peer, len), &shared), OK); /* p - 2 is the largest that is allowed */
    secret_free(&shared);
    memset(peer, 0, sizeof peer);
    peer[len - 1] = 2;
    assert_int_equal(dh_shared(dh, bytes_of(peer, len), &shared), OK);
    secret_free(&shared);
    dh_free(dh);
}

static void test_b09_off_the_curve(void **state)
{
    (void)state;
    for (size_t i = 0; group_at(i) != NULL; i++) {
        const struct group_info *info = group_at(i);
        if (!is_ecp(info))
            continue;
        uint8_t peer[132];
        struct dh *dh = make(info->id, i), *other = make(info->id, i + 50);
        size_t len = info->public_len;
        memset(peer, 0, sizeof peer);
        refuse(dh, peer, len, "0, 0 (infinity by habit)");
        memset(peer, 0xff, sizeof peer);
        refuse(dh, peer, len, "coordinates over p");
        for (size_t bit = 0; bit < len * 8; bit += 5) {
            memcpy(peer, dh_public(other).data, len);
            peer[bit / 8] ^= (uint8_t)(1u << bit % 8);
            refuse(dh, peer, len, "one bit off");
        }
        dh_free(dh);
        dh_free(other);
    }
}

/* x + p names the same point where it fits into the bytes: it must not be taken (RFC 6989 2.3). Of P-521: p is 2^521 -
 * 1, so adding it to x sets bit 521 and takes 1 away. */
static void test_b09_coordinate_not_reduced(void **state)
{
    (void)state;
    struct dh *dh = make(GROUP_ECP521, 3), *other = make(GROUP_ECP521, 4);
    uint8_t peer[132];
    memcpy(peer, dh_public(other).data, sizeof peer);
    assert_int_not_equal(peer[65], 0);
    peer[65]--;
    peer[0] |= 2;
    refuse(dh, peer, sizeof peer, "x + p");
    dh_free(dh);
    dh_free(other);
}

/* The points of small order of Curve25519 and its twist, with encodings that are not reduced. */
static void test_b09_x25519_low_order(void **state)
{
    (void)state;
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    struct dh *dh = make(GROUP_CURVE25519, 5);
    for (size_t i = 0; i < COUNT(points); i++) {
        uint8_t peer[32];
        size_t len = unhex(points[i], peer, sizeof peer);
        refuse(dh, peer, len, points[i]);
        peer[31] |= 0x80; /* the top bit is ignored (RFC 7748 5) */
        refuse(dh, peer, len, points[i]);
    }
    dh_free(dh);
}

static void test_bad_private_values(void **state)
{
    (void)state;
    uint8_t value[1100];
    memset(value, 0xff, sizeof value);
    uint8_t zero[66] = {0};
    const struct {
        enum group group;
        struct bytes value;
    } rows[] = {
        {GROUP_MODP2048, bytes_of(zero, 1)},     {GROUP_MODP2048, bytes_of(value, 257)},
        {GROUP_ECP256, bytes_of(zero, 32)},      {GROUP_ECP256, bytes_of(value, 32)},
        {GROUP_ECP384, bytes_of(value, 48)},     {GROUP_ECP521, bytes_of(zero, 66)},
        {GROUP_ECP521, bytes_of(value, 66)},     {GROUP_CURVE25519, bytes_of(value, 31)},
        {GROUP_CURVE25519, bytes_of(value, 33)},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct dh *dh = (struct dh *)1;
        assert_int_equal(dh_new_from_private(rows[i].group, rows[i].value, vault, &dh), ERR_MALFORMED);
        assert_null(dh);
        assert_int_equal(vault_live(vault), 0);
    }
}

static enum status broken(void *arg, void *out, size_t len)
{
    (void)arg;
    memset(out, 0xff, len);
    return ERR_CRYPTO;
}

static enum status stuck(void *arg, void *out, size_t len)
{
    memset(out, *(uint8_t *)arg, len);
    return OK;
}

static void test_b45_no_randomness(void **state)
{
    (void)state;
    struct random random = {.fill = broken};
    for (size_t i = 0; group_at(i) != NULL; i++) {
        struct dh *dh = (struct dh *)1;
        if (group_at(i)->never)
            continue;
        assert_int_equal(dh_new(group_at(i)->id, &random, vault, &dh), ERR_CRYPTO);
        assert_null(dh);
        assert_int_equal(vault_live(vault), 0);
    }
}

/* A generator that always gives what a curve must refuse ends in an error, not in a loop. */
static void test_b45_stuck_randomness(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte <= 255; byte += 255) {
        uint8_t value = (uint8_t)byte;
        struct random random = {.fill = stuck, .arg = &value};
        struct dh *dh = (struct dh *)1;
        assert_int_equal(dh_new(GROUP_ECP384, &random, vault, &dh), ERR_CRYPTO);
        assert_null(dh);
    }
}

static void test_round_trip_of_every_group(void **state)
{
    (void)state;
    for (size_t i = 0; group_at(i) != NULL; i++) {
        const struct group_info *info = group_at(i);
        if (info->never)
            continue;
        struct dh *a = make(info->id, 100 + i), *b = make(info->id, 200 + i), *again = make(info->id, 100 + i);
        assert_memory_not_equal(dh_public(a).data, dh_public(b).data, info->public_len);
        assert_memory_equal(dh_public(a).data, dh_public(again).data, info->public_len);
        struct secret ab, ba;
        assert_int_equal(dh_shared(a, dh_public(b), &ab), OK);
        assert_int_equal(dh_shared(b, dh_public(a), &ba), OK);
        assert_int_equal(ab.len, info->shared_len);
        assert_int_equal(ba.len, info->shared_len);
        assert_memory_equal(ab.data, ba.data, ab.len);
        secret_free(&ab);
        secret_free(&ba);
        dh_free(a);
        dh_free(b);
        dh_free(again);
    }
    dh_free(NULL);
}

/* Searches for a shared secret (and a public value) that starts with a zero byte: one in 256 does, and it must keep it
 * (RFC 2409 5: padded to the size of the group). */
static void padding_of(enum group group)
{
    const struct group_info *info = group_info(group);
    struct dh *fixed = make(group, 1);
    bool shared_seen = false, public_seen = false;
    for (uint64_t seed = 2; seed < 6000 && !(shared_seen && public_seen); seed++) {
        struct dh *dh = make(group, seed);
        struct secret here, there;
        assert_int_equal(dh_shared(fixed, dh_public(dh), &here), OK);
        assert_int_equal(here.len, info->shared_len);
        if (here.data[0] == 0 || dh_public(dh).data[0] == 0) {
            shared_seen |= here.data[0] == 0;
            public_seen |= dh_public(dh).data[0] == 0;
            assert_int_equal(dh_shared(dh, dh_public(fixed), &there), OK);
            assert_int_equal(there.len, info->shared_len);
            assert_memory_equal(here.data, there.data, here.len);
            secret_free(&there);
        }
        secret_free(&here);
        dh_free(dh);
    }
    dh_free(fixed);
    assert_true(shared_seen && public_seen);
}

static void test_left_padding(void **state)
{
    (void)state;
    padding_of(GROUP_MODP1024);
    padding_of(GROUP_ECP256);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_b09_unknown_groups),        TEST(test_b09_wrong_size),
        TEST(test_b09_modp_out_of_range),     TEST(test_b09_modp_around_p),
        TEST(test_b09_off_the_curve),         TEST(test_b09_coordinate_not_reduced),
        TEST(test_b09_x25519_low_order),      TEST(test_bad_private_values),
        TEST(test_b45_no_randomness),         TEST(test_b45_stuck_randomness),
        TEST(test_round_trip_of_every_group), TEST(test_left_padding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
