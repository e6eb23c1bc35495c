/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/probe.h"

#include <errno.h>

#include "test/unit/log_test.h"
#include "test/unit/refusing_kernel.h"
#include "tun_test.h"

enum { PIECES_OF_ONE = 2, PIECES_OF_MANY = 3 }; /* that writev gets: the vnet header, then a packet or several */

static char why[512], lines[LINES_KEPT];

static const struct log all = {.level = LOG_DEBUG, .sink = keep_line, .arg = lines};

static void open_tun(struct device *device, bool offload)
{
    lines[0] = '\0';
    assert_int_equal(device_open("esp0", offload, false, device, why, sizeof why), OK);
    assert_true(device->tcp_segments == offload);
}

/* Packets that came in from us, and left to us. */
static void assert_packets(unsigned in, unsigned out)
{
    char found[64], wanted[64];
    (void)snprintf(wanted, sizeof wanted, "%u %u\n", in, out);
    output_of("awk '/esp0:/ { print $3, $11 }' /proc/net/dev", found, sizeof found);
    assert_string_equal(found, wanted);
}

/* Those of the probe die before any protocol hears of them. */
static void assert_host_has_heard_nothing(void)
{
    static const char *const counters[] = {
        "^Tcp:' /proc/net/snmp | tail -1 | cut -d' ' -f11", "^Udp:' /proc/net/snmp | tail -1 | cut -d' ' -f2,3",
        "^Udp6(In|No)' /proc/net/snmp6 | grep -v '[[:space:]]0$'", "^Icmp6?(In|Out)Msgs.*[1-9]' /proc/net/snmp6"};
    static const char *const nothing[] = {"0\n", "0 0\n", "", ""};
    char command[256], out[256];
    for (size_t i = 0; i < COUNT(counters); i++) {
        (void)snprintf(command, sizeof command, "grep -E '%s", counters[i]);
        assert_string_equal(output_of(command, out, sizeof out), nothing[i]);
    }
}

/* The kernel of this machine is taken to be a good one: before the interface is up, and after. The addresses to which
 * the packets go are the host's own. */
static void test_a_good_kernel(void **state)
{
    (void)state;
    if (!enter_namespace())
        skip();
    for (int up = 0; up < 2; up++) {
        struct device device;
        open_tun(&device, true);
        bool udp = device.udp_segments;
        run("ip link set lo up && ip addr add 192.0.2.2/32 dev esp0");
        if (up != 0)
            assert_int_equal(device_start(&device, 1400, true, &(struct log){0}, why, sizeof why), OK);
        device_probe(&device, &all);
        assert_true(device.tcp_segments && device.udp_segments == udp && device.offload);
        assert_string_equal(lines, "");
        assert_packets(up == 0 ? 0 : udp ? 4 : 2, 0);
        assert_host_has_heard_nothing();
        device_close(&device);
    }
}

/* Without super-packets there is nothing to ask. */
static void test_nothing_is_written_where_nothing_is_used(void **state)
{
    (void)state;
    struct device device;
    if (!enter_namespace())
        skip();
    open_tun(&device, false);
    assert_int_equal(device_start(&device, 1400, true, &(struct log){0}, why, sizeof why), OK);
    device_probe(&device, &all);
    assert_packets(0, 0);
    assert_string_equal(lines, "");
    device_close(&device);
}

struct refusal {
    uint32_t pieces;
    int error;
    bool up, still_used;
    const char *said;
};

static void check_refusal(const void *arg)
{
    const struct refusal *r = arg;
    struct device device;
    open_tun(&device, true);
    if (r->up)
        assert_int_equal(device_start(&device, 1400, true, &(struct log){0}, why, sizeof why), OK);
    assert_true(refuse_call(SYS_writev, r->pieces, UINT32_MAX, r->error));
    device_probe(&device, &all);
    assert_true(device.tcp_segments == r->still_used && device.offload);
    assert_has(lines, r->said);
    assert_has(lines, "esp0");
    if (!r->still_used) {
        assert_has(lines, "super-packets of TCP over IPv4");
        assert_has(lines, "tun_offload = no");
        assert_null(strstr(lines, "UDP")); /* without TCP's there are none of UDP either */
    }
    assert_null(strchr(strchr(lines, '\n') + 1, '\n')); /* one line */
}

static void test_a_kernel_that_refuses(void **state)
{
    (void)state;
    static const struct refusal rows[] = {
        {PIECES_OF_MANY, EINVAL, false, false, "Invalid argument"},
        {PIECES_OF_MANY, EINVAL, true, false, "Invalid argument"},
        {PIECES_OF_MANY, EMSGSIZE, false, false, "Message too long"},
        {PIECES_OF_ONE, EINVAL, false, true, "not known"}, /* nothing is taken, so that is not the reason */
        {PIECES_OF_ONE, EBADFD, true, true, "not known"},
    };
    if (!enter_namespace())
        skip();
    for (size_t i = 0; i < COUNT(rows); i++)
        in_a_child(check_refusal, &rows[i]);
}

/* What a kernel really says of a super-packet that is none: the lengths, protocols and headers are looked at also while
 * the interface is down, which is what the probe lives on. */
static void test_the_kernel_looks_while_the_interface_is_down(void **state)
{
    (void)state;
    struct device device;
    uint8_t packet[60] = {0x45, 0, 0, 60, 0, 0, 0x40, 0, 1, 6};
    uint8_t header[VNET_HEADER] = {0, 0x7f}; /* a kind that no kernel knows */
    const struct iovec iov[] = {{header, sizeof header}, {packet, sizeof packet}};
    if (!enter_namespace())
        skip();
    open_tun(&device, true);
    const struct coalesced out = {.iov = iov, .count = 2, .packets = 2};
    assert_false(device_write_coalesced(&device, &out));
    assert_int_equal(errno, EINVAL);
    header[1] = VNET_GSO_NONE;
    assert_false(device_write_coalesced(&device, &out));
    assert_int_equal(errno, EIO);
    device_close(&device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_good_kernel),
        cmocka_unit_test(test_nothing_is_written_where_nothing_is_used),
        cmocka_unit_test(test_a_kernel_that_refuses),
        cmocka_unit_test(test_the_kernel_looks_while_the_interface_is_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
