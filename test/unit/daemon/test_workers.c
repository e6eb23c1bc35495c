/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/workers.h"

#include "daemon_test.h"
#include "esp/sad.h"

static void test_how_many(void **state)
{
    (void)state;
    static const struct {
        size_t configured, peers;
        bool any;
        size_t processors, wanted;
    } rows[] = {
        {0, 0, false, 8, 1},   {0, 1, false, 8, 1},     {0, 2, false, 8, 2},    {0, 100, false, 8, 8},
        {0, 100, false, 1, 1}, {0, 100, false, 0, 1},   {0, 20, false, 64, 16}, {0, 1, true, 4, 4},
        {0, 0, true, 64, 16},  {0, 3, true, 1, 1},      {1, 100, false, 8, 1},  {7, 1, false, 1, 7},
        {16, 1, false, 1, 16}, {1000, 1, false, 1, 16}, {2, 0, false, 1, 2},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(workers_wanted(rows[i].configured, rows[i].peers, rows[i].any, rows[i].processors),
                         rows[i].wanted);
}

static void test_peers_are_numbered(void **state)
{
    (void)state;
    static const char *const remotes[] = {"192.0.2.9",   NULL, "192.0.2.1", "192.0.2.9",
                                          "2001:db8::1", NULL, "192.0.2.1"};
    static const uint32_t wanted[] = {0, 0, 1, 0, 2, 0, 1};
    struct connection connections[COUNT(remotes)] = {0};
    uint32_t ranks[COUNT(remotes)];
    size_t peers;
    for (size_t i = 0; i < COUNT(remotes); i++)
        if (remotes[i] != NULL)
            connections[i].remote = an_address(remotes[i]);
    assert_int_equal(workers_rank(connections, COUNT(remotes), ranks, &peers), OK);
    assert_int_equal(peers, 3);
    for (size_t i = 0; i < COUNT(remotes); i++)
        if (remotes[i] != NULL)
            assert_int_equal(ranks[i], wanted[i]);
    assert_int_equal(workers_rank(connections, 0, ranks, &peers), OK);
    assert_int_equal(peers, 0);
}

/* A name is one peer, whatever its addresses are; its case and its last dot do not count. */
static void test_names_are_numbered(void **state)
{
    (void)state;
    static const char *const names[] = {"gw.example.org", "GW.example.org.", "other.example.org", "gw.example.org"};
    struct connection connections[COUNT(names) + 1] = {0};
    uint32_t ranks[COUNT(connections)];
    size_t peers;
    for (size_t i = 0; i < COUNT(names); i++)
        connections[i].remote_name = (char *)(uintptr_t)names[i];
    connections[COUNT(names)].remote = an_address("192.0.2.1");
    assert_int_equal(workers_rank(connections, COUNT(connections), ranks, &peers), OK);
    assert_int_equal(peers, 3);
    assert_int_equal(ranks[0], 0);
    assert_int_equal(ranks[1], 0);
    assert_int_equal(ranks[2], 1);
    assert_int_equal(ranks[3], 0);
    assert_int_equal(ranks[4], 2);
}

static void test_whose(void **state)
{
    (void)state;
    const struct address peer = an_address("198.51.100.7");
    for (size_t workers = 1; workers <= SHARDS_MAX; workers++) {
        size_t peers[SHARDS_MAX] = {0};
        for (uint32_t rank = 0; rank < 40; rank++) /* configured peers in turn, wherever they come from */
            assert_int_equal(workers_pick(&rank, &peer, workers), rank % workers);
        /* others by their address: each is always of the same, and none is left idle */
        for (unsigned i = 0; i < 256; i++) {
            struct address a = peer;
            a.bytes[3] = (uint8_t)i;
            size_t whose = workers_pick(NULL, &a, workers);
            assert_true(whose < workers);
            assert_int_equal(workers_pick(NULL, &a, workers), whose);
            peers[whose]++;
        }
        for (size_t i = 0; i < workers; i++)
            assert_true(peers[i] >= 256 / workers / 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_how_many),
        cmocka_unit_test(test_peers_are_numbered),
        cmocka_unit_test(test_names_are_numbered),
        cmocka_unit_test(test_whose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
