/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/sad.h"

#include "esp_test.h"

static const struct aead_suite gcm = {ENCR_AES_GCM_16, 128, INTEG_NONE, false};

enum { RULES = 4 };

struct fixture {
    struct pair pair; /* its children are the patterns; its SAs are not used */
    struct sad *sad;
};

static void setup(struct fixture *f)
{
    pair_prepare(&f->pair, &gcm, 4);
    assert_int_equal(sad_new(RULES, NULL, &f->pair.random, &f->sad), OK);
}

static enum status add(struct fixture *f, uint64_t id, uint32_t spi, uint32_t rule, const char *remote)
{
    struct child child = f->pair.child[0];
    child.id = id;
    child.spi_in = spi;
    child.rule = rule;
    if (remote != NULL)
        assert_int_equal(range_parse(remote, &child.selector.remote), OK);
    return sad_add(f->sad, &child);
}

static struct flow flow_to(const char *destination)
{
    struct flow flow = {.protocol = 1};
    assert_int_equal(address_parse("10.1.0.1", &flow.source), OK);
    assert_int_equal(address_parse(destination, &flow.destination), OK);
    return flow;
}

/* The child that a packet would leave by; 0: none. */
static uint64_t outbound(struct fixture *f, uint32_t rule, const char *destination, bool *has_sa)
{
    struct flow flow = flow_to(destination);
    *has_sa = !*has_sa;
    const struct sa *sa = sad_outbound(f->sad, rule, &flow, has_sa);
    return sa == NULL ? 0 : sa->child_id;
}

static void test_unknown_names_do_nothing(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    bool has = true;
    struct path path = {0};
    assert_null(sad_inbound(f.sad, 0));
    assert_null(sad_inbound(f.sad, 0x1000));
    assert_null(sad_by_child(f.sad, 7));
    assert_int_equal(sad_activate(f.sad, 7), ERR_NOT_FOUND);
    sad_remove(f.sad, 7);
    sad_move(f.sad, 7, &path);
    assert_int_equal(outbound(&f, 0, "10.2.0.1", &has), 0);
    assert_false(has);
    assert_int_equal(outbound(&f, RULES, "10.2.0.1", &has), 0);
    assert_false(has);
    assert_int_equal(outbound(&f, UINT32_MAX, "10.2.0.1", &has), 0);
    assert_false(has);
    sad_free(f.sad);
    sad_free(NULL);
}

static void test_what_cannot_be_added(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    assert_int_equal(add(&f, 1, 0x1000, 0, NULL), OK);
    assert_int_equal(add(&f, 2, 0x1000, 1, NULL), ERR_STATE); /* the SPI is taken */
    assert_int_equal(add(&f, 1, 0x2000, 1, NULL), ERR_STATE); /* so is the id */
    assert_int_equal(add(&f, 3, 0x3000, RULES, NULL), ERR_NOT_FOUND);
    f.pair.child[0].key_in.len = 5;
    assert_int_equal(add(&f, 4, 0x4000, 1, NULL), ERR_MALFORMED);
    assert_null(sad_by_child(f.sad, 2));
    assert_null(sad_by_child(f.sad, 4));
    assert_null(sad_inbound(f.sad, 0x2000));
    assert_null(sad_inbound(f.sad, 0x4000));
    assert_int_equal(sad_inbound(f.sad, 0x1000)->child_id, 1);
    sad_free(f.sad);
}

static void test_opens_at_once_seals_after_activation(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    bool has = false;
    assert_int_equal(add(&f, 1, 0x1000, 2, NULL), OK);
    assert_non_null(sad_inbound(f.sad, 0x1000));
    assert_ptr_equal(sad_inbound(f.sad, 0x1000), sad_by_child(f.sad, 1));
    assert_int_equal(outbound(&f, 2, "10.2.0.1", &has), 0);
    assert_false(has);
    assert_int_equal(sad_activate(f.sad, 1), OK);
    assert_int_equal(outbound(&f, 2, "10.2.0.1", &has), 1);
    assert_true(has);
    assert_int_equal(outbound(&f, 1, "10.2.0.1", &has), 0); /* another rule */
    assert_false(has);
    sad_free(f.sad);
}

