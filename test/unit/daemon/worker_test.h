/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packet path with a real TUN and real sockets, in a network namespace of this process, IKE played by the test:
 *
 *   10.1.0.1 on esp0 --- TUN --- worker --- 127.0.0.1:4500 --- udp --- 127.0.0.2:9999, the peer, 10.2.0.0/24
 */
#ifndef TEST_UNIT_DAEMON_WORKER_TEST_H
#define TEST_UNIT_DAEMON_WORKER_TEST_H

#include "daemon/worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
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
    struct ring *ring; /* what is handed over; NULL: there is no room */
    unsigned handed_over;
    bool no_room;        /* for notes */
    unsigned refused[2]; /* super-packets of TCP, of UDP */
    int refusal;
    unsigned answers;
    struct echo answer;
    struct echo_mark mark;
};

static const struct log quiet;

static inline bool on_message(void *arg, const struct path *path, struct bytes message)
{
    struct world *w = arg;
    assert_int_equal(path->remote.port, PEER_PORT);
    assert_int_equal(message.len, 5);
    w->messages++;
    return true;
}

static inline bool on_note(void *arg, const struct note *n)
{
    struct world *w = arg;
    bool of_child = n->kind == NOTE_SOFT || n->kind == NOTE_MOVED || n->kind == NOTE_TOO_BIG;
    assert_true(!of_child || n->child_id == 7);
    switch (n->kind) {
    case NOTE_ACQUIRE:
        assert_int_equal(n->rule, 0);
        w->acquires++;
        break;
    case NOTE_SOFT: w->softs++; break;
    case NOTE_HARD:
        w->hards++;
        sad_remove(w->sad, n->child_id);
        break;
    case NOTE_MOVED:
        w->moves++;
        w->moved_to = n->remote;
        break;
    case NOTE_TOO_BIG:
        assert_true(n->size > 0);
        w->too_bigs++;
        break;
    case NOTE_ANSWER:
        w->answers++;
        w->answer = n->echo;
        break;
    case NOTE_REFUSED:
        w->refused[n->udp ? 1 : 0]++;
        w->refusal = n->error;
        break;
    }
    return !w->no_room;
}

static inline uint32_t on_route_mtu(void *arg, const struct address *to)
{
    (void)arg;
    (void)to;
    return 1000;
}

static inline bool on_hand_over(void *arg, uint8_t shard, const struct stray *stray, struct bytes packet)
{
    struct world *w = arg;
    assert_int_equal(shard, 1);
    w->handed_over++;
    return w->ring != NULL && stray_put(w->ring, stray, packet);
}

static inline int bound_socket(const char *address, uint16_t port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_int_equal(inet_pton(AF_INET, address, &name.sin_addr), 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    return fd;
}

static inline void make_child(struct world *w)
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
    assert_int_equal(sa_new(&mirror, NULL, &w->random, &w->peer), OK);
}

static inline void make_spd(struct spd *spd, const struct random *random)
{
    add_rule(spd, ACTION_PROTECT, "10.1.0.0/24 -> 10.2.0.0/24 via x");
    add_rule(spd, ACTION_BYPASS, "10.1.0.0/24 -> 10.3.0.0/24");
    add_rule(spd, ACTION_DISCARD, "10.1.0.0/24 -> 10.4.0.0/24");
    assert_int_equal(spd_compile(spd, random), OK);
}

static inline struct worker *new_worker(struct world *w, uint8_t shard)
{
    struct worker *worker;
    const struct worker_setup worker_setup = {
        .spd = &w->spd,
        .sad = w->sad,
        .udp = w->udp,
        .bypass = &w->bypass,
        .device = &w->device,
        .random = &w->random,
        .mark = &w->mark,
        .shard = shard,
        .packet_max = 9000,
        .ops = {w, on_message, on_note, on_route_mtu, on_hand_over},
    };
    assert_int_equal(worker_new(&worker_setup, &worker), OK);
    return worker;
}

