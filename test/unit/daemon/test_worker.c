/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packet path with a real TUN and real sockets, in a network namespace of this process, IKE played by the test:
 *
 *   10.1.0.1 on esp0 --- TUN --- worker --- 127.0.0.1:4500 --- udp --- 127.0.0.2:9999, the peer, 10.2.0.0/24
 */
#include "daemon/worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon_test.h"
#include "esp/open.h"
#include "esp/seal.h"

enum { INNER_PORT = 4000, PEER_PORT = 9999, SPI_OURS = 0x1001, SPI_PEER = 0x2002 };

struct world {
    struct connection connection;
    struct spd spd;
    struct random random;
    struct random_seeded seed;
    struct device device;
    struct bypass bypass;
    struct udp *udp;
    struct sad *sad;
    struct worker *worker;
    struct child child;
    struct sa *peer;
    uint8_t key[36];
    int inner, outer; /* the host's UDP socket on 10.1.0.1, the peer's on 127.0.0.2 */
    unsigned acquires, softs, hards, moves, messages, too_bigs;
    struct endpoint moved_to;
};

static const struct log quiet;

static void on_message(void *arg, const struct path *path, struct bytes message)
{
    struct world *w = arg;
    assert_int_equal(path->remote.port, PEER_PORT);
    assert_int_equal(message.len, 5);
    w->messages++;
}

static void on_acquire(void *arg, uint32_t rule)
{
    struct world *w = arg;
    assert_int_equal(rule, 0);
    w->acquires++;
}

static void on_soft(void *arg, uint64_t child_id)
{
    struct world *w = arg;
    assert_int_equal(child_id, 7);
    w->softs++;
}

static void on_hard(void *arg, uint64_t child_id)
{
    struct world *w = arg;
    w->hards++;
    sad_remove(w->sad, child_id);
}

static void on_moved(void *arg, uint64_t child_id, const struct endpoint *remote)
{
    struct world *w = arg;
    assert_int_equal(child_id, 7);
    w->moves++;
    w->moved_to = *remote;
}

static void on_too_big(void *arg, uint64_t child_id, uint32_t size)
{
    struct world *w = arg;
    assert_true(size > 0);
    assert_int_equal(child_id, 7);
    w->too_bigs++;
}

static uint32_t on_route_mtu(void *arg, const struct address *to)
{
    (void)arg;
    (void)to;
    return 1000;
}