static void test_the_newest_activated_is_preferred(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    bool has = false;
    for (uint64_t id = 1; id <= 3; id++)
        assert_int_equal(add(&f, id, 0x1000 + (uint32_t)id, 0, NULL), OK);
    assert_int_equal(sad_activate(f.sad, 2), OK);
    assert_int_equal(outbound(&f, 0, "10.2.0.1", &has), 2);
    assert_int_equal(sad_activate(f.sad, 1), OK); /* the order of activation counts, not that of adding */
    assert_int_equal(outbound(&f, 0, "10.2.0.1", &has), 1);
    assert_int_equal(sad_activate(f.sad, 3), OK);
    assert_int_equal(sad_activate(f.sad, 2), OK); /* a second time: it serves again */
    assert_int_equal(outbound(&f, 0, "10.2.0.1", &has), 2);
    assert_int_equal(sad_activate(f.sad, 2), OK);
    assert_int_equal(outbound(&f, 0, "10.2.0.1", &has), 2);
    assert_int_equal(sad_activate(f.sad, 3), OK);
    assert_int_equal(outbound(&f, 0, "10.2.0.1", &has), 3);
    sad_remove(f.sad, 1); /* from the middle */
    assert_int_equal(outbound(&f, 0, "10.2.0.1", &has), 3);
    sad_remove(f.sad, 3); /* the head */
    assert_int_equal(outbound(&f, 0, "10.2.0.1", &has), 2);
    sad_remove(f.sad, 2); /* the last */
    assert_int_equal(outbound(&f, 0, "10.2.0.1", &has), 0);
    assert_false(has);
    assert_null(sad_inbound(f.sad, 0x1002));
    assert_int_equal(add(&f, 2, 0x1002, 0, NULL), OK); /* its names are free again */
    sad_free(f.sad);
}

static void test_selectors_choose_among_the_sas_of_a_rule(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    bool has = false;
    assert_int_equal(add(&f, 1, 0x1001, 0, "10.2.0.0/16"), OK);
    assert_int_equal(add(&f, 2, 0x1002, 0, "10.2.7.0/24"), OK);
    assert_int_equal(sad_activate(f.sad, 1), OK);
    assert_int_equal(sad_activate(f.sad, 2), OK);
    assert_int_equal(outbound(&f, 0, "10.2.7.9", &has), 2);
    assert_int_equal(outbound(&f, 0, "10.2.8.9", &has), 1);
    assert_int_equal(outbound(&f, 0, "10.3.0.1", &has), 0);
    assert_true(has); /* there are some, but none for this flow */
    sad_free(f.sad);
}

static void test_b41_a_dead_sa_is_no_sa(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    bool has = false;
    assert_int_equal(add(&f, 1, 0x1001, 0, NULL), OK);
    assert_int_equal(add(&f, 2, 0x1002, 0, NULL), OK);
    assert_int_equal(sad_activate(f.sad, 1), OK);
    assert_int_equal(sad_activate(f.sad, 2), OK);
    sad_by_child(f.sad, 2)->dead = true;
    assert_int_equal(outbound(&f, 0, "10.2.0.1", &has), 1);
    assert_true(has);
    sad_by_child(f.sad, 1)->dead = true;
    assert_int_equal(outbound(&f, 0, "10.2.0.1", &has), 0);
    assert_false(has); /* ask ike: the packet waits, and never goes in clear */
    sad_free(f.sad);
}

static void test_move_follows_the_peer(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    assert_int_equal(add(&f, 1, 0x1001, 0, NULL), OK);
    assert_int_equal(add(&f, 2, 0x1002, 0, NULL), OK);
    struct path path = {.remote.port = 40001};
    sad_move(f.sad, 1, &path);
    assert_int_equal(sad_by_child(f.sad, 1)->path.remote.port, 40001);
    assert_int_equal(sad_by_child(f.sad, 2)->path.remote.port, 0);
    sad_free(f.sad);
}

