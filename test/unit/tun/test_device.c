/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/device.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "tun_test.h"

static char why[512];
static const struct log quiet;

static void test_a_name_that_is_too_long(void **state)
{
    (void)state;
    struct device device;
    assert_int_equal(device_open("sixteen-letters-", false, false, &device, why, sizeof why), ERR_LIMIT);
    assert_has(why, "at most 15");
    assert_int_equal(device.fd, -1);
}

static void test_busy_and_foreign_interfaces_are_refused(void **state)
{
    (void)state;
    struct device first, second;
    if (!enter_namespace())
        skip();
    assert_int_equal(device_open("esp0", false, false, &first, why, sizeof why), OK);
    assert_int_equal(device_open("esp0", false, false, &second, why, sizeof why), ERR_IO);
    assert_has(why, "another process is attached");
    assert_int_equal(device_open("lo", false, false, &second, why, sizeof why), ERR_IO);
    assert_has(why, "is not a TUN");
    device_close(&first);
}

static void test_queues(void **state)
{
    (void)state;
    struct device first, queue, second;
    char out[512];
    if (!enter_namespace())
        skip();
    for (unsigned offload = 0; offload < 2; offload++) {
        assert_int_equal(device_open("esp0", offload, true, &first, why, sizeof why), OK);
        assert_true(first.queues);
        assert_int_equal(device_add_queue(&first, &queue, why, sizeof why), OK);
        assert_int_not_equal(queue.fd, first.fd);
        assert_int_equal(queue.vnet, first.vnet);
        assert_int_equal(queue.offload, first.offload);
        /* the kernel would let others in */
        assert_int_equal(device_open("esp0", offload, true, &second, why, sizeof why), ERR_IO);
        assert_has(why, "another process is attached");
        device_close_queue(&queue);
        assert_has(output_of("ip -d link show esp0", out, sizeof out), "multi_queue");
        device_close(&first);
        assert_null(strstr(output_of("ip link show esp0 2>&1", out, sizeof out), "mtu"));
    }
}

static void test_a_device_made_for_one_queue_has_one(void **state)
{
    (void)state;
    struct device device;
    if (!enter_namespace())
        skip();
    assert_int_equal(system("ip tuntap add esp0 mode tun"), 0);
    assert_int_equal(device_open("esp0", true, true, &device, why, sizeof why), OK);
    assert_false(device.queues);
    device_close(&device);
    assert_int_equal(system("ip link del esp0 && ip tuntap add esp0 mode tun multi_queue"), 0);
    assert_int_equal(device_open("esp0", true, true, &device, why, sizeof why), OK);
    assert_true(device.queues);
    device_close(&device);
    assert_int_equal(device_open("esp0", true, false, &device, why, sizeof why), OK);
    assert_false(device.queues);
    device_close(&device);
}

static void test_what_was_created_is_gone_afterwards(void **state)
{
    (void)state;
    struct device device;
    char out[512];
    if (!enter_namespace())
        skip();
    assert_int_equal(device_open("esp0", false, false, &device, why, sizeof why), OK);
    assert_int_equal(device_start(&device, 1400, true, &quiet, why, sizeof why), OK);
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
    assert_int_equal(device_open("esp0", false, false, &device, why, sizeof why), OK);
    assert_true(device.attached);
    assert_int_equal(device_start(&device, 1400, true, &quiet, why, sizeof why), OK);
    assert_has(output_of("ip link show esp0", out, sizeof out), "mtu 1400");
    device_close(&device);
    assert_has(output_of("ip link show esp0", out, sizeof out), "mtu 1333");
}

static void test_the_mtu_of_a_running_device(void **state)
{
    (void)state;
    struct device device;
    char out[512];
    if (!enter_namespace())
        skip();
    assert_int_equal(device_open("esp0", false, false, &device, why, sizeof why), OK);
    assert_int_equal(device_start(&device, 1400, true, &quiet, why, sizeof why), OK);
    assert_int_equal(device_set_mtu(&device, 1300), 0);
    assert_int_equal(device.mtu, 1300);
    assert_has(output_of("ip link show esp0", out, sizeof out), "mtu 1300");
    assert_int_equal(device_set_mtu(&device, 70000), -EINVAL);
    assert_int_equal(device.mtu, 1300);
    device_close(&device);
    assert_int_equal(device_open("esp0", false, false, &device, why, sizeof why), OK);
    assert_int_equal(device_start(&device, 70000, true, &quiet, why, sizeof why), ERR_IO);
    assert_has(why, "choose another 'mtu'");
    device_close(&device);
}