static int bound_socket(const char *address, uint16_t port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_int_equal(inet_pton(AF_INET, address, &name.sin_addr), 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    return fd;
}

static void make_child(struct world *w)
{
    memset(w->key, 0x42, sizeof w->key);
    w->child = (struct child){
        .id = 7,
        .connection = "x",
        .spi_in = SPI_OURS,
        .spi_out = SPI_PEER,
        .suite = {.encr = ENCR_AES_GCM_16, .key_bits = 256},
        .udp = true,
        .path = {{an_address("127.0.0.1"), 4500}, {an_address("127.0.0.2"), PEER_PORT}},
        .selector = w->spd.rules[0].selector,
        .key_in = {.data = w->key, .len = sizeof w->key},
        .key_out = {.data = w->key, .len = sizeof w->key},
        .replay_window = 64,
    };
    struct child mirror = w->child;
    mirror.spi_in = SPI_PEER;
    mirror.spi_out = SPI_OURS;
    mirror.selector.local = w->child.selector.remote; /* its ports are any */
    mirror.selector.remote = w->child.selector.local;
    assert_int_equal(sa_new(&mirror, &w->random, &w->peer), OK);
}

static void make_spd(struct spd *spd)
{
    add_rule(spd, ACTION_PROTECT, "10.1.0.0/24 -> 10.2.0.0/24 via x");
    add_rule(spd, ACTION_BYPASS, "10.1.0.0/24 -> 10.3.0.0/24");
    add_rule(spd, ACTION_DISCARD, "10.1.0.0/24 -> 10.4.0.0/24");
}

static int setup(void **state)
{
    char why[512] = "";
    if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0 || access("/dev/net/tun", R_OK | W_OK) != 0) {
        print_message("skipped: needs root and /dev/net/tun\n");
        *state = NULL;
        return 0;
    }
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->random = random_of_seed(&w->seed, 1);
    w->connection = (struct connection){.local = an_address("127.0.0.1"), .encap = ENCAP_AUTO};
    make_spd(&w->spd);
    assert_int_equal(device_open("esp0", false, &w->device, why, sizeof why), OK);
    assert_int_equal(device_start(&w->device, 1400, true, &(struct log){0}, why, sizeof why), OK);
    assert_int_equal(
        system("ip link set lo up && ip addr add 10.1.0.1/32 dev esp0 && ip route add 10.0.0.0/8 dev esp0"), 0);
    assert_int_equal(udp_open(&w->connection, 1, &quiet, &w->udp, why, sizeof why), OK);
    bypass_open(&w->bypass, &quiet);
    assert_int_equal(sad_new(w->spd.count, &w->random, &w->sad), OK);
    const struct worker_setup worker_setup = {
        .spd = &w->spd,
        .sad = w->sad,
        .udp = w->udp,
        .bypass = &w->bypass,
        .device = &w->device,
        .random = &w->random,
        .packet_max = 9000,
        .ops = {w, on_message, on_acquire, on_soft, on_hard, on_moved, on_too_big, on_route_mtu},
    };
    assert_int_equal(worker_new(&worker_setup, &w->worker), OK);
    make_child(w);
    w->inner = bound_socket("10.1.0.1", INNER_PORT);
    w->outer = bound_socket("127.0.0.2", PEER_PORT);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    if (w == NULL)
        return 0;
    close(w->inner);
    close(w->outer);
    sa_free(w->peer);
    worker_free(w->worker);
    sad_free(w->sad);
    bypass_close(&w->bypass);
    udp_close(w->udp);
    device_close(&w->device);
    spd_free(&w->spd);
    free(w);
    return 0;
}

static struct world *world_of(void **state)
{
    if (*state == NULL)
        skip();
    return *state;
}

static uint64_t dropped(const struct world *w, enum drop why)
{
    return worker_drops(w->worker)->count[why];
}

/* The host sends the text to a port of an address behind the TUN. */
static void host_sends(struct world *w, const char *address, const char *text)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};
    assert_int_equal(inet_pton(AF_INET, address, &to.sin_addr), 1);
    assert_int_equal(sendto(w->inner, text, strlen(text), 0, (struct sockaddr *)&to, sizeof to), strlen(text));
}

static void install_child(struct world *w)
{
    assert_int_equal(sad_add(w->sad, &w->child), OK);
    assert_int_equal(sad_activate(w->sad, w->child.id), OK);
}

static void readable(struct world *w, uint64_t now_ms)
{
    assert_true(worker_device_readable(w->worker, now_ms));
}

/* What the peer gets next, opened: the text of the inner UDP datagram; NULL when nothing came. */
static const char *peer_hears(struct world *w)
{
    static uint8_t buffer[PACKET_HEADROOM + 2048 + PACKET_TAILROOM];
    struct packet p = packet_of(buffer, sizeof buffer, PACKET_HEADROOM), *one = &p;
    struct flow flow;
    enum drop why;
    ssize_t len = recv(w->outer, packet_data(&p), 2048, 0);
    if (len < 0)
        return NULL;
    p.len = (uint32_t)len;
    esp_open(w->peer, NULL, &one, &flow, &why, 1);
    assert_int_equal(why, DROP_NONE);
    assert_int_equal(flow.destination_port, 53);
    packet_data(&p)[p.len] = '\0';
    return (const char *)packet_data(&p) + 28;
}