static void test_many(void **state)
{
    (void)state;
    enum { MANY = 2000 };
    struct fixture f;
    setup(&f);
    for (uint32_t i = 1; i <= MANY; i++)
        assert_int_equal(add(&f, i, i * 2654435761U, i % RULES, NULL), OK);
    for (uint32_t i = 1; i <= MANY; i += 2)
        sad_remove(f.sad, i);
    for (uint32_t i = 1; i <= MANY; i++) {
        const struct sa *sa = sad_inbound(f.sad, i * 2654435761U);
        assert_ptr_equal(sa, sad_by_child(f.sad, i));
        if (i % 2 == 1)
            assert_null(sa);
        else
            assert_int_equal(sa->child_id, i);
    }
    sad_free(f.sad);
}

/* Gives a fixed list of 32-bit numbers, big-endian or not: all bytes of one number are equal; then fails. */
struct script {
    const uint8_t *bytes;
    size_t left;
};

static enum status scripted(void *arg, void *out, size_t len)
{
    struct script *script = arg;
    if (script->left == 0) {
        memset(out, 0, len);
        return ERR_CRYPTO;
    }
    memset(out, *script->bytes++, len);
    script->left--;
    return OK;
}

static uint32_t spi_from(struct script *script, bool take)
{
    struct random random = {.fill = scripted, .arg = script};
    struct fixture f;
    pair_prepare(&f.pair, &gcm, 4);
    assert_int_equal(sad_new(RULES, NULL, &random, &f.sad), OK);
    if (take)
        assert_int_equal(add(&f, 1, 0x11111111, 0, NULL), OK);
    uint32_t spi = sad_new_spi(f.sad, 0);
    sad_free(f.sad);
    return spi;
}

static void test_b45_no_spi_without_randomness(void **state)
{
    (void)state;
    struct script empty = {0};
    assert_int_equal(spi_from(&empty, false), 0);
    struct script reserved = {(const uint8_t *)"\0\0", 2}; /* 0 is not an SPI; then the generator fails */
    assert_int_equal(spi_from(&reserved, false), 0);
    static const uint8_t zeros[100000];
    struct script stuck = {zeros, sizeof zeros};
    assert_int_equal(spi_from(&stuck, false), 0);
    assert_true(stuck.left > sizeof zeros / 2); /* gave up early */
}

static void test_new_spis_are_free_and_not_reserved(void **state)
{
    (void)state;
    struct script script = {(const uint8_t *)"\x00\x11\x22", 3};
    assert_int_equal(spi_from(&script, false), 0x11111111);
    script = (struct script){(const uint8_t *)"\x00\x11\x22", 3};
    assert_int_equal(spi_from(&script, true), 0x22222222);

    struct fixture f;
    setup(&f);
    uint32_t last = 0;
    for (int i = 0; i < 1000; i++) {
        uint32_t spi = sad_new_spi(f.sad, 0);
        assert_true(spi >= 256);
        assert_int_not_equal(spi, last);
        last = spi;
    }
    sad_free(f.sad);
}

/* --- shards --- */

static void test_an_spi_tells_its_shard(void **state)
{
    (void)state;
    static const struct aead_library *const libraries[SHARDS_MAX];
    struct fixture f;
    for (size_t shards = 2; shards <= SHARDS_MAX; shards++) {
        setup(&f);
        sad_set_shards(f.sad, libraries, shards);
        for (unsigned i = 0; i < 100; i++) {
            uint8_t shard = (uint8_t)(i % shards);
            uint32_t spi = sad_new_spi(f.sad, shard);
            assert_true(spi >= 256);
            assert_int_equal(spi_shard(spi, shards), shard);
            assert_int_equal(add(&f, i + 1, spi, 0, NULL), OK);
            assert_int_equal(sad_inbound(f.sad, spi)->shard, shard);
        }
        sad_free(f.sad);
    }
    assert_int_equal(spi_shard(0xffffffff, 15), 0); /* none of ours */
    assert_int_equal(spi_shard(0xffffffff, 16), 15);
}

