/* SPDX-License-Identifier: Apache-2.0 */
/* In a network namespace of this process, over the loopback interface. */
#include "daemon/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/capability.h>

#include "daemon_test.h"
#include "test/unit/refusing_kernel.h"

static const struct log quiet;
static char why[512];
static uint8_t buffers[4][PACKET_BUFFER];
static struct datagram datagrams[4];

static bool enter(void)
{
    if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0) {
        print_message("skipped: needs root\n");
        return false;
    }
    /* The kernel takes its time to believe in an address, ::1 included, and to have a route to it. */
    assert_int_equal(
        system("ip link set lo up && ip addr add 2001:db8::1/128 dev lo nodad && for a in ::1 2001:db8::1; "
               "do until ip -6 route get $a 2>&1 | grep -q ^local; do sleep 0.01; done; done"),
        0);
    for (size_t i = 0; i < COUNT(datagrams); i++)
        datagrams[i].packet = packet_of(buffers[i], sizeof buffers[i], PACKET_HEADROOM);
    return true;
}

static struct udp *open_for(const struct connection *connections, size_t count)
{
    struct udp *udp;
    if (udp_open(connections, count, NULL, &quiet, &udp, why, sizeof why) != OK)
        fail_msg("%s", why);
    udp_offload(udp, true, true);
    return udp;
}

static void print_sockets(const struct udp *udp, char *out, size_t len)
{
    static const char *const kinds[] = {"500", "4500", "raw"};
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < udp_count(udp); i++) {
        const struct udp_socket *s = udp_at(udp, i);
        char text[ADDRESS_TEXT];
        used +=
            (size_t)snprintf(out + used, len - used, "%s%s/v%u/%s", i > 0 ? " " : "",
                             s->local.family == 0 ? "any" : address_print(&s->local, text), s->family, kinds[s->kind]);
    }
}

static void test_which_sockets(void **state)
{
    (void)state;
    const struct {
        struct connection connections[2];
        const char *sockets;
    } rows[] = {
        {{{.local = an_address("127.0.0.1")}, {.local = an_address("127.0.0.1")}},
         "127.0.0.1/v4/500 127.0.0.1/v4/4500"},
        {{{.local = an_address("127.0.0.1")}, {.local = an_address("127.0.0.2"), .encap = ENCAP_NO}},
         "127.0.0.1/v4/500 127.0.0.1/v4/4500 127.0.0.2/v4/500 127.0.0.2/v4/4500 127.0.0.2/v4/raw"},
        {{{.local = an_address("2001:db8::1"), .encap = ENCAP_AUTO}, {.local = an_address("2001:db8::1")}},
         "2001:db8::1/v6/500 2001:db8::1/v6/4500 2001:db8::1/v6/raw"},
        {{{.remote = an_address("192.0.2.2")}, {.remote = an_address("192.0.2.2")}}, "any/v4/500 any/v4/4500"},
        /* a wildcard serves the specific address, too; the other kinds are added */
        {{{.local = an_address("127.0.0.1"), .encap = ENCAP_AUTO}, {.encap = ENCAP_YES}},
         "any/v4/500 any/v4/4500 any/v6/500 any/v6/4500 127.0.0.1/v4/raw"},
    };
    if (!enter())
        skip();
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct udp *udp = open_for(rows[i].connections, 2);
        char text[512];
        print_sockets(udp, text, sizeof text);
        assert_string_equal(text, rows[i].sockets);
        udp_close(udp);
    }
}

static void test_errors_say_what_to_do(void **state)
{
    (void)state;
    struct connection c = {.local = an_address("192.0.2.77")};
    struct udp *udp, *second;
    if (!enter())
        skip();
    assert_int_equal(udp_open(&c, 1, NULL, &quiet, &udp, why, sizeof why), ERR_IO);
    assert_has(why, "UDP port 500 on 192.0.2.77");
    assert_has(why, "does not have the address");
    c.local = an_address("127.0.0.1");
    udp = open_for(&c, 1);
    assert_int_equal(udp_open(&c, 1, NULL, &quiet, &second, why, sizeof why), ERR_IO);
    assert_has(why, "another IKE daemon");
    assert_null(second);
    udp_close(udp);
}

/* On a busy machine the loopback takes its time. */
static size_t receive(struct udp *udp, const struct udp_socket *socket, size_t wanted)
{
    size_t count = 0;
    struct pollfd ready = {.fd = socket->fd, .events = POLLIN};
    while (count < wanted && poll(&ready, 1, 1000) > 0)
        count += udp_receive(udp, socket, datagrams + count, COUNT(datagrams) - count);
    return count;
}