/* A sealed packet from 10.2.0.9 to the host's socket, as the peer would make it. */
static struct packet peer_seals(struct world *w, const char *text)
{
    static uint8_t buffer[PACKET_HEADROOM + 2048 + PACKET_TAILROOM];
    struct packet p = packet_of(buffer, sizeof buffer, PACKET_HEADROOM), *one = &p;
    size_t len = strlen(text);
    uint8_t header[28] = {0x45, 0, 0, (uint8_t)(28 + len), 0, 0, 0, 0, 64, 17, 0, 0, 10, 2, 0, 9, 10, 1, 0, 1};
    uint32_t sum = 0;
    store_u16(header + 22, INNER_PORT);
    store_u16(header + 24, (uint16_t)(8 + len));
    for (size_t i = 0; i < 20; i += 2)
        sum += load_u16(header + i);
    store_u16(header + 10, (uint16_t) ~(sum + (sum >> 16)));
    memcpy(packet_data(&p), header, sizeof header);
    memcpy(packet_data(&p) + 28, text, len);
    p.len = (uint32_t)(28 + len);
    enum drop why;
    esp_seal(w->peer, &one, &why, 1);
    assert_int_equal(why, DROP_NONE);
    return p;
}

static void peer_sends(struct world *w, int fd, const void *data, size_t len)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(4500), .sin_addr.s_addr = htonl(0x7f000001)};
    assert_int_equal(sendto(fd, data, len, 0, (struct sockaddr *)&to, sizeof to), len);
    for (size_t i = 0; i < udp_count(w->udp); i++)
        if (udp_at(w->udp, i)->kind == UDP_NATT)
            worker_socket_readable(w->worker, udp_at(w->udp, i), 0);
}

static const char *host_hears(struct world *w)
{
    static char text[2048];
    struct pollfd ready = {.fd = w->inner, .events = POLLIN};
    (void)poll(&ready, 1, 200);
    ssize_t len = recv(w->inner, text, sizeof text - 1, 0);
    text[len < 0 ? 0 : len] = '\0';
    return len < 0 ? NULL : text;
}

static void test_packets_wait_for_an_sa_and_leave_in_order(void **state)
{
    struct world *w = world_of(state);
    char text[8];
    for (int i = 0; i < 9; i++) {
        (void)snprintf(text, sizeof text, "%d", i);
        host_sends(w, "10.2.0.9", text);
    }
    readable(w, 1000);
    assert_int_equal(w->acquires, 1);
    assert_null(peer_hears(w));
    host_sends(w, "10.2.0.9", "9");
    readable(w, 1000 + WAITING_ASK_EVERY_MS);
    assert_int_equal(w->acquires, 2);
    install_child(w);
    worker_release(w->worker, 0, 2500);
    host_sends(w, "10.2.0.9", "x");
    readable(w, 2600);
    for (int i = 0; i < 10; i++) {
        (void)snprintf(text, sizeof text, "%d", i);
        assert_string_equal(peer_hears(w), text);
    }
    assert_string_equal(peer_hears(w), "x");
    assert_null(peer_hears(w));
    assert_int_equal(worker_rules(w->worker)[0].packets, 11);
    assert_int_equal(worker_rules(w->worker)[0].bytes, 11 * 29);
}

static void test_waiting_is_bounded_and_ends(void **state)
{
    struct world *w = world_of(state);
    for (int i = 0; i < WAITING_PER_RULE + 5; i++)
        host_sends(w, "10.2.0.9", "x");
    readable(w, 1000);
    assert_int_equal(dropped(w, DROP_OUT_QUEUE_FULL), 5);
    assert_int_equal(w->acquires, 1);
    assert_int_equal(worker_next(w->worker), 1000 + WAITING_ASK_EVERY_MS);
    worker_expire(w->worker, 1000 + WAITING_LIFE_MS - 1);
    assert_int_equal(w->acquires, 2);
    assert_int_equal(worker_next(w->worker), 1000 + WAITING_LIFE_MS);
    worker_expire(w->worker, 1000 + WAITING_LIFE_MS);
    assert_int_equal(w->acquires, 2);
    assert_true(worker_next(w->worker) == DEADLINE_NEVER);
    assert_int_equal(dropped(w, DROP_OUT_QUEUE_EXPIRED), WAITING_PER_RULE);
    install_child(w);
    worker_release(w->worker, 0, 9000);
    assert_null(peer_hears(w));
}

