/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/device.h"

#include "tun_test.h"

static char why[512];

static void test_a_name_that_is_too_long(void **state)
{
    (void)state;
    struct device device;
    assert_int_equal(device_open("sixteen-letters-", &device, why, sizeof why), ERR_LIMIT);
    assert_has(why, "at most 15");
    assert_int_equal(device.fd, -1);
}

static void test_busy_and_foreign_interfaces_are_refused(void **state)
{
    (void)state;
    struct device first, second;
    if (!enter_namespace())
        skip();
    assert_int_equal(device_open("esp0", &first, why, sizeof why), OK);
    assert_int_equal(device_open("esp0", &second, why, sizeof why), ERR_IO);
    assert_has(why, "another process is attached");
    assert_int_equal(device_open("lo", &second, why, sizeof why), ERR_IO);
    assert_has(why, "is not a TUN");
    device_close(&first);
}

static void test_what_was_created_is_gone_afterwards(void **state)
{
    (void)state;
    struct device device;
    char out[512];
    if (!enter_namespace())
        skip();
    assert_int_equal(device_open("esp0", &device, why, sizeof why), OK);
    assert_int_equal(device_start(&device, 1400, why, sizeof why), OK);
    assert_false(device.attached);
    output_of("ip link show esp0", out, sizeof out);
    assert_has(out, "mtu 1400");
    assert_has(out, "UP");
    assert_has(out, "qlen 1000");
    device_close(&device);
    assert_null(strstr(output_of("ip link show esp0 2>&1", out, sizeof out), "mtu"));
}

static void test_an_attached_device_stays_as_it_was(void **state)
{
    (void)state;
    struct device device;
    char out[512];
    if (!enter_namespace())
        skip();
    run("ip tuntap add esp0 mode tun multi_queue && ip link set esp0 mtu 1333");
    assert_int_equal(device_open("esp0", &device, why, sizeof why), OK);
    assert_true(device.attached);
    assert_int_equal(device_start(&device, 1400, why, sizeof why), OK);
    assert_has(output_of("ip link show esp0", out, sizeof out), "mtu 1400");
    device_close(&device);
    assert_has(output_of("ip link show esp0", out, sizeof out), "mtu 1333");
}

static void test_packets_pass(void **state)
{
    (void)state;
    static uint8_t buffers[4][PACKET_HEADROOM + 2048 + PACKET_TAILROOM];
    struct packet packets[4];
    struct device device;
    bool gone = false;
    if (!enter_namespace())
        skip();
    for (size_t i = 0; i < 4; i++)
        packets[i] = packet_of(buffers[i], sizeof buffers[i], PACKET_HEADROOM);
    assert_int_equal(device_open("esp0", &device, why, sizeof why), OK);
    assert_int_equal(device_start(&device, 1400, why, sizeof why), OK);
    assert_int_equal(device_read(&device, packets, 4, &gone), 0);
    assert_false(gone);
    run("ip addr add 10.1.0.1/32 dev esp0 && ip route add 10.2.0.0/24 dev esp0");
    run("ping -c 3 -i 0.01 -W 0.01 10.2.0.9 >/dev/null; true");
    assert_int_equal(device_read(&device, packets, 2, &gone), 2);
    assert_int_equal(device_read(&device, packets, 4, &gone), 1);
    const uint8_t *ip = packet_data(&packets[0]);
    assert_int_equal(packets[0].len, 84);
    assert_int_equal(ip[0], 0x45);
    assert_memory_equal(ip + 16, ((const uint8_t[]){10, 2, 0, 9}), 4);
    assert_true(device_write(&device, bytes_of(ip, packets[0].len)));
    assert_false(device_write(&device, bytes_of("\xff", 1)));
    device_close(&device);
}

static void test_a_device_that_somebody_deletes_is_gone(void **state)
{
    (void)state;
    static uint8_t buffer[PACKET_BUFFER];
    struct packet packet = packet_of(buffer, sizeof buffer, PACKET_HEADROOM);
    struct device device;
    bool gone = false;
    if (!enter_namespace())
        skip();
    assert_int_equal(device_open("esp0", &device, why, sizeof why), OK);
    assert_int_equal(device_start(&device, 1400, why, sizeof why), OK);
    run("ip link del esp0");
    assert_int_equal(device_read(&device, &packet, 1, &gone), 0);
    assert_true(gone);
    device_close(&device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_name_that_is_too_long),
        cmocka_unit_test(test_busy_and_foreign_interfaces_are_refused),
        cmocka_unit_test(test_what_was_created_is_gone_afterwards),
        cmocka_unit_test(test_an_attached_device_stays_as_it_was),
        cmocka_unit_test(test_packets_pass),
        cmocka_unit_test(test_a_device_that_somebody_deletes_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