/* In a child process, which gives up its privileges for good. Returns 0, or the line that was not as expected. */
static int as_nobody(void)
{
    struct device device;
    if (setgid(65534) != 0 || setuid(65534) != 0)
        return __LINE__;
    if (device_open("esp1", false, false, &device, why, sizeof why) != ERR_IO ||
        strstr(why, "belongs to another user") == NULL)
        return __LINE__;
    if (device_open("esp2", false, false, &device, why, sizeof why) != ERR_IO || strstr(why, "CAP_NET_ADMIN") == NULL)
        return __LINE__;
    if (device_open("esp0", false, false, &device, why, sizeof why) != OK)
        return __LINE__;
    if (device_start(&device, 1400, true, &quiet, why, sizeof why) != ERR_IO || strstr(why, "CAP_NET_ADMIN") == NULL)
        return __LINE__;
    if (device_start(&device, 1400, false, &quiet, why, sizeof why) != OK || device.mtu != 1333)
        return __LINE__;
    if (device_set_mtu(&device, 1200) != -EPERM || device.mtu != 1333 || device_set_mtu(&device, 1333) != 0)
        return __LINE__;
    device_close(&device);
    return 0;
}

static void test_an_attached_device_without_privilege(void **state)
{
    (void)state;
    int result = 0;
    if (!enter_namespace())
        skip();
    run("ip tuntap add esp0 mode tun user 65534 && ip link set esp0 mtu 1333 up && ip tuntap add esp1 mode tun user 1");
    pid_t child = fork();
    if (child == 0)
        _exit(as_nobody() & 0xff);
    assert_int_equal(waitpid(child, &result, 0), child);
    if (result != 0)
        fail_msg("as nobody, in line ..%d: %s", WEXITSTATUS(result), why);
}

/* --- handed over --- */

static int a_tun(const char *name, int flags)
{
    struct ifreq request = {.ifr_flags = (short)flags};
    int fd = open("/dev/net/tun", O_RDWR);
    assert_true(fd >= 0);
    (void)snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    if (ioctl(fd, TUNSETIFF, &request) < 0)
        fail_msg("TUNSETIFF: %s", strerror(errno));
    return fd;
}

static const char *fd_text(int fd)
{
    static char text[16];
    (void)snprintf(text, sizeof text, "fd:%d", fd);
    return text;
}

static void assert_refused_fd(int fd, const char *part)
{
    struct device device;
    char name[DEVICE_NAME];
    bool here;
    assert_int_equal(device_open(fd_text(fd), false, false, &device, why, sizeof why), ERR_IO);
    assert_has(why, part);
    assert_has(why, "IFF_TUN | IFF_NO_PI");
    assert_int_equal(device.fd, -1);
    assert_int_equal(device_identify(fd_text(fd), name, &here, why, sizeof why), ERR_IO);
}

static void test_a_descriptor_that_is_no_fitting_tun(void **state)
{
    (void)state;
    if (!enter_namespace())
        skip();
    int pipes[2], fresh = open("/dev/net/tun", O_RDWR);
    assert_int_equal(pipe(pipes), 0);
    assert_refused_fd(999, "no such descriptor");
    assert_refused_fd(pipes[0], "not a TUN");
    assert_refused_fd(fresh, "not tied to an interface");
    assert_refused_fd(a_tun("a0", IFF_TAP | IFF_NO_PI), "TAP");
    assert_refused_fd(a_tun("a1", IFF_TUN), "packet information");
    assert_refused_fd(a_tun("a2", IFF_TUN | IFF_VNET_HDR), "packet information");
}

/* With a virtio header, super-packets are as we ask; the header stays in any case. */
static void test_a_descriptor_with_a_vnet_header(void **state)
{
    (void)state;
    struct device device;
    if (!enter_namespace())
        skip();
    int fd = a_tun("esp5", IFF_TUN | IFF_NO_PI | IFF_VNET_HDR);
    assert_int_equal(device_open(fd_text(fd), false, false, &device, why, sizeof why), OK);
    assert_true(device.vnet && !device.offload && !device.udp_segments);
    assert_int_equal(device_open(fd_text(fd), true, false, &device, why, sizeof why), OK);
    assert_true(device.vnet && device.offload);
    device_close(&device);
}