/* The first IPv4 packet that arrives at the far end of the other interface: its length, 0 when there is none. */
static size_t far_end_hears(int fd, uint8_t *out, size_t capacity)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    ssize_t len = 0;
    while (poll(&ready, 1, 300) > 0 && (len = recv(fd, out, capacity, 0)) > 0)
        if (len > 34 && load_u16(out + 12) == ETHERTYPE_IP)
            return (size_t)len - 14;
    return 0;
}

static int far_end(void)
{
    int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
    struct sockaddr_ll name = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex("far")};
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    return fd;
}

static void test_verdicts(void **state)
{
    struct world *w = world_of(state);
    assert_int_equal(
        system("ip link add wan type veth peer name far && ip link set wan up && ip link set far up && "
               "ip addr add 10.3.0.1/24 dev wan && ip neigh add 10.3.0.9 lladdr 02:00:00:00:00:01 dev wan"),
        0);
    /* past the connected route, into the TUN, as a route of ours would do for unmarked packets */
    assert_int_equal(
        system("ip rule add not fwmark 0x4500 lookup 99 prio 10 && ip route add 10.3.0.9 dev esp0 table 99"), 0);
    int far = far_end();
    host_sends(w, "10.3.0.9", "bypassed");
    host_sends(w, "10.4.0.9", "discarded");
    host_sends(w, "10.5.0.9", "no rule");
    readable(w, 1000);
    assert_int_equal(dropped(w, DROP_OUT_DISCARD), 1);
    assert_int_equal(dropped(w, DROP_OUT_NO_RULE), 1);
    assert_int_equal(dropped(w, DROP_OUT_BYPASS), 0);
    assert_int_equal(worker_rules(w->worker)[1].packets, 1);
    assert_int_equal(worker_rules(w->worker)[2].packets, 1);
    uint8_t frame[2048];
    assert_int_equal(far_end_hears(far, frame, sizeof frame), 36);
    assert_memory_equal(frame + 42, "bypassed", 8);
    assert_int_equal(frame[14 + 8], 63); /* one hop less */
    close(far);
    assert_int_equal(w->acquires, 0);
}

static void test_inbound_reaches_the_host(void **state)
{
    struct world *w = world_of(state);
    install_child(w);
    struct packet p = peer_seals(w, "hello");
    peer_sends(w, w->outer, packet_data(&p), p.len);
    assert_string_equal(host_hears(w), "hello");
    assert_int_equal(w->moves, 0);
    /* the same again is a replay */
    peer_sends(w, w->outer, packet_data(&p), p.len);
    assert_int_equal(dropped(w, DROP_IN_REPLAY), 1);
    assert_null(host_hears(w));
}

static void test_what_is_not_esp_of_ours_is_counted_b46(void **state)
{
    struct world *w = world_of(state);
    install_child(w);
    peer_sends(w, w->outer, "\xff", 1);
    peer_sends(w, w->outer, "\x01\x02", 2);
    peer_sends(w, w->outer, "", 0);
    peer_sends(w, w->outer, "\0\0\0\0hello", 9);
    peer_sends(w, w->outer, "\0\0\x77\x77\0\0\0\1 no such SPI", 20);
    assert_int_equal(dropped(w, DROP_ENCAP), 2);
    assert_int_equal(w->messages, 1);
    assert_int_equal(dropped(w, DROP_IN_NO_SA), 1);
}

static void test_only_an_authentic_packet_moves_the_peer_b42(void **state)
{
    struct world *w = world_of(state);
    install_child(w);
    int elsewhere = bound_socket("127.0.0.3", 12345);
    struct packet p = peer_seals(w, "hello");
    packet_data(&p)[p.len - 1] ^= 1;
    peer_sends(w, elsewhere, packet_data(&p), p.len);
    assert_int_equal(dropped(w, DROP_IN_AUTH), 1);
    assert_int_equal(w->moves, 0);
    packet_data(&p)[p.len - 1] ^= 1;
    peer_sends(w, elsewhere, packet_data(&p), p.len);
    assert_int_equal(w->moves, 1);
    const struct endpoint expected = {an_address("127.0.0.3"), 12345};
    assert_true(endpoint_equal(&w->moved_to, &expected));
    close(elsewhere);
}

