/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/udp_probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include "daemon_test.h"
#include "test/unit/log_test.h"
#include "test/unit/network_test.h"
#include "test/unit/refusing_kernel.h"

static char lines[LINES_KEPT];

static const struct log all = {.level = LOG_DEBUG, .sink = keep_line, .arg = lines};

static bool enter(const char *command)
{
    lines[0] = '\0';
    return enter_network(command);
}

/* --- what arrives --- */

static uint8_t message[UDP_PROBE_BYTES + UDP_PROBE_SIZE];

/* Takes datagrams of these lengths. */
static const char *take(const size_t *sizes, size_t count)
{
    static struct udp_arrivals a;
    a = (struct udp_arrivals){.number = 3};
    size_t at = 0;
    for (size_t i = 0; i < count; at += sizes[i++])
        if (!udp_probe_take(&a, bytes_of(message + at, sizes[i])))
            return a.why;
    return udp_probe_whole(&a) ? "right" : a.why;
}

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        size_t sizes[UDP_PROBE_SEGMENTS + 2], count;
        const char *said;
    } rows[] = {
        {{500, 500, 500, 500, 500, 500, 500, 500, 7}, 9, "right"},
        {{0}, 0, "datagram 1 has not arrived"},
        {{500, 500, 500, 500, 500, 500, 500, 500}, 8, "datagram 9 has not arrived"},
        {{500, 500, 500, 500, 500, 500, 500, 507}, 8, "datagram 8 has arrived with 507 bytes instead of 500"},
        {{500, 499, 501}, 3, "datagram 2 has arrived with 499 bytes instead of 500"},
        {{4007}, 1, "datagram 1 has arrived with 4007 bytes instead of 500"},
        {{500, 0, 500}, 3, "datagram 2 has arrived with 0 bytes instead of 500"},
        {{500, 500, 500, 500, 500, 500, 500, 500, 6, 1}, 10, "datagram 9 has arrived with 6 bytes instead of 7"},
        {{500, 500, 500, 500, 500, 500, 500, 500, 7, 5}, 10, "5 bytes more have arrived"},
        {{500, 500, 500, 500, 500, 500, 500, 500, 7, 0}, 10, "0 bytes more have arrived"},
    };
    udp_probe_message(3, message);
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(take(rows[i].sizes, rows[i].count), rows[i].said);
}

/* Any byte that is another one is seen, and so is a datagram that has changed its place or is of another message. */
static void test_contents(void **state)
{
    (void)state;
    uint8_t swapped[UDP_PROBE_SIZE];
    static const size_t whole[] = {500, 500, 500, 500, 500, 500, 500, 500, 7};
    udp_probe_message(3, message);
    for (size_t i = 0; i < UDP_PROBE_BYTES; i++) {
        message[i] ^= (uint8_t)(1 + i % 255);
        assert_has(take(whole, COUNT(whole)), "another byte");
        message[i] ^= (uint8_t)(1 + i % 255);
    }
    for (size_t a = 0; a < UDP_PROBE_SEGMENTS; a++) {
        for (size_t b = 0; b < a; b++) {
            udp_probe_message(3, message);
            memcpy(swapped, message + a * UDP_PROBE_SIZE, sizeof swapped);
            memcpy(message + a * UDP_PROBE_SIZE, message + b * UDP_PROBE_SIZE, sizeof swapped);
            memcpy(message + b * UDP_PROBE_SIZE, swapped, sizeof swapped);
            assert_has(take(whole, COUNT(whole)), "another byte");
        }
    }
    udp_probe_message(4, message);
    assert_string_equal(take(whole, COUNT(whole)), "datagram 1 has arrived with another byte 0");
}

/* --- what follows --- */

static void test_judgement(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 36; n++) {
        bool gso = n % 2 == 0, gro = n / 2 % 2 == 0, use_gso = gso, use_gro = gro;
        struct udp_findings f = {{.verdict = (enum udp_verdict)(n / 4 % 3), .why = "the one"},
                                 {.verdict = (enum udp_verdict)(n / 12), .why = "the other"}};
        lines[0] = '\0';
        udp_probe_judge(&f, 6, &all, &use_gso, &use_gro);
        assert_true(use_gso == (gso && f.gso.verdict != UDP_WRONG));
        assert_true(use_gro == (gro && f.gro.verdict != UDP_WRONG));
        assert_true((strstr(lines, "warning udp_gso is off") != NULL) == (gso && !use_gso));
        assert_true((strstr(lines, "warning udp_gro is off") != NULL) == (gro && !use_gro));
        assert_true((strstr(lines, "debug udp_gso could not") != NULL) == (gso && f.gso.verdict == UDP_UNKNOWN));
        assert_true((strstr(lines, "debug udp_gro could not") != NULL) == (gro && f.gro.verdict == UDP_UNKNOWN));
        assert_true((strstr(lines, "(the one)") != NULL) == (gso && f.gso.verdict != UDP_RIGHT));
        assert_true((strstr(lines, "(the other)") != NULL) == (gro && f.gro.verdict != UDP_RIGHT));
        if (gso && !use_gso)
            assert_has(lines, "'udp_gso = no'");
    }
}