static void test_a_tun_that_is_handed_over(void **state)
{
    (void)state;
    struct device device;
    char out[512], name[DEVICE_NAME];
    bool here = false;
    if (!enter_namespace())
        skip();
    int fd = a_tun("esp5", IFF_TUN | IFF_NO_PI);
    assert_int_equal(device_identify(fd_text(fd), name, &here, why, sizeof why), OK);
    assert_string_equal(name, "esp5");
    assert_true(here);
    assert_int_equal(device_identify("esp6", name, &here, why, sizeof why), OK);
    assert_string_equal(name, "esp6");
    assert_int_equal(device_open(fd_text(fd), false, false, &device, why, sizeof why), OK);
    assert_int_equal(device.fd, fd);
    assert_true(device.attached && device.index != 0);
    assert_int_equal(device.mtu, 1500);
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(device_start(&device, 1400, true, &quiet, why, sizeof why), OK);
    output_of("ip link show esp5", out, sizeof out);
    assert_has(out, "mtu 1400");
    assert_has(out, "UP");
    device_close(&device);
}

/* Also where an interface of its name is here. */
static void test_a_tun_of_another_namespace(void **state)
{
    (void)state;
    struct device device;
    char out[512], name[DEVICE_NAME];
    bool here = true;
    for (int twin = 0; twin < 2; twin++) {
        if (!enter_namespace())
            skip();
        int fd = a_tun("esp5", IFF_TUN | IFF_NO_PI);
        assert_true(enter_namespace());
        if (twin)
            run("ip tuntap add esp5 mode tun");
        assert_int_equal(device_identify(fd_text(fd), name, &here, why, sizeof why), OK);
        assert_false(here);
        assert_int_equal(device_open(fd_text(fd), false, false, &device, why, sizeof why), OK);
        assert_int_equal(device.index, 0);
        assert_string_equal(device.name, "esp5");
        assert_int_equal(device_start(&device, 1400, true, &quiet, why, sizeof why), OK);
        assert_int_equal(device.mtu, 1400);
        assert_int_equal(device_set_mtu(&device, 1300), -ENODEV);
        device_close(&device);
        if (twin)
            assert_has(output_of("ip link show esp5", out, sizeof out), "mtu 1500");
    }
}

static void test_packets_pass(void **state)
{
    (void)state;
    static uint8_t buffers[2][4 * PACKET_BUFFER];
    struct slab slab = {.bytes = buffers[0], .size = sizeof buffers[0]},
                other = {.bytes = buffers[1], .size = sizeof buffers[1]};
    struct packet packets[4];
    struct vnet vnets[4];
    struct device device;
    bool gone = false;
    if (!enter_namespace())
        skip();
    assert_int_equal(device_open("esp0", false, false, &device, why, sizeof why), OK);
    assert_int_equal(device_start(&device, 1400, true, &quiet, why, sizeof why), OK);
    assert_int_equal(device_read(&device, &slab, packets, vnets, 4, &gone), 0);
    assert_false(gone);
    run("ip addr add 10.1.0.1/32 dev esp0 && ip route add 10.2.0.0/24 dev esp0");
    run("ping -c 3 -i 0.01 -W 0.01 10.2.0.9 >/dev/null; true");
    assert_int_equal(device_read(&device, &slab, packets, vnets, 2, &gone), 2);
    struct packet third[4];
    assert_int_equal(device_read(&device, &other, third, vnets, 4, &gone), 1);
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
    struct slab slab = {.bytes = buffer, .size = sizeof buffer};
    struct packet packet;
    struct vnet vnet;
    struct device device;
    bool gone = false;
    if (!enter_namespace())
        skip();
    assert_int_equal(device_open("esp0", false, false, &device, why, sizeof why), OK);
    assert_int_equal(device_start(&device, 1400, true, &quiet, why, sizeof why), OK);
    run("ip link del esp0");
    assert_int_equal(device_read(&device, &slab, &packet, &vnet, 1, &gone), 0);
    assert_true(gone);
    device_close(&device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_name_that_is_too_long),
        cmocka_unit_test(test_busy_and_foreign_interfaces_are_refused),
        cmocka_unit_test(test_queues),
        cmocka_unit_test(test_a_device_made_for_one_queue_has_one),
        cmocka_unit_test(test_what_was_created_is_gone_afterwards),
        cmocka_unit_test(test_an_attached_device_stays_as_it_was),
        cmocka_unit_test(test_the_mtu_of_a_running_device),
        cmocka_unit_test(test_an_attached_device_without_privilege),
        cmocka_unit_test(test_a_descriptor_that_is_no_fitting_tun),
        cmocka_unit_test(test_a_descriptor_with_a_vnet_header),
        cmocka_unit_test(test_a_tun_that_is_handed_over),
        cmocka_unit_test(test_a_tun_of_another_namespace),
        cmocka_unit_test(test_packets_pass),
        cmocka_unit_test(test_a_device_that_somebody_deletes_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