static inline int setup_with(void **state, bool offload)
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
    make_spd(&w->spd, &w->random);
    assert_int_equal(device_open("esp0", offload, false, &w->device, why, sizeof why), OK);
    assert_int_equal(device_start(&w->device, 1400, true, &(struct log){0}, why, sizeof why), OK);
    assert_int_equal(
        system("ip link set lo up && ip addr add 10.1.0.1/32 dev esp0 && ip route add 10.0.0.0/8 dev esp0"), 0);
    assert_int_equal(udp_open(&w->connection, 1, NULL, &quiet, &w->udp, why, sizeof why), OK);
    bypass_open(&w->bypass, &quiet);
    assert_int_equal(sad_new(w->spd.count, NULL, &w->random, &w->sad), OK);
    w->worker = new_worker(w, 0);
    make_child(w);
    w->inner = bound_socket("10.1.0.1", INNER_PORT);
    w->outer = bound_socket("127.0.0.2", PEER_PORT);
    *state = w;
    return 0;
}

static inline int setup(void **state)
{
    return setup_with(state, false);
}

static inline int teardown(void **state)
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

static inline struct world *world_of(void **state)
{
    if (*state == NULL)
        skip();
    return *state;
}

static inline uint64_t dropped(const struct world *w, enum drop why)
{
    return worker_drops(w->worker)->count[why];
}

/* The host sends the text to a port of an address behind the TUN. */
static inline void host_sends(struct world *w, const char *address, const char *text)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(53)};
    assert_int_equal(inet_pton(AF_INET, address, &to.sin_addr), 1);
    assert_int_equal(sendto(w->inner, text, strlen(text), 0, (struct sockaddr *)&to, sizeof to), strlen(text));
}

static inline void install_child(struct world *w)
{
    assert_int_equal(sad_add(w->sad, &w->child), OK);
    assert_int_equal(sad_activate(w->sad, w->child.id), OK);
}

static inline void readable(struct world *w, uint64_t now_ms)
{
    assert_true(worker_device_readable(w->worker, now_ms));
}

/* What the peer gets next, opened: the text of the inner UDP datagram; NULL when nothing came. */
static inline const char *peer_hears(struct world *w)
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

static inline struct packet sealed(struct world *w, struct packet p)
{
    struct packet *one = &p;
    enum drop why;
    esp_seal(w->peer, &one, &why, 1);
    assert_int_equal(why, DROP_NONE);
    return p;
}

/* What 10.2.0.9 says to our own echo request, sealed; forged: with another token. */
static inline struct packet peer_answers(struct world *w, bool forged)
{
    static uint8_t buffer[PACKET_HEADROOM + 2048 + PACKET_TAILROOM];
    struct packet p = packet_of(buffer, sizeof buffer, PACKET_HEADROOM);
    struct echo_mark mark = w->mark;
    const struct echo echo = {.source = an_address("10.2.0.9"),
                              .destination = an_address("10.1.0.1"),
                              .subject = 3,
                              .sequence = 4,
                              .nonce = 5};
    mark.token[3] ^= forged;
    uint8_t *ip = packet_data(&p);
    p.len = (uint32_t)echo_request(&mark, &echo, ip);
    ip[20] = 0; /* the reply; a request is 8 */
    store_u16(ip + 22, checksum_replace(load_u16(ip + 22), 0x0800, 0));
    return sealed(w, p);
}

/* A sealed packet from 10.2.0.9 to the host's socket, as the peer would make it. */
static inline struct packet peer_seals(struct world *w, const char *text)
{
    static uint8_t buffer[PACKET_HEADROOM + 2048 + PACKET_TAILROOM];
    struct packet p = packet_of(buffer, sizeof buffer, PACKET_HEADROOM);
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
    return sealed(w, p);
}

static inline void peer_sends(struct world *w, int fd, const void *data, size_t len)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(4500), .sin_addr.s_addr = htonl(0x7f000001)};
    assert_int_equal(sendto(fd, data, len, 0, (struct sockaddr *)&to, sizeof to), len);
    for (size_t i = 0; i < udp_count(w->udp); i++)
        if (udp_at(w->udp, i)->kind == UDP_NATT)
            worker_socket_readable(w->worker, udp_at(w->udp, i), 0);
}

static inline const char *host_hears(struct world *w)
{
    static char text[2048];
    struct pollfd ready = {.fd = w->inner, .events = POLLIN};
    (void)poll(&ready, 1, 200);
    ssize_t len = recv(w->inner, text, sizeof text - 1, 0);
    text[len < 0 ? 0 : len] = '\0';
    return len < 0 ? NULL : text;
}

#endif