/* An old packet that somebody held back does not move the peer; the newest does. */
static void test_a_packet_held_back_does_not_move_the_peer_b42(void **state)
{
    struct world *w = world_of(state);
    install_child(w);
    int elsewhere = bound_socket("127.0.0.3", 12345);
    uint8_t held[2048];
    struct packet p = peer_seals(w, "held");
    size_t len = p.len;
    memcpy(held, packet_data(&p), len);
    p = peer_seals(w, "newer");
    peer_sends(w, w->outer, packet_data(&p), p.len);
    assert_string_equal(host_hears(w), "newer");
    peer_sends(w, elsewhere, held, len);
    assert_string_equal(host_hears(w), "held"); /* it is authentic, and in the window */
    assert_int_equal(w->moves, 0);
    p = peer_seals(w, "from elsewhere");
    peer_sends(w, elsewhere, packet_data(&p), p.len);
    assert_int_equal(w->moves, 1);
    close(elsewhere);
}

/* A route to the peer leads into the TUN and nothing holds our packets off: they are not sealed again. */
static void test_our_own_packets_do_not_go_round(void **state)
{
    struct world *w = world_of(state);
    w->child.path.remote.address = an_address("10.2.0.99"); /* the peer, inside what it protects */
    install_child(w);
    int fd = bound_socket("10.1.0.1", 4500);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PEER_PORT)};
    assert_int_equal(inet_pton(AF_INET, "10.2.0.99", &to.sin_addr), 1);
    uint8_t esp[100] = {0};
    store_u32(esp, SPI_PEER);
    store_u32(esp + 4, 1);
    assert_int_equal(sendto(fd, esp, sizeof esp, 0, (struct sockaddr *)&to, sizeof to), sizeof esp);
    readable(w, 1000);
    assert_int_equal(dropped(w, DROP_OUT_LOOP), 1);
    store_u32(esp, SPI_PEER + 1); /* somebody else's ESP is traffic like any other */
    assert_int_equal(sendto(fd, esp, sizeof esp, 0, (struct sockaddr *)&to, sizeof to), sizeof esp);
    readable(w, 1000);
    assert_int_equal(dropped(w, DROP_OUT_LOOP), 1);
    assert_int_equal(sad_by_child(w->sad, w->child.id)->out.packets, 1);
    close(fd);
}

static void test_limits_are_told_and_traffic_stops_b41(void **state)
{
    struct world *w = world_of(state);
    w->child.soft_bytes = 1;
    w->child.hard_bytes = 60;
    install_child(w);
    host_sends(w, "10.2.0.9", "1");
    readable(w, 1000);
    assert_int_equal(w->softs, 1);
    assert_string_equal(peer_hears(w), "1");
    for (int i = 0; i < 5; i++)
        host_sends(w, "10.2.0.9", "2");
    readable(w, 1001);
    assert_int_equal(w->softs, 1);
    assert_int_equal(w->hards, 1);
    /* what came after waits for a new SA, and never leaves in clear */
    while (peer_hears(w) != NULL)
        ;
    host_sends(w, "10.2.0.9", "3");
    readable(w, 1002);
    assert_null(peer_hears(w));
    assert_int_equal(w->acquires, 1);
}

/* --- sizes (RFC 4301 8): the path to the peer carries 700 bytes, the TUN 1400 --- */

enum { PATH = 700, LONG = 1200 };

static uint32_t narrow_path(struct world *w)
{
    struct address peer = an_address("127.0.0.2");
    sad_set_path_mtu(w->sad, &peer, PATH);
    return sad_by_child(w->sad, w->child.id)->inner_mtu;
}

