/* SPDX-License-Identifier: Apache-2.0 */
/* Which socket gets what, in a network namespace of this process. */
#include "daemon/steer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/udp.h"
#include "daemon_test.h"
#include "esp/sad.h"
#include "test/unit/network_test.h"

enum { SHARDS = 3, NOBODY = -1, CONTROL = SHARDS };

static const struct log quiet;
static char why[512];
static uint8_t buffer[PACKET_BUFFER];

struct sets {
    struct udp *udp[SHARDS + 1]; /* of the shards, and of the control thread */
};

static struct sets open_sets(const struct connection *c)
{
    struct sets sets;
    const struct udp_share control = {.control = true};
    assert_int_equal(udp_open(c, 1, &control, &quiet, &sets.udp[CONTROL], why, sizeof why), OK);
    for (uint8_t i = 0; i < SHARDS; i++) {
        const struct udp_share share = {.shard = i, .shards = SHARDS};
        assert_int_equal(udp_open(c, 1, &share, &quiet, &sets.udp[i], why, sizeof why), OK);
    }
    udp_steer(sets.udp[CONTROL], SHARDS, &quiet);
    return sets;
}

static void close_sets(struct sets *sets)
{
    for (size_t i = 0; i <= SHARDS; i++)
        udp_close(sets->udp[i]);
}

/* How many datagrams of a kind a set has. */
static size_t drain(struct udp *udp, enum udp_kind kind)
{
    struct datagram datagram = {.packet = packet_of(buffer, sizeof buffer, PACKET_HEADROOM)};
    size_t count = 0;
    for (size_t i = 0; i < udp_count(udp); i++)
        while (udp_at(udp, i)->kind == kind && udp_receive(udp, udp_at(udp, i), &datagram, 1) > 0)
            count++;
    return count;
}

/* The set that has got the one datagram that was sent. */
static int who_got(struct sets *sets, enum udp_kind kind)
{
    struct pollfd fds[64];
    nfds_t n = 0;
    int who = NOBODY;
    for (size_t s = 0; s <= SHARDS; s++)
        for (size_t i = 0; i < udp_count(sets->udp[s]); i++)
            fds[n++] = (struct pollfd){.fd = udp_at(sets->udp[s], i)->fd, .events = POLLIN};
    assert_true(poll(fds, n, 1000) > 0);
    for (int s = 0; s <= SHARDS; s++) {
        size_t count = drain(sets->udp[s], kind);
        assert_true(count == 0 || (count == 1 && who == NOBODY));
        if (count > 0)
            who = s;
    }
    return who;
}

static void send_to(const char *address, int type, uint16_t port, const void *data, size_t len)
{
    struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    bool v4 = inet_pton(AF_INET, address, &to4.sin_addr) == 1;
    assert_true(v4 || inet_pton(AF_INET6, address, &to6.sin6_addr) == 1);
    int fd = socket(v4 ? AF_INET : AF_INET6, type, type == SOCK_RAW ? IPPROTO_ESP : 0);
    const struct sockaddr *to = v4 ? (struct sockaddr *)&to4 : (struct sockaddr *)&to6;
    assert_int_equal(sendto(fd, data, len, 0, to, v4 ? sizeof to4 : sizeof to6), (ssize_t)len);
    close(fd);
}

static const struct {
    uint32_t first; /* four bytes, in host order */
    int who;
} rows[] = {{0x00000000, CONTROL}, {0x00000100, 0}, {0x00000101, 1}, {0xfffffff2, 2},
            {0xabcdef10, 0},       {0xabcdef11, 1}, {0xabcdef12, 2}, {0x12345673, 0},
            {0x1234567f, 0},       {0x7fffffff, 0}, {0x80000001, 1}, {UINT32_C(0xff000002), 2}};

static void udp_finds_its_shard(const char *address)
{
    const struct connection c = {.local = an_address(address), .encap = ENCAP_YES};
    struct sets sets = open_sets(&c);
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t data[32] = {0};
        store_u32(data, rows[i].first);
        send_to(address, SOCK_DGRAM, 4500, data, sizeof data);
        assert_int_equal(who_got(&sets, UDP_NATT), rows[i].who);
    }
    static const uint8_t keepalive[3] = {0xff, 0xff, 0xff}; /* and what is too short to have an SPI */
    for (size_t len = 0; len <= sizeof keepalive; len++) {
        send_to(address, SOCK_DGRAM, 4500, keepalive, len);
        assert_int_equal(who_got(&sets, UDP_NATT), CONTROL);
    }
    send_to(address, SOCK_DGRAM, 500, keepalive, 3);
    assert_int_equal(who_got(&sets, UDP_IKE), CONTROL);
    close_sets(&sets);
}

static void test_udp(void **state)
{
    (void)state;
    if (!enter_network(LOOPBACK_UP))
        skip();
    udp_finds_its_shard("127.0.0.1");
    udp_finds_its_shard("::1");
}

static void raw_finds_its_shard(const char *address)
{
    const struct connection c = {.local = an_address(address), .encap = ENCAP_NO};
    struct sets sets = open_sets(&c);
    for (size_t i = 1; i < COUNT(rows); i++) { /* SPI 0 is not on the wire */
        uint8_t data[32] = {0};
        store_u32(data, rows[i].first);
        send_to(address, SOCK_RAW, 0, data, sizeof data);
        assert_int_equal(who_got(&sets, UDP_RAW_ESP), rows[i].who);
    }
    close_sets(&sets);
}

static void test_raw(void **state)
{
    (void)state;
    if (!enter_network(LOOPBACK_UP))
        skip();
    raw_finds_its_shard("127.0.0.1");
    raw_finds_its_shard("::1");
}

/* Sharing is among ourselves: a port that another daemon has is still found, and ours is not to be had. */
static void test_others_are_kept_off(void **state)
{
    (void)state;
    const struct connection c = {.local = an_address("127.0.0.1"), .encap = ENCAP_YES};
    const struct udp_share control = {.control = true}, shard = {.shard = 0, .shards = SHARDS};
    struct udp *udp;
    if (!enter_network(LOOPBACK_UP))
        skip();
    struct sets sets = open_sets(&c);
    assert_int_equal(udp_open(&c, 1, &control, &quiet, &udp, why, sizeof why), ERR_IO);
    assert_has(why, "another IKE daemon");
    assert_int_equal(udp_open(&c, 1, NULL, &quiet, &udp, why, sizeof why), ERR_IO);
    close_sets(&sets);
    assert_int_equal(udp_open(&c, 1, NULL, &quiet, &sets.udp[0], why, sizeof why), OK);
    assert_int_equal(udp_open(&c, 1, &control, &quiet, &udp, why, sizeof why), ERR_IO);
    assert_int_equal(udp_open(&c, 1, &shard, &quiet, &udp, why, sizeof why), ERR_IO);
    udp_close(sets.udp[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_udp),
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_others_are_kept_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