static const struct udp_socket *socket_of(const struct udp *udp, enum udp_kind kind, uint8_t family)
{
    for (size_t i = 0; i < udp_count(udp); i++)
        if (udp_at(udp, i)->kind == kind && udp_at(udp, i)->family == family)
            return udp_at(udp, i);
    fail();
    return NULL;
}

static uint32_t send_esp(struct udp *udp, const struct path *path, bool in_udp, struct packet *const *list,
                         const struct outer *outer, size_t n, struct drops *drops)
{
    struct esp_path way = {.path = *path, .in_udp = in_udp, .gso = true};
    return udp_send_esp(udp, &way, list, outer, n, drops);
}

/* From one local address to another through wildcard sockets: the reply leaves from the address that was addressed. */
static void check_round_trip(struct udp *udp, const char *from, const char *to, uint16_t port, bool marker)
{
    enum udp_kind kind = port == 500 ? UDP_IKE : UDP_NATT;
    struct path path = {{an_address(from), port}, {an_address(to), port}};
    const struct udp_socket *socket = socket_of(udp, kind, path.local.address.family);
    for (int hop = 0; hop < 2; hop++) {
        assert_true(udp_send(udp, &path, marker, bytes_of("hello", 5)));
        assert_int_equal(receive(udp, socket, 1), 1);
        assert_true(endpoint_equal(&datagrams[0].path.remote, &path.local));
        assert_true(endpoint_equal(&datagrams[0].path.local, &path.remote));
        assert_int_equal(datagrams[0].packet.len, marker ? 9 : 5);
        assert_memory_equal(packet_data(&datagrams[0].packet), marker ? "\0\0\0\0hello" : "hello", marker ? 9 : 5);
        path = datagrams[0].path;
    }
}

static void count_mark(void *arg, enum log_level level, const char *line)
{
    unsigned *count = arg;
    if (level == LOG_WARNING && strstr(line, "SO_MARK") != NULL && strstr(line, "CAP_NET_ADMIN") != NULL)
        (*count)++;
}

/* In a process that may only bind low ports: said once, whatever the number of sockets. */
static unsigned marks_missed(bool privileged)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{.effective = 1u << CAP_NET_BIND_SERVICE}};
    data[0].permitted = data[0].effective;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        unsigned count = 0;
        const struct log log = {.level = LOG_WARNING, .sink = count_mark, .arg = &count};
        const struct connection connection = {.encap = ENCAP_YES};
        struct udp *udp;
        if (!privileged && syscall(SYS_capset, &header, data) != 0)
            _exit(100);
        if (udp_open(&connection, 1, NULL, &log, &udp, why, sizeof why) != OK)
            _exit(101);
        _exit((int)count);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return (unsigned)WEXITSTATUS(status);
}

static void test_a_missing_mark_is_said(void **state)
{
    (void)state;
    if (!enter())
        skip();
    assert_int_equal(marks_missed(true), 0);
    assert_int_equal(marks_missed(false), 1);
}

static void test_replies_leave_from_the_address_that_was_addressed(void **state)
{
    (void)state;
    const struct connection c = {0};
    if (!enter())
        skip();
    struct udp *udp = open_for(&c, 1);
    check_round_trip(udp, "127.0.0.5", "127.0.0.6", 500, false);
    check_round_trip(udp, "127.0.0.5", "127.0.0.6", 4500, true);
    check_round_trip(udp, "::1", "2001:db8::1", 500, false);
    check_round_trip(udp, "::1", "2001:db8::1", 4500, true);
    udp_close(udp);
}

static void check_esp(struct udp *udp, const char *from, const char *to, bool in_udp)
{
    static uint8_t bytes[3][PACKET_BUFFER];
    struct packet packets[3], *list[3];
    struct drops drops = {0};
    struct path path = {{an_address(from), 4500}, {an_address(to), 4500}};
    for (uint8_t i = 0; i < 3; i++) {
        packets[i] = packet_of(bytes[i], sizeof bytes[i], PACKET_HEADROOM);
        memset(packet_append(&packets[i], 100u + i), 'a' + i, 100u + i);
        list[i] = &packets[i];
    }
    /* CE and ECT(0) cross, DF and not in turn */
    const struct outer outer[3] = {{0, true}, {0xb8 | 3, false}, {0x02, true}};
    assert_int_equal(send_esp(udp, &path, in_udp, list, outer, 3, &drops), 0);
    const struct udp_socket *socket = socket_of(udp, in_udp ? UDP_NATT : UDP_RAW_ESP, path.local.address.family);
    assert_int_equal(receive(udp, socket, 3), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(datagrams[i].packet.len, 100 + i);
        assert_memory_equal(packet_data(&datagrams[i].packet), packet_data(&packets[i]), 100 + i);
        assert_true(address_equal(&datagrams[i].path.remote.address, &path.local.address));
        assert_true(address_equal(&datagrams[i].path.local.address, &path.remote.address));
        assert_int_equal(datagrams[i].path.remote.port, in_udp ? 4500 : 0);
        assert_int_equal(datagrams[i].tos, outer[i].tos);
        assert_false(datagrams[i].fragmented);
    }
    assert_int_equal(drops.count[DROP_OUT_SOCKET] + drops.count[DROP_OUT_TOO_BIG], 0);
}