/* The host sends a datagram whose packet has `len` bytes, with DF or without. */
static void host_sends_long(struct world *w, size_t len, bool df)
{
    static char text[2048];
    int on = 1, discover = df ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};
    assert_int_equal(inet_pton(AF_INET, "10.2.0.9", &to.sin_addr), 1);
    assert_int_equal(setsockopt(w->inner, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof discover), 0);
    assert_int_equal(setsockopt(w->inner, IPPROTO_IP, IP_RECVERR, &on, sizeof on), 0);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)i;
    /* An error that waits for us is told instead, once. */
    if (sendto(w->inner, text, len - 28, 0, (struct sockaddr *)&to, sizeof to) < 0)
        assert_int_equal(sendto(w->inner, text, len - 28, 0, (struct sockaddr *)&to, sizeof to), len - 28);
    readable(w, 1000);
}

/* The next outer packet, opened; its length on the wire (from the SPI on), or 0. */
static size_t peer_opens(struct world *w, struct packet *p)
{
    static uint8_t buffer[PACKET_HEADROOM + 2048 + PACKET_TAILROOM];
    struct flow flow;
    enum drop why;
    *p = packet_of(buffer, sizeof buffer, PACKET_HEADROOM);
    ssize_t len = recv(w->outer, packet_data(p), 2048, 0);
    if (len < 0)
        return 0;
    p->len = (uint32_t)len;
    esp_open(w->peer, NULL, &p, &flow, &why, 1);
    assert_int_equal(why, DROP_NONE);
    return (size_t)len;
}

static void test_too_big_with_df_is_told_to_the_sender(void **state)
{
    struct world *w = world_of(state);
    struct sock_extended_err error = {0};
    uint8_t control[512], data[2048];
    struct iovec vector = {data, sizeof data};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    install_child(w);
    uint32_t mtu = narrow_path(w);
    host_sends_long(w, mtu, true);
    struct packet p;
    assert_true(peer_opens(w, &p) > 0);
    assert_int_equal(p.len, mtu);
    host_sends_long(w, mtu + 1, true);
    assert_int_equal(peer_opens(w, &p), 0);
    assert_int_equal(dropped(w, DROP_OUT_TOO_BIG), 1);
    assert_true(recvmsg(w->inner, &message, MSG_ERRQUEUE) >= 0);
    const struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    assert_non_null(c);
    memcpy(&error, CMSG_DATA(c), sizeof error);
    assert_int_equal(error.ee_errno, EMSGSIZE);
    assert_int_equal(error.ee_info, mtu);
}

static void test_errors_to_senders_are_limited(void **state)
{
    struct world *w = world_of(state);
    install_child(w);
    uint32_t mtu = narrow_path(w);
    for (int i = 0; i < 200; i++)
        host_sends_long(w, mtu + 1, true);
    assert_int_equal(dropped(w, DROP_OUT_TOO_BIG), 200);
    int told = 0;
    char byte;
    while (recv(w->inner, &byte, 1, MSG_ERRQUEUE) >= 0)
        told++;
    assert_in_range(told, 1, 32); /* all in one millisecond, of one sender */
}

static void test_too_big_without_df_is_cut_before_sealing(void **state)
{
    struct world *w = world_of(state);
    install_child(w);
    uint32_t mtu = narrow_path(w);
    host_sends_long(w, LONG, false);
    struct packet p;
    size_t pieces = 0, bytes = 0;
    for (size_t len; (len = peer_opens(w, &p)) > 0; pieces++) {
        assert_true(len + 28 <= PATH);
        assert_true(p.len <= mtu);
        assert_int_equal((load_u16(packet_data(&p) + 6) & 0x1fff) * 8, bytes);
        bytes += p.len - 20;
    }
    assert_int_equal(pieces, 2);
    assert_int_equal(bytes, LONG - 20);
    assert_int_equal(dropped(w, DROP_OUT_TOO_BIG), 0);
}