/* --- what a quoted packet of ours leads to --- */

static void set_peer(struct child *child, const char *peer)
{
    assert_int_equal(address_parse(peer, &child->path.remote.address), OK);
    child->path.remote.port = 4500;
}

static void test_outbound_spi_and_peer_name_an_sa(void **state)
{
    (void)state;
    struct fixture f;
    struct path moved = {0};
    struct address one, two;
    assert_int_equal(address_parse("192.0.2.1", &one), OK);
    assert_int_equal(address_parse("192.0.2.2", &two), OK);
    setup(&f);
    set_peer(&f.pair.child[0], "192.0.2.1");
    f.pair.child[0].spi_out = 0x77;
    assert_int_equal(add(&f, 1, 0x1000, 0, NULL), OK);
    set_peer(&f.pair.child[0], "192.0.2.2"); /* two peers may choose the same SPI */
    assert_int_equal(add(&f, 2, 0x2000, 1, NULL), OK);
    assert_int_equal(sad_by_outbound(f.sad, 0x77, &one)->child_id, 1);
    assert_int_equal(sad_by_outbound(f.sad, 0x77, &two)->child_id, 2);
    assert_null(sad_by_outbound(f.sad, 0x1000, &one)); /* that is an inbound one */
    assert_null(sad_by_outbound(f.sad, 0x78, &one));
    moved.remote.address = two;
    sad_move(f.sad, 1, &moved);
    assert_null(sad_by_outbound(f.sad, 0x77, &one));
    sad_remove(f.sad, 2);
    assert_int_equal(sad_by_outbound(f.sad, 0x77, &two)->child_id, 1);
    sad_remove(f.sad, 1);
    assert_null(sad_by_outbound(f.sad, 0x77, &two));
    sad_free(f.sad);
}

static void count_mtu(void *arg, const struct sa *sa)
{
    *(uint32_t *)arg += sa->path_mtu;
}

static void test_path_mtu_is_of_a_peer(void **state)
{
    (void)state;
    struct fixture f;
    struct address one;
    uint32_t sum = 0;
    assert_int_equal(address_parse("192.0.2.1", &one), OK);
    setup(&f);
    set_peer(&f.pair.child[0], "192.0.2.1");
    assert_int_equal(add(&f, 1, 0x1000, 0, NULL), OK);
    assert_int_equal(add(&f, 2, 0x2000, 1, NULL), OK);
    set_peer(&f.pair.child[0], "192.0.2.2");
    assert_int_equal(add(&f, 3, 0x3000, 2, NULL), OK);
    uint32_t before = sad_by_child(f.sad, 1)->inner_mtu;
    sad_set_path_mtu(f.sad, &one, 1400);
    assert_int_equal(sad_by_child(f.sad, 1)->inner_mtu, before - 100);
    assert_int_equal(sad_by_child(f.sad, 2)->inner_mtu, before - 100);
    assert_int_equal(sad_by_child(f.sad, 3)->inner_mtu, before);
    sad_each(f.sad, count_mtu, &sum);
    assert_int_equal(sum, 1400 + 1400 + 1500);
    sad_free(f.sad);
}