static void test_esp_both_ways_of_carrying(void **state)
{
    (void)state;
    const struct connection c = {.encap = ENCAP_AUTO};
    if (!enter())
        skip();
    struct udp *udp = open_for(&c, 1);
    check_esp(udp, "127.0.0.5", "127.0.0.6", true);
    check_esp(udp, "127.0.0.5", "127.0.0.6", false);
    check_esp(udp, "::1", "2001:db8::1", true);
    check_esp(udp, "::1", "2001:db8::1", false);
    udp_close(udp);
}

static void test_what_cannot_leave_is_counted(void **state)
{
    (void)state;
    static uint8_t bytes[PACKET_BUFFER];
    const struct connection c = {.remote = an_address("192.0.2.2")};
    struct packet packet = packet_of(bytes, sizeof bytes, PACKET_HEADROOM), *list[] = {&packet, &packet};
    const struct outer outer[2] = {{0}};
    struct drops drops = {0};
    if (!enter())
        skip();
    struct udp *udp = open_for(&c, 1);
    assert_non_null(packet_append(&packet, 100));
    struct path path = {{{.family = 0}, 4500}, {an_address("192.0.2.2"), 4500}}; /* no route */
    assert_int_equal(send_esp(udp, &path, true, list, outer, 2, &drops), 0);
    assert_int_equal(drops.count[DROP_OUT_SOCKET], 2);
    assert_false(udp_send(udp, &path, true, bytes_of("x", 1)));
    assert_int_equal(errno, ENETUNREACH);
    assert_int_equal(send_esp(udp, &path, false, list, outer, 2, &drops), 0); /* no raw socket was asked for */
    assert_int_equal(drops.count[DROP_OUT_SOCKET], 4);
    path = (struct path){{{.family = 0}, 4500}, {an_address("127.0.0.1"), 4500}};
    assert_non_null(packet_append(&packet, PACKET_PAYLOAD_MAX - 100));
    assert_true(send_esp(udp, &path, true, list, outer, 2, &drops) > 0); /* nothing is as big */
    assert_int_equal(drops.count[DROP_OUT_TOO_BIG], 2);
    udp_close(udp);
}

/* Packets of one size leave as one message and arrive as one (the loopback does not cut them): all of them, in order.
 */
static void check_segments(struct udp *udp, const char *address, const uint32_t *sizes, size_t n, size_t messages)
{
    static uint8_t bytes[UDP_BATCH][2048];
    static struct packet packets[UDP_BATCH], *list[UDP_BATCH];
    struct outer outer[UDP_BATCH] = {{0}};
    struct drops drops = {0};
    struct path path = {{an_address(address), 4500}, {an_address(address), 4500}};
    for (size_t i = 0; i < n; i++) {
        packets[i] = packet_of(bytes[i], sizeof bytes[i], PACKET_HEADROOM);
        memset(packet_append(&packets[i], sizes[i]), (int)i + 1, sizes[i]);
        list[i] = &packets[i];
        outer[i] = (struct outer){.tos = 2, .df = true};
    }
    assert_int_equal(send_esp(udp, &path, true, list, outer, n, &drops), 0);
    const struct udp_socket *socket = socket_of(udp, UDP_NATT, path.local.address.family);
    size_t at = 0, count = receive(udp, socket, messages);
    assert_int_equal(count, messages);
    for (size_t i = 0; i < count; i++) {
        const struct datagram *d = &datagrams[i];
        for (uint32_t done = 0; done < d->packet.len; at++) {
            uint32_t size = d->segment != 0 ? d->segment : d->packet.len;
            uint32_t len = size < d->packet.len - done ? size : d->packet.len - done;
            assert_true(at < n);
            assert_int_equal(len, sizes[at]);
            assert_int_equal(packet_data(&d->packet)[done], at + 1);
            assert_int_equal(packet_data(&d->packet)[done + len - 1], at + 1);
            assert_int_equal(d->tos, 2);
            done += len;
        }
    }
    assert_int_equal(at, n);
}