static void test_fragment_after_and_df_clear_leave_whole(void **state)
{
    struct world *w = world_of(state);
    w->child.tunnel.fragment = CUT_AFTER_SEALING;
    install_child(w);
    (void)narrow_path(w);
    struct packet p;
    host_sends_long(w, LONG, false);
    assert_true(peer_opens(w, &p) > 0);
    assert_int_equal(p.len, LONG);
    sad_by_child(w->sad, w->child.id)->tunnel.df = DF_CLEAR;
    host_sends_long(w, LONG, true);
    assert_true(peer_opens(w, &p) > 0);
    assert_int_equal(p.len, LONG);
    /* DF on the outside leaves no way but to cut before */
    sad_by_child(w->sad, w->child.id)->tunnel.df = DF_SET;
    host_sends_long(w, LONG, false);
    assert_true(peer_opens(w, &p) > 0);
    assert_true(p.len < LONG);
}

/* --- DSCP and ECN (RFC 4301 5.1.2, RFC 6040) --- */

static int outer_tos(struct world *w)
{
    uint8_t data[2048], control[64];
    struct iovec vector = {data, sizeof data};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    assert_true(recvmsg(w->outer, &message, 0) >= 0);
    const struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    return c != NULL && c->cmsg_type == IP_TOS ? CMSG_DATA(c)[0] : -1;
}

static void test_marks_leave_on_the_outer_header(void **state)
{
    struct world *w = world_of(state);
    int on = 1, tos = 46 << 2 | 2;
    install_child(w);
    struct tunnel *tunnel = &sad_by_child(w->sad, w->child.id)->tunnel;
    assert_int_equal(setsockopt(w->outer, IPPROTO_IP, IP_RECVTOS, &on, sizeof on), 0);
    assert_int_equal(setsockopt(w->inner, IPPROTO_IP, IP_TOS, &tos, sizeof tos), 0);
    *tunnel = (struct tunnel){.dscp = DSCP_COPY, .ecn = true};
    host_sends_long(w, 100, false);
    assert_int_equal(outer_tos(w), 46 << 2 | 2);
    *tunnel = (struct tunnel){.dscp = 48, .ecn = false};
    host_sends_long(w, 100, false);
    assert_int_equal(outer_tos(w), 48 << 2);
}

static void test_congestion_marks_arrive_or_end_the_packet(void **state)
{
    struct world *w = world_of(state);
    int tos = 3; /* CE */
    install_child(w);
    assert_int_equal(setsockopt(w->outer, IPPROTO_IP, IP_TOS, &tos, sizeof tos), 0);
    struct packet p = peer_seals(w, "not capable"); /* the inner packet is Not-ECT */
    peer_sends(w, w->outer, packet_data(&p), p.len);
    assert_int_equal(dropped(w, DROP_IN_ECN), 1);
    assert_null(host_hears(w));
    tos = 2; /* ECT(0) over Not-ECT: as it was */
    assert_int_equal(setsockopt(w->outer, IPPROTO_IP, IP_TOS, &tos, sizeof tos), 0);
    p = peer_seals(w, "hello");
    peer_sends(w, w->outer, packet_data(&p), p.len);
    assert_string_equal(host_hears(w), "hello");
}

static void test_the_end_of_the_tun_is_noticed(void **state)
{
    struct world *w = world_of(state);
    assert_int_equal(system("ip link del esp0"), 0);
    assert_false(worker_device_readable(w->worker, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_packets_wait_for_an_sa_and_leave_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waiting_is_bounded_and_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_verdicts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inbound_reaches_the_host, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_not_esp_of_ours_is_counted_b46, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_an_authentic_packet_moves_the_peer_b42, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_packet_held_back_does_not_move_the_peer_b42, setup, teardown),
        cmocka_unit_test_setup_teardown(test_our_own_packets_do_not_go_round, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits_are_told_and_traffic_stops_b41, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_big_with_df_is_told_to_the_sender, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors_to_senders_are_limited, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_big_without_df_is_cut_before_sealing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fragment_after_and_df_clear_leave_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_marks_leave_on_the_outer_header, setup, teardown),
        cmocka_unit_test_setup_teardown(test_congestion_marks_arrive_or_end_the_packet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_end_of_the_tun_is_noticed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
