/* SPDX-License-Identifier: Apache-2.0 */
/* Packets that are too large for the path, and what the outer header says for the inner one. */
#include "worker_test.h"

#include <linux/errqueue.h>

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
    assert_in_range(told, 1, 64); /* all in one millisecond, of one sender */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_too_big_with_df_is_told_to_the_sender, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors_to_senders_are_limited, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_big_without_df_is_cut_before_sealing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fragment_after_and_df_clear_leave_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_marks_leave_on_the_outer_header, setup, teardown),
        cmocka_unit_test_setup_teardown(test_congestion_marks_arrive_or_end_the_packet, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