static void test_segments_stay_together_and_apart(void **state)
{
    (void)state;
    const struct connection c = {.encap = ENCAP_YES};
    static const uint32_t equal[] = {500, 500, 500, 500}, tail[] = {500, 500, 500, 7}, rise[] = {500, 501, 500},
                          fall[] = {500, 400, 400, 400}, one[] = {700};
    if (!enter())
        skip();
    struct udp *udp = open_for(&c, 1);
    for (int family = 4; family <= 6; family += 2) {
        const char *address = family == 4 ? "127.0.0.1" : "::1";
        check_segments(udp, address, one, 1, 1);
        check_segments(udp, address, equal, 4, 1);
        check_segments(udp, address, tail, 4, 1);
        check_segments(udp, address, rise, 3, 2); /* 500, then 501 with its shorter tail */
        check_segments(udp, address, fall, 4, 2); /* 500 with its tail of 400, then two of 400 */
    }
    udp_close(udp);
}

/* --- a kernel that does not take several packets as one message --- */

enum { ALIKE = 4, ALIKE_SIZE = 500 };

/* Packets of one size, which would be one message. Returns how many have arrived; `wanted` is how many to wait for. */
static size_t send_alike(struct udp *udp, struct esp_path *path, size_t wanted, struct drops *drops)
{
    static uint8_t bytes[ALIKE][PACKET_BUFFER];
    struct packet packets[ALIKE], *list[ALIKE];
    const struct outer outer[ALIKE] = {{0}};
    size_t arrived = 0;
    for (size_t i = 0; i < ALIKE; i++) {
        packets[i] = packet_of(bytes[i], sizeof bytes[i], PACKET_HEADROOM);
        memset(packet_append(&packets[i], ALIKE_SIZE), (int)i + 1, ALIKE_SIZE);
        list[i] = &packets[i];
    }
    assert_int_equal(udp_send_esp(udp, path, list, outer, ALIKE, drops), 0);
    size_t count = receive(udp, socket_of(udp, UDP_NATT, 4), wanted);
    for (size_t i = 0; i < count; i++)
        arrived += datagrams[i].packet.len / ALIKE_SIZE;
    return arrived;
}

struct refused_message {
    struct udp *udp;
    int error;
    bool gso; /* is tried again */
    size_t arrived, lost;
};

static void check_refused_message(const void *arg)
{
    const struct refused_message *r = arg;
    struct drops drops = {0};
    struct esp_path path = {
        .path = {{an_address("127.0.0.1"), 4500}, {an_address("127.0.0.1"), 4500}}, .in_udp = true, .gso = true};
    assert_true(refuse_call(SYS_sendmmsg, 1, 1, r->error)); /* one message; one by one they are four */
    for (size_t i = 1; i <= 2; i++) {
        assert_int_equal(send_alike(r->udp, &path, r->arrived, &drops), r->arrived);
        assert_true(path.gso == r->gso);
        assert_int_equal(drops.count[DROP_OUT_SOCKET], i * r->lost);
        assert_int_equal(drops.count[DROP_OUT_TOO_BIG], 0);
    }
}