static void test_versions_in_doubt(void **state)
{
    (void)state;
    static const char *const doubtful[] = {"7.0.0",  "7.0.2-6-pve", "7.0.0-rc1+", "7.0-rc1",
                                           "7.0.99", "7.1.0",       "7.1",        "7.1.4-1.el10"};
    static const char *const good[] = {
        "6.18.44", "6.1.0-37-amd64", "7.1.5", "7.1.10-arch1", "7.2.0", "7.10.1", "17.0.1", "70.0", "", "x", "x.7.0"};
    for (size_t i = 0; i < COUNT(doubtful); i++)
        assert_true(udp_probe_doubts(doubtful[i]));
    for (size_t i = 0; i < COUNT(good); i++)
        assert_false(udp_probe_doubts(good[i]));
}

/* --- the kernel --- */

/* This machine's is taken to be a good one. */
static void test_a_good_kernel(void **state)
{
    (void)state;
    struct udp_findings f;
    bool gso = true, gro = true;
    if (!enter(LOOPBACK_UP))
        skip();
    for (uint8_t family = 4; family <= 6; family = (uint8_t)(family + 2)) {
        udp_probe_ask(family, &f);
        if (f.gso.verdict != UDP_RIGHT || f.gro.verdict != UDP_RIGHT)
            fail_msg("IPv%u: %s; %s", family, f.gso.why, f.gro.why);
    }
    udp_probe(&all, &gso, &gro);
    assert_true(gso && gro);
    assert_null(strstr(lines, "debug"));
}

/* The kernel cuts the message before the loopback, or does not: no difference. */
static void test_a_loopback_that_does_not_segment(void **state)
{
    (void)state;
    struct udp_findings f;
    if (!enter(LOOPBACK_UP " && ethtool -K lo gso off tso off tx-udp-segmentation off 2>/dev/null"))
        skip();
    udp_probe_ask(4, &f);
    assert_int_equal(f.gso.verdict, UDP_RIGHT);
    assert_int_equal(f.gro.verdict, UDP_RIGHT);
}

/* Nothing is turned off for want of an answer, and it is said to who asks for details. */
static void test_where_it_cannot_run(void **state)
{
    (void)state;
    static const struct {
        const char *command, *said;
    } rows[] = {
        {"true", "IPv4 (Network is unreachable)"}, /* the loopback is down */
        {"true", "IPv6 (Cannot assign requested address)"},
        {"ip link set lo up mtu 300", "IPv4 (Message too long)"},
        {LOOPBACK_UP
         " && nft 'table inet t { chain c { type filter hook input priority 0; udp length 0-600 drop; }; }'",
         "IPv4 (the loopback interface does not carry it)"},
        {LOOPBACK_UP
         " && nft 'table inet t { chain c { type filter hook output priority 0; udp length 0-600 drop; }; }'",
         "IPv4 (Operation not permitted)"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        bool gso = true, gro = true;
        if (!enter(rows[i].command))
            skip();
        udp_probe(&all, &gso, &gro);
        assert_true(gso && gro);
        assert_has(lines, rows[i].said);
        assert_has(lines, "debug udp_gso");
        assert_has(lines, "debug udp_gro");
    }
}

struct refusal {
    long call;
    uint32_t third;
    int error;
    bool gso, gro; /* stay on */
    const char *said;
};

static void check_refusal(const void *arg)
{
    const struct refusal *r = arg;
    bool gso = true, gro = true;
    assert_true(refuse_call(r->call, r->third, UINT32_MAX, r->error));
    udp_probe(&all, &gso, &gro);
    assert_true(gso == r->gso && gro == r->gro);
    assert_has(lines, r->said);
}

static void test_a_kernel_that_refuses(void **state)
{
    (void)state;
    static const struct refusal rows[] = {
        {SYS_sendmsg, 0, EINVAL, false, true, "warning udp_gso is off"},
        {SYS_sendmsg, 0, EMSGSIZE, false, true, "(Message too long)"},
        {SYS_sendmsg, 0, EIO, true, true, "debug udp_gso could not be tested over IPv4 (Input/output error)"},
        {SYS_sendmsg, 0, ENOBUFS, true, true, "debug udp_gso"},
        {SYS_setsockopt, UDP_SEGMENT, ENOPROTOOPT, true, true, "debug udp_gso could not be tested over IPv6"},
        {SYS_setsockopt, UDP_GRO, ENOPROTOOPT, true, true, "debug udp_gro could not be tested over IPv6"},
        {SYS_socket, 0, EAFNOSUPPORT, true, true, "not supported"},
    };
    if (!enter(LOOPBACK_UP))
        skip();
    for (size_t i = 0; i < COUNT(rows); i++)
        in_a_child(check_refusal, &rows[i]);
}

/* What is off is not asked about. */
static void test_what_is_off_stays_off(void **state)
{
    (void)state;
    bool gso = false, gro = false;
    if (!enter("true"))
        skip();
    udp_probe(&all, &gso, &gro);
    assert_false(gso || gro);
    assert_string_equal(lines, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_contents),
        cmocka_unit_test(test_judgement),
        cmocka_unit_test(test_versions_in_doubt),
        cmocka_unit_test(test_a_good_kernel),
        cmocka_unit_test(test_a_loopback_that_does_not_segment),
        cmocka_unit_test(test_where_it_cannot_run),
        cmocka_unit_test(test_a_kernel_that_refuses),
        cmocka_unit_test(test_what_is_off_stays_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