/* Who moves, or goes, is not found where it was; the first, the last and one in the middle of a peer's SAs. */
static void test_path_mtu_follows_moves(void **state)
{
    (void)state;
    struct fixture f;
    struct path there;
    struct address one, two;
    setup(&f);
    set_peer(&f.pair.child[0], "192.0.2.2");
    there = f.pair.child[0].path;
    two = there.remote.address;
    set_peer(&f.pair.child[0], "192.0.2.1");
    one = f.pair.child[0].path.remote.address;
    for (uint64_t id = 1; id <= 5; id++)
        assert_int_equal(add(&f, id, (uint32_t)id << 12, 0, NULL), OK);
    sad_move(f.sad, 1, &there);
    sad_move(f.sad, 5, &there);
    sad_move(f.sad, 3, &there);
    sad_move(f.sad, 3, &there);
    sad_move(f.sad, 9, &there);
    sad_set_path_mtu(f.sad, &two, 1300);
    for (uint64_t id = 1; id <= 5; id++)
        assert_int_equal(sad_by_child(f.sad, id)->path_mtu, id % 2 != 0 ? 1300 : 1500);
    sad_set_path_mtu(f.sad, &one, 1200);
    sad_remove(f.sad, 2);
    sad_remove(f.sad, 4);
    sad_set_path_mtu(f.sad, &one, 1000); /* nobody is there any more */
    sad_remove(f.sad, 3);
    sad_set_path_mtu(f.sad, &two, 1100);
    assert_int_equal(sad_by_child(f.sad, 1)->path_mtu, 1100);
    assert_int_equal(sad_by_child(f.sad, 5)->path_mtu, 1100);
    sad_free(f.sad);
}

static void test_other_numbers_of_rules(void **state)
{
    (void)state;
    static const uint32_t map[RULES] = {5, 0, RENUMBER_GONE, 1};
    const struct renumber numbers = {.rules = map, .rule_count = RULES};
    struct fixture f;
    struct sad_rules *rules;
    bool has = true;
    setup(&f);
    for (uint64_t id = 1; id <= 2 * RULES; id++) {
        assert_int_equal(add(&f, id, 0x1000 + (uint32_t)id, (uint32_t)(id - 1) % RULES, NULL), OK);
        if (id != 2) /* one that only opens */
            assert_int_equal(sad_activate(f.sad, id), OK);
    }
    assert_int_equal(sad_rules_new(6, &rules), OK);
    sad_renumber(f.sad, rules, &numbers);
    assert_int_equal(outbound(&f, 5, "10.2.0.1", &has), 5); /* the newer one of the two */
    assert_int_equal(outbound(&f, 0, "10.2.0.1", &has), 6);
    assert_int_equal(outbound(&f, 1, "10.2.0.1", &has), 8);
    assert_int_equal(outbound(&f, 2, "10.2.0.1", &has), 0);
    assert_null(sad_by_child(f.sad, 3)); /* of a rule that is gone */
    assert_null(sad_inbound(f.sad, 0x1007));
    assert_int_equal(sad_inbound(f.sad, 0x1002)->rule, 0);
    assert_int_equal(sad_activate(f.sad, 2), OK);
    assert_int_equal(outbound(&f, 0, "10.2.0.1", &has), 2);
    sad_remove(f.sad, 2);
    sad_remove(f.sad, 6);
    assert_int_equal(outbound(&f, 0, "10.2.0.1", &has), 0);
    assert_int_equal(add(&f, 20, 0x2000, 5, NULL), OK);
    assert_int_equal(add(&f, 21, 0x2001, 6, NULL), ERR_NOT_FOUND);
    sad_free(f.sad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outbound_spi_and_peer_name_an_sa),
        cmocka_unit_test(test_path_mtu_is_of_a_peer),
        cmocka_unit_test(test_path_mtu_follows_moves),
        cmocka_unit_test(test_unknown_names_do_nothing),
        cmocka_unit_test(test_what_cannot_be_added),
        cmocka_unit_test(test_opens_at_once_seals_after_activation),
        cmocka_unit_test(test_the_newest_activated_is_preferred),
        cmocka_unit_test(test_selectors_choose_among_the_sas_of_a_rule),
        cmocka_unit_test(test_b41_a_dead_sa_is_no_sa),
        cmocka_unit_test(test_move_follows_the_peer),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_b45_no_spi_without_randomness),
        cmocka_unit_test(test_new_spis_are_free_and_not_reserved),
        cmocka_unit_test(test_an_spi_tells_its_shard),
        cmocka_unit_test(test_other_numbers_of_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