static void test_a_message_that_is_refused_goes_packet_by_packet(void **state)
{
    (void)state;
    const struct connection c = {.local = an_address("127.0.0.1"), .encap = ENCAP_YES};
    if (!enter())
        skip();
    struct udp *udp = open_for(&c, 1);
    const struct refused_message rows[] = {
        {udp, EIO, false, ALIKE, 0}, /* the way to this peer cannot: not tried again */
        {udp, EINVAL, true, ALIKE, 0},  {udp, EMSGSIZE, true, ALIKE, 0},
        {udp, ENOBUFS, true, 0, ALIKE}, /* full is full for each */
        {udp, EPERM, true, 0, ALIKE},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        in_a_child(check_refused_message, &rows[i]);
    udp_close(udp);
}

/* Over a link of 1500 bytes: with DF too big is too big, without it arrives in fragments, and that is seen. */
static void check_fragments(struct udp *udp, const char *address, bool in_udp)
{
    static uint8_t bytes[PACKET_BUFFER];
    struct packet packet = packet_of(bytes, sizeof bytes, PACKET_HEADROOM), *list[] = {&packet};
    struct drops drops = {0};
    struct path path = {{an_address(address), 4500}, {an_address(address), 4500}};
    const struct outer df = {.df = true}, no_df = {.tos = 2};
    assert_non_null(packet_append(&packet, 4000));
    uint32_t headers = path.remote.address.family == 4 ? 20 : 40;
    assert_int_equal(send_esp(udp, &path, in_udp, list, &df, 1, &drops), 4000 + headers + (in_udp ? 8 : 0));
    assert_int_equal(drops.count[DROP_OUT_TOO_BIG], 1);
    assert_int_equal(send_esp(udp, &path, in_udp, list, &no_df, 1, &drops), 0);
    const struct udp_socket *socket = socket_of(udp, in_udp ? UDP_NATT : UDP_RAW_ESP, path.local.address.family);
    assert_int_equal(receive(udp, socket, 1), 1);
    assert_int_equal(datagrams[0].packet.len, 4000);
    assert_true(datagrams[0].fragmented);
    assert_int_equal(datagrams[0].tos, 2);
}

static void test_df_and_fragments(void **state)
{
    (void)state;
    const struct connection c = {.encap = ENCAP_AUTO};
    if (!enter())
        skip();
    assert_int_equal(system("ip link set lo mtu 1500"), 0);
    struct udp *udp = open_for(&c, 1);
    check_fragments(udp, "127.0.0.1", true);
    check_fragments(udp, "127.0.0.1", false);
    check_fragments(udp, "::1", true);
    check_fragments(udp, "::1", false);
    udp_close(udp);
}

static size_t opened_count, closed_count;

static enum status on_opened(void *arg, const struct udp_socket *socket)
{
    assert_true(socket->fd >= 0);
    opened_count++;
    return arg != NULL ? ERR_LIMIT : OK;
}

static void on_closing(void *arg, const struct udp_socket *socket)
{
    (void)arg;
    assert_true(socket->fd >= 0);
    closed_count++;
}

static size_t open_sockets(const struct udp *udp)
{
    size_t count = 0;
    for (size_t i = 0; i < udp_count(udp); i++)
        count += udp_at(udp, i)->fd >= 0;
    return count;
}

/* What stays keeps its descriptor and its place; what fails leaves nothing. */
static void test_other_connections(void **state)
{
    (void)state;
    if (!enter())
        skip();
    struct connection c[3] = {{.name = "a", .encap = ENCAP_YES}, {.name = "b", .encap = ENCAP_YES}, {.name = "c"}};
    const struct udp_watcher watcher = {.opened = on_opened, .closing = on_closing},
                             refusing = {.arg = &opened_count, .opened = on_opened, .closing = on_closing};
    c[0].local = an_address("127.0.0.1");
    c[1].local = an_address("127.0.0.2");
    struct udp *udp = open_for(c, 1);
    const struct udp_socket *first = udp_at(udp, 0);
    int fd = first->fd;
    assert_int_equal(open_sockets(udp), 2);
    assert_int_equal(udp_extend(udp, c, 2, NULL, &quiet, &refusing, why, sizeof why), ERR_LIMIT);
    assert_int_equal(open_sockets(udp), 2);
    assert_int_equal(udp_extend(udp, c, 3, NULL, &quiet, &watcher, why, sizeof why), ERR_STATE); /* %any beside one */
    assert_has(why, "[connection c] has local = %any, which needs a restart");
    assert_int_equal(open_sockets(udp), 2);
    for (int round = 0; round < UDP_SOCKETS_MAX; round++) {
        opened_count = closed_count = 0;
        assert_int_equal(udp_extend(udp, c, 2, NULL, &quiet, &watcher, why, sizeof why), OK);
        assert_int_equal(opened_count, 2);
        assert_int_equal(open_sockets(udp), 4);
        udp_trim(udp, c, 1, &watcher);
        assert_int_equal(closed_count, 2);
        assert_int_equal(open_sockets(udp), 2);
        assert_true(first == udp_at(udp, 0) && first->fd == fd);
    }
    assert_int_equal(udp_count(udp), 4);
    c[1].encap = ENCAP_AUTO;
    c[1].local = c[0].local;
    assert_int_equal(udp_extend(udp, c, 2, NULL, &quiet, &watcher, why, sizeof why), OK);
    assert_int_equal(open_sockets(udp), 3); /* raw ESP */
    udp_close(udp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_sockets),
        cmocka_unit_test(test_errors_say_what_to_do),
        cmocka_unit_test(test_a_missing_mark_is_said),
        cmocka_unit_test(test_replies_leave_from_the_address_that_was_addressed),
        cmocka_unit_test(test_esp_both_ways_of_carrying),
        cmocka_unit_test(test_what_cannot_leave_is_counted),
        cmocka_unit_test(test_df_and_fragments),
        cmocka_unit_test(test_a_message_that_is_refused_goes_packet_by_packet),
        cmocka_unit_test(test_segments_stay_together_and_apart),
        cmocka_unit_test(test_other_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
